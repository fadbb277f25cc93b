# Dump and restore keep models, deployments and scores; what came with the
# extension is left to CREATE EXTENSION.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('dump');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->safe_psql('postgres', 'CREATE DATABASE before');
$node->safe_psql('before', 'CREATE EXTENSION emotion');
my $bundled = $node->safe_psql('before', 'SELECT count(*) FROM emotion_models WHERE bundled');

my $other = tiny_model();
substr($other, 2 * 3168, 8) = '00000000';    # joy's bias: from -3 to 0
import_tiny($node, 'before', 'tiny');
import_tiny($node, 'before', 'tiny', model => $other);
import_tiny($node, 'before', 'tiny');
$node->safe_psql('before', "SELECT emotion_rollback('tiny')");
import_tiny($node, 'before', 'tiny', model => $other, keep => 1);
$node->safe_psql('before', "SELECT emotion_drop_model('tiny\@4')");
$node->safe_psql('before', "CALL emotion_import_huggingface('hf', '" . File::Spec->rel2abs('test/reference/huggingface/multi') . "')");
$node->safe_psql('before', q{
	CREATE TABLE post (id int PRIMARY KEY, body text);
	INSERT INTO post VALUES (1, 'evening'), (2, 'happy'), (3, NULL);
	CREATE INDEX post_joy ON post (emotion_score(body, 'joy', 'tiny@1'))});

# Rights to models, of roles of any name; one of them is gone when it comes to restoring.
$node->safe_psql('before', q{
	CREATE ROLE reader; CREATE ROLE "Odd ""Role"", {x}"; CREATE ROLE gone;
	SELECT emotion_revoke(m, 'public') FROM unnest('{tiny,later,english}'::text[]) AS m;
	SELECT emotion_grant(m, r) FROM unnest('{tiny,later,english}'::text[]) AS m, unnest(ARRAY['reader', 'Odd "Role", {x}', 'gone']::name[]) AS r});
my %ask = (
	'models' => 'SELECT name, version, sha256, deployed, bundled, CASE WHEN NOT bundled THEN created_at END FROM emotion_models ORDER BY 1, 2',
	'dropped models' => 'SELECT * FROM emotion.dropped_model ORDER BY 1, 2',
	'rights' => 'SELECT * FROM emotion.model_grant ORDER BY name',
	'deployments' => 'SELECT * FROM emotion.deployment WHERE NOT bundled ORDER BY id',
	'scores' => q{SELECT id, emotion_scores(body), emotion_labels(body, 'tiny@1'), emotion_scores(body, 'hf@1') FROM post ORDER BY id});

is($node->safe_psql('before', "SELECT roles FROM emotion.model_grant WHERE name = 'tiny'"), '{reader,"\"Odd \"\"Role\"\", {x}\"",gone}', 'rights are kept by names');
my $early = "$dump.early";
$node->command_ok([ 'pg_dump', '--format', 'custom', '--file', $early, $node->connstr('before') ], 'dump with a role that will be gone');
$node->safe_psql('before', 'DROP ROLE gone');
foreach my $format ('plain', 'custom', 'directory')
{
	$node->safe_psql('postgres', 'CREATE DATABASE after');
	$node->command_ok([ 'pg_dump', '--format', $format, '--file', "$dump.$format", $node->connstr('before') ], "$format dump");
	if ($format eq 'plain')
	{
		$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.$format", $node->connstr('after') ], 'restored');
		unlike(slurp_file("$dump.$format"), qr/^english\t\d/m, 'bundled models are not in the dump');
	}
	else
	{
		$node->command_ok([ 'pg_restore', '--exit-on-error', '--single-transaction',
				'--dbname', $node->connstr('after'), "$dump.$format" ], 'restored');
	}
	is($node->safe_psql('after', $ask{$_}), $node->safe_psql('before', $ask{$_}), "$format: $_ are the same") foreach sort keys %ask;
	is($node->safe_psql('after', 'SELECT count(*) FROM emotion_models WHERE bundled'), $bundled, "$format: bundled models are there once");
	is(import_tiny($node, 'after', 'tiny'), 'tiny@5', "$format: versions count on, after dropped ones too");
	my ($code, undef, $error) = $node->psql('after', "SELECT emotion_import('tiny', decode('" . tiny_model() . "', 'hex'), 4)");
	like($error, qr/"tiny\@4" was another model, which was dropped/, "$format: a dropped number stays used");
	is($node->safe_psql('after', "SELECT emotion_rollback('tiny')"), 'tiny@2', "$format: and deployments");
	$node->safe_psql('postgres', 'DROP DATABASE after');
}

# A role that is gone does not keep a dump from being restored, and its right is nobody's.
$node->safe_psql('postgres', 'CREATE DATABASE after');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $node->connstr('after'), $early ], 'restored without a role');
is($node->safe_psql('after', $ask{rights}), $node->safe_psql('before', $ask{rights}), 'without a role: rights are the same');
like($node->safe_psql('after', $ask{rights}), qr/^tiny\|\{reader,.*,none\}$/m, 'those of the role are void');
my (undef, undef, $refused) = $node->psql('after', "CREATE ROLE stranger; SET ROLE stranger; SELECT emotion_labels('happy', 'tiny\@1')");
like($refused, qr/permission denied for model "tiny"/, 'and strangers are refused');
is($node->safe_psql('after', "SET ROLE reader; SELECT emotion_labels('happy', 'tiny\@1')"), '{joy}', 'as the others are not');
$node->safe_psql('postgres', 'DROP DATABASE after; DROP ROLE stranger');

# The data alone, into a database that has the extension.
$node->safe_psql('postgres', 'CREATE DATABASE after');
$node->safe_psql('after', 'CREATE EXTENSION emotion; CREATE TABLE post (id int PRIMARY KEY, body text)');
$node->command_ok([ 'pg_dump', '--data-only', '--file', "$dump.data", $node->connstr('before') ], 'dump of the data alone');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.data", $node->connstr('after') ], 'restored');
is($node->safe_psql('after', $ask{$_}), $node->safe_psql('before', $ask{$_}), "data alone: $_ are the same") foreach sort keys %ask;
$node->safe_psql('postgres', 'DROP DATABASE after');

# Side by side, models first, as the README has it: tables are loaded at once, in any order.
$node->safe_psql('postgres', 'CREATE DATABASE after');
$node->safe_psql('after', 'CREATE EXTENSION emotion');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--jobs', 4, '--data-only', '-n', 'emotion', '--dbname', $node->connstr('after'), "$dump.directory" ],
	'the registry restored by four at once');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--jobs', 4, '-N', 'emotion', '--dbname', $node->connstr('after'), "$dump.directory" ],
	'and all else');
is($node->safe_psql('after', $ask{$_}), $node->safe_psql('before', $ask{$_}), "side by side: $_ are the same") foreach sort keys %ask;
$node->safe_psql('postgres', 'DROP DATABASE after');

# From one database to another, by export and import.
$node->safe_psql('postgres', 'CREATE DATABASE after');
$node->safe_psql('after', 'CREATE EXTENSION emotion');
my $file = "$dump.parts";
$node->safe_psql('before', "\\copy (SELECT 'up', part, data FROM emotion_export('tiny\@2')) TO '$file'");
$node->safe_psql('after', "\\copy emotion.import_part FROM '$file'");
is($node->safe_psql('after', "SELECT emotion_import_upload('moved', 'up')"), 'moved@1', 'an export is imported elsewhere');
is($node->safe_psql('after', "SELECT emotion_model_hash('moved\@1')"), $node->safe_psql('before', "SELECT emotion_model_hash('tiny\@2')"),
	'bit for bit');

# Dropping the extension leaves nothing behind; creating it again works in the same session.
is($node->safe_psql('after', q{
	DROP INDEX IF EXISTS post_joy;
	DROP EXTENSION emotion;
	SELECT count(*) FROM pg_namespace WHERE nspname = 'emotion';
	SET client_min_messages = error;
	CREATE EXTENSION emotion;
	SELECT count(*) FROM emotion_models WHERE NOT bundled}), "0\n0", 'the extension goes and comes');

# In a schema of the user's choice.
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', 'CREATE SCHEMA tools; CREATE EXTENSION emotion SCHEMA tools');
my $hex = tiny_model();
is($node->safe_psql('elsewhere', qq{SELECT tools.emotion_import('tiny', decode('$hex', 'hex'));
	SELECT tools.emotion_deploy('tiny'); SELECT tools.emotion_labels('happy'); SELECT count(*) FROM tools.emotion_models WHERE deployed}),
	"tiny\@1\ntiny\@1\n{joy}\n1", 'functions live in the schema asked for');

$node->stop;
done_testing();
