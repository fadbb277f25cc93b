/*
 * model_file.h
 *	  What reading and writing a model file share; private to the two.
 */
#ifndef EMOTION_MODEL_MODEL_FILE_H
#define EMOTION_MODEL_MODEL_FILE_H

#include "model.h"
#include "safetensors.h"

#define MODEL_FORMAT "emotion"
#define MODEL_FORMAT_VERSION "1"
#define MODEL_EMBEDDING_NAME "embedding.weight"
#define MODEL_EMBEDDING_SCALE "embedding.scale"
#define MODEL_SUBWORD_NAME "subword.weight"
#define MODEL_SUBWORD_SCALE "subword.scale"

/* A file of ours, of a version and an architecture that we know; EM_UNSUPPORTED otherwise. */
em_code model_file_check_format(const safetensors *file, em_status *status);

/*
 * The labels of a file: slices into *text, which takes their unescaped bytes. Both are allocated;
 * the caller releases them (em_release), also after a failure.
 */
em_code model_file_labels(const em_allocator *allocator, const safetensors *file, em_slice **labels,
						  char **text, size_t *count, em_status *status);

/* EM_INVALID_DATA when the threshold of the label with that index is not in 0..1. */
em_code model_file_check_threshold(double threshold, size_t label, em_status *status);

#endif /* EMOTION_MODEL_MODEL_FILE_H */
