/*
 * vectors_checkpoint.c
 *	  The state of a training of word vectors between two slices, as one run of bytes: a head, then
 *	  both matrices. What is drawn at random depends on the place alone, so there is no random state.
 */
#include "vectors_trainer_internal.h"

#include <string.h>

#define CHECKPOINT_MAGIC UINT64_C(0x31736365766d65) /* "emvecs1" */

/* A piece of the state and where it lives. */
typedef struct part
{
	char *bytes;
	uint64_t size;
} part;

#define PARTS 3

static void
list_parts(const vectors_trainer *trainer, vectors_state *head, part *parts)
{
	uint64_t row = (uint64_t) trainer->options.dim * sizeof(real);

	parts[0] = (part){ (char *) head, sizeof(*head) };
	parts[1] = (part){ (char *) trainer->input, trainer->rows * row };
	parts[2] = (part){ (char *) trainer->output, trainer->words * row };
}

static uint64_t
add_to_sum(uint64_t sum, uint64_t word)
{
	return (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Each step is a bijection, so one change shows. */
static uint64_t
state_sum(const vectors_trainer *trainer, const vectors_state *state)
{
	vectors_state head = *state;
	part parts[PARTS];
	uint64_t sum = 0;

	head.sum = 0;
	list_parts(trainer, &head, parts);
	for (int i = 0; i < PARTS; i++)
		for (uint64_t at = 0; at < parts[i].size; at += sizeof(uint64_t))
		{
			uint64_t left = parts[i].size - at;
			uint64_t word = 0;

			memcpy(&word, parts[i].bytes + at, left < sizeof(word) ? left : sizeof(word));
			sum = add_to_sum(sum, word);
		}
	return sum ^ sum >> 32;
}

uint64_t
vectors_trainer_state_size(const vectors_trainer *trainer)
{
	part parts[PARTS];

	list_parts(trainer, NULL, parts);
	return parts[0].size + parts[1].size + parts[2].size;
}

/* Copy bytes from..from+length of the state out, or in. */
static void
copy(const part *parts, uint64_t from, size_t length, uint8_t *out, const uint8_t *in)
{
	for (int i = 0; i < PARTS; i++)
	{
		if (from < parts[i].size && length > 0)
		{
			uint64_t rest = parts[i].size - from;
			size_t n = rest < length ? (size_t) rest : length;

			if (out != NULL)
			{
				memcpy(out, parts[i].bytes + from, n);
				out += n;
			}
			else if (in != NULL)
			{
				memcpy(parts[i].bytes + from, in, n);
				in += n;
			}
			length -= n;
			from = 0;
		}
		else
			from -= from < parts[i].size ? from : parts[i].size;
	}
}

void
vectors_trainer_save(const vectors_trainer *trainer, uint64_t from, size_t length, uint8_t *out)
{
	vectors_state head = { 0 };
	part parts[PARTS];

	if (from < sizeof(head))
	{
		head.magic = CHECKPOINT_MAGIC;
		head.words = trainer->words;
		head.epoch = (uint64_t) trainer->epoch;
		head.text = trainer->text;
		head.words_done = trainer->words_done;
		head.pairs = trainer->pairs;
		head.loss = trainer->loss;
		head.sum = state_sum(trainer, &head);
	}
	list_parts(trainer, &head, parts);
	copy(parts, from, length, out, NULL);
}

em_code
vectors_trainer_load(vectors_trainer *trainer, uint64_t from, const uint8_t *bytes, size_t length,
					 em_status *status)
{
	uint64_t size = vectors_trainer_state_size(trainer);
	part parts[PARTS];

	if (from > size || length > size - from)
		return em_fail(status, EM_CORRUPT, "the checkpoint is larger than this training's");
	list_parts(trainer, &trainer->loaded, parts);
	copy(parts, from, length, NULL, bytes);
	return EM_OK;
}

em_code
vectors_trainer_resume(vectors_trainer *trainer, em_status *status)
{
	const vectors_state *head = &trainer->loaded;

	if (head->magic != CHECKPOINT_MAGIC || head->words != trainer->words ||
		head->epoch > (uint64_t) trainer->options.epochs ||
		head->text >= samples_count(trainer->texts) || head->words_done > trainer->tokens ||
		head->sum != state_sum(trainer, head))
	{
		em_fail(status, EM_CORRUPT, "the checkpoint does not fit this training of word vectors");
		em_hint(status, "Start the training anew, without resume.");
		return EM_CORRUPT;
	}
	trainer->epoch = (int) head->epoch;
	trainer->text = (size_t) head->text;
	trainer->words_done = head->words_done;
	trainer->pairs = head->pairs;
	trainer->loss = head->loss;
	return EM_OK;
}
