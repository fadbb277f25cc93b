# Word vectors: fastText's own files from the server, uploads, privileges, dump and restore, and
# files that fastText reads.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $corpus = "$FindBin::RealBin/../fuzz/corpus/vectors";
my $data = ($ENV{EMOTION_DATA} // '') . '/fasttext';
my $fasttext = (grep { -x "$_/fasttext" } split /:/, $ENV{PATH})[0];
my $work = PostgreSQL::Test::Utils::tempdir();
my $node = new_server('vectors');
$node->safe_psql('postgres', 'CREATE EXTENSION emotion');

sub write_file
{
	my ($name, $text) = @_;

	open(my $file, '>:raw', "$work/$name") or die "$work/$name: $!";
	print $file $text;
	close($file);
	return "$work/$name";
}

# What fastText prints: word => [ numbers ].
sub ask_fasttext
{
	my ($model, @words) = @_;
	my $words = write_file('words', join("\n", @words) . "\n");
	my %vectors;

	foreach my $line (split /\n/, `$fasttext/fasttext print-word-vectors '$model' < '$words'`)
	{
		my ($word, @numbers) = split / /, $line;
		$vectors{$word} = \@numbers;
	}
	return \%vectors;
}

# Ours of the same words.
sub ask_ours
{
	my ($name, @words) = @_;
	my $words = join ',', map { s/'/''/gr =~ s/.*/'$&'/r } @words;
	my %vectors;

	# a file: as an argument, ten thousand words would be too long
	my $query = write_file('query.sql', "SELECT word || ' ' || array_to_string(emotion_word_vector('$name', word), ' ')"
		. " FROM unnest(ARRAY[$words]) AS word");
	foreach my $line (split /\n/, `psql -XqAt -d '@{[ $node->connstr('postgres') ]}' -f '$query'`)
	{
		my ($word, @numbers) = split / /, $line;
		$vectors{$word} = \@numbers;
	}
	return \%vectors;
}

# fastText prints five significant digits: ours must round to them, so half a unit of the fifth is
# the bound. (test_fasttext.c compares bits.)
sub same_vectors
{
	my ($theirs, $ours, $what) = @_;
	my ($compared, $wrong) = (0, '');

	foreach my $word (keys %$theirs)
	{
		my ($a, $b) = ($theirs->{$word}, $ours->{$word} // []);
		for my $i (0 .. $#$a)
		{
			my $bound = $a->[$i] == 0 ? 1e-30 : 0.5001 * 10**(POSIX::floor(log(abs($a->[$i])) / log(10)) - 4);
			$compared++;
			$wrong ||= "$word: $a->[$i], not " . ($b->[$i] // 'none')
				unless defined $b->[$i] && abs($a->[$i] - $b->[$i]) <= $bound;
		}
	}
	is($wrong, '', "$what: $compared numbers of " . keys(%$theirs) . ' words are those that fastText prints');
	return;
}
use POSIX ();

my @made_up = map { "mü$_" . $_ * 7919 % 1000 } 1 .. 1000;

SKIP:
{
	skip 'fasttext is not installed', 1 unless $fasttext;

	# A model that is trained here, and those of the corpus and the data.
	srand(11);
	my @syllables = qw(ba ko li mü né ta ro shi fu);
	my @words = map { join '', map { $syllables[ rand @syllables ] } 1 .. 2 + rand 3 } 1 .. 300;
	my $text = write_file('text', join '', map { join(' ', map { $words[ 300 * rand()**2 ] } 1 .. 10) . "\n" } 1 .. 600);
	system("$fasttext/fasttext skipgram -input $text -output $work/trained -dim 20 -bucket 2000 -minCount 1 -epoch 1 -thread 1 -verbose 0 >/dev/null 2>&1") == 0
		or die 'fasttext does not train';
	my %models = (trained => "$work/trained.bin", cbow => "$corpus/cbow.bin", quantised => "$corpus/quantised.ftz", pruned => "$corpus/pruned.ftz");
	if (-r "$data/lid.176.ftz")
	{
		$models{lee} = "$data/lee_fasttext_new.bin";
		$models{pang_lee} = "$data/pang_lee_polarity_fasttext.bin";
		$models{lid} = "$data/lid.176.ftz";
	}
	foreach my $name (sort keys %models)
	{
		$node->safe_psql('postgres', "CALL emotion_import_vectors('$name', '$models{$name}')");
		my @kept = split /\n/, $node->safe_psql('postgres', qq{
			SELECT split_part(line, ' ', 1) FROM (SELECT unnest(string_to_array(convert_from(string_agg(data, '' ORDER BY part), 'UTF8'), E'\\n'))
				AS line FROM emotion_export_vectors('$name', 'vec')) AS t OFFSET 1});
		my @asked = (@kept, @made_up);
		same_vectors(ask_fasttext($models{$name}, @asked), ask_ours($name, @asked), $name);
	}

	# Out again, and fastText reads it.
	foreach my $name (grep { $_ ne 'pruned' && $_ ne 'lid' } sort keys %models)
	{
		my $hex = $node->safe_psql('postgres', "SELECT encode(string_agg(data, '' ORDER BY part), 'hex') FROM emotion_export_vectors('$name')");
		my $file = write_file("$name.out.bin", pack('H*', $hex));
		my @asked = (grep({ $_ ne '</s>' } split /\n/, $node->safe_psql('postgres', qq{
			SELECT split_part(line, ' ', 1) FROM (SELECT unnest(string_to_array(convert_from(string_agg(data, '' ORDER BY part), 'UTF8'), E'\\n'))
				AS line FROM emotion_export_vectors('$name', 'vec')) AS t OFFSET 1 LIMIT 500})), @made_up[ 0 .. 99 ]);
		is_deeply(ask_fasttext($file, @asked), ask_fasttext($models{$name}, @asked), "$name: fastText prints the same vectors of the exported model");
	}
	# Made of text, which says nothing of how it was made.
	$node->safe_psql('postgres', "CALL emotion_import_vectors('plain', '$corpus/plain.vec')");
	my $model = write_file('plain.bin', pack('H*', $node->safe_psql('postgres', "SELECT encode(string_agg(data, '' ORDER BY part), 'hex') FROM emotion_export_vectors('plain')")));
	my @plain = map { (split / /)[0] } split /\n/, slurp_file("$corpus/plain.vec");
	same_vectors(ask_fasttext($model, @plain), ask_ours('plain', @plain), 'a model made of text');

	my $word = (split /\n/, $node->safe_psql('postgres', q{SELECT split_part(convert_from(data, 'UTF8'), E'\n', 3) FROM emotion_export_vectors('trained', 'vec')}))[0];
	($word) = split / /, $word;
	my $asked = write_file('ask', "$word\n");
	my @theirs = `$fasttext/fasttext nn $work/trained.out.bin 5 < $asked 2>/dev/null` =~ /(?:Query word\? )?(\S+) (?:0|1|-)[.\d]*$/gm;
	is(join(' ', @theirs), join(' ', split /\n/, $node->safe_psql('postgres', "SELECT word FROM emotion_nearest_words('trained', '$word', 5)")),
		'the nearest words are those that fastText finds');
}

SKIP:
{
	skip 'the data is not there', 1 unless -r "$data/lee_fasttext.bin";
	my (undef, undef, $error) = $node->psql('postgres', "CALL emotion_import_vectors('old', '$data/lee_fasttext.bin')");
	like($error, qr/has not the magic number of a fastText model/, 'a model of before 2017 is refused');
}

# Files of the server are for those who may read them.
my $file = write_file('small.vec', "the 1 2\ntea 3 4\n");
$node->safe_psql('postgres', q{CREATE ROLE reader LOGIN; GRANT INSERT ON emotion.vectors, emotion.vectors_part TO reader});
my (undef, undef, $error) = $node->psql('postgres', "CALL emotion_import_vectors('small', '$file')", extra_params => [ '-U', 'reader' ]);
like($error, qr/permission denied to read file/, 'not without pg_read_server_files');
$node->safe_psql('postgres', 'GRANT pg_read_server_files TO reader');
$node->safe_psql('postgres', "CALL emotion_import_vectors('small', '$file')", extra_params => [ '-U', 'reader' ]);
is($node->safe_psql('postgres', q{SELECT words, source, created_by FROM emotion_vectors WHERE name = 'small'}),
	"2|file small.vec|reader", 'with it they are imported');

# A file that ends early is refused whole.
my $whole = slurp_file("$corpus/cbow.bin");
my $cut = write_file('cut.bin', substr($whole, 0, length($whole) - 100));
(undef, undef, $error) = $node->psql('postgres', "CALL emotion_import_vectors('cut', '$cut')");
like($error, qr/ends within its output matrix/, 'a file that was cut off is refused');
is($node->safe_psql('postgres', q{SELECT count(*) FROM emotion_vectors WHERE name = 'cut'}), 0, 'and nothing is left of it');

# A long import can be cancelled.
my $long = write_file('long.vec', join('', map { "word$_" . ' 0.123456' x 300 . "\n" } 1 .. 20000));
(undef, undef, $error) = $node->psql('postgres', "SET statement_timeout = 50; CALL emotion_import_vectors('long', '$long')");
like($error, qr/canceling statement due to statement timeout/, 'an import is cancelled');

# Parallel workers read vectors themselves.
$node->safe_psql('postgres', q{CREATE TABLE word AS SELECT 'tea' AS word FROM generate_series(1, 2000)});
is($node->safe_psql('postgres', q{
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SELECT count(*) FROM word WHERE emotion_word_vector('small', word) = '{3,4}'}), 2000, 'in parallel');

# Dump and restore.
foreach my $format ('plain', 'directory')
{
	my $dump = "$work/dump.$format";
	my $ask = 'SELECT name, sha256, words, arguments, created_at FROM emotion_vectors ORDER BY 1';

	$node->safe_psql('postgres', 'CREATE DATABASE after');
	$node->command_ok([ 'pg_dump', '--format', $format, '--file', $dump, $node->connstr('postgres') ], "$format dump");
	$node->command_ok($format eq 'plain' ? [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('after') ]
		: [ 'pg_restore', '--exit-on-error', '-j', '2', '--dbname', $node->connstr('after'), $dump ], 'restored');
	is($node->safe_psql('after', $ask), $node->safe_psql('postgres', $ask), "$format: vectors are the same");
	is($node->safe_psql('after', q{SELECT emotion_word_vector('small', 'tea')}), '{3,4}', "$format: and can be read");
	$node->safe_psql('postgres', 'DROP DATABASE after');
}

done_testing();
