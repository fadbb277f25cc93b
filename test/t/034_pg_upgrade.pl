# pg_upgrade takes everything along: the files of tables as they are, the extension's objects by the
# dump that it makes for itself. The platform has one major version, so the new cluster is of the same;
# the way is that of any two. EMOTION_OLD_BINDIR: programs of an older one that has the extension, too.
use strict;
use warnings;
use Cwd;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

chomp(my $bindir = `pg_config --bindir`);
my $old_bindir = $ENV{EMOTION_OLD_BINDIR} // $bindir;
(my $old_path = $old_bindir) =~ s{/bin/?$}{};
my $old = PostgreSQL::Test::Cluster->new('old', $old_bindir ne $bindir ? (install_path => $old_path) : ());
$old->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$old->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\n");
$old->start;

my $directory = File::Spec->rel2abs('test/reference/huggingface/multi');
$old->safe_psql('postgres', 'CREATE EXTENSION emotion');
import_tiny($old, 'postgres', 'tiny');
import_tiny($old, 'postgres', 'tiny');
import_tiny($old, 'postgres', 'gone', keep => 1);
$old->safe_psql('postgres', q{
	SELECT emotion_rollback('tiny');
	SELECT emotion_drop_model('gone@1');
	SELECT emotion_annotation_project('p', 1, '{joy,calm}');
	SELECT * FROM emotion_import_jsonl('written', $$VALUES ('{"text": "happy", "labels": ["joy"]}'), ('?')$$);
	CREATE TABLE post (id int PRIMARY KEY, body text,
		scores real[] GENERATED ALWAYS AS (emotion_scores(body, 'tiny@1')) STORED);
	INSERT INTO post VALUES (1, 'evening'), (2, 'happy'), (3, NULL);
	CREATE INDEX post_joy ON post (emotion_score(body, 'joy', 'tiny@1'))});
$old->safe_psql('postgres', "CALL emotion_import_huggingface('hf', '$directory')");
my $grants = 'GRANT INSERT ON emotion.import_part TO reader; REVOKE SELECT ON emotion.deployment FROM PUBLIC';
$old->safe_psql('postgres', "CREATE ROLE reader; $grants");

my %ask = (
	'models' => 'SELECT name, version, sha256, deployed, bundled, created_at, lineage FROM emotion_models ORDER BY 1, 2',
	'parts' => 'SELECT name, version, part, md5(data) FROM emotion.model_part ORDER BY 1, 2, 3',
	'dropped models' => 'SELECT * FROM emotion.dropped_model ORDER BY 1, 2',
	'deployments' => 'SELECT * FROM emotion.deployment ORDER BY id',
	'projects' => 'SELECT * FROM emotion.annotation_project',
	'imports' => 'SELECT l.*, e.line, e.reason FROM emotion.import_log AS l JOIN emotion.import_error AS e USING (import)',
	'scores' => q{SELECT id, emotion_scores(body), emotion_scores(body, 'hf@1'), emotion_scores(body, 'english@1'), emotion_labels(body, 'tiny@1') FROM post ORDER BY id});
my %before = map { $_ => $old->safe_psql('postgres', $ask{$_}) } keys %ask;
my ($objects) = extension_objects($old, 'postgres', '');
$old->stop;

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$new->append_conf('postgresql.conf', "timezone = 'UTC'\nfsync = off\n");
my $here = getcwd();
chdir PostgreSQL::Test::Utils::tempdir() or die;    # where it leaves its scripts
command_ok([ 'pg_upgrade', '--link', '--old-datadir', $old->data_dir, '--new-datadir', $new->data_dir, '--old-bindir', $old_bindir, '--new-bindir', $bindir,
		'--socketdir', $new->host, '--old-port', $old->port, '--new-port', $new->port ], 'pg_upgrade --link');
chdir $here or die;
$new->start;

is($new->safe_psql('postgres', $ask{$_}), $before{$_}, "$_ are the same") foreach sort keys %ask;
my ($objects_after) = extension_objects($new, 'postgres', '');
if ($old_bindir ne $bindir)
{
	# Another version words definitions and privileges in another way: the new one is asked what is right.
	$new->safe_psql('postgres', 'CREATE DATABASE fresh');
	$new->safe_psql('fresh', "CREATE EXTENSION emotion; $grants");
	($objects) = extension_objects($new, 'fresh', '');
}
is(differences($objects, $objects_after), '', 'the extension is the same, object by object, with what was granted and revoked');
is($new->safe_psql('postgres', q{SELECT bool_and(scores = emotion_scores(body, 'tiny@1')) FROM post WHERE id < 3}), 't', 'stored scores are those of now');
is($new->safe_psql('postgres', q{SET enable_seqscan = off; SELECT count(*) FROM post WHERE emotion_score(body, 'joy', 'tiny@1') >= 0}), '2', 'and indexed ones');
is(import_tiny($new, 'postgres', 'tiny'), 'tiny@3', 'versions count on');
(my $other = tiny_model()) =~ s/^(.{6336}).{8}/${1}00000000/;    # joy's bias: from -3 to 0
like(($new->psql('postgres', "SELECT emotion_import('gone', decode('$other', 'hex'), 1)"))[2], qr/"gone\@1" was another model/, 'numbers stay used');
is($new->safe_psql('postgres', "SELECT emotion_rollback('tiny')"), 'tiny@1', 'deployments go on');
is($new->safe_psql('postgres', q{SELECT import FROM emotion_import_jsonl('written', $$VALUES ('{"text": "sad", "labels": ["joy"]}')$$)}), '2', 'numbers of imports go on');
is(($new->psql('postgres', "UPDATE emotion.model SET description = 'x'"))[0], 3, 'published models do not change');
is($new->safe_psql('postgres', 'DROP TABLE post; DROP EXTENSION emotion; CREATE EXTENSION emotion; SELECT count(*) FROM emotion_models WHERE NOT bundled'), '0', 'the extension goes and comes');

$new->stop;
done_testing();
