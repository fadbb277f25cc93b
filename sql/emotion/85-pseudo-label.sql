-- Labels that a model gives, kept with its scores and with who gave them.

CREATE PROCEDURE @extschema@.emotion_pseudo_label(source pg_catalog.text, text_column pg_catalog.text,
		target pg_catalog.text, model pg_catalog.text DEFAULT NULL, min_confidence pg_catalog.float8 DEFAULT NULL,
		options pg_catalog.jsonb DEFAULT '{}')
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_pseudo_label';
COMMENT ON PROCEDURE @extschema@.emotion_pseudo_label(pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.float8, pg_catalog.jsonb) IS
	'label the texts of a table or query with a model and write them to a new table, which says of each row what became of it; commits every batch_size rows, and a later call with the same arguments goes on where this one ended; options: key_column, thresholds, strict, min_length, max_length, min_words, min_known, min_ascii, duplicates, polarity_column, polarity, batch_size';

-- The last call for each target, by role; who may fill a table of their own may also tell how far that is.
CREATE TABLE emotion.pseudo_labelling (
	target pg_catalog.oid NOT NULL,
	started_by pg_catalog.name NOT NULL DEFAULT CURRENT_USER,
	model pg_catalog.text NOT NULL,
	source pg_catalog.text NOT NULL,
	todo pg_catalog.int8 NOT NULL,
	done pg_catalog.int8 NOT NULL DEFAULT 0,
	labelled pg_catalog.int8 NOT NULL DEFAULT 0,
	started_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	updated_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (target, started_by)
) WITH (fillfactor = 50);
COMMENT ON TABLE emotion.pseudo_labelling IS 'how far calls of emotion_pseudo_label are; each role sees its own';
COMMENT ON COLUMN emotion.pseudo_labelling.target IS 'table that is filled';
COMMENT ON COLUMN emotion.pseudo_labelling.started_by IS 'role that called';
COMMENT ON COLUMN emotion.pseudo_labelling.model IS 'model that labels, name@version';
COMMENT ON COLUMN emotion.pseudo_labelling.source IS 'table or query of the texts';
COMMENT ON COLUMN emotion.pseudo_labelling.todo IS 'rows that were missing when the call began';
COMMENT ON COLUMN emotion.pseudo_labelling.done IS 'rows written since';
COMMENT ON COLUMN emotion.pseudo_labelling.labelled IS 'those that got labels';
COMMENT ON COLUMN emotion.pseudo_labelling.started_at IS 'when the call began';
COMMENT ON COLUMN emotion.pseudo_labelling.updated_at IS 'when the last batch was committed';
ALTER TABLE emotion.pseudo_labelling ENABLE ROW LEVEL SECURITY;
CREATE POLICY pseudo_labelling_own ON emotion.pseudo_labelling
	USING (started_by OPERATOR(pg_catalog.=) CURRENT_USER);
COMMENT ON POLICY pseudo_labelling_own ON emotion.pseudo_labelling IS 'each role its own calls';
GRANT SELECT, INSERT, UPDATE, DELETE ON emotion.pseudo_labelling TO PUBLIC;
ALTER TABLE emotion.pseudo_labelling OWNER TO @extowner@;

CREATE VIEW @extschema@.emotion_pseudo_label_progress AS
	SELECT c.oid::pg_catalog.regclass AS target, r.model, r.source,
		CASE WHEN l.pid IS NOT NULL THEN 'labelling'
			WHEN r.done OPERATOR(pg_catalog.>=) r.todo THEN 'finished'
			ELSE 'interrupted' END AS state,
		r.done, r.todo AS rows, r.labelled,
		CASE WHEN r.done OPERATOR(pg_catalog.>) 0 AND r.updated_at OPERATOR(pg_catalog.>) r.started_at
			THEN pg_catalog.round((r.done OPERATOR(pg_catalog./) (EXTRACT(epoch FROM
				(r.updated_at OPERATOR(pg_catalog.-) r.started_at))::pg_catalog.float8))::pg_catalog.numeric, 1)
			END AS rows_per_second,
		CASE WHEN l.pid IS NOT NULL AND r.done OPERATOR(pg_catalog.>) 0
			THEN pg_catalog.make_interval(secs => pg_catalog.round((EXTRACT(epoch FROM
				(r.updated_at OPERATOR(pg_catalog.-) r.started_at))::pg_catalog.float8
				OPERATOR(pg_catalog./) r.done OPERATOR(pg_catalog.*)
				GREATEST(r.todo OPERATOR(pg_catalog.-) r.done, 0))::pg_catalog.numeric, 0)::pg_catalog.float8)
			END AS time_left,
		r.started_at, r.updated_at, r.started_by, l.pid
	FROM emotion.pseudo_labelling r
	JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.target
	LEFT JOIN pg_catalog.pg_locks l
		ON l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.objsubid OPERATOR(pg_catalog.=) 78
			AND l.classid OPERATOR(pg_catalog.=) 0 AND l.objid OPERATOR(pg_catalog.=) r.target AND l.granted
			AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d
				WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
	WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS o WHERE o.rolname OPERATOR(pg_catalog.=) r.started_by
		AND pg_catalog.pg_has_role(o.oid, 'USAGE'))
	ORDER BY r.started_at DESC;
COMMENT ON VIEW @extschema@.emotion_pseudo_label_progress IS
	'calls of emotion_pseudo_label by roles that one is a member of, and how far they are; state is labelling, interrupted (call again) or finished';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.target IS 'table that is filled';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.model IS 'model that labels, name@version';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.source IS 'table or query of the texts';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.state IS 'labelling, interrupted or finished';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.done IS 'rows that this call has written';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.rows IS 'rows that were missing when it began';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.labelled IS 'rows written that got labels';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.rows_per_second IS 'rows written per second';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.time_left IS 'what the rest takes at that rate';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.started_at IS 'when it began';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.updated_at IS 'when its last batch was committed';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.started_by IS 'role that called';
COMMENT ON COLUMN @extschema@.emotion_pseudo_label_progress.pid IS 'server process that labels; null: none does';
ALTER VIEW @extschema@.emotion_pseudo_label_progress OWNER TO @extowner@;
GRANT SELECT ON @extschema@.emotion_pseudo_label_progress TO PUBLIC;

CREATE FUNCTION @extschema@.emotion_confidence_thresholds(model pg_catalog.text, source pg_catalog.text,
		wanted_precision pg_catalog.float8 DEFAULT 0.8, options pg_catalog.jsonb DEFAULT '{}',
		OUT label pg_catalog.text, OUT cut pg_catalog.float4, OUT positives pg_catalog.int8,
		OUT predicted pg_catalog.int8, OUT "precision" pg_catalog.float8, OUT recall pg_catalog.float8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 1000000 ROWS 28
	AS 'MODULE_PATHNAME', 'emotion_confidence_thresholds';
COMMENT ON FUNCTION @extschema@.emotion_confidence_thresholds(pg_catalog.text, pg_catalog.text, pg_catalog.float8, pg_catalog.jsonb) IS
	'for each label of a model the cut of highest recall that is right as often as wanted on held-out rows; null where no cut is; options: text_column, label_column, split_column, split, min_rows';
