-- One row of steps.tsv: the figures of a model on dev, and how much its macro ROC-AUC is above that of
-- the step before, by paired bootstrap.
--
--   psql -XAtq -F $'\t' -v model=mine@2 -v previous=mine@1 -v step=2 -v change='what changed' \
--       -f models/english/step_figures.sql >>models/english/steps.tsv
--
-- Without "previous" the last three columns are empty. Rows are read from the table goemotions, which train.sql
-- makes; thresholds are cross-validated in two folds, with the shrinkage that emotion_tune_thresholds has.
\set options '{"split_column": "split", "folds": 2, "bootstrap": 1000}'
\set paired '{"split_column": "split", "bootstrap": 1000}'
\if :{?previous}
\else
	\set previous ''
\endif
SET client_min_messages = warning;
WITH figure AS MATERIALIZED (
	SELECT metric, round(value::numeric, 4) AS value, round(low::numeric, 4) AS low, round(high::numeric, 4) AS high
	FROM emotion_evaluate(:'model', 'goemotions', :'options') WHERE scope = 'macro'
), compared AS MATERIALIZED (
	SELECT round(c.difference::numeric, 4) AS difference, round(c.low::numeric, 4) AS low, round(c.high::numeric, 4) AS high
	FROM (SELECT nullif(:'previous', '') AS name) AS p, emotion_compare(p.name, :'model', 'goemotions', :'paired') AS c
	WHERE c.metric = 'macro_roc_auc'
)
SELECT :'step', :'change', auc.value, auc.low, auc.high, ap.value, f1.value, f1.low, f1.high, c.difference, c.low, c.high
FROM figure AS auc JOIN figure AS ap ON ap.metric = 'average_precision' JOIN figure AS f1 ON f1.metric = 'f1'
LEFT JOIN compared AS c ON true WHERE auc.metric = 'roc_auc';
