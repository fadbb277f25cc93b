/*
 * train_size.c
 *	  How large a training is.
 */
#include "postgres.h"

#include "train_size.h"

#include "procedure.h"
#include "train_memory.h"

/* What is in the batches. */
typedef struct TextSizes
{
	size_t longest;    /* tokens of the longest text, of both parts */
	uint64 together;   /* of the longest of a batch together */
	uint64 dev_tokens; /* of all that is held out */
	bool dev;          /* something is */
} TextSizes;

static TextSizes
MeasureTexts(const TrainRows *rows, size_t batch)
{
	const samples *const parts[] = { rows->train, rows->dev };
	TextSizes sizes = { .longest = 1,
						.dev_tokens = samples_tokens(rows->dev),
						.dev = samples_count(rows->dev) > 0 };
	uint64 *texts; /* (longest + 1) of the training by length */

	for (size_t part = 0; part < lengthof(parts); part++)
		for (size_t i = 0; i < samples_count(parts[part]); i++)
			sizes.longest = Max(sizes.longest, samples_length(parts[part], i));
	texts = MemoryContextAllocExtended(CurrentMemoryContext, sizeof(uint64) * (sizes.longest + 1),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (size_t i = 0; i < samples_count(rows->train); i++)
		texts[samples_length(rows->train, i)]++;
	for (size_t length = sizes.longest; length > 0 && batch > 0; length--)
	{
		size_t taken = Min(texts[length], batch);

		sizes.together += taken * length;
		batch -= taken;
	}
	pfree(texts);
	return sizes;
}

static uint64
MemoryOf(const TrainNetwork *network, const trainer_options *options, const TextSizes *texts,
		 int threads)
{
	const encoder_layout *encoder = network->encoder;
	uint64 bytes, weights;

	if (encoder == NULL)
	{
		weights = network->layout->rows * network->layout->embedding + network->layout->dense;
		bytes = trainer_memory(network->layout, options) +
				trainer_batch_memory(network->layout, options, texts->longest, texts->together,
									 texts->dev_tokens, threads);
	}
	else
	{
		weights = encoder->total;
		bytes = trainer_memory_encoder(encoder, options, texts->longest, threads, texts->dev) +
				(network->request->base != NULL ? weights * sizeof(real) : 0);
	}
	return bytes + SavingMemory(weights, 4 * weights);
}

/* What no batches of any size make less: a text of a token or, of the family roberta, of three. */
static uint64
LeastMemory(const TrainNetwork *network)
{
	trainer_options options = network->request->trainer;
	TextSizes shortest = { .longest = network->encoder != NULL ? 3 : 1, .together = 1 };

	options.batch_size = options.shard_size = 1;
	return MemoryOf(network, &options, &shortest, 1);
}

uint64
TrainingMemory(const TrainNetwork *network, const TrainRows *rows)
{
	const trainer_options *options = &network->request->trainer;
	TextSizes texts;

	if (rows == NULL)
		return LeastMemory(network);
	texts = MeasureTexts(rows, (size_t) options->batch_size);
	return MemoryOf(network, options, &texts, ThreadsFor(network->request->threads));
}

static const char *
SmallerBatches(const TrainNetwork *network)
{
	if (network->encoder == NULL)
		return "lower \"batch_size\", \"text_max_tokens\", \"max_words\" or the sizes of layers";
	return network->request->base != NULL
			   ? "lower \"shard_size\", \"max_tokens\" or \"threads\", or freeze more by "
				 "\"frozen\" (\"batch_size\" takes no memory)"
			   : "lower \"shard_size\", \"max_tokens\" or \"threads\" (\"batch_size\" takes no "
				 "memory)";
}

static const char *
SmallerNetwork(const TrainNetwork *network)
{
	const TrainRequest *request = network->request;

	if (request->base != NULL)
		return network->encoder != NULL ? "freeze more by \"frozen\", or begin with a smaller base"
										: "begin with a smaller base";
	if (network->encoder == NULL)
		return "lower \"embedding_dim\", \"subword_buckets\", \"max_words\" or the sizes of layers";
	return request->encoder.tokenizer != NULL
			   ? "lower \"layers\", \"hidden\" or \"inner\""
			   : "lower \"layers\", \"hidden\", \"inner\" or \"vocabulary_size\"";
}

void
CheckTrainSize(const TrainNetwork *network, const TrainRows *rows)
{
	CheckTrainingMemory(TrainingMemory(network, rows), LeastMemory(network),
						SmallerBatches(network), SmallerNetwork(network));
}
