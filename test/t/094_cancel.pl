# Statements stopped at random moments of every long operation, as users and administrators stop them: they end soon, the
# session or the server goes on, nothing half done is seen, and work goes on.
#
# EMOTION_STOPS (8) with EMOTION_SEED (1) and the seeds that follow; with more than 20 also of larger pieces of work. How long each took is told; that it is under a second
# is a promise for machines that are not busy with something else, so it is not asserted.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionInvariants;
use EmotionTest;
use EmotionWork;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $stops = $ENV{EMOTION_STOPS} || 8;
my $seed = $ENV{EMOTION_SEED} || 1;
my $node = new_server('cancel');
$node->append_conf('postgresql.conf', q{
max_connections = 20
client_min_messages = warning
shared_buffers = 32MB
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
});
$node->restart;
prepare_work($node);

# What takes long in one piece, and leaves nothing: SQL that is stopped and not done again.
my %heavy = (
	'a text of 100 MB' => q{SELECT emotion_scores(repeat('happy in the quiet evening ', 4000000))},
	'metrics of 500,000 rows' => q{SELECT emotion_metrics(ARRAY['a'], ARRAY[(i * 7919 % 1000) / 1000.0, (i * 104729 % 1000) / 1000.0]::real[], ARRAY['a', 'b']) FROM generate_series(1::bigint, 500000) AS i},
	'an evaluation with resamples' => q{SELECT count(*) FROM emotion_evaluate('tiny@1', 'labelled', '{"bootstrap": 1000}')},
	'thresholds' => q{SELECT count(*) FROM emotion_tune_thresholds('tiny@1', 'labelled', '{"publish": false}')},
	'a calibration' => q{SELECT count(*) FROM emotion_calibration_error('tiny@1', 'labelled', '{"folds": 10}')},
	'a split of 200,000 rows' => q{CREATE TABLE stopped (id int, text text, labels text[], split text); INSERT INTO stopped SELECT g, text || chr(96 + g), labels FROM labelled, generate_series(1, 10) AS g; CALL emotion_split('stopped')},
	'a mixture of 200,000 rows' => q{CALL emotion_balance('SELECT g AS id, text || chr(96 + g) AS text, labels FROM labelled, generate_series(1, 10) AS g', 'stopped', 3000, 'ml_ros, quota')},
	'a report' => q{SELECT count(*) FROM emotion_label_report('SELECT labels, text FROM labelled, generate_series(1, 20)')},
);
psql(q{CREATE TABLE labelled AS SELECT i AS id, 'happy evening ' || translate(i::text, '0123456789', 'abcdefghij') AS text,
	ARRAY[(ARRAY['joy', 'anger', 'sadness', 'calm'])[1 + i % 4]] AS labels FROM generate_series(1, 20000) AS i});
sub psql { return $node->safe_psql('postgres', $_[0]); }

my %names = map { $_ => 1 } work_kinds();
my (%longest, %where, %heavy_seconds);
foreach my $number (0 .. $stops - 1)
{
	srand($seed + $number);
	my $is_heavy = $stops > 20 && rand() < 0.4;
	my @kinds = $is_heavy ? sort keys %heavy : grep { $_ !~ /^(copy|parallel)$/ } work_kinds();
	my $kind = $kinds[ rand @kinds ];
	my $how = (qw(cancel cancel cancel timeout timeout terminate), 'fast shutdown', 'smart shutdown')[ rand 8 ];
	my $part = rand();
	my $name = "k$number";
	my @wrong;
	my $expected = $is_heavy ? undef : undisturbed($kind);
	if ($is_heavy && !defined $heavy_seconds{$kind})
	{
		my $from = time;
		my (undef, undef, $error) = $node->psql('postgres', "SET statement_timeout = '8s'; $heavy{$kind}");
		push @wrong, $error if $error =~ /ERROR/ && $error !~ /statement timeout/;
		$heavy_seconds{$kind} = time - $from;
		psql('DROP TABLE IF EXISTS stopped');
	}
	my $delay = $part * ($is_heavy ? $heavy_seconds{$kind} : seconds_of($kind));
	my $what = sprintf 'seed %d: %s of %s after %.3f s', $seed + $number, $how, $kind, $delay;
	my $statement = $is_heavy ? $heavy{$kind} : begin_work($kind, $name);
	my $session = open_session($node, 'postgres');
	my $backend = ask($session, "SET client_min_messages = error; SELECT pg_backend_pid()");
	my $from;
	if ($how eq 'timeout')
	{
		# the timeout is each statement's: what comes after the one that it ends is not sent
		my $milliseconds = 1 + int(1000 * $delay);
		ask($session, "\\set ON_ERROR_STOP 1\nSET statement_timeout = $milliseconds");
		send_query($session, $statement);
		$from = time + $milliseconds / 1000;
	}
	else
	{
		ask($session, '\set ON_ERROR_STOP 1');
		send_query($session, $statement);
		my $until = time + $delay;
		while (time < $until)
		{
			eval { $session->{run}->pump_nb };
			usleep(2_000);
		}
		$from = time;
		# The signals that pg_cancel_backend, pg_terminate_backend and pg_ctl send.
		if ($how =~ /shutdown/)
		{
			my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
			kill $how =~ /fast/ ? 'INT' : 'TERM', $postmaster;
			kill 'TERM', $backend if $how =~ /smart/;    # it waits for sessions to end: this one is told to
		}
		else
		{
			kill $how eq 'cancel' ? 'INT' : 'TERM', $backend;
		}
	}
	my $end = $from + 60;
	if ($how eq 'cancel' || $how eq 'timeout')
	{
		# psql ends with the error, or answers
		while (time < $end && $session->{out} !~ /answered $session->{asked}\n/ && eval { $session->{run}->pumpable })
		{
			eval { $session->{run}->pump_nb };
			usleep(1_000);
		}
		push @wrong, "unexpected: $session->{err}" if $session->{err} =~ /ERROR/ && $session->{err} !~ /canceling statement due to/;
	}
	else
	{
		usleep(1_000) while -d "/proc/$backend" && time < $end;
	}
	my $took = time > $from ? time - $from : 0;
	push @wrong, 'it goes on' if time >= $end;
	if ($how =~ /shutdown/)
	{
		usleep(10_000) while -e $node->data_dir . '/postmaster.pid' && time < $end;
		$node->kill9;    # which is only told so that it has ended
		$node->start;
	}
	if ($took > ($longest{$how} // 0))
	{
		$longest{$how} = $took;
		$where{$how} = "$kind after $delay";
	}
	eval { close_session($session) };
	psql('DROP TABLE IF EXISTS stopped') if $is_heavy;
	push @wrong, broken_promises($node), map { "left: $_" } leftover_files($node, 'postgres', 'tiny@1');
	if (!$is_heavy && !@wrong)
	{
		my $result = eval { finish_work($kind, $name) } // "error: $@";
		push @wrong, "it ends with $result, not $expected" if $result ne $expected;
		eval { drop_work($kind, $name); 1 } or push @wrong, "error: $@";
	}
	ok(!@wrong, sprintf '%s, which took %.2f s', $what, $took) or diag(join "\n", @wrong);
}
diag("longest $_: " . sprintf('%.2f s, %s', $longest{$_}, $where{$_})) foreach sort keys %longest;

$node->stop;
done_testing();
