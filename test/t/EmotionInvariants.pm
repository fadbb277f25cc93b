# What must hold in a database with the extension, whatever was killed, cancelled or refused before.
package EmotionInvariants;

use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(basename);
use PostgreSQL::Test::Utils;

our @EXPORT = qw(broken_promises leftover_files children_of);

# One row per promise that is broken, with what breaks it.
my $promises = q{
WITH model_bytes AS (
	SELECT m.name, m.version, m.size, m.parts, m.sha256, count(p.part) AS found, min(p.part) AS first, max(p.part) AS last,
		coalesce(string_agg(p.data, '' ORDER BY p.part), '') AS bytes
	FROM emotion.model AS m LEFT JOIN emotion.model_part AS p USING (name, version) GROUP BY m.name, m.version),
vectors_bytes AS (
	SELECT v.name, v.size, v.parts, v.sha256, count(p.part) AS found, coalesce(string_agg(p.data, '' ORDER BY p.part), '') AS bytes
	FROM emotion.vectors AS v LEFT JOIN emotion.vectors_part AS p USING (name) GROUP BY v.name),
broken (promise, what) AS (
	SELECT 'a model is whole', name || '@' || version FROM model_bytes
	WHERE (found, first, last) IS DISTINCT FROM (parts::bigint, 1, parts) OR length(bytes) <> size OR sha256(bytes) <> sha256
	UNION ALL SELECT 'no part without its model', name || '@' || version FROM emotion.model_part AS p
	WHERE NOT EXISTS (SELECT FROM emotion.model AS m WHERE (m.name, m.version) = (p.name, p.version))
	UNION ALL SELECT 'word vectors are whole', name FROM vectors_bytes
	WHERE found <> parts OR length(bytes) <> size OR sha256(bytes) <> sha256
	UNION ALL SELECT 'no part without its word vectors', name FROM emotion.vectors_part
	WHERE name NOT IN (SELECT name FROM emotion.vectors)
	UNION ALL SELECT 'an epoch or a checkpoint has its training', format('%s@%s in %s', name, version, kind)
	FROM (SELECT name, version, 'training_epoch' AS kind FROM emotion.training_epoch
		UNION SELECT name, version, 'training_checkpoint' FROM emotion.training_checkpoint) AS o
	WHERE NOT EXISTS (SELECT FROM emotion.training_run AS r WHERE (r.name, r.version) = (o.name, o.version))
	UNION ALL SELECT 'a finished training keeps no checkpoint', name || '@' || version FROM emotion.training_checkpoint AS c
	WHERE EXISTS (SELECT FROM emotion.training_run AS r WHERE (r.name, r.version) = (c.name, c.version) AND r.finished)
	UNION ALL SELECT 'a training is finished when its model is there', name || '@' || version FROM emotion.training_run AS r
	WHERE finished <> (EXISTS (SELECT FROM emotion.model AS m WHERE (m.name, m.version) = (r.name, r.version))
		OR EXISTS (SELECT FROM emotion.dropped_model AS m WHERE (m.name, m.version) = (r.name, r.version)))
	UNION ALL SELECT 'as many epochs as a training has done', name || '@' || version FROM emotion.training_run AS r
	WHERE epoch <> (SELECT count(*) FROM emotion.training_epoch AS e WHERE (e.name, e.version) = (r.name, r.version))
	UNION ALL SELECT 'a checkpoint of word vectors has its training', name FROM emotion.vectors_checkpoint
	WHERE name NOT IN (SELECT name FROM emotion.vectors_run WHERE NOT finished)
	UNION ALL SELECT 'a training of word vectors is finished when they are there', name FROM emotion.vectors_run AS r
	WHERE NOT finished AND name IN (SELECT name FROM emotion.vectors)
	UNION ALL SELECT 'one model is deployed', count(*)::text FROM emotion_models WHERE deployed HAVING count(*) <> 1
	UNION ALL SELECT 'what is deployed is there', d.name || '@' || d.version FROM emotion.deployment AS d
	WHERE withdrawn_at IS NULL AND id = (SELECT max(id) FROM emotion.deployment WHERE withdrawn_at IS NULL)
		AND NOT EXISTS (SELECT FROM emotion.model AS m WHERE (m.name, m.version) = (d.name, d.version))
	UNION ALL SELECT 'a refused line has its import', import::text FROM emotion.import_error
	WHERE import NOT IN (SELECT import FROM emotion.import_log)
	UNION ALL SELECT 'lines add up', import::text FROM emotion.import_log AS l
	WHERE lines <> imported + refused + other
		OR refused <> (SELECT count(*) FROM emotion.import_error AS e WHERE e.import = l.import)
	UNION ALL SELECT 'no lock outlives its session', objid::text FROM pg_locks AS l
	WHERE locktype = 'advisory' AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.pid = l.pid AND a.state <> 'idle')
	UNION ALL SELECT 'every model scores', name || '@' || version
	FROM emotion.model WHERE cardinality(emotion_scores('what a happy day', name || '@' || version)) <> cardinality(labels))
SELECT promise || ': ' || string_agg(what, ', ') FROM broken GROUP BY promise};

sub broken_promises
{
	my ($node, $database) = @_;
	return grep { $_ ne '' } split /\n/, $node->safe_psql($database // 'postgres', $promises);
}

# Files that nobody wants any more, when nothing runs: temporary ones, and copies of models that the database does not
# have. The first score of a session removes what others left half made.
sub leftover_files
{
	my ($node, $database, $model) = @_;
	my $data = $node->data_dir;

	$node->safe_psql($database, "SELECT emotion_scores('happy', '$model')");
	my %known = map { $_ => 1 } split /\n/, $node->safe_psql($database, q{SELECT encode(sha256, 'hex') FROM emotion.model});
	my @left = glob("$data/base/pgsql_tmp/* $data/pg_tblspc/*/*/pgsql_tmp/*");
	foreach my $copy (glob("$data/pg_stat_tmp/emotion_model.*"))
	{
		push @left, $copy unless basename($copy) =~ /^emotion_model\.([0-9a-f]{64})\.[0-9a-f]{8}$/ && $known{$1};
	}
	return map { s/^\Q$data\E\///r } @left;
}

# Processes that a process has started: process id => what it calls itself.
sub children_of
{
	my ($parent) = @_;
	my %children;

	foreach my $file (glob('/proc/[0-9]*/stat'))
	{
		open(my $stat, '<', $file) or next;
		my $line = <$stat> // '';
		my ($pid, $of) = $line =~ /^(\d+) \(.*\) \S (\d+) / or next;
		next unless $of == $parent && open(my $command, '<', "/proc/$pid/cmdline");
		($children{$pid} = <$command> // '') =~ tr/\0/ /;
	}
	return %children;
}

1;
