-- Training: what it learns, where it reads, and what it refuses.
SET client_min_messages = warning; -- notices hold times
CREATE EXTENSION IF NOT EXISTS emotion;
CREATE SCHEMA training;
SET search_path = training, public;

-- Rows whose labels are sure: a word or two that mean a label among others that mean nothing.
CREATE TABLE post (id int PRIMARY KEY, body text NOT NULL, labels text[] NOT NULL, split text NOT NULL, weight real);
INSERT INTO post
SELECT i, concat_ws(' ', a.filler, words.joy, b.filler, words.anger, words.fear, 'today'),
	array_remove(ARRAY[CASE WHEN words.joy <> '' THEN 'joy' END, CASE WHEN words.anger <> '' THEN 'anger' END,
		CASE WHEN words.fear <> '' THEN 'fear' END], NULL),
	CASE WHEN i % 10 = 0 THEN 'held' WHEN i % 50 = 1 THEN 'test' ELSE 'train' END, 1 + i % 3
FROM generate_series(1, 400) AS i,
	LATERAL (SELECT (ARRAY['', 'happy', 'glad', '', ''])[1 + i % 5] AS joy,
		(ARRAY['', 'furious', 'angry', ''])[1 + i / 5 % 4] AS anger, (ARRAY['', 'afraid', ''])[1 + i / 20 % 3] AS fear) AS words,
	LATERAL (SELECT (ARRAY['the train', 'my dog', 'we', 'this song', 'an old house', 'it'])[1 + i % 6] AS filler) AS a,
	LATERAL (SELECT (ARRAY['was', 'and', 'is', 'with'])[1 + i % 4] AS filler) AS b;
SELECT label, count(*) FROM post, unnest(labels) AS label GROUP BY label ORDER BY label;

-- A small network, quick to train.
\set tiny '"embedding_dim": 8, "filters": 8, "hidden": 8, "attention": 8, "batch_size": 32, "shard_size": 16, "learning_rate": 0.02, "epochs": 30, "patience": 0, "dropout_embedding": 0, "dropout_conv": 0, "dropout_pooled": 0, "metric": "log_loss", "min_count": 1, "threads": 1'
\set short '"embedding_dim": 2, "filters": 2, "hidden": 2, "attention": 2, "batch_size": 100, "epochs": 1, "threads": 1'
CREATE FUNCTION options(jsonb, text) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$ SELECT ('{' || $2 || '}')::jsonb || $1 $$;

-- Training and what comes of it.
CALL emotion_train('mood', 'post', options('{"text_column": "body", "description": "moods of posts"}', :'tiny'));
SELECT model, deployed, bundled, architecture, labels, description, metrics -> 'held_out_texts' AS held_out,
	(metrics ->> 'macro_auc')::float8 > 0.99 AS separates, lineage -> 'source' AS source, lineage -> 'train_texts' AS texts,
	lineage -> 'epochs' AS epochs, lineage -> 'options' -> 'text_column' AS given
FROM emotion_models WHERE name = 'mood';
SELECT body, emotion_labels(body, 'mood@1')
FROM (VALUES ('this song happy was today'), ('an old house and furious today'), ('we is afraid today'), ('glad is angry today')) AS t (body);
SELECT count(*) AS texts, count(*) FILTER (WHERE found = labels) > 0.95 * count(*) AS right
FROM (SELECT labels, (SELECT array_agg(label ORDER BY array_position('{joy,anger,fear}', label)) FROM unnest(emotion_labels(body, 'mood@1')) AS label) AS found
	FROM post WHERE labels <> '{}') AS t;
SELECT emotion_deploy('mood@1');
SELECT emotion_labels('glad today');

-- Progress.
SELECT model, state, epoch, epochs, texts_done, texts, percent, best_epoch BETWEEN 1 AND 30 AS best, best_macro_auc > 0.99 AS auc,
	best_macro_f1 > 0.9 AS f1, train_loss < 0.3 AS loss, texts_per_second > 0 AS speed, time_left_at_most, source,
	started_at <= updated_at AS times, started_by = current_user AS mine, pid
FROM emotion_training_progress WHERE model LIKE 'mood@%';
SELECT epoch, train_loss > 0 AS loss, log_loss > 0 AS log_loss, macro_auc BETWEEN 0 AND 1 AS auc, macro_ap BETWEEN 0 AND 1 AS ap,
	macro_f1 BETWEEN 0 AND 1 AS f1, seconds > 0 AS seconds
FROM emotion.training_epoch WHERE name = 'mood' AND version = 1 AND epoch IN (1, 30) ORDER BY epoch;
SELECT count(*) FROM emotion.training_checkpoint;

-- Twice the same gives two versions and the same weights; another seed gives others.
CALL emotion_train('twice', 'post', options('{"text_column": "body"}', :'short'));
CALL emotion_train('twice', 'post', options('{"text_column": "body"}', :'short'));
CALL emotion_train('twice', 'post', options('{"text_column": "body", "seed": 2}', :'short'));
SELECT a.model, a.sha256 = b.sha256 AS as_the_first
FROM emotion_models AS a, emotion_models AS b WHERE a.name = 'twice' AND b.model = 'twice@1' ORDER BY a.version;
SELECT model, state FROM emotion_training_progress WHERE model LIKE 'twice@%' ORDER BY model;

-- Epochs of a number of updates, whatever the number of texts: as many updates for any set of rows.
CALL emotion_train('steps', 'post', options('{"text_column": "body", "epochs": 3, "steps_per_epoch": 2}', :'short'));
CALL emotion_train('steps', 'SELECT * FROM post LIMIT 150', options('{"text_column": "body", "epochs": 3, "steps_per_epoch": 2, "holdout": 0}', :'short'));
SELECT model, state, epoch, epochs, percent FROM emotion_training_progress WHERE model LIKE 'steps@%' ORDER BY model;

-- Mixed precision: other weights that tell as much, the same whatever the threads.
CALL emotion_train('mixed', 'post', options('{"text_column": "body", "precision": "mixed"}', :'tiny'));
CALL emotion_train('mixed', 'post', options('{"text_column": "body", "precision": "mixed", "threads": 2}', :'tiny'));
SELECT a.sha256 = b.sha256 AS whatever_the_threads, a.sha256 = s.sha256 AS as_single, (a.metrics ->> 'macro_auc')::float8 > 0.99 AS separates
FROM emotion_models AS a, emotion_models AS b, emotion_models AS s WHERE a.model = 'mixed@1' AND b.model = 'mixed@2' AND s.model = 'mood@1';

-- Held-out rows: a share of the texts, a split, another source, none.
\set shown 'SELECT m.model, m.labels, r.train_texts + r.dev_texts AS texts, r.train_texts, r.dev_texts FROM emotion_models AS m JOIN emotion.training_run AS r USING (name, version) WHERE m.name = \'held\' ORDER BY m.version DESC LIMIT 1'
CALL emotion_train('held', 'post', options('{"text_column": "body", "holdout": 0}', :'short'));
:shown;
SELECT metrics FROM emotion_models WHERE model = 'held@1';
SELECT emotion_thresholds('held@1');
CALL emotion_train('held', 'post', options('{"text_column": "body", "split_column": "split", "dev_split": "held"}', :'short'));
:shown;
CALL emotion_train('held', 'SELECT * FROM post WHERE split = ''train''',
	options('{"text_column": "body", "dev_source": "SELECT * FROM post WHERE split = ''test''"}', :'short'));
:shown;
-- equal texts are on one side
CALL emotion_train('held', 'SELECT p.* FROM post AS p, generate_series(1, 3)', options('{"text_column": "body", "holdout": 0.3}', :'short'));
SELECT train_texts % 3 AS train, dev_texts % 3 AS dev, dev_texts BETWEEN 250 AND 470 AS share FROM emotion.training_run WHERE name = 'held' AND version = 4;

-- Sources: a view, a name that needs quotes, other types, columns that need quotes, queries.
CREATE SCHEMA "Other Place";
CREATE TYPE mood AS ENUM ('joy', 'anger', 'fear');
CREATE TABLE "Other Place"."My ""Posts""" ("The Text" varchar(200), "Labels" mood[], w numeric);
INSERT INTO "Other Place"."My ""Posts""" SELECT body, labels::mood[], weight FROM post;
CALL emotion_train('quoted', '"Other Place"."My ""Posts"""',
	options('{"text_column": "The Text", "label_column": "Labels", "weight_column": "w"}', :'short'));
CREATE VIEW happy AS SELECT body::char(80) AS text, labels::varchar[] AS labels FROM post;
CALL emotion_train('viewed', 'happy', options('{}', :'short'));
CALL emotion_train('queried', '  WITH p AS (SELECT body AS text, labels FROM post) SELECT * FROM p -- all of them',
	options('{}', :'short'));
CALL emotion_train('queried', 'TABLE happy;', options('{}', :'short'));
CALL emotion_train('queried', '(SELECT body AS text, labels FROM post WHERE id < 100) UNION ALL (SELECT body, labels FROM post WHERE id >= 100)',
	options('{}', :'short'));
CALL emotion_train('queried', 'VALUES (''so glad'', ''{joy}''::text[]), (''so sad'', ''{}'')',
	options('{"text_column": "column1", "label_column": "column2", "holdout": 0, "min_count": 1}', :'short'));
CREATE DOMAIN words AS text CHECK (value <> 'nothing');
CREATE DOMAIN tags AS text[];
CREATE TABLE domains (text words, labels tags);
INSERT INTO domains SELECT body, labels FROM post;
CALL emotion_train('domains', 'domains', options('{}', :'short'));
-- a temporary table, and a text long enough to stand apart from its row
CREATE TEMPORARY TABLE long AS SELECT body AS text, labels FROM post;
ALTER TABLE long ALTER COLUMN text SET STORAGE EXTERNAL;
INSERT INTO long VALUES (repeat('happy days ', 20000), '{joy}');
CALL emotion_train('long', 'long', options('{"text_max_tokens": 1000}', :'short'));
SELECT model, labels FROM emotion_models WHERE name IN ('quoted', 'viewed', 'queried', 'domains', 'long') ORDER BY model COLLATE "C";
-- the same rows in other types make the same weights; weights of rows make others
SELECT a.sha256 = b.sha256 AS views, a.sha256 = c.sha256 AS unions, a.sha256 = w.sha256 AS weighted
FROM emotion_models AS a, emotion_models AS b, emotion_models AS c, emotion_models AS w
WHERE a.model = 'queried@1' AND b.model = 'domains@1' AND c.model = 'queried@3' AND w.model = 'quoted@1';

-- Labels: in a given order, with one that no row has; repeated ones count once.
CALL emotion_train('ordered', 'SELECT body AS text, labels || labels AS labels FROM post',
	options('{"labels": ["joy", "fear", "surprise", "anger"]}', :'short'));
SELECT labels FROM emotion_models WHERE name = 'ordered';

-- Other losses, schedules, metrics, storages.
CALL emotion_train('other', 'happy', options('{"loss": "focal", "schedule": "cosine", "metric": "macro_f1", "storage": "f32"}', :'short'));
CALL emotion_train('other', 'happy', options('{"loss": "asymmetric", "schedule": "constant", "metric": "macro_ap", "storage": "bf16"}', :'short'));
CALL emotion_train('other', 'happy', options('{"loss": "class_balanced", "metric": "log_loss", "text_preset": "paper", "kernel_widths": [1, 3, 5]}', :'short'));
SELECT version, configuration -> 'kernel_widths' AS widths, configuration -> 'text_ascii_only' AS ascii_only FROM emotion.model
WHERE name = 'other' ORDER BY version;

-- The options.
SELECT name, type, "default", range FROM emotion_train_options();
SELECT count(*) FROM emotion_train_options() WHERE meaning IS NULL OR meaning = '' OR meaning LIKE '%.';

-- What is refused, each with its SQLSTATE. First, the call.
CALL emotion_train(NULL, 'post');
\echo :SQLSTATE
CALL emotion_train('no', NULL);
\echo :SQLSTATE
CALL emotion_train('No Name', 'post');
\echo :SQLSTATE
CALL emotion_train('', 'post');
\echo :SQLSTATE
BEGIN;
CALL emotion_train('no', 'happy');
\echo :SQLSTATE
ROLLBACK;
CREATE FUNCTION train_in_function() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL emotion_train('no', 'happy'); END $$;
SELECT train_in_function();
\echo :SQLSTATE
SET default_transaction_read_only = on;
CALL emotion_train('no', 'happy');
\echo :SQLSTATE
RESET default_transaction_read_only;

-- Options.
CALL emotion_train('no', 'happy', '[]');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"epoch": 3}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"epochs": "3"}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"epochs": 0}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"epochs": 2.5}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"epochs": null}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"learning_rate": 1e400}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"seed": -1}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"loss": "mse"}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"kernel_widths": [3, 16]}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"kernel_widths": [3, "5"]}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"text_lowercase": 1}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"text_preset": "best"}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"holdout": 0.95}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"text_column": 3}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"text_column": ""}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"architecture": "transformer"}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"split_column": "split", "dev_source": "happy"}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"labels": []}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"labels": "joy"}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"labels": ["joy", null]}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"labels": ["joy", "anger", "fear", "joy"]}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"labels": ["joy", "anger", "fear", ""]}');
\echo :SQLSTATE

-- Sources.
CALL emotion_train('no', 'nowhere');
\echo :SQLSTATE
CALL emotion_train('no', 'nowhere.post');
\echo :SQLSTATE
CALL emotion_train('no', 'a.b.c.d');
\echo :SQLSTATE
CALL emotion_train('no', '');
\echo :SQLSTATE
CALL emotion_train('no', 'DELETE FROM post');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT FROM WHERE');
\echo :SQLSTATE
CALL emotion_train('no', 'WITH d AS (DELETE FROM post RETURNING body AS text, labels) SELECT * FROM d');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT body AS text, labels FROM post) AS source; DELETE FROM post; SELECT * FROM (SELECT 1');
\echo :SQLSTATE
SELECT count(*) FROM post;
CALL emotion_train('no', 'post');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"label_column": "tags"}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"split_column": "split"}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"weight_column": "weight"}');
\echo :SQLSTATE
CALL emotion_train('no', 'post', '{"text_column": "id"}');
\echo :SQLSTATE
CALL emotion_train('no', 'post', '{"text_column": "body", "label_column": "split"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT body AS text, ARRAY[1, 2] AS labels FROM post');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"dev_source": "nowhere"}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"dev_source": "post"}');
\echo :SQLSTATE
CREATE ROLE emotion_nobody;
GRANT USAGE ON SCHEMA training TO emotion_nobody;
GRANT SELECT ON happy TO emotion_nobody;
SET ROLE emotion_nobody;
CALL emotion_train('no', 'happy');
\echo :SQLSTATE
RESET ROLE;

-- Rows.
CALL emotion_train('no', 'SELECT * FROM happy WHERE false');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT text, ''{}''::text[] AS labels FROM happy');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT * FROM happy WHERE false', '{"labels": ["joy"]}');
\echo :SQLSTATE
CALL emotion_train('no', 'post', '{"text_column": "body", "split_column": "split", "train_split": "training"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT ''a'' AS text, ''{joy}''::text[] AS labels UNION ALL SELECT NULL, ''{joy}''');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT ''a'' AS text, ''{joy}''::text[] AS labels UNION ALL SELECT ''b'', NULL');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT ''a'' AS text, ''{joy}''::text[] AS labels UNION ALL SELECT ''b'', ''{joy,NULL}''');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', '{"labels": ["joy", "anger"]}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT ''a'' AS text, ''{joy}''::text[] AS labels', '{"dev_source": "SELECT ''b'' AS text, ''{rage}''::text[] AS labels"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT ''a'' AS text, ARRAY[''''] AS labels');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT ''a'' AS text, ARRAY[repeat(''l'', 300)] AS labels');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT ''a'' AS text, array_agg(''l'' || i) AS labels FROM generate_series(1, 1001) AS i');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT *, -1 AS weight FROM happy', '{"weight_column": "weight"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT *, ''NaN''::float8 AS weight FROM happy', '{"weight_column": "weight"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT *, NULL::int AS weight FROM happy', '{"weight_column": "weight"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT *, ''heavy'' AS weight FROM happy', '{"weight_column": "weight"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT *, date ''2020-01-01'' AS weight FROM happy', '{"weight_column": "weight"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT text, labels, 1 / (length(text) - length(text)) AS weight FROM happy', '{"weight_column": "weight"}');
\echo :SQLSTATE
CALL emotion_train('no', 'happy', options('{"learning_rate": 10, "weight_decay": 10, "warmup": 0, "schedule": "constant", "clip_norm": 0, "epochs": 50}', :'short'));
\echo :SQLSTATE

-- Learning from a teacher's scores. Alone they teach what the teacher knows ...
CREATE VIEW taught AS SELECT body AS text, NULL::text[] AS labels, emotion_scores(body, 'mood@1') AS scores, split FROM post;
CREATE VIEW student_agrees AS
	SELECT emotion_labels(body, 'student@1') <@ emotion_labels(body, 'mood@1') AND emotion_labels(body, 'mood@1') <@ emotion_labels(body, 'student@1') AS same FROM post WHERE split <> 'train';
CALL emotion_train('student', 'SELECT * FROM taught WHERE split = ''train''',
	options('{"soft_column": "scores", "labels": ["anger", "fear", "joy"], "holdout": 0.5, "seed": 7}', :'tiny'));
SELECT count(*) FILTER (WHERE same) > 0.95 * count(*) AS agrees FROM student_agrees;
SELECT emotion_label_names('student@1'), metrics -> 'held_out_texts' AS held_out FROM emotion_models WHERE model = 'student@1';
-- ... and so does the teacher itself, asked while rows are read, over labels in its order
CALL emotion_train('asked', 'SELECT * FROM taught WHERE split = ''train''',
	options('{"teachers": ["mood@1"], "holdout": 0, "soft_temperature": 1}', :'short'));
CALL emotion_train('asked', 'SELECT * FROM taught WHERE split = ''train''',
	options('{"soft_column": "scores", "labels": ["anger", "fear", "joy"], "holdout": 0}', :'short'));
SELECT a.labels = b.labels AS labels,
	(SELECT max(abs(x - y)) < 0.001 FROM post, unnest(emotion_scores(body, a.model), emotion_scores(body, b.model)) AS s (x, y)) AS alike
FROM emotion_models AS a, emotion_models AS b WHERE a.model = 'asked@1' AND b.model = 'asked@2';
-- beside labels
CREATE VIEW beside AS SELECT body AS text, labels, emotion_scores(body, 'mood@1')::float8[] AS scores FROM post;
CALL emotion_train('share', 'beside', options('{}', :'short'));
CALL emotion_train('share', 'beside', options('{"soft_column": "scores", "soft_weight": 0}', :'short'));
CALL emotion_train('share', 'beside', options('{"soft_column": "scores"}', :'short'));
CALL emotion_train('share', 'beside', options('{"soft_column": "scores", "soft_temperature": 2}', :'short'));
CALL emotion_train('share', 'beside', options('{"teachers": ["mood@1"]}', :'short'));
CALL emotion_train('share', 'beside', options('{"teachers": ["mood@1", "mood@1"]}', :'short'));
CALL emotion_train('share', 'SELECT text, labels, CASE WHEN length(text) % 2 = 0 THEN scores END AS scores FROM beside', options('{"soft_column": "scores"}', :'short'));
SELECT count(DISTINCT sha256) FROM emotion_models WHERE name = 'share';
SELECT s.version, (SELECT max(abs(x - y)) FROM unnest(emotion_scores('so happy today', 'share@1'), emotion_scores('so happy today', s.model)) AS t (x, y)) > 0 AS differs,
	s.metrics -> 'held_out_texts' AS held_out
FROM emotion_models AS s WHERE name = 'share' ORDER BY version;
-- teachers whose labels stand in another order
CALL emotion_train('teacher', 'beside', options('{"labels": ["joy", "fear", "anger"]}', :'short'));
CALL emotion_train('two', 'beside', options('{"teachers": ["teacher@1", "mood@1"]}', :'short'));
SELECT emotion_label_names(model) AS labels, lineage -> 'options' -> 'teachers' AS teachers FROM emotion_models WHERE name = 'two';
-- Several models as one: the weighted mean of their scores, whatever the order of their labels.
SELECT emotion_ensemble('both', ARRAY['mood@1', 'teacher@1']);
SELECT emotion_ensemble('both', ARRAY['teacher@1', 'mood'], ARRAY[1, 3], 'three parts mood');
SELECT model, architecture, labels, parameters = (SELECT sum(parameters) FROM emotion_models WHERE model IN ('mood@1', 'teacher@1')) AS all,
	lineage, description FROM emotion_models WHERE name = 'both' ORDER BY version;
SELECT jsonb_array_length(configuration -> 'members') AS members, configuration -> 'weights' AS weights FROM emotion.model WHERE name = 'both' ORDER BY version;
SELECT emotion_label_names('both@1') AS first, emotion_label_names('both@2') AS second;
SELECT max(abs(emotion_score(body, label, 'both@1') - (emotion_score(body, label, 'mood@1') + emotion_score(body, label, 'teacher@1')) / 2)) < 1e-6 AS mean,
	max(abs(emotion_score(body, label, 'both@2') - (emotion_score(body, label, 'mood@1') * 0.75 + emotion_score(body, label, 'teacher@1') * 0.25))) < 1e-6 AS weighted
FROM post, unnest(ARRAY['joy', 'anger', 'fear']) AS label;
SELECT bool_and(abs(e - (m + t) / 2) < 1e-6) AS thresholds
FROM unnest(emotion_label_names('both@1'), emotion_thresholds('both@1')) AS e (label, e), unnest(emotion_label_names('mood@1'), emotion_thresholds('mood@1')) AS m (label, m),
	unnest(emotion_label_names('teacher@1'), emotion_thresholds('teacher@1')) AS t (label, t) WHERE e.label = m.label AND e.label = t.label;
-- the other functions: labels, attention, marks, evaluation, thresholds, annotating, export
SELECT emotion_labels('glad today', 'both@2'), emotion_highlight('so glad today', 'both@2');
SELECT count(*) AS tokens, round(sum(weight)::numeric, 4) AS sum FROM emotion_explain('the train glad and today', 'both@2');
SELECT metric, value > 0.95 AS good FROM emotion_evaluate('both@2', 'SELECT body AS text, labels FROM post', '{}') WHERE scope = 'macro' AND metric IN ('roc_auc', 'average_precision') ORDER BY metric;
SELECT count(*) AS labels FROM emotion_tune_thresholds('both@1', 'SELECT body AS text, labels FROM post', '{}');
SELECT model, architecture FROM emotion_models WHERE name = 'both' ORDER BY version;
SELECT emotion_import('again_both', string_agg(data, '' ORDER BY part)) FROM emotion_export('both@2');
SELECT a.sha256 = b.sha256 AS same FROM emotion_models AS a, emotion_models AS b WHERE a.model = 'both@2' AND b.model = 'again_both@1';
CALL emotion_train('pupil', 'beside', options('{"teachers": ["both@2"]}', :'short'));
SELECT emotion_label_names('pupil@1');
-- what is refused
SELECT emotion_features('glad', 'both@1');
\echo :SQLSTATE
SELECT emotion_ensemble(NULL, ARRAY['mood@1']);
\echo :SQLSTATE
SELECT emotion_ensemble('bad', NULL);
\echo :SQLSTATE
SELECT emotion_ensemble('Bad', ARRAY['mood@1']);
\echo :SQLSTATE
SELECT emotion_ensemble('english', ARRAY['mood@1']);
\echo :SQLSTATE
SELECT emotion_ensemble('bad', '{}');
\echo :SQLSTATE
SELECT emotion_ensemble('bad', array_fill('mood@1'::text, ARRAY[65]));
\echo :SQLSTATE
SELECT emotion_ensemble('bad', ARRAY['mood@1', NULL]);
\echo :SQLSTATE
SELECT emotion_ensemble('bad', ARRAY['mood@1', 'nothing@1']);
\echo :SQLSTATE
SELECT emotion_ensemble('bad', ARRAY['mood@1', 'ordered@1']);
\echo :SQLSTATE
SELECT emotion_ensemble('bad', ARRAY['mood@1', 'both@1']);
\echo :SQLSTATE
SELECT emotion_ensemble('bad', ARRAY['mood@1', 'teacher@1', 'mood']);
\echo :SQLSTATE
SELECT emotion_ensemble('bad', ARRAY['mood@1'], ARRAY[0.5, 0.5]);
\echo :SQLSTATE
SELECT emotion_ensemble('bad', ARRAY['mood@1'], ARRAY[NULL]::real[]);
\echo :SQLSTATE
SELECT emotion_ensemble('bad', ARRAY['mood@1', 'teacher@1'], ARRAY[1, 0]);
\echo :SQLSTATE
SELECT emotion_ensemble('bad', ARRAY['mood@1', 'teacher@1'], ARRAY[1, 'NaN']::real[]);
\echo :SQLSTATE
CALL emotion_train('other', 'happy', options('{"text_preset": "paper"}', :'short'));
SELECT emotion_ensemble('unlike', ARRAY['mood@1', 'other@4']);
SELECT emotion_explain('glad', 'unlike@1');
\echo :SQLSTATE
-- texts without labels join those that train
CALL emotion_train('more', 'beside', options('{"teachers": ["mood@1"], "transfer_source": "SELECT body FROM post", "transfer_text_column": "body", "transfer_weight": 0.5}', :'short'));
CALL emotion_train('more', 'beside', options('{"soft_column": "scores", "transfer_source": "SELECT text, scores FROM beside WHERE length(text) < 20"}', :'short'));
SELECT version, train_texts + dev_texts - (SELECT count(*) FROM post) AS joined, dev_texts > 0 AS held_out FROM emotion.training_run WHERE name = 'more' ORDER BY version;

-- What is refused of them.
CALL emotion_train('no', 'beside', '{"soft_column": "scores", "teachers": ["mood@1"]}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"soft_weight": 1.5}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"soft_temperature": 0}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"transfer_source": "beside"}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"teachers": ["mood@1"], "transfer_text_column": "text"}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"teachers": "mood@1"}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"teachers": []}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"teachers": ["mood"]}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"teachers": ["mood@99"]}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"teachers": ["mood@1"], "labels": ["joy", "anger", "fear", "pride"]}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT ''a'' AS text, ''{joy}''::text[] AS labels', '{"teachers": ["mood@1"], "labels": ["joy"]}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT ''a'' AS text, ''{rage}''::text[] AS labels', '{"teachers": ["mood@1"]}');
\echo :SQLSTATE
SELECT format('CALL emotion_train(''no'', ''beside'', ''{"teachers": %s}'')', jsonb_agg('mood@1'::text)) AS too_many FROM generate_series(1, 65) \gset
:too_many;
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"soft_column": "marks"}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"soft_column": "text"}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"soft_column": "labels"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT text, labels, scores[1:2] AS scores FROM beside', '{"soft_column": "scores"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT text, labels, ''{0,NaN,0}''::real[] AS scores FROM beside', '{"soft_column": "scores"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT text, labels, ''{0,1.1,0}''::real[] AS scores FROM beside', '{"soft_column": "scores"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT text, labels, ''{0,NULL,0}''::real[] AS scores FROM beside', '{"soft_column": "scores"}');
\echo :SQLSTATE
CALL emotion_train('no', 'SELECT text, NULL::text[] AS labels, NULL::real[] AS scores FROM beside', '{"soft_column": "scores", "labels": ["joy"]}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"soft_column": "scores", "transfer_source": "SELECT text, NULL::real[] AS scores FROM beside"}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"teachers": ["mood@1"], "transfer_source": "SELECT NULL::text AS text"}');
\echo :SQLSTATE
-- held-out rows are evaluated by their labels
CALL emotion_train('no', 'taught', '{"teachers": ["mood@1"], "split_column": "split", "dev_split": "held"}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"teachers": ["mood@1"], "dev_source": "taught"}');
\echo :SQLSTATE
-- options that would be without effect
SELECT format('CALL emotion_train(''no'', ''beside'', ''{"%s": 1}'')', name)
FROM unnest('{soft_weight,soft_temperature,transfer_weight,cues,cue_rate,cue_noise}'::text[]) AS name \gexec
CALL emotion_train('no', 'beside', '{"cue_count": 1}');
\echo :SQLSTATE
CALL emotion_train('no', 'beside', '{"dev_split": "dev"}');
\echo :SQLSTATE
-- rows to hold out that were asked for must be there; those that are looked for need not be
CALL emotion_train('no', 'SELECT text, labels, ''train'' AS split FROM beside', '{"split_column": "split", "dev_split": "deev"}');
\echo :SQLSTATE
CALL emotion_train('undev', 'SELECT text, labels, ''train'' AS split FROM beside', options('{"split_column": "split"}', :'short'));
SELECT metrics -> 'held_out_texts' AS held_out FROM emotion_models WHERE name = 'undev';

-- A failed training leaves nothing but a row to resume or replace.
SELECT count(*) FROM emotion_models WHERE name = 'no';
SELECT model, state, pid FROM emotion_training_progress WHERE model LIKE 'no@%';
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 77;

-- Resuming.
CALL emotion_train('nothing', 'happy', '{"resume": true}');
\echo :SQLSTATE
CALL emotion_train('mood', 'post', '{"resume": true}');
\echo :SQLSTATE
CALL emotion_train('again', 'SELECT * FROM happy WHERE false', options('{"labels": ["joy", "anger", "fear"]}', :'short'));
\echo :SQLSTATE
-- what fails before it trains leaves nothing behind
SELECT count(*) FROM emotion_training_progress WHERE model LIKE 'again@%';
CALL emotion_train('again', 'SELECT * FROM happy WHERE false', '{"resume": true}');
\echo :SQLSTATE
-- a training that had come to its second epoch when it was killed, as its row tells
INSERT INTO emotion.training_run (name, version, source, options, fingerprint, phase, epochs, epoch, train_texts)
VALUES ('again', 2, 'SELECT * FROM happy WHERE false', options('{"labels": ["joy", "anger", "fear"]}', :'short'), 42, 'training', 4, 2, 100);
INSERT INTO emotion.training_checkpoint VALUES ('again', 2, 1, 'made up');
SELECT percent FROM emotion_training_progress WHERE model = 'again@2';
UPDATE emotion.training_run SET texts_done = 50 WHERE name = 'again';
SELECT percent FROM emotion_training_progress WHERE model = 'again@2';
CALL emotion_train('again', 'no_such_table', options('{}', :'short'));
\echo :SQLSTATE
CALL emotion_train('again', 'happy', '{"resume": true}');
\echo :SQLSTATE
CALL emotion_train('again', 'SELECT * FROM happy WHERE false', '{"resume": true, "epochs": 2}');
\echo :SQLSTATE
CALL emotion_train('again', 'SELECT * FROM happy WHERE false', '{"resume": true, "seed": 1}');
CALL emotion_train('again', 'SELECT * FROM happy WHERE false', '{"resume": true, "precision": "mixed"}');
\echo :SQLSTATE
SELECT model, state, pid FROM emotion_training_progress WHERE model LIKE 'again@%';
CALL emotion_train('again', 'SELECT * FROM happy WHERE false', '{"resume": true, "epochs": 1, "threads": 2}');
\echo :SQLSTATE
SELECT phase, texts_done FROM emotion.training_run WHERE name = 'again' AND version = 2;
-- another training of that name replaces it
CALL emotion_train('again', 'happy', options('{}', :'short'));
SELECT model, state, source FROM emotion_training_progress WHERE model LIKE 'again@%';
SELECT count(*) AS orphans FROM emotion.training_checkpoint WHERE name = 'again';
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 77;

-- From a procedure and a block that may commit.
CREATE PROCEDURE train_all() LANGUAGE plpgsql AS $$ BEGIN CALL emotion_train('inside', 'happy',
	'{"embedding_dim": 2, "filters": 2, "hidden": 2, "attention": 2, "epochs": 1, "threads": 2}'); END $$;
CALL train_all();
DO $$ BEGIN CALL train_all(); EXCEPTION WHEN OTHERS THEN RAISE WARNING '%: %', SQLSTATE, SQLERRM; END $$;
SELECT model FROM emotion_models WHERE name = 'inside' ORDER BY version;

-- Unknown words as their n-grams: misspelt words mean what their likes mean.
CREATE VIEW said AS SELECT concat_ws(' ', a, word, b) AS text, array_remove(ARRAY[label], '') AS labels
FROM unnest('{the,my,we,it}'::text[]) AS a, unnest('{today,was,and}'::text[]) AS b,
	(VALUES ('happy', 'joy'), ('glad', 'joy'), ('furious', 'anger'), ('angry', 'anger'), ('afraid', 'fear'), ('fearful', 'fear'), ('so', ''), ('', '')) AS w (word, label);
\set said '"embedding_dim": 8, "filters": 8, "hidden": 8, "attention": 8, "batch_size": 16, "shard_size": 8, "learning_rate": 0.02, "epochs": 30, "holdout": 0, "min_count": 1, "threads": 2'
CALL emotion_train('words', 'said', options('{}', :'said'));
CALL emotion_train('ngrams', 'said', options('{"subword_buckets": 500, "dropout_subword": 0.3}', :'said'));
CALL emotion_train('ngrams', 'said', options('{"subword_buckets": 500, "dropout_subword": 0.3, "storage": "i8"}', :'said'));
SELECT text, emotion_labels(text, 'words@1') AS words, emotion_labels(text, 'ngrams@1') AS ngrams, emotion_labels(text, 'ngrams@2') AS i8
FROM (VALUES ('we happyy and'), ('it furiouss today'), ('my unafraid was'), ('my was')) AS t (text);
SELECT max(abs(a - b)) BETWEEN 1e-9 AND 0.05 AS near
FROM said, unnest(emotion_scores(text, 'ngrams@1'), emotion_scores(text, 'ngrams@2')) AS t (a, b);
SELECT b.size < a.size AS smaller, a.parameters - c.parameters AS more
FROM emotion_models AS a, emotion_models AS b, emotion_models AS c WHERE a.model = 'ngrams@1' AND b.model = 'ngrams@2' AND c.model = 'words@1';
-- some of the known words teach their n-grams unless they shall not
CALL emotion_train('taught_ngrams', 'said', options('{"subword_buckets": 50, "epochs": 1}', :'said'));
CALL emotion_train('taught_ngrams', 'said', options('{"subword_buckets": 50, "epochs": 1, "dropout_subword": 0}', :'said'));
CALL emotion_train('taught_ngrams', 'said', options('{"base": "taught_ngrams@2", "epochs": 1}', '"threads": 1'));
CALL emotion_train('taught_ngrams', 'said', options('{"base": "taught_ngrams@1", "epochs": 1, "dropout_subword": 0}', '"threads": 1'));
SELECT version, configuration -> 'dropout_subword' AS dropout_subword FROM emotion.model WHERE name = 'taught_ngrams' ORDER BY version;
SELECT emotion_import('copied', string_agg(data, '' ORDER BY part)) FROM emotion_export('ngrams@2');
SELECT emotion_scores('happyy', 'copied@1') = emotion_scores('happyy', 'ngrams@2') AS same;
SELECT token, weight > 0 AS counts FROM emotion_explain('happyy and', 'ngrams@1');
CALL emotion_train('wrong', 'happy', '{"dropout_subword": 0.1}');
CALL emotion_train('wrong', 'happy', '{"subword_buckets": 10, "subword_min": 6}');
CALL emotion_train('wrong', 'happy', '{"subword_buckets": 10000001}');

-- Training that begins with word vectors: words that no text of the training has are known.
INSERT INTO emotion.import_part (upload, part, data) VALUES ('moods', 1, convert_to(
	E'happy 9 0 0 0\nelated 8 1 0 0\nglad 9 1 0 0\nfurious 0 9 0 0\nlivid 0 8 1 0\nangry 0 9 1 0\nafraid 0 0 9 0\nscared 0 0 8 1\nThe 1 1 1 1\n', 'UTF8'));
CALL emotion_import_vectors_upload('moods', 'moods');
CALL emotion_train('begun', 'said', options('{"vectors": "moods", "vectors_words": 9, "embedding_rate": 0}', :'said') - 'embedding_dim');
CALL emotion_train('begun', 'said', options('{"vectors": "moods", "subword_buckets": 1000, "dropout_subword": 0.3}', :'said') - 'embedding_dim');
SELECT text, emotion_labels(text, 'words@1') AS words, emotion_labels(text, 'begun@1') AS vectors
FROM (VALUES ('we elated and'), ('it livid today'), ('my scared was'), ('it furiouss today'), ('my was')) AS t (text);
SELECT text, emotion_labels(text, 'begun@2') FROM (VALUES ('we happyy and'), ('it furiouss today'), ('my was')) AS t (text);
CALL emotion_train('wrong', 'happy', '{"vectors": "moods", "embedding_dim": 8}');
CALL emotion_train('wrong', 'happy', '{"vectors": "no_such"}');
CALL emotion_train('wrong', 'happy', '{"vectors_words": 10}');
SELECT emotion_drop_vectors('moods');
SELECT emotion_labels('it livid today', 'begun@1');

DROP OWNED BY emotion_nobody;
DROP ROLE emotion_nobody;
