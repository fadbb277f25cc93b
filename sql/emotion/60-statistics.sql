-- Statistics of labels and of scores, as aggregates. States whose size does not grow are
-- arrays, which any planner can ship; those that must grow are internal, with functions
-- that make bytes of them. Functions that only aggregates call stand in schema emotion, out of
-- the way of those to be called.

-- ---------------------------------------------------------------- the mean of scores

CREATE FUNCTION emotion.emotion_avg_accum(state pg_catalog.float8[], scores pg_catalog.float4[])
	RETURNS pg_catalog.float8[]
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_avg_accum';
COMMENT ON FUNCTION emotion.emotion_avg_accum(pg_catalog.float8[], pg_catalog.float4[]) IS
	'for emotion_avg: a row more; state: rows, whether an addition was inexact, sums, and what rounding left of them';

CREATE FUNCTION emotion.emotion_avg_remove(state pg_catalog.float8[], scores pg_catalog.float4[])
	RETURNS pg_catalog.float8[]
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_avg_remove';
COMMENT ON FUNCTION emotion.emotion_avg_remove(pg_catalog.float8[], pg_catalog.float4[]) IS
	'for emotion_avg: a row less; null where that would not be exact';

CREATE FUNCTION emotion.emotion_avg_combine(state pg_catalog.float8[], other pg_catalog.float8[])
	RETURNS pg_catalog.float8[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_avg_combine';
COMMENT ON FUNCTION emotion.emotion_avg_combine(pg_catalog.float8[], pg_catalog.float8[]) IS
	'for emotion_avg: the rows of two states';

CREATE FUNCTION emotion.emotion_avg_final(state pg_catalog.float8[])
	RETURNS pg_catalog.float4[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_avg_final';
COMMENT ON FUNCTION emotion.emotion_avg_final(pg_catalog.float8[]) IS 'for emotion_avg: the means';

CREATE AGGREGATE @extschema@.emotion_avg(scores pg_catalog.float4[]) (
	SFUNC = emotion.emotion_avg_accum,
	STYPE = pg_catalog.float8[],
	FINALFUNC = emotion.emotion_avg_final,
	COMBINEFUNC = emotion.emotion_avg_combine,
	MSFUNC = emotion.emotion_avg_accum,
	MINVFUNC = emotion.emotion_avg_remove,
	MSTYPE = pg_catalog.float8[],
	MFINALFUNC = emotion.emotion_avg_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_avg(pg_catalog.float4[]) IS
	'element-wise mean of arrays of one length, nulls passed over; of scores the same to the last bit in whatever order they come';

-- ------------------------------------------------------------------ labels of rows

CREATE TYPE @extschema@.emotion_cooccurrence_matrix AS (
	labels pg_catalog.text[],
	counts pg_catalog.int8[]
);
COMMENT ON TYPE @extschema@.emotion_cooccurrence_matrix IS 'how many rows have two labels';
COMMENT ON COLUMN @extschema@.emotion_cooccurrence_matrix.labels IS 'in byte order';
COMMENT ON COLUMN @extschema@.emotion_cooccurrence_matrix.counts IS 'counts[i][j]: rows with label i and label j; counts[i][i]: rows with label i';

CREATE TYPE @extschema@.emotion_label_statistics AS (
	n pg_catalog.int8,
	cardinality pg_catalog.float8,
	density pg_catalog.float8,
	labelsets pg_catalog.int8,
	single_labelsets pg_catalog.int8,
	mean_ir pg_catalog.float8,
	max_ir pg_catalog.float8,
	cvir pg_catalog.float8,
	scumble pg_catalog.float8,
	scumble_cv pg_catalog.float8,
	tcs pg_catalog.float8,
	labels pg_catalog.text[],
	counts pg_catalog.int8[],
	irlbl pg_catalog.float8[],
	scumble_by_label pg_catalog.float8[]
);
COMMENT ON TYPE @extschema@.emotion_label_statistics IS 'how many, how unbalanced and how entangled the labels of rows are; what is undefined is null';

COMMENT ON COLUMN @extschema@.emotion_label_statistics.n IS 'rows';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.cardinality IS 'mean number of labels of a row';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.density IS 'cardinality divided by the number of labels';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.labelsets IS 'distinct combinations of labels, no label at all among them';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.single_labelsets IS 'combinations that exactly one row has';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.mean_ir IS 'mean of irlbl';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.max_ir IS 'largest irlbl';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.cvir IS 'sample standard deviation of irlbl divided by mean_ir';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.scumble IS 'mean over rows of 1 - geometric / arithmetic mean of the irlbl of their labels: how often rare labels ride with common ones';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.scumble_cv IS 'sample standard deviation of the rows SCUMBLE divided by its mean';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.tcs IS 'theoretical complexity: ln(labels * labelsets), a text being one input';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.labels IS 'labels that rows have, in byte order; the arrays after this one follow it';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.counts IS 'rows with the label';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.irlbl IS 'count of the most frequent label divided by this ones';
COMMENT ON COLUMN @extschema@.emotion_label_statistics.scumble_by_label IS 'mean SCUMBLE of the rows with the label';

CREATE FUNCTION emotion.emotion_label_accum(state pg_catalog.internal, labels pg_catalog.text[])
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'emotion_label_accum';
COMMENT ON FUNCTION emotion.emotion_label_accum(pg_catalog.internal, pg_catalog.text[]) IS
	'for aggregates of labels: a row more';

CREATE FUNCTION emotion.emotion_label_remove(state pg_catalog.internal, labels pg_catalog.text[])
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'emotion_label_remove';
COMMENT ON FUNCTION emotion.emotion_label_remove(pg_catalog.internal, pg_catalog.text[]) IS
	'for aggregates of labels: a row less';

CREATE FUNCTION emotion.emotion_label_merge(state pg_catalog.internal, part pg_catalog.bytea)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_label_merge';
COMMENT ON FUNCTION emotion.emotion_label_merge(pg_catalog.internal, pg_catalog.bytea) IS
	'for aggregates of labels: the rows of what emotion_label_state made';

CREATE FUNCTION emotion.emotion_label_combine(state pg_catalog.internal, other pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_label_combine';
COMMENT ON FUNCTION emotion.emotion_label_combine(pg_catalog.internal, pg_catalog.internal) IS
	'for aggregates of labels: the rows of two states';

CREATE FUNCTION emotion.emotion_label_serialize(state pg_catalog.internal)
	RETURNS pg_catalog.bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_label_serialize';
COMMENT ON FUNCTION emotion.emotion_label_serialize(pg_catalog.internal) IS
	'for aggregates of labels: a state as bytes';

CREATE FUNCTION emotion.emotion_label_deserialize(bytes pg_catalog.bytea, dummy pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_label_deserialize';
COMMENT ON FUNCTION emotion.emotion_label_deserialize(pg_catalog.bytea, pg_catalog.internal) IS
	'for aggregates of labels: a state from bytes, each of them checked';

CREATE FUNCTION emotion.emotion_label_counts_final(state pg_catalog.internal)
	RETURNS pg_catalog.jsonb
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_label_counts_final';
COMMENT ON FUNCTION emotion.emotion_label_counts_final(pg_catalog.internal) IS
	'for emotion_label_counts: the result';

CREATE FUNCTION emotion.emotion_cooccurrence_final(state pg_catalog.internal)
	RETURNS @extschema@.emotion_cooccurrence_matrix
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_cooccurrence_final';
COMMENT ON FUNCTION emotion.emotion_cooccurrence_final(pg_catalog.internal) IS
	'for emotion_cooccurrence: the result';

CREATE FUNCTION emotion.emotion_label_stats_final(state pg_catalog.internal)
	RETURNS @extschema@.emotion_label_statistics
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_label_stats_final';
COMMENT ON FUNCTION emotion.emotion_label_stats_final(pg_catalog.internal) IS
	'for emotion_label_stats: the result';

CREATE FUNCTION emotion.emotion_label_state_final(state pg_catalog.internal)
	RETURNS pg_catalog.bytea
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_label_state_final';
COMMENT ON FUNCTION emotion.emotion_label_state_final(pg_catalog.internal) IS
	'for emotion_label_state: the result';

CREATE AGGREGATE @extschema@.emotion_label_counts(labels pg_catalog.text[]) (
	SFUNC = emotion.emotion_label_accum,
	STYPE = pg_catalog.internal,
	SSPACE = 4096,
	FINALFUNC = emotion.emotion_label_counts_final,
	COMBINEFUNC = emotion.emotion_label_combine,
	SERIALFUNC = emotion.emotion_label_serialize,
	DESERIALFUNC = emotion.emotion_label_deserialize,
	MSFUNC = emotion.emotion_label_accum,
	MINVFUNC = emotion.emotion_label_remove,
	MSTYPE = pg_catalog.internal,
	MSSPACE = 4096,
	MFINALFUNC = emotion.emotion_label_counts_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_label_counts(pg_catalog.text[]) IS
	'an object of label: number of rows with it; a row''s labels are a set, rows whose labels are null are passed over';

CREATE AGGREGATE @extschema@.emotion_label_counts(state pg_catalog.bytea) (
	SFUNC = emotion.emotion_label_merge,
	STYPE = pg_catalog.internal,
	SSPACE = 4096,
	FINALFUNC = emotion.emotion_label_counts_final,
	COMBINEFUNC = emotion.emotion_label_combine,
	SERIALFUNC = emotion.emotion_label_serialize,
	DESERIALFUNC = emotion.emotion_label_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_label_counts(pg_catalog.bytea) IS
	'the same, of the rows behind states that emotion_label_state made';

CREATE AGGREGATE @extschema@.emotion_cooccurrence(labels pg_catalog.text[]) (
	SFUNC = emotion.emotion_label_accum,
	STYPE = pg_catalog.internal,
	SSPACE = 4096,
	FINALFUNC = emotion.emotion_cooccurrence_final,
	COMBINEFUNC = emotion.emotion_label_combine,
	SERIALFUNC = emotion.emotion_label_serialize,
	DESERIALFUNC = emotion.emotion_label_deserialize,
	MSFUNC = emotion.emotion_label_accum,
	MINVFUNC = emotion.emotion_label_remove,
	MSTYPE = pg_catalog.internal,
	MSSPACE = 4096,
	MFINALFUNC = emotion.emotion_cooccurrence_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_cooccurrence(pg_catalog.text[]) IS
	'how many rows have each label and each two labels; a row''s labels are a set, rows whose labels are null are passed over';

CREATE AGGREGATE @extschema@.emotion_cooccurrence(state pg_catalog.bytea) (
	SFUNC = emotion.emotion_label_merge,
	STYPE = pg_catalog.internal,
	SSPACE = 4096,
	FINALFUNC = emotion.emotion_cooccurrence_final,
	COMBINEFUNC = emotion.emotion_label_combine,
	SERIALFUNC = emotion.emotion_label_serialize,
	DESERIALFUNC = emotion.emotion_label_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_cooccurrence(pg_catalog.bytea) IS
	'the same, of the rows behind states that emotion_label_state made';

CREATE AGGREGATE @extschema@.emotion_label_stats(labels pg_catalog.text[]) (
	SFUNC = emotion.emotion_label_accum,
	STYPE = pg_catalog.internal,
	SSPACE = 4096,
	FINALFUNC = emotion.emotion_label_stats_final,
	COMBINEFUNC = emotion.emotion_label_combine,
	SERIALFUNC = emotion.emotion_label_serialize,
	DESERIALFUNC = emotion.emotion_label_deserialize,
	MSFUNC = emotion.emotion_label_accum,
	MINVFUNC = emotion.emotion_label_remove,
	MSTYPE = pg_catalog.internal,
	MSSPACE = 4096,
	MFINALFUNC = emotion.emotion_label_stats_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_label_stats(pg_catalog.text[]) IS
	'how many, how unbalanced and how entangled labels are: cardinality, density, IRLbl, MeanIR, CVIR, SCUMBLE, TCS; a row''s labels are a set, rows whose labels are null are passed over';

CREATE AGGREGATE @extschema@.emotion_label_stats(state pg_catalog.bytea) (
	SFUNC = emotion.emotion_label_merge,
	STYPE = pg_catalog.internal,
	SSPACE = 4096,
	FINALFUNC = emotion.emotion_label_stats_final,
	COMBINEFUNC = emotion.emotion_label_combine,
	SERIALFUNC = emotion.emotion_label_serialize,
	DESERIALFUNC = emotion.emotion_label_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_label_stats(pg_catalog.bytea) IS
	'the same, of the rows behind states that emotion_label_state made';

CREATE AGGREGATE @extschema@.emotion_label_state(labels pg_catalog.text[]) (
	SFUNC = emotion.emotion_label_accum,
	STYPE = pg_catalog.internal,
	SSPACE = 4096,
	FINALFUNC = emotion.emotion_label_state_final,
	COMBINEFUNC = emotion.emotion_label_combine,
	SERIALFUNC = emotion.emotion_label_serialize,
	DESERIALFUNC = emotion.emotion_label_deserialize,
	MSFUNC = emotion.emotion_label_accum,
	MINVFUNC = emotion.emotion_label_remove,
	MSTYPE = pg_catalog.internal,
	MSSPACE = 4096,
	MFINALFUNC = emotion.emotion_label_state_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_label_state(pg_catalog.text[]) IS
	'what the aggregates of labels know of their rows, to be kept and aggregated again: a state a day, and any span of days; a row''s labels are a set, rows whose labels are null are passed over';

CREATE AGGREGATE @extschema@.emotion_label_state(state pg_catalog.bytea) (
	SFUNC = emotion.emotion_label_merge,
	STYPE = pg_catalog.internal,
	SSPACE = 4096,
	FINALFUNC = emotion.emotion_label_state_final,
	COMBINEFUNC = emotion.emotion_label_combine,
	SERIALFUNC = emotion.emotion_label_serialize,
	DESERIALFUNC = emotion.emotion_label_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_label_state(pg_catalog.bytea) IS
	'the same, of the rows behind states that emotion_label_state made';

CREATE FUNCTION @extschema@.emotion_scumble(labels pg_catalog.text[], statistics @extschema@.emotion_label_statistics)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_scumble';
COMMENT ON FUNCTION @extschema@.emotion_scumble(pg_catalog.text[], @extschema@.emotion_label_statistics) IS
	'how entangled one row''s labels are: 0 for labels equally frequent, toward 1 for a rare one beside a common one; statistics: emotion_label_stats of the whole';

-- ------------------------------------------------------------------------- drift

CREATE TYPE @extschema@.emotion_drift_result AS (
	jensen_shannon pg_catalog.float8,
	population_stability pg_catalog.float8,
	chi_square pg_catalog.float8,
	p_value pg_catalog.float8,
	largest_change pg_catalog.float8,
	largest_change_label pg_catalog.text
);
COMMENT ON TYPE @extschema@.emotion_drift_result IS 'how far two distributions of labels lie apart';
COMMENT ON COLUMN @extschema@.emotion_drift_result.jensen_shannon IS 'Jensen-Shannon divergence in bits: 0 for equal shares, 1 for no label in common';
COMMENT ON COLUMN @extschema@.emotion_drift_result.population_stability IS 'population stability index, of counts + 1/2: below 0.1 is commonly called stable, over 0.25 shifted';
COMMENT ON COLUMN @extschema@.emotion_drift_result.chi_square IS 'statistic of the test for equal shares, labels - 1 degrees of freedom';
COMMENT ON COLUMN @extschema@.emotion_drift_result.p_value IS 'its probability if nothing changed; too small where rows have several labels, which the test takes for independent';
COMMENT ON COLUMN @extschema@.emotion_drift_result.largest_change IS 'the change of a labels share that is the largest, after minus before';
COMMENT ON COLUMN @extschema@.emotion_drift_result.largest_change_label IS 'whose it is; null when nothing changed';

CREATE FUNCTION @extschema@.emotion_drift(before pg_catalog.jsonb, after pg_catalog.jsonb)
	RETURNS @extschema@.emotion_drift_result
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_drift';
COMMENT ON FUNCTION @extschema@.emotion_drift(pg_catalog.jsonb, pg_catalog.jsonb) IS
	'how far the labels counted by emotion_label_counts have moved; null when either side has none';

-- ----------------------------------------------------------------------- metrics

CREATE TYPE @extschema@.emotion_metrics_result AS (
	"rows" pg_catalog.int8,
	micro_precision pg_catalog.float8,
	micro_recall pg_catalog.float8,
	micro_f1 pg_catalog.float8,
	macro_precision pg_catalog.float8,
	macro_recall pg_catalog.float8,
	macro_f1 pg_catalog.float8,
	weighted_precision pg_catalog.float8,
	weighted_recall pg_catalog.float8,
	weighted_f1 pg_catalog.float8,
	samples_precision pg_catalog.float8,
	samples_recall pg_catalog.float8,
	samples_f1 pg_catalog.float8,
	macro_roc_auc pg_catalog.float8,
	macro_average_precision pg_catalog.float8,
	hamming_loss pg_catalog.float8,
	subset_accuracy pg_catalog.float8,
	log_loss pg_catalog.float8,
	calibration_error pg_catalog.float8,
	labels_with_roc_auc pg_catalog.int4,
	labels pg_catalog.text[],
	thresholds pg_catalog.float4[],
	support pg_catalog.int8[],
	predicted pg_catalog.int8[],
	label_precision pg_catalog.float8[],
	label_recall pg_catalog.float8[],
	label_f1 pg_catalog.float8[],
	label_accuracy pg_catalog.float8[],
	label_roc_auc pg_catalog.float8[],
	label_average_precision pg_catalog.float8[]
);
COMMENT ON TYPE @extschema@.emotion_metrics_result IS 'how well scores agree with labels; what is undefined is null';
COMMENT ON COLUMN @extschema@.emotion_metrics_result."rows" IS 'rows with labels and scores';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.micro_precision IS 'precision, over all rows and labels at once';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.micro_recall IS 'recall, over all rows and labels at once';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.micro_f1 IS 'F1, over all rows and labels at once';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.macro_precision IS 'precision, mean over labels';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.macro_recall IS 'recall, mean over labels';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.macro_f1 IS 'F1, mean over labels';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.weighted_precision IS 'precision, mean over labels, weighted by their rows';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.weighted_recall IS 'recall, mean over labels, weighted by their rows';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.weighted_f1 IS 'F1, mean over labels, weighted by their rows';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.samples_precision IS 'precision, mean over rows';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.samples_recall IS 'recall, mean over rows';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.samples_f1 IS 'F1, mean over rows';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.macro_roc_auc IS 'mean ROC-AUC of the labels that have rows with and rows without them; ties count half';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.macro_average_precision IS 'mean average precision of the labels that have rows';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.hamming_loss IS 'share of wrong decisions';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.subset_accuracy IS 'share of rows whose labels are all right';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.log_loss IS 'mean binary cross-entropy';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.calibration_error IS 'expected calibration error, 15 bins';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.labels_with_roc_auc IS 'labels that macro_roc_auc is the mean of';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.labels IS 'in the order of scores; the arrays after this one follow it';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.thresholds IS 'score from which a label was taken as given';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.support IS 'rows with the label';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.predicted IS 'rows at or over the threshold';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.label_precision IS '0 for 0/0';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.label_recall IS '0 for 0/0';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.label_f1 IS '0 for 0/0';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.label_accuracy IS 'share of right decisions';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.label_roc_auc IS 'null when all rows or none have the label';
COMMENT ON COLUMN @extschema@.emotion_metrics_result.label_average_precision IS 'null when no row has the label';

CREATE FUNCTION emotion.emotion_metrics_accum(state pg_catalog.internal, truth pg_catalog.text[], scores pg_catalog.float4[])
	RETURNS pg_catalog.internal
	LANGUAGE c STABLE PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'emotion_metrics_accum';
COMMENT ON FUNCTION emotion.emotion_metrics_accum(pg_catalog.internal, pg_catalog.text[], pg_catalog.float4[]) IS
	'for emotion_metrics: a row more, labels and thresholds of the deployed model';

CREATE FUNCTION emotion.emotion_metrics_accum(state pg_catalog.internal, truth pg_catalog.text[], scores pg_catalog.float4[], labels pg_catalog.text[])
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'emotion_metrics_accum';
COMMENT ON FUNCTION emotion.emotion_metrics_accum(pg_catalog.internal, pg_catalog.text[], pg_catalog.float4[], pg_catalog.text[]) IS
	'for emotion_metrics: a row more, labels given, thresholds 0.5';

CREATE FUNCTION emotion.emotion_metrics_accum(state pg_catalog.internal, truth pg_catalog.text[], scores pg_catalog.float4[], labels pg_catalog.text[], thresholds pg_catalog.float4[])
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'emotion_metrics_accum';
COMMENT ON FUNCTION emotion.emotion_metrics_accum(pg_catalog.internal, pg_catalog.text[], pg_catalog.float4[], pg_catalog.text[], pg_catalog.float4[]) IS
	'for emotion_metrics: a row more, labels and thresholds given';

CREATE FUNCTION emotion.emotion_metrics_combine(state pg_catalog.internal, other pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_metrics_combine';
COMMENT ON FUNCTION emotion.emotion_metrics_combine(pg_catalog.internal, pg_catalog.internal) IS
	'for emotion_metrics: the rows of two states';

CREATE FUNCTION emotion.emotion_metrics_serialize(state pg_catalog.internal)
	RETURNS pg_catalog.bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_metrics_serialize';
COMMENT ON FUNCTION emotion.emotion_metrics_serialize(pg_catalog.internal) IS
	'for emotion_metrics: a state as bytes';

CREATE FUNCTION emotion.emotion_metrics_deserialize(bytes pg_catalog.bytea, dummy pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_metrics_deserialize';
COMMENT ON FUNCTION emotion.emotion_metrics_deserialize(pg_catalog.bytea, pg_catalog.internal) IS
	'for emotion_metrics: a state from bytes, each of them checked';

CREATE FUNCTION emotion.emotion_metrics_final(state pg_catalog.internal)
	RETURNS @extschema@.emotion_metrics_result
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_metrics_final';
COMMENT ON FUNCTION emotion.emotion_metrics_final(pg_catalog.internal) IS
	'for emotion_metrics: the result';

CREATE AGGREGATE @extschema@.emotion_metrics(truth pg_catalog.text[], scores pg_catalog.float4[]) (
	SFUNC = emotion.emotion_metrics_accum,
	STYPE = pg_catalog.internal,
	SSPACE = 65536,
	FINALFUNC = emotion.emotion_metrics_final,
	COMBINEFUNC = emotion.emotion_metrics_combine,
	SERIALFUNC = emotion.emotion_metrics_serialize,
	DESERIALFUNC = emotion.emotion_metrics_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_metrics(pg_catalog.text[], pg_catalog.float4[]) IS
	'precision, recall, F1, ROC-AUC, average precision and more of scores as emotion_scores gives them, where truth holds the right labels; labels and thresholds of the deployed model';

CREATE AGGREGATE @extschema@.emotion_metrics(truth pg_catalog.text[], scores pg_catalog.float4[], labels pg_catalog.text[]) (
	SFUNC = emotion.emotion_metrics_accum,
	STYPE = pg_catalog.internal,
	SSPACE = 65536,
	FINALFUNC = emotion.emotion_metrics_final,
	COMBINEFUNC = emotion.emotion_metrics_combine,
	SERIALFUNC = emotion.emotion_metrics_serialize,
	DESERIALFUNC = emotion.emotion_metrics_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_metrics(pg_catalog.text[], pg_catalog.float4[], pg_catalog.text[]) IS
	'precision, recall, F1, ROC-AUC, average precision and more of scores as emotion_scores gives them, where truth holds the right labels; labels given, thresholds 0.5';

CREATE AGGREGATE @extschema@.emotion_metrics(truth pg_catalog.text[], scores pg_catalog.float4[], labels pg_catalog.text[], thresholds pg_catalog.float4[]) (
	SFUNC = emotion.emotion_metrics_accum,
	STYPE = pg_catalog.internal,
	SSPACE = 65536,
	FINALFUNC = emotion.emotion_metrics_final,
	COMBINEFUNC = emotion.emotion_metrics_combine,
	SERIALFUNC = emotion.emotion_metrics_serialize,
	DESERIALFUNC = emotion.emotion_metrics_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_metrics(pg_catalog.text[], pg_catalog.float4[], pg_catalog.text[], pg_catalog.float4[]) IS
	'precision, recall, F1, ROC-AUC, average precision and more of scores as emotion_scores gives them, where truth holds the right labels; labels and thresholds given';

-- --------------------------------------------------------------------- agreement

CREATE FUNCTION emotion.emotion_kappa_accum(state pg_catalog.internal, first pg_catalog.text, second pg_catalog.text)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'emotion_kappa_accum';
COMMENT ON FUNCTION emotion.emotion_kappa_accum(pg_catalog.internal, pg_catalog.text, pg_catalog.text) IS
	'for aggregates of agreement: one text more, what two annotators said of a text';

CREATE FUNCTION emotion.emotion_kappa_remove(state pg_catalog.internal, first pg_catalog.text, second pg_catalog.text)
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'emotion_kappa_remove';
COMMENT ON FUNCTION emotion.emotion_kappa_remove(pg_catalog.internal, pg_catalog.text, pg_catalog.text) IS
	'for aggregates of agreement: one text less';

CREATE FUNCTION emotion.emotion_votes_accum(state pg_catalog.internal, votes pg_catalog.text[])
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'emotion_votes_accum';
COMMENT ON FUNCTION emotion.emotion_votes_accum(pg_catalog.internal, pg_catalog.text[]) IS
	'for aggregates of agreement: one text more, what annotators said of a text';

CREATE FUNCTION emotion.emotion_votes_remove(state pg_catalog.internal, votes pg_catalog.text[])
	RETURNS pg_catalog.internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 10
	AS 'MODULE_PATHNAME', 'emotion_votes_remove';
COMMENT ON FUNCTION emotion.emotion_votes_remove(pg_catalog.internal, pg_catalog.text[]) IS
	'for aggregates of agreement: one text less';

CREATE FUNCTION emotion.emotion_kappa_final(state pg_catalog.internal)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_kappa_final';
COMMENT ON FUNCTION emotion.emotion_kappa_final(pg_catalog.internal) IS
	'for emotion_kappa: the result';

CREATE AGGREGATE @extschema@.emotion_kappa(first pg_catalog.text, second pg_catalog.text) (
	SFUNC = emotion.emotion_kappa_accum,
	STYPE = pg_catalog.internal,
	SSPACE = 4096,
	FINALFUNC = emotion.emotion_kappa_final,
	COMBINEFUNC = emotion.emotion_label_combine,
	SERIALFUNC = emotion.emotion_label_serialize,
	DESERIALFUNC = emotion.emotion_label_deserialize,
	MSFUNC = emotion.emotion_kappa_accum,
	MINVFUNC = emotion.emotion_kappa_remove,
	MSTYPE = pg_catalog.internal,
	MSSPACE = 4096,
	MFINALFUNC = emotion.emotion_kappa_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_kappa(pg_catalog.text, pg_catalog.text) IS
	'Cohen''s kappa: how far two annotators agree beyond chance; a row is a text, passed over when either said nothing; 1 for full agreement, 0 for that of chance, null where chance alone agrees';

CREATE FUNCTION emotion.emotion_fleiss_kappa_final(state pg_catalog.internal)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_fleiss_kappa_final';
COMMENT ON FUNCTION emotion.emotion_fleiss_kappa_final(pg_catalog.internal) IS
	'for emotion_fleiss_kappa: the result';

CREATE AGGREGATE @extschema@.emotion_fleiss_kappa(votes pg_catalog.text[]) (
	SFUNC = emotion.emotion_votes_accum,
	STYPE = pg_catalog.internal,
	SSPACE = 4096,
	FINALFUNC = emotion.emotion_fleiss_kappa_final,
	COMBINEFUNC = emotion.emotion_label_combine,
	SERIALFUNC = emotion.emotion_label_serialize,
	DESERIALFUNC = emotion.emotion_label_deserialize,
	MSFUNC = emotion.emotion_votes_accum,
	MINVFUNC = emotion.emotion_votes_remove,
	MSTYPE = pg_catalog.internal,
	MSSPACE = 4096,
	MFINALFUNC = emotion.emotion_fleiss_kappa_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_fleiss_kappa(pg_catalog.text[]) IS
	'Fleiss'' kappa: how far annotators agree beyond chance; a row holds the votes for a text, as many for each, in any order; 1 for full agreement, 0 for that of chance, null where chance alone agrees';

CREATE FUNCTION emotion.emotion_krippendorff_alpha_final(state pg_catalog.internal)
	RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_krippendorff_alpha_final';
COMMENT ON FUNCTION emotion.emotion_krippendorff_alpha_final(pg_catalog.internal) IS
	'for emotion_krippendorff_alpha: the result';

CREATE AGGREGATE @extschema@.emotion_krippendorff_alpha(votes pg_catalog.text[]) (
	SFUNC = emotion.emotion_votes_accum,
	STYPE = pg_catalog.internal,
	SSPACE = 4096,
	FINALFUNC = emotion.emotion_krippendorff_alpha_final,
	COMBINEFUNC = emotion.emotion_label_combine,
	SERIALFUNC = emotion.emotion_label_serialize,
	DESERIALFUNC = emotion.emotion_label_deserialize,
	MSFUNC = emotion.emotion_votes_accum,
	MINVFUNC = emotion.emotion_votes_remove,
	MSTYPE = pg_catalog.internal,
	MSSPACE = 4096,
	MFINALFUNC = emotion.emotion_krippendorff_alpha_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.emotion_krippendorff_alpha(pg_catalog.text[]) IS
	'Krippendorff''s alpha for categories without order; a row holds the votes for a text, any number of them; 1 for full agreement, 0 for that of chance, null where chance alone agrees';

-- ------------------------------------------------------------------------ report

CREATE FUNCTION @extschema@.emotion_label_report(source pg_catalog.text, options pg_catalog.jsonb DEFAULT '{}',
		OUT label pg_catalog.text, OUT count pg_catalog.int8, OUT share pg_catalog.float8,
		OUT irlbl pg_catalog.float8, OUT other_labels pg_catalog.float8, OUT often_with pg_catalog.text,
		OUT often_with_count pg_catalog.int8, OUT scumble pg_catalog.float8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 100000 ROWS 28
	AS 'MODULE_PATHNAME', 'emotion_label_report';
COMMENT ON FUNCTION @extschema@.emotion_label_report(pg_catalog.text, pg_catalog.jsonb) IS
	'each label of a table or query, the most frequent first: rows with it, their share, imbalance, mean number of other labels beside it, the label most often beside it, and mean SCUMBLE; option: label_column';

CREATE FUNCTION @extschema@.emotion_label_report_svg(source pg_catalog.text, compare_source pg_catalog.text DEFAULT NULL,
		options pg_catalog.jsonb DEFAULT '{}')
	RETURNS pg_catalog.text
	LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100000
	AS 'MODULE_PATHNAME', 'emotion_label_report_svg';
COMMENT ON FUNCTION @extschema@.emotion_label_report_svg(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'an SVG picture of the labels of a table or query: counts, beside those of another for before and after, and which occur together; options: label_column, title, labels (how many are shown, 50)';
