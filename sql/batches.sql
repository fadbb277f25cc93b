-- Texts scored in batches by ordinary queries: the same answers as one by one, whatever the query.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
\set ECHO none
\i test/reference/tiny_model.sql
\set ECHO all
SELECT emotion_import('batched', decode(:'tiny_model', 'hex'));
SELECT model AS before FROM emotion_models WHERE deployed \gset
RESET client_min_messages;
SELECT emotion_deploy('batched@1');

CREATE TABLE note (id int PRIMARY KEY, body text, kind text, part int, extra jsonb);
INSERT INTO note SELECT i, CASE WHEN i % 50 = 0 THEN NULL ELSE
		(ARRAY['happy', 'sad', 'i hate', 'thank you', 'quiet evening', 'love', ''])[1 + i % 7] || repeat(' so', i % 5) || ' ' || i % 200 END,
	'k' || i % 3, i % 4, jsonb_build_object('title', 'i am happy ' || i % 11)
FROM generate_series(1, 1500) AS i;
CREATE TABLE tag (note int, name text);
INSERT INTO tag SELECT i, 't' || i % 5 FROM generate_series(1, 1500, 2) AS i;
CREATE VIEW noted AS SELECT id, body AS said, emotion_scores(body) AS scores FROM note WHERE part < 3;
ANALYZE note, tag;

-- The node, and what it tells; rows have decimals from PostgreSQL 18 on.
CREATE FUNCTION explain_analyze(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
		RETURN NEXT regexp_replace(line, '(rows=\d+)\.00', '\1');
	END LOOP;
END $$;
EXPLAIN (COSTS OFF) SELECT id, emotion_scores(body) FROM note;
EXPLAIN (COSTS OFF, VERBOSE) SELECT n.id, emotion_labels(n.body, 'batched@1'), emotion_scores(n.body) FROM note AS n JOIN tag ON tag.note = n.id;
EXPLAIN (COSTS OFF) SELECT id FROM note WHERE emotion_score(body, 'joy') > 0.5 AND part = 1;
EXPLAIN (COSTS OFF) SELECT emotion_labels(body), count(*) FROM note GROUP BY 1;
EXPLAIN (COSTS OFF) SELECT kind, avg(emotion_score(body, 'joy')) FROM note GROUP BY kind;
EXPLAIN (COSTS OFF) SELECT id, emotion_labels(body) FROM note ORDER BY id DESC LIMIT 3;
EXPLAIN (COSTS OFF) UPDATE note SET kind = emotion_labels(body)::text;
EXPLAIN (COSTS OFF) SELECT emotion_labels(extra ->> 'title' || ' ' || coalesce(body, '')) FROM note;
SELECT * FROM explain_analyze($$SELECT id, emotion_scores(body), emotion_labels(body) FROM note$$);
SELECT * FROM explain_analyze($$SELECT emotion_scores(body) FROM note LIMIT 3$$);

-- No node: off, one row, a constant, a text that only some rows need, that could fail, or that is of no column.
SET emotion.batch_rows = 0;
EXPLAIN (COSTS OFF) SELECT id, emotion_scores(body) FROM note;
RESET emotion.batch_rows;
EXPLAIN (COSTS OFF) SELECT emotion_scores(body) FROM note WHERE id = 7;
EXPLAIN (COSTS OFF) SELECT id, emotion_scores('happy') FROM note;
EXPLAIN (COSTS OFF) SELECT CASE WHEN id > 10 THEN emotion_scores(body) END FROM note;
EXPLAIN (COSTS OFF) SELECT emotion_scores((100 / id)::text) FROM note;
EXPLAIN (COSTS OFF) SELECT id FROM note WHERE id < 0 OR emotion_score(body, 'joy') > 0.5;
EXPLAIN (COSTS OFF) SELECT emotion_labels(body) FROM (SELECT body FROM note FOR UPDATE) AS locked;
SET emotion.batch_rows = -1;
SET emotion.batch_rows = 100000;

-- Every query answers the same with batches of several sizes and without.
CREATE TABLE query (place serial, say text);
INSERT INTO query (say) VALUES
	('SELECT id::text, emotion_scores(body) FROM note'),
	('SELECT id::text, emotion_scores(body, ''batched@1'') FROM note ORDER BY id'),
	('SELECT id::text, emotion_scores(body) FROM note ORDER BY id LIMIT 7 OFFSET 20'),
	('SELECT id::text, emotion_scores(body) FROM note WHERE emotion_score(body, ''joy'') > 0.4 AND part <> 2'),
	('SELECT id::text, emotion_scores(body) FROM note WHERE part = 1 OR emotion_labels(body) && ''{joy}'''),
	('SELECT n.id || tag.name, emotion_scores(n.body) FROM note AS n JOIN tag ON tag.note = n.id'),
	('SELECT n.id || coalesce(tag.name, ''-''), emotion_scores(n.body) FROM note AS n LEFT JOIN tag ON tag.note = n.id AND emotion_score(n.body, ''joy'') > 0.5'),
	('SELECT n.id::text, emotion_scores(n.body) FROM note AS n WHERE EXISTS (SELECT FROM tag WHERE tag.note = n.id AND emotion_score(n.body, ''joy'') < 0.5)'),
	('SELECT n.id || x.label, ARRAY[x.score] FROM note AS n, LATERAL emotion_top(n.body, 2) AS x'),
	('SELECT id || (emotion_top(body, 1)).label, NULL::real[] FROM note'),
	('SELECT kind, emotion_avg(emotion_scores(body)) FROM note GROUP BY kind'),
	('SELECT kind, emotion_avg(emotion_scores(body)) FILTER (WHERE part = 1) FROM note GROUP BY kind'),
	('SELECT emotion_labels(body)::text, ARRAY[count(*)::real] FROM note GROUP BY 1'),
	('SELECT coalesce(body, ''-''), emotion_scores(body) FROM note GROUP BY body HAVING count(*) > 2'),
	('SELECT DISTINCT emotion_labels(body)::text, NULL::real[] FROM note'),
	('SELECT id::text, ARRAY[(sum(emotion_score(body, ''joy'')) OVER (PARTITION BY kind ORDER BY id))::real] FROM note'),
	('SELECT id::text, CASE WHEN part = 1 THEN emotion_scores(body) END FROM note'),
	('SELECT id::text, emotion_scores(coalesce(body, ''happy'')) FROM note'),
	('SELECT id::text, emotion_scores(extra ->> ''title'' || lower(body)) FROM note'),
	('SELECT id::text, emotion_scores(left(body, 4)) FROM note TABLESAMPLE SYSTEM (100)'),
	('SELECT id::text, scores FROM noted WHERE id % 3 = 0'),
	('SELECT v.b, emotion_scores(v.b) FROM (VALUES (''happy''), (''sad''), (NULL), (''happy'')) AS v (b)'),
	('WITH w AS MATERIALIZED (SELECT * FROM note WHERE part = 0) SELECT id::text, emotion_scores(body) FROM w'),
	('WITH RECURSIVE r (i, b) AS (SELECT 1, ''happy'' UNION ALL SELECT i + 1, (emotion_labels(b))[1] || i FROM r WHERE i < 9) SELECT i::text, emotion_scores(b) FROM r'),
	('SELECT id::text, emotion_scores(body) FROM note WHERE part = 0 UNION ALL SELECT id::text, emotion_scores(body) FROM note WHERE part = 1'),
	('SELECT n.id::text, (SELECT emotion_avg(emotion_scores(m.body)) FROM note AS m WHERE m.id BETWEEN n.id AND n.id + 3) FROM note AS n WHERE n.id < 30'),
	('SELECT g.i::text, emotion_scores(''happy '' || g.i) FROM generate_series(1, 40) AS g (i)'),
	('SELECT id::text, emotion_scores(body) FROM ONLY note WHERE ctid < ''(3,0)'''),
	('SELECT (n).id::text, emotion_scores((n).body) FROM note AS n WHERE n IS NOT NULL');
CREATE FUNCTION alike(real[], real[]) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$
	SELECT $1 IS NOT DISTINCT FROM $2 OR (cardinality($1) = cardinality($2) AND (SELECT bool_and(abs(a - b) < 1e-5) FROM unnest($1, $2) AS u (a, b))) $$;
CREATE TEMPORARY TABLE answer (place int, batch int, key text, value real[]);
DO $$
DECLARE
	q record;
	size int;
BEGIN
	FOR q IN SELECT * FROM query LOOP
		FOREACH size IN ARRAY ARRAY[0, 3, 512] LOOP
			PERFORM set_config('emotion.batch_rows', size::text, true);
			EXECUTE format('INSERT INTO answer SELECT %s, %s, q.* FROM (%s) AS q', q.place, size, q.say);
		END LOOP;
	END LOOP;
END $$;
SELECT q.place, q.say FROM query AS q WHERE (SELECT count(*) FROM answer AS a WHERE a.place = q.place AND batch = 0) < 1
	OR EXISTS (SELECT FROM (SELECT batch, count(*) AS n FROM answer AS a WHERE a.place = q.place GROUP BY batch) AS c HAVING count(DISTINCT n) > 1 OR count(*) < 3);
SELECT q.place, a.batch, count(*), min(a.key) FROM query AS q
	JOIN (SELECT *, row_number() OVER (PARTITION BY place, batch, key ORDER BY value) AS copy FROM answer) AS a ON a.place = q.place AND a.batch > 0
	LEFT JOIN (SELECT *, row_number() OVER (PARTITION BY place, batch, key ORDER BY value) AS copy FROM answer) AS b
		ON b.place = q.place AND b.batch = 0 AND b.key IS NOT DISTINCT FROM a.key AND b.copy = a.copy
	WHERE NOT alike(a.value, b.value) OR b.place IS NULL GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(DISTINCT place) AS queries, count(*) > 10000 AS many FROM answer;

-- Writing.
CREATE TABLE written (id int PRIMARY KEY, body text, scores real[], labels text[], joy real GENERATED ALWAYS AS (emotion_score(body, 'joy', 'batched@1')) STORED);
INSERT INTO written (id, body, scores) SELECT id, body, emotion_scores(body) FROM note;
UPDATE written SET labels = emotion_labels(body) WHERE emotion_score(body, 'joy') > 0.2;
UPDATE written AS w SET labels = emotion_labels(n.body || '!') FROM note AS n WHERE n.id = w.id AND n.part = 1 AND w.labels IS NULL;
INSERT INTO written (id, body, scores) SELECT id, 'x', emotion_scores(body) FROM note WHERE id < 5
	ON CONFLICT (id) DO UPDATE SET body = excluded.body, scores = emotion_scores(written.body);
SET emotion.batch_rows = 0;
SELECT count(*) FILTER (WHERE NOT alike(scores, emotion_scores(CASE WHEN w.id < 5 THEN n.body ELSE w.body END))) AS wrong,
	count(*) FILTER (WHERE abs(joy - emotion_score(w.body, 'joy')) > 1e-5) AS wrong_joy, count(labels) > 100 AS labelled,
	count(*) FILTER (WHERE labels <> emotion_labels(n.body) AND labels <> emotion_labels(n.body || '!')) AS wrong_labels
FROM written AS w JOIN note AS n USING (id);
RESET emotion.batch_rows;
DELETE FROM written WHERE emotion_score(body, 'joy') > 0.5;
SELECT count(*) AS deleted FROM note AS n WHERE NOT EXISTS (SELECT FROM written AS w WHERE w.id = n.id)
	AND emotion_score(CASE WHEN n.id < 5 THEN 'x' ELSE body END, 'joy') <= 0.5;

-- Partitions and inheritance.
CREATE TABLE parted (id int, body text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (700);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (700) TO (2000);
INSERT INTO parted SELECT id, body FROM note;
ANALYZE parted;
EXPLAIN (COSTS OFF) SELECT id, emotion_scores(body) FROM parted;
SELECT count(*) FILTER (WHERE NOT alike(s.scores, emotion_scores(n.body))) AS wrong, count(*)
	FROM (SELECT id, emotion_scores(body) AS scores FROM parted) AS s JOIN note AS n USING (id);

-- A cursor goes back and forth.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id, emotion_labels(body) FROM note ORDER BY id;
FETCH 3 FROM c;
MOVE 100 IN c;
FETCH BACKWARD 2 FROM c;
MOVE ABSOLUTE 0 IN c;
FETCH 1 FROM c;
FETCH LAST FROM c;
COMMIT;

-- Prepared, with a model in a parameter too; and in a loop.
PREPARE by_model (text) AS SELECT count(*) FROM note WHERE emotion_score(body, 'joy', $1) > 0.5;
EXECUTE by_model('batched@1');
SELECT count(*) FROM note WHERE emotion_score(body, 'joy') > 0.5;
EXECUTE by_model('batched@7');
DO $$
DECLARE
	r record;
	n int := 0;
BEGIN
	FOR r IN SELECT body, emotion_labels(body) AS labels FROM note LOOP
		IF r.labels IS DISTINCT FROM emotion_labels(r.body) THEN
			n := n + 1;
		END IF;
	END LOOP;
	RAISE NOTICE '% wrong', n;
END $$;

-- A row that a policy hides is neither scored nor shown.
CREATE ROLE batch_reader;
GRANT SELECT ON note TO batch_reader;
ALTER TABLE note ENABLE ROW LEVEL SECURITY;
CREATE POLICY part_one ON note USING (part = 1);
SET ROLE batch_reader;
SELECT * FROM explain_analyze($$SELECT id FROM note WHERE emotion_score(body, 'joy') > 2$$);
RESET ROLE;

-- What was remembered of one model is not taken for another's, within a transaction too.
BEGIN;
CREATE TEMPORARY TABLE first AS SELECT id, emotion_labels(body) AS labels FROM note;
SELECT emotion_tune_thresholds('batched@1', 'SELECT ''happy'' AS text, ''{anger}''::text[] AS labels', '{"name": "other"}') IS NOT NULL AS tuned LIMIT 1;
SELECT emotion_deploy('other@1');
SELECT count(*) FILTER (WHERE first.labels = emotion_labels(note.body)) < count(*) AS differ,
	bool_and(emotion_labels(note.body, 'batched@1') = first.labels) AS alike
FROM note JOIN first USING (id) WHERE body <> '';
ROLLBACK;
SELECT bool_and(emotion_labels(body) = emotion_labels(body, 'batched@1')) AS back FROM note;

DROP TABLE note, tag, written, parted, query CASCADE;
DROP FUNCTION alike;
DROP ROLE batch_reader;
SELECT emotion_deploy(:'before') = :'before' AS restored;
SELECT emotion_drop_model('batched@1');
