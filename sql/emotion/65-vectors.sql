-- Word vectors: imported from fastText's files or trained here. Written once, as models are.

CREATE TABLE emotion.vectors (
	name pg_catalog.text COLLATE "C" NOT NULL
		CONSTRAINT vectors_name_form CHECK (name OPERATOR(pg_catalog.~) '^[a-z_][a-z0-9_-]{0,62}$'),
	sha256 pg_catalog.bytea NOT NULL
		CONSTRAINT vectors_sha256_size CHECK (pg_catalog.octet_length(sha256) OPERATOR(pg_catalog.=) 32),
	size pg_catalog.int8 NOT NULL
		CONSTRAINT vectors_size_positive CHECK (size OPERATOR(pg_catalog.>) 0),
	parts pg_catalog.int4 NOT NULL
		CONSTRAINT vectors_parts_positive CHECK (parts OPERATOR(pg_catalog.>) 0),
	dim pg_catalog.int4 NOT NULL,
	words pg_catalog.int8 NOT NULL,
	buckets pg_catalog.int8 NOT NULL,
	ngrams pg_catalog.int8 NOT NULL,
	min_n pg_catalog.int4 NOT NULL,
	max_n pg_catalog.int4 NOT NULL,
	source pg_catalog.text NOT NULL,
	arguments pg_catalog.jsonb,
	created_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	created_by pg_catalog.text NOT NULL DEFAULT CURRENT_USER,
	CONSTRAINT vectors_pkey PRIMARY KEY (name)
);
COMMENT ON TABLE emotion.vectors IS 'word vectors; a row never changes';
COMMENT ON COLUMN emotion.vectors.name IS 'lower-case letters, digits, _ and -; at most 63 bytes';
COMMENT ON COLUMN emotion.vectors.sha256 IS 'SHA-256 of the file';
COMMENT ON COLUMN emotion.vectors.size IS 'bytes of the file';
COMMENT ON COLUMN emotion.vectors.parts IS 'rows of emotion.vectors_part that hold the file, numbered from 1';
COMMENT ON COLUMN emotion.vectors.dim IS 'numbers of a vector';
COMMENT ON COLUMN emotion.vectors.words IS 'words that have a vector of their own';
COMMENT ON COLUMN emotion.vectors.buckets IS 'what hashes of n-grams are taken modulo; 0: without n-grams';
COMMENT ON COLUMN emotion.vectors.ngrams IS 'buckets that have a vector';
COMMENT ON COLUMN emotion.vectors.min_n IS 'characters of the shortest n-grams';
COMMENT ON COLUMN emotion.vectors.max_n IS 'characters of the longest n-grams';
COMMENT ON COLUMN emotion.vectors.source IS 'where they come from';
COMMENT ON COLUMN emotion.vectors.arguments IS 'how they were made';
COMMENT ON COLUMN emotion.vectors.created_at IS 'when they were published';
COMMENT ON COLUMN emotion.vectors.created_by IS 'role that published them';

CREATE TABLE emotion.vectors_part (
	name pg_catalog.text COLLATE "C" NOT NULL,
	part pg_catalog.int4 NOT NULL
		CONSTRAINT vectors_part_positive CHECK (part OPERATOR(pg_catalog.>) 0),
	data pg_catalog.bytea NOT NULL
		CONSTRAINT vectors_part_size CHECK (pg_catalog.octet_length(data) OPERATOR(pg_catalog.<=) 16777216),
	CONSTRAINT vectors_part_pkey PRIMARY KEY (name, part)
);
-- No foreign key: a parallel restore loads parts beside vectors. Trigger vectors_parts deletes the parts.
ALTER TABLE emotion.vectors_part ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE emotion.vectors_part IS 'the files of word vectors (safetensors), in parts';
COMMENT ON COLUMN emotion.vectors_part.name IS 'emotion.vectors.name';
COMMENT ON COLUMN emotion.vectors_part.part IS 'place within the file, from 1';
COMMENT ON COLUMN emotion.vectors_part.data IS 'at most 16 MB of the file';

CREATE FUNCTION emotion.check_vectors_part_delete() RETURNS pg_catalog.trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_check_vectors_part_delete';
COMMENT ON FUNCTION emotion.check_vectors_part_delete() IS 'trigger: parts of word vectors are not deleted alone';

CREATE FUNCTION emotion.delete_vectors_parts() RETURNS pg_catalog.trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_delete_vectors_parts';
COMMENT ON FUNCTION emotion.delete_vectors_parts() IS 'trigger: deletes the parts of deleted word vectors';
REVOKE ALL ON FUNCTION emotion.check_vectors_part_delete(), emotion.delete_vectors_parts() FROM PUBLIC;

CREATE TRIGGER vectors_write_once BEFORE UPDATE ON emotion.vectors
	FOR EACH ROW EXECUTE FUNCTION emotion.refuse_change();
CREATE TRIGGER vectors_no_truncate BEFORE TRUNCATE ON emotion.vectors
	FOR EACH STATEMENT EXECUTE FUNCTION emotion.refuse_change();
CREATE TRIGGER vectors_parts AFTER DELETE ON emotion.vectors
	FOR EACH ROW EXECUTE FUNCTION emotion.delete_vectors_parts();
CREATE TRIGGER vectors_part_write_once BEFORE UPDATE ON emotion.vectors_part
	FOR EACH ROW EXECUTE FUNCTION emotion.refuse_change();
CREATE TRIGGER vectors_part_no_truncate BEFORE TRUNCATE ON emotion.vectors_part
	FOR EACH STATEMENT EXECUTE FUNCTION emotion.refuse_change();
CREATE TRIGGER vectors_part_delete BEFORE DELETE ON emotion.vectors_part
	FOR EACH ROW EXECUTE FUNCTION emotion.check_vectors_part_delete();
ALTER TABLE emotion.vectors ENABLE ALWAYS TRIGGER vectors_write_once;
ALTER TABLE emotion.vectors ENABLE ALWAYS TRIGGER vectors_no_truncate;
ALTER TABLE emotion.vectors ENABLE ALWAYS TRIGGER vectors_parts;
ALTER TABLE emotion.vectors_part ENABLE ALWAYS TRIGGER vectors_part_write_once;
ALTER TABLE emotion.vectors_part ENABLE ALWAYS TRIGGER vectors_part_no_truncate;
ALTER TABLE emotion.vectors_part ENABLE ALWAYS TRIGGER vectors_part_delete;
COMMENT ON TRIGGER vectors_write_once ON emotion.vectors IS 'word vectors do not change';
COMMENT ON TRIGGER vectors_no_truncate ON emotion.vectors IS 'use emotion_drop_vectors';
COMMENT ON TRIGGER vectors_parts ON emotion.vectors IS 'deletes the parts';
COMMENT ON TRIGGER vectors_part_write_once ON emotion.vectors_part IS 'word vectors do not change';
COMMENT ON TRIGGER vectors_part_no_truncate ON emotion.vectors_part IS 'use emotion_drop_vectors';
COMMENT ON TRIGGER vectors_part_delete ON emotion.vectors_part IS 'parts go with their vectors only';

CREATE VIEW @extschema@.emotion_vectors AS
	SELECT v.name,
		v.dim,
		v.words,
		v.buckets,
		v.ngrams,
		v.min_n,
		v.max_n,
		v.size,
		CASE WHEN emotion.may_see(v.created_by) THEN v.source END AS source,
		CASE WHEN emotion.may_see(v.created_by) THEN v.arguments END AS arguments,
		v.created_at,
		v.created_by,
		pg_catalog.encode(v.sha256, 'hex') AS sha256
	FROM emotion.vectors AS v;
COMMENT ON VIEW @extschema@.emotion_vectors IS 'the word vectors in this database';
COMMENT ON COLUMN @extschema@.emotion_vectors.name IS 'how functions take them';
COMMENT ON COLUMN @extschema@.emotion_vectors.buckets IS 'what hashes of n-grams are taken modulo; 0: without n-grams';
COMMENT ON COLUMN @extschema@.emotion_vectors.min_n IS 'characters of the shortest n-grams';
COMMENT ON COLUMN @extschema@.emotion_vectors.max_n IS 'characters of the longest n-grams';
COMMENT ON COLUMN @extschema@.emotion_vectors.size IS 'bytes of the file';
COMMENT ON COLUMN @extschema@.emotion_vectors.source IS 'table, query, file or upload that they come from; it and arguments are null for those who may not see the queries of created_by';
COMMENT ON COLUMN @extschema@.emotion_vectors.arguments IS 'how they were made';
COMMENT ON COLUMN @extschema@.emotion_vectors.created_at IS 'when they were published';
COMMENT ON COLUMN @extschema@.emotion_vectors.created_by IS 'role that published them';
COMMENT ON COLUMN @extschema@.emotion_vectors.sha256 IS 'SHA-256 of the file, in hex';
COMMENT ON COLUMN @extschema@.emotion_vectors.dim IS 'numbers of a vector';
COMMENT ON COLUMN @extschema@.emotion_vectors.words IS 'words that have a vector of their own';
COMMENT ON COLUMN @extschema@.emotion_vectors.ngrams IS 'buckets of n-grams that have a vector; with them any word has one';

CREATE FUNCTION @extschema@.emotion_drop_vectors(name pg_catalog.text) RETURNS pg_catalog.void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'emotion_drop_vectors';
COMMENT ON FUNCTION @extschema@.emotion_drop_vectors(pg_catalog.text) IS
	'delete word vectors, or an unfinished training of them; models trained with them hold what they need and stay as they are';

CREATE PROCEDURE @extschema@.emotion_import_vectors(name pg_catalog.text, path pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}')
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_import_vectors';
COMMENT ON PROCEDURE @extschema@.emotion_import_vectors(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'publish word vectors from a file of the server: a model of fastText (.bin, .ftz) or text (.vec); options max_words, fold_case, words_from, words_column, max_size';

CREATE PROCEDURE @extschema@.emotion_import_vectors_upload(name pg_catalog.text, upload pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}')
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_import_vectors_upload';
COMMENT ON PROCEDURE @extschema@.emotion_import_vectors_upload(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'publish word vectors from the file whose pieces stand in emotion.import_part under that upload, and delete the pieces; options as those of emotion_import_vectors';

CREATE FUNCTION @extschema@.emotion_export_vectors(name pg_catalog.text, format pg_catalog.text DEFAULT 'bin',
		OUT part pg_catalog.int4, OUT data pg_catalog.bytea)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c STABLE STRICT PARALLEL SAFE ROWS 100 AS 'MODULE_PATHNAME', 'emotion_export_vectors';
COMMENT ON FUNCTION @extschema@.emotion_export_vectors(pg_catalog.text, pg_catalog.text) IS
	'word vectors as a file in parts of 1 MB: bin, a model of fastText, or vec, text; joined in order they are the file';

CREATE FUNCTION @extschema@.emotion_word_vector(vectors pg_catalog.text, word pg_catalog.text)
	RETURNS pg_catalog.float4[]
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000 AS 'MODULE_PATHNAME', 'emotion_word_vector';
COMMENT ON FUNCTION @extschema@.emotion_word_vector(pg_catalog.text, pg_catalog.text) IS
	'the vector of a word as it stands, case and all: the mean of its own and those of its n-grams; zeros when it has neither';

CREATE FUNCTION @extschema@.emotion_nearest_words(vectors pg_catalog.text, word pg_catalog.text,
		k pg_catalog.int4 DEFAULT 10, OUT word pg_catalog.text, OUT similarity pg_catalog.float4)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000000 ROWS 10 AS 'MODULE_PATHNAME', 'emotion_nearest_words';
COMMENT ON FUNCTION @extschema@.emotion_nearest_words(pg_catalog.text, pg_catalog.text, pg_catalog.int4) IS
	'the k words whose vectors are nearest to that of a word by cosine, itself left out, nearest first; none when its vector is zero';

SELECT pg_catalog.pg_extension_config_dump('emotion.vectors', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.vectors_part', '');

GRANT SELECT (name, sha256, size, parts, dim, words, buckets, ngrams, min_n, max_n, created_at, created_by)
	ON emotion.vectors TO PUBLIC;
GRANT SELECT ON emotion.vectors_part, @extschema@.emotion_vectors TO PUBLIC;

ALTER TABLE emotion.vectors OWNER TO @extowner@;
ALTER TABLE emotion.vectors_part OWNER TO @extowner@;
ALTER VIEW @extschema@.emotion_vectors OWNER TO @extowner@;
