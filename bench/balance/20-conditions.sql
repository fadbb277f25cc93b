-- What is compared, and the sets that it is trained on. Run each time.

SET client_min_messages = warning;

-- Sets that emotion_balance makes: source, rows wanted of each label, strategy, options.
DROP TABLE IF EXISTS bench.balanced, bench.condition;
CREATE TABLE bench.balanced (name text PRIMARY KEY, source text NOT NULL, strategy text NOT NULL, options jsonb NOT NULL);
INSERT INTO bench.balanced VALUES
	('quota', 'bench.goemotions', 'quota', '{}'),
	('quota_copies', 'bench.goemotions', 'quota', '{"max_copies": 10}'),
	('ml_ros', 'bench.goemotions', 'ml_ros', '{"percent": 25, "to_target": false}'),
	('ml_ros_target', 'bench.goemotions', 'ml_ros', '{"to_target": true}'),
	('ml_rus', 'bench.goemotions', 'ml_rus', '{"percent": 25}'),
	('lp_ros', 'bench.goemotions', 'lp_ros', '{"percent": 25}'),
	('lp_rus', 'bench.goemotions', 'lp_rus', '{"percent": 25}'),
	('remedial', 'bench.goemotions', 'remedial', '{}'),
	('mlenn', 'bench.features', 'mlenn', '{"feature_column": "features"}'),
	('even', 'bench.all_sources', 'quota', '{}'),
	('even_copies', 'bench.all_sources', 'quota', '{"max_copies": 10}');

-- Each condition: its set, and options of emotion_train beside the recipe's.
CREATE TABLE bench.condition (place serial, name text PRIMARY KEY, source text NOT NULL, options jsonb NOT NULL,
	says text NOT NULL);
INSERT INTO bench.condition (name, source, options, says) VALUES
	('goemotions', 'goemotions', '{}', 'GoEmotions as it is: the baseline'),
	('quota', 'quota', '{}', '`quota`: as near as can be to so many rows of each label, each row once'),
	('quota_copies', 'quota_copies', '{}', '`quota`, rows of short labels up to 10 times'),
	('ml_ros', 'ml_ros', '{}', '`ml_ros`: 25 % more rows, copies of those with labels over MeanIR'),
	('ml_ros_target', 'ml_ros_target', '{}', '`ml_ros` to_target: copies until each label has as many rows as quota is asked for'),
	('ml_rus', 'ml_rus', '{}', '`ml_rus`: 25 % of the rows dropped, none with a label over MeanIR'),
	('lp_ros', 'lp_ros', '{}', '`lp_ros`: 25 % more rows, copies of rare label sets'),
	('lp_rus', 'lp_rus', '{}', '`lp_rus`: 25 % of the rows dropped, of common label sets'),
	('remedial', 'remedial', '{}', '`remedial`: rows that mix rare and common labels parted'),
	('mlenn', 'mlenn', '{}', '`mlenn`: rows that disagree with their neighbours, by the teacher''s scores, dropped'),
	('tweets', 'with_tweets', '{}', 'GoEmotions and Sentiment140 as the teacher labelled it'),
	('llm', 'with_llm', '{}', 'GoEmotions and the LLM-written texts'),
	('all_sources', 'all_sources', '{}', 'all three sources as they are'),
	('even', 'even', '{}', 'the even mixture: `quota` over all three sources, each row once'),
	('even_copies', 'even_copies', '{}', 'the even mixture, rows of short labels up to 10 times'),
	('class_balanced', 'goemotions', '{"loss": "class_balanced"}', 'GoEmotions; class-balanced loss'),
	('focal', 'goemotions', '{"loss": "focal"}', 'GoEmotions; focal loss'),
	('asymmetric', 'goemotions', '{"loss": "asymmetric"}', 'GoEmotions; asymmetric loss'),
	('distribution_balanced', 'goemotions', '{"loss": "distribution_balanced"}', 'GoEmotions; distribution-balanced loss'),
	('logit_adjusted', 'goemotions', '{"logit_adjustment": 1}', 'GoEmotions; logits adjusted by the labels'' frequencies'),
	('goemotions_single', 'goemotions', '{"precision": "single"}', 'GoEmotions; single precision, all others are mixed'),
	('even_copies_single', 'even_copies', '{"precision": "single"}', 'the even mixture with copies; single precision');
SELECT bench.stop('no condition "' || w || '"; there are ' || (SELECT string_agg(name, ', ' ORDER BY place) FROM bench.condition))
	FROM regexp_split_to_table(trim(:'wanted'), '\s+') AS w WHERE w <> '' AND w NOT IN (SELECT name FROM bench.condition) \g /dev/null
DELETE FROM bench.condition WHERE trim(:'wanted') <> '' AND name <> ALL (regexp_split_to_array(:'wanted', '\s+') || '{goemotions}');

-- The recipe: models/english's, but for the number of updates, which is the same for every set.
CREATE OR REPLACE VIEW bench.recipe AS
	SELECT '{"dropout_word": 0.1, "dropout_embedding": 0.3, "dropout_conv": 0.3, "dropout_hidden": 0.2,
			"dropout_pooled": 0.5, "learning_rate": 0.012, "embedding_rate": 0.05, "weight_averaging": 0.998,
			"metric": "macro_ap", "patience": 0, "precision": "mixed"}'::jsonb
		|| jsonb_build_object('labels', (SELECT jsonb_agg(label ORDER BY place) FROM bench.label))
		|| jsonb_build_object('epochs', settings -> 'epochs', 'steps_per_epoch', settings -> 'steps', 'threads', settings -> 'threads')
		|| jsonb_build_object('vectors', settings -> 'vectors')
		|| (settings -> 'network') AS options
	FROM bench.setting;
