# The registry is replicated logically, into a database that has the extension and other
# models, too: what a user deploys there is what was deployed here, in sessions that are open as well.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Two databases of one server: the slot is made by hand, as a subscription would wait for itself.
my $node = new_server('logical', allows_streaming => 'logical');
foreach my $database ('publisher', 'subscriber')
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION emotion');
}
my $directory = File::Spec->rel2abs('test/reference/huggingface/multi');
import_tiny($node, 'publisher', 'tiny');
import_tiny($node, 'publisher', 'tiny');
import_tiny($node, 'publisher', 'gone', keep => 1);
$node->safe_psql('publisher', qq{
	CALL emotion_import_huggingface('hf', '$directory');
	SELECT emotion_drop_model('gone\@1')});

# What came with the extension is on both sides already.
$node->safe_psql('publisher', q{
	CREATE PUBLICATION models FOR TABLE emotion.model WHERE (NOT (name = 'english' AND version = 1)),
		emotion.model_part WHERE (NOT (name = 'english' AND version = 1)), emotion.dropped_model, emotion.deployment WHERE (id > 0),
		emotion.model_grant;
	SELECT pg_create_logical_replication_slot('models', 'pgoutput')});
my $connection = $node->connstr('publisher');
my $session = open_session($node, 'subscriber');
is(ask($session, "SELECT emotion_labels('thank you so much!')"), '{gratitude}', 'a session of the subscriber');
$node->safe_psql('subscriber', "CREATE SUBSCRIPTION models CONNECTION \$\$$connection\$\$ PUBLICATION models WITH (create_slot = false, slot_name = models)");
$node->wait_for_subscription_sync($node, 'models', 'subscriber') if $node->can('wait_for_subscription_sync');
$node->poll_query_until('subscriber', q{SELECT count(*) = 5 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel}) or die 'tables were not copied';

my %same = (
	'models' => q{SELECT name, version, sha256, deployed, bundled, created_at FROM emotion_models WHERE NOT bundled ORDER BY 1, 2},
	'deployments' => q{SELECT * FROM emotion.deployment WHERE id > 0 ORDER BY id},
	'dropped models' => q{SELECT name, version, sha256 FROM emotion.dropped_model ORDER BY 1, 2},
	'rights' => q{SELECT * FROM emotion.model_grant ORDER BY 1},
	'parts' => q{SELECT name, version, part, md5(data) FROM emotion.model_part ORDER BY 1, 2, 3},
	'scores' => q{SELECT emotion_scores(text), emotion_scores(text, 'tiny@1'), emotion_scores(text, 'hf@1') FROM unnest('{evening,happy,""}'::text[]) AS text});
sub is_same
{
	my ($when) = @_;

	$node->wait_for_catchup('models');
	is($node->safe_psql('subscriber', $same{$_}), $node->safe_psql('publisher', $same{$_}), "$when: $_ are the same") foreach sort keys %same;
	return;
}
is_same('first copy');
is(ask($session, "SELECT emotion_labels('evening')"), '{calm}', 'an open session uses what was deployed');

my $other = tiny_model();
substr($other, 2 * 3168, 8) = '00000000';    # joy's bias: from -3 to 0
import_tiny($node, 'publisher', 'tiny', model => $other);
is_same('published and deployed');
$node->safe_psql('publisher', q{CREATE ROLE reader; SELECT emotion_revoke('hf', 'public'), emotion_grant('hf', 'reader'); SELECT emotion_convert('hf@1', 'i8', '{"name": "small"}')});
is_same('restricted, and another made of it');
is($node->safe_psql('subscriber', q{SELECT granted_to FROM emotion_models WHERE name = 'small'}), '{reader}', 'whose rights are there, too');
is(ask($session, "SELECT emotion_labels('evening')"), '{calm,joy}', 'an open session uses what is deployed then');

$node->safe_psql('publisher', "SELECT emotion_rollback('tiny')");
is_same('rolled back');
is(ask($session, "SELECT emotion_labels('evening')"), '{calm}', 'an open session uses what was deployed before');

$node->safe_psql('publisher', "SELECT emotion_drop_model('tiny\@3')");
is_same('dropped');
like((ask($session, "SELECT emotion_labels('evening', 'tiny\@3')"))[1], qr/"tiny\@3" does not exist/, 'an open session knows of that');
is(import_tiny($node, 'publisher', 'tiny'), 'tiny@4', 'its number stays used');
is_same('and after that');

# What is published here goes on, as long as names do not meet.
is(import_tiny($node, 'subscriber', 'own', keep => 1), 'own@1', 'the subscriber publishes a model of its own');
$node->safe_psql('publisher', "SELECT emotion_drop_model('hf\@1')");
$same{scores} =~ s/, emotion_scores\(text, 'hf\@1'\)//;
$same{$_} =~ s/ORDER BY/AND name <> 'own' ORDER BY/ foreach 'models';
$same{parts} =~ s/ORDER BY/WHERE name <> 'own' ORDER BY/;
is_same('beside it');
is($node->safe_psql('subscriber', q{SELECT count(*) FROM emotion.deployment WHERE bundled}), '1', 'what came with the extension is there once');

close_session($session);
$node->safe_psql('subscriber', 'DROP SUBSCRIPTION models');
$node->stop;
done_testing();
