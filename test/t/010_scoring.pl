# Scoring seen from outside: threads, cancellation, parallel workers, and which
# model a session uses while another deploys.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('scoring');
$node->safe_psql('postgres', 'CREATE EXTENSION emotion');
import_tiny($node, 'postgres', 'tiny');

# --- one thread
SKIP:
{
	skip 'this system has no /proc', 2 unless -r '/proc/self/status';
	my $session = open_session($node, 'postgres');
	my $pid = ask($session, 'SELECT pg_backend_pid()');
	my $threads = sub { slurp_file("/proc/$pid/status") =~ /^Threads:\s+(\d+)$/m ? $1 : 0 };
	ask($session, "SELECT count(emotion_scores('happy ' || i)) FROM generate_series(1, 2000) AS i");
	is($threads->(), 1, 'a backend that scored has one thread');
	ask($session, "SELECT emotion_highlight('happy in the quiet evening')");
	is($threads->(), 1, 'and one that explained');
	close_session($session);
}

# --- cancel and terminate
my $endless = "SELECT count(emotion_scores(repeat('happy ', 1000) || i)) FROM generate_series(1, 100000000) AS i";
my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = '300ms'; $endless");
like($err, qr/canceling statement due to statement timeout/, 'a timeout ends a scoring statement');

my $session = open_session($node, 'postgres');
my $pid = ask($session, 'SELECT pg_backend_pid()');
send_query($session, $endless);
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $pid AND state = 'active'");
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
(undef, $err) = wait_for_session($session);
like($err, qr/canceling statement due to user request/, 'so does a cancel');
is(ask($session, "SELECT emotion_labels('happy')"), '{joy}', 'and the session scores on');

send_query($session, $endless);
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $pid AND state = 'active'");
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"),
	'a terminate ends a scoring session');
eval { close_session($session) };

# --- parallel workers score as their leader does
$node->safe_psql('postgres', q{
	CREATE TABLE post AS SELECT i, (ARRAY['happy', 'sad evening', 'I hate', 'quiet', ''])[1 + i % 5] || ' ' || i AS body
		FROM generate_series(1, 20000) AS i;
	ANALYZE post});
my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;'
  . ' SET max_parallel_workers_per_gather = 2;';
my $query = "SELECT md5(string_agg(s::text, ' ' ORDER BY i)) FROM (SELECT i, emotion_scores(body) || emotion_scores(body, 'tiny\@1') AS s FROM post OFFSET 0) AS x";
like($node->safe_psql('postgres', "$parallel EXPLAIN (ANALYZE, COSTS OFF) $query"), qr/Workers Launched: [12]/,
	'scoring is done by parallel workers');
is($node->safe_psql('postgres', "$parallel $query"),
	$node->safe_psql('postgres', "SET max_parallel_workers_per_gather = 0; $query"),
	'with the scores of a serial plan');

# --- a deployment in another session
my $other = tiny_model();
substr($other, 2 * 3168, 8) = '00000000';    # joy's bias: from -3 to 0
$session = open_session($node, 'postgres');
my $labels = "SELECT emotion_labels('evening')";
is(ask($session, $labels), '{calm}', 'an open session scores with what is deployed');
import_tiny($node, 'postgres', 'tiny', model => $other);
is(ask($session, $labels), '{calm,joy}', 'and with what another deploys from its next statement on');
is(ask($session, "SELECT emotion_labels('evening', 'tiny\@1')"), '{calm}', 'a version named exactly stays what it is');

ask($session, 'PREPARE p AS SELECT emotion_labels($1)');
is(ask($session, "EXECUTE p('evening')"), '{calm,joy}', 'a prepared statement too');
$node->safe_psql('postgres', "SELECT emotion_rollback('tiny')");
is(ask($session, "EXECUTE p('evening')"), '{calm}', 'follows a rollback');

ask($session, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
is(ask($session, $labels), '{calm}', 'a snapshot that is kept');
$node->safe_psql('postgres', "SELECT emotion_deploy('tiny\@2')");
is(ask($session, $labels), '{calm}', 'keeps its deployment');
ask($session, 'COMMIT');
is(ask($session, $labels), '{calm,joy}', 'until it ends');

# Deploy while a statement runs: it begins and ends with one model.
$node->safe_psql('postgres', q{CREATE FUNCTION slow_text(int) RETURNS text VOLATILE LANGUAGE plpgsql
	AS 'BEGIN PERFORM pg_sleep(0.1); RETURN ''evening''; END'});
send_query($session, 'SELECT count(*), count(DISTINCT emotion_labels(slow_text(i))) FROM generate_series(1, 20) AS i');
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
$node->safe_psql('postgres', "SELECT emotion_deploy('tiny\@1')");
is(wait_for_session($session), '20|1', 'no statement changes its model on the way');
is(ask($session, $labels), '{calm}', 'the next one does');

# Dropped and published anew by another session.
$node->safe_psql('postgres', "SELECT emotion_drop_model('tiny\@2')");
(undef, $err) = ask($session, "SELECT emotion_labels('evening', 'tiny\@2')");
like($err, qr/model "tiny\@2" does not exist/, 'a model that another session drops is gone');
is(import_tiny($node, 'postgres', 'tiny', keep => 1), 'tiny@3', 'its number stays used');
is(ask($session, "SELECT emotion_labels('evening', 'tiny\@3')"), '{calm}', 'one published after it is read');

# Two sessions do not publish one version.
my $hex = tiny_model();
my $second = open_session($node, 'postgres');
ask($session, 'BEGIN');
is(ask($session, "SELECT emotion_import('race', decode('$hex', 'hex'))"), 'race@1', 'the first publisher gets a version');
send_query($second, "SELECT emotion_import('race', decode('$hex', 'hex'))");
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted");
is($node->safe_psql('postgres', "SELECT emotion_labels('evening')"), '{calm}', 'readers wait for nobody');
ask($session, 'COMMIT');
is(wait_for_session($second), 'race@2', 'the second gets the next one');
close_session($second);
close_session($session);

# A few models at a time: the cache drops what was not used for longest, and reads it again.
is($node->safe_psql('postgres', q{
	SET emotion.model_cache_size = 0;
	SELECT string_agg(emotion_labels('evening', 'race@' || 1 + i % 2)::text, '' ORDER BY i) FROM generate_series(1, 10) AS i}),
	'{calm}' x 10, 'models take turns in a full cache');

# In a database of another encoding, and in one that does not know its own.
foreach my $encoding ('LATIN1', 'SQL_ASCII')
{
	my $database = lc $encoding;
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($database, 'CREATE EXTENSION emotion');
	import_tiny($node, $database, 'tiny');
}
is($node->safe_psql('latin1', q{SET client_encoding = 'UTF8';
	SELECT token, start, length, substr('Très happy', start, length) FROM emotion_explain('Très happy')}),
	"très|1|4|Très\nhappy|6|5|happy", 'offsets count characters of the database');
is($node->safe_psql('latin1', q{SET client_encoding = 'UTF8'; SELECT emotion_highlight('Très happy')}),
	'Très <b>happy</b>', 'and text comes back in its encoding');
is($node->safe_psql('sql_ascii', q{SELECT emotion_labels(E'happy \xff\xfe')}), '{joy}', 'bytes of no encoding are no words');
is($node->safe_psql('sql_ascii', q{SELECT token, start, length FROM emotion_explain(E'\xff happy')}), 'happy|3|5',
	'and are counted as bytes where they are characters');

$node->stop;
done_testing();
