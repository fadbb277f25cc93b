# Values of every type as SQL expressions: fitting ones, so that calls come far, and hostile ones.
package SqlValues;

use strict;
use warnings;
use Exporter 'import';

our @EXPORT = qw(literal pick chance argument fitting harvest learn_option);

# What users' SQL and the errors' hints name: option => [ values as JSON ].
my %options;
# function => { option => 1 }, as far as its errors' hints or its list name them.
my %options_of;

# Of calls that may take long: options that make them short.
my %small = (
	emotion_train => '"epochs": 1, "embedding_dim": 4, "filters": 4, "hidden": 4, "attention": 4, "min_count": 1',
	emotion_train_vectors => '"epochs": 1, "dim": 4, "buckets": 100, "min_count": 1');

my @models = ("tiny\@1", "tiny\@2", 'tiny', 'both@1', 'hf@1', 'hostile@1');
my @sources = (
	'data', 'data', 'data', 'public.data', 'SELECT * FROM data WHERE id % 3 = 0',
	'SELECT text, labels, scores, id FROM data ORDER BY id',
	"SELECT 'happy ' || i AS text, ARRAY[CASE WHEN i % 2 = 0 THEN 'joy' ELSE 'calm' END] AS labels FROM generate_series(1, 40) AS i");
my @odd_relations = (
	'"odd ""name"', 'no_columns', 'empty', 'view', 'materialized', 'parted', 'parted_1', 'foreign_table', 'a_sequence',
	'data_pkey', 'a_type', 'with_dropped', 'generated', 'secured', 'raising', 'wide', 'arrays', 'domains', 'temporary',
	'pg_class', 'pg_catalog.pg_type', 'pg_toast.pg_toast_1255', 'emotion.model', 'emotion.model_part', 'emotion.import_error',
	'information_schema.tables', 'pg_stat_activity', 'line', 'dropped');
my @odd_sources = (
	'SELECT', 'SELECT 1', 'SELECT 1 AS text', 'SELECT text FROM data', 'SELECT labels FROM data',
	'SELECT * FROM data WHERE false', 'SELECT pg_sleep(9)::text AS text, labels FROM data', 'SELECT 1/0 AS text, labels FROM data',
	'DELETE FROM data RETURNING *', 'INSERT INTO data SELECT * FROM data RETURNING *', 'data; SELECT 1', 'data) AS x; DROP TABLE data; --',
	'SELECT NULL::text AS text, labels FROM data', 'SELECT text, NULL::text[] AS labels FROM data',
	"SELECT text, ARRAY[labels, labels] AS labels FROM data", "SELECT text, '{}'::text[] AS labels FROM data",
	"SELECT text, ARRAY[NULL, 'joy', '', 'joy'] AS labels FROM data", 'SELECT text, text AS labels FROM data',
	"SELECT text, ARRAY(SELECT 'l' || (id * 7 + g) FROM generate_series(1, 200) AS g) AS labels FROM data",
	"SELECT text, ARRAY(SELECT 'l' || g FROM generate_series(1, 70000) AS g) AS labels FROM data LIMIT 1",
	"SELECT text, ARRAY[repeat('x', 100000)] AS labels FROM data", 'SELECT text, text, labels, labels FROM data',
	"SELECT repeat(text, 20000) AS text, labels FROM data LIMIT 3", 'SELECT text, labels, 1 / (id - 7) AS id FROM data',
	"SELECT text, labels, 'NaN'::real AS weight, '-5' AS split FROM data", 'VALUES (1, 2)', "VALUES ('{\"text\": \"a\", \"labels\": [\"joy\"]}'), (NULL), ('[]')",
	'WITH x AS (SELECT * FROM data) SELECT * FROM x', 'TABLE data', 'file:/dev/null', 'file:/dev/zero', 'file:/etc', 'file:nowhere', 'file:/nonexistent',
	'pg_sleep(9)', 'SELECT * FROM nowhere', "SELECT '{\"a\":' || repeat('[', 1000) AS line", "SELECT text || E'\\t1,2\\tid' AS line FROM data");
my @columns = ('text', 'text', 'labels', 'scores', 'id', 'split', 'json', 'body');
my @odd_columns = ('nobody', '', '"', 'ctid', 'tableoid', 'xmin', 'Text', 'text; --', 'x' x 200, "\n");
my @labels = ('joy', 'calm', 'anger', 'sadness', 'love', 'grief');
my @odd_texts = (
	q(''), q(' '), q(E'\n'), q(E'\t\r\n'), q(E'\x01'), q('"'), q(''''), q('\\'), q('%s%n%d$1'), q('{}'), q('{"a": 1}'), q('NULL'), q('-'), q('0'),
	q('😀'), q('👩‍👩‍👧‍👦🏳️‍🌈'), q('<script>alert(1)</script>&amp;"'''), q(E'\U0010FFFF\uFFFE\uFEFF'), q(E'e\u0301\u0301\u0301\u0301'), q(E'\u202Eabc\u202C'),
	q(E'\u00A0\u2003\u3000'), q(repeat('a', 1000000)), q(repeat('😀', 100000)), q(repeat('happy ', 20000)), q(repeat(E'a\n', 50000)),
	q(repeat('"', 5000)), q(repeat('(', 10000)), q(repeat('http://a.b/ ', 3000)), q(repeat('@user #hashTag ', 3000)), q(repeat('''', 3000)),
	q(repeat(':-) ', 5000)), q(repeat(E'\u0301', 20000)), q(repeat('-', 70000)), q((SELECT string_agg(chr(i), '') FROM generate_series(1, 55000) AS i)));
my @plain_texts = map { literal($_) } ('I am so happy', 'quiet evening', 'I hate this!!', 'thank you', 'happy', 'no', 'sad sad sad', 'café at #nightFall @you http://x.y 😀 :-)');
my @integers = qw(0 1 2 3 5 10 100 -1 -2 1000 1001 65535 65536 1000000 2147483647 -2147483648);
my @floats = qw(0 0.5 1 0.7 0.25 -0.5 2 NaN Infinity -Infinity 1e-45 1e38 -1e38 -0);
my @doubles = (@floats, qw(5e-324 1.7976931348623157e308 9007199254740993 0.1));
my @intervals = ('1 hour', '1 second', '0', '-1 hour', '1 month -30 days', '178000000 years', '-178000000 years', '1 microsecond');
my @json = (
	'{}', '{}', '{}', 'null', 'true', '0', '"x"', '[]', '[{}]', '{"": 1}', '{"a": {"b": [1, 2, {"c": null}]}}', '{"joy": 3, "calm": 5}', '{"joy": -1}', '{"joy": 0}',
	'{"joy": 1e400}', '{"joy": "many"}', '{"joy": 9007199254740993, "calm": 1}', '{"joy": 0.5, "anger": 0.5}', '{"\u00e9\n\"": 1}', '{"train": 1}', '{"train": 0.5, "dev": 0.5}');
my @json_values = (
	'null', 'true', 'false', '0', '1', '-1', '2', '10', '0.5', '1.5', '-0.0', '1e-320', '1e308', '1e400', '2147483647', '2147483648', '-2147483649', '9223372036854775807',
	'18446744073709551616', '""', '"x"', '"text"', '"labels"', '"data"', '"new"', '"\u0001"', '"a\"b"', '"NaN"', '[]', '[1, 2, 3]', '[null]', '["joy"]', '["joy", "joy"]', '["a", 1]',
	'[1,2,3,4,5,6,7,8,9,10]', '[[1]]', '{}', '{"joy": 1}', '{"joy": null}', '{"joy": 2, "nobody": 0}', '[1e300]', '[-1, 0]', '"😀"');

sub chance { return rand() < $_[0] }

sub pick { return $_[ int rand @_ ] }

sub literal
{
	my ($string) = @_;

	return 'NULL' unless defined $string;
	$string =~ s/'/''/g;
	return "'$string'" unless $string =~ /\\/;
	return q(E') . $string =~ s/\\/\\\\/gr . q(');
}

# A value that a call may well succeed with, or undef when there is none to name.
sub fitting
{
	my ($type, $name, $function) = @_;

	return literal('new') if $name eq 'model' && $function =~ /^emotion_(?:train|import_huggingface)/;
	return literal(pick(@models)) if $name =~ /^(?:model|other)$/;
	return literal("SELECT id::text AS id, 'ann' AS annotator, labels FROM data") if $name eq 'source' && $function =~ /import_votes/;
	return literal($function =~ /import|generated/ ? 'line' : pick(@sources[ 0 .. 2 ], 'view', 'materialized')) if $name =~ /source$/;
	return literal('new') if $name eq 'target';
	return literal($1) if $name =~ /^(text|id)_column$/;
	return literal(pick('labels', 'scores', 'json')) if $name =~ /^(?:label|target)_column$/;
	return literal('data') if $type eq 'regclass';
	return literal('p') if $name eq 'project';
	return literal('ann') if $name eq 'annotator';
	return literal('joy') if $name eq 'label' || $name eq 'word';
	return literal('vec') if $name eq 'vectors' || $name eq 'name' && $function =~ /export_vectors|drop_vectors/;
	return literal($function =~ /vectors/ ? 'vec' : $function =~ /hugging/ ? 'hf' : 'model') if $name eq 'upload';
	return literal($ENV{FUZZ_FILES} . ($function =~ /vectors/ ? '/vec' : '/hf')) if $name eq 'path';
	return literal(pick('quota', 'ml_ros', 'ml_rus')) if $name eq 'strategy';
	return literal('new') if $name eq 'name';
	return literal(options($function)) if $type eq 'jsonb' && $name eq 'options' && $small{$function};
	return literal(pick('{}', '{}', options($function))) if $name eq 'options' && $type eq 'jsonb';
	return literal('{"train": 0.5, "dev": 0.5}') if $name eq 'fractions' && $type eq 'jsonb';
	return literal('{"joy": 3, "calm": 5}') if $type eq 'jsonb';
	return literal('{0.5,0.5}') if $name eq 'fractions';
	return literal('{a,b}') if $name eq 'names';
	return literal('{joy,calm}') . '::text[]' if $name =~ /^(?:labels|truth|votes)$/ && $type eq 'text[]';
	return literal('{joy,calm,anger,sadness}') . '::text[]' if $name eq 'labels' && $function eq 'emotion_metrics';
	return literal('{0.5,0.25,0.75,0}') . '::real[]' if $type eq 'real[]';
	return literal("{tiny\@1,tiny\@2}") . '::text[]' if $name eq 'models';
	return '(SELECT emotion_label_state(labels) FROM data)' if $type eq 'bytea' && $name eq 'state';
	return "(SELECT string_agg(data, '' ORDER BY part) FROM emotion_export('tiny\@1'))" if $type eq 'bytea';
	return pick(1, 2, 7, 10) . "::$type" if $type =~ /^(?:integer|bigint)$/;
	return literal(pick(0, 0.5, 0.9)) . "::$type" if $type =~ /^(?:real|double precision)$/;
	return literal('1 hour') . '::interval' if $type eq 'interval';
	return pick(@plain_texts) . "::$type" if $type eq 'text';
	return pick('100', literal('{"joy": 5}') . '::jsonb') if $type eq '"any"';
	return;
}

# Options out of the JSON that SQL holds: '{"seed": 7, "names": ["a"]}'.
sub harvest
{
	my ($sql) = @_;

	while ($sql =~ /'(\{"[^']*\})'/g)
	{
		my $json = $1;
		learn_option($1, $2)
		  while $json =~ /"([a-z_0-9]+)":\s*("[^"\\]*"|-?[0-9.]+(?:e-?[0-9]+)?|true|false|null|\[[^\[\]{}]*\]|\{[^\[\]{}]*\})/g;
	}
	return;
}

sub learn_option
{
	my ($name, $value, $function) = @_;

	$options_of{$function}{$name} = 1 if defined $function;
	$options{$name} //= [];
	push @{ $options{$name} }, $value if defined $value;
	return;
}

# An object of options; of a call that may take long, small ones first.
sub options
{
	my ($function) = @_;
	my @names = sort keys %{ $options_of{$function} && chance(0.8) ? $options_of{$function} : \%options };
	my @members;

	return $small{$function} ? "{$small{$function}}" : '{}' if chance(0.3);
	push @members, $small{$function} if $small{$function} && chance(0.95);
	for (1 .. 1 + int rand 3)
	{
		my $name = chance(0.97) ? pick(@names) : 'unknown option';
		my $value = chance(0.6) && @{ $options{$name} // [] } ? pick(@{ $options{$name} }) : pick(@json_values);

		push @members, "\"$name\": $value";
	}
	return '{' . join(', ', @members) . '}';
}

sub json
{
	my ($name, $function) = @_;

	return literal(options($function)) if $name eq 'options' && chance(0.9);
	return q((SELECT jsonb_object_agg('k' || i, i) FROM generate_series(1, 5000) AS i)) if chance(0.03);
	return q((repeat('[', 5000) || repeat(']', 5000))) if chance(0.03);
	return q(emotion_json('happy', 'tiny@1')) if chance(0.05);
	return literal(pick(@json));
}

# A valid model, state or file, or some of its bytes changed.
sub bytes
{
	my $valid = pick(
		q((SELECT string_agg(data, '' ORDER BY part) FROM emotion_export('tiny@1'))), q((SELECT string_agg(data, '' ORDER BY part) FROM emotion_export('both@1'))),
		q((SELECT emotion_label_state(labels) FROM data)), q((SELECT emotion_label_state(labels) FROM data)), q((SELECT emotion_label_state(ARRAY['joy', i::text]) FROM generate_series(1, 20) AS i)),
		q((SELECT string_agg(data, '' ORDER BY part) FROM emotion_export_vectors('vec'))));
	my $byte = int rand 256;
	my $place = pick(int rand 8, int rand 60, int rand 400, int rand 3000);

	return pick(q(''), q('\x00'), q('\xff'), q('\x7b7d'), q('\x456d4c6201'), q('\x456d4c6201ffffffff'), q('\x456d4c62010000000000000000ffffffff'), q(decode(repeat('ff', 100000), 'hex'))) if chance(0.1);
	return $valid if chance(0.2);
	return "substr($valid, 1, $place)" if chance(0.2);
	return "$valid || '\\x00'" if chance(0.1);
	return "(SELECT set_byte(v, $place % length(v), $byte) FROM (VALUES ($valid)) AS x (v))" if chance(0.7);
	return "(SELECT overlay(v PLACING '\\xffffffffffffffff' FROM 1 + $place % length(v)) FROM (VALUES ($valid)) AS x (v))";
}

sub random_text
{
	my $text = '';

	for (1 .. 1 + int rand 20)
	{
		my $code = pick(32 + int rand 95, 160 + int rand 0x500, 0x2000 + int rand 0x100, 0x1F300 + int rand 0x400, 0x4E00 + int rand 0x100);
		$text .= sprintf '\\U%08X', $code;
	}
	return "E'$text'";
}

sub text
{
	my ($name) = @_;

	return q(''::text) if chance(0.02);
	if ($name eq 'model' || $name eq 'other')
	{
		return literal(pick(@models)) if chance(0.85);
		return literal(pick('', '@', 'tiny@', '@1', 'tiny@0', 'tiny@-1', 'tiny@99999999999999999999', 'tiny@1@1', 'tiny@1 ', 'nobody@1', 'TINY@1', "tiny\n\@1", 'english', 'x' x 300));
	}
	if ($name =~ /source$/)
	{
		return literal(pick(@sources)) if chance(0.6);
		return literal(chance(0.5) ? pick(@odd_relations) : pick(@odd_sources));
	}
	return literal(pick('new', 'new', 'public.new', 'data', 'emotion.model', 'nowhere.new', 'new.x.y.z', '"', '""', 'pg_catalog.new', 'view', 'foreign_table', 'parted', 'imported', 'x' x 100)) if $name eq 'target' && chance(0.95);
	return literal(chance(0.8) ? pick(@columns) : pick(@odd_columns)) if $name =~ /column/;
	return literal(pick(@labels)) if $name eq 'label' && chance(0.7);
	return literal(pick('vec', 'vec', 'vec', 'nobody', '')) if $name eq 'vectors';
	return literal(pick('p', 'p', 'p', 'g', 'nobody', '')) if $name eq 'project' && chance(0.95);
	return literal(pick('ann', 'bob', 'cid', '', "o'neil")) if $name eq 'annotator' && chance(0.9);
	return literal(pick('model', 'broken', 'vec', 'hf', 'nothing', '')) if $name eq 'upload' && chance(0.9);
	return literal(pick('/nonexistent', '/dev/null', '/dev/zero', '/etc', '/', 'relative', '', $ENV{FUZZ_FILES} . '/hf', $ENV{FUZZ_FILES} . '/vec', '/proc/self/maps')) if $name eq 'path';
	return literal(pick('quota', 'ml_ros', 'lp_ros', 'ml_rus', 'lp_rus', 'remedial', 'mlsmote', 'mlenn', 'remedial, quota', 'ml_ros,ml_ros', ',', 'nothing')) if $name eq 'strategy';
	return literal(pick('bin', 'vec', 'safetensors', 'x', '')) if $name eq 'format';
	return literal(pick('tiny', 'new', 'both', 'vec', 'nobody', '', 'a@1', 'x' x 300, "a\nb", 'a b', 'a"b', '😀')) if $name eq 'name';
	return literal(pick('StartSel=<b>, StopSel=</b>', 'MaxWords=1', 'MaxWords=0', 'MaxWords=-1', 'MinWeight=2', 'x=y', '=', ',,,', 'StartSel="', 'MaxWords=99999999999')) if $name eq 'options';
	return pick(@plain_texts) if chance(0.45);
	return random_text() if chance(0.3);
	return pick(@odd_texts);
}

# "ARRAY[...]", of one dimension as a rule.
sub array
{
	my ($type, $name, $function) = @_;
	my $element = substr $type, 0, -2;
	my ($few, @elements) = 1 + int rand 7;

	return "'{}'" if chance(0.05);
	return q(ARRAY(SELECT CASE WHEN i % 1000 = 7 THEN NULL ELSE 'l' || i END FROM generate_series(1, 20000) AS i)) if $element eq 'text' && chance(0.02);
	return q(ARRAY(SELECT 'l' || i FROM generate_series(1, 10000) AS i)) if $element eq 'text' && chance(0.02);
	return q(ARRAY(SELECT 0.5 FROM generate_series(1, 10000) AS i)) if $element =~ /^real|double/ && chance(0.03);
	return literal(pick('[0:1]={0.5,0.5}', '[-2147483648:-2147483647]={0.5,1}', '[2147483646:2147483647]={1,0}')) if $element ne 'text' && chance(0.03);
	return literal('[-5:-3]={joy,calm,anger}') if $element eq 'text' && chance(0.03);
	return q(emotion_scores('happy', 'tiny@1')) if $element eq 'real' && chance(0.2);
	return q(emotion_label_names('tiny@1')) if $element eq 'text' && chance(0.1);
	return q(emotion_labels('happy', 'tiny@1')) if $element eq 'text' && chance(0.1);
	if ($name eq 'state' && $type eq 'double precision[]' && chance(0.7))
	{
		# emotion_avg's: rows, inexact, sums and what they lack
		my @state = (pick(0, 1, 3, 3, 7, -1, 'NaN', 9007199254740992), pick(0, 0, 1, 0.5), map { pick(0, 0.5, 1, 1e308, '-Infinity', 1e-300) } 1 .. pick(2, 4, 6, 7));
		return literal('{' . join(',', @state) . '}');
	}
	for (1 .. $few)
	{
		push @elements, chance(0.04) ? 'NULL' : $element eq 'text' && chance(0.7) ? literal(pick($name eq 'models' ? @models : @labels)) : argument($element, '', $function, 1);
	}
	return 'ARRAY[[' . join(', ', @elements) . ']]' if chance(0.03);
	return 'ARRAY[' . join(', ', @elements) . ']';
}

# An expression of a type, for the argument of a name; composites: type => [ [ name, type ], ... ].
sub argument
{
	my ($type, $name, $function, $nested, $composites) = @_;
	my $value;

	return "NULL::$type" if !$nested && chance(0.05);
	$value =
		$type eq 'text' ? text($name)
	  : $type eq 'name' ? literal(chance(0.8) ? pick(@columns) : pick(@odd_columns))
	  : $type eq 'jsonb' ? json($name, $function)
	  : $type eq 'bytea' ? bytes()
	  : $type =~ /\[\]$/ ? array($type, $name, $function)
	  : $type =~ /^(?:integer|bigint)$/ ? pick($type eq 'bigint' ? ('9223372036854775807', '-9223372036854775808') : (), @integers[ 0 .. 6 ], @integers)
	  : $type eq 'real' ? literal(pick(@floats))
	  : $type eq 'double precision' ? literal(pick(@doubles))
	  : $type eq 'boolean' ? pick(qw(true false))
	  : $type eq 'interval' ? literal(pick(@intervals))
	  : $type eq 'regclass' ? literal(chance(0.6) ? 'data' : pick(grep { $_ ne 'dropped' } @odd_relations))
	  : $type eq 'regrole' ? literal(pick('somebody', 'postgres', 'pg_monitor'))
	  : $type eq 'internal' ? 'NULL'
	  : $type eq '"any"' ? return argument(pick('integer', 'integer', 'jsonb', 'jsonb', 'text', 'real', 'text[]', 'bytea', 'interval', 'boolean', 'double precision'), '', $function, 1)
	  : $composites->{$type} ? 'ROW(' . join(', ', map { argument($_->[1], '', $function) } @{ $composites->{$type} }) . ')'
	  : 'NULL';
	return $type eq '"char"' || $type eq 'internal' ? $value : "($value)::$type";
}

1;
