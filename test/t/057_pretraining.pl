# Pretraining seen from outside: crashes, resuming, beginning as another model, spilling, cancelling.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $node = new_server('pretraining');
$node->append_conf('postgresql.conf', "restart_after_crash = on\n");
$node->restart;

# Sentences in which a thing goes with a word for a feeling; rows that say which label the feeling has.
$node->safe_psql('postgres', q{
	CREATE EXTENSION emotion;
	CREATE VIEW mood AS SELECT * FROM (VALUES (0, 'joy', '{beach,picnic,garden,music}'::text[], '{happy,glad}'::text[]),
		(1, 'anger', '{traffic,queue,noise,delay}', '{furious,angry}'), (2, 'fear', '{cellar,spider,storm,shadow}', '{afraid,scared}'))
		AS t (number, label, things, feelings);
	CREATE FUNCTION diary(texts int) RETURNS TABLE (id int, text text) LANGUAGE sql AS $$
		SELECT i, string_agg(format('%s the %s w%s made me so %s today.', (ARRAY['well', 'then', 'and', 'yes', 'look'])[1 + (i + s) % 5],
			things[1 + i / 3 % 4], i * i % 97, feelings[1 + (i / 12 + s) % 2]), ' ' ORDER BY s)
		FROM generate_series(1, texts) AS i, generate_series(0, 1) AS s, LATERAL (SELECT * FROM mood WHERE number = (i + s) % 3) AS m GROUP BY i $$;
	CREATE TABLE few AS SELECT * FROM diary(600);
	CREATE TABLE many AS SELECT * FROM diary(15000);
	CREATE TABLE post AS
		SELECT i AS id, format('i was %s about %s', feelings[1 + i / 3 % 2], things[1 + i % 4]) AS text, ARRAY[label] AS labels
		FROM generate_series(1, 600) AS i, LATERAL (SELECT * FROM mood WHERE number = i % 3) AS m});

my $size = '"embedding_dim": 8, "filters": 8, "hidden": 8, "attention": 8';
my $way = '"batch_size": 64, "shard_size": 16, "patience": 0, "learning_rate": 0.01';
my $cues = qq{$size, $way, "objective": "cues", "cue_source": "post", "cues": 6, "cue_count": 10, "holdout": 0.1};
my $thirty = qq{$cues, "epochs": 30, "steps_per_epoch": 20, "weight_averaging": 0.99};
sub train { my ($name, $source, $options) = @_; return "CALL emotion_train('$name', '$source', '$options')"; }
sub hash { my ($name) = @_; return $node->safe_psql('postgres', "SELECT emotion_model_hash('$name\@1')"); }
sub state { my ($name) = @_; return $node->safe_psql('postgres', "SELECT state FROM emotion_training_progress WHERE model = '$name\@1'"); }

sub wait_for_epoch
{
	my ($name, $epoch) = @_;
	return $node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM emotion_training_progress WHERE model = '$name\@1' AND state = 'training' AND epoch >= $epoch");
}

# A session with terse errors, and its process.
sub new_session
{
	my $session = open_session($node, 'postgres');

	ask($session, "\\set VERBOSITY sqlstate\nSET client_min_messages = warning");
	return ($session, ask($session, 'SELECT pg_backend_pid()'));
}

# --- what it says of itself
my $notices = '';
$node->psql('postgres', train('said', 'few', qq{{$size, $way, "objective": "cues", "cue_source": "post", "cues": 1, "cue_count": 10, "epochs": 1, "threads": 1}}),
	stderr => \$notices);
like($notices, qr/NOTICE:  1 word to foresee: \S+$/m, 'one word is no words');
like($notices, qr/on \d+ sentences \(0 held out\), 1 word to foresee, \d+ words, 1 thread,/, 'texts without labels are read by the sentence');
like($notices, qr/HINT:  It foresees words: emotion_train with option "base" as "said\@1"/, 'such a model is one to begin with');
$node->psql('postgres', train('bare', q{SELECT *, ''train'' AS split FROM post}, qq{{$size, $way, "split_column": "split", "epochs": 1, "threads": 1}}),
	stderr => \$notices);
like($notices, qr/no rows are held out.*\n.*HINT:  Rows to hold out are those whose column split is "dev"/, 'where rows to hold out are looked for is said');

# --- killed and resumed
$node->safe_psql('postgres', train('whole', 'few', qq{{$thirty, "threads": 1}}));
my $whole = hash('whole');
like($whole, qr/^[0-9a-f]{64}$/, 'a training that nothing interrupts');
cmp_ok($node->safe_psql('postgres', q{SELECT metrics ->> 'macro_auc' FROM emotion_models WHERE name = 'whole'}),
	'>', 0.8, 'foresees the hidden words of sentences held out');
my ($session, $pid) = new_session();
my $err;
send_query($session, train('killed', 'few', qq{{$thirty, "threads": 2}}));
ok(wait_for_epoch('killed', 2), 'another shows its epochs');
kill 'KILL', $pid;
eval { wait_for_session($session) };
eval { close_session($session) };
ok($node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'), 'the server recovers from a killed training');
is(state('killed'), 'interrupted', 'which is interrupted');
($session, $pid) = new_session();
ask($session, q{UPDATE post SET labels = '{fear}' WHERE id = 3});
(undef, $err) = ask($session, train('killed', 'few', '{"resume": true}'));
like($err, qr/55000/, 'is not resumed when the rows that chose the words have changed');
ask($session, q{UPDATE post SET labels = '{joy}' WHERE id = 3});
(undef, $err) = ask($session, train('killed', 'few', '{"resume": true, "threads": 1}'));
is($err, '', 'but on the same rows');
is(hash('killed'), $whole, 'and ends with the weights of the one that nothing interrupted');

# --- the order of rows
ask($session, 'CREATE TABLE reordered AS SELECT * FROM few ORDER BY text DESC, id');
ask($session, train('reordered', 'reordered', qq{{$thirty, "threads": 2}}));
is(hash('reordered'), $whole, 'rows in another order make the same weights');

# --- begun as another model, interrupted and resumed
my $tune = qq{$way, "base": "whole\@1", "epochs": 200, "layer_decay": 0.7, "unfreeze_epochs": 3};
ask($session, train('tuned', 'post', qq{{$tune, "threads": 1}}));
send_query($session, train('stopped', 'post', qq{{$tune, "threads": 2}}));
ok(wait_for_epoch('stopped', 2), 'a training begins as that model');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
(undef, $err) = wait_for_session($session);
like($err, qr/57014/, 'and is cancelled');
(undef, $err) = ask($session, train('stopped', 'post', '{"resume": true}'));
is($err, '', 'and resumed');
is(hash('stopped'), hash('tuned'), 'and ends with the weights of one that was not');

# --- begun with word vectors, in a file of many pages
(undef, $err) = ask($session, q{CALL emotion_train_vectors('of_diary', 'few', 'text', '{"dim": 8, "epochs": 1, "buckets": 2000, "threads": 1}')});
is($err, '', 'word vectors are learnt');
(undef, $err) = ask($session, train('begun', 'few', qq{{$cues, "epochs": 1, "vectors": "of_diary"}}));
is($err, '', 'and foreseeing words begins with them');

# --- more rows than memory
my $one = qq{$cues, "epochs": 1, "steps_per_epoch": 50};
ask($session, q{SET maintenance_work_mem = '64MB'});
ask($session, train('memory', 'many', qq{{$one, "threads": 2}}));
ask($session, q{SET maintenance_work_mem = '1MB'});
my $temp_files = q{SELECT temp_files FROM pg_stat_database WHERE datname = 'postgres'};
my $before = $node->safe_psql('postgres', $temp_files);
(undef, $err) = ask($session, train('spilled', 'many', qq{{$one, "threads": 1}}));
is($err, '', 'words are hidden in rows that do not fit in memory');
ok($node->poll_query_until('postgres', "SELECT ($temp_files) > $before"), 'which go to temporary files');
is(hash('spilled'), hash('memory'), 'and make the same weights');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), 0, 'the files are gone afterwards');

# --- a cancel at any time: reading, choosing words, counting what will be hidden, training
send_query($session, train('read', 'SELECT m.* FROM many AS m, generate_series(1, 1000)', "{$cues}"));
ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM emotion_training_progress WHERE model = 'read@1' AND state = 'reading'}),
	'reading is seen');
my $began = time;
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
(undef, $err) = wait_for_session($session);
like($err, qr/57014/, 'a cancel ends it');
cmp_ok(time - $began, '<', 5, 'soon');
my $latest = 0;
foreach my $timeout (map { 200 * $_ } 1 .. 6)
{
	ask($session, "SET statement_timeout = $timeout");
	$began = time;
	(undef, $err) = ask($session, train('timeout', 'many', qq{{$cues, "epochs": 1000, "threads": 2}}));
	my $late = time - $began - $timeout / 1000;
	$latest = $late if $late > $latest;
	like($err, qr/57014/, "a timeout of $timeout ms ends it");
}
diag(sprintf('the latest was %.2f s late', $latest));
cmp_ok($latest, '<', 5, 'none of them is late');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), 0, 'and none leaves a file');
close_session($session);
$node->stop;
done_testing();
