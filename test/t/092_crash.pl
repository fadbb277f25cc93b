# Processes killed with the signal that nothing can catch, at random moments of every long operation: what was
# committed is whole, nothing half done is seen, nothing is left lying about, and work goes on.
#
# EMOTION_KILLS (8) kills with EMOTION_SEED (1) and the seeds that follow: EMOTION_KILLS=1 with the seed that the
# log names does one again, as far as the machine's timing allows.
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

my $kills = $ENV{EMOTION_KILLS} || 8;
my $seed = $ENV{EMOTION_SEED} || 1;
plan skip_all => 'this system has no /proc' unless -r "/proc/$$/stat";

my $node = new_server('crash');
$node->append_conf('postgresql.conf', q{
restart_after_crash = on
max_connections = 20
client_min_messages = warning
shared_buffers = 32MB
max_parallel_workers_per_gather = 2
min_parallel_table_scan_size = 0
parallel_setup_cost = 0
parallel_tuple_cost = 0
dynamic_shared_memory_type = mmap
});
$node->restart;
prepare_work($node);
is(join("\n", broken_promises($node), leftover_files($node, 'postgres', 'tiny@1')), '', 'what must hold does before anything is killed');
my $shared_memory = () = glob($node->data_dir . '/pg_dynshmem/*');

# --- killed
sub checkpointer { my %of = children_of($_[0]); my ($pid) = grep { $of{$_} =~ /checkpointer/ } keys %of; return $pid; }
sub postmaster { my ($pid) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid'); return $pid; }

# Kill; returns what was killed.
sub kill_one
{
	my ($victim, $backend) = @_;
	my $postmaster = postmaster();
	my %children = children_of($postmaster);
	my ($worker) = sort grep { $children{$_} =~ /parallel worker/ } keys %children;

	if ($victim eq 'postmaster')
	{
		kill 'KILL', $postmaster, keys %children;
		$node->kill9;
	}
	elsif ($victim eq 'postmaster alone')
	{
		$node->kill9;
	}
	else
	{
		($victim, my $pid) = $victim eq 'worker' && defined $worker ? ('worker', $worker)
		  : $victim eq 'checkpointer' ? ($victim, checkpointer($postmaster)) : ('backend', $backend);
		kill 'KILL', $pid;
	}
	return ($victim, %children);
}

# Wait until the server is there again, started if need be.
sub come_back
{
	my ($victim, $backend, $old_checkpointer, %children) = @_;
	my $from = time;
	my $end = $from + 60;

	if ($victim =~ /postmaster/)
	{
		usleep(10_000) while time < $end && grep { -d "/proc/$_" } keys %children;
		return 0 if grep { -d "/proc/$_" } keys %children;
		return $node->start(fail_ok => 1);
	}
	while (time < $end)
	{
		my $now = checkpointer(postmaster());
		return $node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') if defined $now && $now != $old_checkpointer;
		# a worker may have ended by itself at that very moment
		kill 'KILL', $backend if $victim eq 'worker' && time > $from + 2;
		usleep(10_000);
	}
	return 0;
}

my (%killed, %during, $failed);
foreach my $number (0 .. $kills - 1)
{
	srand($seed + $number);
	my @kinds = work_kinds();
	my $kind = $kinds[ rand @kinds ];
	my $expected = undisturbed($kind);
	my $victim = (qw(backend backend backend worker worker checkpointer postmaster postmaster), 'postmaster alone')[ rand 9 ];
	my $delay = rand(seconds_of($kind) * 1.1);
	my $name = "k$number";
	my $what = sprintf 'seed %d: %s of %s after %.3f s', $seed + $number, $victim, $kind, $delay;
	my $again = rand() < 0.4;
	my @wrong;

	my $statement = begin_work($kind, $name);
	foreach my $round (1 .. 2)
	{
		my $session = open_session($node, 'postgres');
		my $backend = ask($session, 'SET client_min_messages = error; SELECT pg_backend_pid()');
		my $old = checkpointer(postmaster());
		send_query($session, $statement);
		my $until = time + $delay;
		while (time < $until)
		{
			$session->{run}->pump_nb;
			usleep(2_000);
		}
		my ($hit, %children) = kill_one($victim, $backend);
		$killed{$hit}++;
		$during{$kind}++;
		my $from = time;
		if (!come_back($hit, $backend, $old, %children))
		{
			push @wrong, 'the server does not come back';
			last;
		}
		push @wrong, sprintf('it took %.0f s to come back', time - $from) if time - $from > 30;
		eval { close_session($session) };
		push @wrong, broken_promises($node), map { "left: $_" } leftover_files($node, 'postgres', 'tiny@1');
		last unless $round == 1 && $again;
		$statement = again_work($kind, $name) // last;
		$what .= ', and of its resumption';
		$delay = rand(seconds_of($kind));
	}
	unless (@wrong)
	{
		my $result = eval { finish_work($kind, $name) } // "error: $@";
		push @wrong, "it ends with $result, not $expected" if $result ne $expected;
		eval { drop_work($kind, $name); 1 } or push @wrong, "error: $@";
		push @wrong, broken_promises($node);
	}
	ok(!@wrong, $what) or diag(join "\n", @wrong);
	$failed ||= @wrong && $wrong[0] =~ /come back/;
	last if $failed;
}
# What the server's statistics take meanwhile goes with them.
$node->stop('immediate');
$node->start;
cmp_ok(scalar(() = glob($node->data_dir . '/pg_dynshmem/*')), '<=', $shared_memory + 1, 'no shared memory is left behind');
is(join(' ', leftover_files($node, 'postgres', 'tiny@1')), '', 'no file is left behind');
diag('seconds undisturbed: ' . join ', ', map { sprintf '%s %.2f', $_, seconds_of($_) } sort keys %during);
diag('killed: ' . join(', ', map { "$killed{$_} $_" } sort keys %killed));
diag('during: ' . join(', ', map { "$during{$_} $_" } sort keys %during));

$node->stop;
done_testing();
