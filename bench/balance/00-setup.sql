-- What the experiment keeps. Run each time: nothing that is there is touched.

SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
CREATE SCHEMA IF NOT EXISTS bench;

CREATE TABLE IF NOT EXISTS bench.stage (name text PRIMARY KEY, seconds float8 NOT NULL);
CREATE TABLE IF NOT EXISTS bench.setting (settings jsonb NOT NULL, seeds int NOT NULL);

-- A training of a condition, and each figure of it with what it is in every resample of dev's rows.
CREATE TABLE IF NOT EXISTS bench.trained (condition text, seed int, model text NOT NULL, texts int8 NOT NULL,
	best_epoch int NOT NULL, seconds float8 NOT NULL, PRIMARY KEY (condition, seed));
CREATE TABLE IF NOT EXISTS bench.figure (condition text NOT NULL, seed int NOT NULL, scope text NOT NULL, label text,
	metric text NOT NULL, value float8, resamples float8[] NOT NULL, UNIQUE (condition, seed, scope, label, metric));
CREATE TABLE IF NOT EXISTS bench.refused (condition text PRIMARY KEY, reason text NOT NULL);
TRUNCATE bench.refused; -- another build may know more

CREATE OR REPLACE FUNCTION bench.stop(message text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		RAISE EXCEPTION '%', message;
	END $$;

-- A text's words: case, punctuation and spaces do not make another text.
CREATE OR REPLACE FUNCTION bench.words(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(nullif(btrim(lower(regexp_replace($1, '[[:space:][:punct:]]+', ' ', 'g'))), ''), $1)
	$$;

-- Trainings that began with other settings cannot be compared with new ones.
SELECT jsonb_build_object('quick', :'quick', 'epochs', :epochs, 'steps', :steps, 'network', :'network'::jsonb,
	'vectors', :'vectors', 'teacher', :'teacher', 'per_label', :per_label, 'precision', :precision,
	'resamples', :resamples, 'threads', :threads) AS settings \gset
SELECT bench.stop('WORK holds an experiment with other settings: ' || settings::text) FROM bench.setting
	WHERE settings <> :'settings'::jsonb \g /dev/null
INSERT INTO bench.setting SELECT :'settings', :seeds WHERE NOT EXISTS (SELECT FROM bench.setting);
UPDATE bench.setting SET seeds = :seeds;
