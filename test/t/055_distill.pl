# A student learns what its teachers know: from their scores alone, stopped and resumed.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('distill');
$node->safe_psql('postgres', q{
	CREATE EXTENSION emotion;
	CREATE FUNCTION word(i bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'w' || i * i % 97 $$;
	CREATE TABLE post AS
		SELECT i, concat_ws(' ', word(i), word(i / 3 + 5), word(i / 7), word(i * 3 + 1), word(i / 11 + i % 13), word(i + i / 5)) AS text,
			array_remove(ARRAY[CASE WHEN i * i % 97 < 20 THEN 'a' END, CASE WHEN (i * 3 + 1) * (i * 3 + 1) % 97 < 30 THEN 'b' END, CASE WHEN i % 4 = 0 THEN 'c' END], NULL) AS labels
		FROM generate_series(1::bigint, 4500) AS i;
	CREATE VIEW unlabelled AS SELECT text, NULL::text[] AS labels FROM post WHERE i BETWEEN 1501 AND 3500});
my $small = '"embedding_dim": 16, "filters": 16, "hidden": 16, "attention": 16, "batch_size": 64, "shard_size": 16, "patience": 0, "learning_rate": 0.01, "min_count": 1';
sub train { my ($name, $source, $options) = @_; return "CALL emotion_train('$name', '$source', '{$options}')"; }
sub hash { my ($name) = @_; return $node->safe_psql('postgres', "SELECT emotion_model_hash('$name\@1')"); }
sub wait_for_epoch
{
	my ($name, $epoch) = @_;
	return $node->poll_query_until('postgres', "SELECT epoch >= $epoch FROM emotion_training_progress WHERE model = '$name\@1'");
}

# --- two teachers on the labels, a student on their scores alone, on texts that they never saw
$node->safe_psql('postgres', train("teacher$_", 'SELECT * FROM post WHERE i <= 1500', qq{$small, "epochs": 15, "seed": $_, "holdout": 0})) foreach 1, 2;
my $teachers = '"teachers": ["teacher1@1", "teacher2@1"]';
my $taught = qq{$small, "epochs": 15, "threads": 2, $teachers};
$node->safe_psql('postgres', train('student', 'unlabelled', $taught));
# Cohen's kappa over texts and labels that neither learnt: 0 is chance, 1 the same decisions
my $agreement = $node->safe_psql('postgres', q{
	SELECT round((avg((s >= 0.5)::int * (t >= 0.5)::int + (s < 0.5)::int * (t < 0.5)::int) - avg(chance)) / (1 - avg(chance)), 4)
	FROM (SELECT s, t, label, avg((s >= 0.5)::int) OVER w * avg((t >= 0.5)::int) OVER w + avg((s < 0.5)::int) OVER w * avg((t < 0.5)::int) OVER w AS chance
		FROM post, unnest(emotion_scores(text, 'student@1'), emotion_scores(text, 'teacher1@1'), emotion_label_names('student@1')) AS u (s, t, label)
		WHERE i > 3500 WINDOW w AS (PARTITION BY label)) AS pairs});
cmp_ok($agreement, '>', 0.6, "a student of scores alone decides as its teacher on other texts (kappa $agreement)");
is($node->safe_psql('postgres', q{SELECT metrics -> 'held_out_texts' FROM emotion_models WHERE model = 'student@1'}),
	0, 'no text without labels is held out');

# --- stopped and resumed
my $session = open_session($node, 'postgres');
ask($session, "\\set VERBOSITY sqlstate\nSET client_min_messages = warning");
my $pid = ask($session, 'SELECT pg_backend_pid()');
send_query($session, train('stopped', 'unlabelled', $taught));
wait_for_epoch('stopped', 2);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
my (undef, $err) = wait_for_session($session);
like($err, qr/57014/, 'a training with teachers is cancelled');
(undef, $err) = ask($session, train('stopped', 'unlabelled', '"resume": true, "threads": 1'));
is($err, '', 'and resumed');
is(hash('stopped'), hash('student'), 'with the weights of the one that was not');

# --- a teacher's scores from a column are part of what a resumed training must find again
$node->safe_psql('postgres', q{CREATE TABLE scored AS SELECT i, text, NULL::text[] AS labels, emotion_scores(text, 'teacher1@1') AS scores FROM post WHERE i <= 1500});
send_query($session, train('column', 'scored', qq{$small, "epochs": 1000, "soft_column": "scores", "labels": ["a", "b", "c"]}));
wait_for_epoch('column', 1);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
wait_for_session($session);
$node->safe_psql('postgres', 'UPDATE scored SET scores[2] = 1 - scores[2] WHERE i = 77');
(undef, $err) = ask($session, train('column', 'scored', '"resume": true'));
like($err, qr/55000/, 'other scores are other rows');

# --- cancelled while teachers score; nothing but a row is left
$node->safe_psql('postgres', 'CREATE VIEW endless AS SELECT p.text, p.labels FROM post AS p, generate_series(1, 100000)');
send_query($session, train('reading', 'endless', qq{$small, $teachers}));
ok($node->poll_query_until('postgres', "SELECT state = 'scoring' FROM emotion_training_progress WHERE model = 'reading\@1'"),
	'others see that teachers score');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
(undef, $err) = wait_for_session($session);
like($err, qr/57014/, 'a cancel ends that, too');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0, 'and no lock is left');
close_session($session);
$node->stop;
done_testing();
