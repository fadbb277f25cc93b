-- How well a model does on labelled rows.

CREATE FUNCTION @extschema@.emotion_evaluate(model pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}', OUT scope pg_catalog.text, OUT label pg_catalog.text,
		OUT metric pg_catalog.text, OUT value pg_catalog.float8, OUT low pg_catalog.float8,
		OUT high pg_catalog.float8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_evaluate' VOLATILE STRICT PARALLEL UNSAFE COST 1000000 ROWS 200;
COMMENT ON FUNCTION @extschema@.emotion_evaluate(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'figures of a model on a table or query of texts and labels: scope is overall, macro, micro, weighted, samples or label; low and high with option "bootstrap"; "folds" cross-validates thresholds on these rows';

CREATE FUNCTION @extschema@.emotion_evaluate_resamples(model pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}', OUT scope pg_catalog.text, OUT label pg_catalog.text,
		OUT metric pg_catalog.text, OUT value pg_catalog.float8, OUT resamples pg_catalog.float8[])
	RETURNS SETOF pg_catalog.record
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_evaluate_resamples' VOLATILE STRICT PARALLEL UNSAFE COST 2000000 ROWS 92;
COMMENT ON FUNCTION @extschema@.emotion_evaluate_resamples(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'figures of a model and what each of them is in every bootstrap resample of the rows: with the same rows and seed the resamples are the same for every model, so that means over models, differences between them and their intervals can be had in SQL; options as of emotion_evaluate';

CREATE FUNCTION @extschema@.emotion_tune_thresholds(model pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}', OUT label pg_catalog.text, OUT positives pg_catalog.int8,
		OUT old_threshold pg_catalog.float4, OUT threshold pg_catalog.float4,
		OUT old_f1 pg_catalog.float8, OUT f1 pg_catalog.float8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_tune_thresholds' VOLATILE STRICT PARALLEL UNSAFE COST 1000000 ROWS 28;
COMMENT ON FUNCTION @extschema@.emotion_tune_thresholds(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'publish a new version whose thresholds give the best F1 on a table or query of texts and labels, shrunk toward one global threshold where positives are few';

CREATE FUNCTION @extschema@.emotion_compare(model pg_catalog.text, other pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}', OUT metric pg_catalog.text, OUT model_value pg_catalog.float8,
		OUT other_value pg_catalog.float8, OUT difference pg_catalog.float8, OUT low pg_catalog.float8,
		OUT high pg_catalog.float8, OUT p_value pg_catalog.float8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_compare' VOLATILE STRICT PARALLEL UNSAFE COST 2000000 ROWS 2;
COMMENT ON FUNCTION @extschema@.emotion_compare(pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'paired bootstrap test of two models on the same rows: macro ROC-AUC and macro F1 of each, other minus model with interval, two-sided p value';

CREATE FUNCTION @extschema@.emotion_calibrate(model pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}')
	RETURNS pg_catalog.text
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_calibrate' VOLATILE STRICT PARALLEL UNSAFE COST 1000000;
COMMENT ON FUNCTION @extschema@.emotion_calibrate(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'publish a new version whose scores are calibrated on a table or query of texts and labels: sigmoid(scale logit(score) + shift) with scale and shift by label, shrunk toward common ones where positives are few; thresholds move along; labels that exclude one another get one scale, and keep their thresholds; options text_column, label_column, split_column, split, method, shift, calibration_shrinkage, name';

CREATE FUNCTION @extschema@.emotion_calibration(model pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}', OUT label pg_catalog.text, OUT bin pg_catalog.int4,
		OUT lower pg_catalog.float8, OUT upper pg_catalog.float8, OUT texts pg_catalog.int8,
		OUT mean_score pg_catalog.float8, OUT share_right pg_catalog.float8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_calibration' VOLATILE STRICT PARALLEL UNSAFE COST 1000000 ROWS 400;
COMMENT ON FUNCTION @extschema@.emotion_calibration(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'scores in bins beside the share of texts that have the label; label is null for all labels together; option "folds" shows cross-fitted calibrated scores instead; options text_column, label_column, split_column, split, method, shift, calibration_shrinkage, bins, equal_count, folds, seed';

CREATE FUNCTION @extschema@.emotion_calibration_error(model pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}', OUT label pg_catalog.text, OUT texts pg_catalog.int8,
		OUT positives pg_catalog.int8, OUT calibration_error pg_catalog.float8,
		OUT equal_count_error pg_catalog.float8, OUT brier pg_catalog.float8, OUT log_loss pg_catalog.float8,
		OUT calibrated_error pg_catalog.float8, OUT calibrated_equal_count_error pg_catalog.float8,
		OUT calibrated_brier pg_catalog.float8, OUT calibrated_log_loss pg_catalog.float8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_calibration_error' VOLATILE STRICT PARALLEL UNSAFE COST 1000000 ROWS 29;
COMMENT ON FUNCTION @extschema@.emotion_calibration_error(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'expected calibration error in bins of equal width and of equal count, Brier score and log loss, of all labels together (label is null) and of each; with option "folds" also of scores calibrated on the other folds; options text_column, label_column, split_column, split, method, shift, calibration_shrinkage, bins, folds, seed';

CREATE FUNCTION @extschema@.emotion_calibration_svg(model pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}')
	RETURNS pg_catalog.text
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_calibration_svg' VOLATILE STRICT PARALLEL UNSAFE COST 1000000;
COMMENT ON FUNCTION @extschema@.emotion_calibration_svg(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'a reliability diagram as an SVG picture, of all labels together and small of each; with option "folds" also of scores calibrated on the other folds; options text_column, label_column, split_column, split, method, shift, calibration_shrinkage, bins, equal_count, folds, seed, title';
