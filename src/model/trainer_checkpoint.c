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

#include "halves.h"
#include "safetensors.h"

#define FIGURES (sizeof(trainer_epoch) / sizeof(double))
#define MAX_TENSORS (TRAINER_MAX_KEPT + 1)
#define THRESHOLDS "thresholds.best"

/* Numbers converted at once. */
#define BLOCK 16384

/* Far more than the longest history. */
#define MAX_HEADER (UINT64_C(1) << 24)

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
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
	trainer_kept list[TRAINER_MAX_KEPT];
	size_t count = trainer->family->list_kept(trainer, list);
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
	sum = add_floats_to_sum(sum, trainer->best_thresholds, trainer->labels);
	return sum ^ sum >> 32;
}

/* The tensors of a checkpoint (MAX_TENSORS) by name and size, in their order; returns how many. */
static size_t
describe(const trainer *trainer, const trainer_kept *list, size_t count, tensor_out *tensors)
{
	memset(tensors, 0, MAX_TENSORS * sizeof(tensor_out));
	for (size_t i = 0; i < count; i++)
		tensors[i] = (tensor_out){ .name = list[i].name, .rank = 1, .shape = { list[i].elements } };
	tensors[count] = (tensor_out){ .name = THRESHOLDS, .rank = 1, .shape = { trainer->labels } };
	return count + 1;
}

/* The header; *head is allocated. */
static em_code
make_head(const trainer *trainer, const tensor_out *tensors, size_t count, uint8_t **head,
		  size_t *size, em_status *status)
{
	metadata_entry metadata[5];
	char numbers[4][32];
	char *history =
		em_allocate_array(trainer->allocator, (size_t) trainer->epochs_done * FIGURES * 16 + 1, 1);

	if (history == NULL)
		return out_of_memory(status);
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

	*size = safetensors_head_size(tensors, count, metadata, 5);
	*head = *size == 0 ? NULL : em_allocate_array(trainer->allocator, *size, 1);
	if (*head != NULL)
		safetensors_write_head(tensors, count, metadata, 5, *head);
	em_release(trainer->allocator, history);
	return *head == NULL ? out_of_memory(status) : EM_OK;
}

static bool
write_numbers(const float *numbers, uint64_t count, uint8_t *block, trainer_write write,
			  void *context)
{
	bool good = true;

	for (uint64_t done = 0; good && done < count; done += BLOCK)
	{
		size_t now = count - done < BLOCK ? (size_t) (count - done) : BLOCK;

		halves_write_f32(numbers + done, now, block);
		good = write(context, block, now * 4);
	}
	return good;
}

em_code
trainer_save(const trainer *trainer, trainer_write write, void *context, em_status *status)
{
	trainer_kept list[TRAINER_MAX_KEPT];
	tensor_out tensors[MAX_TENSORS];
	size_t count = trainer->family->list_kept(trainer, list);
	uint8_t *block = em_allocate_array(trainer->allocator, BLOCK, 4);
	uint8_t *head = NULL;
	size_t size = 0;
	bool good;
	em_code code = block == NULL
					   ? out_of_memory(status)
					   : make_head(trainer, tensors, describe(trainer, list, count, tensors), &head,
								   &size, status);

	if (code == EM_OK)
	{
		good = write(context, head, size);
		for (size_t i = 0; good && i < count; i++)
			good = write_numbers((const float *) (const void *) list[i].data, list[i].elements,
								 block, write, context);
		if (!good ||
			!write_numbers(trainer->best_thresholds, trainer->labels, block, write, context))
			code = em_fail(status, EM_SYSTEM, "the checkpoint could not be written");
	}
	em_release(trainer->allocator, head);
	em_release(trainer->allocator, block);
	return code;
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

/* A checkpoint being read. */
typedef struct reading
{
	trainer_read read;
	void *context;
	uint8_t *block; /* (BLOCK) floats */
} reading;

static em_code
cut_short(em_status *status)
{
	return unfit(status, "it is cut short");
}

/* The tensors must come in the order in which they are saved. */
static em_code
load_tensor(reading *reading, const tensor *found, const char *name, uint64_t elements, float *data,
			em_status *status)
{
	if (strcmp(found->name.bytes, name) != 0 || found->type != TENSOR_F32 || found->rank != 1 ||
		found->elements != elements)
		return unfit(status, name);
	for (uint64_t done = 0; done < elements; done += BLOCK)
	{
		size_t now = elements - done < BLOCK ? (size_t) (elements - done) : BLOCK;

		if (!reading->read(reading->context, reading->block, now * 4))
			return cut_short(status);
		if (!halves_read_f32(reading->block, now, data + done))
			return unfit(status, name);
	}
	return EM_OK;
}

static em_code
load_from(trainer *trainer, const safetensors *file, reading *reading, em_status *status)
{
	trainer_kept list[TRAINER_MAX_KEPT];
	size_t count = trainer->family->list_kept(trainer, list);
	uint64_t epochs, best;
	char sum[32];
	em_slice given;
	em_code code = EM_OK;

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
	if (file->tensor_count != count + 1)
		return unfit(status, "tensors");
	for (size_t i = 0; code == EM_OK && i < count; i++)
		code = load_tensor(reading, &file->tensors[i], list[i].name, list[i].elements,
						   (float *) (void *) list[i].data, status);
	if (code == EM_OK)
		code = load_tensor(reading, &file->tensors[count], THRESHOLDS, trainer->labels,
						   trainer->best_thresholds, status);
	if (code != EM_OK)
		return code;
	for (size_t label = 0; label < trainer->labels; label++)
		if (trainer->best_thresholds[label] < 0 || trainer->best_thresholds[label] > 1)
			return unfit(status, "thresholds.best");
	trainer->epochs_done = (int) epochs;
	trainer->best_epoch = (int) best;
	snprintf(sum, sizeof(sum), "%016" PRIx64, state_sum(trainer));
	given = safetensors_metadata(file, "sum");
	if (given.bytes == NULL || given.length != strlen(sum) ||
		memcmp(given.bytes, sum, given.length) != 0)
		return unfit(status, "sum");
	trainer->family->restored(trainer);
	return EM_OK;
}

em_code
trainer_load(trainer *trainer, uint64_t size, trainer_read read, void *context, em_status *status)
{
	const em_allocator *allocator = trainer->allocator;
	uint8_t begin[SAFETENSORS_LENGTH_BYTES];
	reading reading = { read, context, NULL };
	uint8_t *head;
	uint64_t length;
	safetensors file;
	em_code code;

	if (size < sizeof(begin) || !read(context, begin, sizeof(begin)))
		return cut_short(status);
	code = safetensors_header_length(begin, size, &length, status);
	if (code == EM_OK && length > MAX_HEADER)
		code = unfit(status, "header");
	if (code != EM_OK)
		return code;
	head = em_allocate_array(allocator, (size_t) length + 1, 1);
	reading.block = em_allocate_array(allocator, BLOCK, 4);
	if (head == NULL || reading.block == NULL)
		code = out_of_memory(status);
	else if (!read(context, head, (size_t) length))
		code = cut_short(status);
	else
		code = safetensors_open_header(allocator, head, (size_t) length,
									   size - sizeof(begin) - length, &file, status);
	if (code == EM_OK)
	{
		code = load_from(trainer, &file, &reading, status);
		safetensors_close(&file);
	}
	em_release(allocator, head);
	em_release(allocator, reading.block);
	return code;
}
