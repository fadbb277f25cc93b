/*
 * train_encoder.c
 *	  Where the network and the tokeniser of a training of the family roberta come from.
 */
#include "postgres.h"

#include "train_encoder.h"

#include "../model/bpe_file.h"
#include "../text/bpe_learn.h"
#include "glue.h"
#include "registry.h"
#include "source.h"

model *
ReadEncoderSource(const em_allocator *allocator, const TrainRequest *request)
{
	bool base = request->base != NULL;
	const char *name = base ? request->base : request->encoder.tokenizer;
	ModelReference reference;
	model *source;
	ModelRow row;
	em_status status;
	uint8 *bytes;

	if (name == NULL)
		return NULL;
	reference = ParseModelReference(name, false);
	row = GetModel(&reference);
	bytes = ReadModelBytes(&row, RegistrySnapshot());
	Check(model_read(allocator, bytes, (size_t) row.size, &source, &status), &status);
	pfree(bytes);
	if (source->member_count > 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("model \"%s\" is several models joined, no single network", name),
						errhint("Name one of those that it was joined from.")));
	if (source->encoder == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" is of architecture \"%s\", not \"%s\"", name,
						model_architecture(source), ENCODER_ARCHITECTURE),
				 base ? errhint("Leave option \"architecture\" out to begin with it.")
					  : errhint("Import one with emotion_import_huggingface; \"head\": \"none\" "
								"does.")));
	return source;
}

/* ---- a tokeniser of its own ------------------------------------------------------------ */

typedef struct Learning
{
	const TrainRequest *request;
	text_bpe_learner *learner;
	bool all; /* rows of both splits, or of a source without */
} Learning;

static void
LearnFromRow(const SourceRow *row, void *context)
{
	const Learning *learning = context;
	em_status status;

	if (!learning->all &&
		(row->split == NULL || strcmp(row->split, learning->request->train_split) != 0))
		return;
	Check(text_bpe_learner_add(learning->learner, row->text.bytes, row->text.length, &status),
		  &status);
}

static void
LearnFromSource(Learning *learning, const char *name, const char *text_column,
				const char *split_column)
{
	Source source = { 0 };

	source.source = name;
	source.text_column = text_column;
	source.split_column = split_column;
	source.text_option = "text_column";
	OpenSource(&source);
	learning->all = split_column == NULL;
	ScanSource(&source, LearnFromRow, learning);
}

/* The network reads with that vocabulary. */
static void
SetEncoderTokens(encoder_model *encoder, size_t tokens)
{
	encoder_config config = encoder->layout.config;
	em_status status;

	config.vocab_size = (int) tokens;
	Check(encoder_layout_init(&encoder->layout, &config, encoder->layout.labels, &status), &status);
}

/*
 * From the training texts, those without labels too. A random share to be held out is among them: which texts
 * are in it is known only when they have been read, and what is learned here knows no labels.
 */
void
LearnEncoderTokenizer(const char *source, const TrainRequest *request, encoder_model *encoder)
{
	const em_allocator *allocator = ContextAllocator(CurrentMemoryContext);
	Learning learning = { .request = request };
	text_bpe_learn_options options;
	em_status status;

	text_bpe_learn_options_default(&options);
	options.vocabulary_size = (uint32) request->encoder.vocabulary_size;
	Check(text_bpe_learner_create(allocator, &learning.learner, &status), &status);
	LearnFromSource(&learning, source, request->text_column, request->split_column);
	if (request->transfer_source)
		LearnFromSource(&learning, request->transfer_source,
						request->transfer_text_column ? request->transfer_text_column
													  : request->text_column,
						NULL);
	Check(text_bpe_learner_finish(learning.learner, &options, InterruptWanted, NULL,
								  &encoder->tokenizer, &status),
		  &status);
	text_bpe_learner_free(learning.learner);
	Check(bpe_file_make(allocator, encoder->tokenizer, &encoder->files.json, &status), &status);
	SetEncoderTokens(encoder, text_bpe_ids(encoder->tokenizer));
	Check(encoder_model_check_tokenizer(encoder, &status), &status);
	ereport(NOTICE, (errmsg("a tokeniser of %s was learned from the texts",
							Counted(text_bpe_ids(encoder->tokenizer), "token", "tokens"))));
}

/* Tokeniser and its files change hands. */
static void
TakeTokenizer(encoder_model *from, encoder_model *encoder)
{
	encoder->tokenizer = from->tokenizer;
	encoder->files = from->files;
	from->tokenizer = NULL;
	memset(&from->files, 0, sizeof(from->files));
}

/* The sizes of a fresh network that reads with that tokeniser; NULL: one to be learned. */
static encoder_config
FreshConfig(const TrainEncoder *asked, const text_bpe *tokenizer, int max_tokens)
{
	const text_bpe_rules *rules = tokenizer != NULL ? text_bpe_get_rules(tokenizer) : NULL;
	encoder_config config;

	encoder_config_default(&config);
	config.vocab_size = tokenizer != NULL ? (int) text_bpe_ids(tokenizer) : asked->vocabulary_size;
	config.hidden_size = asked->hidden;
	config.num_hidden_layers = asked->layers;
	config.num_attention_heads = asked->heads;
	config.intermediate_size = asked->inner > 0 ? asked->inner : 4 * asked->hidden;
	if (rules != NULL && rules->pad_id != TEXT_BPE_NO_ID)
		config.pad_token_id = (int) rules->pad_id;
	config.max_position_embeddings = max_tokens + config.pad_token_id + 1;
	config.hidden_dropout_prob = asked->hidden_dropout;
	config.attention_probs_dropout_prob = asked->attention_dropout;
	config.classifier_dropout = asked->classifier_dropout;
	return config;
}

/* The network of a base with dropout as asked for. */
static encoder_config
BaseConfig(const TrainEncoder *asked, const encoder_model *base)
{
	encoder_config config = base->layout.config;

	if (asked->hidden_dropout_given)
		config.hidden_dropout_prob = asked->hidden_dropout;
	if (asked->attention_dropout_given)
		config.attention_probs_dropout_prob = asked->attention_dropout;
	if (asked->classifier_dropout_given)
		config.classifier_dropout = asked->classifier_dropout;
	return config;
}

encoder_model *
MakeEncoder(const TrainRequest *request, model *source)
{
	const TrainEncoder *asked = &request->encoder;
	const encoder_model *base = request->base != NULL && source != NULL ? source->encoder : NULL;
	encoder_model *encoder = palloc0(sizeof(encoder_model));
	encoder_config config;
	em_status status;

	encoder->head = true;
	encoder->outputs = ENCODER_SIGMOID;
	if (source != NULL)
		TakeTokenizer(source->encoder, encoder);
	encoder->max_tokens = asked->max_tokens > 0 ? asked->max_tokens
						  : base != NULL        ? base->max_tokens
												: TRAIN_ENCODER_TOKENS;
	config = base != NULL ? BaseConfig(asked, base)
						  : FreshConfig(asked, encoder->tokenizer, encoder->max_tokens);
	Check(encoder_layout_init(&encoder->layout, &config, 1, &status), &status);
	if ((size_t) encoder->max_tokens > encoder->layout.longest)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"max_tokens\" is %d, but base \"%s\" reads %zu at most",
							   encoder->max_tokens, request->base, encoder->layout.longest)));
	if ((size_t) request->trainer.frozen > encoder->layout.layers + 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"frozen\" is %d, but base \"%s\" has %zu layers",
							   request->trainer.frozen, request->base, encoder->layout.layers),
						errhint("%zu freezes all but the head.", encoder->layout.layers + 1)));
	if (encoder->tokenizer != NULL)
		Check(encoder_model_check_tokenizer(encoder, &status), &status);
	return encoder;
}

void
SetEncoderLabels(encoder_model *encoder, size_t labels)
{
	const encoder_config config = encoder->layout.config;
	em_status status;

	Check(encoder_layout_init(&encoder->layout, &config, labels, &status), &status);
}
