/*
 * bpe_encode.c
 *	  Texts -> ids and places, for bpe.js to compare with Hugging Face's.
 *
 *	  bpe_encode [-s] [-m LENGTH] tokenizer.json < texts > tokens
 *	  bpe_encode [-s] [-m LENGTH] vocab.json merges.txt < texts > tokens
 *
 * texts: length (uint32) and bytes of each. tokens: of each text their number, ids, starts and ends
 * (uint32 each), the places in characters, as Hugging Face counts. -s: special tokens in the texts
 * are matched; -m: at most so many ids.
 * The time that encoding alone took, and the sum of its work, go to the error output.
 */
#include "../../src/model/bpe_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void *
allocate(void *context, size_t size)
{
	(void) context;
	return malloc(size);
}

static void
release(void *context, void *pointer)
{
	(void) context;
	free(pointer);
}

static const em_allocator allocator = { allocate, release, NULL };

static em_slice
read_whole(FILE *file)
{
	size_t capacity = 1 << 20, length = 0, got;
	char *bytes = malloc(capacity);

	while ((got = fread(bytes + length, 1, capacity - length, file)) > 0)
		if ((length += got) == capacity)
			bytes = realloc(bytes, capacity *= 2);
	return (em_slice){ bytes, length };
}

static em_slice
read_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	em_slice bytes;

	if (file == NULL)
	{
		perror(path);
		exit(1);
	}
	bytes = read_whole(file);
	fclose(file);
	return bytes;
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

/* Characters that begin before each byte. */
static const uint32_t *
count_characters(const char *text, uint32_t length)
{
	static uint32_t *counts = NULL;
	static uint32_t capacity = 0;
	uint32_t count = 0;

	if (length + 1 > capacity)
		counts = realloc(counts, ((size_t) (capacity = 2 * length + 1)) * sizeof(*counts));
	for (uint32_t i = 0; i < length; i++)
	{
		counts[i] = count;
		count += ((unsigned char) text[i] & 0xC0) != 0x80;
	}
	counts[length] = count;
	return counts;
}

static void
write_tokens(const text_bpe_encoding *encoding, const char *text, uint32_t length)
{
	const uint32_t *characters = count_characters(text, length);
	uint32_t count = (uint32_t) encoding->count;

	fwrite(&count, sizeof(count), 1, stdout);
	fwrite(encoding->ids, sizeof(uint32_t), count, stdout);
	for (int end = 0; end < 2; end++)
		for (uint32_t i = 0; i < count; i++)
		{
			text_bpe_span span = encoding->spans[i];
			size_t at = span.start + (end ? span.length : 0);
			uint32_t place = characters[at];

			/* within a character: its own place for a start, behind it for an end; the specials: 0 */
			if (!end && at < length && ((unsigned char) text[at] & 0xC0) == 0x80)
				place--;
			if (i < encoding->before || i >= encoding->count - encoding->after)
				place = 0;
			fwrite(&place, sizeof(place), 1, stdout);
		}
}

int
main(int count, char **arguments)
{
	text_bpe_options options;
	text_bpe_encoding encoding;
	text_bpe *bpe;
	em_status status;
	em_code code;
	em_slice texts;
	double spent = 0;
	size_t work = 0;
	int i = 1;

	text_bpe_options_default(&options);
	options.max_length = TEXT_BPE_MAX_LENGTH;
	for (; i < count && arguments[i][0] == '-'; i++)
	{
		if (strcmp(arguments[i], "-s") == 0)
			options.match_special = true;
		else if (strcmp(arguments[i], "-m") == 0 && i + 1 < count)
			options.max_length = strtoul(arguments[++i], NULL, 10);
	}
	if (count - i == 1)
		code = bpe_file_read(&allocator, read_file(arguments[i]), &bpe, &status);
	else if (count - i == 2)
		code = bpe_file_read_pair(&allocator, read_file(arguments[i]), read_file(arguments[i + 1]),
								  false, &bpe, &status);
	else
		return 2;
	if (code != EM_OK)
	{
		fprintf(stderr, "%s\n", status.message);
		return 1;
	}
	texts = read_whole(stdin);
	text_bpe_encoding_init(&encoding, &allocator, bpe);
	for (size_t at = 0; at < texts.length;)
	{
		uint32_t length;
		double begun;

		memcpy(&length, texts.bytes + at, sizeof(length));
		at += sizeof(length);
		begun = seconds();
		code = text_bpe_encode(&options, texts.bytes + at, length, &encoding, &status);
		spent += seconds() - begun;
		work += encoding.work;
		if (code != EM_OK)
		{
			fprintf(stderr, "%s\n", status.message);
			return 1;
		}
		write_tokens(&encoding, texts.bytes + at, length);
		at += length;
	}
	fprintf(stderr, "%.6f %zu\n", spent, work);
	text_bpe_encoding_free(&encoding);
	free(bpe);
	return 0;
}
