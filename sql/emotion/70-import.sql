-- Labelled texts from files as they are published: every line of a file ends in a table of the
-- user's or, with a reason, in emotion.import_error.

CREATE SEQUENCE emotion.import_log_import_seq;
COMMENT ON SEQUENCE emotion.import_log_import_seq IS 'numbers of imports';

CREATE TABLE emotion.import_log (
	import pg_catalog.int8 NOT NULL,
	format pg_catalog.text NOT NULL,
	target pg_catalog.text NOT NULL,
	source pg_catalog.text NOT NULL,
	lines pg_catalog.int8 NOT NULL,
	imported pg_catalog.int8 NOT NULL,
	refused pg_catalog.int8 NOT NULL,
	other pg_catalog.int8 NOT NULL,
	imported_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	imported_by pg_catalog.text NOT NULL DEFAULT CURRENT_USER,
	CONSTRAINT import_log_pkey PRIMARY KEY (import),
	CONSTRAINT import_log_adds_up CHECK (lines OPERATOR(pg_catalog.=)
		(imported OPERATOR(pg_catalog.+) refused OPERATOR(pg_catalog.+) other))
);
ALTER SEQUENCE emotion.import_log_import_seq OWNED BY emotion.import_log.import;
COMMENT ON TABLE emotion.import_log IS 'imports of data sets, each role sees its own; deleting one deletes its refused lines';
COMMENT ON COLUMN emotion.import_log.import IS 'number of the import';
COMMENT ON COLUMN emotion.import_log.format IS 'goemotions, sentiment140, csv or jsonl';
COMMENT ON COLUMN emotion.import_log.target IS 'table that the rows went to';
COMMENT ON COLUMN emotion.import_log.source IS 'where the lines came from, as it was given';
COMMENT ON COLUMN emotion.import_log.lines IS 'lines read: imported + refused + other';
COMMENT ON COLUMN emotion.import_log.imported IS 'rows in the target';
COMMENT ON COLUMN emotion.import_log.refused IS 'rows in emotion.import_error';
COMMENT ON COLUMN emotion.import_log.other IS 'a header, and lines after the first of a record of several';
COMMENT ON COLUMN emotion.import_log.imported_at IS 'when';
COMMENT ON COLUMN emotion.import_log.imported_by IS 'role that imported';

CREATE TABLE emotion.import_error (
	import pg_catalog.int8 NOT NULL,
	line_number pg_catalog.int8 NOT NULL,
	line pg_catalog.bytea NOT NULL,
	reason pg_catalog.text NOT NULL,
	imported_by pg_catalog.text NOT NULL DEFAULT CURRENT_USER
);
CREATE INDEX import_error_by_line ON emotion.import_error (import, line_number);
COMMENT ON INDEX emotion.import_error_by_line IS 'refused lines of an import, in their order';
COMMENT ON TABLE emotion.import_error IS 'lines that imports refused, and why; each role sees its own';
COMMENT ON COLUMN emotion.import_error.import IS 'emotion.import_log.import';
COMMENT ON COLUMN emotion.import_error.line_number IS 'place in the file, from 1; or what the number column says';
COMMENT ON COLUMN emotion.import_error.line IS 'the bytes as they came; the beginning of a line over 16 MB';
COMMENT ON COLUMN emotion.import_error.reason IS 'why it is no row of the target';
COMMENT ON COLUMN emotion.import_error.imported_by IS 'role that imported';

-- Not foreign keys: parallel restores load an extension's tables in any order (pg_dump writes down no
-- dependency among their data), and a key would refuse rows that come before those they belong to.
CREATE FUNCTION emotion.delete_dependents() RETURNS pg_catalog.trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
	BEGIN
		IF TG_WHEN <> 'AFTER' OR TG_OP <> 'DELETE' OR TG_NARGS < 2 THEN
			RAISE EXCEPTION 'this trigger fires after the deletion of a row, with a table and its columns as arguments'
				USING ERRCODE = 'trigger_protocol_violated';
		END IF;
		EXECUTE format('DELETE FROM emotion.%I AS c WHERE %s', TG_ARGV[0],
			(SELECT string_agg(format('c.%1$I = ($1).%1$I', k), ' AND ') FROM unnest(TG_ARGV[1:]) AS k))
			USING OLD;
		RETURN NULL;
	END $$;
COMMENT ON FUNCTION emotion.delete_dependents() IS
	'trigger (table, columns): rows of that table with the same values go with the deleted row, by the rights of who deletes';
REVOKE ALL ON FUNCTION emotion.delete_dependents() FROM PUBLIC;
CREATE TRIGGER import_log_errors AFTER DELETE ON emotion.import_log
	FOR EACH ROW EXECUTE FUNCTION emotion.delete_dependents('import_error', 'import');

-- Anyone may import into tables of their own, and sees what became of it.
ALTER TABLE emotion.import_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE emotion.import_error ENABLE ROW LEVEL SECURITY;
CREATE POLICY import_log_own ON emotion.import_log
	USING (imported_by OPERATOR(pg_catalog.=) CURRENT_USER::pg_catalog.text);
CREATE POLICY import_error_own ON emotion.import_error
	USING (imported_by OPERATOR(pg_catalog.=) CURRENT_USER::pg_catalog.text);
COMMENT ON POLICY import_log_own ON emotion.import_log IS 'each role its own imports';
COMMENT ON POLICY import_error_own ON emotion.import_error IS 'each role the lines of its own imports';
GRANT SELECT, INSERT, DELETE ON emotion.import_log, emotion.import_error TO PUBLIC;
GRANT USAGE ON SEQUENCE emotion.import_log_import_seq TO PUBLIC;
ALTER TABLE emotion.import_log OWNER TO @extowner@;
ALTER TABLE emotion.import_error OWNER TO @extowner@;
SELECT pg_catalog.pg_extension_config_dump('emotion.import_log', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.import_error', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.import_log_import_seq', '');

CREATE FUNCTION @extschema@.emotion_import_goemotions(target pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}',
		OUT import pg_catalog.int8, OUT lines pg_catalog.int8, OUT imported pg_catalog.int8,
		OUT refused pg_catalog.int8, OUT other pg_catalog.int8)
	RETURNS pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 100000
	AS 'MODULE_PATHNAME', 'emotion_import_goemotions';
COMMENT ON FUNCTION @extschema@.emotion_import_goemotions(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'import GoEmotions: text, tab, ids or names of labels, tab, id; from a table or query of lines, or file:/path of the server, into a table that is created if there is none; lines = imported + refused + other';

CREATE FUNCTION @extschema@.emotion_import_sentiment140(target pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}',
		OUT import pg_catalog.int8, OUT lines pg_catalog.int8, OUT imported pg_catalog.int8,
		OUT refused pg_catalog.int8, OUT other pg_catalog.int8)
	RETURNS pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 100000
	AS 'MODULE_PATHNAME', 'emotion_import_sentiment140';
COMMENT ON FUNCTION @extschema@.emotion_import_sentiment140(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'import Sentiment140: polarity, id, date, flag, user, text without a header; or polarity and text; from a table or query of lines, or file:/path of the server, into a table that is created if there is none; lines = imported + refused + other';

CREATE FUNCTION @extschema@.emotion_import_csv(target pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}',
		OUT import pg_catalog.int8, OUT lines pg_catalog.int8, OUT imported pg_catalog.int8,
		OUT refused pg_catalog.int8, OUT other pg_catalog.int8)
	RETURNS pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 100000
	AS 'MODULE_PATHNAME', 'emotion_import_csv';
COMMENT ON FUNCTION @extschema@.emotion_import_csv(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'import CSV with a header, or with the option columns; from a table or query of lines, or file:/path of the server, into a table that is created if there is none; lines = imported + refused + other';

CREATE FUNCTION @extschema@.emotion_import_jsonl(target pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}',
		OUT import pg_catalog.int8, OUT lines pg_catalog.int8, OUT imported pg_catalog.int8,
		OUT refused pg_catalog.int8, OUT other pg_catalog.int8)
	RETURNS pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 100000
	AS 'MODULE_PATHNAME', 'emotion_import_jsonl';
COMMENT ON FUNCTION @extschema@.emotion_import_jsonl(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'import JSON Lines: an object a line; from a table or query of lines, or file:/path of the server, into a table that is created if there is none; lines = imported + refused + other';
