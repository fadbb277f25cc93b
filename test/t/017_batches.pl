# Batches of ordinary queries seen from outside: a connection's first statement, concurrent
# changes of the rows read ahead, parallel workers, cancellation.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('batches');
$node->safe_psql('postgres', 'CREATE EXTENSION emotion');
import_tiny($node, 'postgres', 'tiny');
$node->safe_psql('postgres', q{
	CREATE TABLE post AS SELECT i, (ARRAY['happy', 'sad evening', 'I hate', 'quiet', NULL])[1 + i % 5] || ' ' || i AS body, NULL::text[] AS labels
		FROM generate_series(1, 20000) AS i;
	CREATE INDEX ON post (i);
	VACUUM ANALYZE post});

# --- nothing is preloaded: planning the first statement of a connection brings the node
like($node->safe_psql('postgres', 'EXPLAIN (COSTS OFF) SELECT emotion_scores(body) FROM post'), qr/Custom Scan \(Emotion Batches\)/,
	'the first statement of a connection has batches');

# --- rows that another session changes after they were read ahead
my $first = open_session($node, 'postgres');
my $second = open_session($node, 'postgres');
my $update = "UPDATE post SET labels = emotion_labels(body) WHERE emotion_labels(body) \@> '{joy}' AND i BETWEEN 1 AND 1000";
like(ask($second, "EXPLAIN (COSTS OFF) $update"), qr/Emotion Batches/, 'an update reads ahead');
ask($first, 'BEGIN');
ask($first, q{UPDATE post SET body = 'I hate happy sad' WHERE i = 105});
ask($first, q{UPDATE post SET body = 'happy quiet' WHERE i = 110});
send_query($second, $update);
$node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM pg_locks WHERE NOT granted');
ask($first, 'COMMIT');
wait_for_session($second);
is($node->safe_psql('postgres', q{SELECT i, labels = emotion_labels(body), labels FROM post WHERE i IN (100, 105, 110) ORDER BY i}),
	"100|t|{joy}\n105||\n110|t|{joy,calm}", 'rechecks the text as it is now, and scores that');
is($node->safe_psql('postgres', q{SET emotion.batch_rows = 0; SELECT count(*) FROM post WHERE i <= 1000
	AND (labels IS NOT NULL) <> (emotion_labels(body) @> '{joy}' AND body IS NOT NULL)}), '0', 'all other rows are right');
close_session($first);

# --- parallel workers
my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'
  . ' SET max_parallel_workers_per_gather = 2;';
my $query = 'SELECT i, emotion_labels(body) FROM post';
my $plan = $node->safe_psql('postgres', "$parallel EXPLAIN (ANALYZE, COSTS OFF) $query");
like($plan, qr/Gather.*Parallel Custom Scan \(Emotion Batches\)/s, 'workers have batches of their own');
like($plan, qr/Workers Launched: [12]/, 'and ran');
my ($read) = $plan =~ /Texts Read: (\d+)/;
is($read, $node->safe_psql('postgres', 'SELECT count(body) FROM post'), 'EXPLAIN counts the texts of all of them');
my $answer = 'SELECT md5(string_agg(x::text, \' \' ORDER BY i)) FROM (SELECT i, emotion_labels(body) AS x FROM post OFFSET 0) AS q';
is($node->safe_psql('postgres', "$parallel $answer"),
	$node->safe_psql('postgres', "SET max_parallel_workers_per_gather = 0; SET emotion.batch_rows = 0; $answer"),
	'with the labels of a serial plan without batches');

# --- cancel
my $endless = "SELECT count(emotion_scores(repeat('happy ', 1000) || i)) FROM generate_series(1, 100000000) AS i";
my $pid = ask($second, 'SELECT pg_backend_pid()');
send_query($second, $endless);
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $pid AND state = 'active'");
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
my (undef, $error) = wait_for_session($second);
like($error, qr/canceling statement due to user request/, 'a cancel ends a batch');
is(ask($second, 'SELECT count(*) FROM post WHERE i < 100 AND emotion_labels(body) IS NULL'), '20', 'and the session scores on in batches');

# --- a cursor that its reader moves in, and one whose row is changed
ask($second, 'BEGIN');
ask($second, 'DECLARE c CURSOR FOR SELECT i, emotion_labels(body) FROM post WHERE i < 50 FOR UPDATE');
ask($second, 'MOVE 10 IN c');
ask($second, "UPDATE post SET body = 'changed' WHERE CURRENT OF c");
ask($second, 'COMMIT');
is($node->safe_psql('postgres', "SELECT count(*) FROM post WHERE body = 'changed'"), '1', 'the row of a cursor FOR UPDATE is the one shown, not one read ahead');
ask($second, 'BEGIN');
ask($second, 'DECLARE c CURSOR FOR SELECT i, emotion_labels(body) FROM post WHERE i < 50');
ask($second, 'MOVE 10 IN c');
(undef, $error) = ask($second, "UPDATE post SET body = 'changed' WHERE CURRENT OF c");
like($error, qr/cursor "c" reads rows ahead.*\n.*Declare it FOR UPDATE, or SET emotion.batch_rows = 0 before/, 'another is refused, with the way out');
ask($second, 'ROLLBACK');
ask($second, 'SET emotion.batch_rows = 0');
ask($second, 'BEGIN');
ask($second, 'DECLARE c CURSOR FOR SELECT i, emotion_labels(body) FROM post WHERE i < 50');
ask($second, 'MOVE 10 IN c');
(undef, $error) = ask($second, "UPDATE post SET body = 'changed too' WHERE CURRENT OF c");
is($error, '', 'which is one');
ask($second, 'ROLLBACK');
close_session($second);

$node->stop;
done_testing();
