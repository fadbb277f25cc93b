-- What each part of the recipe is worth: the first teacher trained again with one thing changed. Run by
-- train.sh with STEPS=1, where train.sql has run; prints the rows of steps.tsv.
SET client_min_messages = warning;

CREATE TEMPORARY TABLE variant (place serial, name text, model text, previous text, says text, options jsonb);
INSERT INTO variant (name, previous, says, options) VALUES
	('random', NULL, 'the network alone: words begin at random and learn as fast as all else (learning_rate 0.002)',
		'{"base": null, "learning_rate": 0.002, "embedding_rate": 1, "weight_averaging": 0, "dropout_subword": null}'),
	('vectors', 'random', 'words begin as vectors of Reddit, with n-grams for unknown ones',
		'{"base": null, "vectors": "reddit", "vectors_words": 20000, "subword_buckets": 30000, "learning_rate": 0.002, "embedding_rate": 1, "weight_averaging": 0}'),
	('average', 'vectors', 'the moving average of the weights',
		'{"base": null, "vectors": "reddit", "vectors_words": 20000, "subword_buckets": 30000, "learning_rate": 0.002, "embedding_rate": 1}'),
	('rates', 'average', 'words learn slowly, the network fast (learning_rate 0.012, embedding_rate 0.05)',
		'{"base": null, "vectors": "reddit", "vectors_words": 20000, "subword_buckets": 30000}'),
	('cues', 'rates', 'the network has learnt to foresee hidden words of Reddit', '{}'),
	('balanced', 'cues', 'class-balanced loss: errors in rare labels weigh more', '{"loss": "class_balanced"}'),
	('sampled', 'balanced', 'four dropout samples of each text: a teacher', '{"loss": "class_balanced", "dropout_samples": 4}'),
	('i8', 'cues', 'without both, kept in 8 bits', '{"storage": "i8"}'),
	('single', 'cues', 'not taken: single precision', '{"precision": "single"}'),
	('frozen', 'cues', 'not taken: words stand still', '{"embedding_rate": 0}'),
	('unfreeze', 'cues', 'not taken: layers join one by one (unfreeze_epochs 0.3)', '{"unfreeze_epochs": 0.3}'),
	('layers', 'cues', 'not taken: slower by layer (layer_decay 0.7, embedding_rate 0.15)', '{"layer_decay": 0.7, "embedding_rate": 0.15}'),
	('focal', 'cues', 'not taken: focal loss', '{"loss": "focal"}'),
	('asymmetric', 'cues', 'not taken: asymmetric loss', '{"loss": "asymmetric"}'),
	('distribution', 'cues', 'not taken: distribution-balanced loss', '{"loss": "distribution_balanced"}'),
	('adjusted', 'cues', 'not taken: logit adjustment of 0.5', '{"logit_adjustment": 0.5}'),
	('mixup', 'cues', 'not taken: mixup of 0.2', '{"mixup": 0.2}'),
	('words', 'cues', 'not taken: word dropout of 0.2', '{"dropout_word": 0.2}'),
	('copies', 'cues', 'not taken: a quarter more rows, copies of those with rare labels (ml_ros)', '{}'),
	('llm', 'cues', 'not taken: with the 1,560 LLM-written texts', '{}');

SELECT to_regclass('copied') IS NULL AS wanted \gset
\if :wanted
	CALL emotion_balance('SELECT text, labels FROM goemotions WHERE split = ''train''', 'copied', 1, 'ml_ros',
		'{"percent": 25, "to_target": false, "seed": 1}');
\endif

-- The options of the first teacher, as they were given, but for those that are steps of their own.
SELECT (lineage -> 'options') - 'loss' - 'dropout_samples' AS teacher FROM emotion_models WHERE name = 'teacher' ORDER BY version LIMIT 1 \gset
SELECT format('CALL emotion_train(%L, %L, %L)', 'step_' || name,
		CASE name WHEN 'llm' THEN 'SELECT text, labels, split FROM goemotions UNION ALL SELECT text, labels, ''train'' FROM llm'
			WHEN 'copies' THEN 'SELECT text, labels, ''train'' AS split FROM copied UNION ALL SELECT text, labels, split FROM goemotions WHERE split = ''dev'''
			ELSE 'goemotions' END,
		jsonb_strip_nulls(:'teacher'::jsonb || options))
	FROM variant WHERE NOT EXISTS (SELECT FROM emotion_models AS m WHERE m.name = 'step_' || variant.name)
		AND (variant.name <> 'llm' OR to_regclass('llm') IS NOT NULL) ORDER BY place \gexec

UPDATE variant AS v SET model = (SELECT model FROM emotion_models AS m WHERE m.name = 'step_' || v.name ORDER BY version DESC LIMIT 1);
SELECT array_agg(model ORDER BY version) AS english FROM emotion_models WHERE name = 'english_training' \gset
INSERT INTO variant (name, model, previous, says) VALUES
	('teachers', (SELECT model FROM emotion_models WHERE name = 'teachers'), 'sampled', 'four such networks of other seeds, their mean score'),
	('student', (SELECT min(model) FROM emotion_models WHERE name = 'student'), 'teachers', 'one network taught by the four, also on texts of Reddit, with little dropout'),
	('students', (SELECT model FROM emotion_models WHERE name = 'students'), 'student', 'three such networks of other seeds, their mean score'),
	('taught', (:'english'::text[])[1], 'students', 'one network taught by the three, in 8 bits'),
	('calibrated', (:'english'::text[])[2], 'taught', 'calibrated'),
	('tuned', (:'english'::text[])[3], 'calibrated', 'thresholds tuned: the model that ships');

CREATE TEMPORARY TABLE figure AS SELECT v.name, e.metric, round(e.value::numeric, 4) AS value, round(e.low::numeric, 4) AS low, round(e.high::numeric, 4) AS high
FROM variant AS v JOIN emotion_models AS m ON m.model = v.model,
	emotion_evaluate(v.model, 'goemotions', '{"split_column": "split", "folds": 2, "bootstrap": 1000}') AS e WHERE e.scope = 'macro';
SELECT format(E'%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s', v.name, v.says || CASE WHEN v.says LIKE 'not taken%' THEN ' (gain over cues)' ELSE '' END,
	auc.value, auc.low, auc.high, ap.value, f1.value, f1.low, f1.high,
	round(c.difference::numeric, 4), round(c.low::numeric, 4), round(c.high::numeric, 4))
FROM variant AS v
JOIN figure AS auc ON auc.name = v.name AND auc.metric = 'roc_auc'
JOIN figure AS ap ON ap.name = v.name AND ap.metric = 'average_precision'
JOIN figure AS f1 ON f1.name = v.name AND f1.metric = 'f1'
LEFT JOIN variant AS p ON p.name = v.previous
LEFT JOIN LATERAL (SELECT * FROM emotion_compare(p.model, v.model, 'goemotions', '{"split_column": "split", "bootstrap": 1000}')
	WHERE metric = 'macro_roc_auc') AS c ON p.model IS NOT NULL
ORDER BY v.place;
