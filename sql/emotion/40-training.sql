-- Training: what runs, what it has reached, and what it needs to go on.

CREATE TABLE emotion.training_run (
	name pg_catalog.text COLLATE "C" NOT NULL,
	version pg_catalog.int4 NOT NULL,
	source pg_catalog.text NOT NULL,
	options pg_catalog.jsonb NOT NULL,
	fingerprint pg_catalog.int8,
	finished pg_catalog.bool NOT NULL DEFAULT false,
	phase pg_catalog.text NOT NULL,
	train_texts pg_catalog.int8,
	dev_texts pg_catalog.int8,
	epochs pg_catalog.int4 NOT NULL,
	epoch pg_catalog.int4 NOT NULL DEFAULT 0,
	texts_done pg_catalog.int8 NOT NULL DEFAULT 0,
	best_epoch pg_catalog.int4,
	seconds pg_catalog.float8 NOT NULL DEFAULT 0,
	checkpoint_bytes pg_catalog.int8,
	checkpoint_seconds pg_catalog.float8 NOT NULL DEFAULT 0,
	started_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	updated_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	started_by pg_catalog.text NOT NULL DEFAULT CURRENT_USER,
	CONSTRAINT training_run_pkey PRIMARY KEY (name, version)
);
COMMENT ON TABLE emotion.training_run IS 'trainings, running, interrupted and finished; one that ended before it trained goes when the next begins; see the view emotion_training_progress';
COMMENT ON COLUMN emotion.training_run.name IS 'model that is trained';
COMMENT ON COLUMN emotion.training_run.version IS 'version that it will be published as';
COMMENT ON COLUMN emotion.training_run.source IS 'table or query of the rows';
COMMENT ON COLUMN emotion.training_run.options IS 'as they were given';
COMMENT ON COLUMN emotion.training_run.fingerprint IS 'hash of the rows: a resumed training must find the same';
COMMENT ON COLUMN emotion.training_run.finished IS 'the model is published';
COMMENT ON COLUMN emotion.training_run.phase IS 'reading, scoring (teachers score the texts while they are read), training or publishing';
COMMENT ON COLUMN emotion.training_run.train_texts IS 'rows to train on';
COMMENT ON COLUMN emotion.training_run.dev_texts IS 'rows held out';
COMMENT ON COLUMN emotion.training_run.epochs IS 'passes over the rows, at most';
COMMENT ON COLUMN emotion.training_run.epoch IS 'passes finished';
COMMENT ON COLUMN emotion.training_run.texts_done IS 'how far the running epoch is, as so many of train_texts';
COMMENT ON COLUMN emotion.training_run.best_epoch IS 'pass, from 1, whose weights are kept';
COMMENT ON COLUMN emotion.training_run.seconds IS 'time spent in finished passes';
COMMENT ON COLUMN emotion.training_run.checkpoint_bytes IS 'size of the last checkpoint';
COMMENT ON COLUMN emotion.training_run.checkpoint_seconds IS 'time spent in writing checkpoints';
COMMENT ON COLUMN emotion.training_run.started_at IS 'when it began';
COMMENT ON COLUMN emotion.training_run.updated_at IS 'when it last told of itself';
COMMENT ON COLUMN emotion.training_run.started_by IS 'role that began it';

CREATE TABLE emotion.training_epoch (
	name pg_catalog.text COLLATE "C" NOT NULL,
	version pg_catalog.int4 NOT NULL,
	epoch pg_catalog.int4 NOT NULL,
	train_loss pg_catalog.float8 NOT NULL,
	log_loss pg_catalog.float8,
	macro_auc pg_catalog.float8,
	macro_ap pg_catalog.float8,
	macro_f1 pg_catalog.float8,
	seconds pg_catalog.float8 NOT NULL,
	texts_per_second pg_catalog.float8 NOT NULL,
	finished_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT training_epoch_pkey PRIMARY KEY (name, version, epoch)
);
COMMENT ON TABLE emotion.training_epoch IS 'figures of each finished pass of each training';
COMMENT ON COLUMN emotion.training_epoch.name IS 'emotion.training_run.name';
COMMENT ON COLUMN emotion.training_epoch.version IS 'emotion.training_run.version';
COMMENT ON COLUMN emotion.training_epoch.epoch IS 'from 1';
COMMENT ON COLUMN emotion.training_epoch.train_loss IS 'mean per text and label, dropout on';
COMMENT ON COLUMN emotion.training_epoch.log_loss IS 'of the held-out rows, as all below; null without such rows';
COMMENT ON COLUMN emotion.training_epoch.macro_auc IS 'mean over labels of the area under the ROC curve';
COMMENT ON COLUMN emotion.training_epoch.macro_ap IS 'mean over labels of average precision';
COMMENT ON COLUMN emotion.training_epoch.macro_f1 IS 'mean over labels of F1, thresholds tuned on the same rows';
COMMENT ON COLUMN emotion.training_epoch.seconds IS 'time taken';
COMMENT ON COLUMN emotion.training_epoch.texts_per_second IS 'rows trained on per second, evaluation left out';
COMMENT ON COLUMN emotion.training_epoch.finished_at IS 'when it was finished';

CREATE TABLE emotion.training_checkpoint (
	name pg_catalog.text COLLATE "C" NOT NULL,
	version pg_catalog.int4 NOT NULL,
	part pg_catalog.int4 NOT NULL,
	data pg_catalog.bytea NOT NULL,
	CONSTRAINT training_checkpoint_pkey PRIMARY KEY (name, version, part)
);
ALTER TABLE emotion.training_checkpoint ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE emotion.training_checkpoint IS 'what unfinished trainings need to go on: weights and moments';
COMMENT ON COLUMN emotion.training_checkpoint.name IS 'emotion.training_run.name';
COMMENT ON COLUMN emotion.training_checkpoint.version IS 'emotion.training_run.version';
COMMENT ON COLUMN emotion.training_checkpoint.part IS 'place within the checkpoint, from 1';
COMMENT ON COLUMN emotion.training_checkpoint.data IS 'a piece of the checkpoint';

ALTER TABLE emotion.training_run OWNER TO @extowner@;
ALTER TABLE emotion.training_epoch OWNER TO @extowner@;
ALTER TABLE emotion.training_checkpoint OWNER TO @extowner@;
-- Sources and options are what a role gave: for others as its queries are, see emotion.may_see.
GRANT SELECT (name, version, fingerprint, finished, phase, train_texts, dev_texts, epochs, epoch, texts_done,
	best_epoch, seconds, checkpoint_bytes, checkpoint_seconds, started_at, updated_at, started_by) ON emotion.training_run TO PUBLIC;
GRANT SELECT ON emotion.training_epoch TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('emotion.training_run', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.training_epoch', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.training_checkpoint', '');

CREATE FUNCTION emotion.training_lock_key(name pg_catalog.text, version pg_catalog.int4) RETURNS pg_catalog.int8
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_training_lock_key' IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION emotion.training_lock_key(pg_catalog.text, pg_catalog.int4) IS
	'key of the lock that a running training holds, as pg_locks shows it';

CREATE PROCEDURE @extschema@.emotion_train(model pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}')
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_train';
COMMENT ON PROCEDURE @extschema@.emotion_train(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'train a new version of a model from a table or query of texts and labels; commits after each epoch, resumes with {"resume": true}';

CREATE FUNCTION @extschema@.emotion_train_options(OUT name pg_catalog.text, OUT type pg_catalog.text,
		OUT "default" pg_catalog.text, OUT range pg_catalog.text, OUT meaning pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c AS 'MODULE_PATHNAME', 'emotion_train_options' IMMUTABLE PARALLEL SAFE ROWS 70;
COMMENT ON FUNCTION @extschema@.emotion_train_options() IS 'the options of emotion_train';

CREATE VIEW @extschema@.emotion_training_progress AS
	SELECT r.name OPERATOR(pg_catalog.||) '@' OPERATOR(pg_catalog.||) r.version::pg_catalog.text AS model,
		CASE WHEN r.finished THEN 'finished'
			WHEN l.pid IS NULL THEN 'interrupted'
			ELSE r.phase END AS state,
		r.epoch, r.epochs, CASE WHEN l.pid IS NULL THEN 0 ELSE r.texts_done END AS texts_done, r.train_texts AS texts,
		pg_catalog.round((100.0 OPERATOR(pg_catalog.*) CASE WHEN r.finished THEN 1
			WHEN r.train_texts OPERATOR(pg_catalog.>) 0
			THEN (r.epoch OPERATOR(pg_catalog.+) (CASE WHEN l.pid IS NULL THEN 0 ELSE r.texts_done END::pg_catalog.float8
				OPERATOR(pg_catalog./) r.train_texts)) OPERATOR(pg_catalog./) r.epochs
			ELSE 0 END)::pg_catalog.numeric, 1) AS percent,
		r.best_epoch, e.macro_auc AS best_macro_auc, e.macro_f1 AS best_macro_f1,
		last.train_loss,
		pg_catalog.round(last.texts_per_second::pg_catalog.numeric, 0) AS texts_per_second,
		CASE WHEN NOT r.finished AND l.pid IS NOT NULL AND r.epoch OPERATOR(pg_catalog.>) 0
			THEN pg_catalog.make_interval(secs => pg_catalog.round(((r.seconds OPERATOR(pg_catalog./) r.epoch)
				OPERATOR(pg_catalog.*) GREATEST(r.epochs OPERATOR(pg_catalog.-) (r.epoch
					OPERATOR(pg_catalog.+) (r.texts_done::pg_catalog.float8
						OPERATOR(pg_catalog./) r.train_texts)), 0))::pg_catalog.numeric, 0)::pg_catalog.float8)
			END AS time_left_at_most,
		r.checkpoint_bytes, pg_catalog.round(r.checkpoint_seconds::pg_catalog.numeric, 1) AS checkpoint_seconds,
		CASE WHEN emotion.may_see(r.started_by) THEN r.source END AS source,
		r.started_at, r.updated_at, r.started_by, l.pid
	FROM emotion.training_run r
	LEFT JOIN emotion.training_epoch e
		ON e.name OPERATOR(pg_catalog.=) r.name AND e.version OPERATOR(pg_catalog.=) r.version
			AND e.epoch OPERATOR(pg_catalog.=) r.best_epoch
	LEFT JOIN emotion.training_epoch last
		ON last.name OPERATOR(pg_catalog.=) r.name AND last.version OPERATOR(pg_catalog.=) r.version
			AND last.epoch OPERATOR(pg_catalog.=) r.epoch
	LEFT JOIN pg_catalog.pg_locks l
		ON l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.objsubid OPERATOR(pg_catalog.=) 77
			AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d
				WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
			AND ((l.classid::pg_catalog.int8 OPERATOR(pg_catalog.<<) 32) OPERATOR(pg_catalog.|)
				l.objid::pg_catalog.int8) OPERATOR(pg_catalog.=) emotion.training_lock_key(r.name, r.version)
	WHERE r.fingerprint IS NOT NULL OR l.pid IS NOT NULL
	ORDER BY r.started_at DESC;
COMMENT ON VIEW @extschema@.emotion_training_progress IS
	'trainings and how far they are; state is reading, training, publishing, interrupted (resume it) or finished';
COMMENT ON COLUMN @extschema@.emotion_training_progress.model IS 'version that is trained, name@version';
COMMENT ON COLUMN @extschema@.emotion_training_progress.state IS 'reading, scoring, training, publishing, interrupted or finished';
COMMENT ON COLUMN @extschema@.emotion_training_progress.epoch IS 'epochs finished; a resumed training goes on after them';
COMMENT ON COLUMN @extschema@.emotion_training_progress.epochs IS 'epochs at most';
COMMENT ON COLUMN @extschema@.emotion_training_progress.texts_done IS 'texts read in the running epoch; 0 of an interrupted training, which begins its epoch again';
COMMENT ON COLUMN @extschema@.emotion_training_progress.texts IS 'texts of an epoch';
COMMENT ON COLUMN @extschema@.emotion_training_progress.percent IS 'how much of all epochs is done';
COMMENT ON COLUMN @extschema@.emotion_training_progress.best_epoch IS 'epoch that is published unless a later one is better';
COMMENT ON COLUMN @extschema@.emotion_training_progress.best_macro_auc IS 'its ROC-AUC on the held-out texts, mean of the labels';
COMMENT ON COLUMN @extschema@.emotion_training_progress.best_macro_f1 IS 'its F1 on the held-out texts, mean of the labels';
COMMENT ON COLUMN @extschema@.emotion_training_progress.train_loss IS 'loss of the last epoch finished';
COMMENT ON COLUMN @extschema@.emotion_training_progress.texts_per_second IS 'texts read per second in the last epoch finished';
COMMENT ON COLUMN @extschema@.emotion_training_progress.time_left_at_most IS 'what the remaining epochs take; less if it stops early';
COMMENT ON COLUMN @extschema@.emotion_training_progress.checkpoint_bytes IS 'size of the last checkpoint, which stands in emotion.training_checkpoint until the training is finished';
COMMENT ON COLUMN @extschema@.emotion_training_progress.checkpoint_seconds IS 'time that writing checkpoints has taken, one after each epoch';
COMMENT ON COLUMN @extschema@.emotion_training_progress.source IS 'table or query of the rows; null for those who may not see the queries of started_by';
COMMENT ON COLUMN @extschema@.emotion_training_progress.started_at IS 'when it began';
COMMENT ON COLUMN @extschema@.emotion_training_progress.updated_at IS 'when it last told of itself';
COMMENT ON COLUMN @extschema@.emotion_training_progress.started_by IS 'role that began it';
COMMENT ON COLUMN @extschema@.emotion_training_progress.pid IS 'server process that trains; null: none does';
ALTER VIEW @extschema@.emotion_training_progress OWNER TO @extowner@;
GRANT SELECT ON @extschema@.emotion_training_progress TO PUBLIC;
