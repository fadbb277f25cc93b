/*
 * test_huggingface.c
 *	  Checkpoints of Hugging Face's libraries: what becomes of them, against PyTorch
 *	  (test/reference/huggingface.py), and every refusal.
 */
#include "check.h"

#include <math.h>

#include "../../src/model/encoder_file.h"
#include "../../src/model/huggingface.h"
#include "../../src/model/model_image.h"
#include "../../src/model/scorer.h"
#include "../../src/nn/matmul.h"

#define FIXTURE "test/reference/huggingface"
#define MAX_FILES 8
#define MAX_LABELS 8

static _Noreturn void
bail_out(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

/* ---- files in memory ---------------------------------------------------------------------- */

typedef struct memory_file
{
	const char *name;
	uint8_t *bytes;
	size_t size;
} memory_file;

typedef struct memory
{
	memory_file files[MAX_FILES];
	size_t count;
	long reads;
	long fail_at; /* the read that fails; 0: none */
	em_code fails_with;
	size_t largest; /* read at once */
	uint8_t *out;   /* what was written */
	size_t written;
	size_t capacity;
} memory;

static memory_file *
find(memory *memory, const char *name)
{
	for (size_t i = 0; i < memory->count; i++)
		if (strcmp(memory->files[i].name, name) == 0)
			return &memory->files[i];
	return NULL;
}

static em_code
find_callback(void *context, const char *name, bool *found, uint64_t *size, em_status *status)
{
	memory_file *file = find(context, name);

	(void) status;
	*found = file != NULL;
	*size = file != NULL ? file->size : 0;
	return EM_OK;
}

static em_code
read_callback(void *context, const char *name, uint64_t offset, uint8_t *out, size_t wanted,
			  em_status *status)
{
	memory *memory = context;
	memory_file *file = find(memory, name);

	if (++memory->reads == memory->fail_at)
		return em_fail(status, memory->fails_with, "told to fail");
	if (file == NULL || offset > file->size || wanted > file->size - offset)
		bail_out("a read leaves its file");
	memcpy(out, file->bytes + offset, wanted);
	memory->largest = wanted > memory->largest ? wanted : memory->largest;
	return EM_OK;
}

static em_code
sink(void *context, const uint8_t *bytes, size_t size, em_status *status)
{
	memory *memory = context;

	(void) status;
	if (memory->written + size > memory->capacity)
	{
		memory->capacity = 2 * (memory->written + size);
		memory->out = realloc(memory->out, memory->capacity);
	}
	memcpy(memory->out + memory->written, bytes, size);
	memory->written += size;
	return EM_OK;
}

static void
add_file(memory *memory, const char *checkpoint, const char *name)
{
	char path[256];
	memory_file *file = &memory->files[memory->count++];
	FILE *stream;
	long size;

	snprintf(path, sizeof(path), FIXTURE "/%s/%s", checkpoint, name);
	stream = fopen(path, "rb");
	if (stream == NULL || fseek(stream, 0, SEEK_END) != 0 || (size = ftell(stream)) < 0)
		bail_out(path);
	rewind(stream);
	file->name = name;
	file->size = (size_t) size;
	file->bytes = malloc(file->size + 1);
	if (fread(file->bytes, 1, file->size, stream) != file->size)
		bail_out(path);
	fclose(stream);
}

static memory
load(const char *checkpoint)
{
	static const char *const names[2][6] = {
		{ "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json" },
		{ "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
		  "model.safetensors.index.json", "vocab.json", "merges.txt" },
	};
	memory memory = { .count = 0 };
	int single = strcmp(checkpoint, "single") == 0;

	for (int i = 0; i < 6 && names[single][i] != NULL; i++)
		add_file(&memory, checkpoint, names[single][i]);
	return memory;
}

static void
unload(memory *memory)
{
	for (size_t i = 0; i < memory->count; i++)
		free(memory->files[i].bytes);
	free(memory->out);
}

/* Replace the first `from` of a file; of a safetensors file's header with the same length. */
static void
edit(memory *memory, const char *name, const char *from, const char *to)
{
	memory_file *file = find(memory, name);
	size_t old = strlen(from), fresh = strlen(to);
	uint8_t *at = NULL;
	uint8_t *bytes;
	size_t before;

	for (size_t i = 0; at == NULL && i + old <= file->size; i++)
		if (memcmp(file->bytes + i, from, old) == 0)
			at = file->bytes + i;
	if (at == NULL)
		bail_out(from);
	before = (size_t) (at - file->bytes);
	bytes = malloc(file->size - old + fresh + 1);
	memcpy(bytes, file->bytes, before);
	memcpy(bytes + before, to, fresh);
	memcpy(bytes + before + fresh, at + old, file->size - before - old);
	free(file->bytes);
	file->bytes = bytes;
	file->size = file->size - old + fresh;
}

static void
drop(memory *memory, const char *name)
{
	memory_file *file = find(memory, name);

	free(file->bytes);
	*file = memory->files[--memory->count];
}

/* Import into memory->out. */
static em_code
import(memory *memory, const huggingface_options *options, em_status *status)
{
	const huggingface_files files = { find_callback, read_callback, memory };
	huggingface *checkpoint;
	em_code code;

	memset(status, 0, sizeof(*status));
	memory->written = 0;
	code = huggingface_open(&check_allocator, &files, options, &checkpoint, status);
	if (code == EM_OK)
		code = huggingface_write(checkpoint, sink, memory, status);
	if (code == EM_OK && huggingface_size(checkpoint) != memory->written)
		CHECK(false, "the size is known before");
	huggingface_close(checkpoint);
	return code;
}

static const huggingface_options as_it_is = { .labels = NULL };

static uint64_t dice = 88172645463325252;

static size_t
roll(size_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return (size_t) (dice % sides);
}

/* ---- what becomes of a checkpoint ---------------------------------------------------------- */

/* "{1,2}" into numbers. */
static size_t
parse_numbers(const char *text, double *out, size_t most)
{
	size_t count = 0;

	for (text++; *text != '}' && count < most; count++)
	{
		char *end;

		out[count] = strtod(text, &end);
		text = *end == ',' ? end + 1 : end;
	}
	return count;
}

static void
unescape(char *text)
{
	char *out = text;

	for (; *text != '\0'; text++)
		if (text[0] == '\\' && (text[1] == 't' || text[1] == 'n'))
			*out++ = *++text == 't' ? '\t' : '\n';
		else
			*out++ = *text;
	*out = '\0';
}

/* Largest difference of scores from PyTorch's, and whether all ids are as there. */
static double
compare(const model *model, const char *checkpoint, bool *ids_same, size_t *texts)
{
	FILE *stream = fopen(FIXTURE "/expected.tsv", "r");
	text_bpe_encoding encoding;
	text_bpe_options reading;
	em_status status;
	scorer *scorer;
	char line[4096];
	double worst = 0;

	*ids_same = true;
	*texts = 0;
	if (stream == NULL || scorer_create(&check_allocator, model, &scorer, &status) != EM_OK)
		bail_out("no expectations, or no scorer");
	text_bpe_options_default(&reading);
	reading.max_length = (size_t) model->encoder->max_tokens;
	text_bpe_encoding_init(&encoding, &check_allocator, model->encoder->tokenizer);
	while (fgets(line, sizeof(line), stream) != NULL)
	{
		char *fields[4];
		double ids[64], scores[MAX_LABELS];
		float ours[MAX_LABELS];
		em_slice text;
		char *next = line;

		for (int i = 0; i < 4; i++)
		{
			fields[i] = next;
			next = strpbrk(next, "\t\n");
			*next++ = '\0';
		}
		if (strcmp(fields[0], checkpoint) != 0)
			continue;
		unescape(fields[1]);
		text = (em_slice){ fields[1], strlen(fields[1]) };
		if (text_bpe_encode(&reading, text.bytes, text.length, &encoding, &status) != EM_OK ||
			scorer_run(scorer, &text, 1, ours, NULL, NULL, &status) != EM_OK)
			bail_out(status.message);
		*ids_same = *ids_same && encoding.count == parse_numbers(fields[2], ids, 64);
		for (size_t i = 0; *ids_same && i < encoding.count; i++)
			*ids_same = encoding.ids[i] == (uint32_t) ids[i];
		if (parse_numbers(fields[3], scores, MAX_LABELS) != model->layout.labels)
			bail_out("expectations of other labels");
		for (size_t i = 0; i < model->layout.labels; i++)
			worst = fmax(worst, fabs(scores[i] - (double) ours[i]));
		++*texts;
	}
	text_bpe_encoding_free(&encoding);
	scorer_free(scorer);
	fclose(stream);
	return worst;
}

static void
test_checkpoint(const char *name, encoder_outputs outputs, int max_tokens)
{
	memory memory = load(name);
	long live = check_live;
	em_status status;
	model *model;
	bool ids_same;
	size_t texts;
	double worst;

	CHECK(import(&memory, &as_it_is, &status) == EM_OK, "%s: imported %s", name, status.message);
	CHECK(check_live == live, "%s: nothing is leaked", name);
	if (model_read(&check_allocator, memory.out, memory.written, &model, &status) != EM_OK)
		bail_out(status.message);
	CHECK(strcmp(model_architecture(model), "roberta") == 0 && model->layout.labels == 4 &&
			  strcmp(model->labels[0], "joy") == 0 && strcmp(model->labels[3], "neutral") == 0 &&
			  model->thresholds[1] == (outputs == ENCODER_SOFTMAX ? 0.25f : 0.5f) &&
			  model->encoder->outputs == outputs && model->encoder->max_tokens == max_tokens,
		  "%s: labels, thresholds, outputs and length are kept", name);
	worst = compare(model, name, &ids_same, &texts);
	CHECK(ids_same && texts == 10, "%s: ids of %zu texts as the reference has them", name, texts);
	CHECK(worst < 2e-6, "%s: scores as PyTorch's, differing by up to %.2g", name, worst);
	model_free(model);
	unload(&memory);
}

/* What is written again from memory is the file that the import made. */
static void
test_written_again(void)
{
	memory memory = load("multi");
	em_status status;
	model *model;
	uint8_t *bytes;
	size_t size;

	if (import(&memory, &as_it_is, &status) != EM_OK ||
		model_read(&check_allocator, memory.out, memory.written, &model, &status) != EM_OK)
		bail_out(status.message);
	CHECK(model_write(&check_allocator, model, MODEL_F32, &bytes, &size, &status) == EM_OK &&
			  size == memory.written && memcmp(bytes, memory.out, size) == 0,
		  "a model that was read is written as the same file");
	check_release(NULL, bytes);
	model_free(model);
	CHECK(memory.largest <= 262144, "no more than %zu bytes are read at once", memory.largest);
	unload(&memory);
}

static void
test_storage(void)
{
	static const struct
	{
		huggingface_storage storage;
		const char *name;
		double bound;
	} cases[] = { { HUGGINGFACE_F32, "f32", 2e-6 },
				  { HUGGINGFACE_F16, "f16", 0.01 },
				  { HUGGINGFACE_BF16, "bf16", 0.1 } };
	size_t sizes[3];

	for (int i = 0; i < 3; i++)
	{
		memory memory = load("multi");
		huggingface_options options = { .storage = cases[i].storage };
		em_status status;
		model *model;
		bool ids_same;
		size_t texts;
		double worst;

		if (import(&memory, &options, &status) != EM_OK ||
			model_read(&check_allocator, memory.out, memory.written, &model, &status) != EM_OK)
			bail_out(status.message);
		worst = compare(model, "multi", &ids_same, &texts);
		CHECK(worst < cases[i].bound && (i == 0 || worst > 1e-6),
			  "storage %s: scores differ by up to %.2g", cases[i].name, worst);
		CHECK(strcmp(model_storage(model), cases[i].name) == 0, "and the model is one of %s",
			  model_storage(model));
		sizes[i] = memory.written;
		model_free(model);
		unload(&memory);
	}
	CHECK(sizes[2] - sizes[1] <= 64 && sizes[0] - sizes[1] > 20000,
		  "halves take half the room: %zu of %zu", sizes[1], sizes[0]);
}

static void
test_options(void)
{
	static const em_slice labels[] = { { "a", 1 }, { "b", 1 }, { "c", 1 }, { "d", 1 } };
	static const float thresholds[] = { 0, 0.25f, 0.5f, 1 };
	memory memory = load("multi");
	huggingface_options options = { .labels = labels,
									.label_count = 4,
									.thresholds = thresholds,
									.threshold_count = 4,
									.max_tokens = 12,
									.outputs = ENCODER_SOFTMAX };
	em_slice text = { "thank you so much for all of this, it was great", 46 };
	float scores[4];
	em_status status;
	scorer *scorer;
	model *model;

	if (import(&memory, &options, &status) != EM_OK ||
		model_read(&check_allocator, memory.out, memory.written, &model, &status) != EM_OK ||
		scorer_create(&check_allocator, model, &scorer, &status) != EM_OK ||
		scorer_run(scorer, &text, 1, scores, NULL, NULL, &status) != EM_OK)
		bail_out(status.message);
	CHECK(strcmp(model->labels[2], "c") == 0 && model->thresholds[1] == 0.25f &&
			  model->encoder->max_tokens == 12,
		  "labels, thresholds and length as asked for");
	CHECK(fabsf(scores[0] + scores[1] + scores[2] + scores[3] - 1) < 1e-6f,
		  "labels that exclude one another have scores that sum to 1");
	scorer_free(scorer);
	model_free(model);

	options = (huggingface_options){ .without_head = true };
	if (import(&memory, &options, &status) != EM_OK ||
		model_read(&check_allocator, memory.out, memory.written, &model, &status) != EM_OK)
		bail_out(status.message);
	CHECK(!model->encoder->head && model->layout.labels == 0 && model_parameters(model) == 10752,
		  "without its head it is a base of %d parameters", (int) model_parameters(model));
	CHECK(scorer_create(&check_allocator, model, &scorer, &status) == EM_UNSUPPORTED &&
			  status.hint[0] != '\0',
		  "a base does not score: %s", status.message);
	model_free(model);
	unload(&memory);
}

/* A base as RobertaModel saves it: no head, and names without "roberta.". */
static void
test_bare_base(void)
{
	memory memory = load("multi");
	memory_file *file = find(&memory, "model.safetensors");
	em_status status;
	model *model;

	edit(&memory, "config.json", "RobertaForSequenceClassification", "RobertaModel");
	for (size_t i = 0; i + 8 < file->size; i++)
		if (memcmp(file->bytes + i, "\"roberta.", 9) == 0)
		{
			/* the quote moves up, and what was before it is blank */
			memcpy(file->bytes + i, "        \"", 9);
		}
	for (size_t i = 0; i + 11 < file->size; i++)
		if (memcmp(file->bytes + i, "\"classifier.", 12) == 0)
			memcpy(file->bytes + i, "\"pooler.hea.", 12);
	if (import(&memory, &as_it_is, &status) != EM_OK ||
		model_read(&check_allocator, memory.out, memory.written, &model, &status) != EM_OK)
		bail_out(status.message);
	CHECK(!model->encoder->head && model_parameters(model) == 10752,
		  "a base whose names lack \"roberta.\" is read");
	model_free(model);
	unload(&memory);
}

static void
test_explain(void)
{
	memory memory = load("multi");
	em_slice text = { "I love caf\xC3\xA9 \xE6\x97\xA5", 16 };
	em_status status;
	model_attention attention;
	float scores[2][4], sum = 0;
	scorer *scorer;
	model *model;
	bool inside = true;

	if (import(&memory, &as_it_is, &status) != EM_OK ||
		model_read(&check_allocator, memory.out, memory.written, &model, &status) != EM_OK ||
		scorer_create(&check_allocator, model, &scorer, &status) != EM_OK ||
		scorer_run(scorer, &text, 1, scores[0], NULL, NULL, &status) != EM_OK ||
		scorer_explain(scorer, text, 1, scores[1], &attention, NULL, NULL, &status) != EM_OK)
		bail_out(status.message);
	for (size_t i = 0; i < 4; i++)
		sum = fmaxf(sum, fabsf(scores[0][i] - scores[1][i]));
	CHECK(sum < 1e-6f, "an explanation comes with the same scores");
	sum = 0;
	for (size_t i = 0; i < attention.tokens->count; i++)
	{
		const text_token *token = &attention.tokens->tokens[i];

		sum += attention.weight[i];
		inside = inside && token->length > 0 && token->start + token->length <= text.length &&
				 (i == 0 || token->start >= token[-1].start + token[-1].length) &&
				 ((unsigned char) text.bytes[token->start] & 0xC0) != 0x80;
	}
	CHECK(fabsf(sum - 1) < 1e-5f, "weights sum to 1");
	CHECK(inside && attention.tokens->tokens[attention.tokens->count - 1].length == 3,
		  "tokens are whole characters of the text, in their order");
	CHECK(attention.influence != NULL && attention.influence[1] != 0, "influence is measured");
	scorer_free(scorer);
	model_free(model);
	unload(&memory);
}

/* The image that sessions share scores as the model does; cut or spoilt it is refused. */
static void
test_image(void)
{
	static const uint8_t source[MODEL_SOURCE_BYTES] = { 1, 2, 3 };
	static const char *const checkpoints[] = { "multi", "single" };
	em_slice text = { "I hate this!!", 13 };

	for (int c = 0; c < 2; c++)
	{
		memory memory = load(checkpoints[c]);
		const huggingface_options options = { .without_head = c == 1 };
		em_status status;
		float scores[2][4];
		scorer *scorers[2];
		model *models[2];
		size_t size;
		uint8_t *image;
		int wrong = 0;

		if (import(&memory, &options, &status) != EM_OK ||
			model_read(&check_allocator, memory.out, memory.written, &models[0], &status) != EM_OK)
			bail_out(status.message);
		size = model_image_write(models[0], source, NULL);
		image = aligned_alloc(MODEL_IMAGE_ALIGNMENT, (size + 63) / 64 * 64);
		(void) model_image_write(models[0], source, image);
		if (model_image_open(&check_allocator, image, size, source, &models[1], &status) != EM_OK)
			bail_out(status.message);
		CHECK(model_parameters(models[1]) == model_parameters(models[0]) &&
				  models[1]->layout.labels == models[0]->layout.labels,
			  "%s: an image is the same model", checkpoints[c]);
		for (int i = 0; c == 0 && i < 2; i++)
		{
			if (scorer_create(&check_allocator, models[i], &scorers[i], &status) != EM_OK ||
				scorer_run(scorers[i], &text, 1, scores[i], NULL, NULL, &status) != EM_OK)
				bail_out(status.message);
			scorer_trim(scorers[i], 0);
			if (scorer_run(scorers[i], &text, 1, scores[i], NULL, NULL, &status) != EM_OK)
				bail_out(status.message);
			scorer_free(scorers[i]);
		}
		CHECK(c == 1 || memcmp(scores[0], scores[1], sizeof(scores[0])) == 0,
			  "%s: an image has the same scores", checkpoints[c]);
		model_free(models[1]);
		for (int i = 0; i < 2000; i++)
		{
			size_t place = roll(i % 2 ? 1024 : size - 8);
			uint8_t before = image[place];

			image[place] = (uint8_t) roll(256);
			model_image_seal(image, size);
			if (model_image_open(&check_allocator, image, size, source, &models[1], &status) ==
				EM_OK)
				model_free(models[1]);
			else
				wrong += status.message[0] == '\0';
			image[place] = before;
		}
		CHECK(wrong == 0, "%s: images with wrong bytes do no harm", checkpoints[c]);
		free(image);
		model_free(models[0]);
		unload(&memory);
	}
}

/* ---- refusals ------------------------------------------------------------------------------ */

#define WEIGHTS "model.safetensors"
#define INDEX "model.safetensors.index.json"
#define FIRST "model-00001-of-00002.safetensors"

static void
test_refusals(void)
{
	static const struct
	{
		const char *checkpoint, *file, *from, *to; /* from NULL: the file is not there */
		em_code code;
		const char *says;
	} cases[] = {
		{ "multi", "config.json", NULL, NULL, EM_MISSING, "no file \"config.json\"" },
		{ "multi", WEIGHTS, NULL, NULL, EM_MISSING, "no file \"model.safetensors\"" },
		{ "multi", "tokenizer.json", NULL, NULL, EM_MISSING, "no file \"tokenizer.json\"" },
		{ "single", "merges.txt", NULL, NULL, EM_MISSING, "no file \"merges.txt\"" },
		{ "single", FIRST, NULL, NULL, EM_MISSING, "which model.safetensors.index.json names" },
		{ "multi", "config.json", "{", "[", EM_CORRUPT, "config.json is not" },
		{ "multi", "config.json", "\"hidden_size\"", "\"hidden_tize\"", EM_CORRUPT,
		  "no key \"hidden_size\"" },
		{ "multi", "config.json", "\"layer_norm_eps\"", "\"eps\"", EM_CORRUPT,
		  "no key \"layer_norm_eps\"" },
		{ "multi", "config.json", "\"model_type\"", "\"type\"", EM_CORRUPT,
		  "no key \"model_type\"" },
		{ "multi", "config.json", "\"model_type\": \"roberta\"", "\"model_type\": \"bert\"",
		  EM_UNSUPPORTED, "\"model_type\" is \"bert\"" },
		{ "multi", "config.json", "\"gelu\"", "\"gelu_new\"", EM_UNSUPPORTED,
		  "\"hidden_act\" is \"gelu_new\"" },
		{ "multi", "config.json", "\"absolute\"", "\"relative_key\"", EM_UNSUPPORTED,
		  "\"position_embedding_type\" is \"relative_key\"" },
		{ "multi", "config.json", "multi_label_classification", "regression", EM_UNSUPPORTED,
		  "\"problem_type\" is \"regression\"" },
		{ "multi", "config.json", "RobertaForSequenceClassification",
		  "RobertaForTokenClassification", EM_UNSUPPORTED,
		  "\"architectures\" is \"RobertaForTokenClassification\"" },
		{ "multi", "config.json", "\"bos_token_id\": 0", "\"is_decoder\": true", EM_UNSUPPORTED,
		  "\"is_decoder\" is \"true\"" },
		{ "multi", "config.json", "\"hidden_size\": 16", "\"hidden_size\": 17", EM_CORRUPT,
		  "config.json: option \"hidden_size\", 17, is no multiple" },
		{ "multi", "config.json", "\"hidden_size\": 16", "\"hidden_size\": 1e9", EM_CORRUPT,
		  "config.json: option \"hidden_size\"" },
		{ "multi", "config.json", "\"hidden_size\": 16", "\"hidden_size\": 18", EM_CORRUPT,
		  "has the shape (40, 16), not (40, 18)" },
		{ "multi", "config.json", "\"3\": \"neutral\"", "\"4\": \"neutral\"", EM_CORRUPT,
		  "but not from 0 to 3" },
		{ "multi", "config.json", "\"3\": \"neutral\"", "\"2\": \"neutral\"", EM_CORRUPT,
		  "key \"2\", which is there twice" },
		{ "multi", "config.json", "\"3\": \"neutral\"", "\"x\": \"neutral\"", EM_CORRUPT,
		  "key \"x\", which is no number" },
		{ "multi", "config.json", "\"neutral\"", "\"joy\"", EM_INVALID_DATA, "\"joy\"" },
		{ "multi", "config.json", "\"neutral\"", "\"neutral\", \"4\": \"more\"", EM_CORRUPT,
		  "has 5 labels, but tensor" },
		{ "multi", "config.json", "\"bos_token_id\": 0", "\"num_labels\": 3", EM_CORRUPT,
		  "\"num_labels\" is 3, but \"id2label\" has 4" },
		{ "multi", "config.json", "\"bos_token_id\": 0", "\"hidden_act\": \"gelu\"", EM_CORRUPT,
		  "twice" },
		{ "multi", "config.json", "\"vocab_size\": 351", "\"vocab_size\": 350", EM_CORRUPT,
		  "shape (351, 16), not (350, 16)" },
		{ "multi", WEIGHTS, "layer.0.output.dense.bias", "layer.0.output.dense.bia5", EM_CORRUPT,
		  "no tensor \"roberta.encoder.layer.0.output.dense.bias\"" },
		{ "multi", WEIGHTS, "classifier.out_proj.weight", "classifier.out_proj.weighs", EM_CORRUPT,
		  "no tensor \"classifier.out_proj.weight\"" },
		{ "multi", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1",
		  EM_CORRUPT, "tensors that its config.json does not ask for: \"roberta.encoder.layer.1." },
		{ "multi", "config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3",
		  EM_CORRUPT, "and 13 more" },
		{ "multi", WEIGHTS, "\"shape\":[16,16]", "\"shape\":[8, 32]", EM_CORRUPT,
		  "has the shape (8, 32), not (16, 16)" },
		{ "multi", WEIGHTS, "\"dtype\":\"F32\",\"shape\":[351", "\"dtype\":\"I32\",\"shape\":[351",
		  EM_UNSUPPORTED, "is of type I32" },
		{ "single", INDEX, "00001-of", "00003-of", EM_MISSING, "no file \"model-00003-of-00002" },
		{ "single", INDEX, "\"model-00001", "\"../del-00001", EM_CORRUPT,
		  "is not the name of a file" },
		{ "single", INDEX, "00001-of", "00002-of", EM_CORRUPT,
		  "is not in file \"model-00002-of-00002.safetensors\"" },
		{ "single", INDEX, "\"roberta.pooler.dense.bias\"", "\"lm_head.bias\"", EM_CORRUPT,
		  "\"lm_head.bias\" twice" },
		{ "single", INDEX, "weight_map", "weight_mop", EM_CORRUPT, "no object \"weight_map\"" },
		{ "single", "merges.txt", "\n", "\n\xFF\n", EM_CORRUPT, "not valid UTF-8" },
		{ "multi", "tokenizer_config.json", "{", "{\"add_prefix_space\": true, ", EM_CORRUPT,
		  "\"add_prefix_space\" is true in tokenizer_config.json" },
		{ "multi", "tokenizer.json", "\"<mask>\": 350", "\"<mask>\": 351", EM_CORRUPT, "" },
		{ "multi", "tokenizer.json", "RobertaProcessing", "UnknownProcessing", EM_UNSUPPORTED,
		  "UnknownProcessing" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		memory memory = load(cases[i].checkpoint);
		long live = check_live;
		em_status status;
		em_code code;

		if (cases[i].from == NULL)
			drop(&memory, cases[i].file);
		else
			edit(&memory, cases[i].file, cases[i].from, cases[i].to);
		code = import(&memory, &as_it_is, &status);
		CHECK(code == cases[i].code && strstr(status.message, cases[i].says) != NULL,
			  "refused (%d): %s", code, status.message);
		if (check_live != live)
			CHECK(false, "nothing is leaked");
		unload(&memory);
	}
}

static void
test_refused_options(void)
{
	static const em_slice labels[] = { { "a", 1 }, { "a", 1 }, { "c", 1 }, { "d", 1 } };
	static const float thresholds[] = { 0.5f, 2, 0.5f, 0.5f };
	static const struct
	{
		huggingface_options options;
		em_code code;
		const char *says;
	} cases[] = {
		{ { .labels = labels, .label_count = 3 }, EM_INVALID_OPTION, "3 labels for the 4" },
		{ { .labels = labels, .label_count = 4 }, EM_INVALID_DATA, "\"a\"" },
		{ { .thresholds = thresholds, .threshold_count = 2 }, EM_INVALID_OPTION, "2 numbers" },
		{ { .thresholds = thresholds, .threshold_count = 4 }, EM_INVALID_DATA, "label 2 is 2" },
		{ { .max_tokens = 39 }, EM_INVALID_OPTION, "reads 3 to 38" },
		{ { .max_tokens = 2 }, EM_INVALID_OPTION, "reads 3 to 38" },
		{ { .without_head = true, .labels = labels, .label_count = 4 },
		  EM_INVALID_OPTION,
		  "without a head" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		memory memory = load("multi");
		em_status status;
		em_code code = import(&memory, &cases[i].options, &status);

		CHECK(code == cases[i].code && strstr(status.message, cases[i].says) != NULL,
			  "option refused (%d): %s", code, status.message);
		unload(&memory);
	}
}

static void
test_wrong_numbers(void)
{
	static const struct
	{
		uint8_t bytes[4];
		const char *says;
	} cases[] = { { { 0, 0, 0xC0, 0x7F }, "not finite" },
				  { { 0, 0, 0x80, 0xFF }, "not finite" },
				  { { 0, 0, 0x81, 0x43 }, "beyond 256" } };

	for (int i = 0; i < 3; i++)
	{
		memory memory = load("multi");
		memory_file *file = find(&memory, WEIGHTS);
		em_status status;
		em_code code;

		memcpy(file->bytes + file->size - 4, cases[i].bytes, 4);
		code = import(&memory, &as_it_is, &status);
		CHECK(code == EM_CORRUPT && strstr(status.message, cases[i].says) != NULL &&
				  strstr(status.message, "classifier.out_proj.bias") != NULL,
			  "refused: %s", status.message);
		unload(&memory);
	}
}

/* ---- hostile bytes --------------------------------------------------------------------------- */

/* Import, and read what came of it: any answer will do, but what imports must be readable. */
static bool
survives(memory *memory)
{
	em_status status;
	model *model;

	if (import(memory, &as_it_is, &status) != EM_OK)
		return status.message[0] != '\0';
	if (model_read(&check_allocator, memory->out, memory->written, &model, &status) != EM_OK)
	{
		printf("# %s\n", status.message);
		return false;
	}
	model_free(model);
	return true;
}

static void
test_cut(void)
{
	static const char *const checkpoints[] = { "multi", "single" };
	long live = check_live;
	int tried = 0, wrong = 0;

	for (int c = 0; c < 2; c++)
	{
		memory memory = load(checkpoints[c]);

		for (size_t f = 0; f < memory.count; f++)
		{
			memory_file *file = &memory.files[f];
			uint8_t *whole = file->bytes;
			size_t size = file->size;

			for (size_t length = 0; length < size; length += 1 + size / 150)
			{
				/* a block of the exact length, so that reading on is seen */
				file->bytes = malloc(length + (length == 0));
				memcpy(file->bytes, whole, length);
				file->size = length;
				wrong += !survives(&memory);
				tried++;
				free(file->bytes);
			}
			file->bytes = whole;
			file->size = size;
		}
		unload(&memory);
	}
	CHECK(wrong == 0 && check_live == live, "%d files cut off are refused", tried);
}

static void
test_mutated(void)
{
	static const char *const checkpoints[] = { "multi", "single" };
	long live = check_live;
	int tried = 0, wrong = 0;

	for (int c = 0; c < 2; c++)
	{
		memory memory = load(checkpoints[c]);

		for (int i = 0; i < 1500; i++)
		{
			memory_file *file = &memory.files[roll(memory.count)];
			/* of a safetensors file mostly the header */
			size_t reach = roll(4) > 0 && file->size > 3000 ? 3000 : file->size;
			size_t places[3];
			uint8_t before[3];
			size_t count = 1 + roll(3);

			for (size_t j = 0; j < count; j++)
			{
				places[j] = roll(reach);
				before[j] = file->bytes[places[j]];
				file->bytes[places[j]] =
					roll(2) ? (uint8_t) roll(256) : (uint8_t) "{}[]\",:0129e-\\ "[roll(16)];
			}
			wrong += !survives(&memory);
			tried++;
			while (count-- > 0)
				file->bytes[places[count]] = before[count];
		}
		unload(&memory);
	}
	CHECK(wrong == 0 && check_live == live, "%d files with wrong bytes do no harm", tried);
}

static void
test_callbacks(void)
{
	memory memory = load("single");
	long live = check_live;
	em_status status;
	bool good = true;
	long reads;

	if (import(&memory, &as_it_is, &status) != EM_OK)
		bail_out(status.message);
	reads = memory.reads;
	for (long i = 1; i <= reads; i++)
	{
		memory.reads = 0;
		memory.fail_at = i;
		memory.fails_with = i % 2 ? EM_CANCELLED : EM_SYSTEM;
		good = good && import(&memory, &as_it_is, &status) == memory.fails_with;
	}
	CHECK(good && check_live == live, "each of %ld reads may fail, and cancel", reads);
	unload(&memory);
}

static void
test_memory(void)
{
	memory memory = load("single");
	long live = check_live, failed = 0;
	em_status status;
	bool good = true;

	for (long i = 1; good; i++)
	{
		em_code code;

		check_fail_at = i;
		code = import(&memory, &as_it_is, &status);
		check_fail_at = 0;
		good = check_live == live && (code == EM_OUT_OF_MEMORY || code == EM_OK);
		if (code == EM_OK)
			break;
		failed++;
	}
	CHECK(good && failed > 50, "no memory for any of %ld blocks: refused, nothing leaked", failed);
	unload(&memory);
}

int
main(void)
{
	em_status status;

	if (nn_blas_load(&status) != EM_OK)
		bail_out(status.message);
	test_checkpoint("multi", ENCODER_SIGMOID, 38);
	test_checkpoint("single", ENCODER_SOFTMAX, 38);
	test_written_again();
	test_storage();
	test_options();
	test_bare_base();
	test_explain();
	test_image();
	test_refusals();
	test_refused_options();
	test_wrong_numbers();
	test_cut();
	test_mutated();
	test_callbacks();
	test_memory();
	CHECK(check_live == 0, "nothing is leaked");
	return check_done();
}
