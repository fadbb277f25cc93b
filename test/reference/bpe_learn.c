/*
 * bpe_learn.c
 *	  Learns a tokeniser, for bpe.js to compare with Hugging Face's.
 *
 *	  bpe_learn SIZE MIN_COUNT < texts > tokenizer.json
 *
 * texts: length (uint32) and bytes of each. The processor's time of adding and of learning, the bytes of
 * different pieces and the most memory taken at once go to the error output.
 */
#include "../../src/text/bpe_learn.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../src/model/bpe_file.h"

static size_t taken = 0, peak = 0;

static void *
allocate(void *context, size_t size)
{
	void *pointer = malloc(size);

	(void) context;
	taken += malloc_usable_size(pointer);
	if (taken > peak)
		peak = taken;
	return pointer;
}

static void
release(void *context, void *pointer)
{
	(void) context;
	taken -= malloc_usable_size(pointer);
	free(pointer);
}

static const em_allocator allocator = { allocate, release, NULL };

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static int
fail(const em_status *status)
{
	fprintf(stderr, "%s\n", status->message);
	return 1;
}

int
main(int count, char **arguments)
{
	text_bpe_learn_options options;
	text_bpe_learner *learner;
	text_bpe *bpe;
	em_slice json;
	em_status status;
	char *text = NULL;
	uint32_t length;
	double adding = 0, learning;

	if (count != 3)
		return 2;
	options.vocabulary_size = (uint32_t) strtoul(arguments[1], NULL, 10);
	options.min_count = strtoul(arguments[2], NULL, 10);
	if (text_bpe_learner_create(&allocator, &learner, &status) != EM_OK)
		return fail(&status);
	while (fread(&length, sizeof(length), 1, stdin) == 1)
	{
		double begun;

		text = realloc(text, length + 1);
		if (fread(text, 1, length, stdin) != length)
			return 2;
		begun = seconds();
		if (text_bpe_learner_add(learner, text, length, &status) != EM_OK)
			return fail(&status);
		adding += seconds() - begun;
	}
	learning = seconds();
	if (text_bpe_learner_finish(learner, &options, NULL, NULL, &bpe, &status) != EM_OK)
		return fail(&status);
	learning = seconds() - learning;
	fprintf(stderr, "%.3f %.3f %llu %zu\n", adding, learning,
			(unsigned long long) text_bpe_learner_bytes(learner), peak);
	if (bpe_file_make(&allocator, bpe, &json, &status) != EM_OK)
		return fail(&status);
	fwrite(json.bytes, 1, json.length, stdout);
	em_release(&allocator, (void *) json.bytes);
	em_release(&allocator, bpe);
	text_bpe_learner_free(learner);
	free(text);
	return taken == 0 ? 0 : 3;
}
