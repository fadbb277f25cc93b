/*
 * fuzz_checkpoint.c
 *	  Any bytes as the checkpoint of a training, and a checkpoint changed in any places whose sum
 *	  was made to fit: refused with a message, or training goes on from it.
 *
 * Input: how, then bytes; even: they are the checkpoint, odd: they are places and bytes (patch).
 */
#include "fuzz.h"

#include "../unit/checkpoints.h"

#define LABELS 3
#define WORDS 9

static network_layout layout;
static samples *texts;
static trainer_options options;

static void
make_texts(void)
{
	model_config config;
	em_status status;

	model_config_default(&config);
	config.embedding_dim = config.filters = config.hidden = config.attention = 2;
	config.kernel_widths = (option_int_list){ 1, { 2 } };
	config.subword_buckets = 0;
	require(network_layout_init(&layout, &config, WORDS, LABELS, &status) == EM_OK);
	require(samples_create(&allocator, LABELS, 0, NULL, &texts, &status) == EM_OK);
	for (uint32_t i = 0; i < 8; i++)
	{
		uint32_t ids[3] = { 1 + i % 3, 4 + i % 5, i % WORDS };
		uint16_t labels[1] = { (uint16_t) (i % LABELS) };

		require(samples_add(texts, ids, 3, labels, 1, 1, i, &status) == EM_OK);
	}
	require(samples_finish(texts, NULL, &status) == EM_OK);
	trainer_options_default(&options);
	options.epochs = 2;
	options.batch_size = 4;
	options.shard_size = 2;
	options.patience = 0;
	options.weight_averaging = 0.9;
}

static trainer *
make_trainer(void)
{
	trainer *made;
	em_status status;

	require(trainer_create(&allocator, &layout, &options, texts, texts, NULL, &made, &status) ==
			EM_OK);
	return made;
}

static em_code
train_epoch(trainer *trainer)
{
	em_status status;
	em_code code = trainer_begin_epoch(trainer, &status);

	while (code == EM_OK && trainer_steps_done(trainer) < trainer_steps_in_epoch(trainer))
		code = trainer_step(trainer, NULL, NULL, &status);
	if (code == EM_OK)
		code = trainer_end_epoch(trainer, NULL, NULL, &status);
	require_reason(code, &status);
	return code;
}

/* What cannot be gone on from is said to be so, now or when the numbers overflow. */
static void
go_on(const uint8_t *bytes, size_t size)
{
	trainer *trainer = make_trainer();
	em_status status;
	em_code code = trainer_restore(trainer, bytes, size, &status);

	require_reason(code, &status);
	while (code == EM_OK && !trainer_finished(trainer))
		code = train_epoch(trainer);
	if (code == EM_OK)
	{
		network_weights best = trainer_best(trainer);

		require(best.dense != NULL && trainer_best_epoch(trainer) < trainer_epochs_done(trainer));
		for (int i = 0; i < LABELS; i++)
			require(trainer_thresholds(trainer)[i] >= 0 && trainer_thresholds(trainer)[i] <= 1);
	}
	trainer_free(trainer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *valid;
	static size_t valid_size;
	size_t sealed_size;
	em_status status;
	uint8_t *bytes;
	trainer *trainer;

	if (valid == NULL)
	{
		make_texts();
		trainer = make_trainer();
		require(train_epoch(trainer) == EM_OK);
		require(trainer_checkpoint(trainer, &allocator, &valid, &valid_size, &status) == EM_OK);
		trainer_free(trainer);
	}
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
	{
		bytes = exact_copy(data + 1, size - 1);
		go_on(bytes, size - 1);
		free(bytes);
		return 0;
	}
	bytes = exact_copy(valid, valid_size);
	patch(bytes, valid_size, data + 1, size - 1);
	go_on(bytes, valid_size);

	/* Refused by its sum alone, its state was taken over: that state's own checkpoint fits. */
	trainer = make_trainer();
	(void) trainer_restore(trainer, bytes, valid_size, &status);
	free(bytes);
	if (trainer_epochs_done(trainer) > 0 &&
		trainer_checkpoint(trainer, &allocator, &bytes, &sealed_size, &status) == EM_OK)
	{
		go_on(bytes, sealed_size);
		free(bytes);
	}
	trainer_free(trainer);
	return 0;
}
