-- Who labels the tweets. Unless TEACHER names somebody: an ensemble of models trained here on nine
-- tenths of GoEmotions' training rows, their epochs chosen and, in the next stage, their cuts set on
-- the tenth that is left. What the conditions are measured on, dev, has no part in it.

SELECT format('CALL emotion_split(%L, %L, %L)', 'SELECT id, text, labels FROM bench.goemotions',
	'{"teach": 0.9, "held": 0.1}', '{"target": "bench.teaching", "seed": 1}')
	WHERE to_regclass('bench.teaching') IS NULL \gexec

-- As many as there are seeds; one where there are no ensembles. "given": what run.sh read from a file.
SELECT settings ->> 'teacher' AS given, CASE WHEN settings ->> 'teacher' <> '' THEN 0
	WHEN to_regproc('emotion_ensemble') IS NULL THEN 1 ELSE seeds END AS members FROM bench.setting \gset
SELECT format('CALL emotion_train(%L, %L, %L)', 'teacher_' || seed, 'bench.teaching',
	CASE WHEN EXISTS (SELECT FROM emotion_training_progress
		WHERE split_part(model, '@', 1) = 'teacher_' || seed AND state = 'interrupted')
	THEN '{"resume": true}' ELSE options || jsonb_build_object('seed', seed, 'split_column', 'split',
		'train_split', 'teach', 'dev_split', 'held') END)
	FROM bench.recipe, generate_series(1, :members) AS seed
	WHERE NOT EXISTS (SELECT FROM emotion_models WHERE name = 'teacher_' || seed) ORDER BY seed \gexec
SELECT format('SELECT emotion_ensemble(%L, %L)', 'teacher',
		(SELECT array_agg(model ORDER BY name) FROM emotion_models WHERE name ~ '^teacher_[0-9]+$'))
	WHERE :members > 1 AND NOT EXISTS (SELECT FROM emotion_models WHERE name = 'teacher') \gexec

-- model: labels tweets; cut_on: rows that tell how sure it must be.
CREATE TABLE bench.teacher AS SELECT
	(SELECT max(m.model) FROM emotion_models AS m
		WHERE CASE WHEN :'given' = '' THEN m.name = CASE WHEN :members > 1 THEN 'teacher' ELSE 'teacher_1' END
			WHEN EXISTS (SELECT FROM emotion_models WHERE name = 'given') THEN m.name = 'given'
			ELSE :'given' IN (m.model, m.name) END) AS model,
	CASE WHEN :'given' = '' THEN 'SELECT text, labels FROM bench.teaching WHERE split = ''held'''
		ELSE 'SELECT text, labels FROM bench.dev' END AS cut_on,
	:members AS members;
SELECT bench.stop('there is no model "' || :'given' || '" (TEACHER)') FROM bench.teacher WHERE model IS NULL \g /dev/null
