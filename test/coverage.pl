#!/usr/bin/env perl
# What gcov counted below the working directory, by room and file (test/coverage.sh calls this).
#
#   test/coverage.pl DIRECTORY [--no-judge]
#
# A source compiled more than once (floats and doubles, programs of tests and the server's
# library, a header in many files) counts as covered where any of them came by.
use strict;
use warnings;
use File::Path qw(make_path);
use File::Basename qw(dirname);
use JSON::PP;

my ($report, $no_judge) = @ARGV;
my %least = (below => 90, 'src/pg' => 85);
my $json = eval { require JSON::XS; JSON::XS->new } // JSON::PP->new;
my (%lines, %branches);

open my $list, '-|', 'find src build -name "*.gcda" -path "*src/*"' or die "find: $!";
chomp(my @counted = <$list>);
close $list;
die "no counts (*.gcda) below this directory\n" unless @counted;

for my $counts (@counted)
{
	open my $gcov, '-|', 'gcov', '--json-format', '--stdout', '--branch-probabilities', $counts
		or die "gcov: $!";
	while (my $object = <$gcov>)
	{
		for my $file (@{ $json->decode($object)->{files} })
		{
			next unless $file->{file} =~ m{^src/.*\.[ch]$};
			my (%here, %taken);

			for my $line (@{ $file->{lines} })
			{
				my $at = $line->{line_number};

				$here{$at} += $line->{count};
				push @{ $taken{$at} }, map { $_->{count} } @{ $line->{branches} };
			}
			while (my ($at, $count) = each %here)
			{
				$lines{ $file->{file} }{$at} += $count;
			}
			# Two compilations may see different branches in a line: the first one's are kept.
			while (my ($at, $counts) = each %taken)
			{
				my $kept = $branches{ $file->{file} }{$at} //= [ (0) x @$counts ];

				next unless @$kept == @$counts;
				$kept->[$_] += $counts->[$_] for 0 .. $#$counts;
			}
		}
	}
	close $gcov;
}

my (%room, @files);
for my $file (sort keys %lines)
{
	my @sum = (0) x 4;    # lines, covered, branches, taken
	my ($name) = $file =~ m{^(src(?:/\w+(?=/))?)};

	$sum[0] = keys %{ $lines{$file} };
	$sum[1] = grep { $_ > 0 } values %{ $lines{$file} };
	for my $counts (values %{ $branches{$file} // {} })
	{
		$sum[2] += @$counts;
		$sum[3] += grep { $_ > 0 } @$counts;
	}
	push @files, [ $file, @sum ];
	for my $total ($name, $name eq 'src/pg' ? () : 'below')
	{
		$room{$total}[$_] += $sum[$_] for 0 .. 3;
	}
	annotate($file);
}

sub annotate
{
	my ($file) = @_;

	make_path(dirname("$report/$file"));
	open my $in, '<', $file or return;
	open my $out, '>', "$report/$file" or die "$report/$file: $!";
	while (my $text = <$in>)
	{
		my $count = $lines{$file}{$.};
		my @missed = grep { $_ == 0 } @{ $branches{$file}{$.} // [] };

		printf $out "%10s %2s %5d  %s", !defined $count ? '' : $count || '#####',
			@missed ? scalar @missed : '', $., $text;
	}
	close $out;
	return;
}

sub row
{
	my ($name, $lines, $covered, $branches, $taken) = @_;
	my $share = sub { $_[1] ? sprintf '%.1f %%', 100 * $_[0] / $_[1] : '-' };

	return sprintf "%-36s %8s of %6d %8s of %6d\n", $name, $share->($covered, $lines), $lines,
		$share->($taken, $branches), $branches;
}

my $head = sprintf "%-36s %18s %18s\n", '', 'lines', 'branches';
my $rooms = join '', map { row($_ eq 'below' ? 'all below src/pg' : $_, @{ $room{$_} }) }
	(grep { $_ ne 'below' && $_ ne 'src/pg' } sort keys %room),
	grep { $room{$_} } 'below', 'src/pg';

open my $out, '>', "$report/report.txt" or die "$report/report.txt: $!";
print $out $head, $rooms, "\n";
print $out row(@$_) for sort { $a->[2] / $a->[1] <=> $b->[2] / $b->[1] } @files;
close $out;
print $head, $rooms;
exit 0 if $no_judge;

my $status = 0;
for my $name (sort keys %least)
{
	my ($all, $covered) = @{ $room{$name} // [ 1, 0 ] };

	next if 100 * $covered >= $least{$name} * $all;
	print "too little: $least{$name} % of the lines of $name are wanted\n";
	$status = 1;
}
exit $status;
