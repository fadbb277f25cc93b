-- The model card's tables, in Markdown.
CREATE TEMPORARY TABLE figure AS SELECT * FROM emotion_evaluate('english_training@1', 'goemotions',
	'{"split_column": "split", "folds": 2, "bootstrap": 1000}');
SELECT '| figure | value | 95 % interval |';
SELECT '|---|---|---|';
SELECT pg_catalog.format('| %s %s | %s | %s |', scope, metric, round(value::numeric, 4),
		round(low::numeric, 4) || ' to ' || round(high::numeric, 4))
	FROM figure WHERE (scope, metric) IN (('macro', 'roc_auc'), ('macro', 'average_precision'), ('macro', 'f1'),
		('micro', 'f1'), ('weighted', 'f1'), ('samples', 'f1'), ('overall', 'subset_accuracy'),
		('overall', 'hamming_loss'));
SELECT pg_catalog.format('| expected calibration error | %s | |', round(value::numeric, 4)) FROM figure
	WHERE metric = 'calibration_error';
SELECT '';
SELECT '| label | texts | precision | recall | F1 | 95 % interval | ROC-AUC |';
SELECT '|---|---|---|---|---|---|---|';
SELECT pg_catalog.format('| %s | %s | %s | %s | %s | %s | %s |', label,
		max(value) FILTER (WHERE metric = 'support'),
		round(max(value) FILTER (WHERE metric = 'precision')::numeric, 3),
		round(max(value) FILTER (WHERE metric = 'recall')::numeric, 3),
		round(max(value) FILTER (WHERE metric = 'f1')::numeric, 3),
		round(max(low) FILTER (WHERE metric = 'f1')::numeric, 3) || ' to ' ||
			round(max(high) FILTER (WHERE metric = 'f1')::numeric, 3),
		round(max(value) FILTER (WHERE metric = 'roc_auc')::numeric, 3))
	FROM figure WHERE scope = 'label' GROUP BY label ORDER BY label;
