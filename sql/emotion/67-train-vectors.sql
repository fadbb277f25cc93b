-- Training word vectors: what runs, what it has reached, and what it needs to go on.

CREATE TABLE emotion.vectors_run (
	name pg_catalog.text COLLATE "C" NOT NULL,
	source pg_catalog.text NOT NULL,
	text_column pg_catalog.text NOT NULL,
	options pg_catalog.jsonb NOT NULL,
	fingerprint pg_catalog.int8,
	finished pg_catalog.bool NOT NULL DEFAULT false,
	phase pg_catalog.text NOT NULL,
	texts pg_catalog.int8,
	words pg_catalog.int8,
	epochs pg_catalog.int4 NOT NULL,
	epoch pg_catalog.int4 NOT NULL DEFAULT 0,
	words_done pg_catalog.int8 NOT NULL DEFAULT 0,
	words_per_second pg_catalog.float8,
	loss pg_catalog.float8,
	checkpoint_epoch pg_catalog.float8,
	seconds pg_catalog.float8 NOT NULL DEFAULT 0,
	started_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	updated_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	started_by pg_catalog.text NOT NULL DEFAULT CURRENT_USER,
	CONSTRAINT vectors_run_pkey PRIMARY KEY (name)
);
COMMENT ON TABLE emotion.vectors_run IS 'trainings of word vectors, running, interrupted and finished; one that ended before it trained goes when the next begins; see the view emotion_vectors_progress';
COMMENT ON COLUMN emotion.vectors_run.name IS 'word vectors that are trained';
COMMENT ON COLUMN emotion.vectors_run.source IS 'table or query of the rows';
COMMENT ON COLUMN emotion.vectors_run.text_column IS 'its column of texts';
COMMENT ON COLUMN emotion.vectors_run.options IS 'as they were given';
COMMENT ON COLUMN emotion.vectors_run.fingerprint IS 'hash of the rows: a resumed training must find the same';
COMMENT ON COLUMN emotion.vectors_run.finished IS 'the vectors are published';
COMMENT ON COLUMN emotion.vectors_run.phase IS 'reading, training or publishing';
COMMENT ON COLUMN emotion.vectors_run.texts IS 'rows to train on';
COMMENT ON COLUMN emotion.vectors_run.words IS 'words of all rows that occur often enough';
COMMENT ON COLUMN emotion.vectors_run.epochs IS 'passes over the rows';
COMMENT ON COLUMN emotion.vectors_run.epoch IS 'passes finished';
COMMENT ON COLUMN emotion.vectors_run.words_done IS 'words read in the running pass';
COMMENT ON COLUMN emotion.vectors_run.words_per_second IS 'words read per second in the running pass';
COMMENT ON COLUMN emotion.vectors_run.loss IS 'mean of the running pass, per pair of words and vector compared';
COMMENT ON COLUMN emotion.vectors_run.checkpoint_epoch IS 'passes, the last perhaps in part, that the checkpoint holds';
COMMENT ON COLUMN emotion.vectors_run.seconds IS 'time spent training';
COMMENT ON COLUMN emotion.vectors_run.started_at IS 'when it began';
COMMENT ON COLUMN emotion.vectors_run.updated_at IS 'when it last told of itself';
COMMENT ON COLUMN emotion.vectors_run.started_by IS 'role that began it';

CREATE TABLE emotion.vectors_checkpoint (
	name pg_catalog.text COLLATE "C" NOT NULL,
	part pg_catalog.int4 NOT NULL,
	data pg_catalog.bytea NOT NULL,
	CONSTRAINT vectors_checkpoint_pkey PRIMARY KEY (name, part)
);
ALTER TABLE emotion.vectors_checkpoint ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE emotion.vectors_checkpoint IS 'what unfinished trainings of word vectors need to go on: both matrices';
COMMENT ON COLUMN emotion.vectors_checkpoint.name IS 'emotion.vectors_run.name';
COMMENT ON COLUMN emotion.vectors_checkpoint.part IS 'place within the checkpoint, from 1';
COMMENT ON COLUMN emotion.vectors_checkpoint.data IS 'a piece of the checkpoint';

ALTER TABLE emotion.vectors_run OWNER TO @extowner@;
ALTER TABLE emotion.vectors_checkpoint OWNER TO @extowner@;
GRANT SELECT (name, fingerprint, finished, phase, texts, words, epochs, epoch, words_done, words_per_second,
	loss, checkpoint_epoch, seconds, started_at, updated_at, started_by) ON emotion.vectors_run TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('emotion.vectors_run', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.vectors_checkpoint', '');

CREATE PROCEDURE @extschema@.emotion_train_vectors(name pg_catalog.text, source pg_catalog.text,
		text_column pg_catalog.text DEFAULT 'text', options pg_catalog.jsonb DEFAULT '{}')
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_train_vectors';
COMMENT ON PROCEDURE @extschema@.emotion_train_vectors(pg_catalog.text, pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'train word vectors with n-grams from a table or query of texts; commits as it goes, resumes with {"resume": true}';

CREATE FUNCTION @extschema@.emotion_train_vectors_options(OUT name pg_catalog.text, OUT type pg_catalog.text,
		OUT "default" pg_catalog.text, OUT range pg_catalog.text, OUT meaning pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_train_vectors_options' IMMUTABLE PARALLEL SAFE ROWS 30;
COMMENT ON FUNCTION @extschema@.emotion_train_vectors_options() IS 'the options of emotion_train_vectors';

CREATE VIEW @extschema@.emotion_vectors_progress AS
	SELECT r.name,
		CASE WHEN r.finished THEN 'finished'
			WHEN l.pid IS NULL THEN 'interrupted'
			ELSE r.phase END AS state,
		r.epoch, r.epochs, CASE WHEN r.finished THEN r.words ELSE r.words_done END AS words_done, r.words,
		pg_catalog.round((100.0 OPERATOR(pg_catalog.*) p.done)::pg_catalog.numeric, 1) AS percent,
		r.loss,
		pg_catalog.round(r.words_per_second::pg_catalog.numeric, 0) AS words_per_second,
		CASE WHEN NOT r.finished AND l.pid IS NOT NULL AND r.words_per_second OPERATOR(pg_catalog.>) 0
			THEN pg_catalog.make_interval(secs => pg_catalog.round((((1.0 OPERATOR(pg_catalog.-) p.done)
				OPERATOR(pg_catalog.*) ((r.words::pg_catalog.float8 OPERATOR(pg_catalog.*) r.epochs)))
				OPERATOR(pg_catalog./) r.words_per_second)::pg_catalog.numeric, 0)::pg_catalog.float8)
			END AS time_left,
		CASE WHEN NOT r.finished THEN pg_catalog.round(r.checkpoint_epoch::pg_catalog.numeric, 2) END AS checkpoint_epoch,
		r.texts, CASE WHEN emotion.may_see(r.started_by) THEN r.source END AS source,
		CASE WHEN emotion.may_see(r.started_by) THEN r.text_column END AS text_column, r.started_at, r.updated_at, r.started_by, l.pid
	FROM emotion.vectors_run r
	CROSS JOIN LATERAL (SELECT CASE WHEN r.finished THEN 1.0::pg_catalog.float8
		WHEN r.words OPERATOR(pg_catalog.>) 0
		THEN (r.epoch OPERATOR(pg_catalog.+) (r.words_done::pg_catalog.float8 OPERATOR(pg_catalog./) r.words))
			OPERATOR(pg_catalog./) r.epochs
		ELSE 0.0::pg_catalog.float8 END) AS p(done)
	LEFT JOIN pg_catalog.pg_locks l
		ON l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.objsubid OPERATOR(pg_catalog.=) 77
			AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d
				WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
			AND ((l.classid::pg_catalog.int8 OPERATOR(pg_catalog.<<) 32) OPERATOR(pg_catalog.|)
				l.objid::pg_catalog.int8) OPERATOR(pg_catalog.=) emotion.training_lock_key(r.name, -1)
	WHERE r.fingerprint IS NOT NULL OR l.pid IS NOT NULL
	ORDER BY r.started_at DESC;
COMMENT ON VIEW @extschema@.emotion_vectors_progress IS
	'trainings of word vectors and how far they are; state is reading, training, publishing, interrupted (resume it) or finished';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.name IS 'word vectors that are trained';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.state IS 'reading, training, publishing, interrupted or finished';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.epoch IS 'passes finished';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.epochs IS 'passes over the rows';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.words_done IS 'words read in the running pass, of the last one when finished';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.words IS 'words of a pass';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.percent IS 'how much of all passes is done';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.loss IS 'mean of the running pass, per pair of words and vector compared';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.words_per_second IS 'words read per second in the running pass';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.time_left IS 'what the remaining passes take at that speed; null unless it runs';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.checkpoint_epoch IS 'passes after which {"resume": true} goes on; null: from the beginning, or finished';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.texts IS 'rows to train on';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.source IS 'table or query of the rows; it and text_column are null for those who may not see the queries of started_by';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.text_column IS 'its column of texts';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.started_at IS 'when it began';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.updated_at IS 'when it last told of itself';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.started_by IS 'role that began it';
COMMENT ON COLUMN @extschema@.emotion_vectors_progress.pid IS 'server process that trains; null: none does';
ALTER VIEW @extschema@.emotion_vectors_progress OWNER TO @extowner@;
GRANT SELECT ON @extschema@.emotion_vectors_progress TO PUBLIC;
