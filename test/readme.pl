#!/usr/bin/perl
# Every SQL block of README.md runs, in order, in one session of a fresh database, and shows what
# the README says it shows.
#
# A block of ```sql is run by psql. A block of ```text right after it (blank lines between) is its
# output; trailing blanks do not count, and a line "..." stands for any number of lines. A block
# without one has to succeed only.
#
# With README_UPDATE=FILE it writes FILE: the README with what was shown in place of what it says,
# to be read before it is kept.
use strict;
use warnings;
use File::Basename qw(dirname);
use IPC::Run qw(run);
use Cwd qw(abs_path);

my $root = dirname(abs_path(__FILE__)) . '/..';
chdir $root or die "cannot enter $root: $!";
my $stage = $ENV{EMOTION_STAGE} or die "EMOTION_STAGE is not set: test/run.sh runs this\n";

# The blocks: the line where each starts, its SQL, and its output or undef.
my (@blocks, $fence, $kind, @body, @lines);
open(my $readme, '<', 'README.md') or die "README.md: $!";
my $pending;    # the SQL block that a text block may follow
while (my $line = <$readme>)
{
	push @lines, $line;
	if (defined $fence)
	{
		if ($line =~ /^\Q$fence\E\s*$/)
		{
			if ($kind eq 'sql')
			{
				$pending = { line => $. - @body, sql => join('', @body), output => undef };
				push @blocks, $pending;
			}
			elsif ($kind eq 'text' && $pending)
			{
				$pending->{output} = join('', @body);
				$pending->{place} = [ @lines - 1 - @body, scalar @body ];
				$pending = undef;
			}
			undef $fence;
		}
		else
		{
			push @body, $line;
		}
	}
	elsif ($line =~ /^(```+)\s*(\w*)/)
	{
		($fence, $kind, @body) = ($1, $2);
		$pending = undef if $kind ne 'text';
	}
	elsif ($line =~ /\S/)
	{
		$pending = undef;
	}
}
close $readme;
print '1..', scalar(@blocks) || 1, "\n";
if (!@blocks)
{
	print "not ok 1 - README.md shows SQL\n";
	exit 1;
}

# One psql for all, with a mark on both of its outputs before each block.
my $mark = '@@ block';
my $script = "\\pset pager off\n";
$script .= "\\echo $mark $_\n\\warn $mark $_\n$blocks[$_]{sql}\n\\pset format aligned\n"
  for 0 .. $#blocks;

sub as_db_user
{
	my @command = ('bash', '-c', '. test/cluster.sh; cd "$EMOTION_STAGE"; as_db_user "$@"', 'bash');
	return (@command, @_);
}
my ($out, $err) = ('', '');
run [ as_db_user(qw(createdb -T template0 -E UTF8 readme)) ], '<', \undef, '>&', \$out
  or die "createdb: $out";
run [ as_db_user(qw(psql -Xq -d readme -f -)) ], '<', \$script, '>', \$out, '2>', \$err;

# What each block wrote, by the marks.
sub by_block
{
	my %part;
	my $current;
	for my $line (split /\n/, $_[0])
	{
		if ($line =~ /^\Q$mark\E (\d+)$/) { $current = $1; $part{$current} = ''; }
		elsif (defined $current) { $part{$current} .= "$line\n"; }
	}
	return \%part;
}

# Quoted, but for the lines that say "...".
sub pattern
{
	my @lines = map { s/\s+$//r } split /\n/, $_[0];
	pop @lines while @lines && $lines[-1] eq '';
	return join '', map { $_ eq '...' ? '(?:.*\n)*?' : quotemeta($_) . '\n' } @lines;
}

my $shown = by_block($out);
my $said = by_block($err);
my $failures = 0;
for my $i (0 .. $#blocks)
{
	my $block = $blocks[$i];
	my $actual = $shown->{$i};
	my @why;
	if (!defined $actual)
	{
		@why = ("it was never reached");
	}
	else
	{
		$actual = join '', map { (s/\s+$//r) . "\n" } split /\n/, $actual;
		$actual =~ s/\n+\z/\n/;
		$actual =~ s/\A\n+\z//;
		my @errors = grep { /(ERROR|FATAL|PANIC|error):/ } split /\n/, $said->{$i} // '';
		push @why, @errors;
		if (defined $block->{output})
		{
			my $pattern = pattern($block->{output});
			push @why, "it shows", split(/\n/, $actual), "where README says",
			  split(/\n/, $block->{output})
			  if $actual !~ /\A$pattern\z/;
		}
	}
	print @why ? 'not ok ' : 'ok ', $i + 1, " - the block at line $block->{line}\n";
	print map { "#   $_\n" } @why;
	$failures++ if @why;
}
if (my $file = $ENV{README_UPDATE})
{
	for my $i (reverse 0 .. $#blocks)
	{
		next if !$blocks[$i]{place} || !defined $shown->{$i};
		my ($start, $count) = @{ $blocks[$i]{place} };
		my $actual = join '', map { (s/\s+$//r) . "\n" } split /\n/, $shown->{$i};
		splice @lines, $start, $count, $actual =~ s/\n+\z/\n/r;
	}
	open(my $updated, '>', $file) or die "$file: $!";
	print $updated @lines;
	close $updated or die "$file: $!";
}
run [ as_db_user(qw(dropdb --force readme)) ], '<', \undef, '>&', \$out;
exit($failures ? 1 : 0);
