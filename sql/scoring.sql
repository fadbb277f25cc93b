-- Scoring, with a model of four labels whose weights were set by hand.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;
\set ECHO none
\i test/reference/tiny_model.sql
\set ECHO all
SELECT emotion_import('tiny', decode(:'tiny_model', 'hex'));
SELECT emotion_deploy('tiny@1');

CREATE FUNCTION rounded(real[]) RETURNS numeric[] IMMUTABLE LANGUAGE sql
	AS 'SELECT array_agg(round(s::numeric, 2) ORDER BY n) FROM unnest($1) WITH ORDINALITY AS u (s, n)';

-- The model.
SELECT emotion_label_names(), emotion_thresholds();
SELECT emotion_label_names('tiny@1') = emotion_label_names() AS names,
	emotion_thresholds('tiny@1') = emotion_thresholds() AS thresholds;

-- The forms of a score.
SELECT rounded(emotion_scores('I love you so much')), emotion_labels('I love you so much');
SELECT * , rounded(emotion_scores(body)) AS scores, emotion_labels(body) AS labels
FROM (VALUES (1, 'thank you, I am happy!!!'), (2, 'I hate the evening'), (3, 'sad, sad, I cry'),
	(4, 'très 😀'), (5, 'nothing known'), (6, ''), (7, NULL)) AS t (id, body)
ORDER BY id;
SELECT label, round(score::numeric, 2) AS score FROM emotion_top('happy in the quiet evening', 2);
SELECT count(*) FROM emotion_top('happy', 0);
SELECT count(*) FROM emotion_top('happy', 100);
SELECT round(emotion_score('happy', 'joy')::numeric, 2) AS joy;
SELECT key, round(value::numeric, 2) AS score FROM jsonb_each_text(emotion_json('i miss you')) ORDER BY key;

-- What the last layer sees: two numbers for each of the hidden units, the same by name, alike for texts alike.
SELECT cardinality(emotion_features('happy')), emotion_features('happy') = emotion_features('happy', 'tiny@1') AS same,
	emotion_features('happy') = emotion_features('Happy') AS alike, emotion_features('happy') = emotion_features('sad') AS unlike,
	emotion_features(NULL) IS NULL AS null, (SELECT bool_and(f = 0) FROM unnest(emotion_features('')) AS f) AS zeros;

-- All of them agree, with the model named and without.
SELECT bool_and(emotion_scores(body) = emotion_scores(body, 'tiny@1')) AS scores,
	bool_and(emotion_labels(body) = emotion_labels(body, 'tiny@1')) AS labels,
	bool_and(emotion_json(body) = emotion_json(body, 'tiny@1')) AS json,
	bool_and(emotion_score(body, 'joy') = emotion_score(body, 'joy', 'tiny@1')) AS score,
	bool_and((emotion_scores(body))[1] = emotion_score(body, 'joy')) AS first,
	bool_and((emotion_json(body) ->> 'joy')::real - emotion_score(body, 'joy') < 1e-6) AS member,
	bool_and((SELECT array_agg(label) FROM emotion_top(body, 4) JOIN (SELECT unnest(emotion_label_names()) AS label,
			unnest(emotion_thresholds()) AS threshold) AS t USING (label) WHERE score >= threshold)
		IS NOT DISTINCT FROM nullif(emotion_labels(body), '{}')) AS top
FROM (VALUES ('happy'), ('sad evening'), ('hate'), ('')) AS t (body);

-- NULL in, NULL out, whatever the argument.
SELECT emotion_scores(NULL) IS NULL AS a, emotion_labels('happy', NULL) IS NULL AS b,
	emotion_score('happy', NULL) IS NULL AS c, emotion_json(NULL, 'tiny@1') IS NULL AS d,
	emotion_highlight(NULL) IS NULL AS e, (SELECT count(*) FROM emotion_top(NULL, 3)) AS f;

-- What the network looked at. start and length are those of substr().
SELECT e."position", e.token, e.start, e.length, substr(body, e.start, e.length) AS piece
FROM (VALUES ('Très  HAPPY 😀 soooo, don’t cry!!!')) AS t (body), emotion_explain(body) AS e ORDER BY 1;
SELECT round(sum(weight)::numeric, 4) AS total, bool_and(weight >= 0) AS valid
FROM emotion_explain('happy in the quiet evening');
SELECT token FROM emotion_explain('the happy evening', 'tiny@1') ORDER BY weight DESC LIMIT 1;
SELECT count(*) FROM emotion_explain('');

SELECT emotion_highlight('Thank you, I LOVE it 😀 always');
SELECT emotion_highlight('so happy I cry', 'tiny@1');
SELECT emotion_highlight('so happy I cry', 'tiny@1', 'StartSel=[, StopSel=], Label=sadness');
SELECT emotion_highlight('love, happy, thank', 'tiny@1', 'MaxWords=1, StartSel="<em class=""x"">", StopSel=</em>');
SELECT emotion_highlight(''), emotion_highlight('nothing known');

-- Long texts, and bytes that are no words.
SELECT rounded(emotion_scores(repeat('happy ', 200000))) = rounded(emotion_scores(repeat('happy ', 1000))) AS cut;
SELECT cardinality(emotion_scores(repeat('x', 1000000))) AS labels;
SELECT emotion_labels(E'\x01\x02 \u200b\ufeff \U0010FFFF happy') AS labels;

-- Volatility and parallelism are what plans rely on.
SELECT p.oid::regprocedure AS function, provolatile AS volatile, proparallel AS parallel, proisstrict AS strict
FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'emotion'
WHERE proname IN ('emotion_scores', 'emotion_labels', 'emotion_top', 'emotion_score', 'emotion_json', 'emotion_explain',
	'emotion_highlight', 'emotion_label_names', 'emotion_thresholds')
ORDER BY p.oid::regprocedure::text COLLATE "C";
CREATE TABLE post (id int PRIMARY KEY, body text,
	joy real GENERATED ALWAYS AS (emotion_score(body, 'joy', 'tiny@1')) STORED);
INSERT INTO post SELECT i, (ARRAY['happy evening', 'sad', 'I hate you'])[1 + i % 3] FROM generate_series(1, 300) AS i;
CREATE INDEX post_labels ON post USING gin (emotion_labels(body, 'tiny@1'));
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM post WHERE emotion_labels(body, 'tiny@1') @> '{sadness}';
SELECT count(*) FROM post WHERE emotion_labels(body, 'tiny@1') @> '{sadness}';
RESET enable_seqscan;
SELECT body, round(min(joy)::numeric, 2) AS joy FROM post GROUP BY body ORDER BY 2 DESC;

-- Errors name the culprit.
SELECT emotion_score('happy', 'bliss');
SELECT emotion_labels('happy', 'tiny');
SELECT emotion_labels('happy', 'tiny@7');
SELECT emotion_labels('happy', 'nobody');
SELECT emotion_labels('happy', 'nobody@1');
SELECT emotion_labels('happy', 'Tiny@1');
SELECT emotion_labels('happy', 'tiny@01');
SELECT emotion_labels('happy', 'tiny@1 ');
SELECT emotion_labels('happy', '../tiny@1');
SELECT emotion_labels('happy', '');
SELECT * FROM emotion_top('happy', -1);
SELECT emotion_highlight('happy', 'tiny@1', 'Color=red');
SELECT emotion_highlight('happy', 'tiny@1', 'MaxWords=0');
SELECT emotion_highlight('happy', 'tiny@1', 'Label=bliss');
\set VERBOSITY sqlstate
SELECT emotion_score('happy', 'bliss');
SELECT emotion_labels('happy', 'tiny');
SELECT emotion_labels('happy', 'nobody@1');
SELECT emotion_labels('happy', 'Tiny@1');
SELECT * FROM emotion_top('happy', -1);
\set VERBOSITY default

-- A session that may keep nothing still scores.
SET emotion.model_cache_size = 0;
SELECT emotion_labels('happy'), emotion_labels('sad', 'tiny@1');
RESET emotion.model_cache_size;

DROP TABLE post;
DROP FUNCTION rounded;
DELETE FROM emotion.deployment WHERE name = 'tiny';
SELECT emotion_drop_model('tiny@1');
