-- Pretraining: foreseeing hidden words in texts without labels, and trainings that begin as a model.
SET client_min_messages = warning; -- notices hold times
CREATE EXTENSION IF NOT EXISTS emotion;
CREATE SCHEMA pretraining;
SET search_path = pretraining, public;

-- A diary without labels, in which what happened goes with a word for how it felt.
CREATE VIEW mood AS
SELECT * FROM (VALUES (0, 'joy', '{beach,picnic,garden,music}'::text[], '{happy,glad}'::text[]),
	(1, 'anger', '{traffic,queue,noise,delay}', '{furious,angry}'), (2, 'fear', '{cellar,spider,storm,shadow}', '{afraid,scared}'))
	AS t (number, label, things, feelings);
CREATE TABLE diary (id int PRIMARY KEY, text text, split text, weight real);
INSERT INTO diary
SELECT i, string_agg(format('%s the %s again made me so %s today.', (ARRAY['well', 'then', 'and', 'yes', 'look'])[1 + (i + s) % 5],
	things[1 + i / 3 % 4], feelings[1 + (i / 12 + s) % 2]), ' ' ORDER BY s) || ' Bye!', CASE WHEN i % 5 = 0 THEN 'dev' ELSE 'train' END, 1 + i % 2
FROM generate_series(1, 480) AS i, generate_series(0, 1) AS s, LATERAL (SELECT * FROM mood WHERE number = (i + s) % 3) AS m GROUP BY i;
SELECT text FROM diary WHERE id IN (1, 2);
-- Labelled texts: how it felt, or what happened, but only one thing of each kind.
CREATE TABLE post (id int PRIMARY KEY, text text, labels text[], split text);
INSERT INTO post
SELECT i, CASE WHEN i / 3 % 5 < 4 THEN format('i was %s about %s', feelings[1 + i / 3 % 2], (ARRAY['it', 'that', 'him'])[1 + i / 7 % 3]) ELSE 'what about the ' || things[1] END,
	ARRAY[label], CASE WHEN i % 7 = 0 THEN 'dev' ELSE 'train' END
FROM generate_series(1, 150) AS i, LATERAL (SELECT * FROM mood WHERE number = i % 3) AS m;

\set tiny '"embedding_dim": 12, "filters": 12, "hidden": 8, "attention": 8, "batch_size": 32, "shard_size": 16, "learning_rate": 0.02, "patience": 0, "dropout_embedding": 0, "dropout_conv": 0, "dropout_pooled": 0, "threads": 1'
\set short '"embedding_dim": 2, "filters": 2, "hidden": 2, "attention": 2, "batch_size": 500, "epochs": 1, "threads": 1'
CREATE FUNCTION options(text, text) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$ SELECT ('{' || $2 || '}')::jsonb || ('{' || $1 || '}')::jsonb $$;
\set cues '"objective": "cues", "cue_source": "post", "cues": 6, "cue_count": 10'

-- The words that say most about labels are hidden and foreseen.
CALL emotion_train('cue_words', 'diary', options(:'cues' || ', "epochs": 12', :'tiny'));
SELECT model, (SELECT array_agg(label ORDER BY label) FROM unnest(emotion_label_names(model)) AS label) AS foreseen, lineage -> 'train_texts' AS sentences, metrics -> 'held_out_texts' AS held_out
FROM emotion_models WHERE name = 'cue_words';
SELECT model, state, epoch, epochs, texts, percent FROM emotion_training_progress WHERE model = 'cue_words@1';
SELECT text, (SELECT array_agg(label ORDER BY label) FROM emotion_top(text, 2, 'cue_words@1')) AS foreseen
FROM (VALUES ('and the picnic again made me so xxx today.'), ('and the delay again made me so xxx today.'), ('and the storm again made me so xxx today.'))
	AS t (text);

-- What was learnt so helps to learn the labels: also of things that no labelled text names.
\set tune '"epochs": 20, "batch_size": 16, "holdout": 0, "learning_rate": 0.01, "threads": 1, "dropout_embedding": 0, "dropout_conv": 0, "dropout_pooled": 0'
CALL emotion_train('cue_mood', 'post', options('"base": "cue_words@1", "layer_decay": 0.5, "unfreeze_epochs": 2', :'tune'));
CALL emotion_train('cue_fresh', 'post', options('"epochs": 20, "batch_size": 16, "holdout": 0', :'tiny'));
SELECT m AS model, count(*) AS things, count(*) FILTER (WHERE (SELECT label FROM emotion_top('what about the ' || thing, 1, m)) = mood.label) AS right
FROM unnest('{cue_mood@1,cue_fresh@1}'::text[]) AS m, mood, unnest(things[2:]) AS thing GROUP BY m ORDER BY m;
SELECT emotion_label_names('cue_mood@1'), lineage -> 'options' -> 'base' AS base FROM emotion_models WHERE model = 'cue_mood@1';
-- it keeps the network, but may have a dropout of its own
SELECT name, configuration -> 'hidden' AS hidden, configuration -> 'dropout_pooled' AS dropout_pooled FROM emotion.model WHERE name IN ('cue_words', 'cue_mood') ORDER BY name;

-- Labels that both have begin as they were, in whatever order: without a step, with the base's scores.
CALL emotion_train('cue_still', 'post', options('"base": "cue_mood@1", "labels": ["fear", "joy", "anger"], "learning_rate": 0', :'tune'));
SELECT text, bool_and(abs(emotion_score(text, label, 'cue_still@1') - emotion_score(text, label, 'cue_mood@1')) < 1e-6) AS as_base
FROM (VALUES ('what about the picnic'), ('i was furious'), ('')) AS t (text), unnest('{joy,anger,fear}'::text[]) AS label GROUP BY text ORDER BY text;
-- One that is new begins at how frequent it is.
CALL emotion_train('cue_still', $$SELECT text || ' anew' AS text, labels || CASE WHEN id % 10 = 0 THEN '{rare}'::text[] ELSE '{}' END AS labels FROM post$$,
	options('"base": "cue_mood@1", "learning_rate": 0', :'tune'));
SELECT abs(emotion_score('i was furious', 'anger', 'cue_still@2') - emotion_score('i was furious', 'anger', 'cue_mood@1')) < 1e-6 AS as_base,
	emotion_score('i was furious', 'rare', 'cue_still@2') BETWEEN 0.03 AND 0.3 AS as_frequent,
	emotion_score('anew', 'joy', 'cue_still@2') = emotion_score('xxx', 'joy', 'cue_still@2') AS new_words_stay_unknown;

-- A base may be kept in bytes, and may foresee again.
CALL emotion_train('cue_bytes', 'diary', options(:'cues' || ', "epochs": 2, "storage": "i8", "subword_buckets": 50', :'tiny'));
CALL emotion_train('cue_again', 'diary', options(:'cues' || ', "base": "cue_bytes@1", "dropout_subword": 0.2, "batch_size": 32, "epochs": 4', :'tune'));
CALL emotion_train('cue_of_bytes', 'post', options('"base": "cue_again@1", "embedding_rate": 0', :'tune'));
SELECT emotion_label_names('cue_again@1') = emotion_label_names('cue_bytes@1') AS foresees_the_same;
-- words that the base does not know are read by their n-grams
SELECT emotion_score('i was himmm', 'joy', 'cue_of_bytes@1') <> emotion_score('i was qqq', 'joy', 'cue_of_bytes@1') AS differ;

-- The same model whatever the threads and the order of rows; another seed hides others.
CALL emotion_train('cue_same', 'diary', options(:'cues' || ', "epochs": 2', :'tiny'));
CALL emotion_train('cue_same', 'SELECT * FROM diary ORDER BY id DESC',
	options('"objective": "cues", "cue_source": "SELECT * FROM post ORDER BY id DESC", "cues": 6, "cue_count": 10, "epochs": 2, "threads": 2', :'tiny'));
CALL emotion_train('cue_same', 'diary', options(:'cues' || ', "epochs": 2, "seed": 2', :'tiny'));
SELECT model, sha256 = emotion_model_hash('cue_same@1') AS as_the_first FROM emotion_models WHERE name = 'cue_same' ORDER BY version;

-- Hidden words of texts held out: a share, a split (of the labelled rows too), another source.
\set shown 'SELECT train_texts, dev_texts, (metrics ->> \'macro_auc\')::float8 > 0.8 AS foresees FROM emotion.training_run JOIN emotion_models USING (name, version) WHERE name = \'cue_held\' ORDER BY version DESC LIMIT 1'
CALL emotion_train('cue_held', 'diary', options(:'cues' || ', "epochs": 8, "holdout": 0.3', :'tiny'));
:shown;
CALL emotion_train('cue_held', 'diary', options(:'cues' || ', "epochs": 8, "split_column": "split", "weight_column": "weight"', :'tiny'));
:shown;
CALL emotion_train('cue_held', 'diary', options(:'cues' || ', "epochs": 8, "dev_source": "SELECT * FROM diary WHERE id <= 100"', :'tiny'));
:shown;

-- Words: of the labelled texts by min_count, of the others by cue_count, in all max_words.
CREATE FUNCTION known(model text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(word, ' ' ORDER BY word) FROM unnest('{it,that,him,happy,beach,again,today,bye}'::text[]) AS word
	WHERE emotion_scores(word, model) <> emotion_scores('xxx', model) $$;
CALL emotion_train('cue_known', 'diary', options(:'cues' || ', "cue_count": 1000', :'short'));
CALL emotion_train('cue_known', 'diary', options(:'cues' || ', "cue_count": 900', :'short'));
CALL emotion_train('cue_known', 'diary', options(:'cues' || ', "min_count": 15, "cue_count": 1000', :'short'));
CALL emotion_train('cue_known', 'diary', options(:'cues' || ', "max_words": 12', :'short'));
SELECT model, known(model) FROM emotion_models WHERE name = 'cue_known' ORDER BY version;

-- What is refused, and why.
CALL emotion_train('cue_no', 'diary', options('"objective": "cues"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options('"objective": "words"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'post', options('"cue_source": "post"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "labels": ["joy"]', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "soft_column": "scores"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "teachers": ["cue_mood@1"]', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "cue_rate": 0', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "cues": 1001', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "cue_source": "nowhere"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "label_column": "moods"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "cue_source": "SELECT text, labels FROM post", "split_column": "split"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "cue_source": "SELECT text, NULL::text[] AS labels FROM post"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "cue_source": "SELECT text, CASE WHEN id <> 9 THEN labels END AS labels FROM (SELECT * FROM post ORDER BY id) AS p"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "cue_source": "SELECT text, labels || NULL::text AS labels FROM post"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "cue_source": "SELECT NULL::text AS text, labels FROM post"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'diary', options(:'cues' || ', "cue_source": "SELECT * FROM post LIMIT 4"', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'SELECT text FROM diary LIMIT 29', options(:'cues', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', $$SELECT 'so happy today' AS text FROM diary$$, options(:'cues', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'SELECT CASE WHEN id < 9 THEN text END AS text FROM (SELECT * FROM diary ORDER BY id) AS d', options(:'cues', :'short')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'post', options('"base": "cue_words@1", "vectors": "any"', :'tune')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'post', options('"base": "cue_words"', :'tune')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'post', options('"base": "cue_words@9"', :'tune')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'post', options('"base": "cue_words@1", "hidden": 9', :'tune')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'post', options('"base": "cue_words@1", "text_preset": "paper"', :'tune')); \echo :LAST_ERROR_SQLSTATE
CALL emotion_train('cue_no', 'post', options('"base": "cue_words@1", "dropout_subword": 0.1', :'tune')); \echo :LAST_ERROR_SQLSTATE
SELECT emotion_ensemble('cue_joined', '{cue_mood@1,cue_fresh@1}');
CALL emotion_train('cue_no', 'post', options('"base": "cue_joined@1"', :'tune')); \echo :LAST_ERROR_SQLSTATE
-- options that only say what the base is are no harm
CALL emotion_train('cue_yes', 'post', options('"base": "cue_words@1", "hidden": 8, "text_preset": "default", "dropout_conv": 0.5, "epochs": 1', :'tune'));

-- Rows and models that one may not read are of no use.
CREATE ROLE pretraining_user;
GRANT USAGE ON SCHEMA pretraining TO pretraining_user;
GRANT SELECT ON diary TO pretraining_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA emotion TO pretraining_user;
SET ROLE pretraining_user;
CALL emotion_train('cue_theirs', 'diary', options(:'cues', :'short'));
RESET ROLE;
DO $$ BEGIN PERFORM emotion_revoke('cue_words', 'public'); END $$;
SET ROLE pretraining_user;
CALL emotion_train('cue_theirs', 'diary', options('"objective": "cues", "cue_source": "SELECT text, ARRAY[text] AS labels FROM diary LIMIT 9", "base": "cue_words@1"', :'tune'));
RESET ROLE;
DO $$ BEGIN PERFORM emotion_grant('cue_words', 'public'); END $$;
SELECT count(*) AS unfinished FROM emotion.training_run WHERE name LIKE 'cue%' AND NOT finished AND fingerprint IS NOT NULL;

DROP OWNED BY pretraining_user;
DROP ROLE pretraining_user;
DROP SCHEMA pretraining CASCADE;
