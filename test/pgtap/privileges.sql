-- Who may do what. An ordinary role scores; the owner of the tables changes them. test/t/035_privileges.pl tries
-- every object.
\i test/reference/tiny_model.sql
BEGIN;
SELECT plan(48);
CREATE ROLE emotion_test_analyst;
CREATE ROLE emotion_test_keeper;
CREATE TEMP TABLE made AS SELECT emotion_import('shared', decode(:'tiny_model', 'hex')) FROM generate_series(1, 2);
DO $$ BEGIN PERFORM emotion_deploy('shared@1'); END $$;
SELECT table_owner_is('emotion', t, current_user, 'who creates the extension owns emotion.' || t)
FROM unnest(ARRAY['model', 'model_part', 'dropped_model', 'deployment', 'import_part']) AS t;
SELECT view_owner_is('emotion_models', current_user, 'and the view');
SELECT is((SELECT count(*) FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
		JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'emotion'
	WHERE p.prosecdef), 0::bigint, 'no function runs with its owner''s privileges');

GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;
GRANT USAGE ON SCHEMA public TO PUBLIC;
SET ROLE emotion_test_analyst;
SELECT is(emotion_labels('happy'), '{joy}', 'anyone scores with the deployed model');
SELECT is(emotion_labels('happy', 'shared@2'), '{joy}', 'and with one that they name');
SELECT is((SELECT count(*) FROM emotion_models WHERE name = 'shared'), 2::bigint, 'anyone lists the models');
SELECT is((SELECT count(*) FROM emotion_export('shared@1')), 1::bigint, 'anyone exports them');
SELECT throws_ok(format('SELECT emotion_import(''mine'', decode(%L, ''hex''))', :'tiny_model'), '42501',
	'permission denied for table model', 'but not everyone imports');
SELECT throws_ok($$SELECT emotion_deploy('shared@2')$$, '42501', NULL, 'deploys');
SELECT throws_ok($$SELECT emotion_rollback('shared')$$, '42501', NULL, 'rolls back');
SELECT throws_ok($$SELECT emotion_drop_model('shared@2')$$, '42501', NULL, 'drops');
SELECT throws_ok($$SELECT emotion_import_upload('mine', 'x')$$, '42501', NULL, 'or imports what was uploaded');
SELECT throws_ok($$INSERT INTO emotion.import_part VALUES ('x', 1, '')$$, '42501', NULL, 'uploads');
SELECT throws_ok($$SELECT count(*) FROM emotion.import_part$$, '42501', NULL, 'looks at what others upload');
SELECT throws_ok($$UPDATE emotion.model SET size = 1$$, '42501', NULL, 'or writes to the tables');
SELECT throws_ok($$INSERT INTO emotion.dropped_model VALUES ('x', 1, sha256(''))$$, '42501', NULL, 'the numbers of dropped models included');
SELECT throws_ok($$SELECT emotion.load_bundled('english', 1, '')$$, '42501', NULL, 'or loads a file of the server');
CREATE FUNCTION pg_temp.hint(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text;
BEGIN EXECUTE statement; RETURN NULL;
EXCEPTION WHEN insufficient_privilege THEN GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT; RETURN hint; END $$;
SELECT is(pg_temp.hint($$SELECT emotion_deploy('shared@2')$$), 'This takes GRANT INSERT ON emotion.deployment TO emotion_test_analyst.', 'what to grant is said: to deploy');
SELECT is(pg_temp.hint($$SELECT emotion_rollback('shared')$$), 'This takes GRANT UPDATE ON emotion.deployment TO emotion_test_analyst.', 'to roll back');
SELECT is(pg_temp.hint($$SELECT emotion_drop_model('shared@2')$$), 'This takes GRANT DELETE ON emotion.model TO emotion_test_analyst.', 'to drop');
RESET ROLE;
GRANT INSERT ON emotion.model, emotion.model_part, emotion.vectors, emotion.vectors_part TO emotion_test_analyst;
SET ROLE emotion_test_analyst;
SELECT is(pg_temp.hint($$SELECT emotion_import_upload('mine', 'x')$$), 'This takes GRANT SELECT, DELETE ON emotion.import_part TO emotion_test_analyst.', 'to import an upload');
SELECT is(pg_temp.hint($$CALL emotion_import_vectors_upload('mine', 'x')$$), 'This takes GRANT SELECT, DELETE ON emotion.import_part TO emotion_test_analyst.', 'of vectors, too');
RESET ROLE;
REVOKE INSERT ON emotion.model, emotion.model_part, emotion.vectors, emotion.vectors_part FROM emotion_test_analyst;

-- Reading can be taken away.
REVOKE EXECUTE ON FUNCTION emotion_export FROM PUBLIC;
SET ROLE emotion_test_analyst;
SELECT throws_ok($$SELECT count(*) FROM emotion_export('shared@1')$$, '42501', NULL, 'without EXECUTE nothing is exported');
SELECT throws_ok($$SELECT count(*) FROM emotion.model_part$$, '42501', NULL, 'nor are the parts read');
SELECT throws_ok($$SELECT lineage FROM emotion.model$$, '42501', NULL, 'or what emotion_models does not show to all');
SELECT is(emotion_labels('happy', 'shared@2'), '{joy}', 'but the model is used');
RESET ROLE;
REVOKE SELECT ON emotion.model FROM PUBLIC;
SET ROLE emotion_test_analyst;
SELECT throws_ok($$SELECT emotion_labels('happy', 'shared@2')$$, '42501', NULL, 'nor scored, though the session has the model');
SELECT throws_ok($$SELECT emotion_labels('happy')$$, '42501', NULL, 'with the deployed model neither');
RESET ROLE;
SELECT is(emotion_labels('happy'), '{joy}', 'the owner still scores');
GRANT SELECT (name, version, sha256) ON emotion.model TO PUBLIC;
ALTER TABLE emotion.model ENABLE ROW LEVEL SECURITY;
SET ROLE emotion_test_analyst;
SELECT throws_ok($$SELECT emotion_labels('happy', 'shared@2')$$, '42501', NULL, 'a policy is not passed over');
RESET ROLE;
ALTER TABLE emotion.model DISABLE ROW LEVEL SECURITY;

-- And writing given.
GRANT INSERT ON emotion.model, emotion.model_part, emotion.deployment TO emotion_test_keeper;
GRANT UPDATE ON emotion.deployment TO emotion_test_keeper;
GRANT DELETE ON emotion.model TO emotion_test_keeper;
GRANT ALL ON emotion.import_part TO emotion_test_keeper;
SET ROLE emotion_test_keeper;
SELECT is(emotion_import('kept', decode(:'tiny_model', 'hex')), 'kept@1', 'a keeper of the registry imports');
SELECT is((SELECT created_by FROM emotion_models WHERE name = 'kept'), 'emotion_test_keeper', 'under their own name');
SELECT is(emotion_deploy('kept'), 'kept@1', 'deploys');
SELECT is(emotion_rollback('kept'), 'shared@1', 'rolls back');
SELECT lives_ok(format('INSERT INTO emotion.import_part VALUES (''u'', 1, decode(%L, ''hex''))', :'tiny_model'), 'uploads');
SELECT is(emotion_import_upload('kept', 'u'), 'kept@2', 'imports what was uploaded');
SELECT lives_ok($$SELECT emotion_drop_model('kept@1')$$, 'and drops');
SELECT is((SELECT dropped_by FROM emotion.dropped_model WHERE name = 'kept'), 'emotion_test_keeper', 'which is written down');
SELECT is(current_user::text, 'emotion_test_keeper', 'for them, who stay who they are');
RESET ROLE;

-- Triggers that act as the owner of our tables do so for our tables only.
CREATE TABLE forged (name text, version int, sha256 bytea);
INSERT INTO forged VALUES ('shared', 77, sha256(''));
CREATE TRIGGER t AFTER DELETE ON forged FOR EACH ROW EXECUTE FUNCTION emotion.keep_number();
SELECT throws_ok('DELETE FROM forged', '39P01', 'this trigger is one of emotion.model, not of "forged"', 'nobody makes up dropped models');
DROP TRIGGER t ON forged;
CREATE TRIGGER t AFTER DELETE ON forged FOR EACH ROW EXECUTE FUNCTION emotion.delete_vectors_parts();
SELECT throws_ok('DELETE FROM forged', '39P01', 'this trigger is one of emotion.vectors, not of "forged"', 'or deletes parts of word vectors');

-- Names in the caller's search_path do not stand in for ours.
CREATE TEMP TABLE model (name text, version int);
CREATE SCHEMA trap;
CREATE FUNCTION trap.equal(text, text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, PROCEDURE = trap.equal);
CREATE FUNCTION trap.max(bigint) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped''; END';
SET LOCAL search_path = trap, pg_temp, public, pg_catalog;
CREATE TEMP TABLE trapped AS SELECT emotion_labels('happy') AS deployed, emotion_labels('happy', 'shared@2') AS named,
	emotion_json('happy') AS json, emotion_deploy('shared@2') AS deploy, emotion_rollback('shared') AS rollback,
	(emotion_drop_model('kept@2'))::text AS drop, (SELECT count(deployed) FROM emotion_models) AS models;
SET LOCAL search_path = '';
CREATE TEMP TABLE bare AS SELECT public.emotion_labels('happy') AS deployed;
SET LOCAL search_path = public;
SELECT is((SELECT named FROM trapped), '{joy}', 'the search_path is nobody''s way in');
SELECT is((SELECT rollback FROM trapped), 'shared@1', 'not into what is written either');
SELECT is((SELECT deployed FROM bare), '{joy}', 'an empty search_path suffices');
SELECT * FROM finish();
ROLLBACK;
