# No room: every long operation on a file system that is full, and with no more memory than a little. The error says
# so, the session goes on, nothing is lost or left, and with room the work goes on.
#
# EMOTION_ROOMS: how often each is tried, each time with another amount of room; without it, once, and some only.
# EMOTION_SEED (1).
#
# The small file systems are mounted where only this test sees them, which takes no privileges where users may have
# name spaces of their own; elsewhere that part is skipped.
use strict;
use warnings;

my ($room, $why);

BEGIN
{
	$room = $ENV{EMOTION_SMALL_ROOM};
	$why = 'there is no program "unshare"' unless grep { -x "$_/unshare" } split /:/, $ENV{PATH};
	if (!defined $room && !defined $why && defined $ENV{TESTDIR})
	{
		my $directory = "$ENV{TESTDIR}/room";
		my $script = 'mkdir -p "$0/space" "$0/shared" && mount -t tmpfs -o mode=0700,size=150m none "$0/space" '
		  . '&& mount -t tmpfs -o mode=0700,size=6m none "$0/shared" && exec unshare -U --map-user=$1 --map-group=$2 "${@:3}"';
		my @enter = ('unshare', '-rm', 'bash', '-c', $script, $directory, $>, (split ' ', $))[0]);
		if (system("@{[ map { quotemeta } @enter ]} true 2>/dev/null") == 0)
		{
			$ENV{EMOTION_SMALL_ROOM} = $directory;
			exec @enter, $^X, (map { "-I$_" } @INC), $0;
		}
		$why = 'small file systems cannot be mounted here (unshare)';
	}
}

use FindBin;
use lib $FindBin::RealBin;
use EmotionInvariants;
use EmotionTest;
use EmotionWork;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{EMOTION_ROOMS} || 1;
my @brief = $ENV{EMOTION_ROOMS} ? () : qw(training model pseudo_label texts);
my $seed = $ENV{EMOTION_SEED} || 1;
my $node = new_server('room');
$node->append_conf('postgresql.conf', q{
max_connections = 20
client_min_messages = warning
shared_buffers = 32MB
maintenance_work_mem = 1MB
autovacuum = off
jit = off
});
my $copies = $node->data_dir . '/pg_stat_tmp';
$node->stop;
if (defined $room)
{
	mkdir "$room/shared/stat" or die;
	chmod 0700, "$room/shared/stat";
	rmdir $copies or system('rm', '-rf', $copies);
	symlink "$room/shared/stat", $copies or die;
	mkdir "$room/space/table" or die;
}
$node->start;
if (defined $room)
{
	$node->safe_psql('template1', "CREATE TABLESPACE small LOCATION '$room/space/table'");
	$node->safe_psql('template1', 'ALTER DATABASE postgres SET TABLESPACE small');
}
prepare_work($node);
my $score = q{SELECT emotion_scores('happy in the quiet evening', 'tiny@1')};
my $expected_score = $node->safe_psql('postgres', $score);

# Fill a file system but for so many bytes; returns how to make room again.
sub fill
{
	my ($directory, $leave) = @_;
	my $file = "$directory/filler";
	my $block = "\0" x 65536;

	open(my $out, '>:raw', $file) or die;
	while (syswrite($out, $block)) { }
	truncate $out, (-s $file) > $leave ? (-s $file) - $leave : 0;
	close $out;
	return sub { unlink $file };
}

# Do an operation with little room and then with enough.
sub try
{
	my ($kind, $name, $what, $allowed, $limit) = @_;
	my $expected = undisturbed($kind);
	my @wrong;

	psql('VACUUM');
	my $statement = begin_work($kind, $name);
	my $session = open_session($node, 'postgres');
	my $backend = ask($session, "\\set VERBOSITY verbose\n$score;SET client_min_messages = error; SELECT pg_backend_pid()");
	$backend =~ s/.*\n//s;
	my $unlimit = $limit->($backend);
	my (undef, $error) = eval { ask($session, $statement) };
	push @wrong, "the session has ended: $@" if $@;
	my ($first) = ($error // '') =~ /ERROR:  (\w+: .*)/;    # what fails for want of the first may fail otherwise
	push @wrong, "unexpected error: $first" if defined $first && !grep { $first =~ /^$_/ } @$allowed;
	push @wrong, "the session does not score" unless @wrong || ask($session, $score) eq $expected_score;
	$unlimit->();
	push @wrong, "the session does not score any more" unless @wrong || ask($session, $score) eq $expected_score;
	eval { close_session($session) };
	push @wrong, broken_promises($node), map { "left: $_" } leftover_files($node, 'postgres', 'tiny@1');
	my $result = eval { finish_work($kind, $name) } // "error: $@";
	push @wrong, "it ends with $result, not $expected" if $result ne $expected;
	eval { drop_work($kind, $name); 1 } or push @wrong, "error: $@";
	ok(!@wrong, "$what: $kind" . (defined $first ? ', refused: ' . substr($first, 0, 60) : '')) or diag(join "\n", @wrong);
	return defined $first;
}
sub psql { return $node->safe_psql('postgres', $_[0]); }

# --- no space
SKIP:
{
	skip $why, 5 unless defined $room;
	psql(q{SELECT emotion_labels('happy')});    # with the bundled model, if there is one
	my $refused = 0;
	foreach my $round (1 .. $rounds)
	{
		foreach my $kind (@brief ? @brief : grep { $_ !~ /^(copy|parallel|deploy)$/ } work_kinds())
		{
			srand($seed + 1000 * $round + length $kind);
			my $leave = $round == 1 ? 65536 : int(rand(4 * 1024 * 1024));
			$refused += try($kind, "s${round}_$kind", sprintf('%d kB of space', $leave / 1024), ['53100'], sub { fill("$room/space", $leave) });
		}
	}
	cmp_ok($refused, '>=', 2 * $rounds, 'most are refused for want of space');

	# the shared copy: done without
	my $before = -s $node->logfile;
	unlink glob("$copies/emotion_model.*");
	my $clear = fill("$room/shared", 0);
	is($node->safe_psql('postgres', "$score; $score"), "$expected_score\n$expected_score", 'without space for a shared copy a session scores');
	like(slurp_file($node->logfile, $before), qr/could not write file .*: No space left on device/, 'which is logged');
	is(join(' ', glob("$copies/*.tmp")), '', 'and leaves no half of a file');
	$clear->();
	is(psql($score), $expected_score, 'with space again');
	ok(scalar(() = glob("$copies/emotion_model.*")), 'it makes the copy');
}

# --- no memory
SKIP:
{
	skip 'there is no program "prlimit"', 1 unless grep { -x "$_/prlimit" } split /:/, $ENV{PATH};
	my $refused = 0;
	foreach my $round (1 .. $rounds)
	{
		foreach my $kind (@brief ? @brief : grep { $_ !~ /^(deploy|drop)$/ } work_kinds())
		{
			srand($seed + 1000 * $round + length $kind);
			my $more = $round == 1 ? 1024 : int(rand(64 * 1024));
			$refused += try($kind, "m${round}_$kind", "$more kB of memory more", [ '53200', '58000', 'XX000' ], sub {
				my ($backend) = @_;
				my ($size) = slurp_file("/proc/$backend/status") =~ /^VmSize:\s+(\d+)/m;
				system('prlimit', '--pid', $backend, '--as=' . 1024 * ($size + $more) . ':unlimited') == 0 or die 'prlimit failed';
				return sub { system('prlimit', '--pid', $backend, '--as=unlimited:unlimited') if -d "/proc/$backend" };
			});
		}
	}
	cmp_ok($refused, '>=', 2 * $rounds, 'most are refused for want of memory');
}

$node->stop;
done_testing();
