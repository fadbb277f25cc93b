-- The recipe of the bundled model; models/english/train.sh runs it, and again what is not finished.

SET client_min_messages = error; -- no word about a bundled model that is not there yet
CREATE EXTENSION IF NOT EXISTS emotion;
SET client_min_messages = notice;

SELECT to_regclass('reddit') IS NULL AS wanted \gset
\if :wanted
BEGIN;
CREATE TABLE goemotions (text text NOT NULL, labels text[] NOT NULL, split text NOT NULL, id text);
\copy goemotions FROM 'goemotions.copy'
CREATE TABLE reddit (text text NOT NULL);
\copy reddit FROM 'reddit.copy'
COMMIT;
\endif

-- 1. Words: what stands near what, in 56 million words of Reddit.
SELECT NOT EXISTS (SELECT FROM emotion_vectors WHERE name = 'reddit') AS wanted \gset
\if :wanted
CALL emotion_train_vectors('reddit', 'SELECT text FROM reddit UNION ALL SELECT text FROM goemotions WHERE split = ''train''',
	'text', '{"dim": 200, "epochs": 4, "min_n": 3, "max_n": 5, "buckets": 30000, "min_count": 5, "seed": 1}');
\endif

-- 2. Sentences: words that say most about a label are foreseen where they are hidden.
SELECT NOT EXISTS (SELECT FROM emotion_models WHERE name = 'reddit') AS wanted \gset
\if :wanted
CALL emotion_train('reddit', 'SELECT text FROM reddit WHERE hashtext(text) % 2 = 0', '{
	"objective": "cues", "cue_source": "SELECT * FROM goemotions WHERE split = ''train''",
	"cues": 400, "cue_rate": 0.5, "cue_noise": 0.1, "cue_count": 1000000000,
	"vectors": "reddit", "vectors_words": 20000,
	"subword_buckets": 30000, "subword_min": 3, "subword_max": 5, "dropout_subword": 0.1,
	"dropout_word": 0, "dropout_embedding": 0.1, "dropout_conv": 0.1, "dropout_hidden": 0.1,
	"dropout_pooled": 0.2,
	"learning_rate": 0.002, "embedding_rate": 0.05,
	"epochs": 8, "steps_per_epoch": 2000, "precision": "mixed", "seed": 1,
	"description": "foresees hidden words of Reddit texts; where the model english begins"
}');
\endif

-- 3. Labels: the network begins as the one above; what is near the output learns fast, words slowly.
SELECT format('CALL emotion_train(''teacher'', ''goemotions'', ''{
	"base": "reddit@1", "split_column": "split", "seed": %s, %s
	"description": "one of the four that teach the model english"
}'')', seed, $$
	"labels": ["admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion",
		"curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment",
		"excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness", "optimism", "pride",
		"realization", "relief", "remorse", "sadness", "surprise", "neutral"],
	"dropout_word": 0.1, "dropout_embedding": 0.3, "dropout_conv": 0.3, "dropout_hidden": 0.2,
	"dropout_pooled": 0.5, "dropout_samples": 4, "dropout_subword": 0, "loss": "class_balanced",
	"learning_rate": 0.012, "embedding_rate": 0.05, "weight_averaging": 0.998,
	"epochs": 5, "patience": 0, "metric": "macro_ap", "precision": "mixed",$$)
FROM generate_series((SELECT count(*) + 1 FROM emotion_models WHERE name = 'teacher'), 4) AS seed \gexec
SELECT NOT EXISTS (SELECT FROM emotion_models WHERE name = 'teachers') AS wanted \gset
\if :wanted
SELECT emotion_ensemble('teachers', array_agg(model ORDER BY version)) FROM emotion_models WHERE name = 'teacher';
\endif

-- 4. Students of the four learn what their teachers say beside the labels, and of other texts, where they
-- can be surer of less: with less dropout they come out better than their teachers together.
SELECT to_regclass('transfer') IS NULL AS wanted \gset
\if :wanted
BEGIN;
CREATE TABLE transfer AS SELECT text FROM (SELECT text FROM reddit
		WHERE hashtext(text) % 2 <> 0 AND length(text) BETWEEN 15 AND 150 ORDER BY hashtextextended(text, 1) LIMIT 400000) AS short
	ORDER BY hashtext(text || 'x') LIMIT 200000;
ALTER TABLE transfer ADD soft real[], ADD softer real[];
ALTER TABLE goemotions ADD soft real[], ADD softer real[];
COMMIT;
\endif
SELECT model AS teachers FROM emotion_models WHERE name = 'teachers' \gset
CALL emotion_annotate('goemotions', 'text', 'soft', :'teachers');
CALL emotion_annotate('transfer', 'text', 'soft', :'teachers');

\set student '{"base": "reddit@1", "split_column": "split", "transfer_source": "transfer", "soft_weight": 0.7, "loss": "class_balanced", "dropout_word": 0, "dropout_embedding": 0.05, "dropout_conv": 0.05, "dropout_hidden": 0.05, "dropout_pooled": 0.1, "dropout_subword": 0.05, "learning_rate": 0.012, "embedding_rate": 0.05, "weight_averaging": 0.998, "epochs": 4, "patience": 0, "metric": "macro_ap", "precision": "mixed"}'
SELECT to_jsonb(emotion_label_names(:'teachers')) AS labels \gset
SELECT format('CALL emotion_train(''student'', ''goemotions'', %L)', :'student'::jsonb ||
	jsonb_build_object('labels', :'labels'::jsonb, 'soft_column', 'soft', 'seed', seed, 'description', 'one of the three that teach the model english'))
FROM generate_series((SELECT count(*) + 1 FROM emotion_models WHERE name = 'student'), 3) AS seed \gexec
SELECT NOT EXISTS (SELECT FROM emotion_models WHERE name = 'students') AS wanted \gset
\if :wanted
SELECT emotion_ensemble('students', array_agg(model ORDER BY version)) FROM emotion_models WHERE name = 'student';
\endif

-- 5. One network learns from the three in the same way, and is kept in 8 bits.
SELECT model AS students FROM emotion_models WHERE name = 'students' \gset
CALL emotion_annotate('goemotions', 'text', 'softer', :'students');
CALL emotion_annotate('transfer', 'text', 'softer', :'students');
SELECT NOT EXISTS (SELECT FROM emotion_models WHERE name = 'english_training') AS wanted,
	:'student'::jsonb || jsonb_build_object('labels', :'labels'::jsonb, 'soft_column', 'softer', 'seed', 1, 'storage', 'i8',
		'description', '28 emotions in English text, trained on GoEmotions and texts of Reddit') AS options \gset
\if :wanted
CALL emotion_train('english_training', 'goemotions', :'options');
\endif

-- 6. Scores that mean what they say, then thresholds.
\set newest 'SELECT model, (SELECT count(*) FROM emotion_models WHERE name = ''english_training'') AS versions FROM emotion_models WHERE name = ''english_training'' ORDER BY version DESC LIMIT 1'
:newest \gset
SELECT :versions = 1 AS wanted \gset
\if :wanted
SELECT emotion_calibrate(:'model', 'goemotions', '{"split_column": "split"}');
\endif
:newest \gset
SELECT :versions = 2 AS wanted \gset
\if :wanted
SELECT count(*) AS thresholds FROM emotion_tune_thresholds(:'model', 'goemotions', '{"split_column": "split"}');
\endif
