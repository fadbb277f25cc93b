-- Training word vectors: what they learn, what is kept, and what is refused.
SET client_min_messages = warning; -- notices hold times
CREATE EXTENSION IF NOT EXISTS emotion;
CREATE SCHEMA train_vectors;
SET search_path = train_vectors, public;

-- Texts about animals and texts about traffic; "the" in all of them, one word too rare to be kept.
CREATE TABLE post (id int PRIMARY KEY, body text);
INSERT INTO post
SELECT i, string_agg((CASE i % 2 WHEN 0 THEN '{Kitten,puppies,banana,animals,feeding,purring,garden,elephant,the}'
	ELSE '{engine,motorway,vehicle,driving,gasoline,junction,garage,overtaking,the}' END::text[])[1 + (i * i * 7 + j * j * (1 + i / 9) + j) % 9], ' ' ORDER BY j)
	|| CASE i WHEN 7 THEN ' hapax' ELSE '' END
FROM generate_series(1, 1500) AS i, generate_series(1, 12) AS j GROUP BY i;
\set small '"dim": 20, "epochs": 8, "buckets": 500, "sampling": 0.05, "learning_rate": 0.1, "threads": 1'
CREATE FUNCTION options(jsonb, text) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$ SELECT ('{' || $2 || '}')::jsonb || $1 $$;
CREATE FUNCTION animal(text) RETURNS bool IMMUTABLE LANGUAGE sql AS
	$$ SELECT $1 = ANY ('{kitten,puppies,banana,animals,feeding,purring,garden,elephant}') $$;

CALL emotion_train_vectors('zoo', 'post', 'body', options('{}', :'small'));
SELECT name, dim, words, buckets, ngrams, min_n, max_n, source, arguments - 'loss' - 'fingerprint' AS arguments
FROM emotion_vectors WHERE name = 'zoo';
SELECT bool_and(animal(word)) FROM emotion_nearest_words('zoo', 'kitten', 6);
SELECT bool_or(animal(word)) FROM emotion_nearest_words('zoo', 'engine', 6);
SELECT word = 'elephant' AS misspelt FROM emotion_nearest_words('zoo', 'elephannt', 1);
SELECT name, state, epoch, epochs, words_done, words, percent, loss BETWEEN 0.1 AND 0.7 AS loss, words_per_second > 0 AS speed,
	time_left, texts, source, text_column, started_at <= updated_at AS times, started_by = current_user AS mine, pid
FROM emotion_vectors_progress WHERE name = 'zoo';
SELECT count(*) FROM emotion.vectors_checkpoint;

-- The same again gives the same, in whatever order the rows lie; another seed or model does not.
CREATE TABLE turned AS SELECT * FROM post ORDER BY id DESC;
CALL emotion_train_vectors('same', 'turned', 'body', options('{}', :'small'));
CALL emotion_train_vectors('seeded', 'post', 'body', options('{"seed": 2}', :'small'));
CALL emotion_train_vectors('bag', 'SELECT body AS text FROM post', options => options('{"model": "cbow", "buckets": 0, "max_words": 9}', :'small'));
SELECT v.name, v.sha256 = z.sha256 AS as_zoo, v.words, v.ngrams, v.source
FROM emotion_vectors AS v, emotion_vectors AS z
WHERE z.name = 'zoo' AND v.name IN ('same', 'seeded', 'bag') ORDER BY v.name;

-- Texts are read as networks read them, unless told otherwise.
CALL emotion_train_vectors('cased', 'post', 'body', options('{"text_lowercase": false, "epochs": 1}', :'small'));
SELECT word ~ '^[A-Z]' AS kept FROM emotion_nearest_words('cased', 'Kittens', 1);

-- Texts beyond maintenance_work_mem go to a file, and change nothing.
CREATE TABLE long AS SELECT i, (SELECT string_agg(body, ' ') FROM post WHERE id % 2 = i % 2 AND id < 400) AS body FROM generate_series(1, 150) AS i;
CALL emotion_train_vectors('inside', 'long', 'body', options('{"epochs": 1, "dim": 4}', :'small'));
SET maintenance_work_mem = '1MB';
CALL emotion_train_vectors('spilt', 'long', 'body', options('{"epochs": 1, "dim": 4}', :'small'));
RESET maintenance_work_mem;
SELECT count(DISTINCT sha256), count(*) FROM emotion_vectors WHERE name IN ('inside', 'spilt');

-- Options.
SELECT name, type, "default", range FROM emotion_train_vectors_options() WHERE name !~ '^text_' ORDER BY name COLLATE "C";
SELECT count(*), bool_and(meaning <> '') FROM emotion_train_vectors_options() WHERE name ~ '^text_';
SELECT "default" FROM emotion_train_vectors_options() WHERE name = 'text_max_tokens';

-- What is refused.
CALL emotion_train_vectors('zoo', 'post', 'body');
CALL emotion_train_vectors('Zoo', 'post', 'body');
CALL emotion_train_vectors(NULL, 'post', 'body');
CALL emotion_train_vectors('new', 'post');
CALL emotion_train_vectors('new', 'post', 'id');
CALL emotion_train_vectors('new', 'nothing', 'body');
CALL emotion_train_vectors('new', 'SELECT body FROM post WHERE false', 'body');
CALL emotion_train_vectors('new', 'SELECT ''a word'' AS body', 'body');
CALL emotion_train_vectors('new', 'SELECT NULL::text AS body', 'body');
CALL emotion_train_vectors('new', 'post', 'body', '[]');
CALL emotion_train_vectors('new', 'post', 'body', '{"dimension": 100}');
CALL emotion_train_vectors('new', 'post', 'body', '{"hidden": 100}');
CALL emotion_train_vectors('new', 'post', 'body', '{"text_unknown": 100}');
CALL emotion_train_vectors('new', 'post', 'body', '{"dim": 0}');
CALL emotion_train_vectors('new', 'post', 'body', '{"model": "glove"}');
CALL emotion_train_vectors('new', 'post', 'body', '{"min_n": 4, "max_n": 3}');
CALL emotion_train_vectors('new', 'post', 'body', '{"resume": true}');
BEGIN;
CALL emotion_train_vectors('new', 'post', 'body');
ROLLBACK;
SELECT count(*) FROM emotion_vectors WHERE name = 'new';
SELECT count(*) FROM emotion_vectors_progress WHERE name = 'new';
SELECT count(*) FROM emotion.vectors_run WHERE name = 'new';

-- An unfinished training is dropped by its owner, or by who may delete word vectors.
INSERT INTO emotion.vectors_run (name, source, text_column, options, fingerprint, phase, epochs, checkpoint_epoch)
VALUES ('half', 'post', 'body', '{}', 1, 'training', 4, 1.25);
INSERT INTO emotion.vectors_checkpoint VALUES ('half', 1, 'made up');
SELECT state, epoch, checkpoint_epoch FROM emotion_vectors_progress WHERE name = 'half';
CREATE ROLE train_vectors_trainer;
GRANT SELECT, INSERT, UPDATE, DELETE ON emotion.vectors_run, emotion.vectors_checkpoint TO train_vectors_trainer;
SET ROLE train_vectors_trainer;
SELECT emotion_drop_vectors('half');
INSERT INTO emotion.vectors_run (name, source, text_column, options, fingerprint, phase, epochs) VALUES ('own', 'post', 'body', '{}', 1, 'training', 4);
SELECT emotion_drop_vectors('own');
RESET ROLE;
SELECT name FROM emotion_vectors_progress WHERE state = 'interrupted';
SELECT emotion_drop_vectors('half');
SELECT count(*) FROM emotion.vectors_run AS r FULL JOIN emotion.vectors_checkpoint AS c ON c.name = r.name WHERE 'half' IN (r.name, c.name);
SELECT emotion_drop_vectors('half');
DROP OWNED BY train_vectors_trainer;
DROP ROLE train_vectors_trainer;
CREATE ROLE train_vectors_reader;
GRANT USAGE ON SCHEMA train_vectors TO train_vectors_reader;
GRANT SELECT ON post TO train_vectors_reader;
SET ROLE train_vectors_reader;
CALL emotion_train_vectors('new', 'post', 'body');
RESET ROLE;

SELECT emotion_drop_vectors(name) FROM emotion_vectors WHERE name IN ('zoo', 'same', 'seeded', 'bag', 'cased', 'inside', 'spilt');
-- A name that was dropped may be trained again.
CALL emotion_train_vectors('zoo', 'post', 'body', options('{"epochs": 1}', :'small'));
SELECT state, epochs FROM emotion_vectors_progress WHERE name = 'zoo';
SELECT emotion_drop_vectors('zoo');
DROP OWNED BY train_vectors_reader;
DROP ROLE train_vectors_reader;
DROP SCHEMA train_vectors CASCADE;
