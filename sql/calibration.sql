-- Calibration: every figure beside the same figure in plain SQL, from the scores alone.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;
\set ECHO none
\i test/reference/tiny_model.sql
SET client_min_messages = warning;
SELECT emotion_import('calibrated', decode(:'tiny_model', 'hex')) AS model \gset
\set ECHO all
CREATE SCHEMA calibration;
SET search_path = calibration, public;

-- 400 texts of 1 to 5 words of the model's and as many labels, by a generator of our own: the same everywhere.
CREATE TABLE example AS
SELECT i AS id,
	(SELECT string_agg((ARRAY['happy','love','thank','you','hate','angry','sad','cry','miss','quiet','evening',
			'the','!','i'])[1 + abs(hashint4(i * 31 + w)) % 14], ' ')
		FROM generate_series(0, abs(hashint4(i)) % 5) AS w) AS text,
	ARRAY(SELECT l FROM unnest(ARRAY['joy','anger','sadness','calm']) AS l
		WHERE abs(hashint4(i * 7 + length(l))) % 10 < 3) AS labels,
	CASE WHEN i % 3 = 0 THEN 'dev' ELSE 'train' END AS split
FROM generate_series(1, 400) AS i;
UPDATE example SET labels = ARRAY(SELECT unnest(labels) UNION SELECT l FROM (VALUES ('joy', 'happy|love|thank'), ('anger', 'hate|angry'),
	('sadness', 'sad|cry|miss'), ('calm', 'quiet|evening')) AS v (l, words) WHERE text ~ words AND (id % 4 > 0 OR l = 'joy') ORDER BY 1);

-- One row per text and label: score and truth.
CREATE FUNCTION cells(model text) RETURNS TABLE (id int, label text, score float8, truth int) LANGUAGE sql AS $$
	SELECT e.id, n.label, s.score, (n.label = ANY (e.labels))::int
	FROM calibration.example AS e, unnest(emotion_label_names(model)) WITH ORDINALITY AS n (label, i),
		unnest(emotion_scores(e.text, model)) WITH ORDINALITY AS s (score, i) WHERE n.i = s.i $$;
CREATE TABLE cell AS SELECT * FROM cells(:'model');

-- Bins of equal width: of one label, and (label is null) of all.
CREATE TABLE expected AS
SELECT label, least(floor(score * 10)::int, 9) + 1 AS bin, count(*) AS texts, avg(score) AS mean_score, avg(truth)::float8 AS share_right
FROM cell GROUP BY GROUPING SETS ((label, 2), (2));
SELECT count(*) = (SELECT count(*) FROM expected) AS same_bins,
	bool_and(b.texts = e.texts AND abs(b.mean_score - e.mean_score) < 1e-6 AND abs(b.share_right - e.share_right) < 1e-9) AS same_figures,
	bool_and(b.mean_score BETWEEN b.lower AND b.upper AND abs(b.upper - b.lower - 0.1) < 1e-9) AS within
FROM emotion_calibration(:'model', 'example', '{"bins": 10}') AS b
JOIN expected AS e ON e.bin = b.bin AND e.label IS NOT DISTINCT FROM b.label;
-- Bins of equal count hold as many each, but for equal scores.
SELECT coalesce(label, 'all') AS label, sum(texts) AS texts, count(*) BETWEEN 3 AND 4 AS bins, bool_and(mean_score BETWEEN lower AND upper) AS within
FROM emotion_calibration(:'model', 'example', '{"bins": 4, "equal_count": true}') GROUP BY 1 ORDER BY 1;

-- Errors in one number.
CREATE TABLE error AS SELECT * FROM emotion_calibration_error(:'model', 'example', '{"bins": 10}');
SELECT count(*), bool_and(abs(r.calibration_error - e.value) < 1e-6) AS same_error, bool_and(abs(r.brier - e.brier) < 1e-6) AS same_brier,
	bool_and(abs(r.log_loss - e.log_loss) < 1e-5) AS same_log_loss, bool_and(r.positives = e.positives AND r.texts = e.texts) AS same_counts,
	count(calibrated_error) AS calibrated
FROM error AS r JOIN (
	SELECT label, sum(texts * abs(mean_score - share_right)) / sum(texts) AS value FROM expected GROUP BY label) AS w
	ON w.label IS NOT DISTINCT FROM r.label
JOIN (SELECT label, 0::float8 AS value, avg((score - truth) ^ 2) AS brier, -avg(ln(CASE truth WHEN 1 THEN score ELSE 1 - score END)) AS log_loss,
	sum(truth) AS positives, count(*) AS texts FROM cell GROUP BY GROUPING SETS ((label), ())) AS f ON f.label IS NOT DISTINCT FROM r.label
CROSS JOIN LATERAL (SELECT w.value, f.brier, f.log_loss, f.positives, f.texts) AS e;
SELECT abs(value - calibration_error) < 1e-9 AS as_evaluated FROM emotion_calibration_error(:'model', 'example') AS c, emotion_evaluate(:'model', 'example')
WHERE c.label IS NULL AND metric = 'calibration_error';
-- Of other folds: not the same, and no better than of the rows themselves.
CREATE TABLE crossed AS SELECT * FROM emotion_calibration_error(:'model', 'example', '{"folds": 2, "seed": 4, "calibration_shrinkage": 0}');
SELECT count(calibrated_error) AS calibrated, count(calibrated_equal_count_error) AS of_equal_count FROM crossed;
SELECT count(*) AS same_seed_differs FROM (SELECT * FROM crossed EXCEPT
	SELECT * FROM emotion_calibration_error(:'model', 'example', '{"folds": 2, "seed": 4, "calibration_shrinkage": 0}')) AS d;
SELECT count(*) > 0 AS other_seed_differs FROM (SELECT * FROM crossed EXCEPT
	SELECT * FROM emotion_calibration_error(:'model', 'example', '{"folds": 2, "seed": 5, "calibration_shrinkage": 0}')) AS d;

-- A calibrated version: its scores are the old ones scaled and shifted on the logit scale, in the same order, with the same labels.
SELECT emotion_calibrate(:'model', 'example', '{"calibration_shrinkage": 0}') AS calibrated \gset
\echo :calibrated
SELECT lineage ->> 'parent' AS parent, lineage ->> 'calibration_from' AS source, lineage #>> '{calibration,method}' AS method,
	jsonb_array_length(lineage #> '{calibration,scales}') AS scales, jsonb_array_length(lineage #> '{calibration,shifts}') AS shifts,
	metrics ->> 'calibrated_on' AS calibrated_on
FROM emotion.model WHERE name = 'calibrated' AND version = 2;
CREATE TABLE factor AS
SELECT n.label, a.value::float8 AS scale, b.value::float8 AS shift
FROM emotion.model AS m, unnest(m.labels) WITH ORDINALITY AS n (label, i),
	jsonb_array_elements_text(m.lineage #> '{calibration,scales}') WITH ORDINALITY AS a (value, i),
	jsonb_array_elements_text(m.lineage #> '{calibration,shifts}') WITH ORDINALITY AS b (value, i)
WHERE m.name = 'calibrated' AND m.version = 2 AND a.i = n.i AND b.i = n.i;
CREATE TABLE after AS SELECT * FROM cells('calibrated@2');
SELECT count(*), max(abs(a.score - 1 / (1 + exp(-(scale * ln(c.score / (1 - c.score)) + shift))))) < 1e-6 AS as_fitted
FROM cell AS c JOIN after AS a USING (id, label) JOIN factor USING (label);
SELECT count(*) AS rescaled_thresholds FROM (
	SELECT label, old.t AS before, new.t AS after FROM unnest(emotion_label_names('calibrated@1'), emotion_thresholds('calibrated@1'),
		emotion_thresholds('calibrated@2')) AS x (label, old, new), LATERAL (SELECT old::float8) AS old (t), LATERAL (SELECT new::float8) AS new (t)) AS t
JOIN factor USING (label) WHERE abs(after - 1 / (1 + exp(-(scale * ln(before / (1 - before)) + shift)))) < 1e-6;
SELECT count(*) AS other_labels FROM example WHERE emotion_labels(text, 'calibrated@1') <@ emotion_labels(text, 'calibrated@2') IS NOT TRUE
	OR emotion_labels(text, 'calibrated@2') <@ emotion_labels(text, 'calibrated@1') IS NOT TRUE;
SELECT bool_and(abs(e.value - f.value) < 1e-3) AS same_ranking FROM emotion_evaluate('calibrated@1', 'example') AS e
JOIN emotion_evaluate('calibrated@2', 'example') AS f USING (scope, metric) WHERE scope = 'macro' AND metric = 'roc_auc';
-- What least log loss means: the mean score of each label is the share of texts that have it.
SELECT label, abs(avg(score) - avg(truth)) < 1e-4 AS mean_is_share FROM after GROUP BY label ORDER BY label;
SELECT bool_and(b.log_loss <= a.log_loss + 1e-9) AS no_worse FROM emotion_calibration_error('calibrated@1', 'example') AS a
JOIN emotion_calibration_error('calibrated@2', 'example') AS b ON a.label IS NOT DISTINCT FROM b.label;
-- Calibrated again, nothing changes.
SELECT emotion_calibrate('calibrated@2', 'example', '{"calibration_shrinkage": 0, "name": "recalibrated"}');
SELECT max(abs(a.score - b.score)) < 1e-4 AS same FROM after AS a JOIN cells('recalibrated@1') AS b USING (id, label);
-- One scale for all, no shift: the order over all labels is kept.
SELECT emotion_calibrate('calibrated@1', 'example', '{"method": "global", "shift": false, "name": "recalibrated"}');
SELECT count(DISTINCT s.value) AS scales, count(DISTINCT b.value) AS shifts, bool_and(b.value::float8 = 0) AS zero
FROM emotion.model AS m, jsonb_array_elements_text(m.lineage #> '{calibration,scales}') AS s (value),
	jsonb_array_elements_text(m.lineage #> '{calibration,shifts}') AS b (value) WHERE m.name = 'recalibrated' AND m.version = 2;
SELECT count(*) AS turned FROM (SELECT a.score AS before, b.score AS after, lag(b.score) OVER (ORDER BY a.score) AS lower
	FROM cell AS a JOIN cells('recalibrated@2') AS b USING (id, label)) AS s WHERE after < lower - 1e-6;
-- Much shrinkage is one for all, too.
SELECT emotion_calibrate('calibrated@1', 'example', '{"calibration_shrinkage": 1e9, "name": "recalibrated"}');
SELECT count(DISTINCT round(s.value::numeric, 4)) AS scales
FROM emotion.model AS m, jsonb_array_elements_text(m.lineage #> '{calibration,scales}') AS s (value) WHERE m.name = 'recalibrated' AND m.version = 3;
-- A split column; a label without positives.
SELECT label, texts, positives FROM emotion_calibration_error(:'model', 'example', '{"split_column": "split"}') WHERE label IS NULL;
SELECT emotion_calibrate('calibrated@1', 'SELECT text, array_remove(labels, ''calm'') AS labels FROM calibration.example', '{"name": "recalibrated"}');

-- The picture has a title, a description, one small diagram a label, and colours for as it is and calibrated.
SELECT svg ~ '^<svg [^>]*role="img"[^>]*>\s*<title>Before &lt;and&gt; after</title>' AS title, svg ~ '<desc>[^<]+</desc>' AS description,
	(SELECT count(*) FROM regexp_matches(svg, '>(joy|anger|sadness|calm)</text>', 'g')) AS named,
	(SELECT count(*) > 10 FROM regexp_matches(svg, 'class="first"', 'g')) AS squares,
	(SELECT count(*) > 10 FROM regexp_matches(svg, 'class="second"', 'g')) AS calibrated, svg !~ 'nan|inf' AS numbers
FROM emotion_calibration_svg(:'model', 'example', '{"title": "Before <and> after", "folds": 2}') AS svg;
SELECT emotion_calibration_svg(:'model', 'example') ~ 'class="second"' AS only_one;

-- Errors, each with its SQLSTATE.
\set VERBOSITY sqlstate
SELECT emotion_calibrate('nobody@1', 'example');
SELECT emotion_calibrate('english@1', 'example');
SELECT emotion_calibrate(:'model', 'no_such_table');
SELECT emotion_calibrate(:'model', 'example', '{"method": "isotonic"}');
SELECT emotion_calibrate(:'model', 'example', '{"folds": 2}');
SELECT emotion_calibrate(:'model', 'example', '{"calibration_shrinkage": -1}');
SELECT emotion_calibrate(:'model', 'example', '{"name": "Not A Name"}');
SELECT emotion_calibrate(:'model', 'example', '{"split": "dev"}');
SELECT emotion_calibrate(:'model', 'SELECT ''x'' AS text, ARRAY[''envy''] AS labels');
SELECT * FROM emotion_calibration(:'model', 'example', '{"bins": 0}');
SELECT * FROM emotion_calibration(:'model', 'example', '{"folds": 1}');
SELECT * FROM emotion_calibration_error(:'model', 'example', '{"equal_count": true}');
SELECT * FROM emotion_calibration_error(:'model', 'SELECT ''x'' AS text, ARRAY[''joy''] AS labels', '{"folds": 2}');
SELECT emotion_calibration_svg(:'model', 'example', '{"name": "x"}');
\set VERBOSITY terse
SELECT emotion_calibration_svg(:'model', 'example', '[]');
SELECT emotion_calibrate(:'model', 'example', '{"methods": "global"}');
BEGIN READ ONLY;
SELECT count(*) FROM emotion_calibration_error(:'model', 'example');
SELECT emotion_calibrate(:'model', 'example');
ROLLBACK;
RESET search_path;
DROP SCHEMA calibration CASCADE;
SELECT emotion_drop_model(name || '@' || version) FROM emotion.model WHERE name IN ('calibrated', 'recalibrated') ORDER BY name, version;
