# Statistics do not depend on how they are computed: on random data sets a parallel plan, a
# partitionwise one, partial states kept as bytes, groups and windows give what a serial plan
# gives, and what plain SQL gives. Numbers to the last bit, except those of plain SQL and of metrics.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $data_sets = $ENV{EMOTION_DATA_SETS} // 1000;
my $seed = $ENV{EMOTION_SEED} // 20260;

my $node = new_server('statistics');
$node->safe_psql('postgres', 'CREATE EXTENSION emotion');

# Rows wide enough that few fit into a block, so that parallel workers share even small tables.
$node->safe_psql('postgres', q{
	CREATE UNLOGGED TABLE data (id int, g int, labels text[], scores real[], huge bool, filler text) PARTITION BY LIST (g);
	CREATE UNLOGGED TABLE data_0 PARTITION OF data FOR VALUES IN (0);
	CREATE UNLOGGED TABLE data_1 PARTITION OF data FOR VALUES IN (1);
	CREATE UNLOGGED TABLE data_2 PARTITION OF data DEFAULT;
	ALTER TABLE data_0 SET (parallel_workers = 2);
	ALTER TABLE data_1 SET (parallel_workers = 2);
	ALTER TABLE data_2 SET (parallel_workers = 2);

	-- one data set: up to 150 rows, 1 to 8 labels, some rows null, some empty, some labels twice
	CREATE FUNCTION fill(seed int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		names text[] := ARRAY['joy', 'Joy', 'grief', 'a"b', 'zorn, wut', 'tränen', ' ', '']::text[];
		n int; l int; huge bool;
	BEGIN
		PERFORM setseed(seed / 1e9);
		n := floor(random() * random() * 150); l := 1 + floor(random() * 8); huge := random() < 0.1;
		TRUNCATE data;
		INSERT INTO data SELECT i, floor(random() * 4),
			CASE WHEN random() < 0.9 THEN ARRAY(SELECT names[1 + floor(pow(random(), 2) * l)]
				FROM generate_series(1, floor(random() * random() * 6 + i * 0)::int)) END,
			CASE WHEN random() < 0.9 THEN ARRAY(SELECT CASE WHEN huge AND random() < 0.1 THEN 1e30 ELSE 1 END
				* (round(random()::numeric, 1 + i % 4)) FROM generate_series(1, l))::real[] END, huge,
			repeat('x', 700)
		FROM generate_series(1, n) AS i;
	END $$;

	-- Charte's measures in plain SQL
	CREATE VIEW plain AS
	WITH rows AS (SELECT id, ARRAY(SELECT DISTINCT x FROM unnest(labels) AS x ORDER BY x) AS labels FROM data WHERE labels IS NOT NULL),
	counts AS (SELECT x AS label, count(*) AS n FROM rows, unnest(labels) AS x GROUP BY 1),
	ir AS (SELECT label, n, (SELECT max(n) FROM counts)::float8 / n AS ir FROM counts),
	scumble AS (SELECT id, coalesce((SELECT 1 - exp(avg(ln(ir))) / avg(ir) FROM ir WHERE label = ANY (labels)), 0) AS s FROM rows)
	SELECT (SELECT count(*) FROM rows) AS n, (SELECT avg(cardinality(labels)) FROM rows)::float8 AS cardinality,
		(SELECT avg(cardinality(labels)) FROM rows)::float8 / nullif((SELECT count(*) FROM ir), 0) AS density,
		(SELECT count(DISTINCT labels) FROM rows) AS labelsets,
		(SELECT count(*) FROM (SELECT FROM rows GROUP BY labels HAVING count(*) = 1) AS x) AS single_labelsets,
		avg(ir) AS mean_ir, max(ir) AS max_ir, stddev_samp(ir) / avg(ir) AS cvir,
		(SELECT avg(s) FROM scumble) AS scumble,
		(SELECT stddev_samp(s) / nullif(avg(s), 0) FROM scumble HAVING avg(s) > 1e-12) AS scumble_cv,
		(SELECT jsonb_object_agg(label, n) FROM counts) AS counts,
		(SELECT array_agg(m ORDER BY k) FROM (SELECT k, avg(x::float8) AS m FROM data, unnest(scores) WITH ORDINALITY AS u (x, k)
			GROUP BY k) AS x) AS means
	FROM ir;
	CREATE FUNCTION near(a float8, b float8) RETURNS bool IMMUTABLE LANGUAGE sql
		AS 'SELECT CASE WHEN a IS NULL OR b IS NULL THEN a IS NULL AND b IS NULL ELSE abs(a - b) <= 1e-6 * greatest(1, abs(a)) END'});

# Everything there is, as one text.
my @exact = ('emotion_label_counts(labels)', 'emotion_cooccurrence(labels)', 'emotion_label_stats(labels)', 'emotion_avg(scores)',
	'emotion_kappa(labels[1], labels[2])', 'emotion_krippendorff_alpha(labels)',
	'emotion_fleiss_kappa(CASE WHEN cardinality(labels) > 1 THEN labels[1:2] END)');
my $exact = "concat_ws(' / ', " . join(', ', @exact) . ')';
my $windowed = "concat_ws(' / ', " . join(', ', map { "$_ OVER w" } @exact) . ')';
my $names = q{ARRAY['joy', 'Joy', 'grief', 'a"b', 'zorn, wut', 'tränen', ' ', '']::text[]};
# Figures that sums of rows make agree to rounding, those of counts and ranks entirely.
my $metrics = qq{(SELECT (SELECT concat_ws(' / ', "rows", support, predicted, label_f1, label_roc_auc, label_average_precision, macro_roc_auc,
		hamming_loss, subset_accuracy, round(samples_f1::numeric, 12), round(log_loss::numeric, 12), round(calibration_error::numeric, 12))
	FROM (SELECT (m).* OFFSET 0) AS x) FROM (SELECT emotion_metrics(labels, CASE WHEN scores IS NOT NULL THEN (scores || array_fill(0::real, ARRAY[8]))[1:8] END,
		$names) AS m FROM data WHERE NOT huge) AS y)};
my $parallel = 'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;'
  . ' SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off;';
my $serial = 'SET max_parallel_workers_per_gather = 0;';

# --- the plans that are compared are what they are called
$node->safe_psql('postgres', q{INSERT INTO data SELECT i, i % 4, '{joy}', '{1}', false, repeat('x', 700) FROM generate_series(1, 1000) AS i; ANALYZE data});
my $plan = $node->safe_psql('postgres', "$parallel EXPLAIN (COSTS OFF) SELECT $exact FROM data");
like($plan, qr/Finalize Aggregate.*Gather.*Partial Aggregate/s, 'statistics are partially aggregated by workers');
like($node->safe_psql('postgres', "$parallel EXPLAIN (COSTS OFF) SELECT $metrics"), qr/Finalize Aggregate.*Gather.*Partial Aggregate/s,
	'metrics too');
my $partitionwise = "$serial SET enable_partitionwise_aggregate = on;";
like($node->safe_psql('postgres', "$partitionwise EXPLAIN (COSTS OFF) SELECT $exact FROM data"),
	qr/Finalize Aggregate.*Append.*Partial Aggregate.*Partial Aggregate/s, 'partitions are aggregated each for itself');

# --- random data sets
my $script = '';
foreach my $i (1 .. $data_sets)
{
	my ($before, $after) = ($i % 7, $i % 3);
	my $frame = "ORDER BY id ROWS BETWEEN $before PRECEDING AND $after FOLLOWING";

	$script .= qq{
		SELECT fill(@{[ $seed + $i ]}) \\g /dev/null
		$serial RESET enable_partitionwise_aggregate;
		SELECT $exact AS serial, $metrics AS serial_metrics FROM data \\gset
		SELECT coalesce(string_agg(g || ': ' || s, ', ' ORDER BY g), '') AS apart FROM (SELECT DISTINCT g FROM data) AS x,
			LATERAL (SELECT $exact AS s FROM data WHERE data.g = x.g) AS y \\gset
		SELECT count(*) AS windows FROM (SELECT id, $windowed AS s FROM data WINDOW w AS ($frame)) AS x,
			LATERAL (SELECT $exact AS naive FROM (SELECT labels, scores, id, row_number() OVER (ORDER BY id) AS r FROM data) AS d
				WHERE d.id BETWEEN x.id - $before AND x.id + $after) AS y WHERE s IS DISTINCT FROM naive \\gset
		SELECT concat_ws(' / ', emotion_label_counts(state), emotion_cooccurrence(state), emotion_label_stats(state)) AS kept
			FROM (SELECT emotion_label_state(labels) AS state FROM data GROUP BY id % 5) AS x \\gset
		SELECT concat_ws(' / ', emotion_label_counts(labels), emotion_cooccurrence(labels), emotion_label_stats(labels)) AS at_once FROM data \\gset
		SELECT n IS NOT DISTINCT FROM coalesce((s).n, 0) AND near(cardinality, (s).cardinality) AND near(density, (s).density)
			AND labelsets = coalesce((s).labelsets, 0) AND single_labelsets = coalesce((s).single_labelsets, 0)
			AND near(mean_ir, (s).mean_ir) AND near(max_ir, (s).max_ir) AND near(cvir, (s).cvir) AND near(scumble, (s).scumble)
			AND near(scumble_cv, (s).scumble_cv) AND coalesce(counts, '{}') = coalesce(c, '{}')
			AND (means IS NULL AND m IS NULL OR (SELECT bool_and(near(a, b)) FROM unnest(means, m) AS u (a, b))) AS plain
			FROM plain, (SELECT emotion_label_stats(labels) AS s, emotion_label_counts(labels) AS c, emotion_avg(scores) AS m FROM data) AS x \\gset
		$partitionwise
		SELECT $exact AS partitionwise FROM data \\gset
		$parallel
		SELECT $exact AS parallel, $metrics AS parallel_metrics FROM data \\gset
		SELECT coalesce(string_agg(g || ': ' || s, ', ' ORDER BY g), '') AS grouped FROM (SELECT g, $exact AS s FROM data GROUP BY g) AS x \\gset
		SELECT $i, :'serial' = :'parallel', :'serial_metrics' = :'parallel_metrics', :'serial' = :'partitionwise', :'apart' = :'grouped',
			:windows = 0, :'kept' = :'at_once', :'plain', length(:'serial'), :'serial', :'parallel';
	};
}
my @kinds = ('a parallel plan is a serial plan', 'so it is with metrics', 'a partitionwise plan is a serial plan',
	'groups are what they are alone', 'windows are what they are alone', 'states kept and merged are the rows at once', 'plain SQL says the same');
my (%failed, $seen, %distinct);
foreach my $line (split /\n/, $node->safe_psql('postgres', $script))
{
	my @field = split /\|/, $line, -1;
	next unless @field >= 11 && $field[0] =~ /^\d+$/;
	$seen++;
	$distinct{ $field[8] }++;
	push @{ $failed{$_} }, $field[0] foreach grep { $field[ $_ + 1 ] ne 't' } 0 .. $#kinds;
	diag($line) if $field[1] ne 't';
}
is($seen, $data_sets, "$data_sets random data sets");
cmp_ok(scalar(keys %distinct), '>', $data_sets / 10, 'that differ');
is(join(' ', @{ $failed{$_} // [] }), '', $kinds[$_]) foreach 0 .. $#kinds;

# --- scores of the deployed model need no labels
import_tiny($node, 'postgres', 'tiny');
$node->safe_psql('postgres', q{CREATE TABLE post AS SELECT i, (ARRAY['happy', 'sad evening', 'I hate', 'quiet'])[1 + i % 4] || ' ' || i AS body,
	(ARRAY['{joy}', '{sadness,calm}', '{anger}', '{}'])[1 + i % 7 % 4]::text[] AS truth FROM generate_series(1, 500) AS i});
my $named = $node->safe_psql('postgres',
	"SELECT emotion_metrics(truth, emotion_scores(body, 'tiny\@1'), emotion_label_names('tiny\@1'), emotion_thresholds('tiny\@1')) FROM post");
like($named, qr/^\(500,/, 'metrics of 500 posts');
is($node->safe_psql('postgres', 'SELECT emotion_metrics(truth, emotion_scores(body)) FROM post'), $named,
	'without labels they are those of the deployed model');
is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT (emotion_metrics(truth, emotion_scores(body))).* FROM post) AS m,
		LATERAL (VALUES ('macro', 'f1', macro_f1), ('micro', 'precision', micro_precision), ('macro', 'roc_auc', macro_roc_auc),
			('macro', 'average_precision', macro_average_precision), ('overall', 'log_loss', log_loss), ('samples', 'recall', samples_recall))
			AS v (scope, metric, value)
		JOIN emotion_evaluate('tiny@1', 'SELECT body AS text, truth AS labels FROM post') AS e USING (scope, metric)
		WHERE abs(v.value - e.value) < 1e-12}), 6, 'and those of emotion_evaluate');

# --- pictures are XML, whatever labels hold
SKIP:
{
	my ($status, undef, $error) = $node->psql('postgres', q{SELECT '<a/>'::xml});
	skip 'this server was built without XML', 2 if $status != 0;
	$node->safe_psql('postgres', q{CREATE TABLE ugly AS SELECT ARRAY[chr(i), 'x' || chr(i) || '<&>"'']]>', repeat(chr(i), 60)] AS labels
		FROM generate_series(1, 1300) AS i WHERE i % 7 = 0 OR i < 130
		UNION ALL SELECT ARRAY[U&'\FFFE', U&'\FFFF', U&'\+01F600', '']});
	is($node->safe_psql('postgres', q{SELECT xmlparse(DOCUMENT emotion_label_report_svg('ugly', NULL, '{"labels": 1000, "title": "<&\u0001>"}')) IS DOCUMENT}),
		't', 'a picture of ugly labels is well-formed');
	is($node->safe_psql('postgres', q{SELECT xmlparse(DOCUMENT emotion_label_report_svg('ugly', 'data')) IS DOCUMENT}),
		't', 'so is one of two sources');
}

# --- foreign tables: whole aggregates are computed where the rows are
SKIP:
{
	my $here = $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'});
	skip 'postgres_fdw is not installed', 3 unless $here;
	my ($host, $port) = ($node->host, $node->port);
	$node->safe_psql('postgres', qq{SELECT fill($seed);
		CREATE EXTENSION postgres_fdw;
		CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres', extensions 'emotion');
		CREATE USER MAPPING FOR CURRENT_USER SERVER loopback;
		CREATE FOREIGN TABLE remote (id int, g int, labels text[], scores real[]) SERVER loopback OPTIONS (table_name 'data')});
	my $asked = 'SELECT emotion_label_counts(labels), emotion_cooccurrence(labels), emotion_label_stats(labels), emotion_avg(scores) FROM';
	like($node->safe_psql('postgres', "EXPLAIN (VERBOSE, COSTS OFF) $asked remote"),
		qr/Remote SQL: SELECT public\.emotion_label_counts\(labels\), public\.emotion_cooccurrence\(labels\), public\.emotion_label_stats\(labels\), public\.emotion_avg\(scores\)/,
		'a foreign server is sent the aggregates');
	like($node->safe_psql('postgres', 'EXPLAIN (VERBOSE, COSTS OFF) SELECT g, emotion_label_stats(labels) FROM remote GROUP BY g'),
		qr/Remote SQL: SELECT g, public\.emotion_label_stats\(labels\).* GROUP BY/, 'with their groups');
	is($node->safe_psql('postgres', "$asked remote"), $node->safe_psql('postgres', "$asked data"), 'and its answer is ours');
}

$node->stop;
done_testing();
