# emotion_annotate killed half way and called again, and among other writers.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('annotate');
$node->safe_psql('postgres', 'CREATE EXTENSION emotion');
import_tiny($node, 'postgres', 'tiny');
$node->safe_psql('postgres', q{
	CREATE TABLE post (id int PRIMARY KEY, body text, labels text[], writes int NOT NULL DEFAULT 0);
	INSERT INTO post SELECT i, repeat('happy ', 1 + i % 64) || i FROM generate_series(1, 20000) AS i;
	CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.writes = NEW.writes + 1; RETURN NEW; END';
	CREATE TRIGGER count_write BEFORE UPDATE OF labels ON post FOR EACH ROW EXECUTE FUNCTION count_write()});
my $call = "CALL emotion_annotate('post', 'body', 'labels', batch_size => 50)";

# --- terminated half way
my $session = open_session($node, 'postgres');
my $pid = ask($session, 'SELECT pg_backend_pid()');
send_query($session, $call);
$node->poll_query_until('postgres', 'SELECT count(labels) >= 200 FROM post') or die 'nothing was annotated';
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
eval { close_session($session) };
my $done = $node->safe_psql('postgres', 'SELECT count(labels) FROM post');
cmp_ok($done, '>=', 200, 'what was written before a kill stays');
cmp_ok($done, '<', 20000, 'and the rest is not there yet');
is($done % 50, 0, 'batches are whole');

# --- the whole server killed while it goes on
$session = open_session($node, 'postgres');
send_query($session, $call);
$node->poll_query_until('postgres', "SELECT count(labels) >= $done + 200 FROM post") or die 'it did not go on';
$node->stop('immediate');
eval { close_session($session) };
$node->start;
my (undef, undef, $notice) = $node->psql('postgres', $call);
like($notice, qr/rows of public\.post written with tiny\@1/, 'a call after a crash finishes');
is($node->safe_psql('postgres', 'SELECT count(*) FROM post WHERE labels IS NULL OR writes <> 1'), '0',
	'every row was written once');
is($node->safe_psql('postgres', 'SELECT count(*) FROM post WHERE labels IS DISTINCT FROM emotion_labels(body)'), '0',
	'with its labels');

# --- others write meanwhile: a row that is locked, changed, filled or deleted under its hands
$node->safe_psql('postgres', 'UPDATE post SET labels = NULL, writes = -1 WHERE id <= 200');
my $writer = open_session($node, 'postgres');
ask($writer, 'BEGIN');
ask($writer, q{UPDATE post SET body = 'sad' WHERE id = 10});
ask($writer, q{UPDATE post SET labels = '{mine}' WHERE id = 20});
ask($writer, q{DELETE FROM post WHERE id = 30});
$session = open_session($node, 'postgres');
send_query($session, $call);
$node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM pg_locks WHERE NOT granted') or die 'it does not wait';
ask($writer, 'COMMIT');
(undef, $notice) = wait_for_session($session);
like($notice, qr/198 rows of public\.post/, 'it waits for another writer');
is($node->safe_psql('postgres', 'SELECT labels FROM post WHERE id = 10'), '{sadness}', 'and labels the text that is there then');
is($node->safe_psql('postgres', 'SELECT labels FROM post WHERE id = 20'), '{mine}', 'what was filled in meanwhile stays');
is($node->safe_psql('postgres', 'SELECT count(*) FROM post WHERE labels IS NULL'), '0', 'nothing is left out');

# --- one model from beginning to end, whatever is deployed meanwhile
my $other = tiny_model();
substr($other, 2 * 3168, 8) = '00000000';    # joy's bias: from -3 to 0
$node->safe_psql('postgres', q{UPDATE post SET labels = NULL, body = 'evening'});
import_tiny($node, 'postgres', 'tiny', model => $other, keep => 1);
send_query($session, $call);
$node->poll_query_until('postgres', 'SELECT count(labels) >= 200 FROM post') or die 'nothing was annotated';
$node->safe_psql('postgres', "SELECT emotion_deploy('tiny\@2')");
wait_for_session($session);
is($node->safe_psql('postgres', 'SELECT DISTINCT labels FROM post'), '{calm}', 'a deployment does not mix into a running call');

# --- cancelled
$node->safe_psql('postgres', q{UPDATE post SET labels = NULL});
my (undef, undef, $err) = $node->psql('postgres', "SET statement_timeout = '200ms'; CALL emotion_annotate('post', 'body', 'labels', batch_size => 1)");
like($err, qr/canceling statement due to statement timeout/, 'it can be cancelled');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_cursors'), '0', 'and leaves no cursor');

close_session($writer);
close_session($session);
$node->stop;
done_testing();
