-- Filling a column, in batches that are committed one by one.

CREATE PROCEDURE emotion_annotate(relation pg_catalog.regclass, text_column pg_catalog.name,
		target_column pg_catalog.name, model pg_catalog.text DEFAULT NULL,
		batch_size pg_catalog.int4 DEFAULT 1000)
	LANGUAGE c AS 'MODULE_PATHNAME';
COMMENT ON PROCEDURE emotion_annotate(pg_catalog.regclass, pg_catalog.name, pg_catalog.name, pg_catalog.text, pg_catalog.int4) IS
	'fill a column where it is null: real[] gets scores, text[] labels, jsonb an object of label: score; commits every batch_size rows, and a later call goes on where this one ended';
