# The memory that sessions take stays within what settings and documents say, by the system's own accounting: the most
# that a backend has had resident while a statement ran, over what it had before.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'this system has no /proc/PID/status that tells memory' unless -r '/proc/self/status' && slurp_file('/proc/self/status') =~ /^VmHWM:/m;

my $MB = 1024 * 1024;
my $node = new_server('memory');
# what is shared is resident as well: little of it
$node->append_conf('postgresql.conf', q{
shared_buffers = 2MB
work_mem = 1MB
max_parallel_workers_per_gather = 0
autovacuum = off
});
$node->restart;
$node->safe_psql('postgres', q{
	CREATE EXTENSION emotion;
	CREATE TABLE few AS SELECT 'w' || i % 97 || ' happy w' || i % 31 AS text, ARRAY[(ARRAY['joy', 'anger'])[1 + i % 2]] AS labels FROM generate_series(1, 100) AS i;
	CREATE TABLE long AS SELECT repeat('happy w' || i % 97 || ' ', 30) AS text, ARRAY[(ARRAY['joy', 'anger'])[1 + i % 2]] AS labels FROM generate_series(1, 1000) AS i;
	CREATE TABLE many AS SELECT repeat('happy w' || i % 97 || ' ', 300) AS text, ARRAY[(ARRAY['joy', 'anger'])[1 + i % 2]] AS labels FROM generate_series(1, 12000) AS i});
import_tiny($node, 'postgres', 'tiny');

# --- a session and its memory, in bytes
sub begin_session
{
	my ($warm) = @_;
	my $session = open_session($node, 'postgres');
	$session->{pid} = ask($session, 'SELECT pg_backend_pid()');
	ask($session, $warm);
	return $session;
}

# The most that SQL took at any time while it ran; what it printed and said.
sub taken_by
{
	my ($session, $sql) = @_;
	my $pid = $session->{pid};

	forget_peak($pid);
	my $before = status_of($pid, 'VmRSS');
	my ($rows, $said) = ask($session, $sql);
	return (status_of($pid, 'VmHWM') - $before, $rows, $said);
}

# The same in a session of its own, in which all code that it needs has run before.
sub taken
{
	my ($warm, $sql) = @_;
	my $session = begin_session($warm);
	my @result = taken_by($session, $sql);
	close_session($session);
	return @result;
}

sub within
{
	my ($taken, $least, $most, $what) = @_;
	my $told = sprintf '%s: %.1f MB, within %.1f and %.1f', $what, $taken / $MB, $least / $MB, $most / $MB;
	ok($taken >= $least && $taken <= $most, $told);
	diag($told) if $ENV{VERBOSE};
	return;
}

my $small = '"embedding_dim": 8, "filters": 8, "hidden": 8, "attention": 8, "threads": 2, "epochs": 1, "steps_per_epoch": 1, "holdout": 0';
sub train { my ($name, $source, $options) = @_; return "CALL emotion_train('$name', '$source', '{$options}')"; }
my $number = 0;
sub warm { $number++; return train("warm$number", 'few', $small); }

# --- rows to train on: all in memory, or maintenance_work_mem
my $rows = qq{$small, "text_max_tokens": 1000, "batch_size": 4};
my ($taken, $out, $said) = taken(warm(), "SET maintenance_work_mem = '128MB'; " . train('whole', 'many', $rows));
like($said, qr/^NOTICE.*12,?000 texts/m, 'rows of 29 MB');
within($taken, 20 * $MB, 64 * $MB, 'in memory');
($taken) = taken(warm(), "SET maintenance_work_mem = '1MB'; " . train('spilled', 'many', $rows));
within($taken, 0, 10 * $MB, 'beyond maintenance_work_mem');
($taken) = taken("CALL emotion_train_vectors('warm', 'few', options => '{\"dim\": 4, \"buckets\": 100, \"min_count\": 1, \"threads\": 1, \"epochs\": 1}')",
	"SET maintenance_work_mem = '1MB'; CALL emotion_train_vectors('spilled', 'many', options => '{\"dim\": 4, \"buckets\": 100, \"threads\": 1, \"epochs\": 1}')");
within($taken, 0, 10 * $MB, 'those of word vectors');

# --- what a training is told to take
my $text = '"threads": 2, "epochs": 1, "steps_per_epoch": 1';
my $sizes = '"embedding_dim": 64, "filters": 32, "hidden": 64';
my $large;
my $encoder = '"architecture": "roberta", "hidden": 128, "layers": 2, "heads": 2';
foreach my $way (
	[ 'weights', 'few', qq{$text, "min_count": 1, "subword_buckets": 40000, "embedding_dim": 100, "filters": 8, "hidden": 8} ],
	[ 'batches', 'long', qq{$text, $sizes, "batch_size": 256, "precision": "single"} ],
	[ 'batches of mixed precision', 'long', qq{$text, $sizes, "batch_size": 256, "precision": "mixed"} ],
	[ 'batches with several masks and averages', 'long', qq{$text, $sizes, "batch_size": 256, "dropout_samples": 4, "weight_averaging": 0.99, "mixup": 0.2} ],
	[ 'a transformer', 'long', qq{$text, $encoder} ],
	[ 'a transformer in small shards', 'long', qq{$text, $encoder, "shard_size": 4, "precision": "mixed", "threads": 1} ])
{
	my ($what, $source, $options) = @$way;
	$large //= 'told' . ($number + 1) . '@1';
	($taken, $out, $said) = taken(warm(), train('told' . $number, $source, $options));
	my ($told) = $said =~ /^NOTICE.* (\d+) MB of memory$/m or diag($said);
	within($taken, 0.4 * $told * $MB, (1.1 * $told + 8) * $MB, "$what, told as $told MB");
}
my $vectors = '{"dim": 100, "buckets": 40000, "min_count": 1, "threads": 1, "epochs": 1}';
($taken, $out, $said) = taken("CALL emotion_train_vectors('warm2', 'few', options => '{\"dim\": 4, \"buckets\": 100, \"min_count\": 1, \"threads\": 1, \"epochs\": 1}')",
	"CALL emotion_train_vectors('told', 'few', options => '$vectors')");
my ($told) = $said =~ /^NOTICE.* (\d+) MB of memory$/m or diag($said);
within($taken, 0.4 * $told * $MB, (1.1 * $told + 8) * $MB, "word vectors, told as $told MB");
foreach my $sql (train('no', 'long', qq{$text, $sizes, "batch_size": 256}), train('no', 'long', qq{$text, $encoder}),
	"CALL emotion_train_vectors('no', 'few', options => '$vectors')")
{
	(undef, $out, $said) = $node->psql('postgres', "SET emotion.max_training_memory = '8MB'; \\set VERBOSITY sqlstate\n$sql");
	like($said, qr/ERROR:  53400/, 'more than emotion.max_training_memory is refused');
}

# --- models beside each other, where sessions cannot share them: 8 MB each
$node->safe_psql('postgres', qq{SELECT emotion_import('copy' || i, (SELECT string_agg(data, '' ORDER BY part) FROM emotion_export('$large'))) FROM generate_series(1, 6) AS i});
my $shared = $node->data_dir . '/pg_stat_tmp';
unlink glob("$shared/emotion_model.*");
chmod 0500, $shared or die $shared;
my %kept;
foreach my $limit ('256MB', '20MB', '0')
{
	my $session = begin_session("SET emotion.model_cache_size = '$limit'; SELECT emotion_scores('happy', 'tiny\@1')");
	my $before = status_of($session->{pid}, 'RssAnon');
	ask($session, "SELECT emotion_scores('happy', 'copy$_\@1')") foreach 1 .. 6;
	$kept{$limit} = status_of($session->{pid}, 'RssAnon') - $before;
	close_session($session);
}
chmod 0700, $shared or die $shared;
# besides, up to two copies of the one read last, which the C library keeps for the next
within($kept{'256MB'}, 44 * $MB, 68 * $MB, 'six models');
within($kept{'20MB'}, 8 * $MB, 38 * $MB, 'as many as emotion.model_cache_size takes');
within($kept{'0'}, 7 * $MB, 26 * $MB, 'the last used');

# --- a session at work
my $session = begin_session("SELECT emotion_scores('happy', 'tiny\@1')");
my $work = join ' ', map { "SELECT emotion_labels('happy w$_ ' || repeat('a ', $_ % 50)), emotion_scores('w$_', '$large'), (SELECT emotion_label_counts(emotion_labels(text)) FROM (SELECT * FROM few LIMIT 9) AS s);"
	  . " SELECT emotion_labels('no', 'nobody\@1');" } 1 .. 500;
ask($session, $work);
my $after_half = status_of($session->{pid}, 'RssAnon');
($taken) = taken_by($session, $work);
within(status_of($session->{pid}, 'RssAnon') - $after_half, -64 * $MB, $MB / 2, '1,000 statements more');
within($taken, 0, 2 * $MB, 'while they run');
close_session($session);

# --- many rows
$node->safe_psql('postgres', q{CREATE TABLE labelled AS SELECT ARRAY[(ARRAY['joy', 'anger', 'sadness', 'calm'])[1 + i % 4]] AS labels,
	ARRAY[(i * 7919 % 1000) / 1000.0, (i * 104729 % 1000) / 1000.0, 0.5, 0.25]::real[] AS scores FROM generate_series(1::bigint, 200000) AS i});
my $warm = q{SELECT emotion_label_stats(labels), emotion_label_counts(labels), emotion_avg(scores), emotion_metrics(labels, scores, '{joy,anger,sadness,calm}')
	FROM (SELECT * FROM labelled LIMIT 100) AS s};
($taken) = taken($warm, 'SELECT emotion_label_stats(labels), emotion_label_counts(labels), emotion_avg(scores), emotion_label_state(labels) FROM labelled');
within($taken, 0, 4 * $MB, 'statistics of 200,000 rows');
# 5 bytes a score, twice that where they grow, and one label's sorted
($taken) = taken($warm, q{SELECT emotion_metrics(labels, scores, '{joy,anger,sadness,calm}') FROM labelled});
within($taken, 2 * $MB, (3 * 5 * 4 * 0.2 + 8) * $MB, 'metrics of 200,000 rows');

# --- a file
my $path = PostgreSQL::Test::Utils::tempdir() . '/lines.jsonl';
open(my $file, '>', $path) or die $path;
print $file '{"text": "', join(' ', map { "line$_" } $_ .. $_ + 130), "\", \"labels\": [\"joy\"]}\n" foreach 1 .. 30000;
close $file;
chmod 0644, $path;
cmp_ok(-s $path, '>', 30 * $MB, 'a file');
($taken, $out) = taken(q{SELECT lines FROM emotion_import_jsonl('warm', $$VALUES ('{"text": "a", "labels": ["joy"]}')$$)},
	"SELECT lines, imported FROM emotion_import_jsonl('imported', 'file:$path')");
is($out, '30000|30000', 'is imported');
within($taken, 0, 8 * $MB, 'in little memory');

# --- a session whose statements run into timeouts
# The C library keeps freed memory for the next use, some tens of MB of it, as it sees fit; told to give it back, the session
# stands where it stood. The server's just-in-time compiler would take 22 MB once and for all.
my @long = (
	q{SELECT count(emotion_labels(text)) FROM many},
	q{SELECT emotion_scores(repeat('happy w1 ', 5000000))},
	q{SELECT emotion_metrics(labels, scores, '{joy,anger,sadness,calm}') FROM labelled, generate_series(1, 20)},
	q{SELECT count(*) FROM emotion_calibration_error('tiny@1', 'many', '{"folds": 10}')},
	train('never', 'many', '"threads": 2'),
	train('never', 'long', qq{"threads": 2, $encoder}),
	"SELECT lines FROM emotion_import_jsonl('never', 'file:$path')");
sub timeouts
{
	my ($session, $rounds) = @_;
	my ($ended, $most) = (0, 0);

	foreach my $round (1 .. $rounds)
	{
		foreach my $statement (@long)
		{
			(undef, $said) = ask($session, 'SET statement_timeout = ' . int(5 + rand 60) . ";\n$statement;\nSET statement_timeout = 0");
			$ended++ if $said =~ /statement timeout/;
			my $now = status_of($session->{pid}, 'RssAnon');
			$most = $now if $now > $most;
		}
	}
	# what the statement that asks takes itself is in it each time
	my $contexts = ask($session, 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts');
	return ($ended, $most, $contexts, status_of($session->{pid}, 'RssAnon'));
}
foreach my $kept (1, 0)
{
	my $how = $kept ? '' : ', with freed memory given back';
	$node->stop;
	local $ENV{MALLOC_TRIM_THRESHOLD_} = 65536 unless $kept;
	$node->start;
	srand(7);
	$session = begin_session("SET jit = off; SET client_min_messages = error; SELECT emotion_scores('happy', 'tiny\@1')");
	my ($few, $most_of_few, $contexts_few, $after_few) = timeouts($session, 4);
	my ($more, $most_of_more, $contexts_more, $after_more) = timeouts($session, 16);
	cmp_ok($few + $more, '>=', 100, $few + $more . " statements end at their timeouts$how");
	within($contexts_more - $contexts_few, -64 * $MB, $MB / 2, "memory contexts after $few of them and after all$how");
	within($kept ? $most_of_more - $most_of_few : $after_more - $after_few, -64 * $MB, $kept ? 16 * $MB : 1.5 * $MB, "the session$how");
	close_session($session);
}

$node->stop;
done_testing();
