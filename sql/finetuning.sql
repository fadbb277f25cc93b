-- Transformers: fine-tuned from a base, and from scratch.
SET client_min_messages = error; -- notices hold times
CREATE EXTENSION IF NOT EXISTS emotion;
CREATE SCHEMA finetuning;
SET search_path = finetuning, public;
\set here `pwd`

-- A checkpoint as a base, and with its head, which knows joy and anger among others.
CALL emotion_import_huggingface('ft_base', :'here' || '/test/reference/huggingface/multi', '{"head": "none"}');
CALL emotion_import_huggingface('ft_known', :'here' || '/test/reference/huggingface/multi');
CALL emotion_import_huggingface('ft_single', :'here' || '/test/reference/huggingface/single');
SELECT emotion_label_names('ft_known@1');

-- Rows whose labels are sure: a word that means one among others that mean nothing.
CREATE TABLE post AS
SELECT concat_ws(' ', a.filler, w.word, b.filler, 'today') AS text,
	array_remove(ARRAY[CASE WHEN w.word IN ('happy', 'glad') THEN 'joy' END, CASE WHEN w.word IN ('furious', 'angry') THEN 'anger' END], NULL) AS labels,
	CASE WHEN i % 7 = 0 THEN 'dev' ELSE 'train' END AS split
FROM generate_series(1, 300) AS i,
	LATERAL (SELECT (ARRAY['happy', 'glad', 'furious', 'angry', 'here', 'late'])[1 + i % 6] AS word) AS w,
	LATERAL (SELECT (ARRAY['the train', 'my dog', 'we', 'this song', 'it'])[1 + i / 6 % 5] AS filler) AS a,
	LATERAL (SELECT (ARRAY['was', 'and', 'is', 'with'])[1 + i / 30 % 4] AS filler) AS b;
\set tuned '"architecture": "roberta", "base": "ft_base@1", "split_column": "split", "epochs": 10, "learning_rate": 0.005, "batch_size": 8, "metric": "log_loss", "patience": 0, "hidden_dropout": 0, "attention_dropout": 0, "classifier_dropout": 0, "threads": 1'
CREATE FUNCTION options(jsonb, text) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$ SELECT ('{' || $2 || '}')::jsonb || $1 $$;

-- Fine-tuning.
CALL emotion_train('ft_tuned', 'post', options('{"description": "moods"}', :'tuned'));
SELECT model, architecture, labels, description, (metrics ->> 'macro_auc')::float8 > 0.99 AS separates, metrics -> 'held_out_texts' AS held_out,
	lineage -> 'train_texts' AS texts, lineage -> 'options' -> 'base' AS base
FROM emotion_models WHERE name = 'ft_tuned';
SELECT state, epoch, epochs, percent, best_macro_auc > 0.99 AS auc, checkpoint_bytes > 4 * (SELECT parameters FROM emotion.model WHERE name = 'ft_tuned') AS bytes,
	checkpoint_seconds >= 0 AS seconds FROM emotion_training_progress WHERE model = 'ft_tuned@1';
SELECT count(*) AS epochs, bool_and(train_loss > 0 AND texts_per_second > 0) AS figures FROM emotion.training_epoch WHERE name = 'ft_tuned';
SELECT count(*) AS texts, count(*) FILTER (WHERE found @> labels AND labels @> found) > 0.95 * count(*) AS right
FROM (SELECT labels, emotion_labels(text, 'ft_tuned@1') AS found FROM post WHERE split = 'dev' AND labels <> '{}') AS t;
SELECT c.configuration ->> 'hidden_size' = b.configuration ->> 'hidden_size' AS same_network,
	c.configuration ->> 'max_tokens' = b.configuration ->> 'max_tokens' AS same_reading, c.configuration ->> 'problem_type' AS problem
FROM emotion.model AS c, emotion.model AS b WHERE c.name = 'ft_tuned' AND b.name = 'ft_base';
-- the same whatever the threads; other with another seed, or in mixed precision
CALL emotion_train('ft_twice', 'post', options('{"epochs": 1, "threads": 2}', :'tuned'));
CALL emotion_train('ft_twice', 'post', options('{"epochs": 1}', :'tuned'));
CALL emotion_train('ft_twice', 'post', options('{"epochs": 1, "seed": 2}', :'tuned'));
CALL emotion_train('ft_twice', 'post', options('{"epochs": 1, "precision": "mixed"}', :'tuned'));
SELECT a.version, a.sha256 = b.sha256 AS as_the_first FROM emotion.model AS a, emotion.model AS b
WHERE a.name = 'ft_twice' AND b.name = 'ft_twice' AND b.version = 1 ORDER BY a.version;

-- What a head knows it keeps: nothing learnt yet, the scores of known labels are its own.
CALL emotion_train('ft_kept', 'SELECT text, labels || ''new''::text AS labels FROM post', options('{"epochs": 1, "learning_rate": 0, "holdout": 0, "storage": "f32", "base": "ft_known@1"}',
	replace(:'tuned', '"split_column": "split",', '')));
SELECT count(*), max(abs(emotion_score(text, 'joy', 'ft_kept@1') - emotion_score(text, 'joy', 'ft_known@1'))) < 1e-5 AS joy,
	max(abs(emotion_score(text, 'anger', 'ft_kept@1') - emotion_score(text, 'anger', 'ft_known@1'))) < 1e-5 AS anger
FROM post WHERE split = 'dev';
SELECT emotion_label_names('ft_kept@1'), emotion_thresholds('ft_kept@1');
-- on from a model that was trained here
CALL emotion_train('ft_further', 'post', options('{"base": "ft_tuned@1", "epochs": 1, "learning_rate": 0.0001}', :'tuned'));
SELECT (metrics ->> 'macro_auc')::float8 > 0.99 AS separates FROM emotion_models WHERE name = 'ft_further';

-- Frozen layers; other losses, schedules, storages; dropout of its own.
CALL emotion_train('ft_ways', 'post', options('{"epochs": 1, "frozen": 3}', :'tuned'));
CALL emotion_train('ft_ways', 'post', options('{"epochs": 1, "loss": "focal", "schedule": "cosine", "metric": "macro_ap", "storage": "f32", "layer_decay": 0.8}', :'tuned'));
CALL emotion_train('ft_ways', 'post', options('{"epochs": 1, "loss": "distribution_balanced", "storage": "bf16", "label_smoothing": 0.1, "batch_size": 64, "shard_size": 4}', :'tuned'));
CALL emotion_train('ft_ways', 'post', options('{"epochs": 1, "hidden_dropout": 0, "attention_dropout": 0.2, "classifier_dropout": 0.3, "max_tokens": 6}', :'tuned'));
CALL emotion_train('ft_ways', 'post', options('{"epochs": 3, "steps_per_epoch": 2}', :'tuned'));
SELECT version, storage, size < (SELECT size FROM emotion.model WHERE name = 'ft_ways' AND version = 2) AS halves, configuration -> 'hidden_dropout_prob' AS hidden, configuration -> 'attention_probs_dropout_prob' AS attention,
	configuration -> 'classifier_dropout' AS classifier, configuration -> 'max_tokens' AS max_tokens
FROM emotion.model WHERE name = 'ft_ways' ORDER BY version;

-- From scratch, with the tokeniser of a model.
CALL emotion_train('ft_scratch', 'post', '{"architecture": "roberta", "tokenizer": "ft_base@1", "layers": 1, "hidden": 16, "heads": 2, "max_tokens": 20,
	"split_column": "split", "epochs": 10, "learning_rate": 0.005, "batch_size": 8, "metric": "log_loss", "threads": 1}');
SELECT m.labels, (metrics ->> 'macro_auc')::float8 > 0.99 AS separates, configuration ->> 'num_hidden_layers' AS layers, configuration ->> 'hidden_size' AS hidden,
	configuration ->> 'intermediate_size' AS inner, configuration ->> 'max_tokens' AS max_tokens,
	(configuration ->> 'max_position_embeddings')::int - 20 - (configuration ->> 'pad_token_id')::int AS more_positions
FROM emotion.model AS m WHERE name = 'ft_scratch';
SELECT count(*) AS tokens, round(sum(weight)::numeric, 3) AS weight FROM emotion_explain('my dog is happy', 'ft_scratch@1');

-- With a tokeniser learned from the training texts, and kept in 8 bits.
CALL emotion_train('ft_learned', 'SELECT * FROM post UNION ALL SELECT ''jargonjargon'', ''{}'', ''dev'' FROM generate_series(1, 9)',
	'{"architecture": "roberta", "vocabulary_size": 300, "layers": 1, "hidden": 16, "heads": 2, "max_tokens": 20, "storage": "i8",
	"split_column": "split", "epochs": 20, "learning_rate": 0.005, "batch_size": 8, "metric": "log_loss", "threads": 1}');
SELECT configuration ->> 'vocab_size' AS tokens FROM emotion.model WHERE name = 'ft_learned';
SELECT count(*) FILTER (WHERE found @> labels AND labels @> found) > 0.95 * count(*) AS right
FROM (SELECT labels, emotion_labels(text, 'ft_learned@1') AS found FROM post WHERE split = 'dev' AND labels <> '{}') AS t;
SELECT string_agg(token, '|' ORDER BY "position") AS learned, (SELECT count(*) > 4 FROM emotion_explain('jargonjargon', 'ft_learned@1')) AS held_out_is_not
FROM emotion_explain('the train is furious', 'ft_learned@1');

-- Which texts are held out does not depend on who reads them.
CALL emotion_train('ft_held', 'post', '{"architecture": "roberta", "vocabulary_size": 300, "layers": 1, "hidden": 4, "heads": 1, "epochs": 1, "holdout": 0.3}');
CALL emotion_train('ft_held', 'post', '{"architecture": "roberta", "tokenizer": "ft_base@1", "layers": 1, "hidden": 4, "heads": 1, "epochs": 1, "holdout": 0.3}');
CALL emotion_train('ft_held', 'post', '{"embedding_dim": 4, "filters": 4, "hidden": 4, "attention": 4, "epochs": 1, "holdout": 0.3}');
SELECT count(*) AS models, count(DISTINCT metrics -> 'held_out_texts') AS held_out, min((metrics ->> 'held_out_texts')::int) BETWEEN 60 AND 120 AS share
FROM emotion_models WHERE name = 'ft_held';

-- A student of other models, and a teacher.
CALL emotion_train('ft_student', 'post', options('{"teachers": ["ft_tuned@1"], "soft_weight": 0.5}', :'tuned'));
SELECT (metrics ->> 'macro_auc')::float8 > 0.99 AS separates FROM emotion_models WHERE name = 'ft_student';

-- What was trained with restricted models is for those who may use them all.
CREATE ROLE finetuning_one;
CREATE ROLE finetuning_two;
DO $$ BEGIN
	PERFORM emotion_revoke(n, 'public'), emotion_grant(n, 'finetuning_one') FROM unnest('{ft_base,ft_tuned}'::text[]) AS n;
	PERFORM emotion_grant('ft_base', 'finetuning_two'); END $$;
CALL emotion_train('ft_on_base', 'post', options('{"epochs": 1}', :'tuned'));
CALL emotion_train('ft_on_tokenizer', 'post', '{"architecture": "roberta", "tokenizer": "ft_base@1", "layers": 1, "hidden": 4, "heads": 1, "epochs": 1, "holdout": 0.3}');
CALL emotion_train('ft_on_teacher', 'post', '{"teachers": ["ft_student@1", "ft_tuned@1"], "embedding_dim": 4, "filters": 4, "hidden": 4, "attention": 4, "epochs": 1, "holdout": 0.3}');
CALL emotion_train('ft_on_both', 'post', options('{"epochs": 1, "teachers": ["ft_tuned@1"], "soft_weight": 0.5}', :'tuned'));
CALL emotion_train('ft_ways', 'post', options('{"epochs": 1}', :'tuned'));
SELECT name, max(version) AS version, max(granted_to) AS granted_to FROM emotion_models WHERE name LIKE 'ft\_on\_%' OR name = 'ft_ways' GROUP BY name ORDER BY name;

-- The options.
SELECT name, type, "default", range FROM emotion_train_options() WHERE meaning LIKE 'roberta: %' ORDER BY name COLLATE "C", type;
SELECT name, "default", substring(meaning FROM '\((roberta: .*)\)') AS roberta FROM emotion_train_options() WHERE meaning LIKE '%(roberta: %' ORDER BY name COLLATE "C";

-- What is refused, with its SQLSTATE and the way out.
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "vocabulary_size": 299}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "bert"}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "missing@1"}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "english@1"}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "tokenizer": "english@1"}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"base": "ft_base@1"}');
\echo :SQLSTATE
SELECT emotion_ensemble('ft_joined', ARRAY['ft_tuned@1', 'ft_further@1']);
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_joined@1"}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"layers": 2}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"frozen": 2}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"tokenizer": "ft_base@1"}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_base@1", "layers": 2}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_base@1", "tokenizer": "ft_base@1"}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "tokenizer": "ft_base@1", "vocabulary_size": 900}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_base@1", "embedding_dim": 8}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_base@1", "text_lowercase": true}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_base@1", "mixup": 0.2}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_base@1", "min_count": 2}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_base@1", "objective": "cues", "cue_source": "post"}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_base@1", "frozen": 4}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_base@1", "frozen": 66}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "tokenizer": "ft_base@1", "frozen": 1}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_base@1", "max_tokens": 600}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "base": "ft_base@1", "max_tokens": 2}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "tokenizer": "ft_base@1", "hidden": 250}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "tokenizer": "ft_base@1", "heads": 0}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "tokenizer": "ft_base@1", "width": 3}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "tokenizer": "ft_base@1", "hidden": 2048, "heads": 1, "layers": 64, "inner": 8192, "vocabulary": 1}');
\echo :SQLSTATE

-- What no row can mend is refused before one is read: reading this source divides by zero.
\set unread 'SELECT repeat(text, 1 / (length(text) - length(text))) AS text, labels FROM post'
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "vocabulary_size": 300}');
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "hidden": 2048, "heads": 1, "layers": 64, "inner": 8192}');
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "labels": ["joy", "joy"]}');
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "teachers": ["missing@1"]}');
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "teachers": ["ft_base@1"]}');
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "teachers": ["ft_tuned@1", "english@1"]}');
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "teachers": ["ft_tuned@1"], "labels": ["joy", "fear"]}');
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "teachers": ["ft_known@1", "ft_single@1"]}');
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "dev_source": "nowhere"}');
CALL emotion_train('ft_no', :'unread', '{"teachers": ["ft_tuned@1"], "transfer_source": "SELECT body FROM pg_class"}');
CREATE ROLE emotion_ft_trainer;
GRANT INSERT ON emotion.model, emotion.model_part TO emotion_ft_trainer;
GRANT USAGE ON SCHEMA finetuning TO emotion_ft_trainer;
GRANT SELECT ON post TO emotion_ft_trainer;
SELECT emotion_revoke('ft_tuned', 'public');
SET ROLE emotion_ft_trainer;
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta"}');
RESET ROLE;
GRANT SELECT, INSERT, UPDATE, DELETE ON emotion.training_run, emotion.training_epoch, emotion.training_checkpoint TO emotion_ft_trainer;
SET ROLE emotion_ft_trainer;
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "teachers": ["ft_tuned@1"]}');
RESET ROLE;
SELECT emotion_grant('ft_tuned', 'public');
DROP OWNED BY emotion_ft_trainer;
DROP ROLE emotion_ft_trainer;

-- What becomes of labels that exclude one another is told.
SET client_min_messages = notice;
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "base": "ft_single@1"}');
SET client_min_messages = error;

-- Memory is estimated before anything begins; hints say what is enough.
SET emotion.max_training_memory = '1MB';
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "tokenizer": "ft_base@1", "hidden": 64, "layers": 2, "threads": 1, "holdout": 0}');
\echo :SQLSTATE
CALL emotion_train('ft_no', 'post', '{"embedding_dim": 300, "threads": 1, "holdout": 0}');
\echo :SQLSTATE
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "vocabulary_size": 1000, "hidden": 512, "layers": 12, "threads": 1}');
CALL emotion_train('ft_no', :'unread', '{"embedding_dim": 100, "subword_buckets": 100000, "threads": 1}');
SET emotion.max_training_memory = '10MB';
CALL emotion_train('ft_no', 'post', '{"architecture": "roberta", "tokenizer": "ft_base@1", "hidden": 64, "layers": 2, "threads": 1, "holdout": 0}');
SET emotion.max_training_memory = '35MB';
CALL emotion_train('ft_no', 'post', '{"embedding_dim": 300, "threads": 1, "holdout": 0}');
SET emotion.max_training_memory = 0;
CALL emotion_train('ft_no', :'unread', '{"architecture": "roberta", "base": "ft_base@1"}');
\set VERBOSITY sqlstate
SET emotion.max_training_memory = -2;
\set VERBOSITY default
RESET emotion.max_training_memory;
SELECT count(*) AS left_behind FROM emotion.training_run WHERE name = 'ft_no' AND fingerprint IS NOT NULL;
SELECT count(*) AS checkpoints FROM emotion.training_checkpoint;

SELECT emotion_drop_model(name || '@' || version) FROM emotion.model
WHERE name IN ('ft_base', 'ft_known', 'ft_single', 'ft_tuned', 'ft_twice', 'ft_kept', 'ft_further', 'ft_ways', 'ft_scratch', 'ft_learned', 'ft_held', 'ft_joined', 'ft_student',
	'ft_on_base', 'ft_on_tokenizer', 'ft_on_teacher', 'ft_on_both') ORDER BY name, version \g /dev/null
DELETE FROM emotion.model_grant WHERE name LIKE 'ft\_%';
DROP ROLE finetuning_one, finetuning_two;
DROP SCHEMA finetuning CASCADE;
