-- The registry's tables, their constraints, and what they enforce.
\i test/reference/tiny_model.sql
BEGIN;
SELECT plan(52);

SELECT has_table('emotion', t, 'there is a table ' || t)
FROM unnest(ARRAY['model', 'model_part', 'dropped_model', 'deployment', 'import_part']) AS t;
SELECT has_view('emotion_models', 'there is a view emotion_models');
SELECT col_is_pk('emotion', 'model', ARRAY['name', 'version'], 'a model is known by name and version');
SELECT col_is_pk('emotion', 'dropped_model', ARRAY['name', 'version'], 'a dropped one too');
SELECT col_is_pk('emotion', 'model_part', ARRAY['name', 'version', 'part'], 'a part by its place');
SELECT hasnt_fk('emotion', 'model_part', 'parts may be restored before their models');
SELECT is(attstorage::text, 'e', 'parts are kept out of line, uncompressed')
FROM pg_attribute WHERE attrelid = 'emotion.model_part'::regclass AND attname = 'data';
SELECT is((SELECT count(*) FROM pg_trigger WHERE tgrelid IN ('emotion.model'::regclass,
	'emotion.model_part'::regclass, 'emotion.dropped_model'::regclass, 'emotion.deployment'::regclass) AND NOT tgisinternal AND tgenabled <> 'A'),
	0::bigint, 'every trigger fires in replica sessions too');
SELECT is((SELECT array_agg(c::regclass::text ORDER BY c::regclass::text) FROM pg_extension, unnest(extconfig) AS c
	WHERE extname = 'emotion' AND c::regclass::text IN ('emotion.model', 'emotion.model_part', 'emotion.dropped_model', 'emotion.deployment')),
	ARRAY['emotion.deployment', 'emotion.dropped_model', 'emotion.model', 'emotion.model_part'], 'dumps hold the registry');

-- The form of names, seen from the functions and from the table.
SELECT lives_ok(format('SELECT emotion_import(%L, decode(%L, ''hex''))', name, :'tiny_model'), 'a model may be named ' || name)
FROM unnest(ARRAY['a', '_', 'a-b_9', repeat('n', 63)]) AS name;
SELECT throws_ok(format('SELECT emotion_import(%L, decode(%L, ''hex''))', name, :'tiny_model'), '22023', NULL,
	'a model may not be named "' || name || '"')
FROM unnest(ARRAY['A', '9a', '-a', 'a@1', 'a b', 'ä', '', repeat('n', 64), 'a/b', 'a.b']) AS name;
SELECT throws_ok($$INSERT INTO emotion.model (name, version, sha256, size, parts, architecture, configuration,
	labels, thresholds, parameters, storage) VALUES ('X', 1, sha256(''), 1, 1, 'a', '{}', '{l}', '{0.5}', 1, 'f32')$$, '23514', NULL,
	'nor by INSERT');
SELECT throws_ok($$INSERT INTO emotion.model (name, version, sha256, size, parts, architecture, configuration,
	labels, thresholds, parameters, storage) VALUES ('x', 0, sha256(''), 1, 1, 'a', '{}', '{l}', '{0.5}', 1, 'f32')$$, '23514', NULL,
	'versions begin at 1');
INSERT INTO emotion.model_part VALUES ('nobody', 1, 1, '\x00');
SELECT throws_ok($$SELECT emotion_scores('x', 'nobody@1')$$, '42704', NULL, 'parts alone are no model');

-- Write-once.
SELECT throws_ok($$UPDATE emotion.model SET description = 'x' WHERE name = 'a'$$, '55000', NULL, 'a model does not change');
SELECT throws_ok($$UPDATE emotion.model_part SET part = 2 WHERE name = 'a'$$, '55000', NULL, 'a part does not change');
SELECT throws_ok($$DELETE FROM emotion.model_part WHERE name = 'a'$$, '55000', NULL, 'a part is not deleted alone');
SELECT throws_ok('TRUNCATE emotion.model, emotion.model_part', '55000', NULL, 'the registry is not truncated');
SELECT lives_ok($$DELETE FROM emotion.model WHERE name = 'a-b_9'$$, 'a model may be deleted');
SELECT is_empty($$SELECT FROM emotion.model_part WHERE name = 'a-b_9'$$, 'and its parts go with it');
SELECT is((SELECT sha256 FROM emotion.dropped_model WHERE name = 'a-b_9' AND version = 1),
	sha256(decode(:'tiny_model', 'hex')), 'its number is kept');
SELECT throws_ok($$INSERT INTO emotion.model (name, version, sha256, size, parts, architecture, configuration,
	labels, thresholds, parameters, storage) VALUES ('a-b_9', 1, sha256(''), 1, 1, 'a', '{}', '{l}', '{0.5}', 1, 'f32')$$, '55000', NULL,
	'and not given to another file');
SELECT throws_ok($$DELETE FROM emotion.dropped_model WHERE name = 'a-b_9'$$, '55000', NULL, 'nor forgotten');
SELECT is(emotion_import('a-b_9', decode(:'tiny_model', 'hex')), 'a-b_9@2', 'the next version counts on');
SELECT is(emotion_import('a-b_9', decode(:'tiny_model', 'hex'), 1), 'a-b_9@1', 'the same file may come back');

-- Deploying.
SELECT is(emotion_deploy('a'), 'a@1', 'a bare name deploys its latest version');
SELECT is((SELECT count(*) FROM emotion_models WHERE deployed), 1::bigint, 'one model is deployed');
SELECT throws_ok($$DELETE FROM emotion.model WHERE name = 'a'$$, '55006', NULL, 'the deployed model is not deleted');
SELECT is(emotion_deploy('_'), '_@1', 'another is deployed');
SELECT is(emotion_rollback('_'), 'a@1', 'and rolled back');
SELECT lives_ok($$SELECT emotion_drop_model('_@1')$$, 'then it can be dropped');
DO $$ BEGIN PERFORM emotion_deploy(repeat('n', 63)), emotion_deploy('a'); END $$;
DELETE FROM emotion.deployment WHERE name = 'a';
SELECT throws_ok($$SELECT emotion_rollback('a')$$, '55000', NULL, 'what is not deployed is not rolled back');
SELECT is(emotion_labels('happy'), '{joy}', 'the deployed model scores');
DELETE FROM emotion.deployment;
SELECT throws_ok($$SELECT emotion_labels('happy')$$, '55000', 'no model is deployed', 'nothing deployed, nothing scored');
SELECT throws_ok($$SELECT emotion_model_hash()$$, '55000', NULL, 'nor hashed');
SELECT is_empty($$SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
	WHERE c.relkind = 'v' AND c.relname LIKE 'emotion%' AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL$$, 'every column of our views says what it is');
SELECT * FROM finish();
ROLLBACK;
