-- Splits and balance: data sets made from data sets.

CREATE PROCEDURE @extschema@.emotion_split(source pg_catalog.text,
		fractions pg_catalog.jsonb DEFAULT '{"train": 0.8, "dev": 0.1, "test": 0.1}',
		options pg_catalog.jsonb DEFAULT '{}')
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_split';
COMMENT ON PROCEDURE @extschema@.emotion_split(pg_catalog.text, pg_catalog.jsonb, pg_catalog.jsonb) IS
	'write to a column of a table, or of a new table for a query, which part each row belongs to: each part gets its share of every label, and texts of the same words stay together; options: text_column, label_column, split_column, create_column, target, order, seed, duplicates';

CREATE PROCEDURE @extschema@.emotion_split(source pg_catalog.text, fractions pg_catalog.float8[],
		names pg_catalog.text[], options pg_catalog.jsonb)
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_split_arrays';
COMMENT ON PROCEDURE @extschema@.emotion_split(pg_catalog.text, pg_catalog.float8[], pg_catalog.text[], pg_catalog.jsonb) IS
	'the same with fractions and names as arrays';

CREATE FUNCTION @extschema@.emotion_split_report(source pg_catalog.text, options pg_catalog.jsonb DEFAULT '{}',
		OUT part pg_catalog.text, OUT label pg_catalog.text, OUT count pg_catalog.int8,
		OUT share_of_part pg_catalog.float8, OUT share_of_all pg_catalog.float8,
		OUT difference pg_catalog.float8, OUT share_of_label pg_catalog.float8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 100000 ROWS 87
	AS 'MODULE_PATHNAME', 'emotion_split_report';
COMMENT ON FUNCTION @extschema@.emotion_split_report(pg_catalog.text, pg_catalog.jsonb) IS
	'labels of each part of a split: rows with the label, their share of the part and of all rows, the difference, and the share of the label that the part holds; label null: the part as a whole; options: label_column, split_column';

CREATE PROCEDURE @extschema@.emotion_balance(source pg_catalog.text, target pg_catalog.text,
		per_label pg_catalog."any", strategy pg_catalog.text DEFAULT 'quota', options pg_catalog.jsonb DEFAULT '{}')
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_balance';
COMMENT ON PROCEDURE @extschema@.emotion_balance(pg_catalog.text, pg_catalog.text, pg_catalog."any", pg_catalog.text, pg_catalog.jsonb) IS
	'make a new table of the rows of a table or query with labels in balance; per_label: rows wanted of each, a number or a JSON object; strategy: one or several of quota, ml_ros, ml_rus, lp_ros, lp_rus, remedial, mlsmote, mlenn, done in this order; each row says which it came from and why';

CREATE FUNCTION @extschema@.emotion_balance_plan(source pg_catalog.text, per_label pg_catalog."any",
		strategy pg_catalog.text DEFAULT 'quota', options pg_catalog.jsonb DEFAULT '{}',
		OUT label pg_catalog.text, OUT before pg_catalog.int8, OUT after pg_catalog.int8,
		OUT target pg_catalog.int8, OUT deviation pg_catalog.float8, OUT sources pg_catalog.jsonb,
		OUT copies pg_catalog.int8, OUT synthetic pg_catalog.int8, OUT refused pg_catalog.int8,
		OUT surplus pg_catalog.int8, OUT unreached pg_catalog.text, OUT lower_bound pg_catalog.float8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 29
	AS 'MODULE_PATHNAME', 'emotion_balance_plan';
COMMENT ON FUNCTION @extschema@.emotion_balance_plan(pg_catalog.text, pg_catalog."any", pg_catalog.text, pg_catalog.jsonb) IS
	'what emotion_balance would make, without making it: per label rows before and after, from which source, and what cannot be reached and why; label null: rows in all, the largest deviation, and what no choice of rows could be below';
