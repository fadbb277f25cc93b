# emotion_pseudo_label killed half way, with the session and with the whole server, and called again.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('pseudo_label');
$node->append_conf('postgresql.conf', "restart_after_crash = on\n");
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION emotion');
import_tiny($node, 'postgres', 'tiny');
$node->safe_psql('postgres', q{
	CREATE TABLE tweet (id int PRIMARY KEY, text text);
	INSERT INTO tweet SELECT i, repeat('happy ', 1 + i % 64) || translate((i / 2)::text, '0123456789', 'abcdefghij')
		FROM generate_series(1, 20000) AS i});
my $call = q{CALL emotion_pseudo_label('tweet', 'text', 'labelled', 'tiny@1', 0.5, '{"batch_size": 50}')};
my $exists = "SELECT to_regclass('labelled') IS NOT NULL";

# --- the backend killed with the signal that nothing can catch: the server restarts by itself
my $session = open_session($node, 'postgres');
my $pid = ask($session, 'SELECT pg_backend_pid()');
send_query($session, $call);
$node->poll_query_until('postgres', $exists) or die 'no table was made';
$node->poll_query_until('postgres', 'SELECT count(*) >= 200 FROM labelled') or die 'nothing was labelled';

# another session cannot fill the same table meanwhile
my (undef, undef, $err) = $node->psql('postgres', $call);
like($err, qr/public\.labelled is being filled by another session/, 'one call at a time fills a table');

kill 'KILL', $pid or die "cannot kill $pid: $!";
eval { close_session($session) };
$node->poll_query_until('postgres', 'SELECT true') or die 'the server did not come back';
my $done = $node->safe_psql('postgres', 'SELECT count(*) FROM labelled');
cmp_ok($done, '>=', 200, 'what was written before kill -9 stays');
cmp_ok($done, '<', 20000, 'and the rest is not there yet');
is($done % 50, 0, 'batches are whole');

# --- the whole server stopped as by a loss of power while it goes on
$session = open_session($node, 'postgres');
send_query($session, $call);
$node->poll_query_until('postgres', "SELECT count(*) >= $done + 200 FROM labelled") or die 'it did not go on';
$node->stop('immediate');
eval { close_session($session) };
$node->start;
(undef, undef, my $notice) = $node->psql('postgres', $call);
like($notice, qr/rows written to public\.labelled with tiny\@1/, 'a call after a crash finishes');

is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT key), count(*) FILTER (WHERE key::int BETWEEN 1 AND 20000) FROM labelled'),
	'20000|20000|20000', 'every row is there once');
is($node->safe_psql('postgres', q{SELECT count(*) FROM labelled l JOIN tweet t ON t.id::text = l.key
	WHERE l.outcome = 'labelled' AND (l.text <> t.text OR l.scores <> emotion_scores(t.text, 'tiny@1'))}), '0',
	'with its text and scores');
is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT fingerprint FROM labelled
	WHERE outcome <> 'duplicate' GROUP BY 1 HAVING count(*) > 1) d}), '0', 'no words twice, whatever was killed between them');
(undef, undef, $notice) = $node->psql('postgres', $call);
like($notice, qr/ 0 rows written/, 'and another call finds nothing to do');

# --- cancelled: the lock is gone with the statement
$node->safe_psql('postgres', 'DROP TABLE labelled');
(undef, undef, $err) = $node->psql('postgres', "SET statement_timeout = '300ms'; $call");
like($err, qr/canceling statement due to statement timeout/, 'it can be cancelled');
$session = open_session($node, 'postgres');
ask($session, "SET statement_timeout = '300ms'");
ask($session, $call);
ask($session, 'RESET statement_timeout');
is(ask($session, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}), '0', 'and keeps no lock');
is(ask($session, 'SELECT count(*) FROM pg_cursors'), '0', 'nor a cursor');
close_session($session);

# --- what takes long says so at the start, and how far it is to whoever looks
$node->safe_psql('postgres', q{
	CREATE TABLE slow (id int PRIMARY KEY, text text);
	CALL emotion_pseudo_label('slow', 'text', 'slowly', 'tiny@1', 0.5, '{"batch_size": 2}');
	INSERT INTO slow SELECT i, 'happy ' || translate(i::text, '0123456789', 'abcdefghij') FROM generate_series(1, 2000) AS i;
	CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END';
	CREATE TRIGGER wait BEFORE INSERT ON slowly FOR EACH STATEMENT EXECUTE FUNCTION wait();
	CREATE ROLE somebody});
$session = open_session($node, 'postgres');
send_query($session, q{CALL emotion_pseudo_label('slow', 'text', 'slowly', 'tiny@1', 0.5, '{"batch_size": 2}')});
my $progress = q{SELECT target, model, source, state, rows, done BETWEEN 2 AND 100, rows_per_second BETWEEN 1 AND 10,
	time_left BETWEEN '2 minutes' AND '30 minutes', pid IS NOT NULL FROM emotion_pseudo_label_progress WHERE source = 'slow'};
$node->poll_query_until('postgres', q{SELECT done > 0 FROM emotion_pseudo_label_progress WHERE source = 'slow'}) or die 'no progress';
is($node->safe_psql('postgres', $progress), 'slowly|tiny@1|slow|labelling|2000|t|t|t|t', 'progress is seen by others');
is($node->safe_psql('postgres', 'SET ROLE somebody; SELECT count(*) FROM emotion_pseudo_label_progress'), '0', 'but not by everybody');
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM emotion_pseudo_label_progress WHERE source = 'slow'});
$node->poll_query_until('postgres', q{SELECT pid IS NULL FROM emotion_pseudo_label_progress WHERE source = 'slow'}) or die 'it goes on';
is($node->safe_psql('postgres', $progress =~ s/time_left BETWEEN.*'30 minutes'/time_left IS NULL/sr =~ s/pid IS NOT NULL/pid IS NULL/r),
	'slowly|tiny@1|slow|interrupted|2000|t|t|t|t', 'nor does it look as if it went on when it was cancelled');
eval { close_session($session) };
(undef, undef, $notice) = $node->psql('postgres', q{SET statement_timeout = '900ms';
	CALL emotion_pseudo_label('slow', 'text', 'slowly', 'tiny@1', 0.5, '{"batch_size": 2}')});
like($notice, qr/\d+ rows at \d+(\.\d)? rows\/s: about \d+ minutes/, 'an estimate comes first');
$node->safe_psql('postgres', q{DROP TRIGGER wait ON slowly;
	CALL emotion_pseudo_label('slow', 'text', 'slowly', 'tiny@1', 0.5, '{"batch_size": 2}')});
is($node->safe_psql('postgres', q{SELECT state, done = rows FROM emotion_pseudo_label_progress WHERE source = 'slow'}), 'finished|t',
	'the same call goes on to the end');
$node->stop;
done_testing();
