-- What `make demo` shows; psql runs it in a fresh database, beside goemotions-sample.tsv.
\set ECHO none
SET client_min_messages = error;
\pset footer off
\pset null ''
\set QUIET on

\echo
\echo '== Emotions in text, by the model that ships with the extension'
\echo
\set ECHO queries
CREATE EXTENSION emotion;

CREATE TABLE sentence (id int GENERATED ALWAYS AS IDENTITY, body text);
INSERT INTO sentence (body) VALUES
  ('Thank you so much, you saved my day!'),
  ('I absolutely love this song 😍'),
  ('Why would anybody do that?'),
  ('I am not happy about this at all.'),
  ('I was wrong, and I am so sorry.'),
  ('LOL that cracked me up 😂😂😂'),
  ('My grandmother passed away last night.'),
  ('Wow, I did not see that coming!'),
  ('This is disgusting, who eats that?'),
  ('I''m sooooo nervous about tomorrow''s exam...'),
  ('Congratulations, you earned it. We are proud of you!'),
  ('The meeting is on Tuesday at ten.');

SELECT body, emotion_labels(body) FROM sentence ORDER BY id;

-- The strongest three of one of them,
SELECT label, round(score::numeric, 3) AS score
FROM emotion_top('I am not happy about this at all.', 3);

-- and what the model looked at.
SELECT token, round(weight::numeric, 3) AS weight
FROM emotion_explain('I am not happy about this at all.') ORDER BY position;

SELECT emotion_highlight('Thank you so much, you saved my day!');

\set ECHO none
\echo
\echo '== A labelled set in a table: 1,500 comments out of GoEmotions'
\echo
\set ECHO queries
CREATE TABLE loaded (text text, given text, id text);
\copy loaded FROM 'goemotions-sample.tsv'
CREATE TABLE demo_texts AS
  SELECT id, text, string_to_array(given, ',') AS labels,
         CASE WHEN id < 'ed8' THEN 'dev' ELSE 'train' END AS split
  FROM loaded;

-- How unequal the labels are,
SELECT label, count(*) FROM demo_texts, unnest(labels) AS label
GROUP BY label ORDER BY count(*) DESC LIMIT 8;

-- and a subset that holds at most 60 for each, as far as rows with several labels allow.
CREATE TABLE demo_balanced AS
  WITH ranked AS (
    SELECT id, label, row_number() OVER (PARTITION BY label ORDER BY md5(id)) AS place
    FROM demo_texts, unnest(labels) AS label)
  SELECT * FROM demo_texts
  WHERE id IN (SELECT id FROM ranked WHERE place <= 60);

SELECT label, count(*) FROM demo_balanced, unnest(labels) AS label
GROUP BY label ORDER BY count(*) DESC LIMIT 8;

\set ECHO none
\echo
\echo '== A model of our own, from these few rows: it shows the way, not how good it gets'
\echo
SET client_min_messages = notice;
\set ECHO queries
CALL emotion_train('demo', 'demo_texts',
  '{"split_column": "split", "epochs": 8, "batch_size": 16, "learning_rate": 0.003}');

SELECT model, state, epoch, best_epoch, texts, texts_per_second FROM emotion_training_progress;

-- How good is it on the rows that it has not seen?
SELECT metric, round(value::numeric, 3) AS value, round(low::numeric, 3) AS low,
       round(high::numeric, 3) AS high
FROM emotion_evaluate('demo', 'demo_texts',
                      '{"split_column": "split", "split": "dev", "bootstrap": 200}')
WHERE scope = 'macro' AND metric IN ('roc_auc', 'average_precision', 'f1');

\set ECHO none
\echo
\echo '== Deploy it, and go back'
\echo
SET client_min_messages = error;
\set ECHO queries
SELECT emotion_deploy('demo');
SELECT model, deployed, labels, parameters, pg_size_pretty(size) AS size FROM emotion_models;
SELECT emotion_rollback('demo');
SELECT emotion_labels('Thank you so much, you saved my day!');
