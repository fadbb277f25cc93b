/*
 * test_samples.c
 *	  Training samples: the settled order, spilling, limits, memory that runs out.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/samples.h"

#define LABELS 7
#define TEXTS 60
#define LONG_TEXTS 40
#define LONG_LENGTH 60000 /* some of them fill a block */

typedef struct row
{
	uint32_t *ids;
	uint32_t length;
	uint16_t labels[LABELS];
	size_t label_count;
	bool soft; /* targets instead of labels */
	float targets[LABELS];
	float weight;
	uint64_t hash;
} row;

static uint64_t random_state = 1;

static uint32_t
random_number(uint32_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) (random_state >> 33) % below;
}

static uint64_t
hash_row(const row *row)
{
	uint64_t hash = 99;

	for (uint32_t i = 0; i < row->length; i++)
		hash = (hash ^ row->ids[i]) * UINT64_C(0x9e3779b97f4a7c15);
	for (size_t i = 0; i < row->label_count; i++)
		hash = (hash ^ row->labels[i] ^ 0x10000) * UINT64_C(0x9e3779b97f4a7c15);
	for (size_t i = 0; row->soft && i < LABELS; i++)
		hash = (hash ^ (uint64_t) (row->targets[i] * 1000)) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

static row *
make_rows(size_t count, uint32_t longest)
{
	row *rows = calloc(count, sizeof(row));

	for (size_t i = 0; i < count; i++)
	{
		row *made = &rows[i];

		made->length = i == 0 ? 0 : random_number(longest);
		made->ids = malloc((made->length + 1) * sizeof(uint32_t));
		for (uint32_t j = 0; j < made->length; j++)
			made->ids[j] = random_number(1000);
		for (uint16_t label = 0; label < LABELS; label++)
			if (random_number(3) == 0)
				made->labels[made->label_count++] = label;
		made->soft = i % 4 == 3;
		for (size_t label = 0; made->soft && label < LABELS; label++)
			made->targets[label] = (float) random_number(1001) / 1000;
		made->weight = (float) random_number(5) / 4;
		made->hash = hash_row(made);
	}
	return rows;
}

static void
free_rows(row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(rows[i].ids);
	free(rows);
}

static em_code
add_row(samples *to, const row *row, em_status *status)
{
	if (row->soft)
		return samples_add_soft(to, row->ids, row->length, row->targets, row->weight, row->hash,
								status);
	return samples_add(to, row->ids, row->length, row->labels, row->label_count, row->weight,
					   row->hash, status);
}

/* What a row's targets are to be, and whether others are near enough. */
static bool
targets_are(const row *row, const real *targets)
{
	real expected[LABELS] = { 0 };
	bool near = true;

	for (size_t i = 0; !row->soft && i < row->label_count; i++)
		expected[row->labels[i]] = 1;
	for (size_t i = 0; i < LABELS; i++)
		near = near &&
			   fabs((double) (targets[i] - (row->soft ? (real) row->targets[i] : expected[i]))) <=
				   (row->soft ? 1.0 / 131070 + 1e-7 : 0);
	return near;
}

/* Samples of rows, the i-th to be added being number order[i] (NULL: i). */
static samples *
fill(const row *rows, size_t count, const size_t *order, size_t limit, const samples_spill *spill,
	 const uint32_t *remap)
{
	samples *made = NULL;
	em_status status;
	bool good = samples_create(&check_allocator, LABELS, limit, spill, &made, &status) == EM_OK;

	for (size_t i = 0; good && i < count; i++)
		good = add_row(made, &rows[order ? order[i] : i], &status) == EM_OK;
	good = good && samples_finish(made, remap, &status) == EM_OK;
	if (!good)
	{
		CHECK(false, "samples are added: %s", status.message);
		exit(1);
	}
	return made;
}

/* Whether two hold the same, sample by sample and in pieces of different sizes. */
static bool
same_samples(samples *a, samples *b)
{
	size_t count = samples_count(a);
	uint32_t *numbers = malloc(count * sizeof(uint32_t));
	nn_sequence *sequences = malloc(count * sizeof(nn_sequence));
	real *targets = malloc(count * LABELS * sizeof(real));
	real *weights = malloc(count * sizeof(real));
	bool same =
		samples_count(b) == count && samples_tokens(a) == samples_tokens(b) &&
		samples_fingerprint(a) == samples_fingerprint(b) &&
		memcmp(samples_label_counts(a), samples_label_counts(b), LABELS * sizeof(uint64_t)) == 0;

	for (size_t i = 0; i < count; i++)
		numbers[i] = (uint32_t) i;
	same = same && samples_read(a, numbers, count, sequences, targets, weights, NULL) == EM_OK;
	for (uint32_t i = 0; same && i < count; i++)
	{
		nn_sequence one;
		real target[LABELS], weight;

		same = samples_read(b, &i, 1, &one, target, &weight, NULL) == EM_OK &&
			   samples_length(b, i) == one.length && sequences[i].length == one.length &&
			   memcmp(sequences[i].ids, one.ids, one.length * sizeof(uint32_t)) == 0 &&
			   memcmp(targets + i * LABELS, target, sizeof(target)) == 0 && weights[i] == weight;
	}
	free(numbers);
	free(sequences);
	free(targets);
	free(weights);
	return same;
}

/* Another order of 0..count-1. */
static size_t *
shuffled(size_t count)
{
	size_t *order = malloc(count * sizeof(size_t));

	for (size_t i = 0; i < count; i++)
		order[i] = i;
	for (size_t i = count; i > 1; i--)
	{
		size_t other = random_number((uint32_t) i);
		size_t swap = order[i - 1];

		order[i - 1] = order[other];
		order[other] = swap;
	}
	return order;
}

static void
test_order(void)
{
	row *rows = make_rows(TEXTS, 30);
	samples *first, *second;
	uint64_t tokens = 0, counts[LABELS] = { 0 };
	double sums[LABELS] = { 0 };

	/* the same text again, once with its own weight and once with another */
	for (size_t i = 1; i < 4; i++)
	{
		free(rows[i].ids);
		rows[i] = rows[10];
		rows[i].ids = malloc((rows[10].length + 1) * sizeof(uint32_t));
		memcpy(rows[i].ids, rows[10].ids, rows[10].length * sizeof(uint32_t));
	}
	rows[2].weight = 7;
	rows[3].weight = 3;
	first = fill(rows, TEXTS, NULL, 0, NULL, NULL);
	for (size_t i = 0; i < TEXTS; i++)
	{
		tokens += rows[i].length;
		for (size_t j = 0; !rows[i].soft && j < rows[i].label_count; j++)
			counts[rows[i].labels[j]]++;
		for (size_t j = 0; rows[i].soft && j < LABELS; j++)
			sums[j] += (double) rows[i].targets[j];
	}
	for (size_t i = 0; i < LABELS; i++)
		counts[i] += (uint64_t) llround(sums[i]);
	CHECK(samples_count(first) == TEXTS && samples_tokens(first) == tokens &&
			  memcmp(samples_label_counts(first), counts, sizeof(counts)) == 0,
		  "texts, tokens, labels and sums of soft targets are counted");
	for (int turn = 0; turn < 5; turn++)
	{
		size_t *order = shuffled(TEXTS);

		second = fill(rows, TEXTS, order, 0, NULL, NULL);
		CHECK(same_samples(first, second), "the order of addition does not matter (%d)", turn);
		samples_free(second);
		free(order);
	}

	second = fill(rows, TEXTS - 1, NULL, 0, NULL, NULL);
	CHECK(samples_fingerprint(first) != samples_fingerprint(second),
		  "the fingerprint tells of a row less");
	samples_free(second);
	rows[20].weight += 1;
	second = fill(rows, TEXTS, NULL, 0, NULL, NULL);
	CHECK(samples_fingerprint(first) != samples_fingerprint(second), "of another weight");
	samples_free(second);
	rows[20].weight -= 1;
	rows[20].hash++;
	second = fill(rows, TEXTS, NULL, 0, NULL, NULL);
	CHECK(samples_fingerprint(first) != samples_fingerprint(second), "of another text");
	samples_free(second);
	rows[20].hash--;

	/* equal rows whose weights are 0 and -0 */
	for (size_t i = 1; i < 4; i++)
		rows[i].weight = i == 2 ? -0.0F : 0.0F;
	samples_free(first);
	first = fill(rows, TEXTS, NULL, 0, NULL, NULL);
	rows[2].weight = 0;
	rows[3].weight = -0.0F;
	second = fill(rows, TEXTS, NULL, 0, NULL, NULL);
	CHECK(same_samples(first, second), "a weight of -0 is 0");
	samples_free(second);
	samples_free(first);
	samples_free(NULL);
	free_rows(rows, TEXTS);
}

static void
test_read(void)
{
	row *rows = make_rows(TEXTS, 30);
	samples *made = fill(rows, TEXTS, NULL, 0, NULL, NULL);
	uint32_t remap[1000];
	samples *mapped;
	bool found = true, known = true;

	for (uint32_t i = 0; i < TEXTS; i++)
	{
		nn_sequence sequence;
		real targets[LABELS], weight;
		bool here = false;

		if (samples_read(made, &i, 1, &sequence, targets, &weight, NULL) != EM_OK)
			exit(1);
		for (size_t r = 0; r < TEXTS && !here; r++)
		{
			here = rows[r].length == sequence.length && rows[r].weight == weight &&
				   memcmp(rows[r].ids, sequence.ids, sequence.length * sizeof(uint32_t)) == 0 &&
				   targets_are(&rows[r], targets);
		}
		found = found && here;
	}
	CHECK(found, "what is read is what was added: ids, labels or targets, weights");

	for (uint32_t i = 0; i < 1000; i++)
		remap[i] = i % 3 == 0 ? 0 : 2000 - i;
	mapped = fill(rows, TEXTS, NULL, 0, NULL, remap);
	for (uint32_t i = 0; i < TEXTS; i++)
	{
		nn_sequence plain, other;

		if (samples_read(made, &i, 1, &plain, NULL, NULL, NULL) != EM_OK ||
			samples_read(mapped, &i, 1, &other, NULL, NULL, NULL) != EM_OK)
			exit(1);
		for (uint32_t j = 0; j < plain.length; j++)
			known = known && other.ids[j] == remap[plain.ids[j]];
	}
	CHECK(known && samples_fingerprint(made) == samples_fingerprint(mapped),
		  "ids are read as they are mapped, in the same order");
	samples_free(mapped);
	samples_free(made);
	free_rows(rows, TEXTS);

	made = fill(NULL, 0, NULL, 0, NULL, NULL);
	CHECK(samples_count(made) == 0 && samples_tokens(made) == 0, "there may be no samples");
	samples_free(made);
}

/* A file in memory that remembers how it was used. */
typedef struct fake_file
{
	char *blocks[256];
	size_t written;
	bool in_order;
	size_t fail_write; /* 1: the next write fails; 0: none */
	bool fail_read;
	size_t reads;
} fake_file;

static bool
fake_write(void *context, size_t block, const void *bytes)
{
	fake_file *file = context;

	if (file->fail_write > 0 && --file->fail_write == 0)
		return false;
	file->in_order = file->in_order && block == file->written && block < 256;
	file->blocks[block] = malloc(SAMPLES_BLOCK_BYTES);
	memcpy(file->blocks[block], bytes, SAMPLES_BLOCK_BYTES);
	file->written++;
	return true;
}

static bool
fake_read(void *context, size_t block, size_t offset, void *bytes, size_t length)
{
	fake_file *file = context;

	file->reads++;
	if (file->fail_read || block >= file->written || offset + length > SAMPLES_BLOCK_BYTES)
		return false;
	memcpy(bytes, file->blocks[block] + offset, length);
	return true;
}

static void
fake_close(fake_file *file)
{
	for (size_t i = 0; i < file->written; i++)
		free(file->blocks[i]);
	*file = (fake_file){ .in_order = true };
}

static void
test_spill(void)
{
	row *rows = make_rows(LONG_TEXTS, LONG_LENGTH);
	samples *kept = fill(rows, LONG_TEXTS, NULL, 0, NULL, NULL);
	fake_file file = { .in_order = true };
	samples_spill spill = { fake_write, fake_read, &file };
	size_t blocks[] = { 0, 1, 2, 3, 100 };
	size_t all = 0;
	samples *spilled;
	em_status status;

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
	{
		size_t *order = shuffled(LONG_TEXTS);

		spilled = fill(rows, LONG_TEXTS, order, blocks[i] * SAMPLES_BLOCK_BYTES + 17, &spill, NULL);
		if (i == 0)
			all = file.written;
		CHECK(file.in_order && (blocks[i] == 100 ? file.written == 0 : file.written > 1),
			  "blocks beyond %zu are written from 0 on: %zu", blocks[i], file.written);
		CHECK(same_samples(kept, spilled) && (file.reads > 0) == (blocks[i] != 100),
			  "and nothing of it shows");
		samples_free(spilled);
		fake_close(&file);
		free(order);
	}

	spilled = fill(rows, LONG_TEXTS, NULL, 0, &spill, NULL);
	file.fail_read = true;
	{
		uint32_t number = 5;
		nn_sequence sequence;

		CHECK(samples_read(spilled, &number, 1, &sequence, NULL, NULL, &status) == EM_SYSTEM,
			  "a read that fails is reported: %s", status.message);
	}
	samples_free(spilled);
	fake_close(&file);

	for (size_t fail = 1; fail <= all; fail++)
	{
		em_code code = samples_create(&check_allocator, LABELS, 0, &spill, &spilled, &status);

		file.fail_write = fail;
		for (size_t i = 0; code == EM_OK && i < LONG_TEXTS; i++)
			code = add_row(spilled, &rows[i], &status);
		if (code == EM_OK)
			code = samples_finish(spilled, NULL, &status);
		CHECK(code == EM_SYSTEM, "so is write %zu that fails: %s", fail, status.message);
		samples_free(spilled);
		fake_close(&file);
	}
	samples_free(kept);
	free_rows(rows, LONG_TEXTS);
}

static void
test_limits(void)
{
	size_t most = SAMPLES_BLOCK_BYTES / sizeof(uint32_t);
	uint32_t *ids = calloc(most + 1, sizeof(uint32_t));
	uint16_t labels[LABELS + 1] = { 0, 1, 2, 3, 4, 5, 6, 6 };
	uint32_t number = 0;
	nn_sequence sequence;
	real targets[LABELS];
	em_status status;
	samples *made;

	if (samples_create(&check_allocator, LABELS, 0, NULL, &made, &status) != EM_OK)
		exit(1);
	CHECK(samples_add(made, ids, most + 1, NULL, 0, 1, 1, &status) == EM_LIMIT,
		  "a text larger than a block is refused: %s", status.message);
	CHECK(samples_add(made, ids, most, labels, 1, 1, 1, &status) == EM_LIMIT,
		  "one whose labels do not fit is, too: %s", status.message);
	CHECK(samples_add(made, ids, SIZE_MAX / 2, labels, 1, 1, 1, &status) == EM_LIMIT,
		  "a length that overflows is, too: %s", status.message);
	CHECK(samples_add(made, ids, 1, labels, LABELS + 1, 1, 1, &status) == EM_INVALID_DATA,
		  "more labels than there are: %s", status.message);
	for (int i = 0; i < 3; i++)
	{
		const float wrong[] = { -0.01F, 1.01F, NAN };
		float targets[LABELS] = { 0, 1, wrong[i] };

		CHECK(samples_add_soft(made, ids, 1, targets, 1, 1, &status) == EM_INVALID_DATA,
			  "a target of %g: %s", (double) wrong[i], status.message);
	}
	CHECK(samples_count(made) == 0, "what was refused is not there");
	CHECK(samples_add(made, ids, most, NULL, 0, 1, 1, &status) == EM_OK, "a whole block fits");
	CHECK(samples_add(made, ids, most - 4, labels, LABELS, 1, 0, &status) == EM_OK,
		  "and one with its labels");
	CHECK(samples_finish(made, NULL, &status) == EM_OK &&
			  samples_read(made, &number, 1, &sequence, targets, NULL, &status) == EM_OK &&
			  sequence.length == most - 4 && targets[0] == 1 && targets[LABELS - 1] == 1,
		  "they are read back");
	samples_free(made);
	free(ids);
}

static void
test_hash(void)
{
	text_options options;
	text_tokens tokens;
	uint16_t labels[] = { 1, 2 };
	uint64_t hash[6];
	bool differ = true;

	text_options_default(&options);
	text_tokens_init(&tokens, &check_allocator);
	if (text_tokenize(&options, "ab c", 4, &tokens, NULL) != EM_OK)
		exit(1);
	hash[0] = samples_hash(&tokens, labels, 2);
	hash[1] = samples_hash(&tokens, labels, 1);
	hash[2] = samples_hash(&tokens, labels + 1, 1);
	hash[3] = samples_hash(&tokens, NULL, 0);
	if (text_tokenize(&options, "a bc", 4, &tokens, NULL) != EM_OK)
		exit(1);
	hash[4] = samples_hash(&tokens, labels, 2);
	if (text_tokenize(&options, "", 0, &tokens, NULL) != EM_OK)
		exit(1);
	hash[5] = samples_hash(&tokens, NULL, 0);
	for (int i = 0; i < 6; i++)
		for (int j = 0; j < i; j++)
			differ = differ && hash[i] != hash[j];
	CHECK(differ, "the hash depends on words, where they end, and labels");
	if (text_tokenize(&options, "  AB   c ", 9, &tokens, NULL) != EM_OK)
		exit(1);
	CHECK(samples_hash(&tokens, labels, 2) == hash[0], "and on nothing else");
	text_tokens_free(&tokens);
}

/* Everything once, with the n-th allocation failing. */
static em_code
use_all(const row *rows, const samples_spill *spill, size_t limit, em_status *status)
{
	samples *made = NULL;
	em_code code = samples_create(&check_allocator, LABELS, limit, spill, &made, status);
	uint32_t numbers[] = { 0, LONG_TEXTS - 1 };
	nn_sequence sequences[2];

	if (code != EM_OK)
		return code;
	for (size_t i = 0; code == EM_OK && i < LONG_TEXTS; i++)
		code = add_row(made, &rows[i], status);
	if (code == EM_OK)
		code = samples_finish(made, NULL, status);
	if (code == EM_OK)
		code = samples_read(made, numbers, 2, sequences, NULL, NULL, status);
	samples_free(made);
	return code;
}

static void
test_memory(void)
{
	row *rows = make_rows(LONG_TEXTS, LONG_LENGTH);
	fake_file file = { .in_order = true };
	samples_spill spill = { fake_write, fake_read, &file };

	for (int spilling = 0; spilling < 2; spilling++)
	{
		em_code code = EM_OUT_OF_MEMORY;
		bool good = true;
		long n = 0;

		while (good && code != EM_OK)
		{
			em_status status = { 0 };

			check_fail_at = ++n;
			code = use_all(rows, spilling ? &spill : NULL, 2 * SAMPLES_BLOCK_BYTES, &status);
			check_fail_at = 0;
			good = check_live == 0 &&
				   (code == EM_OK ||
					(code == EM_OUT_OF_MEMORY && strcmp(status.message, "out of memory") == 0));
			fake_close(&file);
		}
		CHECK(good && n > 5, "each of %ld allocations may fail%s", n - 1,
			  spilling ? ", when some is spilled" : "");
	}
	free_rows(rows, LONG_TEXTS);
}

int
main(void)
{
	test_order();
	test_read();
	test_spill();
	test_limits();
	test_hash();
	test_memory();
	CHECK(check_live == 0, "nothing is left");
	return check_done();
}
