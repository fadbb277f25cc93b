# A server at work: many connections that score, aggregate, annotate, evaluate, train, deploy, drop, import, are cancelled
# and come back, all at once. No error that nobody meant, and no growth of memory, threads, open files or files.
#
# EMOTION_MINUTES (an eighth of one) with EMOTION_CONNECTIONS (6); EMOTION_SEED (1). A growth is told from noise by the
# medians of the first and the last third after a warm-up; in less than a minute it is told, but not asserted.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionInvariants;
use EmotionTest;
use EmotionWork;
use List::Util qw(max sum0);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(time usleep);

my $minutes = $ENV{EMOTION_MINUTES} || 0.125;
my $connections = $ENV{EMOTION_CONNECTIONS} || 6;
my $seed = $ENV{EMOTION_SEED} || 1;
plan skip_all => 'this system has no /proc/PID/smaps_rollup' unless -r '/proc/self/smaps_rollup';

my $node = new_server('soak');
$node->append_conf('postgresql.conf', 'max_connections = ' . ($connections + 20) . q{
client_min_messages = warning
log_statement = none
shared_buffers = 64MB
autovacuum_naptime = 5s
deadlock_timeout = 200ms
});
$node->restart;
prepare_work($node);
$node->safe_psql('postgres', q{
	CREATE TABLE labelled AS SELECT id, text, ARRAY[(ARRAY['joy', 'anger', 'sadness', 'calm'])[1 + id % 4]] AS labels FROM few;
	SELECT emotion_annotation_project('all', votes => 3, labels => '{joy,anger,sadness,calm}');
	SELECT emotion_annotation_add('all', 'SELECT text || id AS text, id FROM tweet', id_column => 'id')});
$node->safe_psql('postgres', "CREATE TABLE note$_ (id bigserial, text text, labels text[], scores real[])") foreach 0 .. $connections - 1;
my $work = PostgreSQL::Test::Utils::tempdir();

# --- one connection's work; those whose number divides by three are never closed
my @words = qw{happy angry quiet evening love hate rain thanks sorry w1 w7 w30 the a :-) 😊};
sub text_of { return join ' ', map { $words[ rand @words ] } 1 .. 1 + rand $_[0]; }
my $tiny_network = '"embedding_dim": 8, "filters": 8, "hidden": 8, "attention": 8, "patience": 0, "epochs": 2, "threads": 2';
my @mix = (
	[ 40, sub { "SELECT emotion_labels('" . text_of(30) . "'), emotion_scores('" . text_of(30) . "')" } ],
	[ 10, sub { "SELECT * FROM emotion_top('" . text_of(30) . "', 2); SELECT emotion_json('" . text_of(9) . "', 'other\@1')" } ],
	[ 6, sub { 'SELECT emotion_label_counts(emotion_labels(text)) FROM few' } ],
	[ 4, sub { 'SELECT cardinality(emotion_avg(emotion_scores(text))) FROM tweet WHERE id % 7 = ' . int rand 7 } ],
	[ 5, sub { "SELECT count(*) FROM emotion_explain('" . text_of(60) . "'); SELECT emotion_highlight('" . text_of(60) . "'); SELECT emotion_features('" . text_of(60) . "', 'tiny\@1')" } ],
	[ 8, sub { my ($i) = @_; "INSERT INTO note$i (text) SELECT '" . text_of(20) . " w' || g FROM generate_series(1, 50) AS g; CALL emotion_annotate('note$i', 'text', 'labels', 'tiny\@1', 20); CALL emotion_annotate('note$i', 'text', 'scores')" } ],
	[ 2, sub { my ($i) = @_; "DELETE FROM note$i" } ],
	[ 3, sub { q{SELECT count(*) FROM emotion_evaluate('tiny@1', 'labelled', '{"bootstrap": 5}')} } ],
	[ 3, sub { my ($i) = @_; "CALL emotion_train('w$i', 'few', '{$tiny_network}'); SELECT emotion_labels('happy', name || '\@' || version) FROM emotion.model WHERE name = 'w$i'; SELECT emotion_drop_model(name || '\@' || version) FROM emotion.model WHERE name = 'w$i'" } ],
	[ 3, sub { "SELECT emotion_deploy('" . (qw(tiny@1 other@1))[ rand 2 ] . "')" } ],
	[ 2, sub { my ($i) = @_; "SELECT emotion_import('i$i', bytes) FROM file WHERE name = 'tiny'; SELECT sum(length(data)) FROM emotion_export('tiny\@1'); SELECT emotion_scores('happy', name || '\@' || version) FROM emotion.model WHERE name = 'i$i'; SELECT emotion_drop_model(name || '\@' || version) FROM emotion.model WHERE name = 'i$i'" } ],
	[ 3, sub { my ($i) = @_; "SELECT emotion_annotation_vote('all', text_id, 'a$i', '{joy}') FROM emotion_annotation_next('all', 'a$i', 3)" } ],
	[ 2, sub { q{SELECT word FROM emotion_nearest_words('source_vectors', 'happy', 3)} } ],
	[ 2, sub { "SELECT cardinality(emotion_scores(repeat('" . text_of(4) . " ', 5000)))" } ],
	[ 2, sub { "SELECT emotion_labels('happy', 'nobody\@1')" } ],
	[ 2, sub { "SET statement_timeout = '20ms'; SELECT count(emotion_scores(text || id)) FROM tweet; RESET statement_timeout" } ],
	[ 1, sub { q{SELECT count(*) FROM emotion_label_report('labelled'); SELECT (emotion_label_stats(labels)).n FROM labelled; SELECT emotion_kappa(labels[1], labels[1]) FROM labelled} } ]);
my $weight = sum0(map { $_->[0] } @mix);

# Errors that are meant: a statement cancelled, a model that is not there, and a deployed one that another session withdraws.
my $meant = qr/^(57014|42704)$/;

sub work_on
{
	my ($i, $end) = @_;
	my ($asked, $statements, $reconnects, %errors) = (0, 0, 0);

	srand($seed * 1000 + $i);
	while (time < $end)
	{
		my $again = 50 + int rand 300;
		my $pid = IPC::Open3::open3(my $in, my $out, undef, 'psql', '-XqAt', '-d', $node->connstr('postgres'));
		binmode $in, ':raw';
		$in->autoflush(1);
		$reconnects++;
		print $in "\\set VERBOSITY sqlstate\nSET application_name = 'soak';\n";
		while (time < $end && ($i % 3 == 0 || $again-- > 0))
		{
			my $chosen = rand $weight;
			my ($one) = grep { ($chosen -= $_->[0]) < 0 } @mix;
			my $sql = $one->[1]->($i);
			$asked++;
			print $in "$sql;\n\\echo answered $asked\n";
			while (defined(my $line = <$out>))
			{
				last if $line eq "answered $asked\n";
				$errors{ $1 =~ $meant ? $1 : "$1 in $sql" }++ if $line =~ /(?:ERROR|FATAL|PANIC): +(\w+)/;
			}
			$statements++;
		}
		close $in;
		close $out;
		waitpid $pid, 0;
		$errors{'psql ended'}++ if $?;
	}
	open(my $report, '>', "$work/$i") or die;
	print $report "$statements $reconnects\n", map { "$errors{$_} $_\n" } sort keys %errors;
	close $report;
	return;
}

# --- begin
require IPC::Open3;
my $end = time + 60 * $minutes;
my @workers;
foreach my $i (0 .. $connections - 1)
{
	my $pid = fork // die "cannot fork: $!";
	if ($pid == 0)
	{
		eval { work_on($i, $end); 1 } or warn $@;
		POSIX::_exit(0);
	}
	push @workers, $pid;
}

# --- look
my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
my (%series, %lasting);
sub files_in { my ($directory) = @_; my $count = () = glob("$directory/*"); return $count; }
sub median { my @sorted = sort { $a <=> $b } @_; return @sorted ? $sorted[ $#sorted / 2 ] : 0; }
my $from = time;
my $told = 0;
my @names = ('connections', 'memory (kB)', 'most of one (kB)', 'lasting ones (kB)', 'threads', 'open files', 'files', 'temporary files', 'copies');
diag(sprintf '%8s %s', 'second', join ' ', @names) if $minutes >= 1;
while (time < $end - 1)
{
	my %children = children_of($postmaster);
	my %now = map { $_ => 0 } @names;
	my @lasting;
	foreach my $pid (grep { $children{$_} =~ /\[local\]/ } keys %children)
	{
		my $rollup = eval { slurp_file("/proc/$pid/smaps_rollup") } // next;
		my $status = eval { slurp_file("/proc/$pid/status") } // next;
		my ($own) = $status =~ /^RssAnon:\s+(\d+)/m or next;
		my ($share) = $rollup =~ /^Pss_Anon:\s+(\d+)/m;
		$now{connections}++;
		$now{'memory (kB)'} += $share // $own;
		$now{'most of one (kB)'} = max($now{'most of one (kB)'}, $own);
		$now{threads} += ($status =~ /^Threads:\s+(\d+)/m)[0];
		$now{'open files'} += files_in("/proc/$pid/fd");
		# one that has been there since the beginning
		$lasting{$pid} //= time;
		push @lasting, $own if $lasting{$pid} < $from + 5;
	}
	$now{'lasting ones (kB)'} = median(@lasting);
	my $data = $node->data_dir;
	$now{files} = sum0(map { files_in($_) } glob("$data/base/*"), "$data/global", "$data/pg_stat_tmp");
	$now{'temporary files'} = files_in("$data/base/pgsql_tmp");
	$now{copies} = () = glob("$data/pg_stat_tmp/emotion_model.*");
	push @{ $series{$_} }, $now{$_} foreach @names;
	diag(sprintf '%8.0f %s', time - $from, join ' ', map { sprintf '%*d', length $_, $now{$_} } @names)
	  if $minutes >= 1 && time - $from >= $told && ($told += max(10, 60 * $minutes / 40));
	# somebody cancels what somebody does
	$node->psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'soak' AND state = 'active' ORDER BY random() LIMIT 1});
	usleep($minutes >= 1 ? 1_000_000 : 200_000);
}
waitpid $_, 0 foreach @workers;

# --- judge
my ($statements, $reconnects, %errors) = (0, 0);
foreach my $i (0 .. $connections - 1)
{
	my ($first, @lines) = -r "$work/$i" ? split /\n/, slurp_file("$work/$i") : ('0 0', '1 connection that did not report');
	my ($count, $times) = split ' ', $first;
	$statements += $count;
	$reconnects += $times;
	foreach my $line (@lines)
	{
		$errors{$2} += $1 if $line =~ /^(\d+) (.*)/;
	}
}
diag("$statements pieces of work in $reconnects connections; errors: " . (join(', ', map { "$errors{$_} $_" } sort keys %errors) || 'none'));
cmp_ok($statements, '>', 10 * $connections, 'connections work');
is(join(', ', grep { $_ !~ $meant } sort keys %errors), '', 'no error that nobody meant');
foreach my $name (@names)
{
	my @values = @{ $series{$name} };
	my @settled = @values[ @values / 4 .. $#values ];
	my $third = @settled / 3;
	my $first = median(@settled[ 0 .. $third ]);
	my $last = median(@settled[ -$third .. -1 ]);
	my $told = sprintf '%s: %d in the first third, %d in the last', $name, $first, $last;
	if ($minutes < 1)
	{
		diag($told) if $ENV{VERBOSE};
		next;
	}
	cmp_ok($last, '<=', $first * 1.1 + ($name =~ /kB/ ? 2048 : 20), $told);
}
is(join("\n", broken_promises($node)), '', 'every promise is kept');
is(join(' ', leftover_files($node, 'postgres', 'tiny@1')), '', 'and nothing is left');
# a server's process ends a moment after its client, the one just asked as well
my @rest;
foreach (1 .. 100)
{
	my %children = children_of($postmaster);
	@rest = grep { /\[local\]/ } values %children;
	last unless @rest;
	usleep(100_000);
}
is(join(', ', @rest), '', 'nobody is left connected');

$node->stop;
done_testing();
