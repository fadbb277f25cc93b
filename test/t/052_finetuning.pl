# Training a transformer seen from outside: cancelling, crashes, resuming, memory.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = PostgreSQL::Test::Cluster->new('finetuning');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlog_min_messages = warning\nrestart_after_crash = on\n");
$node->start;
mkdir $node->basedir . '/multi';
foreach my $file (qw(config.json tokenizer.json tokenizer_config.json model.safetensors))
{
	append_to_file($node->basedir . "/multi/$file", slurp_file("test/reference/huggingface/multi/$file"));
}
my $directory = $node->basedir . '/multi';
$node->safe_psql('postgres', qq{
	CREATE EXTENSION emotion;
	CALL emotion_import_huggingface('base', '$directory', '{"head": "none"}');
	CREATE TABLE few AS SELECT i, 'word ' || i * i % 97 || ' and ' || i * 7 % 89 AS text,
		CASE WHEN i * i % 97 < 30 THEN ARRAY['low'] ELSE '{}' END AS labels FROM generate_series(1, 600) AS i});

my $scratch = '"architecture": "roberta", "tokenizer": "base@1", "layers": 2, "hidden": 48, "heads": 4, "patience": 0';
my $tuned = '"architecture": "roberta", "base": "base@1", "frozen": 2, "patience": 0';
sub train { my ($name, $options) = @_; return "CALL emotion_train('$name', 'few', '{$options}')"; }
sub hash { my ($name) = @_; return $node->safe_psql('postgres', "SELECT emotion_model_hash('$name\@1')"); }
sub wait_for
{
	my ($name, $epoch) = @_;
	return $node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM emotion_training_progress WHERE model = '$name\@1' AND state = 'training' AND epoch >= $epoch");
}
sub new_session
{
	my $session = open_session($node, 'postgres');

	ask($session, "\\set VERBOSITY sqlstate\nSET client_min_messages = warning");
	return ($session, ask($session, 'SELECT pg_backend_pid()'));
}

# --- interrupted and resumed: the same weights, whatever the threads
my ($session, $pid) = new_session();
foreach my $way ([ 'scratch', $scratch, 10 ], [ 'tuned', $tuned, 30 ])
{
	my ($name, $options, $epochs) = @$way;

	$node->safe_psql('postgres', train("${name}_whole", qq{$options, "epochs": $epochs, "threads": 1}));
	my $whole = hash("${name}_whole");
	like($whole, qr/^[0-9a-f]{64}$/, "$name: a training that nothing interrupts");
	send_query($session, train("${name}_cut", qq{$options, "epochs": $epochs, "threads": 2}));
	wait_for("${name}_cut", 1);
	my $began = time;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	my (undef, $err) = wait_for_session($session);
	like($err, qr/57014/, 'one that is cancelled');
	cmp_ok(time - $began, '<', 5, 'soon');
	is($node->safe_psql('postgres', "SELECT state, epoch < $epochs FROM emotion_training_progress WHERE model = '${name}_cut\@1'"),
		'interrupted|t', 'is interrupted');
	(undef, $err) = ask($session, train("${name}_cut", '"resume": true, "threads": 1'));
	is($err, '', 'and resumed');
	is(hash("${name}_cut"), $whole, 'has the same weights');
}

# --- kill -9
my $whole = hash('scratch_whole');
send_query($session, train('killed', qq{$scratch, "epochs": 10, "threads": 2}));
wait_for('killed', 2);
kill 'KILL', $pid;
eval { wait_for_session($session) };
eval { close_session($session) };
ok($node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'), 'the server recovers from a killed training');
$node->safe_psql('postgres', train('killed', '"resume": true'));
is(hash('killed'), $whole, 'which, resumed, ends with the same weights');
is($node->safe_psql('postgres', 'SELECT count(*) FROM emotion.training_checkpoint'), 0, 'and leaves no checkpoint');

# --- a checkpoint of several parts, written and read piece by piece
($session, $pid) = new_session();
my $wide = '"architecture": "roberta", "tokenizer": "base@1", "layers": 4, "hidden": 160, "heads": 4, "patience": 0, "steps_per_epoch": 1';
send_query($session, train('wide', qq{$wide, "epochs": 1000, "holdout": 0}));
wait_for('wide', 1);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
my (undef, $err) = wait_for_session($session);
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM emotion.training_checkpoint WHERE name = 'wide'"), '>', 1, 'a checkpoint is in parts');
my $epoch = $node->safe_psql('postgres', "SELECT epoch FROM emotion_training_progress WHERE model = 'wide\@1'");
send_query($session, train('wide', '"resume": true'));
ok(wait_for('wide', $epoch + 1), 'and is gone on from');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
eval { wait_for_session($session) };
eval { close_session($session) };

# --- what checkpoints cost is told when it is much
my (undef, undef, $notices) = $node->psql('postgres', train('saved', qq{$wide, "epochs": 50, "holdout": 0}));
my ($bytes, $saving) = split /\|/, $node->safe_psql('postgres',
	"SELECT checkpoint_bytes, checkpoint_seconds FROM emotion_training_progress WHERE model = 'saved\@1'");
my $weights = $node->safe_psql('postgres', "SELECT 4 * parameters FROM emotion_models WHERE model = 'saved\@1'");
cmp_ok($bytes, '>', 3 * $weights, 'a checkpoint holds weights and both moments');
SKIP:
{
	skip "50 of them took only $saving s", 1 if $saving < 2;
	like($notices, qr/NOTICE:  \d+ of \d+ s went into checkpoints of \d+ MB, one after each epoch\nHINT:  .*steps_per_epoch/,
		"50 of them, $saving s, are worth a word");
}
$node->stop;
done_testing();
