-- One training and its figures on dev: -v condition=NAME -v seed=N. Does nothing when that is done, goes
-- on with one that was interrupted, and notes what this build refuses (an option that it does not know).

SELECT EXISTS (SELECT FROM bench.trained WHERE condition = :'condition' AND seed = :seed)
	OR EXISTS (SELECT FROM bench.refused WHERE condition = :'condition') AS done,
	'c_' || :'condition' || '_' || :seed AS name \gset
\if :done
	\quit
\endif
\echo == :condition, seed :seed
SELECT 'bench.' || c.source AS source, CASE WHEN EXISTS (SELECT FROM emotion_training_progress
		WHERE split_part(model, '@', 1) = :'name' AND state = 'interrupted')
	THEN '{"resume": true}' ELSE r.options || c.options || jsonb_build_object('seed', :seed,
		'dev_source', 'SELECT text, labels FROM bench.dev') END AS options,
	EXISTS (SELECT FROM emotion_models WHERE name = :'name') AS published
	FROM bench.condition AS c, bench.recipe AS r WHERE c.name = :'condition' \gset
\if :published
\else
	\set ON_ERROR_STOP 0
	SET client_min_messages = warning;
	\set VERBOSITY terse
	CALL emotion_train(:'name', :'source', :'options');
	\set failed :ERROR
	\set state :LAST_ERROR_SQLSTATE
	\set message :LAST_ERROR_MESSAGE
	\set ON_ERROR_STOP 1
	\if :failed
		SELECT :'state' IN ('22023', '0A000') AS refused \gset
		\if :refused
			INSERT INTO bench.refused VALUES (:'condition', :'message');
			\echo not run: :message
			\quit
		\endif
		SELECT bench.stop('training failed: ' || :'message') \g /dev/null
	\endif
\endif
VACUUM emotion.training_checkpoint; -- some 50 MB for each epoch

SELECT model, version FROM emotion_models WHERE name = :'name' \gset
BEGIN;
INSERT INTO bench.figure SELECT :'condition', :seed, e.* FROM bench.setting,
	emotion_evaluate_resamples(:'model', 'SELECT text, labels FROM bench.dev',
		jsonb_build_object('folds', 2, 'seed', 1, 'bootstrap', settings -> 'resamples')) AS e;
INSERT INTO bench.trained SELECT :'condition', :seed, :'model', train_texts, best_epoch, seconds
	FROM emotion.training_run WHERE name = :'name' AND version = :version;
COMMIT;
