/*
 * ensemble.c
 *	  Several models as one: its file, and what its parts have in common.
 */
#include "encoder_model.h"
#include "json.h"
#include "model_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* How far from 1 the weights of a file may sum: they are rounded to floats. */
#define WEIGHT_SLACK 1e-4

bool
model_match_labels(const model *model, const struct model *member, uint16_t *place)
{
	size_t labels = model->layout.labels;

	if (member->layout.labels != labels)
		return false;
	for (size_t i = 0; i < labels; i++)
	{
		int found = model_find_label(member, model->labels[i], strlen(model->labels[i]));

		if (found < 0)
			return false;
		place[i] = (uint16_t) found;
	}
	return true;
}

bool
model_file_is_ensemble(const safetensors *file)
{
	em_slice value = safetensors_metadata(file, "architecture");

	return value.length == strlen(MODEL_ENSEMBLE) && value.bytes != NULL &&
		   memcmp(value.bytes, MODEL_ENSEMBLE, value.length) == 0;
}

void
model_file_member_prefix(size_t member, char *out)
{
	snprintf(out, 16, "member.%u", (unsigned) member);
}

em_code
model_file_members(const safetensors *file, float *weights, size_t *count, em_status *status)
{
	em_slice json = safetensors_metadata(file, "members");
	json_reader reader;
	json_token token;
	double sum = 0;

	*count = 0;
	if (json.bytes == NULL)
		return em_fail(status, EM_CORRUPT, "the file has no metadata \"members\"");
	json_open(&reader, json.bytes, json.length);
	token = json_next(&reader);
	if (token != JSON_ARRAY_BEGIN)
		return em_fail(status, EM_CORRUPT,
					   "the members of the model file are not a JSON array of numbers");
	while ((token = json_next(&reader)) == JSON_NUMBER)
	{
		double weight;

		if (*count == MODEL_MAX_MEMBERS)
			return em_fail(status, EM_LIMIT, "the model file has more than %d members",
						   MODEL_MAX_MEMBERS);
		if (!json_to_double(reader.raw, &weight) || !(weight > 0 && weight <= 1))
			return em_fail(status, EM_CORRUPT,
						   "the weight of member %zu of the model file is not over 0 and up to 1",
						   *count + 1);
		sum += weight;
		weights[(*count)++] = (float) weight;
	}
	if (token != JSON_ARRAY_END || json_next(&reader) != JSON_END)
		return em_fail(status, EM_CORRUPT,
					   "the members of the model file are not a JSON array of numbers");
	if (!(fabs(sum - 1) <= WEIGHT_SLACK))
		return em_fail(status, EM_CORRUPT,
					   "the weights of the members of the model file do not sum to 1");
	return EM_OK;
}

/* '[0.5, 0.25]', of numbers in 0 to 1; out: room for count * (JSON_NUMBER_MAX + 2) + 2 */
static em_slice
put_numbers(const double *numbers, size_t count, char *out)
{
	size_t n = 0;

	out[n++] = '[';
	for (size_t i = 0; i < count; i++)
	{
		if (i > 0)
		{
			out[n++] = ',';
			out[n++] = ' ';
		}
		n += json_print_number((double) (float) numbers[i], true, out + n);
	}
	out[n++] = ']';
	return (em_slice){ out, n };
}

/* What model_join works with. */
typedef struct joining
{
	const em_allocator *allocator;
	const model_member *members;
	size_t count;
	double weights[MODEL_MAX_MEMBERS]; /* summing to 1 */
	double *thresholds;                /* (L) */
	safetensors files[MODEL_MAX_MEMBERS];
	size_t opened;
} joining;

/* thresholds += those of a member that is as it should be; first: the first member, or NULL. */
static em_code
join_thresholds(joining *joining, size_t number, const model *model, const struct model *first,
				em_status *status)
{
	const char *name = joining->members[number].name;
	size_t labels = first->layout.labels;
	uint16_t place[MODEL_MAX_LABELS];

	if (model->member_count > 0)
	{
		em_fail(status, EM_UNSUPPORTED, "model \"%.80s\" is an ensemble itself", name);
		em_hint(status, "Name its members in its place.");
		return EM_UNSUPPORTED;
	}
	if (!model_match_labels(first, model, place))
	{
		em_fail(status, EM_INVALID_OPTION,
				"the labels of model \"%.80s\" are not those of model \"%.80s\"", name,
				joining->members[0].name);
		em_hint(status, "Members have the same labels, in any order.");
		return EM_INVALID_OPTION;
	}
	if (model_labels_exclude(model) != model_labels_exclude(first))
	{
		bool one = model_labels_exclude(model);

		em_fail(
			status, EM_INVALID_OPTION,
			"the labels of model \"%.80s\" exclude one another, those of model \"%.80s\" do not",
			joining->members[one ? number : 0].name, joining->members[one ? 0 : number].name);
		em_hint(status, "The mean of such scores would mean neither.");
		return EM_INVALID_OPTION;
	}
	if (joining->thresholds == NULL)
		joining->thresholds = em_allocate_zeroed(joining->allocator, labels, sizeof(double));
	if (joining->thresholds == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < labels; i++)
		joining->thresholds[i] += joining->weights[number] * (double) model->thresholds[place[i]];
	return EM_OK;
}

static em_code
write_joined(joining *joining, size_t labels, uint8_t **bytes, size_t *size, em_status *status)
{
	const em_slice first_labels = safetensors_metadata(&joining->files[0], "labels");
	size_t room = (joining->count + labels) * (JSON_NUMBER_MAX + 2) + 4;
	char *text = em_allocate_array(joining->allocator, room, 1);
	safetensors_part parts[MODEL_MAX_MEMBERS];
	char prefixes[MODEL_MAX_MEMBERS][16];
	em_slice weights, thresholds;
	em_code code;

	if (text == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < labels; i++)
		if (joining->thresholds[i] > 1)
			joining->thresholds[i] = 1; /* rounding */
	weights = put_numbers(joining->weights, joining->count, text);
	thresholds = put_numbers(joining->thresholds, labels, text + weights.length);
	for (size_t i = 0; i < joining->count; i++)
	{
		model_file_member_prefix(i, prefixes[i]);
		parts[i] = (safetensors_part){ prefixes[i], &joining->files[i] };
	}
	{
		const metadata_entry metadata[] = {
			{ { "format", 6 }, { MODEL_FORMAT, strlen(MODEL_FORMAT) } },
			{ { "format_version", 14 }, { MODEL_FORMAT_VERSION, strlen(MODEL_FORMAT_VERSION) } },
			{ { "architecture", 12 }, { MODEL_ENSEMBLE, strlen(MODEL_ENSEMBLE) } },
			{ { "labels", 6 }, first_labels },
			{ { "thresholds", 10 }, thresholds },
			{ { "members", 7 }, weights },
		};

		code = safetensors_join(joining->allocator, metadata, 6, parts, joining->count, bytes, size,
								status);
	}
	em_release(joining->allocator, text);
	return code;
}

em_code
model_join(const em_allocator *allocator, const model_member *members, size_t count,
		   uint8_t **bytes, size_t *size, em_status *status)
{
	joining *joining = em_allocate_zeroed(allocator, 1, sizeof(*joining));
	model *first = NULL;
	double sum = 0;
	em_code code = EM_OK;

	if (joining == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	joining->allocator = allocator;
	joining->members = members;
	joining->count = count;
	if (count < 1 || count > MODEL_MAX_MEMBERS)
		code = em_fail(status, EM_LIMIT, "%zu models are not 1 to %d", count, MODEL_MAX_MEMBERS);
	for (size_t i = 0; code == EM_OK && i < count; i++)
		sum += members[i].weight;
	for (size_t i = 0; code == EM_OK && i < count; i++)
	{
		model *model = NULL;

		joining->weights[i] = members[i].weight / sum;
		if (!((float) joining->weights[i] > 0))
		{
			code = em_fail(status, EM_INVALID_OPTION, "the weight of model \"%.80s\" is %g of all",
						   members[i].name, joining->weights[i]);
			break;
		}
		code = safetensors_open(allocator, members[i].bytes, members[i].size, &joining->files[i],
								status);
		if (code != EM_OK)
			break;
		joining->opened++;
		code = model_read(allocator, members[i].bytes, members[i].size, &model, status);
		if (code == EM_OK)
			code = join_thresholds(joining, i, model, i == 0 ? model : first, status);
		if (code == EM_OK && i == 0)
			first = model;
		else
			model_free(model);
	}
	if (code == EM_OK)
		code = write_joined(joining, first->layout.labels, bytes, size, status);
	for (size_t i = 0; i < joining->opened; i++)
		safetensors_close(&joining->files[i]);
	model_free(first);
	em_release(allocator, joining->thresholds);
	em_release(allocator, joining);
	return code;
}
