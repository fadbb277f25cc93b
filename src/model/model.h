/*
 * model.h
 *	  A trained model: configuration, labels, thresholds, vocabulary, weights;
 *	  to and from its file, and scoring with it.
 */
#ifndef EMOTION_MODEL_MODEL_H
#define EMOTION_MODEL_MODEL_H

#include "../data/calibration.h"
#include "../text/vocabulary.h"
#include "config.h"
#include "embedding.h"
#include "network.h"
#include "network_score.h"

/* The most members of an ensemble, and teachers of a training. */
#define MODEL_MAX_MEMBERS 64

/*
 * How the embedding is kept in a file, and so what the model is scored with (network_score.h); all
 * else is F32, or, with MODEL_I8, F16.
 */
typedef enum model_precision
{
	MODEL_F32,
	MODEL_F16,
	MODEL_BF16,
	MODEL_I8, /* with a scale per row: docs/model-file.md */
} model_precision;

/* Read-only once made; may be used by several scorers at once. */
typedef struct model
{
	const em_allocator *allocator;
	network_layout layout; /* layout.config is the configuration */
	char **labels;         /* (L) NUL-terminated UTF-8, in one block: see model_copy_labels */
	float *thresholds;     /* (L) in 0..1 */
	text_vocabulary *vocabulary;
	real *embedding; /* (V + K, E): words, then buckets of n-grams; NULL when in_place */
	real *dense;
	nn_numbers numbers; /* what it is computed with: see network_score.h */
	model_precision
		storage;         /* of the file it was read from, see model_storage(); not of an image's */
	const void *panels;  /* its weights laid out for scoring; NULL: network_forward scores */
	void *panels_memory; /* what holds them, or NULL */

	/* Only to score with: rows of the embedding are read where the file or the image has them. */
	bool in_place;
	embedding_table table;
	bool borrowed; /* by an image, which has dense and the table's scales, too */

	/*
	 * An ensemble, whose score is the weighted mean of its members', has no network and no
	 * vocabulary: of the layout only labels are set.
	 */
	size_t member_count;    /* 0: not an ensemble */
	struct model **members; /* (member_count), none of them an ensemble */
	float *member_weight;   /* (member_count) > 0, summing to 1 */
	uint16_t *member_place; /* (member_count, L): each label's index among the member's own */

	/*
	 * A model of the family roberta has its network and its tokeniser here, and of the layout, too,
	 * only labels are set; a base, which has no head, has none.
	 */
	struct encoder_model *encoder; /* NULL: of another family */
} model;

/*
 * The largest magnitude of a weight in a file: with it, no shape that options allow can overflow a
 * float on the way to a score (convolution 15 * 2048 * 1e18, LSTM 16384 * 1e9 * 3.1e22 = 5e35; what
 * follows is bounded by its sigmoids), so that scores are finite whatever the file says.
 */
#define MODEL_MAX_WEIGHT 1e9f

/*
 * Read a model file (safetensors with the metadata listed in docs/model-file.md).
 * Nothing in bytes is trusted: EM_CORRUPT, EM_LIMIT or EM_UNSUPPORTED say what is wrong;
 * bytes may be released afterwards.
 */
em_code model_read(const em_allocator *allocator, const uint8_t *bytes, size_t size, model **out,
				   em_status *status);

/*
 * The same for scoring only: in place of `embedding` stands `table`, whose rows stay in `bytes`, which
 * must outlive the model.
 */
em_code model_read_in_place(const em_allocator *allocator, const uint8_t *bytes, size_t size,
							model **out, em_status *status);
void model_free(model *model);

/* The model itself, or an ensemble's first member: who stands for how texts are read. */
const model *model_first(const model *model);

/* The architecture, as files and the registry name it. */
const char *model_architecture(const model *model);

/*
 * How its file keeps it: "f32", "f16", "bf16" or "i8", the narrowest numbers that are in it, as parts
 * always stay wider; "mixed" of an ensemble whose members differ.
 */
const char *model_storage(const model *model);
const char *model_storage_name(model_precision storage);

/* Numbers per text that scorer_features gives; 0 for an ensemble. */
size_t model_feature_width(const model *model);

/* Whether scores are a softmax: a text has one of the labels, and scores sum to 1. Of a base they are none. */
bool model_labels_exclude(const model *model);

/* Weights in all. */
uint64_t model_parameters(const model *model);

/* A model file that becomes a member of an ensemble. */
typedef struct model_member
{
	const char *name; /* for messages; UTF-8 */
	const uint8_t *bytes;
	size_t size;
	double weight; /* > 0; only their proportions matter */
} model_member;

/*
 * The file of an ensemble of 1..MODEL_MAX_MEMBERS members, allocated from `allocator`. Labels stand
 * in the order of the first member, thresholds are the weighted means. EM_INVALID_OPTION for members
 * whose labels are not the same set, or exclude one another in some only, EM_UNSUPPORTED for one that is an ensemble.
 */
em_code model_join(const em_allocator *allocator, const model_member *members, size_t count,
				   uint8_t **bytes, size_t *size, em_status *status);

/* Index of a label, or -1. */
int model_find_label(const model *model, const char *label, size_t length);

/*
 * Check a label set as models and training want it: 1..MODEL_MAX_LABELS
 * names, each 1..MODEL_MAX_LABEL_BYTES bytes of valid UTF-8 without NUL, none twice. EM_LIMIT for
 * too many or too long, EM_INVALID_DATA for the rest.
 */
em_code model_check_labels(const em_slice *labels, size_t count, em_status *status);

/*
 * A copy of count labels, each with a NUL behind it: one block that holds the
 * pointers and the text, to be released by one em_release. NULL: no memory.
 */
char **model_copy_labels(const em_allocator *allocator, const em_slice *labels, size_t count);

/*
 * The file of a model, allocated from `allocator`: *bytes, *size; the same bytes for the same
 * model. Anything in `model` but allocator must be set. EM_INVALID_DATA when the file could not be
 * read again: a weight that is not finite or too large (for `precision`, or for MODEL_MAX_WEIGHT), a threshold outside 0..1,
 * labels that model_check_labels refuses, a vocabulary that is not UTF-8.
 */
em_code model_write(const em_allocator *allocator, const model *model, model_precision precision,
					uint8_t **bytes, size_t *size, em_status *status);

/*
 * The same file with other thresholds (L), all else as it stands. Its weights are not looked at.
 * EM_INVALID_DATA for a threshold outside 0..1.
 */
em_code model_rewrite_thresholds(const em_allocator *allocator, const uint8_t *bytes, size_t size,
								 const float *thresholds, uint8_t **out, size_t *out_size,
								 em_status *status);

/*
 * The same file with another last layer: row l of its weight times calibration[l].scale, its bias
 * times that plus calibration[l].shift, so that a score p becomes sigmoid(scale logit(p) + shift).
 * Thresholds in the open interval 0..1 move with the scores, so that decisions stay; 0 and 1 stay.
 * Labels that exclude one another take one scale for all and no shift (temperature.h); their
 * thresholds stay what they are.
 *
 * calibration: (labels). EM_UNSUPPORTED for a file without such a layer in F32; EM_INVALID_DATA
 * when `labels` is not the file's number of labels, a scale is not over 0 or a product is over the
 * largest weight.
 */
em_code model_calibrate(const em_allocator *allocator, const uint8_t *bytes, size_t size,
						const data_calibration *calibration, size_t labels, uint8_t **out,
						size_t *out_size, em_status *status);

#endif /* EMOTION_MODEL_MODEL_H */
