-- Who may use which model: emotion_grant and emotion_revoke, wherever a model is read.
\i test/reference/tiny_model.sql
\set secret 'emotion_test_secret@1'
BEGIN;
SELECT plan(55);
CREATE ROLE emotion_test_team;
CREATE ROLE emotion_test_analyst IN ROLE emotion_test_team;
CREATE ROLE emotion_test_guest;
CREATE ROLE "Emotion ""Test""";
GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC;
CREATE TEMP TABLE made AS SELECT emotion_import(n, decode(:'tiny_model', 'hex')) FROM unnest('{emotion_test_open,emotion_test_secret}'::text[]) AS n;
DO $$ BEGIN PERFORM emotion_deploy('emotion_test_open@1'); END $$;
CREATE TABLE text_of (id int, text text, labels text[]);
INSERT INTO text_of SELECT i, 'happy ' || i, '{joy}' FROM generate_series(1, 100) AS i;
GRANT ALL ON text_of TO PUBLIC;
CREATE FUNCTION pg_temp.hint(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text;
BEGIN EXECUTE statement; RETURN NULL;
EXCEPTION WHEN insufficient_privilege THEN GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT; RETURN hint; END $$;

-- From the beginning everybody has every model; then as with functions.
SELECT is(granted_to, '{public}', 'a model is everybody''s at first') FROM emotion_models WHERE name = 'emotion_test_secret';
DO $$ BEGIN
	PERFORM emotion_revoke('emotion_test_secret', 'public');
	PERFORM emotion_grant('emotion_test_secret', 'emotion_test_team'); END $$;
SELECT is(granted_to, '{emotion_test_team}', 'granted to a role and taken from the public') FROM emotion_models WHERE name = 'emotion_test_secret';
SELECT is(emotion_labels('happy', :'secret'), '{joy}', 'the registry''s owner uses it');
SET ROLE emotion_test_analyst;
SELECT is(emotion_labels('happy', :'secret'), '{joy}', 'a member of the role uses it');
SELECT is((SELECT count(*) FROM emotion_models WHERE name LIKE 'emotion\_test\_%'), 2::bigint, 'and sees it');

-- The same session has the model in its cache, and another user.
SET ROLE emotion_test_guest;
CREATE FUNCTION pg_temp.refused(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE message text;
BEGIN EXECUTE call; RETURN 'not refused';
EXCEPTION WHEN insufficient_privilege THEN GET STACKED DIAGNOSTICS message = MESSAGE_TEXT; RETURN message; END $$;
SELECT is(pg_temp.refused(call), 'permission denied for model "emotion_test_secret"', 'a guest is refused: ' || call) FROM unnest(ARRAY[
	$$SELECT emotion_labels('happy', 'emotion_test_secret@1')$$,
	$$SELECT emotion_scores('happy', 'emotion_test_secret@1')$$,
	$$SELECT emotion_score('happy', 'joy', 'emotion_test_secret@1')$$,
	$$SELECT emotion_json('happy', 'emotion_test_secret@1')$$,
	$$SELECT emotion_top('happy', 1, 'emotion_test_secret@1')$$,
	$$SELECT emotion_features('happy', 'emotion_test_secret@1')$$,
	$$SELECT emotion_explain('happy', 'emotion_test_secret@1')$$,
	$$SELECT emotion_highlight('happy', 'emotion_test_secret@1')$$,
	$$SELECT emotion_label_names('emotion_test_secret@1')$$,
	$$SELECT emotion_thresholds('emotion_test_secret@1')$$,
	$$SELECT emotion_model_hash('emotion_test_secret@1')$$,
	$$SELECT emotion_export('emotion_test_secret@1')$$,
	$$SELECT emotion_labels(text, 'emotion_test_secret@1') FROM text_of$$,
	$$UPDATE text_of SET labels = emotion_labels(text, 'emotion_test_secret@1')$$,
	$$SELECT count(*) FROM text_of WHERE emotion_score(text, 'joy', 'emotion_test_secret@1') > 0.5$$,
	$$SELECT emotion_evaluate('emotion_test_secret@1', 'text_of')$$,
	$$SELECT emotion_evaluate_resamples('emotion_test_secret', 'text_of')$$,
	$$SELECT emotion_compare('emotion_test_open@1', 'emotion_test_secret@1', 'text_of')$$,
	$$SELECT emotion_calibration('emotion_test_secret@1', 'text_of')$$,
	$$SELECT emotion_calibration_error('emotion_test_secret@1', 'text_of')$$,
	$$SELECT emotion_calibration_svg('emotion_test_secret@1', 'text_of')$$,
	$$SELECT emotion_confidence_thresholds('emotion_test_secret@1', 'text_of')$$]) AS call;
SELECT is(pg_temp.hint($$SELECT emotion_labels('happy', 'emotion_test_secret@1')$$),
	'The owner of the registry grants it: SELECT emotion_grant(''emotion_test_secret'', ''emotion_test_guest'').', 'and told how it is granted');
SELECT is((SELECT array_agg(name) FROM emotion_models WHERE name LIKE 'emotion\_test\_%'), '{emotion_test_open}', 'it sees what it may use');
SELECT is(pg_temp.hint($$SELECT emotion_grant('emotion_test_secret', 'emotion_test_guest')$$),
	'This takes GRANT SELECT, INSERT, UPDATE ON emotion.model_grant TO emotion_test_guest.', 'and grants nothing to itself');
SELECT is(emotion_labels('happy'), '{joy}', 'what it may use it uses');

-- Views, defaults, generated columns and indexes: whoever runs the statement.
RESET ROLE;
CREATE VIEW seen AS SELECT id, emotion_labels(text, 'emotion_test_secret@1') AS labels FROM text_of;
CREATE TABLE derived (text text, joy real GENERATED ALWAYS AS (emotion_score(text, 'joy', 'emotion_test_secret@1')) STORED);
CREATE TABLE indexed (text text);
CREATE INDEX ON indexed (emotion_score(text, 'joy', 'emotion_test_secret@1'));
CREATE FUNCTION trusted_labels(text) RETURNS text[] LANGUAGE sql SECURITY DEFINER SET search_path = public
	AS $$SELECT emotion_labels($1, 'emotion_test_secret@1')$$;
GRANT SELECT ON seen TO PUBLIC;
GRANT ALL ON derived, indexed TO PUBLIC;
SET ROLE emotion_test_guest;
SELECT is(pg_temp.refused('SELECT * FROM seen'), 'permission denied for model "emotion_test_secret"', 'a view does not lend the right of its owner');
SELECT is(pg_temp.refused($$INSERT INTO derived VALUES ('happy')$$), 'permission denied for model "emotion_test_secret"', 'nor does a generated column');
SELECT is(pg_temp.refused($$INSERT INTO indexed VALUES ('happy')$$), 'permission denied for model "emotion_test_secret"', 'nor an index');
SELECT is(trusted_labels('happy'), '{joy}', 'a function SECURITY DEFINER does: that is its owner''s will');

-- Revoking is seen at once, by way of a group too, in a session that has the model.
SET ROLE emotion_test_analyst;
SELECT is(emotion_labels('happy', :'secret'), '{joy}', 'a member of the role still uses it');
RESET ROLE;
REVOKE emotion_test_team FROM emotion_test_analyst;
SET ROLE emotion_test_analyst;
SELECT is(pg_temp.refused($$SELECT emotion_labels('happy', 'emotion_test_secret@1')$$), 'permission denied for model "emotion_test_secret"', 'not after it has left the role');
RESET ROLE;
DO $$ BEGIN PERFORM emotion_grant('emotion_test_secret', 'emotion_test_guest'); END $$;
SET ROLE emotion_test_guest;
SELECT is(emotion_labels('happy', :'secret'), '{joy}', 'the guest is granted it');
SELECT is((SELECT count(labels) FROM seen), 100::bigint, 'and uses the view');
RESET ROLE;
DO $$ BEGIN PERFORM emotion_revoke('emotion_test_secret', 'emotion_test_guest'); END $$;
SET ROLE emotion_test_guest;
SELECT is(pg_temp.refused($$SELECT emotion_labels('happy', 'emotion_test_secret@1')$$), 'permission denied for model "emotion_test_secret"', 'it is taken again');

-- The deployed model is refused like any other, and whoever may deploy must be able to use.
RESET ROLE;
GRANT INSERT ON emotion.deployment, emotion.model, emotion.model_part TO emotion_test_guest;
GRANT DELETE ON emotion.model TO emotion_test_guest;
SET ROLE emotion_test_guest;
SELECT is(pg_temp.refused(call), 'permission denied for model "emotion_test_secret"', 'a keeper who may not use it does not ' || call) FROM unnest(ARRAY[
	$$SELECT emotion_deploy('emotion_test_secret@1')$$,
	$$SELECT emotion_drop_model('emotion_test_secret@1')$$,
	$$SELECT emotion_ensemble('emotion_test_both', '{emotion_test_open@1,emotion_test_secret@1}')$$,
	$$SELECT emotion_tune_thresholds('emotion_test_secret@1', 'text_of')$$,
	$$SELECT emotion_calibrate('emotion_test_secret@1', 'text_of')$$]) AS call;
SELECT is(pg_temp.refused(format('SELECT emotion_import(''emotion_test_secret'', decode(%L, ''hex''))', :'tiny_model')), 'permission denied for model "emotion_test_secret"', 'nor publish under its name');
RESET ROLE;
DO $$ BEGIN PERFORM emotion_deploy('emotion_test_secret@1'); END $$;
SET ROLE emotion_test_guest;
SELECT is(pg_temp.refused($$SELECT emotion_labels('happy')$$), 'permission denied for model "emotion_test_secret"', 'the deployed model is refused like any other');

-- Roles are themselves, whatever their names.
RESET ROLE;
DO $$ BEGIN PERFORM emotion_grant('emotion_test_secret', 'Emotion "Test"'); PERFORM emotion_revoke('emotion_test_secret', 'emotion_test_team'); END $$;
SELECT is(granted_to, ARRAY['"Emotion ""Test"""'], 'names are quoted') FROM emotion_models WHERE model = :'secret';
ALTER ROLE "Emotion ""Test""" RENAME TO emotion_test_renamed;
SET ROLE emotion_test_renamed;
SELECT is(emotion_labels('happy', :'secret'), '{joy}', 'a role that is renamed keeps its right');
RESET ROLE;
DROP ROLE emotion_test_renamed;
CREATE ROLE emotion_test_renamed;
SET ROLE emotion_test_renamed;
SELECT is(pg_temp.refused($$SELECT emotion_labels('happy', 'emotion_test_secret@1')$$), 'permission denied for model "emotion_test_secret"', 'one of the same name made later does not have it');
RESET ROLE;
SELECT is(granted_to, '{none}', 'the right is nobody''s') FROM emotion_models WHERE model = :'secret';

-- What is asked for wrongly.
SELECT throws_ok($$SELECT emotion_grant('emotion_test_secret@1', 'emotion_test_guest')$$, '22023', '"emotion_test_secret@1" is a version of a model', 'versions are not granted');
SELECT throws_ok($$SELECT emotion_grant('A', 'emotion_test_guest')$$, '22023', 'invalid model name "A"', 'nor what is no name');
SELECT throws_ok($$SELECT emotion_revoke('emotion_test_secret', 'emotion_test_nobody')$$, '42704', 'role "emotion_test_nobody" does not exist', 'nor to nobody');
SELECT lives_ok($$SELECT emotion_revoke('emotion_test_later', 'public')$$, 'a name can be restricted before its first model');
SELECT * FROM finish();
ROLLBACK;
