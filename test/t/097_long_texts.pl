# Texts as long as the server takes them: scored, explained, highlighted, annotated, counted, imported, trained from by
# models of both families to what their beginnings give, in memory of a few times the text, and ended by a timeout.
#
# EMOTION_TEXT_MB: how long they are; 1000 is next to the server's limit. Without it, 8, and not every shape goes through
# everything. How long a statement went on after its timeout is told, not asserted.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $MB = 1_000_000;
my $megabytes = $ENV{EMOTION_TEXT_MB} || 8;
my $bytes = $megabytes * $MB;
# large blocks are mapped, so that what is freed is not counted with what comes next
$ENV{MALLOC_MMAP_THRESHOLD_} = 1024 * 1024;
my $node = new_server('long');
$node->append_conf('postgresql.conf', q{
shared_buffers = 16MB
autovacuum = off
jit = off
fsync = off
max_wal_size = 8GB
client_min_messages = warning
});
$node->restart;
$node->safe_psql('postgres', 'CREATE EXTENSION emotion');
import_tiny($node, 'postgres', 'tiny');
my $single = ($ENV{EMOTION_STAGE} // q(.)) . '/test/reference/huggingface/single';
$node->safe_psql('postgres', "CALL emotion_import_huggingface('bpe', '$single'); CALL emotion_import_huggingface('bytes', '$single', '{\"storage\": \"i8\"}')");
my %thorough = map { $_ => 1 } 'words', 'one word', 'combining marks', 'emoji';
my @models = ('tiny@1', 'bpe@1', 'bytes@1');
push @models, 'english@1' if $node->safe_psql('postgres', q{SELECT count(*) FROM emotion_models WHERE model = 'english@1'});

# --- measuring
my $measures = -r '/proc/self/status' && slurp_file('/proc/self/status') =~ /^VmHWM:/m;
my (%times, $longest, $where);

# A session of its own; its pid.
sub begin
{
	my ($warm) = @_;
	my $session = open_session($node, 'postgres', 60 + 10 * $megabytes);

	$session->{pid} = ask($session, "\\set VERBOSITY verbose\nSELECT pg_backend_pid()");
	ask($session, $warm);
	return $session;
}

# What SQL says and the first line of its errors, what it took beyond what was there, in multiples of the text. Then with
# a timeout somewhere in the time that it took, after which the session scores. Memory beyond $most times the text is wrong.
sub long
{
	my ($session, $what, $sql, $expected, $most) = @_;
	my @wrong;
	my $before = $measures ? status_of($session->{pid}, 'VmRSS') : 0;
	forget_peak($session->{pid}) if $measures;
	my $from = time;
	my ($rows, $error) = ask($session, $sql);
	my $took = time - $from;
	my ($first) = $error =~ /ERROR:  (.{0,200})/;
	push @wrong, 'error ' . $first if defined $first && (ref $expected ne 'Regexp' || $first !~ $expected);
	push @wrong, 'it is ' . substr($rows, 0, 200) if ref $expected ? !defined $first : $rows ne $expected;
	my $times = $measures ? (status_of($session->{pid}, 'VmHWM') - $before) / $bytes : 0;
	push @wrong, sprintf 'it took %.2f times the text', $times if $times > $most + 24 * $MB / $bytes;

	my $timeout = 1 + int(1000 * ($took > 2 ? 1 : $took / 2));
	$from = time;
	($rows, $error) = ask($session, "SET statement_timeout = $timeout;\n$sql;\nSET statement_timeout = 0");
	my $late = time - $from - $timeout / 1000;
	my ($sqlstate) = $error =~ /ERROR:  (\w+)/;
	push @wrong, "after a timeout: $sqlstate" if defined $sqlstate && $sqlstate ne '57014' && !ref $expected;
	($longest, $where) = ($late, $what) if !defined $longest || $late > $longest;
	push @wrong, 'the session does not score' if ask($session, q{SELECT emotion_scores('happy', 'tiny@1') IS NOT NULL}) ne 't';
	ok(!@wrong, $what) or diag(join "\n", @wrong);
	$times{$what} = $times;
	diag(sprintf '%s: %.1f s, %.2f times the text; %s', $what, $took, $times,
		defined $sqlstate && $sqlstate eq '57014' ? sprintf('stopped %.2f s after %d ms', $late, $timeout) : 'done before its timeout') if $ENV{VERBOSE};
	return;
}

# --- shapes: what is repeated, what stands behind it, and what the first family reads of it, if that is a short text
my @shapes = (
	[ 'words', q{'happy in the quiet evening '}, q{''}, q{repeat('happy in the quiet evening ', 40)} ],
	[ 'one word', q{'sun'}, q{''} ],
	[ 'one letter', q{'a'}, q{''} ],
	[ 'spaces and a word', q{' '}, q{'happy'}, q{'happy'} ],
	[ 'lines and a word', q{E'\n\r\n'}, q{'happy'}, q{'happy'} ],
	[ 'invisible characters and a word', q{U&'\00AD'}, q{'happy'}, q{'happy'} ],
	[ 'combining marks', q{U&'e\0301\0308'}, q{''} ],
	[ 'nothing but combining marks', q{U&'\0301'}, q{' happy'} ],
	[ 'emoji', q{U&'\+01F600'}, q{''} ],
	[ 'one joined emoji', q{U&'\+01F468\200D'}, q{''} ],
	[ 'flags', q{U&'\+01F1E9\+01F1EA'}, q{''} ],
	[ 'random words', q{(SELECT string_agg(md5(i::text), ' ') || ' ' FROM generate_series(1, 3000) AS i)}, q{''} ],
	[ 'another script', q{U&'\0441\0447\0430\0441\0442\044C\0435 '}, q{''} ],
	[ 'no spaces between words', q{U&'\5E78\305B'}, q{''} ],
	[ 'entities', q{'&amp;'}, q{''} ],
	[ 'a tag', q{'#HappyEvening'}, q{''} ],
	[ 'an address', q{'http://a.example/'}, q{''} ],
	[ 'marks', q{'?!.,'}, q{''} ]);
foreach my $shape (@shapes)
{
	my ($name, $unit, $end, $plain) = @$shape;
	my $text = "(SELECT repeat(u, @{[ $bytes - 100 ]} / octet_length(u)) || $end FROM (SELECT $unit AS u OFFSET 0) AS s OFFSET 0)";
	my $short = "(SELECT repeat(u, 100000 / octet_length(u)) || $end FROM (SELECT $unit AS u OFFSET 0) AS s OFFSET 0)";
	my $session = begin(join ';', map { "SELECT emotion_scores('happy', '$_'), emotion_highlight('happy', '$_'), (SELECT count(*) FROM emotion_explain('happy', '$_'))" } @models);

	long($session, "$name: scores by $_", "SELECT emotion_scores($text, '$_') = emotion_scores($short, '$_')", 't', 3.2) foreach $thorough{$name} ? @models : @models[ 0, 1 ];
	is(ask($session, "SELECT emotion_scores($short, 'tiny\@1') = emotion_scores($plain, 'tiny\@1')"), 't', "$name: which is read as a short one") if defined $plain;
	foreach my $model ($ENV{EMOTION_TEXT_MB} || $thorough{$name} ? @models[ 0, 1 ] : ())
	{
		long($session, "$name: explained by $model", "SELECT count(*) = (SELECT count(*) FROM emotion_explain($short, '$model')), coalesce(abs(sum(weight) - 1) < 1e-4, true) FROM emotion_explain($text, '$model')", 't|t', 3.2);
		# marks are 7 bytes, and 5 of them at most
		long($session, "$name: highlighted by $model", "SELECT octet_length(emotion_highlight(t, '$model')) - octet_length(t) IN (0, 7, 14, 21, 28, 35) FROM $text AS s (t)", 't', 5.2);
	}
	close_session($session);
}

# --- tables: texts of all shapes, and the longest
$node->safe_psql('postgres', 'CREATE TABLE stored (id int, text text, labels text[]); ALTER TABLE stored ALTER text SET STORAGE EXTERNAL');
$node->safe_psql('postgres', "INSERT INTO stored SELECT 1, repeat('happy in the quiet evening ', $bytes / 27)");
my $session = begin(q{SELECT emotion_labels('happy', 'tiny@1'); CREATE TEMP TABLE warm AS SELECT 'happy'::text AS text, NULL::text[] AS labels; CALL emotion_annotate('warm', 'text', 'labels', 'tiny@1')});
my $labels = $node->safe_psql('postgres', q{SELECT emotion_labels(repeat('happy in the quiet evening ', 40), 'tiny@1')});
long($session, 'a stored text is scored', q{SELECT emotion_labels(text, 'tiny@1') FROM stored}, $labels, 3.2);
long($session, 'and annotated', "UPDATE stored SET labels = NULL;\nCALL emotion_annotate('stored', 'text', 'labels', 'tiny\@1');\nSELECT labels FROM stored", $labels, 3.2);
$node->safe_psql('postgres', "INSERT INTO stored SELECT i, repeat('happy in the quiet evening ', $bytes / 27 / 4) FROM generate_series(2, 12) AS i");
long($session, 'texts of a batch are counted', q{SELECT emotion_label_counts(emotion_labels(text, 'tiny@1')) FROM stored}, '{"calm": 12}', 3.2);
long($session, 'and their scores averaged', q{SELECT abs((emotion_avg(emotion_scores(text, 'tiny@1')))[4] - max((emotion_scores(text, 'tiny@1'))[4])) < 1e-6 FROM stored}, 't', 3.2);

# --- files: a line of less than 16 MB is read, a longer one is refused with what it begins with
my $head = PostgreSQL::Test::Utils::tempdir();
chmod 0755, $head;
my %line = (
	jsonl => [ '2|1|1', '', '{"text": "', 'happy in the evening ', '", "labels": ["joy"]}' ],
	csv => [ '3|1|1', "text,labels\n", '"', 'happy in the evening ', '",joy' ]);
foreach my $kind (sort keys %line)
{
	my ($expected, $header, $begin, $unit, $end) = @{ $line{$kind} };
	my $good = $megabytes > 15 ? 15 * $MB : $bytes;
	open(my $file, '>', "$head/$kind") or die;
	print $file $header;
	foreach my $size ($good, $bytes > 17 * $MB ? $bytes : 17 * $MB)
	{
		print $file $begin;
		print $file $unit x 1000 foreach 1 .. $size / 1000 / length $unit;
		print $file "$end\n";
	}
	close $file;
	chmod 0644, "$head/$kind";
	ask($session, "SELECT lines FROM emotion_import_jsonl('warm_$kind', \$\$VALUES ('{\"text\": \"a\", \"labels\": [\"joy\"]}')\$\$)");
	long($session, "$kind: lines of a file", "SELECT lines, imported, refused FROM emotion_import_$kind('from_$kind', 'file:$head/$kind')", $expected, 6 * 17 * $MB / $bytes);
	is(ask($session, "SELECT max(octet_length(text)) FROM from_$kind"), int($good / 1000 / length $unit) * 1000 * length($unit), "$kind: the text is there");
	unlink "$head/$kind";
}


diag(sprintf 'at most %.2f times the text: %s', $times{$_}, $_) foreach (sort { $times{$b} <=> $times{$a} } keys %times)[ 0 .. 2 ];
diag(sprintf 'longest after its timeout: %.2f s, %s', $longest, $where);
close_session($session);
$node->stop;
done_testing();
