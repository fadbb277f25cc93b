/*
 * bpe_write.c
 *	  tokenizer.json of a tokeniser.
 */
#include <stdio.h>
#include <string.h>

#include "bpe_file.h"
#include "json.h"

/* out NULL only counts. */
typedef struct bpe_writing
{
	char *out;
	size_t length;
} bpe_writing;

static void
put_bytes(bpe_writing *writing, const char *bytes, size_t length)
{
	if (writing->out != NULL)
		memcpy(writing->out + writing->length, bytes, length);
	writing->length += length;
}

static void
put(bpe_writing *writing, const char *text)
{
	put_bytes(writing, text, strlen(text));
}

static void
put_string(bpe_writing *writing, em_slice text)
{
	writing->length +=
		json_escape(text, writing->out != NULL ? writing->out + writing->length : NULL);
}

static void
put_number(bpe_writing *writing, uint32_t number)
{
	char digits[12];

	put_bytes(writing, digits, (size_t) snprintf(digits, sizeof(digits), "%u", number));
}

/* "name":true, with what stands before it */
static void
put_bool(bpe_writing *writing, const char *name, bool value)
{
	put(writing, name);
	put(writing, value ? "true" : "false");
}

static void
put_token(bpe_writing *writing, const text_bpe *bpe, uint32_t id)
{
	put_string(writing, text_bpe_spelling(bpe, id));
}

static void
put_added_tokens(bpe_writing *writing, const text_bpe *bpe)
{
	const char *between = "";

	put(writing, "\"added_tokens\":[");
	for (uint32_t id = 0; id < text_bpe_ids(bpe); id++)
	{
		text_bpe_added added;

		if (!text_bpe_get_added(bpe, id, &added))
			continue;
		put(writing, between);
		put(writing, "{\"id\":");
		put_number(writing, id);
		put(writing, ",\"content\":");
		put_string(writing, added.name);
		put_bool(writing, ",\"single_word\":", added.single_word);
		put_bool(writing, ",\"lstrip\":", added.lstrip);
		put_bool(writing, ",\"rstrip\":", added.rstrip);
		put_bool(writing, ",\"normalized\":", added.normalized);
		put_bool(writing, ",\"special\":", added.special);
		put(writing, "}");
		between = ",";
	}
	put(writing, "]");
}

/* The ids at one end of texts, as pieces of a template. */
static void
put_pieces(bpe_writing *writing, const text_bpe *bpe, const uint32_t *ids, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
	{
		put(writing, "{\"SpecialToken\":{\"id\":");
		put_token(writing, bpe, ids[i]);
		put(writing, ",\"type_id\":0}},");
	}
}

/* Each id once, as a special token of a template. */
static void
put_specials(bpe_writing *writing, const text_bpe *bpe)
{
	const text_bpe_rules *rules = text_bpe_get_rules(bpe);
	uint32_t ids[2 * TEXT_BPE_MAX_SPECIALS];
	uint32_t count = 0;

	for (uint32_t i = 0; i < rules->before_count + rules->after_count; i++)
	{
		uint32_t id =
			i < rules->before_count ? rules->before[i] : rules->after[i - rules->before_count];
		uint32_t known = 0;

		while (known < count && ids[known] != id)
			known++;
		if (known < count)
			continue;
		ids[count++] = id;
		put(writing, count > 1 ? "," : "");
		put_token(writing, bpe, id);
		put(writing, ":{\"id\":");
		put_token(writing, bpe, id);
		put(writing, ",\"ids\":[");
		put_number(writing, id);
		put(writing, "],\"tokens\":[");
		put_token(writing, bpe, id);
		put(writing, "]}");
	}
}

static void
put_template(bpe_writing *writing, const text_bpe *bpe)
{
	const text_bpe_rules *rules = text_bpe_get_rules(bpe);

	put(writing, "{\"type\":\"TemplateProcessing\",\"single\":[");
	put_pieces(writing, bpe, rules->before, rules->before_count);
	put(writing, "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}");
	if (rules->after_count > 0)
	{
		put(writing, ",");
		put_pieces(writing, bpe, rules->after, rules->after_count);
		writing->length--; /* the last comma */
	}
	put(writing, "],\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
				 "{\"Sequence\":{\"id\":\"B\",\"type_id\":0}}],\"special_tokens\":{");
	put_specials(writing, bpe);
	put(writing, "}}");
}

/* RoBERTa's own where it says it, else a template, before which places are trimmed. */
static void
put_post_processor(bpe_writing *writing, const text_bpe *bpe)
{
	const text_bpe_rules *rules = text_bpe_get_rules(bpe);
	bool adds = rules->before_count + rules->after_count > 0;

	put(writing, ",\"post_processor\":");
	if (rules->before_count == 1 && rules->after_count == 1)
	{
		put(writing, "{\"type\":\"RobertaProcessing\",\"sep\":[");
		put_token(writing, bpe, rules->after[0]);
		put(writing, ",");
		put_number(writing, rules->after[0]);
		put(writing, "],\"cls\":[");
		put_token(writing, bpe, rules->before[0]);
		put(writing, ",");
		put_number(writing, rules->before[0]);
		put_bool(writing, "],\"trim_offsets\":", rules->trim_offsets);
		put_bool(writing, ",\"add_prefix_space\":", rules->keep_first_space);
		put(writing, "}");
		return;
	}
	if (!adds && !rules->trim_offsets)
	{
		put(writing, "null");
		return;
	}
	put(writing, adds && rules->trim_offsets ? "{\"type\":\"Sequence\",\"processors\":[" : "");
	if (rules->trim_offsets)
	{
		put_bool(writing, "{\"type\":\"ByteLevel\",\"add_prefix_space\":", rules->keep_first_space);
		put(writing, ",\"trim_offsets\":true,\"use_regex\":true}");
	}
	put(writing, adds && rules->trim_offsets ? "," : "");
	if (adds)
		put_template(writing, bpe);
	put(writing, adds && rules->trim_offsets ? "]}" : "");
}

/* Whether merges can be written with a space between their parts. */
static bool
joins_merges(const text_bpe *bpe)
{
	for (uint32_t rank = 0; rank < text_bpe_merges(bpe); rank++)
	{
		text_bpe_merge merge = text_bpe_get_merge(bpe, rank);

		/* a left part that begins as the heading of merges.txt would be taken for it */
		if (merge.left.bytes[0] == '#' ||
			memchr(merge.left.bytes, ' ', merge.left.length) != NULL ||
			memchr(merge.right.bytes, ' ', merge.right.length) != NULL)
			return false;
	}
	return true;
}

static void
put_model(bpe_writing *writing, const text_bpe *bpe)
{
	const text_bpe_rules *rules = text_bpe_get_rules(bpe);
	bool joined = joins_merges(bpe);
	const char *between = "";

	put(writing, ",\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":");
	if (rules->unknown_id != TEXT_BPE_NO_ID)
		put_token(writing, bpe, rules->unknown_id);
	else
		put(writing, "null");
	put(writing, ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null");
	put_bool(writing, ",\"fuse_unk\":", rules->fuse_unknown);
	put_bool(writing, ",\"byte_fallback\":false,\"ignore_merges\":", rules->ignore_merges);
	put(writing, ",\"vocab\":{");
	for (uint32_t id = 0; id < text_bpe_ids(bpe); id++)
	{
		if (!text_bpe_in_model(bpe, id))
			continue;
		put(writing, between);
		put_token(writing, bpe, id);
		put(writing, ":");
		put_number(writing, id);
		between = ",";
	}
	put(writing, "},\"merges\":[");
	for (uint32_t rank = 0; rank < text_bpe_merges(bpe); rank++)
	{
		text_bpe_merge merge = text_bpe_get_merge(bpe, rank);
		size_t space;

		put(writing, rank > 0 ? "," : "");
		put(writing, joined ? "" : "[");
		put_string(writing, merge.left);
		if (!joined)
		{
			put(writing, ",");
			put_string(writing, merge.right);
			put(writing, "]");
			continue;
		}
		/* one string of both: a space in place of the two quotes between them */
		space = --writing->length;
		put_string(writing, merge.right);
		if (writing->out != NULL)
			writing->out[space] = ' ';
	}
	put(writing, "]}");
}

static void
put_padding(bpe_writing *writing, const text_bpe *bpe)
{
	uint32_t id = text_bpe_get_rules(bpe)->pad_id;

	put(writing, ",\"padding\":");
	/* a model's <pad> is found by its name */
	if (id == TEXT_BPE_NO_ID ||
		(id == text_bpe_find(bpe, "<pad>", 5) && text_bpe_in_model(bpe, id)))
	{
		put(writing, "null,");
		return;
	}
	put(writing,
		"{\"strategy\":\"BatchLongest\",\"direction\":\"Right\",\"pad_to_multiple_of\":null,"
		"\"pad_id\":");
	put_number(writing, id);
	put(writing, ",\"pad_type_id\":0,\"pad_token\":");
	put_token(writing, bpe, id);
	put(writing, "},");
}

size_t
bpe_file_write(const text_bpe *bpe, char *out)
{
	const text_bpe_rules *rules = text_bpe_get_rules(bpe);
	bpe_writing writing = { out, 0 };

	put(&writing, "{\"version\":\"1.0\",\"truncation\":");
	if (rules->max_length > 0)
	{
		put(&writing, "{\"direction\":\"Right\",\"max_length\":");
		put_number(&writing, rules->max_length);
		put(&writing, ",\"strategy\":\"LongestFirst\",\"stride\":0}");
	}
	else
		put(&writing, "null");
	put_padding(&writing, bpe);
	put_added_tokens(&writing, bpe);
	put(&writing, ",\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\"");
	put_bool(&writing, ",\"add_prefix_space\":", rules->add_prefix_space);
	put_bool(&writing, ",\"trim_offsets\":true,\"use_regex\":", rules->use_regex);
	put(&writing, "}");
	put_post_processor(&writing, bpe);
	put(&writing, ",\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
				  "\"trim_offsets\":true,\"use_regex\":true}");
	put_model(&writing, bpe);
	put(&writing, "}");
	return writing.length;
}

em_code
bpe_file_make(const em_allocator *allocator, const text_bpe *bpe, em_slice *tokenizer_json,
			  em_status *status)
{
	size_t length = bpe_file_write(bpe, NULL);
	char *bytes = em_allocate_array(allocator, length, 1);

	*tokenizer_json = (em_slice){ NULL, 0 };
	if (bytes == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	bpe_file_write(bpe, bytes);
	*tokenizer_json = (em_slice){ bytes, length };
	return EM_OK;
}
