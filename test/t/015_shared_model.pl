# One copy of a model for all sessions of a server: made once, verified, replaced, removed, and done
# without where it cannot be.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use File::Copy qw(copy);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $score = "SELECT emotion_scores('happy in the quiet evening')";
my $node = new_server('shared', allows_streaming => 1);
my $files = $node->data_dir . '/pg_stat_tmp';
my $file = sub { my ($name) = @_; $name //= ''; return glob("$files/emotion_model.*$name") };
my $log_from = 0;
my $logged = sub {
	my $log = slurp_file($node->logfile, $log_from);
	$log_from = -s $node->logfile;
	return $log;
};

$node->safe_psql('postgres', 'CREATE EXTENSION emotion');
is(scalar(() = $file->()), 0, 'a model has no copy before its transaction commits');
$node->safe_psql('postgres', "SELECT emotion_labels('happy')") if $node->safe_psql('postgres', 'SELECT count(*) FROM emotion_models WHERE deployed');
import_tiny($node, 'postgres', 'tiny');
my $hash = $node->safe_psql('postgres', 'SELECT emotion_model_hash()');
my ($copy) = $file->("$hash.*");
ok(defined $copy && -f $copy, 'whoever deploys a model makes its copy');
is(sprintf('%04o', (stat $copy)[2] & 07777), '0600', 'which only the server reads');
my $good = slurp_file($copy);
my $expected = $node->safe_psql('postgres', $score);
is(scalar(() = $file->('.tmp')), 0, 'and nothing is left of its making');

# --- mapped, not read
my @sessions = map { open_session($node, 'postgres') } 1 .. 2;
my @pids = map { scalar ask($_, 'SELECT pg_backend_pid()') } @sessions;
is(ask($_, $score), $expected, 'a session scores') foreach @sessions;
SKIP:
{
	skip 'this system has no /proc', 2 unless -r "/proc/$pids[0]/maps";
	foreach my $pid (@pids)
	{
		like(slurp_file("/proc/$pid/maps"), qr/ r--s .* \Q$copy\E$/m, 'which has the copy mapped, shared and read-only');
	}
}
close_session($_) foreach @sessions;
my $inode = (stat $copy)[1];
$node->append_conf('postgresql.conf', 'max_connections = 40');
$node->restart;
is($node->safe_psql('postgres', $score), $expected, 'a new server scores');
is((stat $copy)[1], $inode, 'with the same copy');

# Whoever may not use a model does not score with a copy either.
$node->safe_psql('postgres', q{CREATE ROLE reader; SELECT emotion_revoke('tiny', 'public')});
my (undef, undef, $error) = $node->psql('postgres', "SET ROLE reader; $score");
like($error, qr/permission denied for model "tiny"/, 'nobody scores with what they may not use');
$node->safe_psql('postgres', q{SELECT emotion_grant('tiny', 'public')});

# A session that has the copy scores on whatever becomes of the file; parts that are gone are not missed.
$node->safe_psql('postgres', q{
	ALTER TABLE emotion.model_part DISABLE TRIGGER USER;
	CREATE TABLE kept AS SELECT * FROM emotion.model_part WHERE name = 'tiny';
	DELETE FROM emotion.model_part WHERE name = 'tiny'});
is($node->safe_psql('postgres', $score), $expected, 'a new session does not read the parts of the model');
my $holder = open_session($node, 'postgres');
is(ask($holder, $score), $expected, 'nor one that stays open');
unlink $copy or die;
(undef, undef, $error) = $node->psql('postgres', $score);
like($error, qr/part 1 of 1 is missing/, 'without a copy they are read');
is(ask($holder, $score), $expected, 'who has it mapped keeps it');
close_session($holder);
$node->safe_psql('postgres', q{INSERT INTO emotion.model_part SELECT * FROM kept;
	ALTER TABLE emotion.model_part ENABLE TRIGGER USER;
	ALTER TABLE emotion.model_part ENABLE ALWAYS TRIGGER model_part_write_once;
	ALTER TABLE emotion.model_part ENABLE ALWAYS TRIGGER model_part_no_truncate;
	ALTER TABLE emotion.model_part ENABLE ALWAYS TRIGGER model_part_delete});

# --- never trusted
my $write = sub {
	my ($bytes) = @_;
	unlink $copy;
	open my $out, '>:raw', $copy or die "$copy: $!";
	print $out $bytes;
	close $out;
	chmod 0600, $copy;
	return;
};
my $middle = length($good) / 2;
my $flipped = $good;
substr($flipped, $middle, 1) = chr(ord(substr($good, $middle, 1)) ^ 4);
my ($other) = grep { $_ ne $copy && !/tmp$/ } $file->();
my %damage = (
	'a changed bit' => [ $flipped, 'its checksum' ],
	'a truncation' => [ substr($good, 0, $middle), 'its size' ],
	'an empty file' => [ '', 'is not as the extension made it' ],
	'bytes of something else' => [ 'x' x 5000, 'it does not begin as one' ],
	'another model\'s copy' => [ defined $other ? slurp_file($other) : '', 'it is that of another model' ]);
foreach my $what (sort keys %damage)
{
	$write->($damage{$what}[0]);
	$logged->();
	is($node->safe_psql('postgres', $score), $expected, "$what does not change a score");
	like($logged->(), qr/\Q$damage{$what}[1]\E/, 'is logged');
	is(slurp_file($copy), $good, 'and replaced');
}
unlink $copy;
is($node->safe_psql('postgres', $score), $expected, 'a copy that is gone is made again');
ok(slurp_file($copy) eq $good, 'as it was');
unlink $copy;
copy("$files/../PG_VERSION", "$files/elsewhere") or die;
symlink 'elsewhere', $copy or die;
is($node->safe_psql('postgres', $score), $expected, 'a link is not followed');
ok(!-l $copy && slurp_file($copy) eq $good, 'but replaced');
is(slurp_file("$files/elsewhere"), slurp_file("$files/../PG_VERSION"), 'and what it led to is left alone');
unlink "$files/elsewhere";
chmod 0666, $copy;
is($node->safe_psql('postgres', $score), $expected, 'one that others may write to');
is((stat $copy)[2] & 022, 0, 'is replaced');

# --- made as the parts of the file come, of a model that can be large
my $checkpoint = "$FindBin::RealBin/../reference/huggingface/multi";
$node->safe_psql('postgres', "CALL emotion_import_huggingface('hf', '$checkpoint', '{\"storage\": \"i8\"}')");
my $score_hf = "SELECT emotion_scores('what a wonderful world', 'hf\@1')";
my $expected_hf = $node->safe_psql('postgres', $score_hf);
my ($copy_hf) = $file->($node->safe_psql('postgres', "SELECT emotion_model_hash('hf\@1')") . '.*');
ok(defined $copy_hf && -f $copy_hf, 'it has a copy');
my $good_hf = slurp_file($copy_hf);
my $spoil = q{ALTER TABLE emotion.model_part DISABLE TRIGGER USER;
	UPDATE emotion.model_part SET data = set_byte(data, length(data) - 9, get_byte(data, length(data) - 9) # 1) WHERE name = 'hf'};
unlink $copy_hf;
$node->safe_psql('postgres', $spoil);
(undef, undef, $error) = $node->psql('postgres', $score_hf);
like($error, qr/model "hf\@1" is damaged: its bytes do not have its SHA-256/, 'no copy is made of parts that are damaged');
is(join(' ', grep { $_ eq $copy_hf || /tmp$/ } $file->()), '', 'and nothing is left of it');
$node->safe_psql('postgres', "$spoil;
	ALTER TABLE emotion.model_part ENABLE TRIGGER USER;
	ALTER TABLE emotion.model_part ENABLE ALWAYS TRIGGER model_part_write_once;
	ALTER TABLE emotion.model_part ENABLE ALWAYS TRIGGER model_part_no_truncate;
	ALTER TABLE emotion.model_part ENABLE ALWAYS TRIGGER model_part_delete");
is($node->safe_psql('postgres', $score_hf), $expected_hf, 'of good ones it is made again');
ok(slurp_file($copy_hf) eq $good_hf, 'as it was');

# Several at once make one.
foreach my $round (1 .. 5)
{
	my @racers = map { open_session($node, 'postgres') } 1 .. 4;
	unlink $copy;
	send_query($_, $score) foreach @racers;
	my %said = map { scalar(wait_for_session($_)) => 1 } @racers;
	close_session($_) foreach @racers;
	is_deeply([ \%said, scalar(() = $file->('.tmp')), slurp_file($copy) eq $good ], [ { $expected => 1 }, 0, 1 ], 'sessions that make a copy at once make one good copy');
}

# --- done without
unlink $copy;
mkdir $copy or die;
is($node->safe_psql('postgres', $score), $expected, 'where a directory stands in its place');
is(scalar(() = $file->('.tmp')), 0, 'nothing is left of what could not be put there');
rmdir $copy;
SKIP:
{
	skip 'a superuser of the system may write anywhere', 3 if $> == 0;
	unlink $copy;
	chmod 0500, $files;
	$logged->();
	is($node->safe_psql('postgres', "$score; $score"), "$expected\n$expected", 'where no file can be made a session keeps a copy of its own');
	my $log = $logged->();
	is(scalar(() = $log =~ /LOG:  could not create file .*: Permission denied/g), 1, 'which is logged once');
	like($log, qr/DETAIL:  This session keeps a copy of its own of the model "tiny\@1"\./, 'with its reason');
	chmod 0700, $files;
}
rename $files, "$files.away";
is($node->safe_psql('postgres', $score), $expected, 'so it does without the directory');
rename "$files.away", $files;
is($node->safe_psql('postgres', $score), $expected, 'and makes a file');
ok(-e $copy, 'when it can again');

# --- leftovers
my $gone = open_session($node, 'postgres');
my $dead = ask($gone, 'SELECT pg_backend_pid()');
close_session($gone);
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $dead");
my $alive = open_session($node, 'postgres');
my $live = ask($alive, 'SELECT pg_backend_pid()');
append_to_file("$copy.$_.tmp", 'half of it') foreach $dead, $live;
append_to_file("$files/emotion_model.other", 'no name of ours');
(my $old = $copy) =~ s/emotion_model\.[0-9a-f]{8}/emotion_model.00000000/;
copy($copy, $old) or die;
utime time - 8 * 86400, time - 8 * 86400, $old;
(my $foreign = $copy) =~ s/\.[0-9a-f]{8}$/.ffffffff/;
copy($copy, $foreign) or die;
utime time - 2 * 86400, time - 2 * 86400, $other;
unlink $copy;
$node->safe_psql('postgres', $score);
ok(!-e "$copy.$dead.tmp", 'what a maker that is gone left is removed with the next making');
ok(-e "$copy.$live.tmp", 'what another is making is not');
ok(!-e $old, 'a copy unused for a week is removed');
ok(!-e $foreign, 'and one that another version of the library made');
ok(-e $other, 'one used lately is not');
ok(-e "$files/emotion_model.other", 'nor what is not ours');
close_session($alive);
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $live");

# The whole server killed in the middle.
my $killed = open_session($node, 'postgres');
$live = ask($killed, 'SELECT pg_backend_pid()');
append_to_file("$copy.$live.tmp", 'half of it');
unlink $copy;
$node->stop('immediate');
eval { close_session($killed) };
$node->start;
is($node->safe_psql('postgres', $score), $expected, 'after a crash sessions score');
ok(-e $copy && !-e "$copy.$live.tmp", 'and nothing is left of what was killed');

# --- use is seen, and written down
is($node->safe_psql('postgres', "SELECT models, bytes, sha256 FROM emotion_shared_models WHERE sha256 = '$hash'"),
	'{tiny@1}|' . length($good) . "|$hash", 'a view lists the copies');
utime time - 7200, time - 7200, $copy;
$node->safe_psql('postgres', $score);
is($node->safe_psql('postgres', "SELECT used_at > now() - interval '1 minute' FROM emotion_shared_models WHERE sha256 = '$hash'"),
	't', 'and when they were used');
(undef, undef, $error) = $node->psql('postgres', 'SET ROLE reader; SELECT * FROM emotion_shared_models');
like($error, qr/permission denied/, 'not to everybody');
is($node->safe_psql('postgres', 'GRANT pg_monitor TO reader; SET ROLE reader; SELECT count(*) > 0 FROM emotion_shared_models'),
	't', 'but to who monitors');

# --- databases share a copy
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', 'CREATE EXTENSION emotion');
$inode = (stat $copy)[1];
import_tiny($node, 'second', 'other');
is($node->safe_psql('second', $score), $expected, 'another database has the same model');
is((stat $copy)[1], $inode, 'and the same copy');
is($node->safe_psql('second', "SELECT models FROM emotion_shared_models WHERE sha256 = '$hash'"), '{other@1}', 'under its name');

# --- what is dropped goes
my $changed = tiny_model();
substr($changed, 2 * 3168, 8) = '00000000';    # joy's bias: from -3 to 0
import_tiny($node, 'postgres', 'drop', model => $changed, keep => 1);
$node->safe_psql('postgres', "SELECT emotion_labels('happy', 'drop\@1')");
my ($dropped) = $file->($node->safe_psql('postgres', "SELECT emotion_model_hash('drop\@1')") . '.*');
ok(-e $dropped, 'a model used has a copy');
$node->safe_psql('postgres', "BEGIN; SELECT emotion_drop_model('drop\@1'); ROLLBACK");
ok(-e $dropped, 'which a drop that is rolled back leaves');
$node->safe_psql('postgres', "SELECT emotion_drop_model('drop\@1')");
ok(!-e $dropped, 'and a drop removes');

SKIP:
{
	skip 'this system has no /proc', 2 unless -r '/proc/self/maps';
	my $user = open_session($node, 'postgres');
	my $process = ask($user, 'SELECT pg_backend_pid()');
	import_tiny($node, 'postgres', 'gone', model => $changed, keep => 1);
	ask($user, "SELECT emotion_labels('happy', 'gone\@1')");
	like(slurp_file("/proc/$process/maps"), qr/\Q$dropped\E$/m, 'a session has a copy mapped');
	$node->safe_psql('postgres', "SELECT emotion_drop_model('gone\@1')");
	ask($user, "SELECT emotion_labels('happy', 'tiny\@1')");
	unlike(slurp_file("/proc/$process/maps"), qr/\Q$dropped\E/, 'and gives it up with the next model that it loads, when its model was dropped');
	close_session($user);
}

my $before = join ' ', sort { $a cmp $b } $file->();
my $undone = $changed;
substr($undone, 2 * 3168, 8) = '0000803f';
$node->safe_psql('postgres', qq{BEGIN;
	SELECT emotion_import('undone', decode('$undone', 'hex'));
	SELECT emotion_deploy('undone\@1');
	SELECT emotion_labels('happy');
	ROLLBACK});
is(join(' ', sort { $a cmp $b } $file->()), $before, 'a publication that is rolled back leaves none, though it was scored with');

# --- an ensemble
import_tiny($node, 'postgres', 'twin', keep => 1);
$node->safe_psql('postgres', "SELECT emotion_ensemble('both', ARRAY['tiny\@1', 'twin\@1'])");
$node->safe_psql('postgres', "SELECT emotion_scores('happy', 'both\@1')");
is($node->safe_psql('postgres', "SELECT bytes > 0 FROM emotion_shared_models WHERE models = '{both\@1}'"), 't',
	'an ensemble has a copy, its members in it');
is($node->safe_psql('postgres', "SELECT (SELECT array_agg(round(x::numeric, 5)) FROM unnest(emotion_scores('happy', 'both\@1')) AS x)"
	  . " = (SELECT array_agg(round(x::numeric, 5)) FROM unnest(emotion_scores('happy', 'tiny\@1')) AS x)"), 't', 'and scores');

# --- memory
SKIP:
{
	skip 'this system has no /proc/PID/smaps_rollup', 2 unless -r '/proc/self/smaps_rollup';
	my $model = $node->safe_psql('postgres', "SELECT count(*) FROM emotion.model WHERE name = 'english'") ? "english\@1" : "tiny\@1";
	my $private = sub {
		my $kilobytes = 0;
		my $rollup = slurp_file("/proc/$_[0]/smaps_rollup");
		$kilobytes += $_ foreach $rollup =~ /^Private_\w+:\s+(\d+) kB$/mg;
		return $kilobytes;
	};
	my $most = sub { my $most = 0; $most = $_ > $most ? $_ : $most foreach @_; return $most };
	my @many = map { open_session($node, 'postgres') } 1 .. 20;
	my @pid = map { scalar ask($_, 'SELECT pg_backend_pid()') } @many;
	my @before = map { $private->($_) } @pid;
	ask($_, "SELECT emotion_scores('thank you so much, you saved my day', '$model')") foreach @many;
	my @added = map { $private->($pid[$_]) - $before[$_] } 0 .. $#pid;
	my $worst = $most->(@added);
	cmp_ok($worst, '<', 1024, "each of 20 connections that scored takes less than 1 MB more of its own ($worst kB)");
	ask($_, "SELECT count(emotion_scores(repeat('happy day ', 1 + i % 500), '$model')) FROM generate_series(1, 100) AS i") foreach @many[ 0 .. 2 ];
	@added = map { $private->($pid[$_]) - $before[$_] } 0 .. 2;
	$worst = $most->(@added);
	cmp_ok($worst, '<', 2048, "what long texts took is given back ($worst kB)");
	close_session($_) foreach @many;
}

# --- a base backup leaves copies behind; a standby makes its own
$node->backup('copy');
ok(!glob($node->backup_dir . '/copy/pg_stat_tmp/emotion_model.*'), 'base backups hold no copies');
my $replica = PostgreSQL::Test::Cluster->new('shared_replica');
$replica->init_from_backup($node, 'copy', has_streaming => 1);
$replica->start;
$node->wait_for_catchup($replica);
is($replica->safe_psql('postgres', $score), $expected, 'a standby scores');
my ($standby) = glob($replica->data_dir . "/pg_stat_tmp/emotion_model.$hash.*");
ok(defined $standby && slurp_file($standby) eq $good, 'with a copy of its own making');

$replica->stop;
$node->stop;
done_testing();
