# Training word vectors seen from outside: progress, cancelling, a crash, resuming, fastText's program.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

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

my $node = PostgreSQL::Test::Cluster->new('train_vectors');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlog_min_messages = warning\nrestart_after_crash = on\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION emotion;
	CREATE TABLE text AS
		SELECT i, (SELECT string_agg('word' || (i * j * j + j + i / 7) % 300, ' ' ORDER BY j) FROM generate_series(1, 20) AS j) AS text
		FROM generate_series(1, 6000) AS i;
	CREATE TABLE other AS SELECT * FROM text WHERE i > 1});

my $small = '"dim": 10, "buckets": 1000, "threads": 1';
my $endless = qq{{$small, "epochs": 1000}};
my $hundred = qq{$small, "epochs": 100};
sub train { my ($name, $source, $options) = @_; return "CALL emotion_train_vectors('$name', '$source', options => '$options')"; }
sub hash { my ($name) = @_; return $node->safe_psql('postgres', "SELECT sha256 FROM emotion_vectors WHERE name = '$name'"); }
sub state { my ($name, $columns) = @_; return $node->safe_psql('postgres', "SELECT $columns FROM emotion_vectors_progress WHERE name = '$name'"); }
sub runs { my ($name, $epoch) = @_; return "SELECT state = 'training' AND epoch >= $epoch FROM emotion_vectors_progress WHERE name = '$name'"; }
sub new_session
{
	my $session = open_session($node, 'postgres');

	ask($session, "\\set VERBOSITY sqlstate\nSET client_min_messages = warning");
	return ($session, ask($session, 'SELECT pg_backend_pid()'));
}

# --- what others see, and cancelling
my ($session, $pid) = new_session();
my ($out, $err);
send_query($session, train('seen', 'text', $endless));
ok(wait_until($node, runs('seen', 2)), 'another session sees a training run');
is(state('seen', 'pid, epochs, texts, source, text_column, percent > 0, words_per_second > 0, loss > 0, time_left IS NOT NULL'),
	"$pid|1000|6000|text|text|t|t|t|t", 'whose it is, what it reads, how far and how fast');
my ($second) = new_session();
(undef, $err) = ask($second, train('seen', 'text', $endless));
like($err, qr/55006/, 'a second training of that name is refused');
(undef, $err) = ask($second, train('seen', 'text', '{"resume": true}'));
like($err, qr/55006/, 'and so is resuming while it runs');
my $from = time;
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
(undef, $err) = wait_for_session($session);
ok(time - $from < 5, sprintf('a cancel ends it at once (%.2f s)', time - $from));
like($err, qr/57014/, 'with the usual error');
is(state('seen', 'state, pid IS NULL'), 'interrupted|t', 'it is called interrupted');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0, 'no lock is left');
is(state('seen', 'checkpoint_epoch >= epoch'), 't', 'what had been learnt when it was cancelled is kept');

# --- what resuming refuses
(undef, $err) = ask($second, train('seen', 'other', '{"resume": true}'));
like($err, qr/22023/, 'it resumes from no other source');
(undef, $err) = ask($second, train('seen', 'text', '{"resume": true, "dim": 11}'));
like($err, qr/22023/, 'nor with other options');
$node->safe_psql('postgres', "UPDATE text SET text = text || ' word1' WHERE i = 77");
(undef, $err) = ask($second, train('seen', 'text', '{"resume": true}'));
like($err, qr/55000/, 'nor with rows that changed');
$node->safe_psql('postgres', "UPDATE text SET text = regexp_replace(text, ' word1\$', '') WHERE i = 77");

# --- killed and resumed, it ends where it would have ended
$node->safe_psql('postgres', train('whole', 'text', "{$hundred}"));
send_query($session, train('killed', 'text', "{$hundred}"));
ok(wait_until($node, "SELECT EXISTS (SELECT 1 FROM emotion.vectors_checkpoint WHERE name = 'killed') AND epoch >= 3 FROM emotion_vectors_progress WHERE name = 'killed'"),
	'a checkpoint was written');
send_query($second, train('unread', 'SELECT t.* FROM text AS t, generate_series(1, 100000)', "{$small}"));
ok(wait_until($node, q{SELECT state = 'reading' FROM emotion_vectors_progress WHERE name = 'unread'}), 'another reads');
kill 'KILL', $pid;
ok(wait_until($node, "SELECT state = 'interrupted' FROM emotion_vectors_progress WHERE name = 'killed'"), 'its backend was killed');
($session) = new_session();
($second) = new_session();
my $notices = '';
$node->psql('postgres', train('killed', 'text', '{"resume": true, "threads": 1}'), stderr => \$notices);
like($notices, qr/going on after epoch [1-9][0-9]* of 100/, 'it goes on from its checkpoint');
like($notices, qr/published word vectors "killed"/, 'to the end');
is(hash('killed'), hash('whole'), 'and the same bits come out as without the kill');
is($node->safe_psql('postgres', 'SELECT count(*) FROM emotion.vectors_checkpoint WHERE name = \'killed\''), 0, 'the checkpoint is gone');

# --- begun anew, the unfinished one is dropped and that is said
$node->psql('postgres', train('seen', 'text', qq{{$small, "epochs": 1}}), stderr => \$notices);
like($notices, qr/dropping the unfinished training of word vectors "seen"/, 'beginning anew says what it drops');
is($node->safe_psql('postgres', 'SELECT count(*) FROM emotion.vectors_run WHERE fingerprint IS NULL'), 0, 'whatever was killed reading is gone');

# --- fastText's own program reads what was trained here
SKIP:
{
	my $program = (grep { -x $_ } map { "$_/fasttext" } split /:/, $ENV{PATH})[0];

	skip 'fasttext is not installed', 2 unless $program;
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my $hex = $node->safe_psql('postgres', "SELECT encode(string_agg(data, '' ORDER BY part), 'hex') FROM emotion_export_vectors('whole')");
	open(my $file, '>:raw', "$directory/whole.bin") or die $!;
	print $file pack('H*', $hex);
	close $file;
	my @words = qw(word7 word299 wrod12 neverseen);
	my $theirs = '';
	IPC::Run::run([ $program, 'print-word-vectors', "$directory/whole.bin" ], '<', \join("\n", @words, ''), '>', \$theirs);
	my @theirs = map { [ split ' ' ] } split /\n/, $theirs;
	is(scalar @theirs, 4, 'fasttext loads the exported file');
	my $most = 0;
	foreach my $line (@theirs)
	{
		my ($word, @numbers) = @$line;
		my @ours = split /,/, $node->safe_psql('postgres', "SELECT array_to_string(emotion_word_vector('whole', '$word'), ',')");
		foreach my $i (0 .. 9)
		{
			my $difference = abs($numbers[$i] - $ours[$i]) / (1e-3 + abs($ours[$i]));
			$most = $difference if $difference > $most;
		}
	}
	ok($most < 1e-3, sprintf('and finds the vectors that we find, of unknown words too (%.1e)', $most));
}
close_session($_) foreach ($second);
done_testing();
