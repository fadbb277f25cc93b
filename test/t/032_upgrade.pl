# ALTER EXTENSION UPDATE leads from every released version to what CREATE EXTENSION makes, object by
# object, and loses nothing; a dump of one version is restored where another is installed.
#
# Released install scripts stand in sql/released/emotion--VERSION.sql, where they are kept for this test,
# and update scripts in sql/emotion--FROM--TO.sql: both are found by their names. As a newer version than
# the latest always has to be thought out, one is made up here, and so are its mistakes.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($current) = slurp_file('emotion.control') =~ /^default_version *= *'(.*)'/m;
my ($installation, $extensions) = new_installation();
my $script = slurp_file("$extensions/emotion--$current.sql");

sub write_file
{
	my ($path, $text) = @_;

	unlink $path;
	open(my $file, '>', $path) or die "$path: $!";
	print $file $text;
	close($file);
	return;
}

# ------------------------------------------------------------------ the version to come
# In the script of a fresh installation, and in the update: columns, a table, functions, privileges.

my $next = '999.0';
my $more = q{
CREATE TABLE emotion.reviewer (
	reviewer pg_catalog.text COLLATE "C" NOT NULL,
	CONSTRAINT reviewer_pkey PRIMARY KEY (reviewer)
);
COMMENT ON TABLE emotion.reviewer IS 'who read it';
CREATE FUNCTION @extschema@.emotion_reviewers() RETURNS pg_catalog.int8
	LANGUAGE sql STABLE AS 'SELECT pg_catalog.count(*) FROM emotion.reviewer';
COMMENT ON FUNCTION @extschema@.emotion_reviewers() IS 'how many read it';
SELECT pg_catalog.pg_extension_config_dump('emotion.reviewer', '');
GRANT SELECT ON emotion.reviewer TO PUBLIC;
ALTER TABLE emotion.reviewer OWNER TO @extowner@;
COMMENT ON COLUMN emotion.deployment.note IS 'why';
COMMENT ON COLUMN emotion.model.stage IS 'how far it has come';
COMMENT ON FUNCTION @extschema@.emotion_rollback(pg_catalog.text) IS 'withdraw a deployment';
};
my $update = q{
ALTER TABLE emotion.deployment ADD COLUMN note pg_catalog.text DEFAULT 'none';
ALTER TABLE emotion.model ADD COLUMN stage pg_catalog.text NOT NULL DEFAULT 'tested';
} . $more;
my $fresh = $script;
$fresh =~ s/(CREATE TABLE emotion\.deployment \(.*?deployed_by [^\n]*,\n)/$1\tnote pg_catalog.text DEFAULT 'none',\n/s or die 'emotion.deployment';
$fresh =~ s/(CREATE TABLE emotion\.model \(.*?created_by [^\n]*,\n)/$1\tstage pg_catalog.text NOT NULL DEFAULT 'tested',\n/s or die 'emotion.model';
write_file("$extensions/emotion--$next.sql", $fresh . $more);
write_file("$extensions/emotion--$current--$next.sql", $update);

# ------------------------------------------------------------------------ released versions

my @released;
foreach my $file (sort glob 'sql/released/emotion--*.sql')
{
	my ($version) = $file =~ /emotion--(.*)\.sql$/;

	# That of a version that is installed is its own: it has not changed since.
	if ($version eq $current)
	{
		is(slurp_file($file), $script, "what was released as $version is what is installed as $version");
		next;
	}
	push @released, $version;
	write_file("$extensions/emotion--$version.sql", slurp_file($file));
}
foreach my $file (sort glob 'sql/emotion--*--*.sql')
{
	my ($name, $from) = $file =~ m{((?:emotion)--(.*)--.*)\.sql$};

	ok(-e "$extensions/$name.sql", "$name is installed");
	ok((grep { $_ eq $from } @released), "$name begins at a version whose script is in sql/released");
}

my $node = PostgreSQL::Test::Cluster->new('upgrade', install_path => $installation);
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlog_min_messages = warning\nfsync = off\n");
$node->start;

# Whose objects are whose shows where it is not a superuser who creates the extension.
$node->safe_psql('postgres', 'CREATE ROLE keeper LOGIN; GRANT pg_read_server_files TO keeper');
sub create_extension
{
	my ($name, $version) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name OWNER keeper");
	$node->safe_psql($name, "CREATE EXTENSION emotion VERSION '$version'", extra_params => [ '-U', 'keeper' ]);
	return;
}

# A database of users: models of both families, deployments, and what else they leave in tables.
sub make_database
{
	my ($name, $version) = @_;
	my $directory = File::Spec->rel2abs('test/reference/huggingface/multi');

	create_extension($name, $version);
	import_tiny($node, $name, 'tiny');
	import_tiny($node, $name, 'tiny');
	$node->safe_psql($name, qq{
		SELECT emotion_rollback('tiny');
		SELECT emotion_drop_model('tiny\@2');
		CALL emotion_import_huggingface('hf', '$directory')});
	$node->safe_psql($name, q{
		SELECT emotion_annotation_project('p', 1, '{joy,calm}');
		SELECT * FROM emotion_import_jsonl('written', $$VALUES ('{"text": "happy", "labels": ["joy"]}'), ('?')$$);
		CREATE TABLE post (id int PRIMARY KEY, body text);
		INSERT INTO post VALUES (1, 'evening'), (2, 'happy'), (3, 'I hate this!!'), (4, NULL)}, extra_params => [ '-U', 'keeper' ]);
	return;
}
my %ask = (
	'models' => q{SELECT name, version, sha256, deployed, bundled, lineage, CASE WHEN NOT bundled THEN created_at END FROM emotion_models ORDER BY 1, 2},
	'dropped models' => q{SELECT * FROM emotion.dropped_model ORDER BY 1, 2},
	'deployments' => q{SELECT id, name, version, withdrawn_at, deployed_at, deployed_by FROM emotion.deployment WHERE NOT bundled ORDER BY id},
	'projects' => q{SELECT project, labels, created_at FROM emotion.annotation_project},
	'imports' => q{SELECT l.*, e.line, e.reason FROM emotion.import_log AS l JOIN emotion.import_error AS e USING (import)},
	'scores' => q{SELECT id, emotion_scores(body), emotion_scores(body, 'hf@1'), emotion_scores(body, 'english@1'), emotion_labels(body, 'tiny@1') FROM post ORDER BY id});
my @asked = sort keys %ask;
sub answers
{
	my ($server, $database) = @_;
	return map { $_ => $server->safe_psql($database, $ask{$_}) } @asked;
}

# Objects of a fresh installation of each version.
my %objects;
foreach my $version ($next, $current)
{
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS fresh');
	create_extension('fresh', $version);
	($objects{$version}) = extension_objects($node, 'fresh', '');
}
cmp_ok(scalar @{ $objects{$current} }, '>', 500, 'an extension is ' . @{ $objects{$current} } . ' lines of objects and what is said of them');

foreach my $case ((map { [ $_, $current ] } @released), [ $current, $next ])
{
	my ($from, $to) = @$case;

	make_database('old', $from);
	my %before = answers($node, 'old');
	my $session = open_session($node, 'old');
	ask($session, "SELECT emotion_labels('evening')");
	$node->safe_psql('old', "ALTER EXTENSION emotion UPDATE TO '$to'", extra_params => [ '-U', 'keeper' ]);
	is(differences($objects{$to}, extension_objects($node, 'old', '')), '', "from $from to $to: the same objects as fresh");
	my %after = answers($node, 'old');
	is($after{$_}, $before{$_}, "from $from to $to: $_ are the same") foreach @asked;
	is(ask($session, "SELECT emotion_labels('evening')"), $node->safe_psql('old', "SELECT emotion_labels('evening')"),
		"from $from to $to: a session that was open goes on");
	close_session($session);
	is(import_tiny($node, 'old', 'tiny'), 'tiny@3', "from $from to $to: models are published and deployed");
	$node->safe_psql('postgres', 'DROP DATABASE old');
}
note('no version before ' . $current . ' is released yet') unless @released;

# ------------------------------------------------------------------ mistakes of update scripts
# What a script may forget or do otherwise is found: [what, the statement, what must be there before].

my $operator = q{CREATE FUNCTION emotion.same(text, text) RETURNS bool LANGUAGE sql AS 'SELECT $1 = $2';
	CREATE OPERATOR emotion.=== (FUNCTION = emotion.same, LEFTARG = text, RIGHTARG = text);
	ALTER EXTENSION emotion ADD FUNCTION emotion.same(text, text); ALTER EXTENSION emotion ADD OPERATOR emotion.===(text, text);
	CREATE OPERATOR FAMILY emotion.family USING hash; ALTER EXTENSION emotion ADD OPERATOR FAMILY emotion.family USING hash;
	CREATE OPERATOR CLASS emotion.class FOR TYPE text USING hash FAMILY emotion.family AS OPERATOR 1 emotion.===;
	ALTER EXTENSION emotion ADD OPERATOR CLASS emotion.class USING hash};
my $event = q{CREATE FUNCTION emotion.noticed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
	CREATE EVENT TRIGGER noticed ON sql_drop EXECUTE FUNCTION emotion.noticed();
	ALTER EXTENSION emotion ADD FUNCTION emotion.noticed(); ALTER EXTENSION emotion ADD EVENT TRIGGER noticed};
my $type = q{CREATE TYPE emotion.mood AS ENUM ('good', 'bad'); CREATE DOMAIN emotion.part AS int CHECK (VALUE > 0)};
my @mistakes = (
	[ 'a comment is missing', 'COMMENT ON FUNCTION emotion_rollback(text) IS NULL' ],
	[ 'a comment is another', q{COMMENT ON COLUMN emotion.model.size IS 'big'} ],
	[ 'a comment of the extension', q{COMMENT ON EXTENSION emotion IS 'x'} ],
	[ 'a comment of a constraint', q{COMMENT ON CONSTRAINT model_pkey ON emotion.model IS 'x'} ],
	[ 'a comment of a trigger is missing', 'COMMENT ON TRIGGER model_delete ON emotion.model IS NULL' ],
	[ 'a privilege is missing', 'REVOKE SELECT ON emotion.deployment FROM PUBLIC' ],
	[ 'a privilege is too many', 'GRANT INSERT ON emotion.deployment TO PUBLIC' ],
	[ 'a privilege of a column', 'GRANT UPDATE (note) ON emotion.annotation_vote TO PUBLIC', 'ALTER TABLE emotion.annotation_vote ADD COLUMN note text' ],
	[ 'a function for everybody', 'GRANT EXECUTE ON FUNCTION emotion.load_bundled(text, int, text) TO PUBLIC' ],
	[ 'a schema for nobody', 'REVOKE USAGE ON SCHEMA emotion FROM PUBLIC' ],
	[ 'privileges as dumps see them', q{DELETE FROM pg_init_privs WHERE objoid = 'emotion.deployment'::regclass} ],
	[ 'another owner', 'ALTER TABLE emotion.model OWNER TO pg_monitor' ],
	[ 'another owner of a function', 'ALTER FUNCTION emotion_labels(text) OWNER TO pg_monitor' ],
	[ 'another volatility', 'ALTER FUNCTION emotion_labels(text, text) STABLE' ],
	[ 'another safety in parallel', 'ALTER FUNCTION emotion_labels(text) PARALLEL RESTRICTED' ],
	[ 'another cost', 'ALTER FUNCTION emotion_labels(text) COST 1' ],
	[ 'other rows', 'ALTER FUNCTION emotion_top(text, int) ROWS 999' ],
	[ 'strictness', 'ALTER FUNCTION emotion_labels(text) CALLED ON NULL INPUT' ],
	[ 'a search_path of a function', 'ALTER FUNCTION emotion_labels(text) SET search_path = public' ],
	[ 'security of a function', 'ALTER FUNCTION emotion_labels(text) SECURITY DEFINER' ],
	[ 'a function outside the extension', 'ALTER EXTENSION emotion DROP FUNCTION emotion_labels(text)' ],
	[ 'a table outside the extension', 'ALTER EXTENSION emotion DROP TABLE emotion.import_part' ],
	[ 'a column is missing', 'ALTER TABLE emotion.import_log DROP COLUMN format CASCADE' ],
	[ 'a column too many', 'ALTER TABLE emotion.import_log ADD COLUMN note text' ],
	[ 'the order of columns', 'ALTER TABLE emotion.import_part DROP COLUMN data, ADD COLUMN data bytea NOT NULL; ALTER TABLE emotion.import_part DROP COLUMN part, ADD COLUMN part int NOT NULL' ],
	[ 'another default', 'ALTER TABLE emotion.model ALTER COLUMN created_at SET DEFAULT pg_catalog.clock_timestamp()' ],
	[ 'NULL allowed', 'ALTER TABLE emotion.model ALTER COLUMN size DROP NOT NULL' ],
	[ 'how it is stored', 'ALTER TABLE emotion.model_part ALTER COLUMN data SET STORAGE EXTENDED' ],
	[ 'options of a table', 'ALTER TABLE emotion.model SET (fillfactor = 50)' ],
	[ 'a constraint is missing', 'ALTER TABLE emotion.model DROP CONSTRAINT model_size_positive' ],
	[ 'a constraint is another', 'ALTER TABLE emotion.model DROP CONSTRAINT model_size_positive, ADD CONSTRAINT model_size_positive CHECK (size > 1)' ],
	[ 'an index too many', 'CREATE INDEX model_by_size ON emotion.model (size)' ],
	[ 'a trigger is missing', 'DROP TRIGGER model_delete ON emotion.model' ],
	[ 'a trigger does not fire', 'ALTER TABLE emotion.model DISABLE TRIGGER model_delete' ],
	[ 'a trigger does not fire in replicas', 'ALTER TABLE emotion.model ENABLE TRIGGER model_delete' ],
	[ 'a view is another', 'ALTER VIEW emotion_models RENAME COLUMN metrics TO measured' ],
	[ 'options of a view', 'ALTER VIEW emotion_models RESET (security_barrier)' ],
	[ 'rows for their owners only', 'ALTER TABLE emotion.import_log NO FORCE ROW LEVEL SECURITY; ALTER TABLE emotion.import_log DISABLE ROW LEVEL SECURITY', 'ALTER TABLE emotion.import_log ENABLE ROW LEVEL SECURITY' ],
	[ 'a policy', 'CREATE POLICY mine ON emotion.annotation_vote USING (true)' ],
	[ 'a rule', 'CREATE RULE nothing AS ON DELETE TO emotion.import_part DO INSTEAD NOTHING' ],
	[ 'a sequence', 'ALTER SEQUENCE emotion.import_log_import_seq INCREMENT 2' ],
	[ 'a table left out of dumps', q{UPDATE pg_extension SET extconfig = extconfig[2:], extcondition = extcondition[2:] WHERE extname = 'emotion'} ],
	[ 'rows left out of dumps', q{UPDATE pg_extension SET extcondition[1] = 'WHERE false' WHERE extname = 'emotion'} ],
	[ 'a type', 'ALTER TYPE emotion_drift_result ADD ATTRIBUTE note text' ],
	[ 'values of a type', q{ALTER TYPE emotion.mood RENAME VALUE 'bad' TO 'sad'}, "$type; ALTER EXTENSION emotion ADD TYPE emotion.mood" ],
	[ 'a domain', 'ALTER DOMAIN emotion.part DROP CONSTRAINT part_check', "$type; ALTER EXTENSION emotion ADD DOMAIN emotion.part" ],
	[ 'an operator', 'ALTER OPERATOR emotion.===(text, text) SET (RESTRICT = eqsel)', $operator ],
	[ 'an operator that is missing', $operator ],
	[ 'an operator class', 'ALTER OPERATOR FAMILY emotion.family USING hash ADD FUNCTION 1 (text, text) hashtext(text)', $operator ],
	[ 'an event trigger', 'ALTER EVENT TRIGGER noticed DISABLE', $event ],
	[ 'a cast', q{CREATE CAST (emotion_drift_result AS emotion_metrics_result) WITH INOUT; ALTER EXTENSION emotion ADD CAST (emotion_drift_result AS emotion_metrics_result)} ],
	[ 'an aggregate', q{UPDATE pg_aggregate SET aggcombinefn = 0 WHERE aggfnoid = 'emotion_avg(real[])'::regprocedure} ],
	[ 'a row that came with it', q{DELETE FROM emotion.label_definition WHERE ctid = (SELECT min(ctid) FROM emotion.label_definition)} ],
	[ 'another schema', 'ALTER FUNCTION emotion_labels(text) SET SCHEMA emotion' ]);
my @found = extension_objects($node, 'fresh', map { my ($what, $statement, $before) = @$_; ($before // '', ($before // '') . ";$statement") } @mistakes);
my @missed = map { $mistakes[$_]->[0] } grep { differences($found[ 2 * $_ ], $found[ 2 * $_ + 1 ]) eq '' } 0 .. $#mistakes;
is(join(', ', @missed), '', 'any of ' . @mistakes . ' mistakes that an update script may make is found');

# An update script of the version to come that forgets a line, where that is no error at once.
my @statements = grep { /\S/ } split /;\n/, $update;
my @optional = grep { $statements[$_] =~ /^\s*(COMMENT|SELECT|GRANT|ALTER TABLE emotion.reviewer)/ } 0 .. $#statements;
foreach my $left_out (@optional)
{
	write_file("$extensions/emotion--$current--short$left_out.sql", join(";\n", @statements[ grep { $_ != $left_out } 0 .. $#statements ]) . ";\n");
}
@found = extension_objects($node, 'fresh', map { "ALTER EXTENSION emotion UPDATE TO 'short$_'" } @optional);
foreach my $left_out (@optional)
{
	my ($what) = $statements[$left_out] =~ /(\S.*)/;
	my @objects = map { s/version short\d+/version $next/r } @{ shift @found };

	isnt(differences($objects{$next}, \@objects), '', "an update without: $what");
}

# -------------------------------------------------- dumps into another version of the extension

(my $control = slurp_file("$extensions/emotion.control")) =~ s/^default_version.*/default_version = '$next'/m;
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
make_database('old', $current);
my %before = answers($node, 'old');
# The plain one is made and restored by the extension's owner, who is no superuser.
$node->command_ok([ 'pg_dump', '-U', 'keeper', '--file', "$dump.plain", $node->connstr('old') ], "dump of $current by the owner");
$node->command_ok([ 'pg_dump', '--format', 'directory', '--file', "$dump.directory", $node->connstr('old') ], "dump of $current into a directory");
$node->command_ok([ 'pg_dump', '--data-only', '--file', "$dump.data", $node->connstr('old') ], "dump of the data alone of $current");
write_file("$extensions/emotion.control", $control);
foreach my $how ('plain', 'four at once', 'data alone')
{
	$node->safe_psql('postgres', 'CREATE DATABASE new OWNER keeper; ALTER DATABASE new SET client_min_messages = warning');
	$node->safe_psql('new', 'CREATE EXTENSION emotion', extra_params => [ '-U', 'keeper' ]) if $how eq 'four at once' or $how eq 'data alone';
	if ($how eq 'data alone')
	{
		$node->safe_psql('new', $node->safe_psql('old', q{SELECT 'CREATE TABLE post (id int PRIMARY KEY, body text); CREATE TABLE written (' ||
			string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) || ')' FROM pg_attribute
			WHERE attrelid = 'written'::regclass AND attnum > 0}));
	}
	my @commands =
		$how eq 'four at once' ? ([ 'pg_restore', '--exit-on-error', '--jobs', 4, '--data-only', '-n', 'emotion', '--dbname', $node->connstr('new'), "$dump.directory" ],
			[ 'pg_restore', '--exit-on-error', '--jobs', 4, '-N', 'emotion', '--dbname', $node->connstr('new'), "$dump.directory" ])
		: [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', $how eq 'plain' ? ('-U', 'keeper') : (), '-f', $how eq 'plain' ? "$dump.plain" : "$dump.data", $node->connstr('new') ];
	$node->command_ok($_, "$how: restored where $next is installed") foreach @commands;
	my %after = answers($node, 'new');
	is($after{$_}, $before{$_}, "$how: $_ are the same") foreach @asked;
	is($node->safe_psql('new', q{SELECT extversion, (SELECT string_agg(DISTINCT note, '') FROM emotion.deployment), (SELECT string_agg(DISTINCT stage, '') FROM emotion.model),
		(SELECT count(*) FROM emotion_models WHERE bundled) FROM pg_extension WHERE extname = 'emotion'}), "$next|none|tested|1", "$how: new columns have their defaults, bundled models are there once");
	$node->safe_psql('postgres', 'DROP DATABASE new');
}

$node->stop;
done_testing();
