-- Statistics of labels and scores: golden values of real data, undefined figures, and states that
-- somebody made up.
\set data `[ -r "$EMOTION_DATA/goemotions/train.tsv" ] && echo yes || echo no`
SELECT :'data' = 'yes' AS have_data \gset
BEGIN;
SELECT plan(98);

-- What is there, and that planners may use it in parallel.
SELECT is(count(*), 15::bigint, 'there are ' || count(*) || ' aggregates')
FROM pg_aggregate JOIN pg_proc ON pg_proc.oid = aggfnoid
WHERE proname ~ '^emotion_(avg|label_|cooccurrence|metrics|kappa|fleiss|krippendorff)';
SELECT is_empty($$SELECT aggfnoid::regprocedure FROM pg_aggregate JOIN pg_proc ON pg_proc.oid = aggfnoid
	WHERE proname ~ '^emotion_' AND (proparallel <> 's' OR aggcombinefn = 0)$$, 'all are parallel and have combine functions');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid
	AND d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	JOIN pg_extension AS e ON e.oid = d.refobjid AND extname = 'emotion'
	WHERE obj_description(p.oid, 'pg_proc') IS NULL$$, 'every function is described');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid
	AND d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	JOIN pg_extension AS e ON e.oid = d.refobjid AND extname = 'emotion'
	WHERE (p.proname ~ '_(accum|remove|merge|combine|serialize|deserialize|final)$' OR 'internal'::regtype = ANY (p.proargtypes))
		AND (p.pronamespace <> 'emotion'::regnamespace OR NOT has_function_privilege('public', p.oid, 'EXECUTE'))$$,
	'what only aggregates call is out of sight, and anybody''s aggregates may');

-- Golden values: Charte's measures of the official splits.
\if :have_data
\set labels `paste -sd, "$EMOTION_DATA/goemotions/labels.txt"`
\set train `cut -f2 "$EMOTION_DATA/goemotions/train.tsv" | paste -sd ';'`
\set dev `cut -f2 "$EMOTION_DATA/goemotions/dev.tsv" | paste -sd ';'`
CREATE TEMPORARY TABLE golden AS
SELECT split, (SELECT array_agg(split_part(:'labels', ',', n::int + 1) ORDER BY ordinality)
	FROM unnest(string_to_array(ids, ',')) WITH ORDINALITY AS u (n)) AS labels
FROM (VALUES ('train', :'train'), ('dev', :'dev')) AS v (split, content), LATERAL unnest(string_to_array(content, ';')) AS ids;
CREATE TEMPORARY TABLE measured AS SELECT split, (emotion_label_stats(labels)).* FROM golden GROUP BY split;
SELECT results_eq(format($$SELECT n, round(cardinality::numeric, 4), round(density::numeric, 5), round(mean_ir::numeric, 2),
	round(max_ir::numeric, 2), round(cvir::numeric, 4), round(scumble::numeric, 5), labelsets, single_labelsets
	FROM measured WHERE split = %L$$, split), expected, split || ' has the measures an independent program printed')
FROM (VALUES ('train', $$VALUES (43410::bigint, 1.1772, 0.04204, 28.30, 184.66, 1.5234, 0.02149, 711::bigint, 308::bigint)$$),
	('dev', $$VALUES (5426::bigint, 1.1758, 0.04199, 26.39, 135.85, 1.3789, 0.02128, 296::bigint, 133::bigint)$$)) AS v (split, expected);
SELECT is((SELECT array_agg(label ORDER BY count DESC) FROM measured, unnest(labels, counts, irlbl) AS u (label, count, ir)
	WHERE split = 'train' AND ir > mean_ir), '{embarrassment,nervousness,relief,pride,grief}',
	'five labels are rarer than the mean');
SELECT is((SELECT array_agg(count ORDER BY count DESC) FROM measured, unnest(counts, irlbl) AS u (count, ir)
	WHERE split = 'train' AND ir > mean_ir), '{303,164,153,111,77}', 'with the counts that were published');
SELECT is((SELECT count FROM emotion_label_report('SELECT labels FROM golden WHERE split = ''train''') WHERE label = 'grief'),
	77::bigint, 'a report says so too');
\else
SELECT skip('EMOTION_DATA/goemotions is not here', 5);
\endif

-- Agreement of the annotators of the LLM-written texts, on the label that each gave first.
\set votes `[ -r "$EMOTION_DATA/llm/votes.tsv" ] && cut -f1,3 "$EMOTION_DATA/llm/votes.tsv" | tr '\t' ':' | paste -sd ';'`
SELECT :'votes' <> '' AS have_votes \gset
\if :have_votes
CREATE TEMPORARY TABLE ballot AS SELECT array_agg(split_part(split_part(vote, ':', 2), ',', 1)) AS votes
FROM unnest(string_to_array(:'votes', ';')) AS vote GROUP BY split_part(vote, ':', 1);
SELECT unnest(ARRAY[is(round(emotion_fleiss_kappa(votes)::numeric, 6), 0.967601, 'Fleiss'' kappa is what an independent program printed'),
	is(round(emotion_krippendorff_alpha(votes)::numeric, 4), 0.9676, 'Krippendorff''s alpha is next to it')])
FROM ballot;
\else
SELECT skip('EMOTION_DATA/llm/votes.tsv is not here', 2);
\endif

-- Rows whose arrays were seen before are counted by their bytes: the same as by their elements, whether
-- few arrays repeat or thousands hardly do, however long they are and however they are stored.
CREATE TEMPORARY TABLE repeated AS SELECT i AS id, CASE
	WHEN kind = 'few' THEN ARRAY['l' || i % 3, 'l' || i % 7, 'l' || i % 2]
	WHEN kind = 'many' THEN ARRAY['l' || i * 7919 % 5003, 'm' || i * 31 % 89]
	WHEN kind = 'long' THEN ARRAY(SELECT 'label number ' || n FROM generate_series(i % 5, 60) AS n)
	ELSE ('[' || i % 4 || ':' || i % 4 + 1 || ']={l' || i % 2 || ',l3}')::text[] END AS labels, kind
FROM generate_series(1, 12000) AS i, unnest('{few,many,long,bounds}'::text[]) AS kind WHERE kind <> 'long' OR i < 400;
SELECT results_eq(format($$SELECT l, (emotion_label_counts(labels) ->> l)::bigint FROM repeated, (SELECT DISTINCT unnest(labels) AS l
		FROM repeated WHERE kind = %1$L) AS d WHERE kind = %1$L GROUP BY l ORDER BY l COLLATE "C"$$, kind),
	format($$SELECT l, count(DISTINCT id) FROM repeated, unnest(labels) AS l WHERE kind = %L GROUP BY l ORDER BY l COLLATE "C"$$, kind),
	kind || ' arrays: a count per label')
FROM unnest('{few,long,bounds}'::text[]) AS kind;
SELECT is((emotion_label_stats(labels)).labelsets, (SELECT count(DISTINCT sorted) FROM repeated, LATERAL
		(SELECT array_agg(DISTINCT l COLLATE "C" ORDER BY l COLLATE "C") AS sorted FROM unnest(labels) AS l) AS s),
	'all together: as many label sets as there are') FROM repeated;
SELECT is((SELECT array_agg(n ORDER BY id) FROM (SELECT id, (emotion_label_stats(labels) OVER w).labelsets AS n FROM repeated
		WHERE kind = 'few' AND id <= 200 WINDOW w AS (ORDER BY id ROWS 30 PRECEDING)) AS x),
	(SELECT array_agg(n ORDER BY id) FROM (SELECT id, count(DISTINCT (SELECT array_agg(DISTINCT l ORDER BY l)
			FROM unnest(ARRAY[i % 3, i % 7, i % 2]) AS l)) AS n
		FROM generate_series(1, 200) AS id, LATERAL generate_series(greatest(id - 30, 1), id) AS i GROUP BY id) AS x),
	'and in a window that moves');

-- Undefined is null, not NaN.
SELECT unnest(ARRAY[is((s).density, NULL, 'without labels there is no density'), is((s).mean_ir, NULL, 'nor imbalance'),
	is((s).cardinality, 0::float8, 'but a cardinality'), is((s).labels, '{}', 'of no labels')])
FROM (SELECT emotion_label_stats(labels) AS s FROM (VALUES ('{}'::text[]), ('{}')) AS t (labels)) AS x;
SELECT unnest(ARRAY[is((s).cvir, NULL, 'one label does not vary'), is((s).scumble_cv, NULL, 'nor does no entanglement')])
FROM (SELECT emotion_label_stats(labels) AS s FROM (VALUES ('{a}'::text[]), ('{a}')) AS t (labels)) AS x;
SELECT unnest(ARRAY[is((m).macro_roc_auc, NULL, 'no ROC-AUC of one class'), is((m).labels_with_roc_auc, 0, 'and it is said of how many'),
	is((m).label_roc_auc, ARRAY[NULL]::float8[], 'per label too')])
FROM (SELECT emotion_metrics('{a}'::text[], '{0.5}'::real[], '{a}'::text[]) AS m) AS x;

-- Two statistics in one query share their state, so neither may change it.
SELECT unnest(ARRAY[is(emotion_label_counts(l), '{"a": 2, "b": 1}'::jsonb, 'counts'), is((emotion_cooccurrence(l)).counts, '{{2,1},{1,1}}', 'pairs'),
	is((emotion_label_stats(l)).labelsets, 2::bigint, 'sets'), is(emotion_label_counts(l), '{"a": 2, "b": 1}'::jsonb, 'counts again')])
FROM (VALUES ('{a,b}'::text[]), ('{a}')) AS t (l);

-- Entanglement of a row.
SELECT unnest(ARRAY[is(emotion_scumble('{}', s), 0::float8, 'no labels'), is(emotion_scumble('{a}', s), 0::float8, 'one label'),
	is(round(emotion_scumble('{b,a,b}', s)::numeric, 6), round((1 - sqrt(4) / 2.5)::numeric, 6), 'two labels, a count of 4 and of 1'),
	is(emotion_scumble(NULL, s), NULL, 'null')])
FROM (SELECT emotion_label_stats(l) AS s FROM (VALUES ('{a}'::text[]), ('{a}'), ('{a}'), ('{a,b}')) AS t (l)) AS x;
SELECT throws_ok($$SELECT emotion_scumble('{c}', emotion_label_stats('{a}'::text[]))$$, '22023', 'label "c" is not in the statistics of labels',
	'an unknown label is refused');
CREATE FUNCTION pg_temp.made_up(labels text[], irlbl float8[]) RETURNS emotion_label_statistics LANGUAGE sql
	AS 'SELECT ROW(1,1,1,1,1,1,1,1,1,1,1,$1,''{1}''::int8[],$2,''{0}''::float8[])::emotion_label_statistics';
SELECT throws_ok(format($$SELECT emotion_scumble('{a}', pg_temp.made_up(%L, %L))$$, labels, irlbl), state, NULL,
	format('made-up statistics %s %s are refused', labels, irlbl))
FROM (VALUES ('{a,b}', '{1}', '22023'), ('{a}', '{NULL}', '22023'), ('{a}', '{NaN}', '22023'), ('{a}', '{Infinity}', '22023'),
	('{a}', '{0.5}', '22023'), ('{a}', '{-1}', '22023'), ('{a,a}', '{1,1}', '22023'), ('{NULL}', '{1}', '22004'),
	(NULL, '{1}', '22004'), ('{a}', NULL, '22004')) AS v (labels, irlbl, state);

-- States of labels as bytes: cut short anywhere, with any byte changed, or with lies in them.
CREATE TEMPORARY TABLE whole AS SELECT emotion_label_state(l) AS state
FROM (VALUES ('{a,bé}'::text[]), ('{a}'), ('{}'), ('{bé}')) AS t (l);
CREATE FUNCTION pg_temp.outcome(state bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM emotion_label_stats(state), emotion_label_counts(state), emotion_cooccurrence(state), emotion_label_state(state);
	RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SELECT is(pg_temp.outcome(state), 'taken', 'a state is taken back') FROM whole;
SELECT is(array_agg(DISTINCT pg_temp.outcome(substr(state, 1, n))), '{XX001}', 'cut short anywhere it is refused')
FROM whole, generate_series(0, octet_length(state) - 1) AS n GROUP BY state;
SELECT is(pg_temp.outcome(state || '\x00'), 'XX001', 'and with a byte more') FROM whole;
SELECT ok(array_agg(DISTINCT pg_temp.outcome(set_byte(state, n, get_byte(state, n) # x))) <@ '{taken,XX001}',
	'with any byte changed it is refused or read as another')
FROM whole, generate_series(0, octet_length(state) - 1) AS n, (VALUES (1), (128), (255)) AS v (x);
CREATE FUNCTION pg_temp.lie(hex text) RETURNS bytea LANGUAGE sql AS $$SELECT '\x456d4c6201'::bytea || decode(replace(hex, ' ', ''), 'hex')$$;
SELECT is(pg_temp.outcome(pg_temp.lie(hex)), 'XX001', 'refused: ' || what)
FROM (VALUES ('ffffffff', 'four billion labels'), ('00000001 ffffffff 61', 'a label of four gigabytes'),
	('00000001 00000001 61 ffffffffffffffff', 'more sets than there can be'),
	('00000001 00000001 ff 0000000000000000', 'a label that is no text'), ('00000001 00000001 00 0000000000000000', 'a label with a zero byte'),
	('00000002 00000001 61 00000001 61 0000000000000000', 'a label twice'),
	('00000001 00000001 61 0000000000000001 0000000000000000 00000001 00000000', 'a set without rows'),
	('00000001 00000001 61 0000000000000001 ffffffffffffffff 00000001 00000000', 'a negative number of rows'),
	('00000001 00000001 61 0000000000000002 7fffffffffffffff 00000001 00000000 0000000000000001 00000000', 'rows that do not fit'),
	('00000001 00000001 61 0000000000000001 0000000000000001 00000001 00000001', 'an unknown label'),
	('00000001 00000001 61 0000000000000001 0000000000000001 ffffffff 00000000', 'a set of four billion labels'),
	('00000002 00000001 61 00000001 62 0000000000000001 0000000000000001 00000002 00000001 00000000', 'labels that fall'),
	('00000002 00000001 61 00000001 62 0000000000000001 0000000000000001 00000002 00000001 00000001', 'a label twice in a set'),
	('00000001 00000001 61 0000000000000002 0000000000000001 00000001 00000000 0000000000000001 00000001 00000000', 'a set twice'))
	AS v (hex, what);
SELECT is(pg_temp.outcome('\x456d4c62020000000000000000000000'), 'XX001', 'refused: a later version');
SELECT is(pg_temp.outcome(pg_temp.lie('00000000 0000000000000000')), 'taken', 'the state of no rows is taken');
SELECT throws_ok($$SELECT emotion_label_counts(s) FROM (VALUES (pg_temp.lie('00000001 00000001 61 0000000000000001 7fffffffffffffff 00000001 00000000'))) AS a (s), generate_series(1, 2)$$,
	'54000', NULL, 'rows of two states that together do not fit are refused');

-- States of metrics are internal: a function that says otherwise of itself hands ours any bytes.
CREATE FUNCTION pg_temp.read_metrics(state bytea, dummy text) RETURNS bytea LANGUAGE c STRICT
	AS '$libdir/emotion', 'emotion_metrics_deserialize';
CREATE FUNCTION pg_temp.metrics_outcome(hex text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE AGGREGATE pg_temp.read_state(text) (SFUNC = pg_temp.read_metrics, STYPE = bytea, INITCOND = %L)',
		'\x456d4d6501' || replace(hex, ' ', ''));
	PERFORM pg_temp.read_state('');
	RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SELECT is(pg_temp.metrics_outcome(hex), 'XX001', 'metrics refused: ' || what)
FROM (VALUES ('', 'nothing'), ('00000000 0000000000000000', 'no labels'), ('ffffffff', 'four billion labels'),
	('00000001 00000001 61 7fc00000 0000000000000000', 'a threshold that is not a number'),
	('00000002 00000001 61 00000000 00000001 61 00000000 0000000000000000', 'a label twice'),
	('00000001 00000001 61 3f000000 ffffffffffffffff', 'more rows than there can be'),
	('00000001 00000001 61 3f000000 0000000000000001 3f000000', 'no truth'),
	('00000001 00000001 61 3f000000 0000000000000001 7fc00000 00', 'a score that is not a number'),
	('00000001 00000001 61 3f000000 0000000000000001 40000000 00', 'a score over 1'),
	('00000001 00000001 61 3f000000 0000000000000001 3f000000 02', 'a truth of 2'),
	('00000001 00000001 61 3f000000 0000000000000001 3f000000 01 00', 'a byte more')) AS v (hex, what);

-- Sums of scores are exact, whatever comes in between; where they are not, a window starts anew.
SELECT is(emotion_avg(ARRAY[x]), ARRAY[(1e-7::real::float8 / 3)::real], 'a small score is not lost beside large ones')
FROM (VALUES (16777216::real), (1e-7), (-16777216)) AS t (x);
SELECT is((SELECT array_agg(m ORDER BY i) FROM (SELECT i, (emotion_avg(ARRAY[x]) OVER (ORDER BY i ROWS 1 PRECEDING))[1] AS m
	FROM (VALUES (1, 1e38::real), (2, 1e-38), (3, 1e-38), (4, 2e-38)) AS t (i, x)) AS w), '{1e38,5e37,1e-38,1.5e-38}',
	'nor once a large one has left the window');

-- States of means are arrays, which anybody can write.
SELECT throws_ok(format($$SELECT emotion.emotion_avg_final(%L)$$, state), 'XX001', NULL, 'mean refused: ' || what)
FROM (VALUES ('{}', 'nothing'), ('{1}', 'too little'), ('{1,0,1}', 'half a sum'), ('{-1,0,1,0}', 'rows below 0'), ('{NaN,0,1,0}', 'rows NaN'),
	('{1.5,0,1,0}', 'half a row'), ('{1e300,0,1,0}', 'too many rows'), ('{1,2,1,0}', 'no truth value'), ('{1,NaN,1,0}', 'NaN for one'),
	('{1,0,NaN,0}', 'sum NaN'), ('{1,0,1,Infinity}', 'sum infinite'), ('{1,0,NULL,0}', 'null'), ('{{1,0},{1,0}}', 'two dimensions')) AS v (state, what);
SELECT throws_ok($$SELECT emotion.emotion_avg_combine('{1,0,1,0}', '{1,0,1}')$$, 'XX001', NULL, 'and as the second of two');
SELECT throws_ok($$SELECT emotion.emotion_avg_combine('{1,0,1,0}', '{1,0,1,1,0,0}')$$, '2202E', NULL, 'states of other lengths do not combine');
SELECT is(emotion.emotion_avg_combine('{0,0,9,0}', '{1,0,1,1,0,0}'), '{1,0,1,1,0,0}', 'but one without rows is no hindrance');
SELECT throws_ok($$SELECT emotion.emotion_avg_remove('{0,0,0,0}', '{1}')$$, 'XX001', NULL, 'no row is taken out of none');
SELECT throws_ok($$SELECT emotion.emotion_label_deserialize('\x', NULL)$$, NULL, NULL, 'deserialising is not for SQL');
CREATE AGGREGATE pg_temp.bad_avg(real[]) (SFUNC = emotion.emotion_avg_accum, STYPE = float8[], INITCOND = '{5}');
SELECT throws_ok($$SELECT pg_temp.bad_avg('{1}')$$, 'XX001', NULL, 'an aggregate of somebody''s own does no harm');
PREPARE kept AS SELECT emotion.emotion_avg_accum('{1,0,1,0}', '{1}') FROM generate_series(1, 2);
SELECT results_eq('kept', $$VALUES ('{2,0,2,0}'::float8[]), ('{2,0,2,0}')$$, 'outside of aggregates a state is not changed');
SELECT * FROM finish();
ROLLBACK;
