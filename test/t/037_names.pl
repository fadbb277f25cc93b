# Names are names, whatever is in them: schemas, tables, columns, labels, parts, projects, annotators and roles that
# try to be SQL go through every call that writes queries. The result is right, and nothing of it is run.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('names');
$node->safe_psql('postgres', q{
	CREATE EXTENSION emotion;
	CREATE TABLE canary AS SELECT 1 AS alive;
	CREATE TABLE fired (by_whom text);
	CREATE FUNCTION fire() RETURNS bool LANGUAGE sql AS $$INSERT INTO fired VALUES ('x') RETURNING true$$});

sub literal { my ($string) = @_; $string =~ s/'/''/g; return "'$string'"; }
sub quoted { my ($name) = @_; $name =~ s/"/""/g; return "\"$name\""; }
sub json { my ($string) = @_; $string =~ s/([\\"])/\\$1/g; $string =~ s/\n/\\n/g; $string =~ s/\t/\\t/g; return "\"$string\""; }

my %names = (
	'quotes and a statement' => q{"; DROP TABLE canary; --},
	'an apostrophe, a backslash and a statement' => q{\\'; DROP TABLE canary; --},
	'the ends of a call and of a literal' => q{x"), fire(), ("x' || fire() || 'x},
	'a dollar quote, a parameter and a comment' => q{$$ || fire() || $$1 /* x --},
	'lines, capitals and blanks' => " Upper\n\tCASE \\n",
	'formats, dots and an emoji' => '100%s%n%I%L."a.süß😀x',
	'a key word' => 'select',
	'63 bytes' => 'é' . 'x' x 61);

my $number = 0;
foreach my $what (sort keys %names)
{
	my $name = $names{$what};
	my $n = ++$number;
	my $q = quoted($name);
	my $q2 = quoted(substr($name, 0, -1) . '2');      # another name, no longer
	my ($source, $target) = (literal("$q.$q"), literal("$q.$q2"));
	my $string = literal($name);
	my $text2 = substr($name, 0, -1) . '2';
	my ($c1, $c2, $c3) = ($q, quoted($text2), quoted(substr($name, 0, -1) . '3'));
	my $options = sub { my ($more) = @_; return literal('{"text_column": ' . json($name) . ', "label_column": ' . json($text2) . "$more}"); };
	my $labels = literal('{"label_column": ' . json($text2) . '}');
	my $sql = qq{
		SET client_min_messages = error;
		CREATE SCHEMA $q;
		CREATE TABLE $q.$q ($c1 text, $c2 text[], $c3 real[], id int PRIMARY KEY);
		INSERT INTO $q.$q SELECT CASE WHEN i % 2 = 0 THEN 'happy evening ' ELSE 'sad morning ' END || i,
			CASE WHEN i % 2 = 0 THEN ARRAY[$string] ELSE '{other}' END, NULL, i FROM generate_series(1, 40) AS i;
		CALL emotion_annotate($source, @{[literal($name)]}, @{[literal(substr($name, 0, -1) . '3')]});
		SELECT count(*) FILTER (WHERE cardinality($c3) = 28) FROM $q.$q;
		SELECT rows_with FROM (SELECT count AS rows_with, label FROM emotion_label_report($source, $labels)) AS r WHERE label = $string;
		SELECT emotion_label_report_svg($source, options => $labels) LIKE '<svg%';
		CALL emotion_split($source, ARRAY[0.5, 0.5], ARRAY[$string, 'rest'], @{[$options->(', "split_column": ' . json("s$n") . ', "create_column": true')]});
		SELECT part, count FROM emotion_split_report($source, @{[literal('{"label_column": ' . json($text2) . ', "split_column": ' . json("s$n") . '}')]}) WHERE label IS NULL AND part = $string;
		CALL emotion_balance($source, $target, @{[literal('{' . json($name) . ': 5}')]}::jsonb, 'quota', @{[$options->(', "key_column": "id"')]});
		SELECT count(*) > 0 FROM $q.$q2;
		DROP TABLE $q.$q2;
		CALL emotion_pseudo_label($source, $string, $target, options => '{"key_column": "id"}');
		SELECT count(*) FROM $q.$q2;
		DROP TABLE $q.$q2;
		SELECT imported FROM emotion_import_jsonl($target, \$s\$SELECT '{"text": "fine", "labels": ["joy"]}' AS line\$s\$, @{[$options->('')]});
		SELECT $c1, $c2 FROM $q.$q2;
		CALL emotion_train('m$n', $source, @{[$options->(', "epochs": 1, "embedding_dim": 4, "filters": 4, "hidden": 4, "attention": 4, "threads": 1')]});
		SELECT emotion_label_names('m$n\@1') = (SELECT array_agg(l ORDER BY l COLLATE "C") FROM unnest(ARRAY[$string, 'other']) AS l), emotion_score('happy', $string, 'm$n\@1') BETWEEN 0 AND 1,
			emotion_json('happy', 'm$n\@1') ? $string, (SELECT count(*) FROM emotion_top('happy', 1, 'm$n\@1'));
		SELECT count(*) FROM emotion_evaluate('m$n\@1', $source, @{[$options->('')]}) WHERE label = $string;
		SELECT emotion_calibration_svg('m$n\@1', $source, @{[$options->('')]}) LIKE '<svg%';
		SELECT count(*) FROM emotion_confidence_thresholds('m$n\@1', $source, 0.5, @{[$options->('')]}) WHERE label = $string;
		CALL emotion_train_vectors('v$n', $source, $string, '{"dim": 4, "epochs": 1, "min_count": 1, "buckets": 100, "threads": 1}');
		SELECT cardinality(emotion_word_vector('v$n', 'happy'));
		SELECT emotion_annotation_project($string, votes => 1, labels => ARRAY[$string]);
		SELECT emotion_annotation_add($string, $source, $string, NULL, 'id');
		SELECT text_id > 0 FROM emotion_annotation_next($string, $string, batch => 1);
		SELECT emotion_annotation_vote($string, (SELECT text_id FROM emotion.annotation_text WHERE $string = ANY (holders)), $string, ARRAY[$string]);
		SELECT labels = ARRAY[$string] FROM emotion_annotation_majority($string);
		SELECT position(to_json($string\::text)::text IN prompt) > 0 FROM emotion_generation_prompts(1, @{[literal('{' . json($name) . ': 0}')]}, ARRAY[$string]);
		CREATE ROLE $q; SELECT emotion_annotation_grant(@{[literal($q)]});
		SELECT has_column_privilege($string, 'emotion.annotation_text', 'text', 'SELECT');
		DROP OWNED BY $q; DROP ROLE $q;
	};
	my ($out, $err) = ('', '');
	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err, on_error_stop => 0);
	is($err, '', "$what: no error");
	my $expected = <<"END";
40
20
t
$name|20
t
40
1
fine|{joy}
t|t|t|1
7
t
1
4

(40,40)
t

t
t

t
END
	chomp $expected;
	is($out, $expected, "$what: the result is right");
	is($node->safe_psql('postgres', 'SELECT (SELECT count(*) FROM canary), (SELECT count(*) FROM fired)'), '1|0', "$what: nothing is run");
}

# A temporary table of the target's name is not written to in its stead.
is($node->safe_psql('postgres', q{
	CREATE TABLE text_of AS SELECT i AS id, 'happy ' || i AS text, '{joy}'::text[] AS labels FROM generate_series(1, 10) AS i;
	CREATE TEMP TABLE even (other int);
	CALL emotion_balance('text_of', 'even', 5);
	SELECT (SELECT count(*) FROM pg_temp.even), (SELECT count(*) FROM public.even)}), '0|1', 'a new table is the one that was made');

$node->stop;
done_testing();
