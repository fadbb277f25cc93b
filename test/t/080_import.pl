# Published files, as a client and as the server read them. The files are not part of this
# repository: EMOTION_DATA names the directory that holds them.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = $ENV{EMOTION_DATA} // '../shared/data';
my @files = map { "$data/$_" } qw(goemotions/train.tsv goemotions/dev.tsv sentiment140/original-format-10k.csv
  sentiment140/tweets-100k.csv llm/texts.tsv llm/votes.tsv);
my ($absent) = grep { !-r $_ } @files;
plan skip_all => "there is no $absent" if defined $absent;
my ($train, $dev, $original, $tweets, $texts, $votes) = @files;

my $node = new_server('import');
my $psql = sub { $node->safe_psql('postgres', $_[0]) };
$psql->('CREATE EXTENSION emotion');

# A client's \copy keeps lines as they are with a delimiter and a quote that they do not hold.
sub copy_lines
{
	my ($file) = @_;
	return "CREATE TEMP TABLE line (number bigserial, line text);\n"
	  . "\\copy line (line) FROM '$file' WITH (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02')\n";
}
is($psql->(copy_lines($train) . q{SELECT lines, imported, refused, other FROM emotion_import_goemotions('comment', 'line', '{"split": "train"}')}),
	'43410|43410|0|0', 'GoEmotions, train');
is($psql->(copy_lines($dev) . q{SELECT lines, imported, refused, other FROM emotion_import_goemotions('comment', 'line', '{"split": "dev"}')}),
	'5426|5426|0|0', 'GoEmotions, dev');
is($psql->(q{SELECT split, count(*), sum(cardinality(labels)), count(DISTINCT id) FROM comment GROUP BY split ORDER BY split}),
	"dev|5426|6380|5426\ntrain|43410|51103|43410", 'with their labels and ids');
is($psql->(copy_lines($original) . q{SELECT lines, imported, refused, other FROM emotion_import_sentiment140('tweet', 'line', '{"split": "original"}')}),
	'10000|10000|0|0', 'Sentiment140, six columns');
is($psql->(copy_lines($tweets) . q{SELECT lines, imported, refused, other FROM emotion_import_sentiment140('tweet', 'line')}),
	'100000|100000|0|0', 'Sentiment140, two columns');
is($psql->(q{SELECT polarity, labels, count(*) FROM tweet WHERE split IS NULL GROUP BY 1, 2 ORDER BY 1}),
	"0|{negative}|50000\n4|{positive}|50000", 'half of them each way');

# The server reads what it can open: the same rows.
my $copy = $node->basedir . '/tweets.csv';
append_to_file($copy, slurp_file($tweets));
chmod 0644, $copy;
is($psql->(qq{SELECT lines, imported, refused, other FROM emotion_import_sentiment140('again', 'file:$copy')}),
	'100000|100000|0|0', 'a file of the server');
is($psql->('SELECT count(*) FROM (SELECT text, polarity, line FROM again EXCEPT SELECT text, polarity, line FROM tweet WHERE split IS NULL) AS d'),
	'0', 'is read as the client reads it');

# A file that is damaged in four places: everything else is imported.
my @lines = split /\n/, slurp_file($dev);
$lines[9] .= "\tmore";
$lines[99] =~ s/\t[0-9,]+\t/\t99\t/;
$lines[999] = "caf\xe9\t1\tx";
$lines[4999] = "ze\0ro\t1\tx";
my $damaged = $node->basedir . '/damaged.tsv';
append_to_file($damaged, join("\n", @lines) . "\n");
is($psql->(qq{SELECT lines, imported, refused FROM emotion_import_goemotions('damaged', 'file:$damaged')}), '5426|5422|4', 'a damaged file');
is($psql->('SELECT line_number, reason FROM emotion.import_error ORDER BY 1'),
	qq{10|4 columns, not 3\n100|label id "99" is not in 0 to 27\n1000|not valid UTF8\n5000|a byte is zero}, 'and where');

# Texts that a model wrote, and what five annotators said of them.
$psql->(q{SELECT emotion_annotation_project('llm', 5)});
is($psql->(copy_lines($texts) . q{SELECT lines, imported, refused FROM emotion_import_csv('written', 'line',
	'{"delimiter": "\t", "quote": "", "columns": ["id", "text", "labels"], "source": "llm"}')}), '1560|1560|0', 'written texts');
is($psql->(q{SELECT * FROM emotion_annotation_add('llm', 'written', label_column => 'labels', id_column => 'id')}), '1560|1560', 'to be judged');
is($psql->("CREATE TEMP TABLE vote (id text, annotator text, labels text);\n\\copy vote FROM '$votes'\n"
	  . q{SELECT * FROM emotion_annotation_import_votes('llm', 'SELECT id, annotator, string_to_array(labels, '','') AS labels FROM vote')}),
	'7800|7800|0', 'votes');
is($psql->(q{SELECT count(*), count(*) FILTER (WHERE labels <> '{}'), count(*) FILTER (WHERE labels && intended) FROM emotion_annotation_majority('llm')}),
	'1560|1560|1510', 'three of five agree on every text, and on what was intended for 1,510');
is($psql->(q{SELECT round(fleiss_kappa::numeric, 6) FROM emotion_annotation_agreement('llm') WHERE label IS NULL}), '0.967601', 'kappa of first labels');
is($psql->(q{SELECT count(*) FROM emotion_annotation_next('llm', 'sixth', 10)}), '0', 'nothing is left to judge');

# All of it stands in a dump.
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'dumped');
$node->safe_psql('template1', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'and restored');
my $digest = q{SELECT (SELECT count(*) FROM emotion.import_log), (SELECT count(*) FROM emotion.import_error), (SELECT count(*) FROM emotion.label_definition),
	(SELECT md5(string_agg(m::text, ',' ORDER BY text_id)) FROM emotion_annotation_majority('llm') AS m),
	(SELECT last_value FROM emotion.annotation_text_text_id_seq)};
is($node->safe_psql('restored', $digest), $psql->($digest), 'imports, texts and votes survive');
$node->stop;
done_testing();
