-- Word vectors: import, catalog, export, words.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;
SET extra_float_digits = 1;

-- A text file, uploaded in pieces that end anywhere.
INSERT INTO emotion.import_part (upload, part, data) VALUES
	('u1', 1, convert_to(E'5 3\nthe 1 0 0\nThe 0 1 0\nPar', 'UTF8')), ('u1', 2, ''),
	('u1', 3, convert_to(E'is 0 0 1\nNew York 1 1 0\nthé -0.5 2e-1 .25\n', 'UTF8'));
CALL emotion_import_vectors_upload('small', 'u1');
SELECT count(*) AS pieces_left FROM emotion.import_part WHERE upload = 'u1';
SELECT name, dim, words, buckets, ngrams, min_n, max_n, size > 0 AS size, source, arguments, created_by = current_user AS mine,
	length(sha256) FROM emotion_vectors;
SELECT emotion_word_vector('small', 'the'), emotion_word_vector('small', 'New York'), emotion_word_vector('small', 'thé'),
	emotion_word_vector('small', 'unknown');
SELECT emotion_word_vector('small', NULL) IS NULL AS of_null;
SELECT * FROM emotion_nearest_words('small', 'the', 2);
SELECT word, round(similarity::numeric, 4) AS similarity FROM emotion_nearest_words('small', 'New York');
SELECT * FROM emotion_nearest_words('small', 'unknown');

-- Without a header; words in lower case; no more than asked for; the words of a table's texts.
INSERT INTO emotion.import_part (upload, part, data) VALUES
	('u2', 1, convert_to(E'The 1 0\nthe 2 0\nParis 0 1\nTea 1 1\nrare 3 3\n', 'UTF8') || '\xff20312031'::bytea);
INSERT INTO emotion.import_part SELECT 'u3', part, data FROM emotion.import_part WHERE upload = 'u2';
INSERT INTO emotion.import_part SELECT 'u4', part, data FROM emotion.import_part WHERE upload = 'u2';
CALL emotion_import_vectors_upload('folded', 'u2', '{"fold_case": true}');
CREATE TABLE note (body text);
INSERT INTO note VALUES ('Paris, paris! And TEA?'), ('no such word');
CALL emotion_import_vectors_upload('wanted', 'u3', '{"fold_case": true, "words_from": "note", "words_column": "body"}');
CALL emotion_import_vectors_upload('two', 'u4', '{"max_words": 2}');
SELECT name, words, arguments FROM emotion_vectors ORDER BY name;
SELECT emotion_word_vector('folded', 'the') AS the, emotion_word_vector('folded', 'The') AS "The",
	emotion_word_vector('wanted', 'tea') AS tea, emotion_word_vector('wanted', 'the') AS not_kept;

-- Out as fastText's model and as text, and in again: the same vectors.
INSERT INTO emotion.import_part (upload, part, data) SELECT 'model', part, data FROM emotion_export_vectors('small');
INSERT INTO emotion.import_part (upload, part, data) SELECT 'text', part, data FROM emotion_export_vectors('small', 'vec');
SELECT convert_from(data, 'UTF8') FROM emotion.import_part WHERE upload = 'text';
CALL emotion_import_vectors_upload('again', 'model');
CALL emotion_import_vectors_upload('again_text', 'text');
SELECT word, emotion_word_vector('small', word) = emotion_word_vector('again', word) AS model,
	emotion_word_vector('small', word) = emotion_word_vector('again_text', word) AS text
FROM (VALUES ('the'), ('The'), ('Paris'), ('New York'), ('thé')) AS v (word);

-- Written once.
UPDATE emotion.vectors SET dim = 5;
TRUNCATE emotion.vectors;
UPDATE emotion.vectors_part SET part = 7;
TRUNCATE emotion.vectors_part;
DELETE FROM emotion.vectors_part WHERE name = 'small';
SELECT emotion_drop_vectors('again_text');
SELECT count(*) AS parts_left FROM emotion.vectors_part WHERE name = 'again_text';
SELECT emotion_word_vector('again', 'the');
DELETE FROM emotion.vectors WHERE name = 'again';
SELECT count(*) AS parts_left FROM emotion.vectors_part WHERE name = 'again';

-- A name that is given again is read again.
INSERT INTO emotion.import_part (upload, part, data) VALUES ('u5', 1, 'the 7 8 9');
CALL emotion_import_vectors_upload('again', 'u5');
SELECT emotion_word_vector('again', 'the');
BEGIN;
SELECT emotion_drop_vectors('again');
ROLLBACK;
SELECT emotion_word_vector('again', 'the');

-- A part that is not what was published.
BEGIN;
SET LOCAL session_replication_role = replica;
ALTER TABLE emotion.vectors_part DISABLE TRIGGER USER;
UPDATE emotion.vectors_part SET data = set_byte(data, 400, 1) WHERE name = 'two';
SELECT emotion_word_vector('two', 'the');
ROLLBACK;

-- What is refused, and by which code.
\set VERBOSITY verbose
\set SHOW_CONTEXT never
CREATE FUNCTION refused(command text) RETURNS TABLE (state text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN QUERY SELECT '00000', 'done', '';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	RETURN NEXT;
END$$;
CREATE FUNCTION refused_file(file bytea, options text DEFAULT '{}') RETURNS TABLE (state text, message text, hint text)
	LANGUAGE sql AS $$
	INSERT INTO emotion.import_part (upload, part, data) VALUES ('bad', 1, file)
		ON CONFLICT (upload, part) DO UPDATE SET data = excluded.data;
	SELECT * FROM refused(format('CALL emotion_import_vectors_upload(''bad'', ''bad'', %L)', options))$$;
\x
SELECT * FROM refused($$SELECT emotion_word_vector('none', 'the')$$);
SELECT * FROM refused($$SELECT * FROM emotion_nearest_words('none', 'the')$$);
SELECT * FROM refused($$SELECT * FROM emotion_nearest_words('small', 'the', 0)$$);
SELECT * FROM refused($$SELECT * FROM emotion_export_vectors('none')$$);
SELECT * FROM refused($$SELECT * FROM emotion_export_vectors('small', 'zip')$$);
SELECT * FROM refused($$SELECT emotion_drop_vectors('none')$$);
SELECT * FROM refused($$CALL emotion_import_vectors('small', '/nowhere')$$);
SELECT * FROM refused($$CALL emotion_import_vectors('Bad name', '/nowhere')$$);
SELECT * FROM refused($$CALL emotion_import_vectors(NULL, '/nowhere')$$);
SELECT * FROM refused($$CALL emotion_import_vectors('bad', NULL)$$);
SELECT * FROM refused($$CALL emotion_import_vectors('bad', '/nowhere')$$);
SELECT * FROM refused($$CALL emotion_import_vectors('bad', 'here')$$);
SELECT * FROM refused($$CALL emotion_import_vectors('bad', '/')$$);
SELECT * FROM refused($$CALL emotion_import_vectors('bad', '/dev/zero')$$);
SELECT * FROM refused($$CALL emotion_import_vectors_upload('bad', 'none')$$);
SELECT * FROM refused_file('a 1', '{"words": 1}');
SELECT * FROM refused_file('a 1', '{"max_words": 0}');
SELECT * FROM refused_file('a 1', '{"words_column": "text"}');
SELECT * FROM refused_file('a 1', '{"words_from": "nowhere"}');
SELECT * FROM refused_file('a 1', '{"words_from": "note"}');
SELECT * FROM refused_file('a 1', '{"words_from": "SELECT ''...'' AS text WHERE false"}');
SELECT * FROM refused_file('a 1', '{"words_from": "note", "words_column": "body"}');
SELECT * FROM refused_file('');
SELECT * FROM refused_file('hello');
SELECT * FROM refused_file(E'9 2\na 1 2\n');
SELECT * FROM refused_file(E'a 1 2\nb 1 x\n');
SELECT * FROM refused_file(E'a 1 2\nb 1\n');
SELECT * FROM refused_file(E'a 1 2\nb 1 nan\n');
SELECT * FROM refused_file(E'1 5000\na 1 2\n');
SELECT * FROM refused_file('\x1f8b0800');
SELECT * FROM refused_file('\x0a000000050000000500000005000000');
SELECT * FROM refused_file('\xba164f2f0d000000');
SELECT * FROM refused_file('\xba164f2f0c000000');
SELECT * FROM refused_file('\xba164f2f0c000000ffffffff');
\x
\set VERBOSITY default

-- Who may: reading is everyone's, publishing takes INSERT, files of the server a role of the server's.
CREATE ROLE emotion_vectors_reader;
SET ROLE emotion_vectors_reader;
SELECT emotion_word_vector('small', 'the');
CALL emotion_import_vectors('mine', '/nowhere');
SELECT emotion_drop_vectors('small');
RESET ROLE;
GRANT INSERT ON emotion.vectors, emotion.vectors_part TO emotion_vectors_reader;
SET ROLE emotion_vectors_reader;
CALL emotion_import_vectors('mine', '/nowhere');
CALL emotion_import_vectors_upload('mine', 'bad');
RESET ROLE;
GRANT SELECT, DELETE ON emotion.import_part TO emotion_vectors_reader;
GRANT SELECT, DELETE ON emotion.vectors TO emotion_vectors_reader;
DELETE FROM emotion.import_part;
INSERT INTO emotion.import_part (upload, part, data) VALUES ('good', 1, E'a 1 2\nb 3 4\n');
SET ROLE emotion_vectors_reader;
CALL emotion_import_vectors_upload('mine', 'good');
SELECT name, created_by FROM emotion_vectors WHERE name = 'mine';
SELECT emotion_drop_vectors('mine');
SELECT count(*) AS parts_left FROM emotion.vectors_part WHERE name = 'mine';
RESET ROLE;

SET emotion.vectors_cache_size = 0;
SELECT emotion_word_vector('small', 'the'), emotion_word_vector('folded', 'the'), emotion_word_vector('small', 'the');
RESET emotion.vectors_cache_size;

SELECT emotion_drop_vectors(name) FROM emotion_vectors;
SELECT count(*) AS parts_left FROM emotion.vectors_part;
DROP OWNED BY emotion_vectors_reader;
DROP ROLE emotion_vectors_reader;
DROP FUNCTION refused_file, refused;
DROP TABLE note;
