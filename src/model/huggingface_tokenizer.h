/*
 * huggingface_tokenizer.h
 *	  The tokeniser's files of a checkpoint; private to huggingface*.c.
 */
#ifndef EMOTION_MODEL_HUGGINGFACE_TOKENIZER_H
#define EMOTION_MODEL_HUGGINGFACE_TOKENIZER_H

#include "encoder_model.h"
#include "huggingface.h"

/*
 * tokenizer.json, without the blanks between its values, or else vocab.json and merges.txt, into
 * *out, allocated; and what tokenizer_config.json, which may be missing, says besides:
 * add_prefix_space, and *max_length, tokens of a text (0: nothing). EM_CORRUPT for files that are
 * missing, no JSON, not UTF-8 or contradict each other; EM_LIMIT for more than 32 MB.
 */
em_code huggingface_tokenizer_read(const em_allocator *allocator, const huggingface_files *files,
								   encoder_tokenizer_files *out, uint64_t *max_length,
								   em_status *status);

#endif /* EMOTION_MODEL_HUGGINGFACE_TOKENIZER_H */
