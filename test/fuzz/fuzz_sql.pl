# Every function, procedure, aggregate and view of the extension, called from SQL with random, null,
# extreme and mutually inconsistent arguments. What is called stands in the catalogue, so that what
# is new is called, too. No call may end the server, answer with an internal error or without a
# SQLSTATE that fits, outlive a timeout, leave a file, or keep the session's memory.
#
# FUZZ_SECONDS: how long; FUZZ_SEED: which calls (1); FUZZ_KEEP: a file that all calls are written to.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin, "$FindBin::RealBin/../t";
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SqlValues;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{FUZZ_SECONDS} // 4;
my $round_calls = 200;
my $timeout = 500;     # ms
my $late = 4000;       # ms more: the machine may have other work
my $most_held = 100e6;    # bytes of a session between two calls: its caches of plans, models and words
my $work = PostgreSQL::Test::Utils::tempdir();
$ENV{FUZZ_FILES} = $work;

my $node = PostgreSQL::Test::Cluster->new('fuzz');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', <<"EOF_CONF");
restart_after_crash = off
fsync = off
autovacuum = off
max_wal_size = 4GB
log_min_messages = error
log_statement = none
log_min_error_statement = panic
temp_file_limit = 1GB
EOF_CONF
$node->start;

# --- what calls find: every kind of relation, models, vectors, a project
my $tiny = tiny_model();
my $model = "decode('$tiny', 'hex')";
mkdir "$work/hf";
system('cp', '-r', glob("$FindBin::RealBin/../reference/huggingface/multi/*"), "$work/hf") == 0 or die 'no checkpoint';
system('cp', "$FindBin::RealBin/corpus/vectors/plain.vec", "$work/vec") == 0 or die 'no vectors';
chmod 0755, $work, "$work/hf";
$node->safe_psql('postgres', 'CREATE DATABASE template_fuzz');
$node->safe_psql('template_fuzz', <<"EOF_SQL");
SET client_min_messages = error;
CREATE EXTENSION emotion;
CREATE ROLE somebody;
SELECT emotion_import('tiny', $model), emotion_import('tiny', $model);
SELECT emotion_deploy('tiny\@1'), emotion_deploy('tiny\@2');
SELECT emotion_ensemble('both', ARRAY['tiny\@1', 'tiny\@2'], '{1, 3}');
CALL emotion_import_huggingface('hf', '$work/hf');
CALL emotion_import_vectors('vec', '$work/vec');
INSERT INTO emotion.import_part VALUES ('model', 1, $model), ('broken', 1, substr($model, 1, 2000)), ('vec', 1, convert_to(E'1 2\\nword 0.5 1\\n', 'UTF8'));
INSERT INTO emotion.import_part SELECT 'hf/' || name, 1, pg_read_binary_file('$work/hf/' || name) FROM unnest(ARRAY['config.json', 'tokenizer.json', 'model.safetensors']) AS name;
CREATE TABLE data (id int PRIMARY KEY, text text, labels text[], scores real[], split text, json jsonb, body bytea, source text);
INSERT INTO data SELECT i, (ARRAY['I am so happy', 'quiet evening', 'I hate this!!', 'sad ' || i, 'thank you ' || i, '😀', '', '<b>']) [1 + i % 8],
	(ARRAY['{joy}', '{calm}', '{anger,sadness}', '{sadness}', '{joy,anger}', '{}', '{joy}', '{calm}']::text[][]) [1 + i % 8]::text[], ARRAY[i % 3 / 2.0, i % 7 / 7.0, 0.5, 1], (ARRAY['train', 'dev', 'test'])[1 + i % 3], '{}', '\\x00ff', NULL
	FROM generate_series(1, 90) AS i;
CALL emotion_train('hostile', 'SELECT text, CASE id % 4 WHEN 0 THEN ARRAY[''<script>"&'''''', E''\\n''] WHEN 1 THEN ARRAY[''😀''] WHEN 2 THEN ARRAY[repeat(''x'', 256), ''"''] ELSE ARRAY[''a,b{}'', '' ''] END AS labels FROM data WHERE text <> ''''',
	'{"epochs": 1, "embedding_dim": 4, "filters": 4, "hidden": 4, "attention": 4, "min_count": 1}');
SELECT emotion_annotation_project('p', 2, '{joy,calm,anger}'), emotion_annotation_project('g', 1);
SELECT emotion_annotation_add('p', 'data', 'text', 'labels', 'id');
SELECT emotion_annotation_next('p', 'ann', 5);
CREATE TABLE "odd ""name" ("text" text, "la""bels" text[], labels text[]);
INSERT INTO "odd ""name" VALUES ('happy', '{joy}', '{joy}');
CREATE TABLE no_columns ();
CREATE TABLE empty (text text, labels text[], scores real[], id int);
CREATE VIEW view AS SELECT * FROM data;
CREATE MATERIALIZED VIEW materialized AS SELECT * FROM data;
CREATE TABLE parted (id int, text text, labels text[]) PARTITION BY LIST (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1, 2);
CREATE TABLE parted_2 PARTITION OF parted DEFAULT;
INSERT INTO parted SELECT id, text, labels FROM data;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE foreign_table (text text, labels text[]) SERVER nowhere;
CREATE SEQUENCE a_sequence;
CREATE TYPE a_type AS (text text, labels text[]);
CREATE DOMAIN some_text AS text CHECK (length(VALUE) < 50);
CREATE TABLE domains (id int PRIMARY KEY, text some_text, labels some_text[], scores real[]);
INSERT INTO domains SELECT id, text, labels FROM data;
CREATE TABLE with_dropped (gone int, text text, gone_too int, labels text[]);
ALTER TABLE with_dropped DROP gone, DROP gone_too;
INSERT INTO with_dropped SELECT text, labels FROM data;
CREATE TABLE generated (id int PRIMARY KEY, text text, labels text[] GENERATED ALWAYS AS (emotion_labels(text, 'tiny\@1')) STORED);
INSERT INTO generated SELECT id, text FROM data;
CREATE TABLE secured AS SELECT * FROM data;
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE TABLE raising (id int PRIMARY KEY, text text, labels text[]);
INSERT INTO raising SELECT id, text FROM data;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no'' USING ERRCODE = ''23514''; END';
CREATE TRIGGER refuse BEFORE UPDATE OR INSERT ON raising FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TABLE arrays (text text[], labels text, scores text, id int[]);
INSERT INTO arrays VALUES ('{a}', 'joy', '1', '{1}');
CREATE TABLE line (number int, line text);
INSERT INTO line VALUES (1, '{"text": "a", "labels": ["joy"]}'), (2, 'text' || E'\\t' || '1,2' || E'\\t' || 'id'), (3, '"4","1","d","q","u","text"'), (4, NULL), (5, 'text,labels');
DO 'BEGIN EXECUTE (SELECT ''CREATE TABLE wide ('' || string_agg(''c'' || i || '' text'', '','') || '')'' FROM generate_series(1, 1500) AS i); END';
ANALYZE;

-- Many values changed at random, in one statement each.
CREATE TABLE seed (kind text, bytes bytea);
INSERT INTO seed SELECT 'state', emotion_label_state(labels) FROM data UNION ALL SELECT 'state', emotion_label_state(ARRAY[id::text, 'é']) FROM data WHERE id < 5
	UNION ALL SELECT 'state', emotion_label_state(labels) FROM data WHERE id < 0;
INSERT INTO seed SELECT 'line', convert_to(line, 'UTF8') FROM (VALUES ('a text' || E'\\t' || '1,2' || E'\\t' || 'id'), ('"4","1","date","query","user","text ""q"" é"'), ('"a","joy,calm"'), ('text,labels,id,source,split'),
	('{"text": "a \\u00e9 \\ud83d\\ude00", "labels": ["joy", 1, "calm"], "id": 7, "source": null, "more": {"a": [1, {"b": 2e5}]}}'), ('{"text": "x", "labels": "joy,calm"}'), ('"multi'), ('line"'), ('')) AS v (line);
CREATE FUNCTION changed(of text, seed int, n int) RETURNS SETOF bytea LANGUAGE plpgsql AS \$\$
DECLARE
	b bytea;
BEGIN
	PERFORM setseed(seed / 1e6);
	FOR i IN 1 .. n LOOP
		b := (SELECT bytes FROM seed WHERE kind = of ORDER BY random() LIMIT 1);
		FOR j IN 1 .. (random() * 4)::int LOOP
			EXIT WHEN length(b) = 0;
			b := CASE (random() * 5)::int
				WHEN 0 THEN substr(b, 1, (random() * length(b))::int)
				WHEN 1 THEN b || substr(b, (random() * length(b))::int)
				WHEN 2 THEN overlay(b PLACING decode(lpad(to_hex((random() * 2147483647)::int), 8, '0'), 'hex') FROM (random() * length(b))::int + 1)
				WHEN 3 THEN overlay(b PLACING (ARRAY['\\xffffffff', '\\x00000000', '\\x7fffffffffffffff', '\\x22', '\\x2c', '\\x5c75', '\\x0d', '\\xefbbbf']::bytea[])[(random() * 7)::int + 1] FROM (random() * length(b))::int + 1 FOR (random() * 3)::int)
				ELSE set_byte(b, (random() * (length(b) - 1))::int, (random() * 255)::int) END;
		END LOOP;
		RETURN NEXT b;
	END LOOP;
END \$\$;
-- A state is refused as corrupt, or it is one that comes back from itself the same.
CREATE FUNCTION try_states(seed int, n int) RETURNS int LANGUAGE plpgsql AS \$\$
DECLARE
	b bytea;
	taken int := 0;
BEGIN
	FOR b IN SELECT * FROM changed('state', seed, n) LOOP
		BEGIN
			IF (SELECT emotion_label_counts(s) FROM (SELECT emotion_label_state(b)) AS x (s)) <> emotion_label_counts(b) THEN
				RAISE EXCEPTION 'a state is not what it becomes: %', b;
			END IF;
			PERFORM emotion_label_stats(b), emotion_cooccurrence(b), emotion_label_counts(s) FROM (VALUES (b), (b), ((SELECT bytes FROM seed WHERE kind = 'state' LIMIT 1))) AS v (s);
			taken := taken + 1;
		EXCEPTION WHEN data_corrupted OR program_limit_exceeded OR numeric_value_out_of_range THEN
			NULL;
		END;
	END LOOP;
	RETURN taken;
END \$\$;
CREATE FUNCTION try_lines(function text, seed int, n int, options jsonb) RETURNS bigint LANGUAGE plpgsql AS \$\$
DECLARE
	counts record;
BEGIN
	EXECUTE format('SELECT * FROM %I(''imported'', %L, %L)', function, format('SELECT b AS line FROM changed(''line'', %s, %s) AS b', seed, n), options) INTO counts;
	IF counts.lines <> counts.imported + counts.refused + counts.other OR counts.lines < n THEN
		RAISE EXCEPTION 'lines are lost: %', counts;
	END IF;
	RETURN counts.imported;
END \$\$;
EOF_SQL

# --- what there is to call
my @calls;
foreach my $row (split /\n/, $node->safe_psql('template_fuzz', <<'EOF_SQL'))
SELECT p.oid, n.nspname, p.proname, p.prokind, p.proretset, coalesce(array_to_string(p.proargnames, ','), ''),
	coalesce(array_to_string(p.proargmodes, ','), ''), coalesce((SELECT string_agg(format_type(t, NULL), ';' ORDER BY o) FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, o)), ''),
	p.pronargdefaults, format_type(p.prorettype, NULL)
FROM pg_depend d JOIN pg_proc p ON d.objid = p.oid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'emotion')
ORDER BY n.nspname, p.proname, p.oid::regprocedure::text
EOF_SQL
{
	my (undef, $schema, $name, $kind, $set, $names, $modes, $types, $defaults, $result) = split /\|/, $row, -1;
	my @names = split /,/, $names, -1;
	my @modes = split /,/, $modes, -1;
	my @types = split /;/, $types;
	my @in = @modes ? grep { $modes[$_] =~ /[ibv]/ } 0 .. $#modes : 0 .. $#types;

	# there are no values of type internal: the server refuses such calls by itself
	next if $types =~ /\binternal\b/;
	push @calls, { schema => $schema, name => $name, kind => $kind, set => $set eq 't', result => $result,
		defaults => $defaults, arguments => [ map { [ $names[ $in[$_] ] // '', $types[$_] ] } 0 .. $#types ] };
}
my @views = split /\n/, $node->safe_psql('template_fuzz', <<'EOF_SQL');
SELECT c.oid::regclass FROM pg_depend d JOIN pg_class c ON d.objid = c.oid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'emotion') AND c.relkind IN ('v', 'r') ORDER BY 1
EOF_SQL
my %composites;
foreach my $row (split /\n/, $node->safe_psql('template_fuzz', <<'EOF_SQL'))
SELECT format_type(t.oid, NULL), a.attname, format_type(a.atttypid, NULL) FROM pg_depend d JOIN pg_type t ON d.objid = t.oid JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0
WHERE d.classid = 'pg_type'::regclass AND d.refclassid = 'pg_extension'::regclass AND t.typtype = 'c' ORDER BY t.typname, a.attnum
EOF_SQL
{
	my ($type, $name, $column_type) = split /\|/, $row;
	push @{ $composites{$type} }, [ $name, $column_type ];
}

# Options: of what users are shown, of the lists, of the hints to who names a wrong one.
harvest(slurp_file($_)) foreach grep { -r } glob("$FindBin::RealBin/../../README.md $FindBin::RealBin/../../sql/*.sql");
foreach my $function (qw(emotion_train emotion_train_vectors))
{
	learn_option($_, undef, $function) foreach split /\n/, $node->safe_psql('template_fuzz', "SELECT name FROM ${function}_options()");
}
foreach my $call (grep { grep { $_->[0] eq 'options' && $_->[1] eq 'jsonb' } @{ $_->{arguments} } } @calls)
{
	my @values = map { $_->[0] eq 'options' ? q('{"?": 1}') : $_->[1] eq 'jsonb' ? q('{"train": 1}') : $_->[1] eq 'text' ? $_->[0] eq 'model' || $_->[0] eq 'other' ? q('tiny@1') : q('data') : "NULL::$_->[1]" } @{ $call->{arguments} };
	my (undef, undef, $error) = $node->psql('template_fuzz', ($call->{kind} eq 'p' ? 'CALL ' : 'SELECT ') . "$call->{name}(" . join(', ', @values) . ')');

	next unless $error =~ /HINT:\s+(.*)/;
	learn_option($_, undef, $call->{name}) foreach grep { !/^(?:are|and|of|a|the|they|by|as|in|lists|options)$/ } $1 =~ /\b([a-z]+(?:_[a-z]+)*)\b/g;
}

# --- calls
sub one_call
{
	my ($call) = @_;
	my $function = $call->{schema} eq 'public' ? $call->{name} : "$call->{schema}.$call->{name}";
	my @arguments = @{ $call->{arguments} };
	my $hostile = pick(0, 1, 1, 1, 1, 2, 9);    # arguments at most; 9: all
	my $value = sub {
		my ($name, $type) = @{ $_[0] };
		my $fitting = $hostile < 9 && rand() * (@arguments + 1) > $hostile ? fitting($type, $name, $call->{name}) : undef;
		return $fitting // argument($type, $name, $call->{name}, 0, \%composites);
	};
	my @values;

	# without options a training is not a short one
	pop @arguments for 1 .. int rand($call->{name} =~ /train/ && $call->{kind} eq 'p' ? 1 : $call->{defaults} + 1);
	if ($call->{kind} eq 'a')
	{
		my @rows = map { '(' . join(', ', map { $value->($_) } @arguments) . ')' } 1 .. 1 + int rand 5;
		my $columns = join ', ', map { "c$_" } 1 .. @arguments;
		my $over = chance(0.3) ? ' OVER (ORDER BY i ROWS BETWEEN ' . pick('1 PRECEDING', 'UNBOUNDED PRECEDING', '2 PRECEDING') . ' AND ' . pick('CURRENT ROW', '1 FOLLOWING') . ')' : '';
		my $distinct = !$over && chance(0.1) ? 'DISTINCT ' : '';

		return "SELECT $function($distinct$columns)$over FROM (SELECT row_number() OVER () AS i, * FROM (VALUES " . join(', ', @rows) . ") AS v ($columns)) AS x";
	}
	@values = map { $value->($_) } @arguments;
	return "CALL $function(" . join(', ', @values) . ')' if $call->{kind} eq 'p';
	# a text from rows: then the planner may score in batches
	if (@values && $call->{arguments}[0][0] eq 'body' && chance(0.3))
	{
		$values[0] = pick('text', 'text', 'upper(text)', "text || labels[1]", 'split', "repeat(text, id)", 'nullif(text, \'\')');
		return "SELECT " . ($call->{set} ? "(x).*" : 'x') . " FROM (SELECT $function(" . join(', ', @values) . ") AS x FROM " . pick('data', 'parted', 'domains', 'view') . pick('', ' WHERE id > 5', ' ORDER BY 1 LIMIT 3', ' TABLESAMPLE SYSTEM (50)') . ") AS y"
		  if !$call->{set};
	}
	return ($call->{set} ? 'SELECT * FROM ' : 'SELECT ') . "$function(" . join(', ', @values) . ')';
}

sub many_changed
{
	my $seed = int rand 1e6;

	return "SELECT try_states($seed, 200)" if chance(0.5);
	return 'SELECT try_lines(' . literal(pick(map { "emotion_import_$_" } qw(goemotions sentiment140 csv jsonl))) . ", $seed, 300, " . literal(pick('{}', '{"allow_unlabelled": true}', '{"columns": ["text", "labels"]}', '{"columns": ["text", "labels"], "multiline": false}',
		'{"columns": ["a", "text", "labels"], "delimiter": "\\t", "quote": ""}', '{"encoding": "LATIN1"}', '{"labels": ["joy", "calm"], "label_separator": " "}')) . ')';
}

# Bytes in the tables that only their owner may write: parts of models, of vectors, of trainings.
sub corruption
{
	my $table = pick('model_part', 'vectors_part', 'training_checkpoint', 'vectors_checkpoint', 'model', 'vectors', 'import_part');
	my $byte = int rand 256;

	return "ALTER TABLE emotion.$table DISABLE TRIGGER USER;\n"
	  . ($table eq 'model' ? pick('UPDATE emotion.model SET parts = parts + 1', "UPDATE emotion.model SET labels = labels || 'more'::text", "UPDATE emotion.model SET thresholds = '{}'", 'UPDATE emotion.model SET size = size + 1', "UPDATE emotion.model SET configuration = '[]'")
		: $table eq 'vectors' ? pick('UPDATE emotion.vectors SET dim = dim + 1', 'UPDATE emotion.vectors SET size = 1')
		: "UPDATE emotion.$table SET data = " . pick("set_byte(data, (random() * (length(data) - 1))::int, $byte)", 'substr(data, 1, length(data) / 2)', "data || '\\x00'", "''", 'overlay(data PLACING \'\xffffffffffffffff\' FROM 1)')) . pick('', " WHERE name = 'tiny'")
	  . ";\n\\c\nSET client_min_messages = error;\nSET statement_timeout = $timeout";
}

my %seen;    # of calls: how often, how often they succeeded
my @findings;
my ($total, $succeeded, $slowest, $rounds, $held) = (0, 0, 0, 0, 0);
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');
my %states;
my $begin = time;
my $turn = 0;
srand($ENV{FUZZ_SEED} // 1);
my @order = sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } @calls;

sub finding
{
	push @findings, $_[0];
	diag($_[0]);
}

while (time - $begin < $seconds && @findings < 20)
{
	my (@statements, @lines);
	my $script = "$work/round.sql";
	my $line = 1;

	$rounds++;
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS fuzz') if $rounds > 1;
	$node->safe_psql('postgres', 'CREATE DATABASE fuzz TEMPLATE template_fuzz');
	open(my $file, '>:raw', $script) or die $!;
	my $print = sub { print $file $_[0]; $line += $_[0] =~ tr/\n// };
	$print->("\\set VERBOSITY verbose\n\\timing on\n\\o /dev/null\nSET client_min_messages = error;\nSET statement_timeout = $timeout;\nSET lock_timeout = $timeout;\nCREATE TEMP TABLE temporary AS SELECT * FROM data;\n"
		. "CREATE TABLE dropped (text text, labels text[]);\nDROP TABLE dropped;\n");
	$print->("SET force_parallel_mode = on;\nSET parallel_setup_cost = 0;\nSET min_parallel_table_scan_size = 0;\n") if chance(0.2);
	$print->("SET emotion.batch_rows = " . pick(0, 1, 2, 100000) . ";\n") if chance(0.3);
	$print->("SET work_mem = '64kB';\nSET maintenance_work_mem = '1MB';\n") if chance(0.2);
	$print->("SET ROLE somebody;\n") if chance(0.05);
	for my $number (0 .. $round_calls - 1)
	{
		my ($call, $sql);

		if (chance(0.005)) { $sql = corruption() }
		elsif (chance(0.02)) { $sql = many_changed() }
		elsif (chance(0.02)) { $sql = 'SELECT * FROM ' . pick(@views) }
		else
		{
			$call = $order[ $turn++ % @order ][1];
			$sql = one_call($call);
		}
		my $wrapped = chance($sql =~ /emotion_drop/ ? 0.9 : 0.5) && $sql !~ /^CALL|\\c/;
		push @statements, [ $call, $sql ];
		$print->("\\echo \@ $number\n" . ($wrapped ? "BEGIN;\n" : ''));
		push @lines, $line;
		$print->("$sql;\n\\echo = :SQLSTATE\n" . ($wrapped ? "ROLLBACK;\n" : ''));
	}
	# after all of it a session holds little
	$print->("RESET ROLE;\nSELECT sum(total_bytes) AS held, count(*) AS contexts FROM pg_backend_memory_contexts \\gset\n\\echo & :held :contexts\n") if $version >= 140000;
	$print->("\\echo \@ end\n");
	close $file;
	system("cat $script >> $ENV{FUZZ_KEEP}") if $ENV{FUZZ_KEEP};

	my ($out, $err) = ('', '');
	my $status = IPC::Run::run([ 'psql', '-XqAt', '-d', $node->connstr('fuzz'), '-f', $script ], '>', \$out, '2>', \$err) ? 0 : $? >> 8;
	my $current = -1;
	foreach my $answer (split /\n/, $out)
	{
		if ($answer =~ /^@ (\w+)$/) { $current = $1 }
		elsif ($answer =~ /^= (\w{5})$/)
		{
			my $call = $statements[$current][0];

			$total++;
			$states{$1}++;
			$succeeded++ if $1 eq '00000';
			next unless $call;
			$seen{ $call->{name} }[0]++;
			$seen{ $call->{name} }[1] += $1 eq '00000';
		}
		elsif ($answer =~ /^& (\d+) (\d+)$/)
		{
			$held = $1 if $1 > $held;
			finding("a session holds $1 bytes in $2 contexts after round $rounds") if $1 > $most_held || $2 > 2000;
		}
		elsif ($answer =~ /^Time: ([0-9.]+) ms/)
		{
			my $took = $1;

			$slowest = $took if $took > $slowest;
			finding("$took ms in spite of a timeout of $timeout: $statements[$current][1]") if $took > $timeout + $late && $current =~ /^\d/;
		}
	}
	while ($err =~ /^psql:[^:\n]*:(\d+): ERROR:  (\w{5}): ([^\n]*)/mg)
	{
		my ($at, $state, $message) = ($1, $2, $3);
		my ($number) = grep { $lines[$_] <= $at && ($_ == $#lines || $lines[ $_ + 1 ] > $at) } 0 .. $#lines;

		# XX000: internal error; P0001: raised without a code
		next unless $state eq 'XX000' || $state eq 'P0001' || $message eq '';
		finding("$state: $message: " . (defined $number ? $statements[$number][1] : 'before the first call'));
	}
	if ($status != 0 || $current ne 'end')
	{
		finding("the server or its session ended (psql says $status) in: " . ($current =~ /^\d+$/ ? $statements[$current][1] : '?') . "\n" . substr($err, -2000));
		last;
	}
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = 'fuzz'")
	  or finding("a session does not end after round $rounds");
	my $files = $node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()');
	finding("$files temporary files are left after round $rounds") if $files;
}

diag(sprintf '%d calls in %d rounds, %d succeeded, %d different SQLSTATEs, slowest %.0f ms, most held by a session %.1f MB', $total, $rounds, $succeeded, scalar keys %states, $slowest, $held / 1e6);
if ($ENV{FUZZ_KEEP})
{
	diag("$_: $states{$_}") foreach sort keys %states;
	diag("$_: $seen{$_}[0] calls, $seen{$_}[1] succeeded") foreach sort keys %seen;
}
is(scalar @findings, 0, "$total calls with hostile arguments, each handled");
cmp_ok($succeeded, '>', $total / 5, 'a good part of them comes far enough to succeed');
SKIP:
{
	skip 'too few calls to have called everything', 1 if $total < 2 * @calls || @findings;
	is(join(' ', grep { !$seen{$_} } map { $_->{name} } @calls), '', 'every function was called');
}
is($node->safe_psql('template_fuzz', "SELECT emotion_labels('happy', 'tiny\@1')"), '{joy}', 'and the server scores on');
$node->stop('fast');
done_testing();
