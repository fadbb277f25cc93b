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
	CREATE TABLE post AS SELECT i, (ARRAY['happy', 'sad evening', 'I hate', 'quiet', ''])[1 + i % 5] || ' ' || i AS body, NULL::text[] AS labels
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

# Whatever writes says so, before it reads a single row.
my %refused = (
	'emotion_deploy' => q{SELECT emotion_deploy('tiny@1')},
	'emotion_rollback' => q{SELECT emotion_rollback('tiny')},
	'emotion_drop_model' => q{SELECT emotion_drop_model('tiny@1')},
	'emotion_import' => q{SELECT emotion_import('tiny', decode('00', 'hex'))},
	'emotion_train' => q{CALL emotion_train('mine', 'post')},
	'emotion_train_vectors' => q{CALL emotion_train_vectors('mine', 'post', 'body')},
	'emotion_tune_thresholds' => q{SELECT * FROM emotion_tune_thresholds('tiny@1', 'post')},
	'emotion_calibrate' => q{SELECT * FROM emotion_calibrate('tiny@1', 'post')},
	'emotion_import_upload' => q{SELECT emotion_import_upload('tiny', 'mine')},
	'emotion_import_huggingface' => q{CALL emotion_import_huggingface('mine', '/nowhere')},
	'emotion_import_vectors' => q{CALL emotion_import_vectors('mine', '/nowhere')},
	'emotion_drop_vectors' => q{SELECT emotion_drop_vectors('mine')},
	'emotion_annotate' => q{CALL emotion_annotate('post', 'body', 'labels')},
	'emotion_import_jsonl' => q{SELECT * FROM emotion_import_jsonl('post', 'VALUES (''{}'')')});
$session->{in} .= "\\set VERBOSITY verbose\n";
foreach my $what (sort keys %refused)
{
	my (undef, $err) = ask($session, $refused{$what});

	like($err, qr/ERROR:  25006: cannot execute .* (in a read-only transaction|during recovery)/, "$what is refused on a replica");
}
close_session($session);

$replica->promote;
is($replica->safe_psql('postgres', "SELECT emotion_rollback('tiny')"), 'tiny@1', 'until it is promoted');

$replica->stop;
$primary->stop;
done_testing();
