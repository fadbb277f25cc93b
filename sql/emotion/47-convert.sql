-- A model stored with other numbers.

CREATE FUNCTION @extschema@.emotion_convert(model pg_catalog.text, storage pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}')
	RETURNS pg_catalog.text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'emotion_convert';
COMMENT ON FUNCTION @extschema@.emotion_convert(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'publish a new version of a model that is stored, and scored with, in other numbers: f32, f16, bf16 or i8, a quarter of f32; its metrics tell how far scores of some sentences move; options name, version, description';
