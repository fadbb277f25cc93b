-- Versions, deployments, files in and out.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;
\set ECHO none
\i test/reference/tiny_model.sql
\set ECHO all

-- Publishing.
SELECT emotion_import('reg', decode(:'tiny_model', 'hex'), description => 'first');
SELECT emotion_import('reg', decode(:'tiny_model', 'hex'));
SELECT emotion_import('reg', decode(:'tiny_model', 'hex'), 7);
SELECT emotion_import('reg', decode(:'tiny_model', 'hex'));
SELECT model, deployed, bundled, architecture, labels, parameters, size > 1000 AS size, description,
	created_by = current_user AS mine, sha256 = encode(sha256(decode(:'tiny_model', 'hex')), 'hex') AS hash
FROM emotion_models WHERE name = 'reg' ORDER BY version;
SELECT labels, thresholds, configuration ->> 'hidden' AS hidden, configuration -> 'kernel_widths' AS widths
FROM emotion.model WHERE name = 'reg' AND version = 1;
SELECT emotion_model_hash('reg@1') = encode(sha256(decode(:'tiny_model', 'hex')), 'hex') AS hash;

-- What is refused, and changes nothing.
SELECT emotion_import('reg', decode(:'tiny_model', 'hex'), 7);
SELECT emotion_import('reg', decode(:'tiny_model', 'hex'), 0);
SELECT emotion_import('reg', decode(:'tiny_model', 'hex'), -1);
SELECT emotion_import('Reg', decode(:'tiny_model', 'hex'));
SELECT emotion_import('', decode(:'tiny_model', 'hex'));
SELECT emotion_import(repeat('r', 64), decode(:'tiny_model', 'hex'));
SELECT emotion_import(NULL, decode(:'tiny_model', 'hex'));
SELECT emotion_import('reg', NULL);
\set VERBOSITY sqlstate
SELECT emotion_import('reg', '');
SELECT emotion_import('reg', 'not a model');
SELECT emotion_import('reg', substring(decode(:'tiny_model', 'hex') FROM 1 FOR 1000));
SELECT emotion_import('reg', decode(:'tiny_model', 'hex') || '\x00');
\set VERBOSITY default
SELECT count(*) FROM emotion.model WHERE name = 'reg';

-- Export gives back what was imported; so does an upload in pieces.
SELECT string_agg(data, '' ORDER BY part) = decode(:'tiny_model', 'hex') AS same FROM emotion_export('reg@1');
SELECT count(*) FROM emotion_export('reg');
INSERT INTO emotion.import_part
	SELECT 'by piece', i, substring(decode(:'tiny_model', 'hex') FROM 1 + i * 1000 FOR 1000) FROM generate_series(0, 3) AS i;
SELECT emotion_import_upload('pieces', 'by piece', description => 'joined');
SELECT count(*) FROM emotion.import_part;
SELECT emotion_model_hash('pieces@1') = emotion_model_hash('reg@1') AS same;
SELECT emotion_import_upload('pieces', 'by piece');
INSERT INTO emotion.import_part VALUES ('half', 1, substring(decode(:'tiny_model', 'hex') FROM 1 FOR 1000));
\set VERBOSITY sqlstate
SELECT emotion_import_upload('pieces', 'half');
\set VERBOSITY default
SELECT upload, part FROM emotion.import_part;
DELETE FROM emotion.import_part;

-- Deploying and rolling back.
SELECT emotion_deploy('reg@1');
SELECT model FROM emotion_models WHERE deployed;
SELECT emotion_deploy('reg');
SELECT emotion_deploy('reg@8');
SELECT model FROM emotion_models WHERE deployed;
SELECT emotion_deploy('pieces@1');
SELECT emotion_rollback('reg');
SELECT emotion_rollback('pieces');
SELECT emotion_rollback('reg');
SELECT emotion_model_hash() = emotion_model_hash('reg@1') AS deployed;
SELECT name, version, withdrawn_at IS NOT NULL AS withdrawn FROM emotion.deployment WHERE NOT bundled ORDER BY id;
SELECT emotion_deploy('reg@99');
SELECT emotion_deploy('nobody');
SELECT emotion_rollback('no body');

-- Rolled back with its transaction, at once and to a savepoint.
BEGIN;
SELECT emotion_deploy('reg@2');
SELECT model FROM emotion_models WHERE deployed;
SELECT cardinality(emotion_scores('happy')) AS scored;
SAVEPOINT s;
SELECT emotion_import('reg', decode(:'tiny_model', 'hex'), 20), emotion_deploy('reg@7');
SELECT emotion_labels('happy', 'reg@20');
ROLLBACK TO s;
SELECT emotion_labels('happy', 'reg@20');
ROLLBACK;
SELECT model FROM emotion_models WHERE deployed;

-- Published models do not change, whoever asks.
SET session_replication_role = replica;
UPDATE emotion.model SET thresholds = '{0,0,0,0}' WHERE name = 'reg' AND version = 2;
UPDATE emotion.model_part SET data = '' WHERE name = 'reg' AND version = 2;
DELETE FROM emotion.model_part WHERE name = 'reg' AND version = 2;
TRUNCATE emotion.model_part;
RESET session_replication_role;
DELETE FROM emotion.model WHERE name = 'reg' AND version = 1;
SELECT emotion_drop_model('reg@1');
SELECT emotion_drop_model('reg');
SELECT emotion_drop_model('reg@99');
SELECT emotion_drop_model('reg@2');
SELECT count(*) FROM emotion.model_part WHERE name = 'reg' AND version = 2;
-- A part put in later is none of the model's.
INSERT INTO emotion.model_part SELECT name, version, 2, data FROM emotion.model_part WHERE name = 'reg' AND version = 7;
SELECT string_agg(data, '' ORDER BY part) = decode(:'tiny_model', 'hex') AS same FROM emotion_export('reg@7');

-- Dropped: its number stays used, and only the same file comes back under it.
-- At byte 3169 stands how likely joy is before a word is read: -3, made 0.
SELECT emotion_labels('evening', 'reg@7');
SELECT emotion_drop_model('reg@7');
SELECT emotion_labels('evening', 'reg@7');
SELECT emotion_import('reg', overlay(decode(:'tiny_model', 'hex') PLACING '\x00000000' FROM 3169 FOR 4), 7);
INSERT INTO emotion.model (name, version, sha256, size, parts, architecture, configuration, labels, thresholds, parameters, storage)
	SELECT name, 7, sha256('other'), size, parts, architecture, configuration, labels, thresholds, parameters, storage
	FROM emotion.model WHERE name = 'reg' AND version = 8;
SELECT emotion_import('reg', decode(:'tiny_model', 'hex'), 7);
SELECT emotion_labels('evening', 'reg@7');
BEGIN;
SELECT emotion_import('reg', overlay(decode(:'tiny_model', 'hex') PLACING '\x00000000' FROM 3169 FOR 4));
SELECT emotion_labels('evening', 'reg@9');
DELETE FROM emotion.model WHERE name = 'reg' AND version IN (7, 9);
SELECT emotion_import('reg', decode(:'tiny_model', 'hex'));
SELECT name, version, dropped_by = current_user AS mine FROM emotion.dropped_model WHERE name = 'reg' ORDER BY version;
SAVEPOINT s;
SELECT emotion_import('reg', decode(:'tiny_model', 'hex'), 9);
ROLLBACK TO s;
DELETE FROM emotion.dropped_model WHERE name = 'reg';
ROLLBACK TO s;
UPDATE emotion.dropped_model SET version = 99 WHERE name = 'reg';
ROLLBACK TO s;
TRUNCATE emotion.dropped_model;
ROLLBACK;
-- A version that was never committed was never used.
SELECT name, version FROM emotion.dropped_model WHERE name = 'reg' ORDER BY version;

-- A damaged registry is noticed. The owner may disable triggers, but not the checksum.
BEGIN;
ALTER TABLE emotion.model_part DISABLE TRIGGER USER;
UPDATE emotion.model_part SET data = overlay(data PLACING '\x01' FROM 3400 FOR 1) WHERE name = 'reg' AND version = 8;
SELECT count(*) FROM emotion_export('reg@8');
ROLLBACK;
BEGIN;
ALTER TABLE emotion.model_part DISABLE TRIGGER USER;
DELETE FROM emotion.model_part WHERE name = 'reg' AND version = 8;
SELECT count(*) FROM emotion_export('reg@8');
ROLLBACK;
BEGIN;
ALTER TABLE emotion.model_part DISABLE TRIGGER USER;
UPDATE emotion.model_part SET data = data || '\x00' WHERE name = 'reg' AND version = 8;
SELECT count(*) FROM emotion_export('reg@8');
ROLLBACK;
BEGIN;
ALTER TABLE emotion.model_part ALTER COLUMN data TYPE text USING encode(data, 'hex');
SELECT count(*) FROM emotion_export('reg@8');
ROLLBACK;
SELECT count(*) FROM emotion_export('reg@8');

-- Bundled models come with the extension's own scripts only.
SELECT emotion.load_bundled('english', 2, 'mine');
-- Nor does anybody publish under the name of one.
SELECT emotion_import('english', decode(:'tiny_model', 'hex'));
SELECT emotion_import('english', decode(:'tiny_model', 'hex'), 9);
SELECT emotion_import_upload('english', 'no upload');
SELECT count(*) FROM emotion.model WHERE name = 'english' AND NOT bundled;
\set VERBOSITY sqlstate
SELECT emotion.refuse_change();
\set VERBOSITY default

-- What is granted to some is said to be so, where it matters.
SELECT emotion_revoke('regg', 'public');
DELETE FROM emotion.model_grant WHERE name = 'regg';
SELECT emotion_revoke('reg', 'public');
SELECT emotion_convert('reg@1', 'f16', '{"name": "reg_copy"}');
SELECT emotion_ensemble('reg_copy', ARRAY['reg@1', 'pieces@1']);
SELECT granted_to FROM emotion_models WHERE name = 'reg_copy';
SELECT emotion_grant('reg_copy', 'public');
SELECT emotion_revoke('pieces', 'public');
SELECT emotion_ensemble('reg_copy', ARRAY['reg@1', 'pieces@1']);
SELECT emotion_ensemble('reg_both', ARRAY['reg@1', 'pieces@1']);
SELECT emotion_grant('pieces', 'public');
SELECT emotion_deploy('reg@1');
SELECT emotion_grant('reg', 'public');
SELECT emotion_deploy('reg@1');
SELECT emotion_revoke('reg', 'public');
SELECT emotion_grant('reg', 'public');

-- Every object has its comment.
SELECT pg_describe_object(d.classid, d.objid, 0) AS undocumented
FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
WHERE e.extname = 'emotion' AND d.deptype = 'e' AND d.classid IN ('pg_proc'::regclass, 'pg_namespace'::regclass, 'pg_class'::regclass)
	AND obj_description(d.objid, d.classid::regclass::name) IS NULL
ORDER BY 1;
SELECT c.oid::regclass AS relation, a.attname AS undocumented
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'emotion'::regnamespace AND c.relkind = 'r' AND col_description(c.oid, a.attnum) IS NULL
ORDER BY 1, 2;

-- No table waits for another when they are restored, four at once: pg_dump knows no order among an extension's tables.
SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'f' AND connamespace = 'emotion'::regnamespace;

DELETE FROM emotion.deployment WHERE NOT bundled;
SELECT emotion_drop_model(model) FROM emotion_models WHERE name IN ('reg', 'reg_copy', 'reg_both', 'pieces') ORDER BY version;
DELETE FROM emotion.model_grant WHERE name IN ('reg_copy', 'reg_both', 'pieces');
