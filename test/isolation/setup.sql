-- What the specs share: two models that differ in what they make of "evening" (joy 0.05 and 0.50), texts, a gate
-- that holds statements up in their midst, and a registry as new for each permutation.
\i test/reference/tiny_model.sql
CREATE TABLE file_of (model text PRIMARY KEY, data bytea NOT NULL);
INSERT INTO file_of VALUES ('a', decode(:'tiny_model', 'hex'));
INSERT INTO file_of SELECT 'b', overlay(data PLACING '\x00000000' FROM 3169 FOR 4) FROM file_of;
CREATE TABLE post (id int PRIMARY KEY, text text, labels text[], split text, joy real[]);
INSERT INTO post SELECT i, 'evening ' || i, CASE WHEN i % 2 = 0 THEN '{joy}' ELSE '{sadness}' END::text[],
	CASE WHEN i % 3 = 0 THEN 'dev' ELSE 'train' END FROM generate_series(1, 12) AS i;
CREATE TABLE gate (id int);

-- Whoever locks table gate holds up all ids over 1.
CREATE FUNCTION passes(id int) RETURNS int LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
	IF id > 1 THEN PERFORM FROM gate; END IF;
	RETURN id;
END $$;
CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM passes(NEW.id); RETURN NEW; END $$;

CREATE FUNCTION publish(name text, model text) RETURNS text LANGUAGE sql
	AS 'SELECT emotion_import($1, (SELECT data FROM file_of AS f WHERE f.model = $2))';
CREATE FUNCTION options() RETURNS jsonb LANGUAGE sql IMMUTABLE
	RETURN '{"epochs": 1, "embedding_dim": 4, "filters": 4, "hidden": 4, "attention": 4, "threads": 1}'::jsonb;

-- a@1 and b@1, a deployed; no other models, and no numbers that were used. Their tables are write-once, but
-- for a superuser who switches off what sees to that.
CREATE PROCEDURE guard(mode text) LANGUAGE plpgsql AS $$
DECLARE each record;
BEGIN
	FOR each IN SELECT tgrelid::regclass AS relation, tgname FROM pg_trigger
		WHERE tgrelid IN ('emotion.model'::regclass, 'emotion.model_part'::regclass, 'emotion.dropped_model'::regclass) LOOP
		EXECUTE format('ALTER TABLE %s %s TRIGGER %I', each.relation, mode, each.tgname);
	END LOOP;
END $$;
CREATE PROCEDURE reset() LANGUAGE plpgsql AS $$
BEGIN
	CALL guard('DISABLE');
	DELETE FROM emotion.model_part AS p USING emotion.model AS m WHERE NOT m.bundled AND (p.name, p.version) = (m.name, m.version);
	DELETE FROM emotion.model WHERE NOT bundled;
	DELETE FROM emotion.dropped_model;
	DELETE FROM emotion.deployment WHERE NOT bundled;
	DELETE FROM emotion.model_grant;
	DELETE FROM emotion.training_run;
	DELETE FROM emotion.training_epoch;
	DELETE FROM emotion.training_checkpoint;
	CALL guard('ENABLE ALWAYS');
	UPDATE post SET joy = NULL;
	DROP TABLE IF EXISTS labelled;
	PERFORM publish('a', 'a'), publish('b', 'b');
	PERFORM emotion_deploy('a');
END $$;
