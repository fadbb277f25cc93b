/*
 * network_file.h
 *	  The file of a model of the first family. The format: docs/model-file.md.
 */
#ifndef EMOTION_MODEL_NETWORK_FILE_H
#define EMOTION_MODEL_NETWORK_FILE_H

#include "model.h"
#include "safetensors.h"

/*
 * Read all of model, whose in_place says whether the embedding stays in the file's bytes. EM_CORRUPT,
 * EM_LIMIT or EM_UNSUPPORTED say what is wrong; what is there then is model_free's.
 */
em_code network_file_read(model *model, const safetensors *file, em_status *status);

#endif /* EMOTION_MODEL_NETWORK_FILE_H */
