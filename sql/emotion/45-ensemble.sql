-- Several models as one.

CREATE FUNCTION @extschema@.emotion_ensemble(name pg_catalog.text, models pg_catalog.text[],
		weights pg_catalog.float4[] DEFAULT NULL, description pg_catalog.text DEFAULT NULL)
	RETURNS pg_catalog.text
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'emotion_ensemble';
COMMENT ON FUNCTION @extschema@.emotion_ensemble(pg_catalog.text, pg_catalog.text[], pg_catalog.float4[], pg_catalog.text) IS
	'publish a model whose scores are the weighted means of those of other models with the same labels; holds them whole';
