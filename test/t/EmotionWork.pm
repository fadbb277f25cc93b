# Every long operation of the extension, small: how it is begun, how it is gone on with when it was stopped, and what it
# makes then, which must be what it makes when nothing stops it.
package EmotionWork;

use strict;
use warnings;
use EmotionTest;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time);

our @EXPORT = qw(prepare_work work_kinds begin_work again_work finish_work drop_work undisturbed seconds_of);

my ($node, $first_model, %expected, %seconds);
sub psql { return $node->safe_psql('postgres', $_[0]); }

my $options = '"embedding_dim": 8, "filters": 8, "hidden": 8, "attention": 8, "batch_size": 64, "patience": 0, "epochs": 80, "threads": 2';
my $vectors = '"dim": 10, "buckets": 1000, "threads": 1, "min_count": 1, "epochs": 150';
my %path = (single => ($ENV{EMOTION_STAGE} // q(.)) . q(/test/reference/huggingface/single));

# Make what operations work on, on a server that is theirs.
sub prepare_work
{
	($node) = @_;
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
	psql("CALL emotion_train_vectors('source_vectors', 'tweet', options => '{$vectors}')");
	return;
}

# begin: SQL that does it under a name. again: SQL that goes on, or nothing. finish goes on from whatever is there and
# returns what came out.
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
sub first_model { return $first_model //= psql("SELECT name || '\@' || version FROM emotion.model ORDER BY size DESC, name LIMIT 1"); }


sub work_kinds { return sort keys %work; }
sub drop_work { my ($kind, $name) = @_; psql($work{$kind}{drop}->($name)); return; }
sub finish_work { my ($kind, $name) = @_; return $work{$kind}{finish}->($name); }
sub again_work { my ($kind, $name) = @_; return $work{$kind}{again} ? $work{$kind}{again}->($name) : undef; }
sub seconds_of { my ($kind) = @_; return $seconds{$kind}; }
sub begin_work
{
	my ($kind, $name) = @_;

	$work{$kind}{before}->() if $work{$kind}{before};
	return $work{$kind}{begin}->($name);
}

# What an operation makes that nothing stops.
sub undisturbed
{
	my ($kind) = @_;
	my $name = "whole_$kind";

	unless (defined $expected{$kind})
	{
		my $statement = begin_work($kind, $name);
		my $from = time;
		psql($statement);
		$seconds{$kind} = time - $from;
		$expected{$kind} = finish_work($kind, $name);
		drop_work($kind, $name);
	}
	return $expected{$kind};
}

1;
