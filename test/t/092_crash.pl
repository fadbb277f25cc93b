# Processes killed with the signal that nothing can catch, at random moments of every long operation: what was
# committed is whole, nothing half done is seen, nothing is left lying about, and work goes on.
#
# EMOTION_KILLS (12) kills with EMOTION_SEED (1) and the seeds that follow: EMOTION_KILLS=1 with the seed that the
# log names does one again, as far as the machine's timing allows.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionInvariants;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $kills = $ENV{EMOTION_KILLS} || 12;
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
sub psql { return $node->safe_psql('postgres', $_[0]); }

psql('CREATE EXTENSION emotion');
import_tiny($node, 'postgres', 'tiny');
my $other = tiny_model();
substr($other, 2 * 3168, 8) = '00000000';    # joy's bias: from -3 to 0
import_tiny($node, 'postgres', 'other', model => $other, keep => 1);
psql(q{
	CREATE TABLE few AS SELECT i AS id, 'w' || i * i % 97 || ' w' || i % 31 || ' happy w' || i / 7 AS text,
		CASE i % 3 WHEN 0 THEN '{joy}' WHEN 1 THEN '{anger,calm}' ELSE '{sadness}' END::text[] AS labels
		FROM generate_series(1, 600) AS i;
	CREATE TABLE tweet (id int PRIMARY KEY, text text);
	INSERT INTO tweet SELECT i, repeat('happy ', 1 + i % 16) || translate(i::text, '0123456789', 'abcdefghij') FROM generate_series(1, 6000) AS i;
	CREATE TABLE line AS SELECT i AS number, CASE WHEN i % 10 = 0 THEN 'no JSON' ELSE format('{"text": "text %s", "labels": ["joy"]}', i) END AS line
		FROM generate_series(1, 5000) AS i;
	CREATE TABLE file AS SELECT 'tiny' AS name, string_agg(data, '' ORDER BY part) AS bytes FROM emotion_export('tiny@1')});
# A model large enough that publishing it takes a while, and has several parts.
psql(q{CALL emotion_train('large', 'few', '{"epochs": 1, "min_count": 1, "subword_buckets": 20000, "embedding_dim": 100, "filters": 16, "hidden": 16, "steps_per_epoch": 1}');
	INSERT INTO file SELECT 'large', string_agg(data, '' ORDER BY part) FROM emotion_export('large@1');
	SELECT emotion_drop_model('large@1')});
my $options = '"embedding_dim": 8, "filters": 8, "hidden": 8, "attention": 8, "batch_size": 64, "patience": 0, "epochs": 80, "threads": 2';
my $vectors = '"dim": 10, "buckets": 1000, "threads": 1, "min_count": 1, "epochs": 150';
my %path = (single => "$ENV{EMOTION_STAGE}/test/reference/huggingface/single");

# --- what is killed: SQL that does it under a name, and what becomes of it. "finish" goes on from whatever is there
# and returns what came out, which must be what comes out of an undisturbed run.
my %work = (
	training => {
		begin => sub { "CALL emotion_train('$_[0]', 'few', '{$options}')" },
		again => sub { resumable('training_run', $_[0]) ? "CALL emotion_train('$_[0]', 'few', '{\"resume\": true}')" : undef },
		finish => sub {
			my ($name) = @_;
			psql(resumable('training_run', $name) ? "CALL emotion_train('$name', 'few', '{\"resume\": true}')" : "CALL emotion_train('$name', 'few', '{$options}')")
			  unless psql("SELECT count(*) FROM emotion.model WHERE name = '$name'");
			return psql("SELECT emotion_model_hash('$name\@1'), epoch, (SELECT count(*) FROM emotion.model AS m WHERE m.name = r.name)"
				  . " FROM emotion.training_run AS r WHERE name = '$name'");
		},
		drop => sub { "SELECT emotion_drop_model('$_[0]\@1')" } },
	vectors => {
		begin => sub { "CALL emotion_train_vectors('$_[0]', 'tweet', options => '{$vectors}')" },
		again => sub { resumable('vectors_run', $_[0]) ? "CALL emotion_train_vectors('$_[0]', 'tweet', options => '{\"resume\": true}')" : undef },
		finish => sub {
			my ($name) = @_;
			psql(resumable('vectors_run', $name) ? "CALL emotion_train_vectors('$name', 'tweet', options => '{\"resume\": true}')" : "CALL emotion_train_vectors('$name', 'tweet', options => '{$vectors}')")
			  unless psql("SELECT count(*) FROM emotion.vectors WHERE name = '$name'");
			return psql("SELECT encode(sha256, 'hex') FROM emotion.vectors WHERE name = '$name'");
		},
		drop => sub { "SELECT emotion_drop_vectors('$_[0]')" } },
	model => {
		begin => sub { "SELECT emotion_import('$_[0]', bytes) FROM file WHERE name = 'large'" },
		finish => sub {
			my ($name) = @_;
			psql("SELECT emotion_import('$name', bytes) FROM file WHERE name = 'large'") unless psql("SELECT count(*) FROM emotion.model WHERE name = '$name'");
			return psql("SELECT emotion_model_hash('$name\@1'), emotion_scores('happy', '$name\@1')");
		},
		drop => sub { "SELECT emotion_drop_model('$_[0]\@1')" } },
	upload => {
		begin => sub { "INSERT INTO emotion.import_part SELECT '$_[0]', part, data FROM emotion_export_vectors('source_vectors');\nCALL emotion_import_vectors_upload('$_[0]', '$_[0]')" },
		finish => sub {
			my ($name) = @_;
			my $there = psql("SELECT count(*) FROM emotion.vectors WHERE name = '$name'");
			my $parts = psql("SELECT count(*) FROM emotion.import_part WHERE upload = '$name'");
			return 'parts are left behind' if $there && $parts;
			psql("INSERT INTO emotion.import_part SELECT '$name', part, data FROM emotion_export_vectors('source_vectors')") unless $there || $parts;
			psql("CALL emotion_import_vectors_upload('$name', '$name')") unless $there;
			return psql("SELECT dim, words, emotion_word_vector(name, 'happy') FROM emotion.vectors WHERE name = '$name'");
		},
		drop => sub { "SELECT emotion_drop_vectors('$_[0]')" } },
	huggingface => {
		begin => sub { join ";\n", map { "CALL emotion_import_huggingface('$_[0]_$_', '$path{single}')" } 1 .. 8 },
		finish => sub {
			my ($name) = @_;
			foreach my $i (1 .. 8)
			{
				psql("CALL emotion_import_huggingface('${name}_$i', '$path{single}')") unless psql("SELECT count(*) FROM emotion.model WHERE name = '${name}_$i'");
			}
			return psql("SELECT count(*), count(DISTINCT sha256), min(size) FROM emotion.model WHERE name LIKE '$name\\_%'");
		},
		drop => sub { join ";\n", map { "SELECT emotion_drop_model('$_[0]_$_\@1')" } 1 .. 8 } },
	annotate => {
		begin => sub { "CREATE TABLE $_[0] AS SELECT id, text, NULL::text[] AS labels FROM tweet;\nCALL emotion_annotate('$_[0]', 'text', 'labels', 'tiny\@1', 100)" },
		finish => sub {
			my ($name) = @_;
			psql("CREATE TABLE IF NOT EXISTS $name AS SELECT id, text, NULL::text[] AS labels FROM tweet");
			my $partly = psql("SELECT count(labels) % 100 FROM $name");
			psql("CALL emotion_annotate('$name', 'text', 'labels', 'tiny\@1', 100)");
			return psql("SELECT $partly, count(labels), count(*) FILTER (WHERE labels <> emotion_labels(text, 'tiny\@1')) FROM $name");
		},
		drop => sub { "DROP TABLE $_[0]" } },
	pseudo_label => {
		begin => sub { pseudo_label($_[0]) },
		again => sub { pseudo_label($_[0]) },
		finish => sub {
			my ($name) = @_;
			psql(pseudo_label($name));
			return psql("SELECT count(*), count(DISTINCT key), count(*) FILTER (WHERE outcome = 'labelled'), md5(string_agg(labels::text, ',' ORDER BY key::int)) FROM $name");
		},
		drop => sub { "DROP TABLE $_[0]" } },
	deploy => {
		begin => sub { join ";\n", map { ("SELECT emotion_deploy('other\@1')", "SELECT emotion_rollback('other')", "SELECT emotion_deploy('tiny\@1')") } 1 .. 15 },
		finish => sub { psql("SELECT emotion_deploy('tiny\@1')"); return psql("SELECT name FROM emotion_models WHERE deployed"); },
		drop => sub { 'SELECT true' } },
	drop => {
		begin => sub { join ";\n", map { ("SELECT emotion_import('$_[0]_$_', bytes) FROM file WHERE name = 'large'", "SELECT emotion_scores('happy', '$_[0]_$_\@1')", "SELECT emotion_drop_model('$_[0]_$_\@1')") } 1 .. 4 },
		finish => sub {
			my ($name) = @_;
			psql("SELECT emotion_drop_model(name || '\@1') FROM emotion.model WHERE name LIKE '$name\\_%'");
			return psql("SELECT count(*) FROM emotion.model_part WHERE name LIKE '$name\\_%'");
		},
		drop => sub { 'SELECT true' } },
	balance => {
		begin => sub { "CALL emotion_balance('few', '$_[0]', 300, 'quota', '{\"key_column\": \"id\", \"max_copies\": 3}');\nCALL emotion_split('$_[0]', options => '{\"create_column\": true}')" },
		finish => sub {
			my ($name) = @_;
			psql("CALL emotion_balance('few', '$name', 300, 'quota', '{\"key_column\": \"id\", \"max_copies\": 3}')") unless psql("SELECT to_regclass('$name') IS NOT NULL") eq 't';
			psql("CALL emotion_split('$name', options => '{\"create_column\": true}')") unless psql("SELECT count(*) FROM pg_attribute WHERE attrelid = '$name'::regclass AND attname = 'split'");
			return psql("SELECT count(*), count(split), count(*) FILTER (WHERE split = 'train') FROM $name");
		},
		drop => sub { "DROP TABLE $_[0]" } },
	texts => {
		begin => sub { "SELECT lines FROM emotion_import_jsonl('$_[0]', 'line')" },
		finish => sub {
			my ($name) = @_;
			psql("SELECT lines FROM emotion_import_jsonl('$name', 'line')") unless psql("SELECT to_regclass('$name') IS NOT NULL") eq 't';
			return psql("SELECT lines, imported, refused, (SELECT count(*) FROM $name WHERE import = l.import) FROM emotion.import_log AS l WHERE target LIKE '%$name'");
		},
		drop => sub { "DROP TABLE $_[0]" } },
	parallel => {
		begin => sub { parallel() },
		finish => sub { return psql(parallel()); },
		drop => sub { 'SELECT true' } },
	# The copy of a model, made by whoever needs it first.
	copy => {
		before => sub { unlink glob($node->data_dir . '/pg_stat_tmp/emotion_model.*') },
		begin => sub { 'SELECT ' . join(', ', map { "emotion_scores('happy', '$_')" } first_model(), 'tiny@1', 'other@1') },
		finish => sub { return psql("SELECT emotion_scores('happy', '" . first_model() . "')"); },
		drop => sub { 'SELECT true' } });

sub resumable
{
	my ($table, $name) = @_;
	return psql("SELECT count(*) FROM emotion.$table WHERE name = '$name' AND NOT finished AND fingerprint IS NOT NULL");
}
sub pseudo_label { my ($name) = @_; return "CALL emotion_pseudo_label('tweet', 'text', '$name', 'tiny\@1', 0.5, '{\"batch_size\": 100}')"; }
sub parallel { return q{SELECT count(*), count(DISTINCT l) FROM (SELECT emotion_labels(text || repeat(' angry', id % 40)) AS l FROM tweet) AS s} }
my $first_model;
sub first_model { return $first_model //= psql("SELECT name || '\@' || version FROM emotion.model ORDER BY size DESC, name LIMIT 1"); }

# --- undisturbed
my (%expected, %seconds);
psql("CALL emotion_train_vectors('source_vectors', 'tweet', options => '{$vectors}')");
sub undisturbed
{
	my ($kind) = @_;
	my $name = "whole_$kind";
	my $from = time;

	return if defined $expected{$kind};
	$work{$kind}{before}->() if $work{$kind}{before};
	psql($work{$kind}{begin}->($name));
	$seconds{$kind} = time - $from;
	$expected{$kind} = $work{$kind}{finish}->($name);
	psql($work{$kind}{drop}->($name));
	is(join("\n", broken_promises($node), leftover_files($node, 'postgres', 'tiny@1')), '', "$kind that nothing kills");
	return;
}
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
	my $kind = (sort keys %work)[ rand keys %work ];
	undisturbed($kind);
	my $victim = (qw(backend backend backend worker worker checkpointer postmaster postmaster), 'postmaster alone')[ rand 9 ];
	my $delay = rand($seconds{$kind} * 1.1);
	my $name = "k$number";
	my $what = sprintf 'seed %d: %s of %s after %.3f s', $seed + $number, $victim, $kind, $delay;
	my $again = rand() < 0.4;
	my @wrong;

	$work{$kind}{before}->() if $work{$kind}{before};
	my $statement = $work{$kind}{begin}->($name);
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
		last unless $round == 1 && $again && $work{$kind}{again};
		$statement = $work{$kind}{again}->($name) // last;
		$what .= ', and of its resumption';
		$delay = rand($seconds{$kind});
	}
	unless (@wrong)
	{
		my $result = eval { $work{$kind}{finish}->($name) } // "error: $@";
		push @wrong, "it ends with $result, not $expected{$kind}" if $result ne $expected{$kind};
		eval { psql($work{$kind}{drop}->($name)); 1 } or push @wrong, "error: $@";
		push @wrong, broken_promises($node);
	}
	ok(!@wrong, $what) or diag(join "\n", @wrong);
	$failed ||= @wrong && $wrong[0] =~ /come back/;
	last if $failed;
}
cmp_ok(scalar(() = glob($node->data_dir . '/pg_dynshmem/*')), '<=', $shared_memory + 1, 'no shared memory is left behind');
is(join(' ', leftover_files($node, 'postgres', 'tiny@1')), '', 'no file is left behind');
diag('seconds undisturbed: ' . join ', ', map { sprintf '%s %.2f', $_, $seconds{$_} } sort keys %seconds);
diag('killed: ' . join(', ', map { "$killed{$_} $_" } sort keys %killed));
diag('during: ' . join(', ', map { "$during{$_} $_" } sort keys %during));

$node->stop;
done_testing();
