-- Evaluation and thresholds: every figure beside the same figure in plain SQL, from the scores alone.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;
\set ECHO none
\i test/reference/tiny_model.sql
SET client_min_messages = warning;
SELECT emotion_import('evaluated', decode(:'tiny_model', 'hex')) AS model \gset
\set ECHO all
CREATE SCHEMA evaluation;
SET search_path = evaluation, public;

-- 300 texts of 1 to 5 words of the model's and as many labels, by a generator of our own: the same everywhere.
CREATE TABLE example AS
SELECT i AS id,
	(SELECT string_agg((ARRAY['happy','love','thank','you','hate','angry','sad','cry','miss','quiet','evening',
			'the','!','i'])[1 + hashint4(i * 31 + w) % 14 + CASE WHEN hashint4(i * 31 + w) % 14 < 0 THEN 14 ELSE 0 END], ' ')
		FROM generate_series(0, abs(hashint4(i)) % 5) AS w) AS text,
	ARRAY(SELECT l FROM unnest(ARRAY['joy','anger','sadness','calm']) AS l
		WHERE abs(hashint4(i * 7 + length(l))) % 10 < 3) AS labels,
	CASE WHEN i % 3 = 0 THEN 'dev' ELSE 'train' END AS split
FROM generate_series(1, 300) AS i;
-- No two of the same words: a batch may give texts of equal scores scores that differ in the last bit, and ties would not be ties.
DELETE FROM example AS a USING example AS b WHERE a.id > b.id AND
	ARRAY(SELECT unnest(string_to_array(a.text, ' ')) ORDER BY 1) = ARRAY(SELECT unnest(string_to_array(b.text, ' ')) ORDER BY 1);
UPDATE example SET labels = labels || 'joy'::text WHERE text ~ 'happy|love' AND NOT 'joy' = ANY (labels);

CREATE TABLE figure AS SELECT * FROM emotion_evaluate(:'model', 'example');
SELECT scope, metric, count(*), count(value) AS defined, count(low) AS intervals FROM figure
	GROUP BY scope, metric ORDER BY scope COLLATE "C", metric COLLATE "C";

-- One row per text and label: truth, score, decision.
CREATE VIEW cell AS
SELECT e.id, n.label, n.label = ANY (e.labels) AS truth, s.score, s.score >= t.threshold AS given
FROM example AS e,
	unnest(emotion_label_names(:'model')) WITH ORDINALITY AS n (label, i),
	unnest(emotion_scores(e.text, :'model')) WITH ORDINALITY AS s (score, i),
	unnest(emotion_thresholds(:'model')) WITH ORDINALITY AS t (threshold, i)
WHERE n.i = s.i AND t.i = n.i;
CREATE TABLE counted AS
SELECT label, count(*) FILTER (WHERE truth) AS positives, count(*) FILTER (WHERE given) AS given,
	count(*) FILTER (WHERE truth AND given) AS hits, count(*) FILTER (WHERE truth = given)::float8 / count(*) AS accuracy
FROM cell GROUP BY label;
-- Pairs of a positive and a negative: how often the positive scores higher, ties one half.
CREATE TABLE auc AS
SELECT p.label, avg(CASE WHEN p.score > n.score THEN 1 WHEN p.score = n.score THEN 0.5 ELSE 0 END)::float8 AS value
FROM cell AS p JOIN cell AS n ON n.label = p.label AND p.truth AND NOT n.truth GROUP BY p.label;
-- Precision at each distinct score, weighted by the recall gained there.
CREATE TABLE ap AS
SELECT label, sum(gained * hits / below)::float8 AS value FROM (
	SELECT label, score, count(*) FILTER (WHERE truth)::float8 / sum(count(*) FILTER (WHERE truth)) OVER (PARTITION BY label) AS gained,
		sum(count(*) FILTER (WHERE truth)) OVER w AS hits, sum(count(*)) OVER w AS below
	FROM cell GROUP BY label, score WINDOW w AS (PARTITION BY label ORDER BY score DESC)) AS steps GROUP BY label;
CREATE TABLE expected AS
SELECT 'label' AS scope, label, u.metric, u.value FROM counted JOIN auc USING (label) JOIN ap USING (label),
	LATERAL (VALUES ('support', positives::float8), ('precision', coalesce(hits::float8 / nullif(given, 0), 0)),
		('recall', coalesce(hits::float8 / nullif(positives, 0), 0)), ('f1', coalesce(2 * hits::float8 / nullif(given + positives, 0), 0)),
		('accuracy', accuracy), ('roc_auc', auc.value), ('average_precision', ap.value)) AS u (metric, value)
UNION ALL
SELECT 'macro', NULL, metric, avg(value) FROM (SELECT 'roc_auc' AS metric, value FROM auc UNION ALL SELECT 'average_precision', value FROM ap
	UNION ALL SELECT 'f1', coalesce(2 * hits::float8 / nullif(given + positives, 0), 0) FROM counted) AS m GROUP BY metric
UNION ALL
SELECT 'micro', NULL, 'f1', 2 * sum(hits)::float8 / (sum(given) + sum(positives)) FROM counted
UNION ALL
SELECT 'weighted', NULL, 'f1', sum(positives * coalesce(2 * hits::float8 / nullif(given + positives, 0), 0)) / sum(positives) FROM counted
UNION ALL
SELECT 'samples', NULL, 'f1', avg(f1) FROM (SELECT coalesce(2 * count(*) FILTER (WHERE truth AND given)::float8 /
	nullif(count(*) FILTER (WHERE truth) + count(*) FILTER (WHERE given), 0), 0) AS f1 FROM cell GROUP BY id) AS s
UNION ALL
SELECT 'overall', NULL, 'hamming_loss', count(*) FILTER (WHERE truth <> given)::float8 / count(*) FROM cell
UNION ALL
SELECT 'overall', NULL, 'subset_accuracy', avg(CASE WHEN same THEN 1 ELSE 0 END) FROM (SELECT bool_and(truth = given) AS same FROM cell GROUP BY id) AS s
UNION ALL
SELECT 'overall', NULL, 'log_loss', -avg(ln(CASE WHEN truth THEN score::float8 ELSE 1 - score::float8 END)) FROM cell
UNION ALL
SELECT 'overall', NULL, 'rows', count(*) FROM example;
SELECT count(*) AS compared, count(*) FILTER (WHERE abs(f.value - e.value) < 1e-7) AS equal
FROM expected AS e LEFT JOIN figure AS f ON f.scope = e.scope AND f.metric = e.metric AND f.label IS NOT DISTINCT FROM e.label;
SELECT e.*, f.value FROM expected AS e LEFT JOIN figure AS f ON f.scope = e.scope AND f.metric = e.metric
	AND f.label IS NOT DISTINCT FROM e.label WHERE NOT coalesce(abs(f.value - e.value) < 1e-7, false);

-- Queries, a split column, other columns' names.
SELECT value FROM emotion_evaluate(:'model', 'example', '{"split_column": "split"}') WHERE metric = 'rows';
SELECT value FROM emotion_evaluate(:'model', 'example', '{"split_column": "split", "split": "train"}') WHERE metric = 'rows';
SELECT count(*) AS figures, count(*) FILTER (WHERE abs(f.value - g.value) < 1e-7) AS equal FROM figure AS f
JOIN emotion_evaluate(:'model', 'SELECT text AS body, labels AS given FROM evaluation.example ORDER BY id DESC',
	'{"text_column": "body", "label_column": "given"}') AS g
ON g.scope = f.scope AND g.metric = f.metric AND g.label IS NOT DISTINCT FROM f.label;

-- Intervals hold their figure, and the same seed gives the same.
CREATE TABLE bounded AS SELECT * FROM emotion_evaluate(:'model', 'example', '{"bootstrap": 200, "seed": 5}');
SELECT count(*) AS with_interval, count(*) FILTER (WHERE value BETWEEN low AND high AND low < high) AS held FROM bounded WHERE low IS NOT NULL;
SELECT count(*) AS differences FROM (SELECT * FROM bounded EXCEPT
	SELECT * FROM emotion_evaluate(:'model', 'example', '{"bootstrap": 200, "seed": 5}')) AS d;
SELECT count(*) > 0 AS other_seed_differs FROM (SELECT * FROM bounded EXCEPT
	SELECT * FROM emotion_evaluate(:'model', 'example', '{"bootstrap": 200, "seed": 6}')) AS d;

-- The resamples themselves: the intervals are their quantiles, with folds too.
SELECT count(*) AS with_interval, count(*) FILTER (WHERE abs(r.value - e.value) < 1e-12 AND abs(r.low - e.low) < 1e-12
	AND abs(r.high - e.high) < 1e-12) AS same FROM (VALUES ('{"bootstrap": 200, "seed": 5}'), ('{"bootstrap": 100, "folds": 2}')) AS o (options),
	LATERAL (SELECT scope, label, metric, value, percentile_cont(0.025) WITHIN GROUP (ORDER BY x) AS low,
		percentile_cont(0.975) WITHIN GROUP (ORDER BY x) AS high
		FROM emotion_evaluate_resamples(:'model', 'example', options::jsonb) AS r, unnest(resamples) AS x GROUP BY 1, 2, 3, 4) AS r
	JOIN LATERAL (SELECT * FROM emotion_evaluate(:'model', 'example', options::jsonb) WHERE low IS NOT NULL) AS e
	ON e.scope = r.scope AND e.metric = r.metric AND e.label IS NOT DISTINCT FROM r.label;
SELECT count(*) AS resamples, count(macro) AS defined, max(abs(macro - mean)) < 1e-12 AS macro_is_the_mean FROM (
	SELECT n, max(x) FILTER (WHERE scope = 'macro') AS macro, avg(x) FILTER (WHERE scope = 'label') AS mean
	FROM emotion_evaluate_resamples(:'model', 'example', '{"bootstrap": 50}') AS r, unnest(resamples) WITH ORDINALITY AS u (x, n)
	WHERE metric = 'average_precision' GROUP BY n) AS m;

-- Thresholds tuned on the rows are at least as good there as any single cut for all labels.
CREATE TABLE tuned AS SELECT * FROM emotion_tune_thresholds(:'model', 'example', '{"threshold_shrinkage": 0}');
SELECT label, positives, old_threshold = t.threshold AS old, f1 >= old_f1 AS no_worse FROM tuned
	JOIN unnest(emotion_label_names(:'model'), emotion_thresholds(:'model')) AS t (label, threshold) USING (label) ORDER BY label;
SELECT count(*) AS better_elsewhere FROM tuned JOIN (
	SELECT label, cut, 2.0 * count(*) FILTER (WHERE truth AND score >= cut) /
		nullif(count(*) FILTER (WHERE truth) + count(*) FILTER (WHERE score >= cut), 0) AS f1
	FROM cell, (SELECT DISTINCT score AS cut FROM cell) AS cuts GROUP BY label, cut) AS every USING (label)
WHERE every.f1 > tuned.f1 + 1e-9;
-- They are a new version; the old one is what it was.
SELECT (SELECT array_agg(threshold ORDER BY i) FROM tuned JOIN unnest(emotion_label_names(:'model')) WITH ORDINALITY AS n (label, i) USING (label))
	= emotion_thresholds('evaluated@2') AS published,
	emotion_thresholds('evaluated@1') = (SELECT array_agg(old_threshold ORDER BY i) FROM tuned
		JOIN unnest(emotion_label_names(:'model')) WITH ORDINALITY AS n (label, i) USING (label)) AS unchanged;
SELECT lineage ->> 'parent' AS parent, metrics ->> 'thresholds_tuned_on' AS tuned_on FROM emotion.model WHERE name = 'evaluated' AND version = 2;
SELECT bool_and(emotion_scores(text, 'evaluated@1') = emotion_scores(text, 'evaluated@2')) AS same_scores FROM example;
SELECT count(*) FROM emotion_tune_thresholds(:'model', 'example', '{"publish": false}');
SELECT max(version) FROM emotion.model WHERE name = 'evaluated';
-- Under another name, if wanted.
SELECT count(*) FROM emotion_tune_thresholds(:'model', 'example', '{"name": "other_name"}');
SELECT emotion_thresholds('other_name@1') IS NOT NULL AS published;
SELECT emotion_drop_model('other_name@1');
-- Much shrinkage: one cut for all.
SELECT count(DISTINCT round(threshold::numeric, 4)) FROM emotion_tune_thresholds(:'model', 'example', '{"threshold_shrinkage": 1e9, "publish": false}');
-- Folds: cut by cut chosen elsewhere, so not better than chosen here.
SELECT (SELECT value FROM emotion_evaluate('evaluated@2', 'example', '{"folds": 3, "threshold_shrinkage": 0}') WHERE scope = 'macro' AND metric = 'f1')
	<= (SELECT value FROM emotion_evaluate('evaluated@2', 'example') WHERE scope = 'macro' AND metric = 'f1') AS no_better;
-- They shrink as emotion_tune_thresholds does: with much of it nothing is left of a label's own cut.
SELECT bool_and(abs(f.value - g.value) < 1e-9) AS at_1e8_the_same, bool_and(abs(f.value - h.value) < 1e-9) AS at_0_the_same
FROM emotion_evaluate(:'model', 'example', '{"folds": 2, "threshold_shrinkage": 1e9}') AS f
JOIN emotion_evaluate(:'model', 'example', '{"folds": 2, "threshold_shrinkage": 1e8}') AS g USING (scope, metric)
JOIN emotion_evaluate(:'model', 'example', '{"folds": 2, "threshold_shrinkage": 0}') AS h USING (scope, metric)
WHERE scope IN ('macro', 'micro') AND metric = 'f1';
SELECT count(*) AS ranking_differs FROM (SELECT * FROM figure WHERE metric IN ('roc_auc', 'average_precision') EXCEPT
	SELECT * FROM emotion_evaluate(:'model', 'example', '{"folds": 2}')) AS d;

-- Two models on the same rows. Against itself: no difference, and no evidence of one.
SELECT metric, difference, low, high, p_value FROM emotion_compare(:'model', :'model', 'example');
SELECT c.metric, abs(c.difference - (b.value - a.value)) < 1e-7 AS as_evaluated, c.difference BETWEEN c.low AND c.high AS within,
	c.p_value < 0.05 AS clear
FROM emotion_compare(:'model', 'evaluated@2', 'example', '{"bootstrap": 500}') AS c
JOIN emotion_evaluate(:'model', 'example') AS a ON a.scope = 'macro' AND 'macro_' || a.metric = c.metric
JOIN emotion_evaluate('evaluated@2', 'example') AS b ON b.scope = 'macro' AND b.metric = a.metric;

-- The differences are those of the resamples.
SELECT c.metric, abs(percentile_cont(0.025) WITHIN GROUP (ORDER BY b.x - a.x) - c.low) < 1e-12 AND
	abs(percentile_cont(0.975) WITHIN GROUP (ORDER BY b.x - a.x) - c.high) < 1e-12 AS same
FROM (SELECT 'macro_' || metric AS metric, n, x FROM emotion_evaluate_resamples(:'model', 'example', '{"bootstrap": 100}'),
		unnest(resamples) WITH ORDINALITY AS u (x, n) WHERE scope = 'macro') AS a
	JOIN (SELECT 'macro_' || metric AS metric, n, x FROM emotion_evaluate_resamples('evaluated@2', 'example', '{"bootstrap": 100}'),
		unnest(resamples) WITH ORDINALITY AS u (x, n) WHERE scope = 'macro') AS b USING (metric, n)
	JOIN emotion_compare(:'model', 'evaluated@2', 'example', '{"bootstrap": 100}') AS c USING (metric)
GROUP BY c.metric, c.low, c.high ORDER BY c.metric;

-- Errors, each with its SQLSTATE.
\set VERBOSITY sqlstate
SELECT * FROM emotion_evaluate('nobody@1', 'example');
SELECT * FROM emotion_evaluate(:'model', 'no_such_table');
SELECT * FROM emotion_evaluate(:'model', 'DELETE FROM example');
SELECT * FROM emotion_evaluate(:'model', 'example', '{"text_column": "body"}');
SELECT * FROM emotion_evaluate(:'model', 'example', '{"label_column": "text"}');
SELECT * FROM emotion_evaluate(:'model', 'example', '{"split_column": "split", "split": "test"}');
SELECT * FROM emotion_evaluate(:'model', 'example', '{"split": "dev"}');
SELECT * FROM emotion_evaluate(:'model', 'example', '{"publish": true}');
SELECT * FROM emotion_tune_thresholds(:'model', 'example', '{"bootstrap": 10}');
SELECT * FROM emotion_tune_thresholds(:'model', 'example', '{"name": "english"}');
SELECT * FROM emotion_tune_thresholds('english@1', 'example');
SELECT * FROM emotion_compare(:'model', :'model', 'example', '{"folds": 2}');
SELECT * FROM emotion_evaluate(:'model', 'example', '{"folds": 1}');
SELECT * FROM emotion_evaluate(:'model', 'example', '{"folds": "many"}');
SELECT * FROM emotion_evaluate(:'model', 'example', '{"bootstrap": -1}');
SELECT * FROM emotion_evaluate(:'model', 'example', '{"boots": 1}');
SELECT * FROM emotion_evaluate(:'model', 'example', '[1]');
SELECT * FROM emotion_evaluate(:'model', 'SELECT NULL::text AS text, ARRAY[''joy''] AS labels');
SELECT * FROM emotion_evaluate(:'model', 'SELECT ''x'' AS text, NULL::text[] AS labels');
SELECT * FROM emotion_evaluate(:'model', 'SELECT ''x'' AS text, ARRAY[''envy''] AS labels');
SELECT * FROM emotion_tune_thresholds(:'model', 'SELECT ''x'' AS text, ARRAY[''envy''] AS labels');
SELECT * FROM emotion_compare(:'model', 'nobody@1', 'example');
SELECT * FROM emotion_compare(:'model', 'english@1', 'example');
\set VERBOSITY terse
SELECT * FROM emotion_evaluate(:'model', 'SELECT ''x'' AS text, ARRAY[''joy'', ''envy''] AS labels');
BEGIN READ ONLY;
SELECT count(*) FROM emotion_evaluate(:'model', 'example');
SELECT * FROM emotion_tune_thresholds(:'model', 'example');
ROLLBACK;
RESET search_path;
DROP SCHEMA evaluation CASCADE;
SELECT emotion_drop_model('evaluated@1'), emotion_drop_model('evaluated@2');
