-- Statistics of labels and scores: hand-worked cases, nulls, windows, drift, reports.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;
CREATE TABLE stat_row (id int, day int, labels text[], scores real[]);
INSERT INTO stat_row VALUES
	(1, 1, '{a}', '{0.5,0.25,0}'), (2, 1, '{a}', '{1,0,0}'), (3, 1, '{a,b,a}', '{0.75,0.5,0}'),
	(4, 2, '{b,c}', '{0,0.5,1}'), (5, 2, '{}', '{0.25,0.25,0.25}'), (6, 2, NULL, NULL);

-- Labels.
SELECT emotion_label_counts(labels), (emotion_cooccurrence(labels)).* FROM stat_row;
SELECT n, round(cardinality::numeric, 4) AS cardinality, round(density::numeric, 4) AS density, labelsets,
	single_labelsets, round(mean_ir::numeric, 4) AS mean_ir, max_ir, round(cvir::numeric, 4) AS cvir,
	round(scumble::numeric, 5) AS scumble, round(scumble_cv::numeric, 4) AS scumble_cv, round(tcs::numeric, 4) AS tcs
FROM (SELECT (emotion_label_stats(labels)).* FROM stat_row) AS s;
SELECT u.* FROM (SELECT (emotion_label_stats(labels)).* FROM stat_row) AS s,
	LATERAL (SELECT label, count, irlbl, round(scumble::numeric, 5) AS scumble
		FROM unnest(labels, counts, irlbl, scumble_by_label) AS u (label, count, irlbl, scumble)) AS u;
SELECT id, round(emotion_scumble(labels, s)::numeric, 5) AS scumble
FROM stat_row, (SELECT emotion_label_stats(labels) AS s FROM stat_row) AS x ORDER BY id;
SELECT emotion_scumble('{a,d}', emotion_label_stats(labels)) FROM stat_row;

-- No rows, no labels, one label.
SELECT emotion_label_counts(labels), emotion_cooccurrence(labels), emotion_label_stats(labels), emotion_label_state(labels)
FROM stat_row WHERE labels IS NULL;
SELECT emotion_label_counts(labels), emotion_cooccurrence(labels), emotion_label_stats(labels) FROM stat_row WHERE id = 5;
SELECT emotion_label_stats(labels) FROM stat_row WHERE id = 1;
SELECT emotion_label_counts('{a,NULL}'::text[]);
SELECT emotion_label_counts(ARRAY[['b', 'a'], ['c', 'a']]);
SELECT emotion_label_counts(ARRAY['', ' ', 'ä', 'a"b', 'a'',b']);

-- States a day, and the days together.
CREATE TABLE stat_day AS SELECT day, emotion_label_state(labels) AS state FROM stat_row GROUP BY day;
SELECT emotion_label_stats(state) = (SELECT emotion_label_stats(labels) FROM stat_row) AS stats,
	emotion_label_counts(state) = (SELECT emotion_label_counts(labels) FROM stat_row) AS counts,
	emotion_cooccurrence(state) = (SELECT emotion_cooccurrence(labels) FROM stat_row) AS together
FROM stat_day;
SELECT emotion_label_counts(state || '\x00'::bytea) FROM stat_day;
SELECT emotion_label_counts('\x'::bytea);
SELECT emotion_label_counts(state) FROM (SELECT emotion_label_state(state) AS state FROM stat_day) AS merged;

-- Windows.
SELECT id, emotion_label_counts(labels) OVER w AS counts, (emotion_label_stats(labels) OVER w).labelsets,
	emotion_avg(scores) OVER w AS mean
FROM stat_row WINDOW w AS (ORDER BY id ROWS 1 PRECEDING) ORDER BY id;

-- Scores.
SELECT day, emotion_avg(scores) FROM stat_row GROUP BY day ORDER BY day;
SELECT emotion_avg(scores) FROM stat_row WHERE id = 6;
SELECT emotion_avg('{}'::real[]);
SELECT emotion_avg(s) FROM (VALUES ('{1,2}'::real[]), ('{1}')) AS t (s);
SELECT emotion_avg('{1,NULL}'::real[]);
SELECT emotion_avg('{1,NaN}'::real[]);
SELECT emotion_avg('{{1,2}}'::real[]);

-- Metrics.
SELECT "rows", micro_precision, micro_recall, micro_f1, macro_f1, weighted_f1, samples_f1, hamming_loss, subset_accuracy,
	macro_roc_auc, labels_with_roc_auc
FROM (SELECT (emotion_metrics(labels, scores, '{a,b,c}')).* FROM stat_row) AS m;
SELECT u.* FROM (SELECT (emotion_metrics(labels, scores, '{a,b,c}', '{0.7,0.3,0.5}')).* FROM stat_row) AS m,
	LATERAL unnest(labels, thresholds, support, predicted, label_precision, label_recall, label_f1, label_roc_auc,
		label_average_precision)
	AS u (label, threshold, support, predicted, "precision", recall, f1, auc, ap);
SELECT u.* FROM (SELECT (emotion_metrics(labels, scores, '{a,b,c}')).* FROM stat_row WHERE id <= 2) AS m,
	LATERAL unnest(labels, label_f1, label_roc_auc, label_average_precision) AS u (label, f1, auc, ap);
SELECT emotion_metrics(labels, scores, '{a,b,c}') IS NULL AS none FROM stat_row WHERE id = 6;
SELECT emotion_metrics(labels, scores, '{a,b}') FROM stat_row;
SELECT emotion_metrics(labels, scores, '{a,b,d}') FROM stat_row;
SELECT emotion_metrics(labels, scores, '{a,b,a}') FROM stat_row;
SELECT emotion_metrics(labels, scores, ARRAY['a', 'b', 'c' || CASE id WHEN 5 THEN 'x' ELSE '' END]) FROM stat_row;
SELECT emotion_metrics(labels, scores, '{a,b,c}', '{0.5,0.5}') FROM stat_row;
SELECT emotion_metrics(labels, '{0.5,0.5,1.5}', '{a,b,c}') FROM stat_row;
SELECT emotion_metrics(labels, scores, NULL) FROM stat_row;

-- Drift.
SELECT round(jensen_shannon::numeric, 6) AS js, round(population_stability::numeric, 6) AS psi,
	round(chi_square::numeric, 6) AS chi_square, round(p_value::numeric, 6) AS p, largest_change, largest_change_label
FROM (VALUES ('{"a":10,"b":10}'::jsonb, '{"a":10,"b":10}'::jsonb), ('{"a":10,"b":10}', '{"a":20,"b":20}'),
	('{"a":60,"b":40}', '{"a":45,"b":55}'), ('{"a":7}', '{"b":7}'), ('{"a":30,"b":20,"c":50}', '{"c":10,"b":10,"a":10}'),
	('{"a":1,"z":0}', '{"a":9}')) AS t (p, q), emotion_drift(p, q);
SELECT emotion_drift('{}', '{"a":1}') IS NULL AS a, emotion_drift('{"a":1}', '{"a":0}') IS NULL AS b,
	emotion_drift(NULL, '{"a":1}') IS NULL AS c;
SELECT emotion_drift('[1]', '{"a":1}');
SELECT emotion_drift('{"a":-1}', '{"a":1}');
SELECT emotion_drift('{"a":"1"}', '{"a":1}');

-- Reports.
SELECT label, count, round(share::numeric, 3) AS share, irlbl, round(other_labels::numeric, 3) AS others, often_with,
	often_with_count, round(scumble::numeric, 5) AS scumble
FROM emotion_label_report('stat_row');
SELECT label, count FROM emotion_label_report('SELECT labels AS tags FROM stat_row WHERE id < 4;', '{"label_column": "tags"}');
SELECT count(*) FROM emotion_label_report('SELECT labels FROM stat_row WHERE labels IS NULL');
SELECT count(*) FROM emotion_label_report('SELECT labels FROM stat_row WHERE id = 5');
SELECT * FROM emotion_label_report('no_such_table');
SELECT * FROM emotion_label_report('stat_row', '{"label_column": "scores"}');
SELECT * FROM emotion_label_report('stat_row', '{"colour": "red"}');
\pset format unaligned
SELECT emotion_label_report_svg('SELECT ARRAY[''<x>''] AS labels', NULL, '{"title": "a < b & c"}');
\pset format aligned
SELECT length(emotion_label_report_svg('stat_row', 'SELECT * FROM stat_row WHERE day = 1')) > 2000 AS drawn,
	length(emotion_label_report_svg('SELECT labels FROM stat_row WHERE labels IS NULL')) > 100 AS empty,
	emotion_label_report_svg(NULL) IS NULL AS none;
DROP TABLE stat_row, stat_day;

-- Agreement.
CREATE TABLE stat_vote (id int, annotator int, label text);
INSERT INTO stat_vote SELECT id, a, (string_to_array(votes, ','))[a]
FROM (VALUES (1, 'x,x,x,x'), (2, 'x,x,x,y'), (3, 'y,y,y,y'), (4, 'y,y,z,z'), (5, 'z,z,z,z'), (6, 'z,z,z,x')) AS v (id, votes),
	generate_series(1, 4) AS a;
-- they agree on 3 of 6; chance: (2*2 + 2*2 + 2*2) / 36 = 1/3
SELECT emotion_kappa(a.label, b.label) FROM stat_vote AS a JOIN stat_vote AS b USING (id) WHERE a.annotator = 1 AND b.annotator = 4;
-- P_e = (8*8 + 7*7 + 9*9) / 24^2, mean P_i = (1 + 1/2 + 1 + 1/3 + 1 + 1/2) / 6
SELECT round(emotion_fleiss_kappa(votes)::numeric, 10) AS fleiss,
	round(((4.0 + 1.0 / 3) / 6 - 194.0 / 576) / (1 - 194.0 / 576), 10) AS by_hand
FROM (SELECT array_agg(label) AS votes FROM stat_vote GROUP BY id) AS v;
-- D_o = 1 - 4 * 13/3 / 24, D_e = (24^2 - 194) / (24 * 23)
SELECT round(emotion_krippendorff_alpha(votes)::numeric, 10) AS alpha,
	round(1 - (1 - 4 * (13.0 / 3) / 24) / ((576 - 194) / (24.0 * 23)), 10) AS by_hand
FROM (SELECT array_agg(label) AS votes FROM stat_vote GROUP BY id) AS v;
SELECT emotion_krippendorff_alpha(votes) = 1 AS missing FROM (VALUES ('{a,NULL,a}'::text[]), ('{b,b}'), ('{c}'), (NULL), ('{}')) AS v (votes);
SELECT emotion_kappa('a', NULL), emotion_kappa('a', 'a'), emotion_fleiss_kappa(NULL), emotion_krippendorff_alpha('{a,a}');
SELECT emotion_fleiss_kappa(votes) FROM (VALUES ('{a,b}'::text[]), ('{a,a,b}')) AS v (votes);
SELECT emotion_fleiss_kappa('{a}');
SELECT id, emotion_kappa(a, b) OVER (ORDER BY id ROWS 1 PRECEDING)
FROM (VALUES (1, 'x', 'x'), (2, 'y', 'y'), (3, 'x', 'y'), (4, 'y', 'x')) AS v (id, a, b) ORDER BY id;
DROP TABLE stat_vote;
