-- Splits and balance.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;

-- What an attempt ends with.
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;

-- 2,000 texts, of which each tenth is said again with another spelling; joy is common, fear is rare.
CREATE TABLE remark (id int PRIMARY KEY, text text NOT NULL, labels text[] NOT NULL, part text,
	origin text NOT NULL, sure real, place real[]);
INSERT INTO remark
	SELECT i, CASE WHEN i % 10 = 9 THEN 'REMARK ' || translate((i - 9)::text, '0123456789', 'abcdefghij') || '!!!!'
			ELSE 'Remark ' || translate(i::text, '0123456789', 'abcdefghij') || '!!' END,
		CASE WHEN i % 40 = 0 THEN '{fear,joy}' WHEN i % 40 = 1 THEN '{fear}' WHEN i % 4 = 2 THEN '{anger}'
			WHEN i % 20 = 3 THEN '{}' WHEN i % 8 = 4 THEN '{joy,calm}' ELSE '{joy}' END::text[],
		NULL, CASE WHEN i < 1200 THEN 'people' ELSE 'machine' END,
		CASE WHEN i < 1200 THEN NULL ELSE (i % 100) / 100.0 END, ARRAY[i % 7, i % 11, i % 13]
	FROM generate_series(0, 1999) AS i;

-- ---------------------------------------------------------------- split
CALL emotion_split('remark', '{"train": 0.8, "dev": 0.1, "test": 0.1}', '{"split_column": "part", "seed": 7}');
SELECT part, count(*) BETWEEN 190 AND 210 OR part = 'train' AS size_is_right FROM remark GROUP BY part ORDER BY part COLLATE "C";

-- Every label has its share everywhere; what the report says is what there is.
SELECT count(*) AS rows, max(abs(difference)) < 0.01 AS near, bool_and(share_of_label BETWEEN 0.05 AND 0.85) AS shared
FROM emotion_split_report('remark', '{"split_column": "part"}') WHERE label IS NOT NULL;
SELECT r.part, r.label, r.count = (SELECT count(*) FROM remark m WHERE m.part = r.part AND (r.label IS NULL OR r.label = ANY (m.labels))) AS same,
	abs(r.share_of_part - r.share_of_all - r.difference) < 1e-12 AS adds_up
FROM emotion_split_report('remark', '{"split_column": "part"}') r WHERE part = 'dev' ORDER BY label COLLATE "C";

-- Texts of the same words are never parted: nothing leaks.
SELECT count(*) AS torn FROM (SELECT 1 FROM remark GROUP BY lower(rtrim(text, '!')) HAVING count(DISTINCT part) > 1) t;

-- The same seed parts the same texts whatever their place; another seed does not.
CREATE TABLE before AS SELECT id, part FROM remark;
CLUSTER remark USING remark_pkey;
CALL emotion_split('remark', '{"train": 0.8, "dev": 0.1, "test": 0.1}', '{"split_column": "part", "seed": 7}');
SELECT count(*) AS moved FROM remark JOIN before USING (id) WHERE remark.part <> before.part;
SET client_min_messages = warning;
CALL emotion_split('remark', '{"train": 0.8, "dev": 0.1, "test": 0.1}', '{"split_column": "part", "seed": 8}');
SELECT count(*) > 0 AS moved FROM remark JOIN before USING (id) WHERE remark.part <> before.part;

-- Of second order, without duplicates kept together, into a new column, into a new table, from arrays, in partitions.
CALL emotion_split('remark', '{"a": 0.5, "b": 0.5}', '{"split_column": "half", "create_column": true, "order": 2, "duplicates": false}');
SELECT half, count(*) FROM remark GROUP BY half ORDER BY half COLLATE "C";
CALL emotion_split('SELECT id, text, labels, sure FROM remark WHERE id < 1000', '{"a": 0.5, "b": 0.5}', '{"target": "remark_split", "split_column": "side"}');
SELECT count(*), count(DISTINCT id) AS ids, count(DISTINCT side) AS sides, bool_and(r.text = s.text AND r.labels = s.labels AND r.sure IS NOT DISTINCT FROM s.sure) AS same
FROM remark_split s JOIN remark r USING (id);
CALL emotion_split('remark', ARRAY[0.25, 0.75], ARRAY['x', 'y'], '{"split_column": "half"}');
SELECT half, count(*) BETWEEN 490 AND 1510 AS right FROM remark GROUP BY half ORDER BY half COLLATE "C";
CREATE TABLE parted (k int, text text, labels text[], split varchar(5)) PARTITION BY LIST (k);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES IN (0);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
INSERT INTO parted SELECT id % 2, text, labels FROM remark;
CALL emotion_split('parted');
SELECT count(*) AS without FROM parted WHERE split IS NULL;
RESET client_min_messages;

-- Errors.
SELECT attempt(format('CALL emotion_split(%L, %L, %L)', s, f, o)) FROM (VALUES
	('remark', '{"a": 0.5}', '{"split_column": "part"}'),
	('remark', '{"a": 0.5, "b": 0.4}', '{"split_column": "part"}'),
	('remark', '{"a": 0.5, "b": "half"}', '{"split_column": "part"}'),
	('remark', '[0.5, 0.5]', '{}'),
	('remark', '{"a": 0.5, "b": 0.5}', '{}'),
	('remark', '{"a": 0.5, "b": 0.5}', '{"split_column": "id"}'),
	('remark', '{"a": 0.5, "b": 0.5}', '{"split_column": "part", "order": 3}'),
	('remark', '{"a": 0.5, "b": 0.5}', '{"split_column": "part", "sed": 3}'),
	('remark', '{"a": 0.5, "b": 0.5}', '{"target": "before"}'),
	('nowhere', '{"a": 0.5, "b": 0.5}', '{}'),
	('SELECT * FROM remark', '{"a": 0.5, "b": 0.5}', '{}'),
	('SELECT * FROM remark WHERE id < 0', '{"a": 0.5, "b": 0.5}', '{"target": "none"}'),
	('SELECT text, NULL::text[] AS labels FROM remark', '{"a": 0.5, "b": 0.5}', '{"target": "none"}'),
	('SELECT text, ARRAY[NULL]::text[] AS labels FROM remark', '{"a": 0.5, "b": 0.5}', '{"target": "none"}'),
	('SELECT NULL::text AS text, labels FROM remark', '{"a": 0.5, "b": 0.5}', '{"target": "none"}')) AS v (s, f, o);
SELECT attempt($$CALL emotion_split('remark', ARRAY[0.5], ARRAY['a', 'b'], '{}')$$);
SELECT attempt($$CALL emotion_split('remark', ARRAY[0.5, 0.5], ARRAY['a', 'a'], '{}')$$);
SELECT attempt($$CALL emotion_split(NULL)$$);

-- ---------------------------------------------------------------- balance
-- What there is, what is wanted, what can be had: of fear all that is sure and not said twice.
CREATE TABLE planned AS
	SELECT * FROM emotion_balance_plan('SELECT * FROM remark', 150, 'quota', '{"source_column": "origin", "trust": ["people", "machine"], "confidence_column": "sure", "min_confidence": {"machine": 0.5}}');
SELECT label, before, target, abs(deviation) < 0.1 AS near, copies, synthetic, sources ?& '{people,machine}' AS both FROM planned ORDER BY label COLLATE "C";
SELECT label, after, round(deviation::numeric, 2) AS deviation, refused, unreached FROM planned WHERE label = 'fear';
SELECT round(deviation::numeric, 2) AS largest_deviation, round(lower_bound::numeric, 2) AS lower_bound,
	(sources ->> 'people')::int + (sources ->> 'machine')::int = after AS adds_up, after + refused + surplus <= before AS no_more FROM planned WHERE label IS NULL;

SET client_min_messages = warning;
CALL emotion_balance('SELECT * FROM remark', 'even', 150, 'quota', '{"source_column": "origin", "trust": ["people", "machine"], "confidence_column": "sure", "min_confidence": {"machine": 0.5}, "key_column": "id"}');
RESET client_min_messages;
SELECT count(*) AS differ FROM planned p FULL JOIN (SELECT label, count(*) FROM even, unnest(labels) AS label GROUP BY 1) m USING (label)
WHERE label IS NOT NULL AND p.after IS DISTINCT FROM m.count;
SELECT source, reason, strategy, step, copy, count(*) = (SELECT count(*) FROM even e WHERE e.source = even.source) AS all_of_it FROM even GROUP BY 1, 2, 3, 4, 5 ORDER BY 1;
-- Lineage leads back to the source; a row is used once; nobody unsure; no words twice.
SELECT count(*) AS wrong FROM even e LEFT JOIN remark r ON r.id::text = e.source_key
WHERE r.id IS NULL OR r.text <> e.text OR r.labels <> e.labels AND NOT (r.labels @> e.labels AND e.labels @> r.labels) OR r.origin <> e.source OR r.sure < 0.5;
SELECT count(*) - count(DISTINCT source_key) AS used_twice, count(*) - count(DISTINCT lower(rtrim(text, '!'))) AS said_twice FROM even;

-- Whatever the strategy, the plan is what is made, label by label, and again the same.
SET client_min_messages = warning;
CREATE FUNCTION plan_is_result(per_label text, strategy text, options jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	wrong bigint;
	total bigint;
	planned bigint;
	first text;
	second text;
	wanted text := COALESCE(quote_literal(per_label) || '::jsonb', 'NULL::jsonb');
BEGIN
	EXECUTE format('CALL emotion_balance(%L, %L, %s, %L, %L)', 'remark', 'made', wanted, strategy, options);
	EXECUTE format('SELECT count(*) FROM emotion_balance_plan(%L, %s, %L, %L) p FULL JOIN
		(SELECT label, count(*) FROM made, unnest(labels) AS label GROUP BY 1) m ON m.label = p.label
		WHERE p.label IS NOT NULL AND p.after <> COALESCE(m.count, 0)', 'remark', wanted, strategy, options) INTO wrong;
	EXECUTE format('SELECT after FROM emotion_balance_plan(%L, %s, %L, %L) WHERE label IS NULL', 'remark', wanted, strategy, options) INTO planned;
	SELECT count(*), md5(string_agg(m::text, ' ' ORDER BY m::text COLLATE "C")) INTO total, first FROM made m;
	DROP TABLE made;
	EXECUTE format('CALL emotion_balance(%L, %L, %s, %L, %L)', 'remark', 'made', wanted, strategy, options);
	SELECT md5(string_agg(m::text, ' ' ORDER BY m::text COLLATE "C")) INTO second FROM made m;
	DROP TABLE made;
	RETURN CASE WHEN wrong = 0 AND total = planned AND first = second THEN 'ok' ELSE format('%s labels differ, %s rows for %s', wrong, total, planned) END;
END $$;
SELECT per_label, strategy, plan_is_result(per_label, strategy, options::jsonb || '{"key_column": "id"}') FROM (VALUES
	('150', 'quota', '{}'),
	('{"fear": 200, "joy": 200}', 'quota', '{"max_copies": 3}'),
	(NULL, 'ml_ros', '{}'), ('400', 'ml_ros', '{}'), (NULL, 'ml_rus', '{"percent": 10}'),
	(NULL, 'lp_ros', '{"percent": 40}'), (NULL, 'lp_rus', '{}'), (NULL, 'remedial', '{}'),
	(NULL, 'mlsmote', '{"feature_column": "place"}'), (NULL, 'mlenn', '{"feature_column": "place", "threshold": 0.5}'),
	('150', 'remedial, quota, ml_ros', '{"seed": 5}'),
	(NULL, 'lp_rus, ml_ros', '{"lp_rus": {"percent": 5}, "ml_ros": {"percent": 50}}')) AS v (per_label, strategy, options);

-- Copies are numbered; halves share a row's labels out; synthetic rows have features between two rows and no text.
CALL emotion_balance('remark', 'copied', 400, 'ml_ros', '{"key_column": "id"}');
SELECT bool_and(copies = highest) AS numbered FROM (SELECT count(*) FILTER (WHERE reason = 'copy') AS copies, max(copy) AS highest FROM copied GROUP BY source_key) c;
SELECT DISTINCT for_label FROM copied WHERE reason = 'copy' ORDER BY 1;
CALL emotion_balance('remark', 'halved', NULL, 'remedial', '{"key_column": "id"}');
SELECT reason, labels, count(*) FROM halved GROUP BY 1, 2 HAVING reason <> 'kept' ORDER BY 1, 2;
CALL emotion_balance('remark', 'smote', '{"fear": 120}', 'mlsmote', '{"key_column": "id", "feature_column": "place"}');
SELECT count(*) AS synthetic, count(s.text) AS texts, bool_and(s.place[1] BETWEEN least(a.place[1], b.place[1]) AND greatest(a.place[1], b.place[1])) AS between
FROM smote s JOIN remark a ON a.id::text = s.source_key JOIN remark b ON b.id::text = s.neighbour_key WHERE s.reason = 'synthetic';

-- The source is as it was; a view and a query without a key do, too.
SELECT count(*), md5(string_agg(id || text || labels::text, ' ' ORDER BY id)) = (SELECT md5(string_agg(id || text || labels::text, ' ' ORDER BY id)) FROM remark) AS same FROM remark;
CREATE VIEW remark_view AS SELECT * FROM remark;
CALL emotion_balance('remark_view', '"Of A View"', 10);
SELECT count(DISTINCT source_key) = count(*) AS numbered FROM "Of A View";
RESET client_min_messages;

-- Errors change nothing.
SELECT attempt(format('CALL emotion_balance(%L, %L, %s, %L, %L)', s, t, p, m, o)) FROM (VALUES
	('remark', 'even', '10', 'quota', '{}'),
	('remark', 'new', 'NULL', 'quota', '{}'),
	('remark', 'new', '-1', 'quota', '{}'),
	('remark', 'new', '1.5', 'quota', '{}'),
	('remark', 'new', '''many''', 'quota', '{}'),
	('remark', 'new', '''{"joi": 5}''', 'quota', '{}'),
	('remark', 'new', '''{"joy": "5"}''', 'quota', '{}'),
	('remark', 'new', '''[5]''', 'quota', '{}'),
	('remark', 'new', '5', 'magic', '{}'),
	('remark', 'new', '5', ' , ', '{}'),
	('remark', 'new', '5', 'mlsmote', '{}'),
	('remark', 'new', '5', 'quota', '{"max_copies": 0}'),
	('remark', 'new', '5', 'quota', '{"copies": 2}'),
	('remark', 'new', '5', 'quota', '{"quota": {"copies": 2}}'),
	('remark', 'new', '5', 'quota', '{"quota": 2}'),
	('remark', 'new', '5', 'quota', '{"trust": ["a"]}'),
	('remark', 'new', '5', 'quota', '{"source_column": "origin", "trust": ["people"]}'),
	('remark', 'new', '5', 'quota', '{"source_column": "part", "trust": "people"}'),
	('remark', 'new', '5', 'quota', '{"min_confidence": 0.5}'),
	('SELECT * FROM remark ORDER BY id', 'new', '5', 'quota', '{"confidence_column": "id"}'),
	('remark', 'new', '5', 'quota', '{"key_column": "nobody"}'),
	('remark', 'new', '5', 'quota', '{"label_column": "id"}'),
	('SELECT * FROM remark WHERE id < 0', 'new', '5', 'quota', '{}'),
	('SELECT id, text, labels, CASE WHEN id > 5 THEN place ELSE place[1:2] END AS place FROM remark ORDER BY id', 'new', '5', 'mlsmote', '{"feature_column": "place"}'),
	('remark', 'nowhere.new', '5', 'quota', '{}')) AS v (s, t, p, m, o);
SELECT attempt($$CALL emotion_balance(NULL, 'new', 5)$$);
SELECT to_regclass('new') IS NULL AS nothing_made;

-- With the caller's privileges.
CREATE ROLE regress_emotion_balancer;
SET ROLE regress_emotion_balancer;
SELECT attempt($$SELECT * FROM emotion_balance_plan('remark', 5)$$);
RESET ROLE;

DROP VIEW remark_view;
DROP TABLE remark, planned, before, remark_split, parted, even, copied, halved, smote, "Of A View";
DROP FUNCTION attempt, plan_is_result;
DROP ROLE regress_emotion_balancer;
