/*
 * test_packed.c
 *	  Packed batches against their description in packed.h, word by word.
 */
#include "check.h"

#include "../../src/nn/packed.h"

enum
{
	MOST_SEQUENCES = 64,
	MOST_STEPS = 40,
	VOCABULARY = 50
};

static uint64_t draw_state = 1;

static uint32_t
draw(uint32_t bound)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) (draw_state >> 33) % bound;
}

static uint32_t words[MOST_SEQUENCES][MOST_STEPS];
static nn_sequence sequences[MOST_SEQUENCES];

static void
draw_sequences(size_t count, uint32_t most_steps)
{
	size_t b, t;

	for (b = 0; b < count; b++)
	{
		sequences[b].ids = words[b];
		sequences[b].length = draw(most_steps + 1);
		for (t = 0; t < sequences[b].length; t++)
			words[b][t] = draw(VOCABULARY);
	}
}

static bool
slots_are_clean(const nn_packer *packer)
{
	uint32_t id;

	for (id = 0; id < packer->vocabulary; id++)
	{
		if (packer->slot[id] != 0)
			return false;
	}
	return true;
}

/* Everything that packed.h says of a batch, checked the slow way. */
static const char *
complaint(const nn_packed *batch, size_t count)
{
	bool seen[MOST_SEQUENCES] = { false };
	bool known[VOCABULARY] = { false };
	size_t rows = 0, longest = 0, distinct = 0;
	size_t row = 0;
	size_t b, t, u;

	if (batch->sequences != count)
		return "number of sequences";
	for (b = 0; b < count; b++)
	{
		rows += sequences[b].length;
		if (sequences[b].length > longest)
			longest = sequences[b].length;
	}
	if (batch->rows != rows || batch->steps != longest)
		return "rows or steps";
	for (b = 0; b < count; b++)
	{
		if (batch->order[b] >= count || seen[batch->order[b]])
			return "the order is no permutation";
		seen[batch->order[b]] = true;
		if (batch->length[b] != sequences[batch->order[b]].length)
			return "a length is not its sequence's";
		if (b > 0 && batch->length[b] > batch->length[b - 1])
			return "lengths rise";
		if (b > 0 && batch->length[b] == batch->length[b - 1] &&
			batch->order[b] < batch->order[b - 1])
			return "equal lengths changed their order";
	}
	if (batch->offset[0] != 0 || batch->offset[longest] != rows)
		return "the first or last offset";
	for (t = 0; t < longest; t++)
	{
		size_t active = 0;

		for (b = 0; b < count; b++)
			active += sequences[b].length > t;
		if (batch->active[t] != active || batch->offset[t] != row)
			return "active or offset of a step";
		for (b = 0; b < active; b++, row++)
		{
			uint32_t id = sequences[batch->order[b]].ids[t];

			if (batch->token[row] >= batch->distinct || batch->ids[batch->token[row]] != id)
				return "a token is not its sequence's";
			if (!known[id] && batch->token[row] != distinct)
				return "distinct tokens are not in the order of their first appearance";
			distinct += !known[id];
			known[id] = true;
		}
	}
	if (distinct != batch->distinct)
		return "number of distinct tokens";
	for (u = 0; u < distinct; u++)
	{
		for (b = 0; b < u; b++)
		{
			if (batch->ids[b] == batch->ids[u])
				return "a distinct token appears twice";
		}
	}
	return NULL;
}

static void
check_batches(nn_packer *packer)
{
	const char *words_of_complaint = NULL;
	bool clean = true;
	em_status status;
	int round;

	for (round = 0; round < 2000 && words_of_complaint == NULL; round++)
	{
		size_t count = draw(MOST_SEQUENCES + 1);

		draw_sequences(count, 1 + draw(MOST_STEPS));
		if (nn_pack(packer, sequences, count, &status) != EM_OK)
			words_of_complaint = status.message;
		else
			words_of_complaint = complaint(&packer->batch, count);
		clean = clean && slots_are_clean(packer);
	}
	CHECK(words_of_complaint == NULL, "random batches are packed as described (%s)",
		  words_of_complaint ? words_of_complaint : "2000 of them");
	CHECK(clean, "the table of words is clean after every batch");
}

static void
check_edges(nn_packer *packer)
{
	uint32_t *empty_step = NULL;
	em_status status;
	size_t b;

	CHECK(nn_pack(packer, NULL, 0, &status) == EM_OK && complaint(&packer->batch, 0) == NULL,
		  "a batch of no sequences");
	for (b = 0; b < 5; b++)
	{
		sequences[b].ids = empty_step;
		sequences[b].length = 0;
	}
	CHECK(nn_pack(packer, sequences, 5, &status) == EM_OK && complaint(&packer->batch, 5) == NULL &&
			  packer->batch.order[4] == 4,
		  "a batch of empty sequences");
	draw_sequences(6, MOST_STEPS);
	for (b = 0; b < 6; b++)
	{
		sequences[b].length = 3;
		words[b][0] = words[b][1] = words[b][2] = 7;
	}
	CHECK(nn_pack(packer, sequences, 6, &status) == EM_OK && complaint(&packer->batch, 6) == NULL &&
			  packer->batch.distinct == 1,
		  "sequences of the same length and word");
	sequences[2].length = 0;
	sequences[4].length = 1;
	CHECK(nn_pack(packer, sequences, 6, &status) == EM_OK && complaint(&packer->batch, 6) == NULL &&
			  packer->batch.order[5] == 2 && packer->batch.order[4] == 4,
		  "empty sequences come last");

	words[1][2] = VOCABULARY;
	CHECK(nn_pack(packer, sequences, 6, &status) == EM_INVALID_DATA, "refused: %s", status.message);
	CHECK(slots_are_clean(packer) && packer->batch.rows == 0, "a refused batch leaves nothing");
	words[1][2] = 0;
	CHECK(nn_pack(packer, sequences, 6, &status) == EM_OK && complaint(&packer->batch, 6) == NULL,
		  "and the next one is packed");

	sequences[0].length = sequences[1].length = UINT32_C(1) << 31;
	CHECK(nn_pack(packer, sequences, 2, &status) == EM_LIMIT, "refused: %s", status.message);
}

/* The n-th allocation fails, for every n until all goes well. */
static void
check_memory(void)
{
	bool good = true;
	long n;

	for (n = 1; n < 100; n++)
	{
		nn_packer packer;
		em_status status;
		em_code code;

		check_fail_at = n;
		code = nn_packer_init(&packer, &check_allocator, VOCABULARY, &status);
		if (code == EM_OK)
		{
			draw_sequences(3, 5);
			code = nn_pack(&packer, sequences, 3, &status);
			if (code == EM_OK)
			{
				draw_sequences(MOST_SEQUENCES, MOST_STEPS);
				code = nn_pack(&packer, sequences, MOST_SEQUENCES, &status);
			}
			good = good && slots_are_clean(&packer);
		}
		nn_packer_free(&packer);
		good = good && check_live == 0;
		if (code == EM_OK)
			break;
		good = good && code == EM_OUT_OF_MEMORY && strcmp(status.message, "out of memory") == 0;
	}
	check_fail_at = 0;
	CHECK(good && n == 4, "each of %ld allocations can fail and leaves nothing behind", n - 1);
}

int
main(void)
{
	nn_packer packer;
	em_status status;

	CHECK(nn_packer_init(&packer, &check_allocator, VOCABULARY, &status) == EM_OK, "a packer");
	check_batches(&packer);
	check_edges(&packer);
	nn_packer_free(&packer);
	CHECK(check_live == 0, "memory is released");
	CHECK(nn_packer_init(&packer, &check_allocator, 0, &status) == EM_OK &&
			  nn_pack(&packer, NULL, 0, &status) == EM_OK,
		  "a packer without words");
	nn_packer_free(&packer);
	check_memory();
	return check_done();
}
