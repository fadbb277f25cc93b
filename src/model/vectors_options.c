/*
 * vectors_options.c
 *	  The options of training word vectors, and what they cost.
 */
#include "vectors_trainer_internal.h"

static const char *const model_names[] = { "skipgram", "cbow", NULL };

#define FIELD(field) offsetof(vectors_options, field)

const option_spec vectors_option_specs[] = {
	{ "model", OPTION_CHOICE, FIELD(model), 0, 0, model_names,
	  "a word foretells its neighbours, or they foretell it" },
	{ "dim", OPTION_INT, FIELD(dim), 1, VECTORS_MAX_DIM, NULL, "numbers per vector" },
	{ "window", OPTION_INT, FIELD(window), 1, VECTORS_MAX_WINDOW, NULL,
	  "words to either side that are neighbours, at most" },
	{ "min_count", OPTION_INT, FIELD(min_count), 1, 1000000, NULL,
	  "words seen less often have no vector of their own" },
	{ "negatives", OPTION_INT, FIELD(negatives), 1, VECTORS_MAX_NEGATIVES, NULL,
	  "words drawn at random beside each neighbour" },
	{ "epochs", OPTION_INT, FIELD(epochs), 1, 1000, NULL, "passes over the texts" },
	{ "learning_rate", OPTION_REAL, FIELD(learning_rate), 1e-6, 1, NULL,
	  "step size at the beginning; it falls to 0" },
	{ "sampling", OPTION_REAL, FIELD(sampling), 0, 1, NULL,
	  "words with a larger share of the text are left out now and then; 0: never" },
	{ "min_n", OPTION_INT, FIELD(min_n), 1, VECTORS_MAX_NGRAM, NULL,
	  "characters of an n-gram, at least" },
	{ "max_n", OPTION_INT, FIELD(max_n), 0, VECTORS_MAX_NGRAM, NULL,
	  "characters of an n-gram, at most; 0: no n-grams" },
	{ "buckets", OPTION_INT, FIELD(buckets), 0, 100000000, NULL,
	  "vectors that the n-grams share; 0: no n-grams" },
	{ "max_words", OPTION_INT, FIELD(max_words), 0, 10000000, NULL,
	  "words with a vector of their own, at most; 0: no limit" },
	{ "seed", OPTION_UINT64, FIELD(seed), 0, 9223372036854775807.0, NULL,
	  "of all that is drawn at random" },
	{ NULL, OPTION_INT, 0, 0, 0, NULL, NULL },
};

void
vectors_options_default(vectors_options *options)
{
	*options = (vectors_options){
		.model = VECTORS_SKIPGRAM,
		.dim = 100,
		.window = 5,
		.min_count = 5,
		.negatives = 5,
		.epochs = 5,
		.learning_rate = 0.05,
		.sampling = 1e-4,
		.min_n = 3,
		.max_n = 6,
		.buckets = 200000,
		.seed = 1,
	};
}

em_code
vectors_options_check(const vectors_options *options, em_status *status)
{
	em_code code = option_check(vectors_option_specs, options, status);

	if (code != EM_OK)
		return code;
	if (options->max_n > 0 && options->min_n > options->max_n)
		return em_fail(status, EM_INVALID_OPTION, "option \"min_n\" (%d) exceeds \"max_n\" (%d)",
					   options->min_n, options->max_n);
	return EM_OK;
}

uint64_t
vectors_trainer_memory(const vectors_options *options, uint32_t words)
{
	uint64_t rows = 2 * (uint64_t) words + (options->max_n > 0 ? (uint64_t) options->buckets : 0);

	return rows * (uint64_t) options->dim * sizeof(real) +
		   words * (sizeof(uint64_t) * 2 + sizeof(uint32_t) + sizeof(vectors_slot) + sizeof(real));
}
