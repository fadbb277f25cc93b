-- The report, in Markdown. Every figure in it comes from the tables.
\pset tuples_only on
\pset format unaligned
SELECT seeds, settings ->> 'steps' AS steps, settings ->> 'epochs' AS epochs, settings ->> 'resamples' AS resamples,
	settings ->> 'per_label' AS per_label, settings ->> 'precision' AS precision, settings ->> 'quick' = '1' AS quick,
	(settings ->> 'steps')::int * (settings ->> 'epochs')::int AS updates, settings ->> 'threads' AS threads,
	settings ->> 'network' AS network, settings ->> 'vectors' AS vectors, settings ->> 'teacher' AS given
	FROM bench.setting \gset

\qecho '<!-- Written by bench/balance/run.sh: every figure is measured. The conclusion is bench/balance/conclusion.md. -->'
\qecho '# Does balancing help?'
\qecho
\if :quick
	\qecho '**Quick mode**: few texts, few updates of a small network. This shows that it runs; the figures mean nothing.'
	\qecho
\endif
SELECT format($$The experiment of "Data Balancing and Model Improvement for Multi-Label Sentiment Classification Performance
Enhancement" (arXiv 2511.14073) inside PostgreSQL: the same network, trained on GoEmotions as it is and on sets that
were balanced, grown by pseudo-labelled tweets and by LLM-written texts. `bench/balance/run.sh` makes this page.

- **Same for all**: network (%s), %s updates in batches of %s (%s epochs of %s, whatever the size of the set), learning-rate
  schedule, dev (GoEmotions', %s texts: chooses the epoch by macro average precision), seeds 1 to %s, %s threads.%s
- **Thresholds** are cross-validated within dev in two halves, so that no row is measured with thresholds that it chose. AUC and
  average precision need none. The epoch was chosen on the same rows, in the same way for all: differences are fair, levels are a
  little high. Average precision of few positives is higher in resamples than in the rows themselves; in differences this cancels.
- **Nothing of dev is trained on**: texts of the same words as a dev text (case, punctuation and spaces aside) were taken out:
  %s.$$,
	CASE WHEN :'network' = '{}' THEN 'that of the bundled model' ELSE '`' || :'network' || '`' END, :'updates', coalesce(:'network'::jsonb ->> 'batch_size', '128'), :'epochs', :'steps',
	(SELECT count(*) FROM bench.dev), :'seeds', :'threads',
	CASE WHEN :'vectors' <> '' THEN ' Word vectors begin as `' || :'vectors' || '`.' ELSE ' Word vectors begin at random.' END,
	(SELECT string_agg(format('%s of %s (%s)', in_dev, read, source), ', ' ORDER BY source) FROM bench.removed));
SELECT format($$- **Tweets** are labelled by %s, each label from the score on that was right in %s of the cases on %s; %s of %s labels
  have such a score. Of %s tweets %s got labels that go with their polarity.$$,
	CASE WHEN :'given' <> '' THEN '`' || :'given' || '`' WHEN members > 1 THEN 'an ensemble of ' || members ||
		' models trained here on nine tenths of GoEmotions'' training rows'
		ELSE 'one model trained here on nine tenths of GoEmotions'' training rows (this build has no ensembles)' END,
	:'precision', CASE WHEN :'given' = '' THEN 'the tenth that is left: dev has no part in it'
		ELSE 'dev, which so has a small part in the labels (as many cuts)' END,
	(SELECT count(cut) FROM bench.cut), (SELECT count(*) FROM bench.cut), (SELECT count(*) FROM bench.tweet),
	(SELECT count(*) FROM bench.tweets)) FROM bench.teacher;
SELECT format($$- **LLM-written texts** (%s) bear the labels that at least three of five annotators gave.
- **Intervals** are 95 %%, of the mean over seeds, from %s resamples of dev's rows. Those of differences, and their p, also count
  what other seeds would do: deviations of trainings from the mean of their condition, pooled over conditions%s.$$,
	(SELECT count(*) FROM bench.llm), :'resamples', CASE WHEN :seeds = 1 THEN ' (not here: one seed)' ELSE '' END);
SELECT format('- **Machine**: %s, others may have been using it; %s minutes of training in all.', :'machine',
	round(sum(seconds) / 60)) FROM bench.trained AS t JOIN bench.condition AS c ON c.name = t.condition;

\qecho
\qecho '## The sets'
\qecho
\qecho '| set | rows | of them tweets, LLM | labels per row | MeanIR | MaxIR | SCUMBLE | rarest label |'
\qecho '|---|---|---|---|---|---|---|---|'
SELECT format('CREATE TEMPORARY TABLE described AS %s', string_agg(format(
	'SELECT %L AS name, %s AS place, (s).*, tweets, llm FROM (SELECT emotion_label_stats(labels) AS s, count(*) FILTER (WHERE source = ''tweets'') AS tweets,
		count(*) FILTER (WHERE source = ''llm'') AS llm FROM bench.%I) AS d', source, place, source), ' UNION ALL '))
	FROM (SELECT source, min(place) AS place FROM bench.condition WHERE to_regclass('bench.' || source) IS NOT NULL GROUP BY source) AS c \gexec
SELECT format('| %s | %s | %s, %s | %s | %s | %s | %s | %s: %s |', name, n, tweets, llm, bench.says(cardinality), bench.says(mean_ir, 1),
		bench.says(max_ir, 1), bench.says(scumble, 4), labels[i], counts[i])
	FROM described, LATERAL (SELECT i FROM generate_subscripts(counts, 1) AS i ORDER BY counts[i], i LIMIT 1) AS r ORDER BY place;
\qecho
SELECT format('`quota` was asked for %s rows of each label.', :'per_label');
SELECT to_regclass('bench.synthetic') IS NOT NULL AS planned \gset
\if :planned
	SELECT format('`mlsmote` is not among them: it would make %s rows of features and labels without a text, and `emotion_train` reads texts.',
		(SELECT sum(synthetic) FROM bench.synthetic WHERE label IS NOT NULL));
\else
	\qecho '`mlsmote` is not among them: it makes rows of features and labels without a text, and `emotion_train` reads texts.'
\endif

\qecho
\qecho '## The conditions'
\qecho
\qecho '| condition | what | epochs chosen | minutes a training |'
\qecho '|---|---|---|---|'
SELECT format('| %s | %s | %s | %s |', c.name, c.says, coalesce(string_agg(t.best_epoch::text, ', ' ORDER BY t.seed), 'not run: ' || max(r.reason)),
		bench.says(avg(t.seconds) / 60, 1))
	FROM bench.condition AS c LEFT JOIN bench.trained AS t ON t.condition = c.name AND t.seed <= :seeds
		LEFT JOIN bench.refused AS r ON r.condition = c.name GROUP BY c.place, c.name, c.says ORDER BY c.place;

\qecho
\qecho '## Results'
\qecho
\qecho 'Means over seeds; in brackets the interval, after it the least and the greatest seed.'
\qecho
\qecho '| condition | macro F1 | micro F1 | macro ROC-AUC | mean average precision |'
\qecho '|---|---|---|---|---|'
CREATE TEMPORARY VIEW shown AS SELECT m.*, c.place, format('%s; %s to %s', bench.says(value, low, high), bench.says(least), bench.says(most)) AS text
	FROM bench.mean AS m JOIN bench.condition AS c ON c.name = m.condition;
SELECT format('| %s | %s | %s | %s | %s |', condition, max(text) FILTER (WHERE scope = 'macro' AND metric = 'f1'),
		max(text) FILTER (WHERE scope = 'micro' AND metric = 'f1'), max(text) FILTER (WHERE scope = 'macro' AND metric = 'roc_auc'),
		max(text) FILTER (WHERE scope = 'macro' AND metric = 'average_precision'))
	FROM shown WHERE label = '' GROUP BY place, condition ORDER BY place;

\qecho
\qecho '## Against GoEmotions as it is'
\qecho
\qecho 'Differences on the same resampled rows. p: two-sided, of rows alone for each seed, of rows alone for the mean over seeds, of rows and'
\qecho 'seeds, and the last corrected after Holm for the number of conditions. The six rare labels are grief, pride, relief, nervousness,'
\qecho 'embarrassment and remorse; of both kinds, the mean of the labels'' F1 is taken.'
CREATE TEMPORARY TABLE compared (place serial, scope text, metric text, says text);
INSERT INTO compared (scope, metric, says) VALUES ('macro', 'f1', 'Macro F1'), ('macro', 'average_precision', 'Mean average precision'),
	('macro', 'roc_auc', 'Macro ROC-AUC'), ('micro', 'f1', 'Micro F1'), ('rare', 'f1', 'F1 of the six rare labels'),
	('common', 'f1', 'F1 of the six most frequent labels');
SELECT line FROM (
	SELECT p.place, 0 AS row, format(E'\n### %s\n\n| condition | difference | seeds better | p by seed | p, rows | p, rows and seeds | after Holm |\n|---|---|---|---|---|---|---|', p.says) AS line
	FROM compared AS p
	UNION ALL
	SELECT p.place, c.place, format('| %s | %s | %s of %s | %s | %s | %s | %s |', d.condition, bench.signed(d.value, d.low, d.high), d.better, d.seeds,
		d.p_by_seed, bench.says(d.p_rows), bench.says(d.p), bench.says(d.p_holm))
	FROM bench.difference AS d JOIN compared AS p USING (scope, metric) JOIN bench.condition AS c ON c.name = d.condition
	WHERE d.label = '') AS lines ORDER BY place, row;

\qecho
\qecho '## F1 of the rare labels'
\qecho
SELECT '| condition | ' || string_agg(format('%s (%s train, %s dev)', label, train, dev), ' | ' ORDER BY rank) || E' |\n|---|' || repeat('---|', count(*)::int)
	FROM bench.counted WHERE kind = 'rare';
SELECT format('| %s | %s |', m.condition, string_agg(bench.says(m.value, m.low, m.high), ' | ' ORDER BY l.rank))
	FROM bench.mean AS m JOIN bench.counted AS l USING (label) JOIN bench.condition AS c ON c.name = m.condition
	WHERE l.kind = 'rare' AND m.metric = 'f1' GROUP BY c.place, m.condition ORDER BY c.place;

\qecho
\qecho '## What the common labels pay'
\qecho
\qecho 'Differences of F1 from the baseline, of rows alone.'
\qecho
SELECT '| condition | ' || string_agg(format('%s (%s train, %s dev)', label, train, dev), ' | ' ORDER BY rank DESC) || E' |\n|---|' || repeat('---|', count(*)::int)
	FROM bench.counted WHERE kind = 'common';
SELECT format('| %s | %s |', d.condition, string_agg(bench.signed(d.value, d.low, d.high), ' | ' ORDER BY l.rank DESC))
	FROM bench.difference AS d JOIN bench.counted AS l USING (label) JOIN bench.condition AS c ON c.name = d.condition
	WHERE l.kind = 'common' AND d.metric = 'f1' GROUP BY c.place, d.condition ORDER BY c.place;

\qecho
\qecho '## Every label'
\qecho
\qecho '![F1 per label, rare to common](balancing.svg)'
\qecho
\qecho 'Rows with the label in GoEmotions and in each set, rare to common:'
\qecho
SELECT '| label | dev | ' || string_agg(name, ' | ' ORDER BY place) || E' |\n|---|---|' || repeat('---|', count(*)::int) FROM described;
SELECT format('| %s | %s | %s |', l.label, l.dev, string_agg(coalesce(d.counts[array_position(d.labels, l.label)], 0)::text, ' | ' ORDER BY d.place))
	FROM bench.counted AS l, described AS d GROUP BY l.rank, l.label, l.dev ORDER BY l.rank;
CREATE TEMPORARY TABLE per_label (place serial, metric text, says text);
INSERT INTO per_label (metric, says) VALUES ('f1', 'F1'), ('average_precision', 'Average precision');
SELECT line FROM (
	SELECT p.place, 0::int8 AS row, format(E'\n%s:\n\n| label | %s |\n|---|%s', p.says, string_agg(c.name, ' | ' ORDER BY c.place), repeat('---|', count(*)::int)) AS line
	FROM per_label AS p, bench.condition AS c WHERE c.name IN (SELECT condition FROM bench.mean) GROUP BY p.place, p.says
	UNION ALL
	SELECT p.place, l.rank, format('| %s | %s |', l.label, string_agg(bench.says(m.value), ' | ' ORDER BY c.place))
	FROM per_label AS p JOIN bench.mean AS m USING (metric) JOIN bench.counted AS l USING (label) JOIN bench.condition AS c ON c.name = m.condition
	GROUP BY p.place, l.rank, l.label) AS lines ORDER BY place, row;

\qecho
\qecho '## What the figures say'
\qecho
SELECT '- **' || name || '**: ' || string_agg(format('%s in %s', verdict, figures), '; ' ORDER BY verdict) || '.' FROM (
		SELECT c.place, c.name, verdict, string_agg(format('%s (%s)', p.says, CASE WHEN value > 0 THEN '+' ELSE '' END || bench.says(value)), ', ' ORDER BY p.place) AS figures
		FROM (SELECT *, CASE WHEN p_holm < 0.05 AND value > 0 THEN 'better' WHEN p_holm < 0.05 THEN 'worse' ELSE 'not told apart' END AS verdict
			FROM bench.difference WHERE label = '') AS d
			JOIN compared AS p USING (scope, metric) JOIN bench.condition AS c ON c.name = d.condition GROUP BY c.place, c.name, verdict) AS v
	GROUP BY place, name ORDER BY place;
\qecho
\qecho '"Better" and "worse": p of rows and seeds after Holm is under 0.05.'
