# Training seen from outside: progress, cancelling, crashes, resuming, spilling, standbys.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

# Poll until a query gives t; fails the test after some seconds.
sub wait_until
{
	my ($node, $query, $seconds) = @_;
	my $end = time + ($seconds // 60);

	while (time < $end)
	{
		my ($status, $out) = $node->psql('postgres', $query);
		return 1 if $status == 0 && $out eq 't';
		usleep(20_000);
	}
	diag("never true: $query");
	return 0;
}

my $node = PostgreSQL::Test::Cluster->new('training');
$node->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf',
	"timezone = 'UTC'\nlog_min_messages = warning\nrestart_after_crash = on\nmax_connections = 20\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION emotion;
	CREATE FUNCTION word(i bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'w' || i * i % 97 $$;
	CREATE TABLE many AS
		SELECT i, concat_ws(' ', word(i), word(i / 3 + 5), word(i / 7), word(i * 3 + 1), word(i / 11 + i % 13), word(i + i / 5)) || repeat(' w1', (i % 9)::int) AS text,
			array_remove(ARRAY[CASE WHEN i * i % 97 < 20 THEN 'a' END, CASE WHEN (i * 3 + 1) * (i * 3 + 1) % 97 < 30 THEN 'b' END, CASE WHEN i % 4 = 0 THEN 'c' END], NULL) AS labels
		FROM generate_series(1::bigint, 60000) AS i;
	CREATE TABLE few AS SELECT * FROM many WHERE i <= 1500});

my $tiny = '"embedding_dim": 8, "filters": 8, "hidden": 8, "attention": 8, "batch_size": 64, "shard_size": 16, "patience": 0';
my $endless = qq{{$tiny, "epochs": 10000, "threads": 2}};
my $sixty = qq{$tiny, "epochs": 60, "learning_rate": 0.01};
sub train { my ($name, $source, $options) = @_; return "CALL emotion_train('$name', '$source', '$options')"; }
sub hash { my ($name) = @_; return $node->safe_psql('postgres', "SELECT emotion_model_hash('$name\@1')"); }
sub progress
{
	my ($name, $columns) = @_;
	return $node->safe_psql('postgres', "SELECT $columns FROM emotion_training_progress WHERE model = '$name\@1'");
}
sub runs { my ($name, $epoch) = @_; return "SELECT state = 'training' AND epoch >= $epoch FROM emotion_training_progress WHERE model = '$name\@1'"; }

# Open a session with terse errors, and tell its process.
sub new_session
{
	my $session = open_session($node, 'postgres');

	ask($session, "\\set VERBOSITY sqlstate\nSET client_min_messages = warning");
	return ($session, ask($session, 'SELECT pg_backend_pid()'));
}
sub threads { my ($pid) = @_; return slurp_file("/proc/$pid/status") =~ /^Threads:\s+(\d+)$/m ? $1 : 0; }
my $temporary = 'SELECT count(*) FROM pg_ls_tmpdir()';
my $unread = 'SELECT count(*) FROM emotion.training_run WHERE fingerprint IS NULL';
my $locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";

# --- what others see of a running training
my ($session, $pid) = new_session();
my ($out, $err);
send_query($session, train('seen', 'few', $endless));
ok(wait_until($node, runs('seen', 1)), 'another session sees a training run');
is(progress('seen', 'pid, epochs, texts, source, started_by = current_user'), "$pid|10000|1337|few|t", 'whose it is and what it reads');
my $epoch = progress('seen', 'epoch');
ok(wait_until($node, runs('seen', $epoch + 3)), 'its epochs grow');
is(progress('seen', q{percent >= 0, best_epoch >= 1, time_left_at_most >= '0 s', texts_per_second > 0, train_loss > 0}),
	't|t|t|t|t', 'with how far it is and how long it will take');
SKIP:
{
	skip 'this system has no /proc', 1 unless -r "/proc/$pid/status";
	is(threads($pid), 2, 'it computes with the threads it was given');
}
my ($second) = new_session();
my %refused;
foreach my $try (1 .. 30)
{
	foreach my $options ($endless, '{"resume": true}')
	{
		(undef, $err) = ask($second, train('seen', 'few', $options));
		$refused{$err}++;
	}
}
is_deeply(\%refused, { "ERROR:  55006\n" => 60 }, 'a second training of that name is refused while it runs, and so is resuming it');
$epoch = progress('seen', 'epoch');
ok(wait_until($node, runs('seen', $epoch + 3)), 'which does not disturb it');
is($node->safe_psql('postgres', train('other', 'few', qq{{$tiny, "epochs": 1}}) . q{; SELECT count(*) FROM emotion_models WHERE name = 'other'}),
	1, 'another name can be trained meanwhile');

# --- cancel
sub cancelled
{
	my ($what, $function, $session, $pid) = @_;
	my $began = time;

	$node->safe_psql('postgres', "SELECT $function($pid)");
	if ($function eq 'pg_cancel_backend')
	{
		(undef, my $err) = wait_for_session($session);
		like($err, qr/57014/, "a cancel ends $what");
	}
	else
	{
		ok(wait_until($node, "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"), "a terminate ends $what");
	}
	my $took = time - $began;
	diag(sprintf('%s of %s: %.2f s', $function, $what, $took));
	return;
}
cancelled('a training', 'pg_cancel_backend', $session, $pid);
is(progress('seen', 'state, pid IS NULL, epoch > 0'), 'interrupted|t|t', 'which is interrupted then');
is($node->safe_psql('postgres', $locks), 0, 'and holds no lock');
SKIP:
{
	skip 'this system has no /proc', 1 unless -r "/proc/$pid/status";
	is(threads($pid), 1, 'its threads have ended');
}
send_query($session, train('step', 'many', '{"batch_size": 60000, "threads": 2, "min_count": 1}'));
wait_until($node, runs('step', 0));
usleep(500_000);
cancelled('a large batch', 'pg_cancel_backend', $session, $pid);
send_query($session, train('reading', 'SELECT m.* FROM many AS m, generate_series(1, 1000)', '{}'));
wait_until($node, q{SELECT state = 'reading' FROM emotion_training_progress WHERE model = 'reading@1'});
usleep(300_000);
$node->safe_psql('postgres', train('beside', 'few', qq{{$tiny, "epochs": 1}}));
is(progress('reading', 'state'), 'reading', 'a training that begins leaves one alone that reads');
cancelled('reading', 'pg_cancel_backend', $session, $pid);
is(progress('reading', 'state'), '', 'that leaves nothing behind');
send_query($session, train('terminated', 'few', $endless));
wait_until($node, runs('terminated', 1));
is($node->safe_psql('postgres', $unread), 0, 'not even a row when another has begun');
cancelled('a training', 'pg_terminate_backend', $session, $pid);
is(progress('terminated', 'state'), 'interrupted', 'and leaves it to be resumed');
eval { close_session($session) };
(undef, undef, $err) = $node->psql('postgres', "SET statement_timeout = '700ms'; " . train('timeout', 'few', $endless));
like($err, qr/canceling statement due to statement timeout/, 'a timeout ends a training');
is(progress('timeout', 'state'), 'interrupted', 'likewise');

# --- interrupted and resumed: the same weights, whatever the threads
$node->safe_psql('postgres', train('whole', 'few', qq{{$sixty, "threads": 1}}));
my $whole = hash('whole');
like($whole, qr/^[0-9a-f]{64}$/, 'a training that nothing interrupts');
($session, $pid) = new_session();
send_query($session, train('cancelled', 'few', qq{{$sixty, "threads": 2}}));
wait_until($node, runs('cancelled', 2));
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
(undef, $err) = wait_for_session($session);
like($err, qr/57014/, 'one that is cancelled');
$node->safe_psql('postgres', "UPDATE few SET text = text || ' more' WHERE i = 77");
(undef, $err) = ask($session, train('cancelled', 'few', '{"resume": true}'));
like($err, qr/55000/, 'is not resumed on other rows');
is(progress('cancelled', 'state'), 'interrupted', 'which changes nothing');
$node->safe_psql('postgres', "UPDATE few SET text = replace(text, ' more', '') WHERE i = 77");
(undef, $err) = ask($session, train('cancelled', 'few', '{"resume": true, "epochs": 50}'));
like($err, qr/22023/, 'nor with other options');
is($node->safe_psql('postgres', $locks), 0, 'a resumption refused holds no lock');
(undef, $err) = ask($session, train('cancelled', 'few', '{"resume": true, "threads": 1}'));
is($err, '', 'on the same rows, which now lie in another order, it is');
is(progress('cancelled', 'state, epoch, percent'), 'finished|60|100.0', 'until it is finished');
is(hash('cancelled'), $whole, 'and has the weights of the one that was not interrupted');
is($node->safe_psql('postgres', "SELECT count(*) FROM emotion.training_checkpoint WHERE name = 'cancelled'"), 0, 'its checkpoint is gone');

send_query($session, train('killed', 'few', qq{{$sixty, "threads": 2}}));
wait_until($node, runs('killed', 2));
send_query($second, train('unread', 'SELECT m.* FROM many AS m, generate_series(1, 1000)', '{}'));
wait_until($node, q{SELECT state = 'reading' FROM emotion_training_progress WHERE model = 'unread@1'});
kill 'KILL', $pid;
eval { wait_for_session($session) };
eval { close_session($session) };
eval { close_session($second) };
ok($node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'), 'the server recovers from a killed training');
is(progress('killed', 'state, pid IS NULL, epoch BETWEEN 2 AND 59'), 'interrupted|t|t', 'which is interrupted');
is(progress('unread', 'state'), '', 'one that was reading is not');
$node->safe_psql('postgres', train('killed', 'few', '{"resume": true}'));
is(hash('killed'), $whole, 'and resumed ends with the same weights');

# --- the order of rows in the table
$node->safe_psql('postgres', 'CREATE TABLE reordered AS SELECT * FROM few ORDER BY text DESC, i');
$node->safe_psql('postgres', train('reordered', 'reordered', qq{{$sixty, "threads": 2}}));
is(hash('reordered'), $whole, 'rows in another order make the same weights');
is($node->safe_psql('postgres', $unread), 0, 'and whatever was killed reading is gone');

# --- more rows than memory
($session, $pid) = new_session();
my $large = qq{$tiny, "epochs": 1, "batch_size": 512, "min_count": 1, "threads": 2};
ask($session, q{SET maintenance_work_mem = '64MB'});
(undef, $err) = ask($session, train('memory', 'many', "{$large}"));
is($err, '', 'rows that fit in memory');
ask($session, q{SET maintenance_work_mem = '1MB'});
send_query($session, train('spilled', 'many', "{$large}"));
ok(wait_until($node, "SELECT ($temporary) > 0"), 'those that do not go to a temporary file');
(undef, $err) = wait_for_session($session);
is($err, '', 'and train');
is(hash('spilled'), hash('memory'), 'the same weights');
is($node->safe_psql('postgres', $temporary), 0, 'the file is gone afterwards');
send_query($session, train('cut', 'many', "{$tiny, \"epochs\": 1000}"));
wait_until($node, runs('cut', 0));
is($node->safe_psql('postgres', "SELECT ($temporary) > 0"), 't', 'it is there while a training runs');
cancelled('a training that spilled', 'pg_cancel_backend', $session, $pid);
is($node->safe_psql('postgres', $temporary), 0, 'and gone after that');
SKIP:
{
	skip 'this system has no /proc', 1 unless -r "/proc/$pid/status";
	is(threads($pid), 1, 'a session that has trained has one thread');
}
close_session($session);

# --- standbys
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
(undef, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY sqlstate\n" . train('there', 'few', '{}'));
like($err, qr/25006/, 'a standby does not train');
is($standby->safe_psql('postgres', "SELECT state FROM emotion_training_progress WHERE model = 'killed\@1'"), 'finished', 'but shows progress');
$standby->stop;
$node->stop;
done_testing();
