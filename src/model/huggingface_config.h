/*
 * huggingface_config.h
 *	  What config.json says of a checkpoint besides the sizes of its network; private to
 *	  huggingface*.c.
 */
#ifndef EMOTION_MODEL_HUGGINGFACE_CONFIG_H
#define EMOTION_MODEL_HUGGINGFACE_CONFIG_H

#include "config.h"
#include "encoder_model.h"

typedef struct huggingface_config
{
	const em_allocator *allocator;
	encoder_config encoder;
	bool classifier;         /* "architectures" names RobertaForSequenceClassification */
	bool other_head;         /* it names a network whose head we do not know */
	em_slice architecture;   /* its first name; into the JSON text */
	encoder_outputs outputs; /* of "problem_type"; unknown when it is missing or null */
	em_slice *labels;        /* (label_count) by index, of "id2label"; NULL when it is missing */
	size_t label_count;      /* 0: nothing is said */
	char *text;              /* what labels point into */
} huggingface_config;

/*
 * Read config.json, which must outlive *config. Keys that size the network must be there:
 * EM_CORRUPT. EM_UNSUPPORTED names key and value of what we do not compute. To be released after
 * a failure, too.
 */
em_code huggingface_config_read(const em_allocator *allocator, em_slice json,
								huggingface_config *config, em_status *status);
void huggingface_config_release(huggingface_config *config);

#endif /* EMOTION_MODEL_HUGGINGFACE_CONFIG_H */
