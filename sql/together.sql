-- What was made apart, together: vectors, n-grams, averages and mixed precision in one training; models of
-- bytes that are calibrated, tuned, joined, moved, and asked as teachers.
SET client_min_messages = warning; -- notices hold times
CREATE EXTENSION IF NOT EXISTS emotion;
CREATE SCHEMA together;
SET search_path = together, public;
CREATE FUNCTION options(jsonb, text) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$ SELECT ('{' || $2 || '}')::jsonb || $1 $$;
CREATE TABLE said AS SELECT concat_ws(' ', a, word, b) AS text, array_remove(ARRAY[label, CASE a WHEN 'alas' THEN 'fear' ELSE '' END], '') AS labels
FROM unnest('{the,my,we,alas}'::text[]) AS a, unnest('{today,was,and}'::text[]) AS b,
	(VALUES ('happy', 'joy'), ('glad', 'joy'), ('furious', 'anger'), ('angry', 'anger'), ('afraid', 'fear'), ('fearful', 'fear'), ('so', ''), ('', '')) AS w (word, label);
-- larger than a page, as vectors are
INSERT INTO emotion.import_part (upload, part, data) SELECT 'moods', 1, convert_to(
	E'happy 9 0 0 0\nelated 8 1 0 0\nfurious 0 9 0 0\nlivid 0 8 1 0\nafraid 0 0 9 0\nscared 0 0 8 1\n' || string_agg(format(E'other%s 0 0 0 %s\n', i, i), ''), 'UTF8')
FROM generate_series(1, 1000) AS i;
CALL emotion_import_vectors_upload('moods', 'moods');
\set small '"filters": 8, "hidden": 8, "attention": 8, "batch_size": 16, "shard_size": 4, "learning_rate": 0.02, "epochs": 20, "patience": 0, "holdout": 0, "min_count": 1'
\set all '"vectors": "moods", "vectors_words": 6, "subword_buckets": 300, "dropout_subword": 0.2, "weight_averaging": 0.9, "precision": "mixed"'

-- The same model with one thread and with two; each option makes another.
CALL emotion_train('all', 'said', options(options('{"threads": 1}', :'all'), :'small'));
CALL emotion_train('all', 'said', options(options('{"threads": 2}', :'all'), :'small'));
CALL emotion_train('all', 'said', options(options('{}', :'all'), :'small') - 'precision');
CALL emotion_train('all', 'said', options(options('{}', :'all'), :'small') - 'weight_averaging');
CALL emotion_train('all', 'said', options(options('{"embedding_dim": 4}', :'all'), :'small') - '{vectors,vectors_words}'::text[]);
CALL emotion_train('all', 'said', options(options('{"storage": "i8"}', :'all'), :'small'));
SELECT b.version, b.sha256 = a.sha256 AS as_the_first, b.parameters = a.parameters AS parameters
FROM emotion_models AS a, emotion_models AS b WHERE a.model = 'all@1' AND b.name = 'all' ORDER BY b.version;
SELECT text, emotion_labels(text, 'all@1') AS f16, emotion_labels(text, 'all@6') AS i8
FROM (VALUES ('we happyy and'), ('it furiouss today'), ('my was')) AS t (text);
SELECT max(abs(a - b)) BETWEEN 1e-9 AND 0.02 AS near FROM said, unnest(emotion_scores(text, 'all@1'), emotion_scores(text, 'all@6')) AS s (a, b);

-- The model of bytes is calibrated, tuned, joined, and moved; its scores are what they must be.
SELECT emotion_calibrate('all@6', 'said', '{"name": "calm"}');
SELECT count(*) AS tuned FROM emotion_tune_thresholds('calm@1', 'said');
SELECT m.model, m.size - a.size BETWEEN -100 AND 100 AS as_small, m.parameters = a.parameters AS parameters
FROM emotion_models AS m, emotion_models AS a WHERE m.name = 'calm' AND a.model = 'all@6' ORDER BY m.model;
SELECT max(abs(c.score - 1 / (1 + exp(-(scale * ln(a.score / (1 - a.score)) + shift))))) < 1e-5 AS calibrated, bool_and(c.score = t.score) AS tuned
FROM said, emotion.model AS m, jsonb_array_elements_text(m.lineage #> '{calibration,scales}') WITH ORDINALITY AS x (scale_text, i),
	jsonb_array_elements_text(m.lineage #> '{calibration,shifts}') WITH ORDINALITY AS y (shift_text, j),
	LATERAL (SELECT scale_text::float8 AS scale, shift_text::float8 AS shift, (emotion_scores(text, 'all@6'))[i]::float8 AS score) AS a,
	LATERAL (SELECT (emotion_scores(text, 'calm@1'))[i]::float8 AS score) AS c, LATERAL (SELECT (emotion_scores(text, 'calm@2'))[i]::float8 AS score) AS t
WHERE m.name = 'calm' AND m.version = 1 AND i = j;
SELECT emotion_ensemble('joined', '{calm@2,all@1,all@5}', '{2,1,1}');
SELECT max(abs(j - (2 * c + a + b) / 4)) < 1e-6 AS mean
FROM (SELECT text FROM said UNION ALL SELECT 'happyy livid furiouss') AS s,
	unnest(emotion_scores(text, 'joined@1'), emotion_scores(text, 'calm@2'), emotion_scores(text, 'all@1'), emotion_scores(text, 'all@5')) AS t (j, c, a, b);
SELECT emotion_import('moved', string_agg(data, '' ORDER BY part)) FROM emotion_export('calm@2');
SELECT emotion_import('moved', string_agg(data, '' ORDER BY part)) FROM emotion_export('joined@1');
SELECT bool_and(emotion_scores(text, 'moved@1') = emotion_scores(text, 'calm@2')) AS of_bytes,
	bool_and(emotion_scores(text, 'moved@2') = emotion_scores(text, 'joined@1')) AS joined FROM said;
SELECT count(*) AS metrics FROM emotion_evaluate('joined@1', 'said') WHERE scope = 'macro' AND metric = 'roc_auc' AND value > 0.9;

-- As teachers such models are asked what emotion_scores answers, of misspelt words, too: from all texts at once,
-- without dropout, a student learns the same from either, but for rounding.
CREATE VIEW misspelt AS SELECT replace(replace(text, 'happy', 'happyy'), 'furious', 'furiouss') AS text, text AS meant, NULL::text[] AS labels FROM said;
CREATE FUNCTION mean(text) RETURNS real[] LANGUAGE sql AS $$
	SELECT array_agg((a + b) / 2 ORDER BY i) FROM unnest(emotion_scores($1, 'calm@2'), emotion_scores($1, 'joined@1')) WITH ORDINALITY AS s (a, b, i) $$;
\set plain '"embedding_dim": 6, "filters": 6, "hidden": 6, "attention": 6, "batch_size": 1000, "shard_size": 1000, "epochs": 20, "patience": 0, "min_count": 1, "learning_rate": 0.02, "dropout_embedding": 0, "dropout_conv": 0, "dropout_pooled": 0, "threads": 1'
CALL emotion_train('drilled', 'misspelt', options('{"teachers": ["calm@2", "joined@1"]}', :'plain'));
CALL emotion_train('drilled', 'SELECT *, together.mean(text) AS scores FROM misspelt', options('{"soft_column": "scores", "labels": ["anger", "fear", "joy"]}', :'plain'));
CALL emotion_train('drilled', 'SELECT *, together.mean(meant) AS scores FROM misspelt', options('{"soft_column": "scores", "labels": ["anger", "fear", "joy"]}', :'plain'));
SELECT max(abs(a - b)) < 1e-3 AS same, max(abs(a - c)) > 1e-2 AS meant
FROM misspelt, unnest(emotion_scores(text, 'drilled@1'), emotion_scores(text, 'drilled@2'), emotion_scores(text, 'drilled@3')) AS s (a, b, c);

-- A training may begin as a model of bytes; with no rate it stays what it is, but for what bytes round where scores are not near 0 or 1.
CALL emotion_train('begun_so', 'said', options('{"base": "calm@2", "epochs": 1, "learning_rate": 0, "holdout": 0, "storage": "f32"}', '"threads": 1'));
SELECT max(abs(a - b)) < 3e-4 AS same FROM misspelt, unnest(emotion_scores(text, 'begun_so@1'), emotion_scores(text, 'calm@2')) AS s (a, b);

-- What cannot be: an ensemble is no network to begin as, nor one to calibrate.
CALL emotion_train('no', 'said', '{"base": "joined@1"}');
SELECT emotion_calibrate('joined@1', 'said');

SELECT emotion_drop_vectors('moods');
SELECT count(emotion_drop_model(model)) AS dropped FROM emotion_models WHERE name IN ('all', 'calm', 'joined', 'moved', 'drilled', 'begun_so');
DROP SCHEMA together CASCADE;
