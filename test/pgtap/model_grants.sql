-- Who may use which model: emotion_grant and emotion_revoke, wherever a model is read.
\i test/reference/tiny_model.sql
\set secret 'emotion_test_secret@1'
BEGIN;
SELECT plan(78);
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

-- A model made of others under a name that was nobody's is for those who may use all that it was made of.
SET client_min_messages = warning; -- of the notices, sql/registry.sql
CREATE TABLE marked AS SELECT i AS id, CASE i % 2 WHEN 0 THEN 'happy ' ELSE 'sad ' END || i AS text,
	CASE i % 2 WHEN 0 THEN '{joy}' ELSE '{sadness}' END::text[] AS labels FROM generate_series(1, 200) AS i;
GRANT SELECT ON marked TO PUBLIC;
CREATE ROLE emotion_test_lead IN ROLE emotion_test_team;
CREATE ROLE emotion_test_maker IN ROLE emotion_test_lead;
GRANT INSERT ON emotion.model, emotion.model_part TO emotion_test_maker;
GRANT DELETE ON emotion.model TO emotion_test_maker;
CREATE FUNCTION roles_of(model text) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
	AS 'SELECT roles::text FROM emotion.model_grant WHERE name = model';
DO $$ BEGIN
	PERFORM emotion_import('emotion_test_' || n, string_agg(data, '')) FROM emotion_export('emotion_test_open@1'), unnest('{first,second,taken,dropped}'::text[]) AS n GROUP BY n;
	PERFORM emotion_drop_model('emotion_test_dropped@1');
	PERFORM emotion_revoke('emotion_test_' || n, 'public') FROM unnest('{first,second,kept}'::text[]) AS n;
	PERFORM emotion_grant('emotion_test_first', r) FROM unnest('{emotion_test_team,emotion_test_guest}'::name[]) AS r;
	PERFORM emotion_grant('emotion_test_second', 'emotion_test_lead');
	PERFORM emotion_grant('emotion_test_kept', r) FROM unnest('{emotion_test_analyst,emotion_test_maker}'::name[]) AS r; END $$;
INSERT INTO emotion.training_run (name, version, source, options, phase, epochs, started_by)
	SELECT 'emotion_test_of_' || r, 1, 'marked', '{}', 'training', 1, 'emotion_test_' || r FROM unnest('{guest,maker}'::text[]) AS r;
SET ROLE emotion_test_maker;
SELECT ok(NOT has_table_privilege('emotion.model_grant', 'INSERT, UPDATE, DELETE'), 'who publishes need not grant');
DO $$ BEGIN
	PERFORM emotion_convert('emotion_test_first@1', 'f16', '{"name": "emotion_test_converted"}');
	PERFORM emotion_ensemble('emotion_test_joined', '{emotion_test_open@1,emotion_test_first@1}');
	PERFORM emotion_calibrate('emotion_test_first@1', 'marked', '{"name": "emotion_test_calibrated"}');
	PERFORM emotion_tune_thresholds('emotion_test_first@1', 'marked', '{"publish": true, "name": "emotion_test_tuned"}');
	PERFORM emotion_convert('emotion_test_converted@1', 'f32', '{"name": "emotion_test_again"}');
	PERFORM emotion_convert('emotion_test_first@1', 'f16', '{"name": "emotion_test_of_maker"}'); END $$;
SELECT is(roles_of('emotion_test_' || n), '{emotion_test_team,emotion_test_guest,emotion_test_maker}', 'those of its one source, and who made it: ' || n)
FROM unnest('{converted,joined,calibrated,tuned,again,of_maker}'::text[]) AS n;
DO $$ BEGIN
	PERFORM emotion_ensemble('emotion_test_common', '{emotion_test_first@1,emotion_test_open@1,emotion_test_second@1}');
	PERFORM emotion_convert('emotion_test_open@1', 'f16', '{"name": "emotion_test_free"}');
	PERFORM emotion_convert('emotion_test_first@1', 'f16');
	PERFORM emotion_convert('emotion_test_first@1', 'f16', format('{"name": "emotion_test_%s"}', n)::jsonb) FROM unnest('{taken,dropped,of_guest,kept}'::text[]) AS n; END $$;
SELECT is(roles_of('emotion_test_common'), '{emotion_test_lead,emotion_test_maker}', 'of several sources those who may use all, by another role too');
SELECT is(roles_of('emotion_test_free'), NULL, 'what everybody may use leaves no row');
SELECT is(roles_of('emotion_test_first'), '{emotion_test_team,emotion_test_guest}', 'another version changes nobody''s rights');
SELECT is(roles_of('emotion_test_' || n), NULL, 'nor is anybody kept from a name that was there: ' || n) FROM unnest('{taken,dropped,of_guest}'::text[]) AS n;
SELECT is(roles_of('emotion_test_kept'), '{emotion_test_analyst,emotion_test_maker}', 'what was granted before stands');
SAVEPOINT made;
DO $$ BEGIN PERFORM emotion_convert('emotion_test_first@1', 'f16', '{"name": "emotion_test_undone"}'); END $$;
SELECT isnt(roles_of('emotion_test_undone'), NULL, 'a row is written with the model');
ROLLBACK TO made;
SELECT is(roles_of('emotion_test_undone'), NULL, 'and goes with it');
DO $$ BEGIN PERFORM emotion_drop_model('emotion_test_converted@1'); END $$;
SELECT is(roles_of('emotion_test_converted'), '{emotion_test_team,emotion_test_guest,emotion_test_maker}', 'it outlives a version, as all rights do');

SET ROLE emotion_test_guest;
SELECT is(emotion_labels('happy', 'emotion_test_joined@1'), '{joy}', 'who may use the source uses what was made of it');
SELECT is(pg_temp.refused($$SELECT emotion_labels('happy', 'emotion_test_common@1')$$), 'permission denied for model "emotion_test_common"', 'who may use one of two does not');
SELECT is(pg_temp.refused(format('SELECT emotion_import(''emotion_test_common'', decode(%L, ''hex''))', :'tiny_model')), 'permission denied for model "emotion_test_common"', 'nor publishes there');
RESET ROLE;
DO $$ BEGIN
	PERFORM emotion_revoke('emotion_test_first', 'emotion_test_guest');
	PERFORM emotion_convert('emotion_test_first@1', 'f16', '{"name": "emotion_test_owners"}'); END $$;
SELECT is(roles_of('emotion_test_owners'), '{emotion_test_team}', 'the registry''s owner has rights without a row');
SET ROLE emotion_test_guest;
SELECT is(emotion_labels('happy', 'emotion_test_joined@1'), '{joy}', 'what is taken later is not taken of what was made before');
SELECT is(pg_temp.refused($$SELECT emotion_labels('happy', 'emotion_test_first@1')$$), 'permission denied for model "emotion_test_first"', 'but of the source');
RESET ROLE;
RESET client_min_messages;

-- What is asked for wrongly.
SELECT throws_ok($$SELECT emotion_grant('emotion_test_secret@1', 'emotion_test_guest')$$, '22023', '"emotion_test_secret@1" is a version of a model', 'versions are not granted');
SELECT throws_ok($$SELECT emotion_grant('A', 'emotion_test_guest')$$, '22023', 'invalid model name "A"', 'nor what is no name');
SELECT throws_ok($$SELECT emotion_revoke('emotion_test_secret', 'emotion_test_nobody')$$, '42704', 'role "emotion_test_nobody" does not exist', 'nor to nobody');
SELECT lives_ok($$SELECT emotion_revoke('emotion_test_later', 'public')$$, 'a name can be restricted before its first model');
SELECT * FROM finish();
ROLLBACK;
