# Annotators at the same time: nobody gets a text beyond the votes wanted, and nobody waits.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('annotation');
my $psql = sub { $node->safe_psql('postgres', $_[0]) };
$psql->(q{CREATE EXTENSION emotion;
	SELECT emotion_annotation_project('p', 2);
	SELECT emotion_annotation_add('p', 'SELECT i::text AS text FROM generate_series(1, 300) AS i')});
my @names = qw(ann bob cem dee);
my %session = map { $_ => open_session($node, 'postgres') } @names;
# Whoever has to wait fails instead.
ask($session{$_}, "SET lock_timeout = '2s'") for @names;

# --- two in the same moment: what one has taken and not committed, the other passes over
ask($session{ann}, 'BEGIN');
my $first = ask($session{ann}, "SELECT text_id FROM emotion_annotation_next('p', 'ann', 3) ORDER BY 1");
my ($second, $error) = ask($session{bob}, "SELECT text_id FROM emotion_annotation_next('p', 'bob', 3) ORDER BY 1");
is($first, "1\n2\n3", 'one gets the first texts');
is($second, "4\n5\n6", 'another gets others');
is($error, '', 'without waiting');
my (undef, $vote_error) = ask($session{bob}, "SELECT emotion_annotation_vote('p', 4, 'bob', '{joy}')");
is($vote_error, '', 'and votes');
ask($session{ann}, "SELECT emotion_annotation_vote('p', 1, 'ann', '{joy}')");
ask($session{ann}, 'COMMIT');
is(ask($session{bob}, "SELECT text_id FROM emotion_annotation_next('p', 'bob', 3) ORDER BY 1"), "1\n2\n3", 'then those, too');
is(ask($session{cem}, "SELECT text_id FROM emotion_annotation_next('p', 'cem', 3) ORDER BY 1"), "4\n5\n6", 'a third gets what wants votes');

# --- a vote while somebody holds the text's row locked
ask($session{dee}, 'BEGIN');
ask($session{dee}, 'SELECT FROM emotion.annotation_text WHERE text_id <= 6 FOR NO KEY UPDATE');
(undef, $vote_error) = ask($session{cem}, "SELECT emotion_annotation_vote('p', 5, 'cem', '{love}')");
is($vote_error, '', 'a vote does not wait for who hands out');
ask($session{dee}, 'COMMIT');

# --- a statement that began before others took places sees that they did
# A policy makes one role wait between looking at the texts and locking them.
$psql->(q{CREATE ROLE slow;
	SELECT emotion_annotation_grant('slow');
	SELECT emotion_annotation_project('q', 2);
	SELECT emotion_annotation_add('q', 'SELECT i::text AS text FROM generate_series(1, 2) AS i');
	CREATE FUNCTION wait_here() RETURNS bool LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN true; END';
	ALTER TABLE emotion.annotation_text ENABLE ROW LEVEL SECURITY;
	CREATE POLICY wait ON emotion.annotation_text USING (wait_here())});
ask($session{ann}, 'SELECT pg_advisory_lock(7)');
ask($session{dee}, 'SET ROLE slow; SET lock_timeout = 0');
send_query($session{dee}, "SELECT count(*) FROM emotion_annotation_next('q', 'dee', 5)");
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}) or die 'it does not begin';
is(ask($session{ann}, "SELECT count(*) FROM emotion_annotation_next('q', 'ann', 5)"), '2', 'one takes both texts');
is(ask($session{bob}, "SELECT count(*) FROM emotion_annotation_next('q', 'bob', 1)"), '1', 'another the last place of one');
ask($session{ann}, 'SELECT pg_advisory_unlock(7)');
my $late;
($late, $error) = wait_for_session($session{dee});
is($late, '1', 'who had looked before gets the other') or diag($error);
is($psql->(q{SELECT holders FROM emotion.annotation_text WHERE project = 'q' ORDER BY text_id}), "{ann,bob}\n{ann,dee}", 'and nobody is forgotten');
ask($session{dee}, "RESET ROLE; SET lock_timeout = '2s'");
$psql->('DROP POLICY wait ON emotion.annotation_text; ALTER TABLE emotion.annotation_text DISABLE ROW LEVEL SECURITY');

# --- four of them, all at once, until nothing is left
my $loop = q{DO $$ DECLARE t bigint; BEGIN
	LOOP
		t := NULL;
		FOR t IN SELECT text_id FROM emotion_annotation_next('p', '%s', 2) LOOP
			PERFORM emotion_annotation_vote('p', t, '%s', '{joy}');
		END LOOP;
		COMMIT;
		EXIT WHEN t IS NULL AND NOT EXISTS (SELECT FROM emotion.annotation_text
			WHERE project = 'p' AND cardinality(holders) < 2 AND '%s' <> ALL (holders));
	END LOOP; END $$};
send_query($session{$_}, sprintf($loop, $_, $_, $_)) for @names;
for my $name (@names)
{
	(undef, $error) = wait_for_session($session{$name});
	is($error, '', "$name neither waited nor failed");
}
is($psql->('SELECT count(*) FROM emotion.annotation_text WHERE cardinality(holders) <> 2 OR holders[1] = holders[2]'), '0',
	'every text was handed to two different annotators');
is($psql->('SELECT max(n) FROM (SELECT count(*) AS n FROM emotion.annotation_vote GROUP BY text_id) AS v'), '2', 'and has no more votes than wanted');
$psql->(q{SELECT emotion_annotation_vote('p', text_id, who, '{joy}') FROM emotion.annotation_text, unnest(holders, held_until) AS h (who, until)
	WHERE project = 'p' AND until < 'infinity' ORDER BY text_id});
is($psql->(q{SELECT count(*), count(DISTINCT text_id) FROM emotion.annotation_vote WHERE project = 'p'}), '600|300', 'with all votes in, there are two for each');
is($psql->(q{SELECT count(*) FROM emotion_annotation_next('p', 'eve', 10)}), '0', 'and nothing is handed out any more');

close_session($session{$_}) for @names;
$node->stop;
done_testing();
