/*
 * test_allocation.c
 *	  No memory, at every allocation in turn, of what other tests do not starve: an error that says
 *	  so, nothing kept, and what was there before still works and gives what it would have given.
 *	  And figures that are told to stop, at every question in turn.
 */
#include "check.h"

#include "../../src/data/calibration.h"
#include "../../src/data/confidence.h"
#include "../../src/data/metrics.h"
#include "../../src/data/reliability.h"
#include "../../src/data/stratify.h"
#include "../../src/data/thresholds.h"
#include "../../src/model/bags.h"
#include "../../src/model/scorer.h"
#include "../../src/model/trainer.h"
#include "../../src/model/vectors_init.h"
#include "../../src/nn/matmul.h"
#include "images.h"
#include "sample_encoder.h"
#include "sample_model.h"

#define ROWS 60
#define LABELS 3
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

typedef em_code (*operation)(em_status *status);

static void
bail_out(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

/* Whatever allocation fails, the operation says so and keeps nothing; it ends when none does. */
static void
starve(const char *what, operation run)
{
	long live = check_live, failed = 0;

	for (long n = 1;; n++)
	{
		em_status status = { 0 };
		em_code code;
		bool reached;

		check_fail_at = n;
		code = run(&status);
		reached = check_fail_at == 0;
		check_fail_at = 0;
		if (check_live != live || code != (reached ? EM_OUT_OF_MEMORY : EM_OK) ||
			(reached && strcmp(status.message, "out of memory") != 0))
		{
			CHECK(false, "%s without allocation %ld: code %d, \"%s\", %ld blocks kept", what, n,
				  (int) code, status.message, check_live - live);
			return;
		}
		if (!reached)
			break;
		failed++;
	}
	CHECK(failed > 0, "%s: each of %ld allocations may fail", what, failed);
}

/* ---- figures ------------------------------------------------------------------------------------ */

static float scores[ROWS * LABELS], other_scores[ROWS * LABELS];
static uint8_t truth[ROWS * LABELS], folds[ROWS];
static const float cuts[LABELS] = { 0.3F, 0.5F, 0.7F };

static void
fill_rows(void)
{
	for (int i = 0; i < ROWS * LABELS; i++)
	{
		truth[i] = i * 7 % 5 < 2;
		scores[i] = (float) ((i * 37 + truth[i] * 40) % 100) / 100;
		other_scores[i] = (float) ((i * 53) % 100) / 100;
	}
	for (int i = 0; i < ROWS; i++)
		folds[i] = (uint8_t) (i % 3);
}

static em_code
metrics(em_status *status)
{
	data_label_metrics label[LABELS];
	data_metrics metrics = { .label = label };

	return data_metrics_compute(&check_allocator, ROWS, LABELS, scores, truth, cuts, &metrics,
								status);
}

static em_code
comparison(em_status *status)
{
	data_comparison comparison;

	return data_metrics_compare(&check_allocator, ROWS, LABELS, truth, scores, cuts, other_scores,
								cuts, 5, 0.95, 1, NULL, NULL, &comparison, status);
}

static em_code
resampled(em_status *status)
{
	double figure[DATA_FIGURES * 5];
	data_resampled out = { .figure = figure };

	return data_metrics_resample(&check_allocator, ROWS, LABELS, scores, truth, cuts, 5, 1, NULL,
								 NULL, &out, status);
}

static em_code
validated_thresholds(em_status *status)
{
	uint8_t predicted[ROWS * LABELS];
	double f1;

	return data_cross_validate_thresholds(&check_allocator, ROWS, LABELS, scores, truth, folds, 3,
										  10, NULL, NULL, predicted, &f1, status);
}

static em_code
validated_calibration(em_status *status)
{
	const data_calibration_options fit = { .per_label = true, .shift = true, .shrinkage = 20 };
	float calibrated[ROWS * LABELS];

	return data_cross_fit_calibration(&check_allocator, ROWS, LABELS, scores, truth, folds, 3, &fit,
									  NULL, NULL, calibrated, status);
}

static em_code
reliability(em_status *status)
{
	data_reliability reliability;
	data_reliability_bin bins[4];

	return data_measure_reliability(&check_allocator, ROWS, LABELS, scores, truth, DATA_ALL_LABELS,
									4, true, bins, &reliability, status);
}

static em_code
confidence(em_status *status)
{
	data_confidence cut[LABELS];

	return data_confidence_cuts(&check_allocator, ROWS, LABELS, scores, truth, 0.5, 2, cut, status);
}

static em_code
parts(em_status *status)
{
	const double shares[] = { 3, 1 };
	const data_stratify_options options = { .parts = 2, .shares = shares, .order = 2 };
	uint64_t start[ROWS + 1];
	uint32_t label[ROWS * 2];
	uint8_t part[ROWS];
	data_label_rows rows = { ROWS, LABELS, start, label };

	for (uint32_t i = 0; i < ROWS; i++)
	{
		start[i] = 2 * i;
		label[2 * i] = i % 2;
		label[2 * i + 1] = 2;
	}
	start[ROWS] = UINT64_C(2) * ROWS;
	return data_stratify(&check_allocator, &rows, &options, part, status);
}

/* ---- figures that are stopped ------------------------------------------------------------------- */

#define MANY 270000 /* rows of so many, with 4 labels: more than a million scores */

static float many_scores[MANY * 4];
static uint8_t many_truth[MANY * 4], many_folds[MANY], many_predicted[MANY * 4];
static int asked, stop_at;

static bool
stop_soon(void *context)
{
	(void) context;
	return ++asked == stop_at; /* once: who is told so must not ask again */
}

static em_code
stopped_thresholds(em_status *status)
{
	float cut[4];

	return data_tune_thresholds_until(&check_allocator, MANY, 4, many_scores, many_truth, 10,
									  stop_soon, NULL, cut, NULL, status);
}

static em_code
stopped_validation(em_status *status)
{
	double f1;

	return data_cross_validate_thresholds(&check_allocator, MANY, 4, many_scores, many_truth,
										  many_folds, 2, 10, stop_soon, NULL, many_predicted, &f1,
										  status);
}

static em_code
stopped_metrics(em_status *status)
{
	static const float cut[4] = { 0.5F, 0.5F, 0.5F, 0.5F };
	data_label_metrics label[4];
	data_metrics metrics = { .label = label };

	return data_metrics_compute_until(&check_allocator, MANY, 4, many_scores, many_truth, cut,
									  stop_soon, NULL, &metrics, status);
}

static em_code
stopped_calibration(em_status *status)
{
	const data_calibration_options fit = { .per_label = true, .shift = true, .shrinkage = 20 };
	data_calibration calibration[4];

	return data_fit_calibration(&check_allocator, ROWS, 4, many_scores, many_truth, &fit, stop_soon,
								NULL, calibration, NULL, status);
}

static em_code
stopped_confidence(em_status *status)
{
	data_confidence cut[4];

	return data_confidence_cuts_until(&check_allocator, ROWS, 4, many_scores, many_truth, 0.5, 2,
									  stop_soon, NULL, cut, status);
}

static em_code
stopped_bins(em_status *status)
{
	data_reliability reliability;

	return data_measure_reliability_until(&check_allocator, MANY, 4, many_scores, many_truth,
										  DATA_ALL_LABELS, 15, false, stop_soon, NULL, NULL,
										  &reliability, status);
}

static em_code
stopped_equal_bins(em_status *status)
{
	data_reliability reliability;

	return data_measure_reliability_until(&check_allocator, MANY, 4, many_scores, many_truth,
										  DATA_ALL_LABELS, 15, true, stop_soon, NULL, NULL,
										  &reliability, status);
}

/* Told to stop at each question in turn, it does, and keeps nothing. */
static void
stop_everywhere(const char *what, operation run, int least)
{
	long live = check_live;
	em_code code = EM_CANCELLED;
	bool good = true;

	for (stop_at = 1; good && code != EM_OK; stop_at++)
	{
		em_status status = { 0 };

		asked = 0;
		code = run(&status);
		good = check_live == live && code == (asked >= stop_at ? EM_CANCELLED : EM_OK);
	}
	CHECK(good && stop_at - 2 >= least, "%s stop at each of %d questions", what, stop_at - 2);
}

static void
test_stopped(void)
{
	for (int i = 0; i < MANY * 4; i++)
	{
		many_truth[i] = i * 7 % 5 < 2;
		many_scores[i] = (float) ((i * 37L + many_truth[i] * 40) % 1000) / 1000;
	}
	for (int i = 0; i < MANY; i++)
		many_folds[i] = i >= 2; /* what is left of the second is more than a million */
	stop_everywhere("thresholds", stopped_thresholds, 6);
	stop_everywhere("thresholds, cross-validated,", stopped_validation, 8);
	stop_everywhere("metrics", stopped_metrics, 8);
	stop_everywhere("calibrations", stopped_calibration, 11);
	stop_everywhere("confidence thresholds", stopped_confidence, 13);
	stop_everywhere("reliability", stopped_bins, 6);
	stop_everywhere("reliability in bins of equal count", stopped_equal_bins, 7);
}

/* ---- models ------------------------------------------------------------------------------------- */

static uint8_t *file, *imaged;
static size_t file_size, imaged_size;
static model *network, *ensemble;
static const em_slice texts[] = { { "I like the sun", 14 }, { "rain rain", 9 }, { "", 0 } };

static em_code
calibrated_model(em_status *status)
{
	static const data_calibration calibration[LABELS] = { { 1.5, 0.1 }, { 0.5, 0 }, { 1, -1 } };
	uint8_t *out;
	size_t size;
	em_code code = model_calibrate(&check_allocator, file, file_size, calibration, LABELS, &out,
								   &size, status);

	if (code == EM_OK)
		em_release(&check_allocator, out);
	return code;
}

static em_code
written_model(em_status *status)
{
	uint8_t *out;
	size_t size;
	em_code code = model_write(&check_allocator, network, MODEL_I8, &out, &size, status);

	if (code == EM_OK)
		em_release(&check_allocator, out);
	return code;
}

/* Scores from an image, which is released. */
static em_code
use_image(uint8_t *bytes, size_t size, em_status *status)
{
	model *opened;
	scorer *scorer = NULL;
	float out[LENGTH(texts) * LABELS];
	em_code code = model_image_open(&check_allocator, bytes, size, image_source, &opened, status);

	if (code == EM_OK)
	{
		code = scorer_create(&check_allocator, opened, &scorer, status);
		if (code == EM_OK)
			code = scorer_run(scorer, texts, LENGTH(texts), out, NULL, NULL, status);
		scorer_free(scorer);
		model_free(opened);
	}
	free(bytes);
	return code;
}

static em_code
image(em_status *status)
{
	uint8_t *bytes;
	model *placed;
	em_code code = model_read_in_place(&check_allocator, imaged, imaged_size, &placed, status);
	size_t size;

	if (code != EM_OK)
		return code;
	size = model_image_write(placed, image_source, NULL);
	bytes = copy_aligned(NULL, size);
	(void) model_image_write(placed, image_source, bytes);
	model_free(placed);
	return use_image(bytes, size, status);
}

/* The same from a file that comes in pieces. */
static em_code
streamed_image(em_status *status)
{
	em_code code;
	size_t size;
	uint8_t *bytes = stream_image(imaged, imaged_size, imaged_size, 1000, &size, &code, status);

	return bytes == NULL ? code : use_image(bytes, size, status);
}

/* A scorer to which each thing asked of it fails once has the scores of one to which nothing did. */
static const model *scored;

static em_code
use_scorer(em_status *status)
{
	float expected[LENGTH(texts) * LABELS], out[LENGTH(texts) * LABELS];
	long fail_at = check_fail_at;
	em_code code, again;
	em_status ignored;
	model_attention attention;
	scorer *scorer, *calm;

	check_fail_at = 0;
	if (scorer_create(&check_allocator, scored, &calm, &ignored) != EM_OK ||
		scorer_run(calm, texts, LENGTH(texts), expected, NULL, NULL, &ignored) != EM_OK ||
		scorer_create(&check_allocator, scored, &scorer, &ignored) != EM_OK)
		bail_out("no scorer");
	scorer_free(calm);
	check_fail_at = fail_at;
	code = scorer_run(scorer, texts, LENGTH(texts), out, NULL, NULL, status);
	if (code == EM_OK)
		code = scorer_explain(scorer, texts[0], scored == ensemble ? -1 : 1, out, &attention, NULL,
							  NULL, status);
	fail_at = check_fail_at;
	check_fail_at = 0;
	again = scorer_run(scorer, texts, LENGTH(texts), out, NULL, NULL, &ignored);
	if (again != EM_OK || memcmp(out, expected, sizeof(out)) != 0)
	{
		code = em_fail(status, EM_SYSTEM, "a scorer that had no memory once scores otherwise");
	}
	check_fail_at = fail_at;
	scorer_free(scorer);
	return code;
}

/* A transformer: read as a whole or in place, scored with; its image, made whole and of pieces. */
static void
starve_encoder(const char *what, model_precision precision)
{
	char told[100];
	em_status status;
	model *whole, *placed;

	imaged = sample_encoder_file(&check_allocator, true, ENCODER_SIGMOID, precision, &imaged_size);
	if (model_read(&check_allocator, imaged, imaged_size, &whole, &status) != EM_OK ||
		model_read_in_place(&check_allocator, imaged, imaged_size, &placed, &status) != EM_OK)
		bail_out(status.message);
	scored = whole;
	snprintf(told, sizeof(told), "a transformer in %s scored with, and again", what);
	starve(told, use_scorer);
	scored = placed;
	snprintf(told, sizeof(told), "one in %s read in place, too", what);
	starve(told, use_scorer);
	snprintf(told, sizeof(told), "one in %s read, laid out, opened and scored with", what);
	starve(told, image);
	snprintf(told, sizeof(told), "one in %s laid out as it comes, opened and scored with", what);
	starve(told, streamed_image);
	model_free(whole);
	model_free(placed);
	em_release(&check_allocator, imaged);
}

/* ---- training ----------------------------------------------------------------------------------- */

static network_layout layout;
static samples *training_texts;
static nn_pool *pool;
static trainer_options options;

static void
make_texts(void)
{
	model_config config;
	em_status status;

	model_config_default(&config);
	config.embedding_dim = config.filters = config.hidden = config.attention = 4;
	if (network_layout_init(&layout, &config, 20, LABELS, &status) != EM_OK ||
		samples_create(&check_allocator, LABELS, 0, NULL, &training_texts, &status) != EM_OK)
		bail_out(status.message);
	for (uint32_t i = 0; i < ROWS; i++)
	{
		uint32_t ids[4] = { 1 + i % 19, 1 + i * 3 % 19, 1 + i * 7 % 19, 2 };
		uint16_t label = (uint16_t) (i % LABELS);

		if (samples_add(training_texts, ids, 1 + i % 4, &label, 1, 1,
						i * UINT64_C(0x9e3779b97f4a7c15), &status) != EM_OK)
			bail_out(status.message);
	}
	if (samples_finish(training_texts, NULL, &status) != EM_OK)
		bail_out(status.message);
}

/* Two epochs; a call that had no memory is made again with it. *code: what it said. */
static em_code
train_through(trainer *made, em_code *failed, em_status *status)
{
	em_status ignored;

	while (!trainer_finished(made))
	{
		em_code code = trainer_begin_epoch(made, status);

		if (code == EM_OUT_OF_MEMORY && (*failed = code))
			code = trainer_begin_epoch(made, &ignored);
		while (code == EM_OK && trainer_steps_done(made) < trainer_steps_in_epoch(made))
		{
			code = trainer_step(made, NULL, NULL, status);
			if (code == EM_OUT_OF_MEMORY && (*failed = code))
				code = trainer_step(made, NULL, NULL, &ignored);
		}
		if (code == EM_OK)
			code = trainer_end_epoch(made, NULL, NULL, status);
		if (code == EM_OUT_OF_MEMORY && (*failed = code))
			code = trainer_end_epoch(made, NULL, NULL, &ignored);
		if (code != EM_OK)
			return code;
	}
	return EM_OK;
}

/* The weights that the options lead to, with what fails on the way tried again. */
static em_code
use_trainer(em_status *status)
{
	static real expected[4096];
	static int expected_for = -1;
	long fail_at = check_fail_at;
	size_t dense;
	em_code code, failed = EM_OK;
	em_status ignored;
	trainer *made;

	check_fail_at = 0;
	make_texts(); /* what they keep to read in must be fresh */
	dense = layout.dense * sizeof(real);
	if (dense > sizeof(expected))
		bail_out("the network is large");
	if (trainer_create(&check_allocator, &layout, &options, training_texts, training_texts, pool,
					   &made, &ignored) != EM_OK)
		bail_out(ignored.message);
	check_fail_at = expected_for == options.precision ? fail_at : 0;
	code = train_through(made, &failed, status);
	if (expected_for != options.precision)
		memcpy(expected, trainer_weights(made).dense, dense);
	else if (code == EM_OK && memcmp(expected, trainer_weights(made).dense, dense) != 0)
		code = em_fail(status, EM_SYSTEM, "a trainer that had no memory once learns otherwise");
	trainer_free(made);
	samples_free(training_texts);
	if (expected_for == options.precision)
		return code != EM_OK ? code : failed;
	expected_for = options.precision;
	check_fail_at = fail_at;
	return use_trainer(status);
}

/* ---- words -------------------------------------------------------------------------------------- */

static em_code
pool_of_three(em_status *status)
{
	nn_pool *made;
	em_code code = nn_pool_create(&check_allocator, 3, &made, status);

	if (code == EM_OK)
		nn_pool_destroy(made);
	return code;
}

/* Words counted, one of them again after a failure; then the bags of those that are not common. */
static em_code
words(em_status *status)
{
	text_word_counter *counter;
	text_vocabulary *vocabulary = NULL, *joined = NULL;
	uint32_t id, map[40];
	bag_list bags;
	model_config config;
	em_code code = text_word_counter_create(&check_allocator, &counter, status);

	if (code != EM_OK)
		return code;
	model_config_default(&config);
	config.subword_buckets = 50;
	for (int i = 0; code == EM_OK && i < 40; i++)
	{
		char word[16];
		int length = snprintf(word, sizeof(word), "word%d", i % 25);
		uint32_t size = text_word_counter_size(counter);

		code = text_word_counter_add(counter, word, (size_t) length, &id, status);
		if (code == EM_OUT_OF_MEMORY && text_word_counter_size(counter) != size)
			code = em_fail(status, EM_SYSTEM, "a word that was not counted is there");
	}
	if (code == EM_OK)
		code = text_word_counter_finish(counter, 2, 0, map, &vocabulary, status);
	bag_list_init(&bags, &check_allocator, &config,
				  vocabulary ? text_vocabulary_size(vocabulary) : 1);
	if (code == EM_OK)
		code = bag_list_add_vocabulary(&bags, vocabulary, status);
	if (code == EM_OK)
		code = bag_list_add_unknown(&bags, counter, map, status);
	if (code == EM_OK)
		code = text_vocabulary_join(&check_allocator, vocabulary, network->vocabulary, 0, &joined,
									status);
	if (joined != NULL)
		text_vocabulary_free(joined);
	bag_list_free(&bags);
	if (vocabulary != NULL)
		text_vocabulary_free(vocabulary);
	text_word_counter_free(counter);
	return code;
}

static em_code
words_of_vectors(em_status *status)
{
	static float rows[3 * 4] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
	vectors given = { .allocator = &check_allocator, .dim = 4, .word_count = 3, .input = rows };
	text_options reading = network->layout.config.text;
	text_vocabulary *made;
	real embedding[64 * 4] = { 0 };
	network_layout grown = layout;
	uint32_t known;
	em_code code =
		text_vocabulary_load(&check_allocator, "sun\nmoon\nstar", 13, &given.words, status);

	if (code != EM_OK)
		return code;
	code = vectors_add_words(&check_allocator, &given, &reading, 3, network->vocabulary, &made,
							 status);
	if (code == EM_OK)
	{
		grown.vocabulary = grown.rows = text_vocabulary_size(made);
		code = vectors_init_embedding(&check_allocator, &given, &grown, made, embedding, &known,
									  status);
		text_vocabulary_free(made);
	}
	text_vocabulary_free(given.words);
	return code;
}

int
main(void)
{
	uint8_t *joined;
	em_status status;
	size_t size;

	if (nn_blas_load(&status) != EM_OK)
		bail_out(status.message);
	fill_rows();
	starve("metrics", metrics);
	starve("a comparison", comparison);
	starve("resamples", resampled);
	starve("thresholds, cross-validated", validated_thresholds);
	starve("a calibration, cross-fitted", validated_calibration);
	starve("reliability", reliability);
	starve("confidence", confidence);
	starve("a split", parts);
	test_stopped();

	file = sample_file(&check_allocator, "abc", 1, 9, MODEL_F32, &file_size);
	joined = sample_ensemble_file(&check_allocator, &size);
	if (model_read(&check_allocator, file, file_size, &network, &status) != EM_OK ||
		model_read(&check_allocator, joined, size, &ensemble, &status) != EM_OK)
		bail_out(status.message);
	starve("a model calibrated", calibrated_model);
	starve("a model written", written_model);
	imaged = file;
	imaged_size = file_size;
	starve("a model read, laid out, opened and scored with", image);
	scored = network;
	starve("a network scored with, and again", use_scorer);
	scored = ensemble;
	starve("an ensemble scored with, and again", use_scorer);
	starve_encoder("floats", MODEL_F32);
	starve_encoder("8 bits", MODEL_I8);

	starve("threads", pool_of_three);
	if (nn_pool_create(&check_allocator, 2, &pool, &status) != EM_OK)
		bail_out(status.message);
	trainer_options_default(&options);
	options.epochs = 2;
	options.batch_size = 16;
	options.shard_size = 4;
	options.patience = 0;
	starve("a training that goes on", use_trainer);
	options.precision = TRAINER_MIXED;
	options.mixup = 0.2;
	options.dropout_samples = 2;
	options.weight_averaging = 0.9;
	starve("a mixed training that goes on", use_trainer);

	starve("words, their vocabulary and their bags", words);
	starve("words of vectors", words_of_vectors);

	nn_pool_destroy(pool);
	model_free(network);
	model_free(ensemble);
	em_release(&check_allocator, file);
	em_release(&check_allocator, joined);
	CHECK(check_live == 0, "nothing is left");
	return check_done();
}
