-- From the figures of all trainings: means over seeds, differences from the baseline, their intervals
-- and tests. Made anew each time.

SET client_min_messages = error;
SET enable_nestloop = off; -- joins are of millions of rows here, whatever the planner guesses
SELECT setseed(0.5) \g /dev/null
DROP TABLE IF EXISTS bench.counted, bench.by_seed, bench.draw, bench.mean, bench.pool, bench.paired, bench.difference;

-- Labels by how often they are trained on, and the two ends: those that the paper's balancing is for,
-- and the six most frequent.
CREATE TABLE bench.counted AS
	SELECT l.place, l.label, count(g.label) AS train, (SELECT count(*) FROM bench.dev WHERE l.label = ANY (labels)) AS dev,
		row_number() OVER (ORDER BY count(g.label), l.label) AS rank,
		CASE WHEN l.label = ANY ('{grief,pride,relief,nervousness,embarrassment,remorse}') THEN 'rare'
			WHEN row_number() OVER (ORDER BY count(g.label) DESC, l.label) <= 6 THEN 'common' END AS kind
	FROM bench.label AS l LEFT JOIN (SELECT unnest(labels) AS label FROM bench.goemotions) AS g USING (label)
	GROUP BY l.place, l.label;

-- Every figure of every training in resample n of dev's rows; n = 0: of the rows themselves. The two
-- kinds of labels get their means; all but single labels have the label ''. Undefined (a label that a resample lacks) is null, and passed over.
CREATE TABLE bench.by_seed AS
	WITH figure AS (
		SELECT f.condition, f.seed, f.scope, f.label, f.metric, u.n, u.x
		FROM bench.figure AS f JOIN bench.condition AS c ON c.name = f.condition
			JOIN bench.setting AS s ON f.seed <= s.seeds,
			unnest(f.value || f.resamples) WITH ORDINALITY AS u (x, n)
		WHERE (f.scope, f.metric) IN (('macro', 'f1'), ('micro', 'f1'), ('macro', 'roc_auc'), ('macro', 'average_precision'),
			('label', 'f1'), ('label', 'average_precision')))
	SELECT condition, seed, scope, coalesce(label, '') AS label, metric, (n - 1)::int AS n, x FROM figure
	UNION ALL
	SELECT f.condition, f.seed, c.kind, '', f.metric, (f.n - 1)::int, avg(f.x)
	FROM figure AS f JOIN bench.counted AS c ON c.label = f.label
	WHERE f.scope = 'label' AND c.kind IS NOT NULL GROUP BY 1, 2, 3, 5, 6;
ANALYZE bench.by_seed;

-- Means over seeds.
CREATE TABLE bench.draw AS SELECT condition, scope, label, metric, n, avg(x) AS x
	FROM bench.by_seed GROUP BY 1, 2, 3, 4, 5;
ANALYZE bench.draw;
CREATE TABLE bench.mean AS
	SELECT d.*, s.least, s.most, s.seeds FROM (
		SELECT condition, scope, label, metric, max(x) FILTER (WHERE n = 0) AS value,
			percentile_cont(0.025) WITHIN GROUP (ORDER BY x) FILTER (WHERE n > 0) AS low,
			percentile_cont(0.975) WITHIN GROUP (ORDER BY x) FILTER (WHERE n > 0) AS high
		FROM bench.draw GROUP BY 1, 2, 3, 4) AS d
	JOIN (SELECT condition, scope, label, metric, min(x) AS least, max(x) AS most, count(*) AS seeds
		FROM bench.by_seed WHERE n = 0 GROUP BY 1, 2, 3, 4) AS s
	USING (condition, scope, label, metric);
ANALYZE bench.mean;

-- What seeds alone do to a figure: how far each training is from the mean of its condition, widened
-- for that mean being of few; all conditions together, because a condition has too few of its own.
CREATE TABLE bench.pool AS
	SELECT scope, metric, array_agg((b.x - m.value) * sqrt(m.seeds / (m.seeds - 1.0)) ORDER BY b.condition, b.seed) AS deviations
	FROM bench.by_seed AS b JOIN bench.mean AS m USING (condition, scope, label, metric)
	WHERE b.n = 0 AND label = '' AND m.seeds > 1 GROUP BY 1, 2;

-- Differences from the baseline on the same resampled rows (paired bootstrap, as emotion_compare does).
-- noisy: with as many deviations drawn from the pool as there were seeds, on both sides, so that a
-- difference must be larger than what other seeds would make of it.
CREATE TABLE bench.paired AS
	WITH counted AS (SELECT condition, count(DISTINCT seed)::int AS seeds FROM bench.by_seed WHERE n = 0 GROUP BY 1)
	SELECT d.condition, d.scope, d.label, d.metric, d.n, d.x - b.x AS x,
		d.x - b.x + coalesce((SELECT sum(CASE WHEN i <= m.seeds THEN 1.0 / m.seeds ELSE -1.0 / base.seeds END
				* o.deviations[1 + floor(random() * cardinality(o.deviations))::int])
			FROM generate_series(1, m.seeds + base.seeds) AS i WHERE d.n > 0 AND o.deviations IS NOT NULL), 0) AS noisy
	FROM bench.draw AS d JOIN bench.draw AS b USING (scope, label, metric, n) JOIN counted AS m ON m.condition = d.condition
		JOIN counted AS base ON base.condition = b.condition
		LEFT JOIN bench.pool AS o ON d.label = '' AND o.scope = d.scope AND o.metric = d.metric
	WHERE d.condition <> 'goemotions' AND b.condition = 'goemotions';
ANALYZE bench.paired;
CREATE TABLE bench.difference AS
	WITH tested AS (
		SELECT condition, scope, label, metric, max(x) FILTER (WHERE n = 0) AS value,
			percentile_cont(0.025) WITHIN GROUP (ORDER BY noisy) FILTER (WHERE n > 0) AS low,
			percentile_cont(0.975) WITHIN GROUP (ORDER BY noisy) FILTER (WHERE n > 0) AS high,
			least(1, 2 * (1.0 + least(count(*) FILTER (WHERE n > 0 AND x <= 0), count(*) FILTER (WHERE n > 0 AND x >= 0)))
				/ (1 + count(x) FILTER (WHERE n > 0))) AS p_rows,
			least(1, 2 * (1.0 + least(count(*) FILTER (WHERE n > 0 AND noisy <= 0), count(*) FILTER (WHERE n > 0 AND noisy >= 0)))
				/ (1 + count(x) FILTER (WHERE n > 0))) AS p
		FROM bench.paired GROUP BY 1, 2, 3, 4),
	by_seed AS (
		SELECT d.condition, d.scope, d.label, d.metric, d.seed, max(d.x - b.x) FILTER (WHERE d.n = 0) AS value,
			least(1, 2 * (1.0 + least(count(*) FILTER (WHERE d.n > 0 AND d.x <= b.x), count(*) FILTER (WHERE d.n > 0 AND d.x >= b.x)))
				/ (1 + count(d.x - b.x) FILTER (WHERE d.n > 0))) AS p
		FROM bench.by_seed AS d JOIN bench.by_seed AS b ON b.condition = 'goemotions' AND b.seed = d.seed AND b.scope = d.scope
			AND b.metric = d.metric AND b.n = d.n
		WHERE d.condition <> 'goemotions' AND d.label = '' AND b.label = '' GROUP BY 1, 2, 3, 4, 5),
	seeds AS (
		SELECT condition, scope, label, metric, count(*) FILTER (WHERE value > 0) AS better, count(*) AS seeds,
			string_agg(to_char(p, 'FM0.000'), ', ' ORDER BY seed) AS p_by_seed
		FROM by_seed GROUP BY 1, 2, 3, 4),
	-- Holm: the smallest of m p values times m, the next times m - 1, never less than one before
	holm AS (
		SELECT condition, scope, metric, least(1, max(p * (m - i + 1)) OVER (PARTITION BY scope, metric ORDER BY i)) AS p_holm
		FROM (SELECT condition, scope, metric, p, row_number() OVER (PARTITION BY scope, metric ORDER BY p, condition) AS i,
			count(*) OVER (PARTITION BY scope, metric) AS m FROM tested WHERE label = '') AS ranked)
	SELECT t.*, h.p_holm, s.better, s.seeds, s.p_by_seed FROM tested AS t
		LEFT JOIN holm AS h ON t.label = '' AND h.condition = t.condition AND h.scope = t.scope AND h.metric = t.metric
		LEFT JOIN seeds AS s ON t.label = '' AND s.condition = t.condition AND s.scope = t.scope AND s.metric = t.metric;

-- How figures are written.
CREATE OR REPLACE FUNCTION bench.says(value float8, digits int DEFAULT 3) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce(round($1::numeric, $2)::text, 'n/a')
	$$;
CREATE OR REPLACE FUNCTION bench.says(value float8, low float8, high float8) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT bench.says($1) || coalesce(' (' || bench.says($2) || ' to ' || bench.says($3) || ')', '')
	$$;
CREATE OR REPLACE FUNCTION bench.signed(value float8, low float8, high float8) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN $1 > 0 THEN '+' ELSE '' END || bench.says($1, $2, $3)
	$$;
