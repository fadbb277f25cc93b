/*
 * model_file.h
 *	  What reading and writing a model file share; inside the room only.
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
 * What is wrong with the contents is wrong with the file: the codes of the checks that users' options
 * and rows share become EM_CORRUPT.
 */
em_code model_file_as_corrupt(em_code code, em_status *status);

/* A metadata value that must be there: EM_CORRUPT otherwise. */
em_code model_file_metadata(const safetensors *file, const char *key, em_slice *value,
							em_status *status);

/*
 * The labels of a file: slices into *text, which takes their unescaped bytes. Both are allocated;
 * the caller releases them (em_release), also after a failure.
 */
em_code model_file_labels(const em_allocator *allocator, const safetensors *file, em_slice **labels,
						  char **text, size_t *count, em_status *status);

/* model->labels and model->thresholds (count) from its file. */
em_code model_file_keep_labels(model *model, const safetensors *file, size_t *count,
							   em_status *status);
em_code model_file_keep_thresholds(model *model, const safetensors *file, size_t count,
								   em_status *status);

/* A model of the family roberta, to be scored with, but for its weights. */
em_code model_file_describe_encoder(const em_allocator *allocator, const safetensors *file,
									model **out, em_status *status);

/* What a model computes with whose embedding is stored so. */
nn_numbers model_file_numbers(tensor_type type);

/* A tensor of the model's file is of that type: see model_storage(). */
void model_file_note_type(model *model, tensor_type type);

/* Whether it is an ensemble's: its format has been checked. */
bool model_file_is_ensemble(const safetensors *file);

/* The weights of an ensemble's members: (MODEL_MAX_MEMBERS) out, *count of them. */
em_code model_file_members(const safetensors *file, float *weights, size_t *count,
						   em_status *status);

/* Name of the part of a file that is the member of that number; room for 16 bytes. */
void model_file_member_prefix(size_t member, char *out);

/* place (L) = the index of each of model's labels among the member's; false: not the same set. */
bool model_match_labels(const model *model, const struct model *member, uint16_t *place);

/* EM_INVALID_DATA when the threshold of the label with that index is not in 0..1. */
em_code model_file_check_threshold(double threshold, size_t label, em_status *status);

/*
 * Metadata values: a JSON array of labels, and of thresholds, written into out, which has the room
 * that the functions below ask for.
 */
em_slice model_file_put_labels(char *out, char *const *labels, size_t count);
em_slice model_file_put_thresholds(char *out, const float *thresholds, size_t count);
size_t model_file_labels_room(char *const *labels, size_t count);
size_t model_file_thresholds_room(size_t count);

#endif /* EMOTION_MODEL_MODEL_FILE_H */
