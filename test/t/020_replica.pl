# A streaming replica scores as its primary does, and writes nothing.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_server('primary', allows_streaming => 1);
$primary->safe_psql('postgres', 'CREATE EXTENSION emotion');
import_tiny($primary, 'postgres', 'tiny');
$primary->backup('copy');
my $replica = PostgreSQL::Test::Cluster->new('replica');
$replica->init_from_backup($primary, 'copy', has_streaming => 1);
$replica->start;

$primary->safe_psql('postgres', q{
	CREATE TABLE post AS SELECT i, (ARRAY['happy', 'sad evening', 'I hate', 'quiet', ''])[1 + i % 5] || ' ' || i AS body
		FROM generate_series(1, 1000) AS i});
$primary->wait_for_catchup($replica);
my $query = q{SELECT md5(string_agg(emotion_scores(body)::text || emotion_json(body, 'tiny@1')::text, ' ' ORDER BY i)) FROM post};
is($replica->safe_psql('postgres', $query), $primary->safe_psql('postgres', $query), 'a replica scores as its primary');
is($replica->safe_psql('postgres', "SELECT emotion_model_hash()"), $primary->safe_psql('postgres', "SELECT emotion_model_hash()"),
	'with the same model');

# A deployment arrives by replication.
my $other = tiny_model();
substr($other, 2 * 3168, 8) = '00000000';    # joy's bias: from -3 to 0
my $session = open_session($replica, 'postgres');
my $labels = "SELECT emotion_labels('evening')";
is(ask($session, $labels), '{calm}', 'an open session on the replica');
import_tiny($primary, 'postgres', 'tiny', model => $other);
$primary->wait_for_catchup($replica);
is(ask($session, $labels), '{calm,joy}', 'uses what was deployed on the primary');

my (undef, $err) = ask($session, "SELECT emotion_deploy('tiny\@1')");
like($err, qr/read-only transaction|during recovery/, 'nothing is deployed on a replica');
close_session($session);

$replica->promote;
is($replica->safe_psql('postgres', "SELECT emotion_rollback('tiny')"), 'tiny@1', 'until it is promoted');

$replica->stop;
$primary->stop;
done_testing();
