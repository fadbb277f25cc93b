-- Filling columns, in committed batches.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;
\set ECHO none
\i test/reference/tiny_model.sql
\set ECHO all
SELECT emotion_import('note', decode(:'tiny_model', 'hex'));
SELECT emotion_deploy('note@1');

CREATE TABLE "My Posts" (id int PRIMARY KEY, "The Body" text, "S" real[], labels text[], json jsonb, short varchar(40), n int);
INSERT INTO "My Posts"
	SELECT i, CASE WHEN i % 10 = 0 THEN NULL ELSE (ARRAY['I love you', 'so sad', 'quiet evening', 'hate!', ''])[1 + i % 5] || i END
	FROM generate_series(1, 1000) AS i;

-- Each type of target; NULL texts stay NULL.
CALL emotion_annotate('"My Posts"', 'The Body', 'S');
CALL emotion_annotate('"My Posts"', 'The Body', 'labels', batch_size => 7);
CALL emotion_annotate('"My Posts"', 'The Body', 'json', 'note', 100000);
SELECT count(*) AS rows, count("The Body") AS texts, count("S") AS scores, count(labels) AS labels, count(json) AS json FROM "My Posts";
SELECT count(*) AS wrong FROM "My Posts"
WHERE "The Body" IS NOT NULL AND ("S" IS DISTINCT FROM emotion_scores("The Body")
	OR labels IS DISTINCT FROM emotion_labels("The Body") OR json IS DISTINCT FROM emotion_json("The Body"));

-- Called again, it does what is left.
CALL emotion_annotate('"My Posts"', 'The Body', 'S');
UPDATE "My Posts" SET "S" = NULL WHERE id <= 15;
UPDATE "My Posts" SET "S" = '{1}' WHERE id = 16;
CALL emotion_annotate('"My Posts"', 'The Body', 'S', 'note@1');
SELECT "S" FROM "My Posts" WHERE id = 16;

-- Any column of characters, exact whatever the session prints.
UPDATE "My Posts" SET short = 'happy', "S" = NULL;
SET extra_float_digits = -5;
CALL emotion_annotate('"My Posts"', 'short', 'S');
RESET extra_float_digits;
SELECT count(*) AS wrong FROM "My Posts" WHERE "S" IS DISTINCT FROM emotion_scores('happy');

-- Partitions and generated keys are no obstacle.
CREATE TABLE part (k int, body text, labels text[]) PARTITION BY LIST (k);
CREATE TABLE part_a PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_b PARTITION OF part FOR VALUES IN (2);
INSERT INTO part SELECT 1 + i % 2, 'happy' FROM generate_series(1, 50) AS i;
CALL emotion_annotate('part', 'body', 'labels', batch_size => 10);
SELECT tableoid::regclass, labels, count(*) FROM part GROUP BY 1, 2 ORDER BY 1;

-- A trigger that keeps the target null does not keep us busy for ever.
CREATE TABLE stubborn (body text, labels text[]);
INSERT INTO stubborn VALUES ('happy'), ('sad');
CREATE FUNCTION keep_null() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.labels = NULL; RETURN NEW; END';
CREATE TRIGGER keep_null BEFORE UPDATE ON stubborn FOR EACH ROW EXECUTE FUNCTION keep_null();
CALL emotion_annotate('stubborn', 'body', 'labels');
CREATE FUNCTION keep_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER a_keep_row BEFORE UPDATE ON stubborn FOR EACH ROW EXECUTE FUNCTION keep_row();
CALL emotion_annotate('stubborn', 'body', 'labels');

-- From a DO block at the top it commits; in a transaction it refuses.
UPDATE part SET labels = NULL WHERE k = 1;
DO $$ BEGIN CALL emotion_annotate('part', 'body', 'labels', batch_size => 10); END $$;
BEGIN;
CALL emotion_annotate('part', 'body', 'labels');
ROLLBACK;

-- Errors.
CALL emotion_annotate('part', 'nobody', 'labels');
CALL emotion_annotate('part', 'body', 'nobody');
CALL emotion_annotate('part', 'body', 'k');
CALL emotion_annotate('part', 'k', 'labels');
CALL emotion_annotate('pg_views', 'definition', 'viewname');
CALL emotion_annotate('part', 'body', 'labels', batch_size => 0);
CALL emotion_annotate('part', 'body', 'labels', batch_size => 100001);
CALL emotion_annotate(NULL, 'body', 'labels');
CALL emotion_annotate('part', NULL, 'labels');
CALL emotion_annotate('part', 'body', 'labels', 'nobody');
CALL emotion_annotate('part', 'body', 'labels', 'note@2');

-- With the caller's privileges.
\set VERBOSITY terse
CREATE ROLE regress_emotion_reader;
GRANT SELECT ON part TO regress_emotion_reader;
UPDATE part SET labels = NULL;
SET ROLE regress_emotion_reader;
CALL emotion_annotate('part', 'body', 'labels');
RESET ROLE;
GRANT UPDATE (labels) ON part TO regress_emotion_reader;
SET ROLE regress_emotion_reader;
CALL emotion_annotate('part', 'body', 'labels');
RESET ROLE;

DROP TABLE "My Posts", part, stubborn;
DROP FUNCTION keep_null, keep_row;
DROP ROLE regress_emotion_reader;
DELETE FROM emotion.deployment WHERE name = 'note';
SELECT emotion_drop_model('note@1');
