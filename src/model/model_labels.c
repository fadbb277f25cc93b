/*
 * model_labels.c
 *	  Label sets: checking, copying, looking up.
 */
#include "model.h"
#include "clip.h"
#include "json.h"

#include <string.h>

em_code
model_check_labels(const em_slice *labels, size_t count, em_status *status)
{
	if (count < 1)
		return em_fail(status, EM_INVALID_DATA, "there are no labels");
	if (count > MODEL_MAX_LABELS)
		return em_fail(status, EM_LIMIT, "there are %zu labels, more than %d", count,
					   MODEL_MAX_LABELS);
	for (size_t i = 0; i < count; i++)
	{
		em_slice label = labels[i];

		if (label.length == 0)
			return em_fail(status, EM_INVALID_DATA, "label %zu is empty", i + 1);
		if (!json_valid_utf8(label) || memchr(label.bytes, '\0', label.length) != NULL)
			return em_fail(status, EM_INVALID_DATA, "label %zu is not valid UTF-8 text", i + 1);
		if (label.length > MODEL_MAX_LABEL_BYTES)
			return em_fail(status, EM_LIMIT, "label \"%.*s...\" has %zu bytes, more than %d",
						   clip_length(label), label.bytes, label.length, MODEL_MAX_LABEL_BYTES);
		for (size_t j = 0; j < i; j++)
			if (labels[j].length == label.length &&
				memcmp(labels[j].bytes, label.bytes, label.length) == 0)
				return em_fail(status, EM_INVALID_DATA, "label \"%.*s\" stands there twice",
							   clip_length(label), label.bytes);
	}
	return EM_OK;
}

char **
model_copy_labels(const em_allocator *allocator, const em_slice *labels, size_t count)
{
	size_t bytes = count * sizeof(char *);
	char **copy, *text;

	for (size_t i = 0; i < count; i++)
		bytes += labels[i].length + 1;
	copy = em_allocate_array(allocator, bytes, 1);
	if (copy == NULL)
		return NULL;
	text = (char *) (copy + count);
	for (size_t i = 0; i < count; i++)
	{
		copy[i] = text;
		memcpy(text, labels[i].bytes, labels[i].length);
		text[labels[i].length] = '\0';
		text += labels[i].length + 1;
	}
	return copy;
}

int
model_find_label(const model *model, const char *label, size_t length)
{
	for (size_t i = 0; i < model->layout.labels; i++)
		if (strlen(model->labels[i]) == length && memcmp(model->labels[i], label, length) == 0)
			return (int) i;
	return -1;
}
