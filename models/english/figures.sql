-- The model card's tables, in Markdown. Variables: model, the one that ships; trained, the same before
-- calibration. Run where sentences.tsv and steps.tsv are.
\set evaluated '{"split_column": "split", "folds": 2, "bootstrap": 1000}'
\set crossed '{"split_column": "split", "folds": 2}'
SET client_min_messages = warning;

CREATE TEMPORARY TABLE figure AS SELECT * FROM emotion_evaluate(:'model', 'goemotions', :'evaluated');
CREATE TEMPORARY TABLE calibration AS SELECT * FROM emotion_calibration_error(:'trained', 'goemotions', :'crossed');
CREATE TEMPORARY TABLE support AS SELECT label, count(*) FILTER (WHERE split = 'train') AS train, count(*) FILTER (WHERE split = 'dev') AS dev
	FROM goemotions, unnest(labels) AS label GROUP BY label;
CREATE TEMPORARY TABLE by_label AS
SELECT label, train, dev, max(value) FILTER (WHERE metric = 'precision') AS "precision", max(value) FILTER (WHERE metric = 'recall') AS recall,
	max(value) FILTER (WHERE metric = 'f1') AS f1, max(low) FILTER (WHERE metric = 'f1') AS f1_low, max(high) FILTER (WHERE metric = 'f1') AS f1_high,
	max(value) FILTER (WHERE metric = 'roc_auc') AS auc, max(low) FILTER (WHERE metric = 'roc_auc') AS auc_low, max(high) FILTER (WHERE metric = 'roc_auc') AS auc_high,
	max(value) FILTER (WHERE metric = 'average_precision') AS ap
FROM figure JOIN support USING (label) WHERE scope = 'label' GROUP BY label, train, dev;
CREATE FUNCTION pg_temp.shown(value float8, digits int) RETURNS text LANGUAGE sql IMMUTABLE AS
	'SELECT coalesce(round(value::numeric, digits)::text, '''')';
CREATE FUNCTION pg_temp.shown(low float8, high float8, digits int) RETURNS text LANGUAGE sql IMMUTABLE AS
	'SELECT coalesce(round(low::numeric, digits) || '' to '' || round(high::numeric, digits), '''')';
-- Text in a table's cell.
CREATE FUNCTION pg_temp.cell(body text) RETURNS text LANGUAGE sql IMMUTABLE AS
	$$SELECT regexp_replace(body, '([|\\`*_<>#])', '\\\1', 'g')$$;

SELECT '| figure | value | 95 % interval |';
SELECT '|---|---|---|';
SELECT format('| %s | %s | %s |', name, pg_temp.shown(value, 4), pg_temp.shown(low, high, 4))
FROM (VALUES (1, 'macro ROC-AUC', 'macro', 'roc_auc'), (2, 'macro average precision', 'macro', 'average_precision'),
	(3, 'macro F1', 'macro', 'f1'), (4, 'macro precision', 'macro', 'precision'), (5, 'macro recall', 'macro', 'recall'),
	(6, 'micro F1', 'micro', 'f1'), (7, 'weighted F1', 'weighted', 'f1'), (8, 'F1 by text', 'samples', 'f1'),
	(9, 'texts with exactly the right labels', 'overall', 'subset_accuracy'),
	(10, 'Hamming loss', 'overall', 'hamming_loss')) AS v (place, name, scope, metric)
JOIN figure USING (scope, metric) ORDER BY place;

\echo
\echo '### By label'
\echo
\echo 'Texts of train and dev that have the label; the rest on dev.'
\echo
SELECT '| label | train | dev | precision | recall | F1 | 95 % interval | ROC-AUC | 95 % interval | average precision |';
SELECT '|---|---|---|---|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |', label, train, dev, pg_temp.shown("precision", 3), pg_temp.shown(recall, 3),
	pg_temp.shown(f1, 3), pg_temp.shown(f1_low, f1_high, 3), pg_temp.shown(auc, 3), pg_temp.shown(auc_low, auc_high, 3), pg_temp.shown(ap, 3))
FROM by_label ORDER BY train DESC, label;
\echo
SELECT format('The %s labels with fewer than 500 training texts (F1 and interval: %s) have a mean F1 of %s and a mean average '
	'precision of %s.', count(*), string_agg(format('%s %s, %s', label, pg_temp.shown(f1, 2), pg_temp.shown(f1_low, f1_high, 2)), '; ' ORDER BY train),
	pg_temp.shown(avg(f1), 3), pg_temp.shown(avg(ap), 3))
FROM by_label WHERE train < 500;

\echo
\echo '## Calibration'
\echo
\echo 'Of the texts scored 0.3, about three in ten should have the label. Each half of dev is calibrated by the'
\echo 'other half; the model that ships is calibrated on all of it. The expected calibration error is the mean distance'
\echo 'of score and share in 15 bins.'
\echo
SELECT '| | as trained | calibrated |';
SELECT '|---|---|---|';
SELECT format('| %s | %s | %s |', name, pg_temp.shown(before, 4), pg_temp.shown(after, 4))
FROM (SELECT max(calibration_error) FILTER (WHERE label IS NULL), max(calibrated_error) FILTER (WHERE label IS NULL),
		avg(calibration_error) FILTER (WHERE label IS NOT NULL), avg(calibrated_error) FILTER (WHERE label IS NOT NULL),
		avg(equal_count_error) FILTER (WHERE label IS NOT NULL), avg(calibrated_equal_count_error) FILTER (WHERE label IS NOT NULL),
		max(brier) FILTER (WHERE label IS NULL), max(calibrated_brier) FILTER (WHERE label IS NULL),
		max(log_loss) FILTER (WHERE label IS NULL), max(calibrated_log_loss) FILTER (WHERE label IS NULL)
	FROM calibration) AS c (e1, e2, m1, m2, q1, q2, b1, b2, l1, l2),
	LATERAL (VALUES (1, 'calibration error, all labels together', e1, e2), (2, 'calibration error, mean over labels', m1, m2),
		(3, 'the same in bins of equal count', q1, q2), (4, 'Brier score', b1, b2), (5, 'log loss', l1, l2)) AS v (place, name, before, after)
ORDER BY place;
\echo
SELECT 'Furthest off when calibrated: ' || string_agg(format('%s %s (as trained %s)', label, pg_temp.shown(calibrated_error, 3), pg_temp.shown(calibration_error, 3)),
	', ' ORDER BY calibrated_error DESC) || '.'
FROM (SELECT * FROM calibration WHERE label IS NOT NULL ORDER BY calibrated_error DESC LIMIT 5) AS worst;
\echo
\echo '![Reliability diagram of all labels together and of each](calibration.svg)'

CREATE TEMPORARY TABLE step (step text, change text, macro_auc float8, auc_low float8, auc_high float8, macro_ap float8, macro_f1 float8,
	f1_low float8, f1_high float8, difference float8, difference_low float8, difference_high float8);
\copy step FROM 'steps.tsv' WITH (FORMAT csv, DELIMITER E'\t', HEADER, QUOTE E'\x01')
SELECT count(*) > 0 AS has_steps FROM step \gset
\if :has_steps
\echo
\echo '## Steps'
\echo
\echo 'What each change to the training brought, measured as above; the last column is what macro ROC-AUC gained over the step before,'
\echo 'by paired bootstrap.'
\echo
SELECT '| step | change | macro ROC-AUC | 95 % interval | average precision | macro F1 | 95 % interval | gain | 95 % interval |';
SELECT '|---|---|---|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s | %s | %s | %s |', pg_temp.cell(step), pg_temp.cell(change), pg_temp.shown(macro_auc, 4), pg_temp.shown(auc_low, auc_high, 4),
	pg_temp.shown(macro_ap, 4), pg_temp.shown(macro_f1, 4), pg_temp.shown(f1_low, f1_high, 4), pg_temp.shown(difference, 4),
	pg_temp.shown(difference_low, difference_high, 4)) FROM step ORDER BY ctid;
\endif

CREATE TEMPORARY TABLE sentence (id int, kind text, sentence text, expected text);
\copy sentence FROM 'sentences.tsv' WITH (FORMAT csv, DELIMITER E'\t', HEADER, QUOTE E'\x01')
CREATE TEMPORARY TABLE answer AS
SELECT s.*, string_to_array(expected, ',') AS wanted, emotion_labels(sentence, :'model') AS given,
	(SELECT string_agg(format('%s %s', label, round(score::numeric, 2)), ', ' ORDER BY score DESC)
		FROM emotion_top(sentence, 28, :'model') WHERE label = ANY (emotion_labels(sentence, :'model'))) AS scored,
	(SELECT string_agg(token, ' · ' ORDER BY weight DESC) FROM (
		SELECT token, weight FROM emotion_explain(sentence, :'model') ORDER BY weight DESC LIMIT 3) AS t) AS words
FROM sentence AS s;
\echo
\echo '## Sentences'
\echo
SELECT format('%s sentences written for this card, none of them from the data; %s get a label that a reader would expect, **%s** do not. '
	'Words are the three of most attention.', count(*), count(*) FILTER (WHERE given && wanted), count(*) FILTER (WHERE NOT given && wanted))
FROM answer;
SELECT 'By kind: ' || string_agg(format('%s %s of %s', kind, good, n), ', ' ORDER BY first) || '.'
FROM (SELECT kind, count(*) FILTER (WHERE given && wanted) AS good, count(*) AS n, min(id) AS first FROM answer GROUP BY kind) AS k;
\echo
SELECT '| kind | sentence | expected, any of | given | words | |';
SELECT '|---|---|---|---|---|---|';
SELECT format('| %s | %s | %s | %s | %s | %s |', kind, pg_temp.cell(sentence), replace(expected, ',', ', '), coalesce(scored, 'none'), coalesce(pg_temp.cell(words), ''),
	CASE WHEN given && wanted THEN '' ELSE '**missed**' END)
FROM answer ORDER BY id;
