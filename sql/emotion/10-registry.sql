-- The registry: every version of every model, in tables that the role which
-- creates the extension owns. Anyone may use a model that emotion.model_grant does not keep from
-- them (src/pg/access.h); writing is the owner's.

CREATE SCHEMA emotion;
COMMENT ON SCHEMA emotion IS 'tables and inner functions of the extension emotion';
GRANT USAGE ON SCHEMA emotion TO PUBLIC;

CREATE TABLE emotion.model (
	name pg_catalog.text COLLATE "C" NOT NULL
		CONSTRAINT model_name_form CHECK (name OPERATOR(pg_catalog.~) '^[a-z_][a-z0-9_-]{0,62}$'),
	version pg_catalog.int4 NOT NULL
		CONSTRAINT model_version_range CHECK (version OPERATOR(pg_catalog.>=) 1
			AND version OPERATOR(pg_catalog.<=) 999999999),
	sha256 pg_catalog.bytea NOT NULL
		CONSTRAINT model_sha256_size CHECK (pg_catalog.octet_length(sha256) OPERATOR(pg_catalog.=) 32),
	size pg_catalog.int8 NOT NULL
		CONSTRAINT model_size_positive CHECK (size OPERATOR(pg_catalog.>) 0),
	parts pg_catalog.int4 NOT NULL
		CONSTRAINT model_parts_positive CHECK (parts OPERATOR(pg_catalog.>) 0),
	bundled pg_catalog.bool NOT NULL DEFAULT false,
	architecture pg_catalog.text NOT NULL,
	configuration pg_catalog.jsonb NOT NULL,
	labels pg_catalog.text[] NOT NULL,
	thresholds pg_catalog.float4[] NOT NULL,
	parameters pg_catalog.int8 NOT NULL,
	storage pg_catalog.text NOT NULL,
	metrics pg_catalog.jsonb,
	lineage pg_catalog.jsonb,
	description pg_catalog.text,
	created_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	created_by pg_catalog.text NOT NULL DEFAULT CURRENT_USER,
	CONSTRAINT model_pkey PRIMARY KEY (name, version)
);
COMMENT ON TABLE emotion.model IS 'published versions of models; a row never changes';
COMMENT ON COLUMN emotion.model.name IS 'lower-case letters, digits, _ and -; at most 63 bytes';
COMMENT ON COLUMN emotion.model.version IS 'counts from 1 within the name';
COMMENT ON COLUMN emotion.model.sha256 IS 'SHA-256 of the model file';
COMMENT ON COLUMN emotion.model.size IS 'bytes of the model file';
COMMENT ON COLUMN emotion.model.parts IS 'rows of emotion.model_part that hold the file, numbered from 1';
COMMENT ON COLUMN emotion.model.bundled IS 'came with the extension, and is left out of dumps';
COMMENT ON COLUMN emotion.model.architecture IS 'kind of network';
COMMENT ON COLUMN emotion.model.configuration IS 'sizes of the network and options of the tokeniser';
COMMENT ON COLUMN emotion.model.labels IS 'what it tells apart, in the order of its scores';
COMMENT ON COLUMN emotion.model.thresholds IS 'score from which a label is given, in the order of labels';
COMMENT ON COLUMN emotion.model.parameters IS 'numbers that were learned';
COMMENT ON COLUMN emotion.model.storage IS 'numbers that the file keeps: f32, f16, bf16 or i8, the narrowest in it; mixed: an ensemble of several kinds';
COMMENT ON COLUMN emotion.model.metrics IS 'quality measured when it was published';
COMMENT ON COLUMN emotion.model.lineage IS 'where it comes from: source, options, seed, parent';
COMMENT ON COLUMN emotion.model.description IS 'for people';
COMMENT ON COLUMN emotion.model.created_at IS 'when it was published';
COMMENT ON COLUMN emotion.model.created_by IS 'role that published it';

CREATE TABLE emotion.model_part (
	name pg_catalog.text COLLATE "C" NOT NULL,
	version pg_catalog.int4 NOT NULL,
	part pg_catalog.int4 NOT NULL
		CONSTRAINT model_part_positive CHECK (part OPERATOR(pg_catalog.>) 0),
	data pg_catalog.bytea NOT NULL
		CONSTRAINT model_part_size CHECK (pg_catalog.octet_length(data) OPERATOR(pg_catalog.<=) 16777216),
	CONSTRAINT model_part_pkey PRIMARY KEY (name, version, part)
);
-- No foreign key: a parallel restore loads parts beside models. Trigger model_number deletes the parts.
-- Weights do not compress; out of line, a row can be read without its data.
ALTER TABLE emotion.model_part ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE emotion.model_part IS 'the model files (safetensors), in parts';
COMMENT ON COLUMN emotion.model_part.name IS 'emotion.model.name';
COMMENT ON COLUMN emotion.model_part.version IS 'emotion.model.version';
COMMENT ON COLUMN emotion.model_part.part IS 'place within the file, from 1';
COMMENT ON COLUMN emotion.model_part.data IS 'at most 16 MB of the file';

-- Numbers stay used: what was computed with name@version, in an index for example,
-- never meets another model of that number. Only the same file may come back.
CREATE TABLE emotion.dropped_model (
	name pg_catalog.text COLLATE "C" NOT NULL,
	version pg_catalog.int4 NOT NULL,
	sha256 pg_catalog.bytea NOT NULL
		CONSTRAINT dropped_model_sha256_size CHECK (pg_catalog.octet_length(sha256) OPERATOR(pg_catalog.=) 32),
	dropped_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	dropped_by pg_catalog.text NOT NULL DEFAULT CURRENT_USER,
	CONSTRAINT dropped_model_pkey PRIMARY KEY (name, version)
);
COMMENT ON TABLE emotion.dropped_model IS 'versions that were dropped; their numbers are not given to other models';
COMMENT ON COLUMN emotion.dropped_model.name IS 'emotion.model.name';
COMMENT ON COLUMN emotion.dropped_model.version IS 'emotion.model.version';
COMMENT ON COLUMN emotion.dropped_model.sha256 IS 'emotion.model.sha256: only this file may be published under the number again';
COMMENT ON COLUMN emotion.dropped_model.dropped_at IS 'when it was dropped first';
COMMENT ON COLUMN emotion.dropped_model.dropped_by IS 'role that dropped it first';

-- A log. The deployed model is that of the highest id that was not withdrawn.
-- Bundled models are deployed under ids below 1, so what users deploy comes
-- before what a package brings, on restore and upgrade too.
CREATE TABLE emotion.deployment (
	id pg_catalog.int8 NOT NULL,
	name pg_catalog.text COLLATE "C" NOT NULL,
	version pg_catalog.int4 NOT NULL,
	bundled pg_catalog.bool NOT NULL DEFAULT false,
	withdrawn_at pg_catalog.timestamptz,
	deployed_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	deployed_by pg_catalog.text NOT NULL DEFAULT CURRENT_USER,
	CONSTRAINT deployment_pkey PRIMARY KEY (id),
	CONSTRAINT deployment_bundled_below CHECK (bundled OPERATOR(pg_catalog.=) (id OPERATOR(pg_catalog.<) 1))
);
COMMENT ON TABLE emotion.deployment IS 'which model was deployed when; see emotion_deploy and emotion_rollback';
COMMENT ON COLUMN emotion.deployment.id IS 'order of deployments; below 1 for bundled models';
COMMENT ON COLUMN emotion.deployment.name IS 'emotion.model.name';
COMMENT ON COLUMN emotion.deployment.version IS 'emotion.model.version';
COMMENT ON COLUMN emotion.deployment.bundled IS 'deployed by the extension''s own script, and left out of dumps';
COMMENT ON COLUMN emotion.deployment.withdrawn_at IS 'when it was rolled back';
COMMENT ON COLUMN emotion.deployment.deployed_at IS 'when it was deployed';
COMMENT ON COLUMN emotion.deployment.deployed_by IS 'role that deployed it';

-- Where a model file is put piece by piece before emotion_import_upload().
CREATE TABLE emotion.import_part (
	upload pg_catalog.text COLLATE "C" NOT NULL,
	part pg_catalog.int4 NOT NULL,
	data pg_catalog.bytea NOT NULL,
	CONSTRAINT import_part_pkey PRIMARY KEY (upload, part)
);
ALTER TABLE emotion.import_part ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE emotion.import_part IS 'pieces of files of models and of word vectors on their way in; see emotion_import_upload and emotion_import_vectors_upload';
COMMENT ON COLUMN emotion.import_part.upload IS 'any name that the client chose for the file';
COMMENT ON COLUMN emotion.import_part.part IS 'order of the pieces; any numbers';
COMMENT ON COLUMN emotion.import_part.data IS 'a piece of the file';

-- Who may use which model. Roles are kept by OID and written as names.
CREATE TYPE emotion.grantee;
CREATE FUNCTION emotion.grantee_in(pg_catalog.cstring) RETURNS emotion.grantee
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'emotion_grantee_in';
COMMENT ON FUNCTION emotion.grantee_in(pg_catalog.cstring) IS 'I/O: a role that does not exist is none, with a warning';
CREATE FUNCTION emotion.grantee_out(emotion.grantee) RETURNS pg_catalog.cstring
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'emotion_grantee_out';
COMMENT ON FUNCTION emotion.grantee_out(emotion.grantee) IS 'I/O';
CREATE TYPE emotion.grantee (INPUT = emotion.grantee_in, OUTPUT = emotion.grantee_out, LIKE = pg_catalog.oid);
COMMENT ON TYPE emotion.grantee IS 'a role, public, or none: a role that does not exist';

CREATE TABLE emotion.model_grant (
	name pg_catalog.text COLLATE "C" NOT NULL
		CONSTRAINT model_grant_name_form CHECK (name OPERATOR(pg_catalog.~) '^[a-z_][a-z0-9_-]{0,62}$'),
	roles emotion.grantee[] NOT NULL,
	CONSTRAINT model_grant_pkey PRIMARY KEY (name)
);
COMMENT ON TABLE emotion.model_grant IS 'who may use the models of a name; everybody may use those of a name that is not here; see emotion_grant; a new name of a model made of restricted ones comes here with it';
COMMENT ON COLUMN emotion.model_grant.name IS 'emotion.model.name; there need not be such a model yet';
COMMENT ON COLUMN emotion.model_grant.roles IS 'who may, beside the registry''s owner and superusers';

CREATE FUNCTION emotion.may_use(name pg_catalog.text) RETURNS pg_catalog.bool
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'emotion_may_use';
COMMENT ON FUNCTION emotion.may_use(pg_catalog.text) IS 'whether the current user may use the models of a name';

CREATE FUNCTION emotion.may_see(ran_by pg_catalog.text) RETURNS pg_catalog.bool
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'emotion_may_see';
COMMENT ON FUNCTION emotion.may_see(pg_catalog.text) IS
	'whether the current user may see the queries that a role gave: its members, the registry''s owner, pg_read_all_stats';

-- Write-once, whoever asks: superusers and replication included.
CREATE FUNCTION emotion.refuse_change() RETURNS pg_catalog.trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_refuse_change';
COMMENT ON FUNCTION emotion.refuse_change() IS 'trigger: published models do not change';

CREATE FUNCTION emotion.check_delete() RETURNS pg_catalog.trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_check_delete';
COMMENT ON FUNCTION emotion.check_delete() IS 'trigger: neither deployed nor bundled models are deleted, nor parts of a model alone';

CREATE FUNCTION emotion.check_insert() RETURNS pg_catalog.trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_check_insert';
COMMENT ON FUNCTION emotion.check_insert() IS 'trigger: the number of a dropped model is not given to another';

CREATE FUNCTION emotion.keep_number() RETURNS pg_catalog.trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_keep_number';
COMMENT ON FUNCTION emotion.keep_number() IS 'trigger: writes down the number of a deleted model';

CREATE FUNCTION emotion.skip_known_number() RETURNS pg_catalog.trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_skip_known_number';
COMMENT ON FUNCTION emotion.skip_known_number() IS 'trigger: a number that is written down already is left as it is';

CREATE FUNCTION emotion.registry_changed() RETURNS pg_catalog.trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_registry_changed';
COMMENT ON FUNCTION emotion.registry_changed() IS 'trigger: tells every session to look again';

-- Triggers fire without it; nobody else has a use for them.
REVOKE ALL ON FUNCTION emotion.refuse_change(), emotion.check_delete(), emotion.check_insert(),
	emotion.keep_number(), emotion.skip_known_number(), emotion.registry_changed() FROM PUBLIC;

CREATE TRIGGER model_write_once BEFORE UPDATE ON emotion.model
	FOR EACH ROW EXECUTE FUNCTION emotion.refuse_change();
CREATE TRIGGER model_no_truncate BEFORE TRUNCATE ON emotion.model
	FOR EACH STATEMENT EXECUTE FUNCTION emotion.refuse_change();
CREATE TRIGGER model_delete BEFORE DELETE ON emotion.model
	FOR EACH ROW EXECUTE FUNCTION emotion.check_delete();
CREATE TRIGGER model_insert AFTER INSERT ON emotion.model
	FOR EACH ROW EXECUTE FUNCTION emotion.check_insert();
CREATE TRIGGER model_number AFTER DELETE ON emotion.model
	FOR EACH ROW EXECUTE FUNCTION emotion.keep_number();
CREATE TRIGGER model_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON emotion.model
	FOR EACH STATEMENT EXECUTE FUNCTION emotion.registry_changed();
CREATE TRIGGER model_part_write_once BEFORE UPDATE ON emotion.model_part
	FOR EACH ROW EXECUTE FUNCTION emotion.refuse_change();
CREATE TRIGGER model_part_no_truncate BEFORE TRUNCATE ON emotion.model_part
	FOR EACH STATEMENT EXECUTE FUNCTION emotion.refuse_change();
CREATE TRIGGER model_part_delete BEFORE DELETE ON emotion.model_part
	FOR EACH ROW EXECUTE FUNCTION emotion.check_delete();
CREATE TRIGGER dropped_model_known BEFORE INSERT ON emotion.dropped_model
	FOR EACH ROW EXECUTE FUNCTION emotion.skip_known_number();
CREATE TRIGGER dropped_model_write_once BEFORE UPDATE OR DELETE ON emotion.dropped_model
	FOR EACH ROW EXECUTE FUNCTION emotion.refuse_change();
CREATE TRIGGER dropped_model_no_truncate BEFORE TRUNCATE ON emotion.dropped_model
	FOR EACH STATEMENT EXECUTE FUNCTION emotion.refuse_change();
CREATE TRIGGER model_grant_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON emotion.model_grant
	FOR EACH STATEMENT EXECUTE FUNCTION emotion.registry_changed();
CREATE TRIGGER deployment_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON emotion.deployment
	FOR EACH STATEMENT EXECUTE FUNCTION emotion.registry_changed();
ALTER TABLE emotion.model ENABLE ALWAYS TRIGGER model_write_once;
ALTER TABLE emotion.model ENABLE ALWAYS TRIGGER model_no_truncate;
ALTER TABLE emotion.model ENABLE ALWAYS TRIGGER model_delete;
ALTER TABLE emotion.model ENABLE ALWAYS TRIGGER model_insert;
ALTER TABLE emotion.model ENABLE ALWAYS TRIGGER model_number;
ALTER TABLE emotion.model ENABLE ALWAYS TRIGGER model_changed;
ALTER TABLE emotion.model_part ENABLE ALWAYS TRIGGER model_part_write_once;
ALTER TABLE emotion.model_part ENABLE ALWAYS TRIGGER model_part_no_truncate;
ALTER TABLE emotion.model_part ENABLE ALWAYS TRIGGER model_part_delete;
ALTER TABLE emotion.dropped_model ENABLE ALWAYS TRIGGER dropped_model_known;
ALTER TABLE emotion.dropped_model ENABLE ALWAYS TRIGGER dropped_model_write_once;
ALTER TABLE emotion.dropped_model ENABLE ALWAYS TRIGGER dropped_model_no_truncate;
ALTER TABLE emotion.model_grant ENABLE ALWAYS TRIGGER model_grant_changed;
ALTER TABLE emotion.deployment ENABLE ALWAYS TRIGGER deployment_changed;
COMMENT ON TRIGGER model_write_once ON emotion.model IS 'published models do not change';
COMMENT ON TRIGGER model_no_truncate ON emotion.model IS 'use emotion_drop_model';
COMMENT ON TRIGGER model_delete ON emotion.model IS 'neither deployed nor bundled models are deleted';
COMMENT ON TRIGGER model_insert ON emotion.model IS 'the number of a dropped model is not given to another';
COMMENT ON TRIGGER model_number ON emotion.model IS 'deletes the parts and keeps the number in emotion.dropped_model';
COMMENT ON TRIGGER model_changed ON emotion.model IS 'tells every session to look again';
COMMENT ON TRIGGER model_part_write_once ON emotion.model_part IS 'published models do not change';
COMMENT ON TRIGGER model_part_no_truncate ON emotion.model_part IS 'use emotion_drop_model';
COMMENT ON TRIGGER model_part_delete ON emotion.model_part IS 'parts go with their model only';
COMMENT ON TRIGGER dropped_model_known ON emotion.dropped_model IS 'what logical replication brings may be there already';
COMMENT ON TRIGGER dropped_model_write_once ON emotion.dropped_model IS 'numbers stay used';
COMMENT ON TRIGGER dropped_model_no_truncate ON emotion.dropped_model IS 'numbers stay used';
COMMENT ON TRIGGER model_grant_changed ON emotion.model_grant IS 'tells every session to look again';
COMMENT ON TRIGGER deployment_changed ON emotion.deployment IS 'tells every session to look again';

CREATE VIEW emotion_models WITH (security_barrier) AS
	SELECT m.name,
		m.version,
		m.name OPERATOR(pg_catalog.||) '@' OPERATOR(pg_catalog.||) m.version::pg_catalog.text AS model,
		(d.name IS NOT NULL) AS deployed,
		m.bundled,
		m.architecture,
		pg_catalog.cardinality(m.labels) AS labels,
		m.parameters,
		m.size,
		m.storage,
		m.created_at,
		m.created_by,
		m.metrics,
		CASE WHEN m.bundled OR emotion.may_see(m.created_by) THEN m.lineage END AS lineage,
		m.description,
		pg_catalog.encode(m.sha256, 'hex') AS sha256,
		COALESCE(g.roles::pg_catalog.text[], '{public}') AS granted_to
	FROM emotion.model AS m
	LEFT JOIN emotion.model_grant AS g ON g.name OPERATOR(pg_catalog.=) m.name
	LEFT JOIN (SELECT e.name, e.version FROM emotion.deployment AS e WHERE e.withdrawn_at IS NULL
			ORDER BY e.id DESC LIMIT 1) AS d
		ON d.name OPERATOR(pg_catalog.=) m.name AND d.version OPERATOR(pg_catalog.=) m.version
	WHERE emotion.may_use(m.name);
COMMENT ON VIEW emotion_models IS 'the models in this database that the current user may use, and which of them is deployed';
COMMENT ON COLUMN emotion_models.granted_to IS 'roles that may use it, beside the registry''s owner and superusers; see emotion_grant';
COMMENT ON COLUMN emotion_models.name IS 'lower-case letters, digits, _ and -';
COMMENT ON COLUMN emotion_models.version IS 'number of the version; it never changes';
COMMENT ON COLUMN emotion_models.bundled IS 'came with the extension';
COMMENT ON COLUMN emotion_models.architecture IS 'kind of network';
COMMENT ON COLUMN emotion_models.parameters IS 'numbers learned';
COMMENT ON COLUMN emotion_models.size IS 'bytes of the file';
COMMENT ON COLUMN emotion_models.storage IS 'numbers that the file keeps, f32, f16, bf16 or i8; mixed: an ensemble of several kinds; see emotion_convert';
COMMENT ON COLUMN emotion_models.created_at IS 'when it was published';
COMMENT ON COLUMN emotion_models.created_by IS 'role that published it';
COMMENT ON COLUMN emotion_models.metrics IS 'quality measured when it was published';
COMMENT ON COLUMN emotion_models.lineage IS 'where it comes from: source, options, seed, parent; null for those who may not see the queries of created_by';
COMMENT ON COLUMN emotion_models.description IS 'for people';
COMMENT ON COLUMN emotion_models.sha256 IS 'SHA-256 of the file, in hex: equal hashes, equal models';
COMMENT ON COLUMN emotion_models.model IS 'how functions take it: name@version';
COMMENT ON COLUMN emotion_models.deployed IS 'used by scoring functions when no model is named';
COMMENT ON COLUMN emotion_models.labels IS 'number of labels; their names: emotion_label_names(model)';

-- The files that sessions share (src/pg/shared_model.h): of all databases, so not for everybody, as the
-- function says, with a hint.
CREATE FUNCTION emotion.shared_models(OUT sha256 pg_catalog.text, OUT bytes pg_catalog.int8,
		OUT used_at pg_catalog.timestamptz)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE ROWS 10 AS 'MODULE_PATHNAME', 'emotion_shared_models';
COMMENT ON FUNCTION emotion.shared_models() IS 'the copies of models that sessions of this server share, for emotion_shared_models';

CREATE VIEW emotion_shared_models AS
	SELECT (SELECT pg_catalog.array_agg(m.name OPERATOR(pg_catalog.||) '@' OPERATOR(pg_catalog.||) m.version::pg_catalog.text
				ORDER BY m.name, m.version)
			FROM emotion.model AS m
			WHERE m.sha256 OPERATOR(pg_catalog.=) pg_catalog.decode(s.sha256, 'hex')) AS models,
		s.bytes,
		s.used_at,
		s.sha256
	FROM emotion.shared_models() AS s;
COMMENT ON VIEW emotion_shared_models IS 'the copies of models that sessions of this server share, those of other databases included';
COMMENT ON COLUMN emotion_shared_models.models IS 'models of this database that the copy serves, name@version; NULL: another database''s';
COMMENT ON COLUMN emotion_shared_models.bytes IS 'size of the copy: once in memory, however many sessions use it';
COMMENT ON COLUMN emotion_shared_models.used_at IS 'when a session last opened it, to the hour; one unused for a week is removed when another is made';
COMMENT ON COLUMN emotion_shared_models.sha256 IS 'SHA-256 of the model''s file, in hex';
GRANT SELECT ON emotion_shared_models TO PUBLIC;

-- Changing the registry. Table privileges decide who may.
CREATE FUNCTION emotion_deploy(model pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION emotion_deploy(pg_catalog.text) IS
	'deploy a model, name@version or the latest version of a name; every session uses it from its next statement';

CREATE FUNCTION emotion_rollback(name pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION emotion_rollback(pg_catalog.text) IS
	'withdraw the deployment of a model of that name; returns what is deployed again';

CREATE FUNCTION emotion_drop_model(model pg_catalog.text) RETURNS pg_catalog.void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION emotion_drop_model(pg_catalog.text) IS
	'delete a version, name@version, that is neither deployed nor bundled; its number stays used';

CREATE FUNCTION emotion_grant(model pg_catalog.text, role pg_catalog.name) RETURNS pg_catalog.void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'emotion_grant';
COMMENT ON FUNCTION emotion_grant(pg_catalog.text, pg_catalog.name) IS
	'let a role, or public, use all versions of a model: score, export, deploy, train from it, publish under its name as far as privileges on tables go';

CREATE FUNCTION emotion_revoke(model pg_catalog.text, role pg_catalog.name) RETURNS pg_catalog.void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'emotion_revoke';
COMMENT ON FUNCTION emotion_revoke(pg_catalog.text, pg_catalog.name) IS
	'take from a role, or from public, what emotion_grant gave; public has every model from the beginning that was not made of restricted ones';

CREATE FUNCTION emotion_model_hash() RETURNS pg_catalog.text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'emotion_model_hash';
COMMENT ON FUNCTION emotion_model_hash() IS 'SHA-256 of the deployed model''s file: equal hashes, equal models';

CREATE FUNCTION emotion_model_hash(model pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'emotion_model_hash';
COMMENT ON FUNCTION emotion_model_hash(pg_catalog.text) IS 'SHA-256 of a model''s file: equal hashes, equal models';

CREATE FUNCTION emotion_export(model pg_catalog.text, OUT part pg_catalog.int4, OUT data pg_catalog.bytea)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c STABLE STRICT PARALLEL SAFE ROWS 16 AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION emotion_export(pg_catalog.text) IS
	'a model''s file (safetensors) in parts of 1 MB; joined in order they are the file';

CREATE FUNCTION emotion_import(name pg_catalog.text, data pg_catalog.bytea,
		version pg_catalog.int4 DEFAULT NULL, description pg_catalog.text DEFAULT NULL)
	RETURNS pg_catalog.text
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION emotion_import(pg_catalog.text, pg_catalog.bytea, pg_catalog.int4, pg_catalog.text) IS
	'publish a model file as the next version of a name (after all that it ever had), or as the version given; returns name@version';

CREATE FUNCTION emotion_import_upload(name pg_catalog.text, upload pg_catalog.text,
		version pg_catalog.int4 DEFAULT NULL, description pg_catalog.text DEFAULT NULL)
	RETURNS pg_catalog.text
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION emotion_import_upload(pg_catalog.text, pg_catalog.text, pg_catalog.int4, pg_catalog.text) IS
	'publish the file whose pieces stand in emotion.import_part under that upload, and delete the pieces; returns name@version';

CREATE FUNCTION emotion.load_bundled(name pg_catalog.text, version pg_catalog.int4, description pg_catalog.text)
	RETURNS pg_catalog.void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'emotion_load_bundled';
COMMENT ON FUNCTION emotion.load_bundled(pg_catalog.text, pg_catalog.int4, pg_catalog.text) IS
	'publish and deploy a model that came with the package; only for the extension''s own scripts';
REVOKE ALL ON FUNCTION emotion.load_bundled(pg_catalog.text, pg_catalog.int4, pg_catalog.text) FROM PUBLIC;

-- Dumps hold what users made; CREATE EXTENSION brings the rest.
SELECT pg_catalog.pg_extension_config_dump('emotion.model', 'WHERE NOT bundled');
SELECT pg_catalog.pg_extension_config_dump('emotion.model_part',
	'WHERE NOT EXISTS (SELECT FROM emotion.model AS m WHERE m.bundled'
	' AND m.name OPERATOR(pg_catalog.=) model_part.name AND m.version OPERATOR(pg_catalog.=) model_part.version)');
SELECT pg_catalog.pg_extension_config_dump('emotion.dropped_model', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.deployment', 'WHERE NOT bundled');
SELECT pg_catalog.pg_extension_config_dump('emotion.model_grant', '');

-- Names are no secret, as those of tables are none; what a model is, emotion_models shows to those who
-- may use it.
GRANT SELECT (name, version, sha256, size, parts, bundled, architecture, created_at, created_by)
	ON emotion.model TO PUBLIC;
GRANT SELECT ON emotion.dropped_model, emotion.deployment, emotion_models TO PUBLIC;

ALTER TABLE emotion.model OWNER TO @extowner@;
ALTER TABLE emotion.model_part OWNER TO @extowner@;
ALTER TABLE emotion.dropped_model OWNER TO @extowner@;
ALTER TABLE emotion.deployment OWNER TO @extowner@;
ALTER TABLE emotion.import_part OWNER TO @extowner@;
ALTER TABLE emotion.model_grant OWNER TO @extowner@;
ALTER VIEW emotion_models OWNER TO @extowner@;
ALTER VIEW emotion_shared_models OWNER TO @extowner@;
