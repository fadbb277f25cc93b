-- Checkpoints of RoBERTa and DistilRoBERTa as Hugging Face's libraries save them.

CREATE PROCEDURE @extschema@.emotion_import_huggingface(model pg_catalog.text, path pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}')
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_import_huggingface';
COMMENT ON PROCEDURE @extschema@.emotion_import_huggingface(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'publish a RoBERTa checkpoint from a directory of the server (config.json, tokeniser, safetensors) as the next version of a name; options labels, thresholds, storage, head, max_tokens, problem_type, version, description';

CREATE PROCEDURE @extschema@.emotion_import_huggingface_upload(model pg_catalog.text, upload pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}')
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_import_huggingface_upload';
COMMENT ON PROCEDURE @extschema@.emotion_import_huggingface_upload(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'publish a RoBERTa checkpoint from the files whose pieces stand in emotion.import_part, each under the upload "<upload>/<file name>", and delete the pieces; options as those of emotion_import_huggingface';
