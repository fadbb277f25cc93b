/*
 * scorer.c
 *	  Each model scored by what its kind scores with.
 */
#include "encoder_scorer.h"
#include "ensemble_scorer.h"
#include "network_scorer.h"

/* One of the three; the others are NULL. */
struct scorer
{
	const em_allocator *allocator;
	network_scorer *network;
	encoder_scorer *encoder;
	ensemble_scorer *ensemble;
};

em_code
scorer_create(const em_allocator *allocator, const model *model, scorer **out, em_status *status)
{
	return scorer_create_on(allocator, model, NULL, out, status);
}

em_code
scorer_create_on(const em_allocator *allocator, const model *model, nn_pool *pool, scorer **out,
				 em_status *status)
{
	scorer *made = em_allocate_zeroed(allocator, 1, sizeof(*made));
	em_code code;

	if (made == NULL)
		return em_fail(status, EM_OUT_OF_MEMORY, "out of memory");
	made->allocator = allocator;
	if (model->encoder != NULL)
		code = encoder_scorer_create(allocator, model->encoder, pool, &made->encoder, status);
	else if (model->member_count > 0)
		code = ensemble_scorer_create(allocator, model, pool, &made->ensemble, status);
	else
		code = network_scorer_create(allocator, model, pool, &made->network, status);
	if (code != EM_OK)
	{
		scorer_free(made);
		return code;
	}
	*out = made;
	return EM_OK;
}

void
scorer_free(scorer *scorer)
{
	if (scorer == NULL)
		return;
	network_scorer_free(scorer->network);
	encoder_scorer_free(scorer->encoder);
	ensemble_scorer_free(scorer->ensemble);
	em_release(scorer->allocator, scorer);
}

void
scorer_trim(scorer *scorer, size_t limit)
{
	if (scorer->ensemble != NULL)
		ensemble_scorer_trim(scorer->ensemble, limit);
	else if (scorer->encoder != NULL)
		encoder_scorer_trim(scorer->encoder, limit);
	else
		network_scorer_trim(scorer->network, limit);
}

em_code
scorer_run(scorer *scorer, const em_slice *texts, size_t n, float *scores,
		   em_should_stop should_stop, void *stop_context, em_status *status)
{
	if (scorer->ensemble != NULL)
		return ensemble_scorer_run(scorer->ensemble, texts, n, scores, should_stop, stop_context,
								   status);
	if (scorer->encoder != NULL)
		return encoder_scorer_run(scorer->encoder, texts, n, scores, NULL, should_stop,
								  stop_context, status);
	return network_scorer_run(scorer->network, texts, n, scores, NULL, should_stop, stop_context,
							  status);
}

em_code
scorer_features(scorer *scorer, const em_slice *texts, size_t n, float *features,
				em_should_stop should_stop, void *stop_context, em_status *status)
{
	if (scorer->ensemble != NULL)
	{
		em_fail(status, EM_UNSUPPORTED, "an ensemble has no features of its own");
		em_hint(status, "Ask one of the models that it was made of.");
		return EM_UNSUPPORTED;
	}
	if (scorer->encoder != NULL)
		return encoder_scorer_run(scorer->encoder, texts, n, NULL, features, should_stop,
								  stop_context, status);
	return network_scorer_run(scorer->network, texts, n, NULL, features, should_stop, stop_context,
							  status);
}

em_code
scorer_explain(scorer *scorer, em_slice text, int label, float *scores, model_attention *attention,
			   em_should_stop should_stop, void *stop_context, em_status *status)
{
	if (scorer->ensemble != NULL)
		return ensemble_scorer_explain(scorer->ensemble, text, label, scores, attention,
									   should_stop, stop_context, status);
	if (scorer->encoder != NULL)
		return encoder_scorer_explain(scorer->encoder, text, label, scores, attention, should_stop,
									  stop_context, status);
	return network_scorer_explain(scorer->network, text, label, scores, attention, should_stop,
								  stop_context, status);
}
