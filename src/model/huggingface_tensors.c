/*
 * huggingface_tensors.c
 *	  The safetensors files of a checkpoint, one or several with an index: what stands where.
 */
#include "huggingface_tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clip.h"
#include "json.h"

#define ONE_FILE "model.safetensors"
#define INDEX_FILE "model.safetensors.index.json"
#define MAX_INDEX_BYTES (16 * 1024 * 1024)

/* Of all headers: those of such networks have some ten thousand bytes and some hundred tensors. */
#define MAX_HEAD_BYTES (4 * 1024 * 1024)
#define MAX_TENSORS 10000

#define MAX_SHARDS 1000
#define MAX_FILE_NAME 255

/* Names in one error. */
#define NAMES_SHOWN 3

static em_code
out_of_memory(em_status *status)
{
	return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
}

static bool
same(em_slice text, const char *name)
{
	return text.length == strlen(name) && memcmp(text.bytes, name, text.length) == 0;
}

static bool
begins(em_slice text, const char *with)
{
	return text.length >= strlen(with) && memcmp(text.bytes, with, strlen(with)) == 0;
}

static bool
ends(em_slice text, const char *with)
{
	size_t length = strlen(with);

	return text.length >= length && memcmp(text.bytes + text.length - length, with, length) == 0;
}

em_code
huggingface_read_file(const em_allocator *allocator, const huggingface_files *files,
					  const char *name, uint64_t limit, em_slice *text, em_status *status)
{
	uint64_t size = 0;
	bool found = false;
	uint8_t *bytes;
	em_code code = files->find(files->context, name, &found, &size, status);

	*text = (em_slice){ NULL, 0 };
	if (code != EM_OK)
		return code;
	if (!found)
		return em_fail(status, EM_MISSING, "the checkpoint has no file \"%s\"", name);
	if (size > limit)
		return em_fail(status, EM_LIMIT, "file \"%s\" has %" PRIu64 " bytes, more than %" PRIu64,
					   name, size, limit);
	bytes = em_allocate_array(allocator, (size_t) size + 1, 1);
	if (bytes == NULL)
		return out_of_memory(status);
	code = size == 0 ? EM_OK : files->read(files->context, name, 0, bytes, (size_t) size, status);
	if (code != EM_OK)
	{
		em_release(allocator, bytes);
		return code;
	}
	bytes[size] = '\0';
	*text = (em_slice){ (const char *) bytes, (size_t) size };
	return EM_OK;
}

/* ---- files ------------------------------------------------------------------------------- */

/* "file "x": " before what is wrong with it. */
static em_code
in_file(const char *name, em_code code, em_status *status)
{
	char message[sizeof(status->message)];

	if (code == EM_OK || status == NULL || code == EM_OUT_OF_MEMORY || code == EM_CANCELLED)
		return code;
	memcpy(message, status->message, sizeof(message));
	return em_fail(status, code, "%.60s: %.320s", name, message);
}

/* The header of the file into the shard, whose name is set. */
static em_code
read_head(huggingface_tensors *tensors, huggingface_shard *shard, uint64_t size, em_status *status)
{
	const huggingface_files *files = tensors->files;
	uint8_t first[SAFETENSORS_LENGTH_BYTES];
	uint64_t length = 0;
	em_code code = EM_OK;

	if (size >= sizeof(first))
		code = files->read(files->context, shard->name, 0, first, sizeof(first), status);
	if (code != EM_OK)
		return code;
	code = safetensors_header_length(first, size, &length, status);
	if (code != EM_OK)
		return code;
	tensors->head_bytes += length;
	if (tensors->head_bytes > MAX_HEAD_BYTES)
		return em_fail(status, EM_LIMIT, "the headers have %" PRIu64 " bytes, more than %d",
					   tensors->head_bytes, MAX_HEAD_BYTES);
	shard->head = em_allocate_array(tensors->allocator, (size_t) length + 1, 1);
	if (shard->head == NULL)
		return out_of_memory(status);
	if (length > 0)
		code = files->read(files->context, shard->name, sizeof(first), shard->head, (size_t) length,
						   status);
	shard->data = sizeof(first) + length;
	if (code == EM_OK)
		code = safetensors_open_header(tensors->allocator, shard->head, (size_t) length,
									   size - shard->data, &shard->file, status);
	if (code != EM_OK)
		return code;
	tensors->tensor_count += shard->file.tensor_count;
	if (tensors->tensor_count > MAX_TENSORS)
		return em_fail(status, EM_LIMIT, "there are more than %d tensors", MAX_TENSORS);
	shard->used =
		em_allocate_zeroed(tensors->allocator, shard->file.tensor_count + 1, sizeof(bool));
	return shard->used == NULL ? out_of_memory(status) : EM_OK;
}

/* Open the shard of that name unless it is open; its number. */
static em_code
use_shard(huggingface_tensors *tensors, em_slice name, size_t *number, em_status *status)
{
	huggingface_shard *shard;
	uint64_t size = 0;
	bool found = false;
	em_code code;

	for (size_t i = tensors->shard_count; i-- > 0;)
		if (same(name, tensors->shards[i].name))
		{
			*number = i;
			return EM_OK;
		}
	if (name.length == 0 || name.length > MAX_FILE_NAME || !ends(name, ".safetensors") ||
		memchr(name.bytes, '/', name.length) != NULL ||
		memchr(name.bytes, '\\', name.length) != NULL ||
		memchr(name.bytes, '\0', name.length) != NULL)
		return em_fail(status, EM_CORRUPT, INDEX_FILE ": \"%.*s\" is not the name of a file",
					   clip_length(name), name.bytes);
	if (tensors->shard_count == MAX_SHARDS)
		return em_fail(status, EM_LIMIT, INDEX_FILE " names more than %d files", MAX_SHARDS);
	if (!em_grow(tensors->allocator, (void **) &tensors->shards, &tensors->capacity,
				 tensors->shard_count + 1, sizeof(huggingface_shard)))
		return out_of_memory(status);
	*number = tensors->shard_count;
	shard = &tensors->shards[tensors->shard_count++];
	memset(shard, 0, sizeof(*shard));
	shard->name = em_allocate_array(tensors->allocator, name.length + 1, 1);
	if (shard->name == NULL)
		return out_of_memory(status);
	memcpy(shard->name, name.bytes, name.length);
	shard->name[name.length] = '\0';
	code = tensors->files->find(tensors->files->context, shard->name, &found, &size, status);
	if (code != EM_OK)
		return code;
	if (!found)
		return em_fail(status, EM_MISSING,
					   "the checkpoint has no file \"%s\", which " INDEX_FILE " names",
					   shard->name);
	return in_file(shard->name, read_head(tensors, shard, size, status), status);
}

/* ---- index ------------------------------------------------------------------------------- */

static const tensor *
find_in(const huggingface_shard *shard, em_slice name)
{
	for (size_t i = 0; i < shard->file.tensor_count; i++)
	{
		em_slice own = shard->file.tensors[i].name;

		if (own.length == name.length && memcmp(own.bytes, name.bytes, name.length) == 0)
			return &shard->file.tensors[i];
	}
	return NULL;
}

static em_code
broken_index(const json_reader *json, em_status *status)
{
	if (json->error != NULL)
		return em_fail(status, EM_CORRUPT, INDEX_FILE " is not valid JSON: %s at byte %zu",
					   json->error, json->position);
	return em_fail(status, EM_CORRUPT,
				   INDEX_FILE " has no object \"weight_map\" of names of files");
}

/* Names and files as the index has them; text: room for both, unescaped. */
static em_code
read_weight_map(huggingface_tensors *tensors, json_reader *json, char *text, em_status *status)
{
	json_token token = json_next(json);

	if (token != JSON_OBJECT_BEGIN)
		return broken_index(json, status);
	while ((token = json_next(json)) == JSON_KEY)
	{
		em_slice name = { text, json_unescape(json->raw, text) };
		em_slice file = { text + name.length, 0 };
		huggingface_shard *shard;
		const tensor *found;
		size_t number;
		em_code code;

		if (json_next(json) != JSON_STRING)
			return broken_index(json, status);
		file.length = json_unescape(json->raw, text + name.length);
		code = use_shard(tensors, file, &number, status);
		if (code != EM_OK)
			return code;
		shard = &tensors->shards[number];
		found = find_in(shard, name);
		if (found == NULL)
			return em_fail(status, EM_CORRUPT,
						   "tensor \"%.*s\" is not in file \"%s\", where " INDEX_FILE " has it",
						   clip_length(name), name.bytes, shard->name);
		if (shard->used[found - shard->file.tensors])
			return em_fail(status, EM_CORRUPT, INDEX_FILE " names tensor \"%.*s\" twice",
						   clip_length(name), name.bytes);
		shard->used[found - shard->file.tensors] = true;
	}
	return token == JSON_OBJECT_END ? EM_OK : broken_index(json, status);
}

/* What the files hold must be what the index says, so that no tensor stands in two of them. */
static em_code
check_index(huggingface_tensors *tensors, em_status *status)
{
	for (size_t i = 0; i < tensors->shard_count; i++)
	{
		huggingface_shard *shard = &tensors->shards[i];

		for (size_t j = 0; j < shard->file.tensor_count; j++)
		{
			em_slice name = shard->file.tensors[j].name;

			if (!shard->used[j])
				return em_fail(status, EM_CORRUPT,
							   "tensor \"%.*s\" of file \"%s\" is not there in " INDEX_FILE,
							   clip_length(name), name.bytes, shard->name);
			shard->used[j] = false;
		}
	}
	return EM_OK;
}

static em_code
read_index(huggingface_tensors *tensors, em_slice index, char *text, em_status *status)
{
	json_reader json;
	json_token token;
	bool seen = false;

	json_open(&json, index.bytes, index.length);
	if (json_next(&json) != JSON_OBJECT_BEGIN)
		return broken_index(&json, status);
	while ((token = json_next(&json)) == JSON_KEY)
	{
		bool map = same(json.raw, "weight_map");

		if (map && seen)
			return em_fail(status, EM_CORRUPT, INDEX_FILE " has \"weight_map\" twice");
		seen = seen || map;
		if (map)
		{
			em_code code = read_weight_map(tensors, &json, text, status);

			if (code != EM_OK)
				return code;
		}
		else if (!json_skip(&json, json_next(&json)))
			return broken_index(&json, status);
	}
	if (token != JSON_OBJECT_END || json_next(&json) != JSON_END || !seen)
		return broken_index(&json, status);
	return check_index(tensors, status);
}

em_code
huggingface_tensors_open(const em_allocator *allocator, const huggingface_files *files,
						 huggingface_tensors *tensors, em_status *status)
{
	em_slice index;
	uint64_t size;
	size_t number;
	bool found = false;
	char *text;
	em_code code;

	memset(tensors, 0, sizeof(*tensors));
	tensors->allocator = allocator;
	tensors->files = files;
	code = files->find(files->context, ONE_FILE, &found, &size, status);
	if (code != EM_OK)
		return code;
	if (found)
		return use_shard(tensors, (em_slice){ ONE_FILE, strlen(ONE_FILE) }, &number, status);
	code = files->find(files->context, INDEX_FILE, &found, &size, status);
	if (code != EM_OK)
		return code;
	if (!found)
	{
		em_fail(status, EM_MISSING,
				"the checkpoint has no file \"" ONE_FILE "\" or \"" INDEX_FILE "\"");
		em_hint(status, "Save it with save_pretrained(directory, safe_serialization=True): weights "
						"in other formats, which can hold code, are not read.");
		return EM_MISSING;
	}
	code = huggingface_read_file(allocator, files, INDEX_FILE, MAX_INDEX_BYTES, &index, status);
	if (code != EM_OK)
		return code;
	text = em_allocate_array(allocator, index.length + 1, 1);
	code = text == NULL ? out_of_memory(status) : read_index(tensors, index, text, status);
	em_release(allocator, text);
	em_release(allocator, (void *) index.bytes);
	return code;
}

void
huggingface_tensors_release(huggingface_tensors *tensors)
{
	for (size_t i = 0; i < tensors->shard_count; i++)
	{
		huggingface_shard *shard = &tensors->shards[i];

		em_release(tensors->allocator, shard->name);
		em_release(tensors->allocator, shard->head);
		em_release(tensors->allocator, shard->used);
		if (shard->file.allocator != NULL)
			safetensors_close(&shard->file);
	}
	em_release(tensors->allocator, tensors->shards);
	tensors->shards = NULL;
	tensors->shard_count = 0;
}

/* ---- matching ---------------------------------------------------------------------------- */

huggingface_place
huggingface_tensors_find(const huggingface_tensors *tensors, const char *name)
{
	for (size_t i = 0; i < tensors->shard_count; i++)
	{
		const huggingface_shard *shard = &tensors->shards[i];
		const tensor *found = find_in(shard, (em_slice){ name, strlen(name) });

		if (found != NULL)
			return (huggingface_place){ shard, found };
	}
	return (huggingface_place){ NULL, NULL };
}

/* The name that a tensor of the network has in old checkpoints: LayerNorm.gamma, LayerNorm.beta. */
static bool
old_name(const char *name, char *out, size_t size)
{
	static const char *const endings[][2] = { { ".LayerNorm.weight", ".LayerNorm.gamma" },
											  { ".LayerNorm.bias", ".LayerNorm.beta" } };

	for (int i = 0; i < 2; i++)
		if (ends((em_slice){ name, strlen(name) }, endings[i][0]))
		{
			size_t keep = strlen(name) - strlen(endings[i][0]);

			return snprintf(out, size, "%.*s%s", (int) keep, name, endings[i][1]) < (int) size;
		}
	return false;
}

#define BODY "roberta."

/* Under any of the names that it may have; bare: names of the body lack "roberta.". */
static huggingface_place
find_tensor(const huggingface_tensors *tensors, const char *name, bool bare)
{
	char old[128];
	huggingface_place place;

	if (bare && strncmp(name, BODY, strlen(BODY)) == 0)
		name += strlen(BODY);
	place = huggingface_tensors_find(tensors, name);
	if (place.shard == NULL && old_name(name, old, sizeof(old)))
		place = huggingface_tensors_find(tensors, old);
	return place;
}

/* Names for an error: the first few, and how many more there are. */
typedef struct name_list
{
	char text[NAMES_SHOWN * (CLIP_MAX + 4) + 32];
	size_t length;
	size_t count;
} name_list;

static void
add_name(name_list *list, em_slice name)
{
	if (list->count++ < NAMES_SHOWN)
		list->length += (size_t) snprintf(
			list->text + list->length, sizeof(list->text) - list->length, "%s\"%.*s\"",
			list->length > 0 ? ", " : "", clip_length(name), name.bytes);
}

static em_code
report_names(const char *what, const name_list *list, em_status *status)
{
	char more[32] = "";

	if (list->count > NAMES_SHOWN)
		snprintf(more, sizeof(more), " and %zu more", list->count - NAMES_SHOWN);
	return em_fail(status, EM_CORRUPT, "%s %s%s", what, list->text, more);
}

/* "(2, 3)" */
static void
print_shape(char *out, size_t size, int rank, const uint64_t *shape)
{
	size_t n = (size_t) snprintf(out, size, "(");

	for (int i = 0; i < rank && n < size; i++)
		n += (size_t) snprintf(out + n, size - n, "%s%" PRIu64, i > 0 ? ", " : "", shape[i]);
	if (n < size)
		snprintf(out + n, size - n, ")");
}

static em_code
check_tensor(const huggingface_place *place, const encoder_tensor *wanted, em_status *status)
{
	const tensor *found = place->tensor;
	bool fits = found->rank == wanted->rank;

	for (int i = 0; fits && i < wanted->rank; i++)
		fits = found->shape[i] == wanted->shape[i];
	if (!fits)
	{
		char shapes[2][96];

		print_shape(shapes[0], sizeof(shapes[0]), found->rank, found->shape);
		print_shape(shapes[1], sizeof(shapes[1]), wanted->rank, wanted->shape);
		return em_fail(status, EM_CORRUPT,
					   "tensor \"%.*s\" has the shape %s, not %s as config.json asks for",
					   clip_length(found->name), found->name.bytes, shapes[0], shapes[1]);
	}
	if (found->type > TENSOR_BF16)
	{
		em_fail(status, EM_UNSUPPORTED, "tensor \"%.*s\" is of type %.*s", clip_length(found->name),
				found->name.bytes, clip_length(found->dtype), found->dtype.bytes);
		em_hint(status, "Only F32, F16 and BF16 are supported.");
		return EM_UNSUPPORTED;
	}
	return EM_OK;
}

/* Tensors that are there and not wanted: buffers, and heads that do not score texts. */
static bool
may_stay(em_slice name, bool head)
{
	if (begins(name, BODY))
	{
		name.bytes += strlen(BODY);
		name.length -= strlen(BODY);
	}
	return same(name, "embeddings.position_ids") || same(name, "embeddings.token_type_ids") ||
		   begins(name, "pooler.") || begins(name, "lm_head.") ||
		   (!head && begins(name, "classifier."));
}

static em_code
check_extra(const huggingface_tensors *tensors, bool head, em_status *status)
{
	name_list extra = { .length = 0 };

	for (size_t i = 0; i < tensors->shard_count; i++)
		for (size_t j = 0; j < tensors->shards[i].file.tensor_count; j++)
		{
			em_slice name = tensors->shards[i].file.tensors[j].name;

			if (!tensors->shards[i].used[j] && !may_stay(name, head))
				add_name(&extra, name);
		}
	return extra.count == 0
			   ? EM_OK
			   : report_names("the checkpoint has tensors that its config.json does not ask for:",
							  &extra, status);
}

em_code
huggingface_tensors_match(huggingface_tensors *tensors, const encoder_model *model,
						  huggingface_place *places, em_status *status)
{
	const encoder_layout *layout = &model->layout;
	bool bare =
		huggingface_tensors_find(tensors, BODY "embeddings.word_embeddings.weight").shard == NULL;
	name_list missing = { .length = 0 };
	size_t head_missing = 0;

	for (size_t i = 0; i < layout->tensor_count; i++)
	{
		encoder_tensor wanted;
		em_code code;

		places[i] = (huggingface_place){ NULL, NULL };
		encoder_tensor_at(layout, i, &wanted);
		if (!encoder_model_has_tensor(model, &wanted))
			continue;
		places[i] = find_tensor(tensors, wanted.name, bare);
		if (places[i].shard == NULL)
		{
			add_name(&missing, (em_slice){ wanted.name, strlen(wanted.name) });
			head_missing += wanted.stage > (int) layout->layers;
			continue;
		}
		code = check_tensor(&places[i], &wanted, status);
		if (code != EM_OK)
			return code;
		places[i].shard->used[places[i].tensor - places[i].shard->file.tensors] = true;
	}
	if (missing.count > 0)
	{
		em_code code = report_names("the checkpoint has no tensor", &missing, status);

		if (missing.count == head_missing)
			em_hint(status,
					"With option \"head\" as \"none\" it is imported as a base to train from.");
		return code;
	}
	return check_extra(tensors, model->head, status);
}
