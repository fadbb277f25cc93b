/*
 * trainer_checkpoint.c
 *	  The state of a training between two epochs, as a safetensors file.
 *
 * Only what the next epoch depends on is kept: shuffling and dropout depend on
 * seed, epoch and sample alone, so there is no random state.
 */
#include "trainer_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "safetensors.h"

#define FIGURES (sizeof(trainer_epoch) / sizeof(double))
#define MAX_TENSORS 11

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

/* One tensor of a checkpoint and where its numbers live in the trainer. */
typedef struct kept
{
	const char *name;
	real *data;
	uint64_t elements;
} kept;

static size_t
list_tensors(const trainer *trainer, kept *list)
{
	uint64_t embedding = trainer->embedding_count;
	uint64_t dense = trainer->layout->dense;
	const kept all[] = {
		{ "embedding", trainer->embedding, embedding },
		{ "embedding.m", trainer->embedding_m, embedding },
		{ "embedding.v", trainer->embedding_v, embedding },
		{ "embedding.best", trainer->best_embedding, embedding },
		{ "dense", trainer->dense, dense },
		{ "dense.m", trainer->dense_m, dense },
		{ "dense.v", trainer->dense_v, dense },
		{ "dense.best", trainer->best_dense, dense },
		{ "embedding.average", trainer->embedding_average, embedding },
		{ "dense.average", trainer->dense_average, dense },
	};
	size_t count = sizeof(all) / sizeof(all[0]) - (trainer->dense_average ? 0 : 2);

	memcpy(list, all, count * sizeof(kept));
	return count;
}

/*
 * The figures of the epochs done, one line each of hexadecimal bit patterns:
 * exact, NaN included, and free of any locale.
 */
static size_t
print_history(const trainer *trainer, char *out)
{
	size_t used = 0;

	for (int epoch = 0; epoch < trainer->epochs_done; epoch++)
		for (size_t i = 0; i < FIGURES; i++)
		{
			double figure;
			uint64_t bits;

			memcpy(&figure, (const char *) &trainer->history[epoch] + i * sizeof(double),
				   sizeof(figure));
			memcpy(&bits, &figure, sizeof(bits));
			used += (size_t) sprintf(out + used, "%016" PRIx64, bits);
		}
	return used;
}

static uint64_t
add_to_sum(uint64_t sum, uint64_t word)
{
	return (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t
add_floats_to_sum(uint64_t sum, const float *numbers, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
	{
		uint32_t bits;

		memcpy(&bits, &numbers[i], sizeof(bits));
		sum = add_to_sum(sum, bits);
	}
	return sum;
}

/* A checksum of all that a checkpoint holds: each step is a bijection, so one change shows. */
static uint64_t
state_sum(const trainer *trainer)
{
	kept list[MAX_TENSORS];
	size_t count = list_tensors(trainer, list);
	uint64_t sum = add_to_sum(trainer->step, (uint64_t) trainer->epochs_done);

	sum = add_to_sum(sum, (uint64_t) trainer->best_epoch);
	for (size_t i = 0; i < (size_t) trainer->epochs_done * FIGURES; i++)
	{
		uint64_t bits;

		memcpy(&bits, (const char *) trainer->history + i * sizeof(double), sizeof(bits));
		sum = add_to_sum(sum, bits);
	}
	for (size_t i = 0; i < count; i++)
		sum = add_floats_to_sum(sum, (const float *) (const void *) list[i].data, list[i].elements);
	sum = add_floats_to_sum(sum, trainer->best_thresholds, trainer->layout->labels);
	return sum ^ sum >> 32;
}

em_code
trainer_checkpoint(const trainer *trainer, const em_allocator *allocator, uint8_t **bytes,
				   size_t *size, em_status *status)
{
	kept list[MAX_TENSORS];
	tensor_out tensors[MAX_TENSORS];
	metadata_entry metadata[5];
	char numbers[4][32];
	size_t count = list_tensors(trainer, list);
	char *history =
		em_allocate_array(trainer->allocator, (size_t) trainer->epochs_done * FIGURES * 16 + 1, 1);

	if (history == NULL)
		return out_of_memory(status);
	memset(tensors, 0, sizeof(tensors));
	for (size_t i = 0; i < count; i++)
	{
		tensors[i].name = list[i].name;
		tensors[i].type = TENSOR_F32;
		tensors[i].rank = 1;
		tensors[i].shape[0] = list[i].elements;
		tensors[i].data = (const float *) (const void *) list[i].data;
	}
	tensors[count].name = "thresholds.best";
	tensors[count].type = TENSOR_F32;
	tensors[count].rank = 1;
	tensors[count].shape[0] = trainer->layout->labels;
	tensors[count].data = trainer->best_thresholds;
	count++;

	snprintf(numbers[0], sizeof(numbers[0]), "%" PRIu64, trainer->step);
	snprintf(numbers[1], sizeof(numbers[1]), "%d", trainer->epochs_done);
	snprintf(numbers[2], sizeof(numbers[2]), "%d", trainer->best_epoch);
	snprintf(numbers[3], sizeof(numbers[3]), "%016" PRIx64, state_sum(trainer));
	metadata[0] = (metadata_entry){ { "step", 4 }, { numbers[0], strlen(numbers[0]) } };
	metadata[1] = (metadata_entry){ { "epochs_done", 11 }, { numbers[1], strlen(numbers[1]) } };
	metadata[2] = (metadata_entry){ { "best_epoch", 10 }, { numbers[2], strlen(numbers[2]) } };
	metadata[3] =
		(metadata_entry){ { "history", 7 }, { history, print_history(trainer, history) } };
	metadata[4] = (metadata_entry){ { "sum", 3 }, { numbers[3], strlen(numbers[3]) } };

	*size = safetensors_size(tensors, count, metadata, 5);
	*bytes = *size == 0 ? NULL : em_allocate_array(allocator, *size, 1);
	if (*bytes != NULL)
		safetensors_write(tensors, count, metadata, 5, *bytes);
	em_release(trainer->allocator, history);
	return *bytes == NULL ? out_of_memory(status) : EM_OK;
}

static em_code
unfit(em_status *status, const char *what)
{
	em_fail(status, EM_CORRUPT, "the checkpoint does not fit this training: %s", what);
	em_hint(status, "Start the training anew, without resume.");
	return EM_CORRUPT;
}

/* A whole number of decimal digits, 0..limit; false otherwise. */
static bool
read_number(em_slice digits, uint64_t limit, uint64_t *number)
{
	*number = 0;
	if (digits.bytes == NULL || digits.length == 0 || digits.length > 19)
		return false;
	for (size_t i = 0; i < digits.length; i++)
	{
		if (digits.bytes[i] < '0' || digits.bytes[i] > '9')
			return false;
		*number = *number * 10 + (uint64_t) (digits.bytes[i] - '0');
	}
	return *number <= limit;
}

static bool
read_history(trainer *trainer, em_slice history, int epochs)
{
	if (history.bytes == NULL || history.length != (size_t) epochs * FIGURES * 16)
		return false;
	for (size_t i = 0; i < (size_t) epochs * FIGURES; i++)
	{
		uint64_t bits = 0;
		double figure;

		for (size_t j = 0; j < 16; j++)
		{
			char c = history.bytes[i * 16 + j];
			int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

			if (digit < 0)
				return false;
			bits = bits << 4 | (uint64_t) digit;
		}
		memcpy(&figure, &bits, sizeof(figure));
		memcpy((char *) trainer->history + i * sizeof(double), &figure, sizeof(figure));
	}
	return true;
}

static em_code
restore_tensor(const safetensors *file, const char *name, uint64_t elements, float *data,
			   em_status *status)
{
	const tensor *found = safetensors_find(file, name);

	if (found == NULL || found->rank != 1 || found->elements != elements)
		return unfit(status, name);
	return tensor_read(found, data, status);
}

static em_code
restore_from(trainer *trainer, const safetensors *file, em_status *status)
{
	kept list[MAX_TENSORS];
	size_t count = list_tensors(trainer, list);
	uint64_t epochs, best;
	char sum[32];
	em_slice given;
	em_code code;

	if (!read_number(safetensors_metadata(file, "epochs_done"), (uint64_t) trainer->options.epochs,
					 &epochs) ||
		epochs < 1)
		return unfit(status, "epochs_done");
	if (!read_number(safetensors_metadata(file, "best_epoch"), epochs - 1, &best))
		return unfit(status, "best_epoch");
	if (!read_number(safetensors_metadata(file, "step"), UINT64_MAX, &trainer->step) ||
		trainer->step != epochs * trainer->epoch_steps)
		return unfit(status, "step");
	if (!read_history(trainer, safetensors_metadata(file, "history"), (int) epochs))
		return unfit(status, "history");
	for (size_t i = 0; i < count; i++)
	{
		code = restore_tensor(file, list[i].name, list[i].elements, (float *) (void *) list[i].data,
							  status);
		if (code != EM_OK)
			return code;
	}
	code = restore_tensor(file, "thresholds.best", trainer->layout->labels,
						  trainer->best_thresholds, status);
	if (code != EM_OK)
		return code;
	for (size_t label = 0; label < trainer->layout->labels; label++)
		if (trainer->best_thresholds[label] < 0 || trainer->best_thresholds[label] > 1)
			return unfit(status, "thresholds.best");
	for (size_t row = 0; trainer->averaged != NULL && row < trainer->layout->rows; row++)
		trainer->averaged[row] = trainer->step;
	trainer->epochs_done = (int) epochs;
	trainer->best_epoch = (int) best;
	snprintf(sum, sizeof(sum), "%016" PRIx64, state_sum(trainer));
	given = safetensors_metadata(file, "sum");
	if (given.bytes == NULL || given.length != strlen(sum) ||
		memcmp(given.bytes, sum, given.length) != 0)
		return unfit(status, "sum");
	return EM_OK;
}

em_code
trainer_restore(trainer *trainer, const uint8_t *bytes, size_t size, em_status *status)
{
	safetensors file;
	em_code code = safetensors_open(trainer->allocator, bytes, size, &file, status);

	if (code != EM_OK)
		return code;
	code = restore_from(trainer, &file, status);
	safetensors_close(&file);
	return code;
}
