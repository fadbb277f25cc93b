-- The sets to train on, those that are not there yet. Run each time.

SET client_min_messages = warning;

CREATE OR REPLACE VIEW bench.with_tweets AS SELECT * FROM bench.goemotions UNION ALL SELECT * FROM bench.tweets;
CREATE OR REPLACE VIEW bench.with_llm AS SELECT * FROM bench.goemotions UNION ALL SELECT * FROM bench.llm;
CREATE OR REPLACE VIEW bench.all_sources AS SELECT * FROM bench.with_tweets UNION ALL SELECT * FROM bench.llm;

-- What mlenn and mlsmote find neighbours by: the teacher's scores. (The last layer's features, some
-- 256 numbers, would take mlenn ten times as long: it compares all pairs of rows.)
SELECT format('CREATE TABLE bench.features AS SELECT *, emotion_scores(text, %L) AS features FROM bench.goemotions', model)
	FROM bench.teacher WHERE to_regclass('bench.features') IS NULL AND 'mlenn' IN (SELECT source FROM bench.condition) \gexec
SELECT format('CALL emotion_balance(%L, %L, %s, %L, %L)', b.source, 'bench.' || b.name, settings ->> 'per_label', strategy,
	'{"source_column": "source", "trust": ["goemotions", "llm", "tweets"], "key_column": "id",
	  "confidence_column": "confidence", "seed": 1}'::jsonb || b.options)
	FROM bench.balanced AS b, bench.setting
	WHERE to_regclass('bench.' || b.name) IS NULL AND b.name IN (SELECT source FROM bench.condition) \gexec

-- mlsmote makes rows of features and labels without text: nothing to train on. What it would make:
SELECT to_regclass('bench.synthetic') IS NULL AND to_regclass('bench.features') IS NOT NULL AS plan \gset
\if :plan
	CREATE TABLE bench.synthetic AS SELECT p.* FROM bench.setting, emotion_balance_plan('bench.features',
		(settings ->> 'per_label')::int, 'mlsmote', '{"feature_column": "features", "key_column": "id"}') AS p;
\endif
