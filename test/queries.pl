#!/usr/bin/env perl
# Queries in C name what they mean: operators as OPERATOR(pg_catalog.=), functions and types by their schema, and
# nothing that looks an operator up by itself (IN, NULLIF, BETWEEN, LIKE). Otherwise whoever calls decides, by
# search_path, what runs. As TAP; test/t/035_privileges.pl does the same by setting traps.
use strict;
use warnings;

my ($queries, @found) = (0);
foreach my $file (sort glob 'src/pg/*.c')
{
	open my $in, '<', $file or die "$file: $!";
	my $text = do { local $/; <$in> };
	my $literal = qr/"(?:[^"\\]|\\.)*"/;

	while ($text =~ /($literal(?:\s*(?:U?INT64_FORMAT)?\s*$literal)*)/g)
	{
		my ($sql, $line) = ($1, 1 + (substr($text, 0, $-[0]) =~ tr/\n//));
		$sql =~ s/"\s*(?:U?INT64_FORMAT)?\s*"//g;
		next unless $sql =~ /\b(?:SELECT|INSERT INTO|DELETE FROM|(?<!FOR )UPDATE|CREATE TABLE|ALTER TABLE)\b/ && $sql !~ /SELECT (?:\* FROM )?emotion_\w+\(/;
		$queries++;
		$sql =~ s/'[^']*'//g;
		$sql =~ s/(?:\bSET|,) (?:%s|\w+) = //g;
		$sql =~ s/\bINTO (?:[\w.]+|%s) \(//g;
		$sql =~ s/\b(?:SELECT|SELECT t\.\*|SELECT \w+\.\*) \*//g;
		push @found, "$file:$line: $_" foreach
			$sql =~ /( (?:=|<|>|<>|>=|<=|\|\||~|->>?) )/g, $sql =~ /\b(IN \(|NULLIF|BETWEEN|LIKE|SIMILAR TO|DISTINCT FROM)/g,
			$sql =~ /(?<![.\w])((?!CASE|WHEN|THEN)[a-z]\w+\([^)])/g, $sql =~ /(::(?!pg_catalog\.|%s)\w+)/g;
	}
}
print "1..2\n";
print(($queries > 50 ? 'ok' : 'not ok') . " 1 - $queries queries in src/pg\n");
print((@found ? 'not ok' : 'ok') . " 2 - each names what it means\n");
print "# $_\n" foreach @found;
exit(@found ? 1 : 0);
