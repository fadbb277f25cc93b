-- Labels that a model gives, kept with its scores and with who gave them.

CREATE PROCEDURE @extschema@.emotion_pseudo_label(source pg_catalog.text, text_column pg_catalog.text,
		target pg_catalog.text, model pg_catalog.text DEFAULT NULL, min_confidence pg_catalog.float8 DEFAULT NULL,
		options pg_catalog.jsonb DEFAULT '{}')
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_pseudo_label';
COMMENT ON PROCEDURE @extschema@.emotion_pseudo_label(pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.float8, pg_catalog.jsonb) IS
	'label the texts of a table or query with a model and write them to a new table, which says of each row what became of it; commits every batch_size rows, and a later call with the same arguments goes on where this one ended; options: key_column, thresholds, strict, min_length, max_length, min_words, min_known, min_ascii, duplicates, polarity_column, polarity, batch_size';

CREATE FUNCTION @extschema@.emotion_confidence_thresholds(model pg_catalog.text, source pg_catalog.text,
		wanted_precision pg_catalog.float8 DEFAULT 0.8, options pg_catalog.jsonb DEFAULT '{}',
		OUT label pg_catalog.text, OUT cut pg_catalog.float4, OUT positives pg_catalog.int8,
		OUT predicted pg_catalog.int8, OUT "precision" pg_catalog.float8, OUT recall pg_catalog.float8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 1000000 ROWS 28
	AS 'MODULE_PATHNAME', 'emotion_confidence_thresholds';
COMMENT ON FUNCTION @extschema@.emotion_confidence_thresholds(pg_catalog.text, pg_catalog.text, pg_catalog.float8, pg_catalog.jsonb) IS
	'for each label of a model the cut of highest recall that is right as often as wanted on held-out rows; null where no cut is; options: text_column, label_column, split_column, split, min_rows';
