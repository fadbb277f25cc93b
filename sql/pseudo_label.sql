-- Labels given by a model, in committed batches.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;
\set ECHO none
\i test/reference/tiny_model.sql
\set ECHO all
SELECT emotion_import('pseudo', decode(:'tiny_model', 'hex'));

CREATE TABLE tweet (id int PRIMARY KEY, target int, text text);
INSERT INTO tweet VALUES (1, 4, 'I love you'), (2, 0, 'I love you'), (3, 4, 'so sad'), (4, 0, 'so sad'),
	(5, NULL, 'quiet evening'), (6, 4, NULL), (7, 4, 'LOVE'), (8, 4, 'i love you!!'), (9, 4, 'I LOVE YOU !!!'),
	(10, 4, 'я тебя люблю'), (11, 4, 'blorf gnarp love'), (12, 4, '');
SELECT id, text, emotion_labels(text, 'pseudo@1') AS labels FROM tweet WHERE text IS NOT NULL ORDER BY id;

-- By the model's thresholds: every row is there once, with what became of it.
CALL emotion_pseudo_label('tweet', 'text', 'labelled', 'pseudo@1', options => '{"batch_size": 5}');
SELECT key, text, labels, outcome, model FROM labelled ORDER BY key::int;
SELECT count(*) AS wrong FROM labelled l JOIN tweet t ON t.id::text = l.key
WHERE l.scores IS NOT NULL AND (l.scores <> emotion_scores(t.text, 'pseudo@1')
	OR l.outcome = 'labelled' AND l.labels <> emotion_labels(t.text, 'pseudo@1')
	OR l.confidence <> (SELECT min(emotion_score(t.text, label, 'pseudo@1')) FROM unnest(l.labels) AS label));
SELECT count(*) FILTER (WHERE labelled_at > now() - interval '1 hour') = count(*) AS timed FROM labelled;

-- Called again it does what came meanwhile; what is there counts as said before.
CALL emotion_pseudo_label('tweet', 'text', 'labelled', 'pseudo@1', options => '{"batch_size": 5}');
INSERT INTO tweet VALUES (13, 4, 'i LOVE you'), (14, 4, 'love evening');
CALL emotion_pseudo_label('tweet', 'text', 'labelled', 'pseudo@1', options => '{"batch_size": 2}');
SELECT key, labels, outcome FROM labelled WHERE key::int > 12 ORDER BY key;

-- A filter a row.
CALL emotion_pseudo_label('tweet', 'text', 'filtered', 'pseudo@1', NULL,
	'{"polarity_column": "target", "polarity": {"joy": "positive", "sadness": "negative"}, "min_length": 5, "max_length": 17, "min_ascii": 0.5, "min_known": 0.5, "min_words": 2, "duplicates": false}');
SELECT f.key, t.target, t.text, f.labels, f.outcome FROM filtered f JOIN tweet t ON t.id::text = f.key ORDER BY t.id;

-- Cuts: one for all, or one per label; null believes nothing; strict wants no doubt.
CALL emotion_pseudo_label('tweet', 'text', 'sure', 'pseudo@1', 0.9999);
SELECT DISTINCT outcome FROM sure ORDER BY 1;
CALL emotion_pseudo_label('tweet', 'text', 'cut', 'pseudo@1', NULL, '{"thresholds": {"joy": null}, "duplicates": false}');
SELECT DISTINCT label FROM cut, unnest(labels) AS label ORDER BY 1;
CALL emotion_pseudo_label('tweet', 'text', 'strict', 'pseudo@1', NULL, '{"thresholds": {"joy": 1}, "strict": true, "duplicates": false}');
SELECT count(*) AS joyful FROM strict s JOIN tweet t ON t.id::text = s.key WHERE outcome = 'labelled' AND 'joy' = ANY (emotion_labels(t.text, 'pseudo@1'));

-- A query, a key of its own, a schema.
CREATE SCHEMA pseudo;
CALL emotion_pseudo_label('SELECT ''k'' || id AS k, text FROM tweet WHERE id < 4', 'text', 'pseudo."Of Query"', 'pseudo@1', 0.2, '{"key_column": "k"}');
SELECT key, outcome FROM pseudo."Of Query" ORDER BY 1;

-- Cuts for a wanted precision, on held-out rows.
CREATE TABLE held (text text, labels text[]);
INSERT INTO held SELECT text, CASE WHEN i <= 3 THEN '{joy}' ELSE '{}' END::text[] FROM (VALUES ('I love you'), ('so sad')) AS v (text), generate_series(1, 4) AS i WHERE text LIKE 'I%' OR i = 4;
SELECT label, cut IS NULL AS none, positives, predicted, round(precision::numeric, 3) AS precision, recall FROM emotion_confidence_thresholds('pseudo@1', 'held', 0.7, '{"min_rows": 4}') WHERE label = 'joy';
SELECT label, cut IS NULL AS none, positives, predicted, precision, recall FROM emotion_confidence_thresholds('pseudo@1', 'held', 0.8, '{"min_rows": 4}') WHERE label = 'joy';
SELECT count(*) AS wrong FROM emotion_confidence_thresholds('pseudo@1', 'held', 0.7, '{"min_rows": 4}') c
WHERE c.label = 'joy' AND c.predicted <> (SELECT count(*) FROM held WHERE emotion_score(text, 'joy', 'pseudo@1') >= c.cut);

-- Errors.
\set VERBOSITY sqlstate
CALL emotion_pseudo_label('tweet', 'text', 'labelled', 'pseudo@1', 0.5);
CALL emotion_pseudo_label('tweet', 'text', 'tweet', 'pseudo@1');
CALL emotion_pseudo_label('tweet', 'nobody', 'new', 'pseudo@1');
CALL emotion_pseudo_label('tweet', 'id', 'new', 'pseudo@1');
CALL emotion_pseudo_label('SELECT * FROM tweet', 'text', 'new', 'pseudo@1');
CALL emotion_pseudo_label('tweet', 'text', 'new', 'nobody@1');
CALL emotion_pseudo_label('tweet', 'text', 'new', 'pseudo@1', 1.5);
CALL emotion_pseudo_label('tweet', 'text', 'new', 'pseudo@1', 0.5, '{"batch_size": 0}');
CALL emotion_pseudo_label('tweet', 'text', 'new', 'pseudo@1', 0.5, '{"batches": 5}');
CALL emotion_pseudo_label('tweet', 'text', 'new', 'pseudo@1', 0.5, '{"thresholds": {"nobody": 0.5}}');
CALL emotion_pseudo_label('tweet', 'text', 'new', 'pseudo@1', 0.5, '{"thresholds": {"joy": 2}}');
CALL emotion_pseudo_label('tweet', 'text', 'new', 'pseudo@1', 0.5, '{"polarity": {"joy": "positive"}}');
CALL emotion_pseudo_label(NULL, 'text', 'new', 'pseudo@1');
BEGIN;
CALL emotion_pseudo_label('tweet', 'text', 'new', 'pseudo@1');
ROLLBACK;
SELECT to_regclass('new') IS NULL AS nothing_made;
SELECT emotion_confidence_thresholds('pseudo@1', 'held', 0);
SELECT emotion_confidence_thresholds('pseudo@1', 'SELECT * FROM held WHERE false');
SELECT emotion_confidence_thresholds('pseudo@1', 'held', 0.5, '{"least": 1}');
\set VERBOSITY default
-- What is wrong with a row is found in its batch; what was written before stays.
CALL emotion_pseudo_label('tweet', 'text', 'odd', 'pseudo@1', 0.5, '{"polarity_column": "id", "batch_size": 1}');
SELECT count(*) FROM odd;
\set VERBOSITY terse
CALL emotion_pseudo_label('SELECT 1 AS id, text FROM tweet', 'text', 'twice', 'pseudo@1', 0.5, '{"key_column": "id"}');

DROP TABLE tweet, labelled, filtered, sure, cut, strict, pseudo."Of Query", held, odd, twice;
DROP SCHEMA pseudo;
SELECT emotion_drop_model('pseudo@1');
