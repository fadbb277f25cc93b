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

DROP OWNED BY emotion_nobody;
DROP ROLE emotion_nobody;
