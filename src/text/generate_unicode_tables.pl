#!/usr/bin/perl
#
# generate_unicode_tables.pl
#	  Writes unicode_tables.h from the Unicode data that comes with Perl.
#
#	  perl src/text/generate_unicode_tables.pl > src/text/unicode_tables.h
#
use strict;
use warnings;
use Unicode::UCD qw(prop_invlist prop_invmap);

# The order is that of enum text_class in unicode.h.
my @classes = qw(SPACE IGNORABLE LETTER MARK DIGIT PUNCTUATION EMOJI REGIONAL IDEOGRAPH);
my %code = map { $classes[$_] => $_ } 0 .. $#classes;
my $limit = 0x110000;

# One byte per code point. What no rule names (controls, unassigned, private
# use, surrogates) separates words.
my $class = chr($code{SPACE}) x $limit;

sub assign
{
	my ($name, $first, $last) = @_;
	substr($class, $first, $last - $first + 1) = chr($code{$name}) x ($last - $first + 1);
}

sub assign_property
{
	my ($name, $property) = @_;
	my @list = prop_invlist($property);
	die "no property $property\n" unless @list;
	push @list, $limit if @list % 2;
	while (my ($first, $end) = splice(@list, 0, 2))
	{
		assign($name, $first, $end - 1);
	}
}

# Later rules win over earlier ones.
assign_property(PUNCTUATION => "General_Category=$_") for qw(Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So);
assign_property(LETTER => "General_Category=$_") for qw(Lu Ll Lt Lm Lo Nl No);
assign(LETTER => 0x24B6, 0x24E9);         # circled letters, which have case
assign_property(DIGIT => 'General_Category=Nd');
assign_property(MARK => "General_Category=$_") for qw(Mn Mc Me);
assign_property(IDEOGRAPH => $_) for qw(Ideographic Script=Hiragana Script=Katakana);
assign(IDEOGRAPH => 0x30FC, 0x30FC);     # prolonged sound mark
assign(IDEOGRAPH => 0xFF70, 0xFF70);     # its halfwidth form
assign(IDEOGRAPH => 0x20000, 0x2FFFD);   # ideographs assigned later stand here too
assign(IDEOGRAPH => 0x30000, 0x3FFFD);
assign_property(EMOJI => $_) for qw(Extended_Pictographic Emoji_Modifier);
assign_property(REGIONAL => 'Regional_Indicator');
assign_property(IGNORABLE => $_) for qw(General_Category=Cf Default_Ignorable_Code_Point);
assign(SPACE => 0xFFF0, 0xFFF8);         # ignorable, but unassigned
assign_property(SPACE => 'White_Space');
assign(SPACE => 0x200B, 0x200B);         # zero width space
assign(SPACE => 0x2800, 0x2800);         # braille blank, used to draw
assign(SPACE => 0xFFFC, 0xFFFD);         # object and character replacement
assign(PUNCTUATION => 0x02BC, 0x02BC);   # modifier letter apostrophe: used as a mark

my (@class_runs, $last);
for my $cp (0 .. $limit - 1)
{
	my $value = ord(substr($class, $cp, 1));
	next if defined $last && $value == $last;
	push @class_runs, sprintf('0x%06x', $cp << 4 | $value);
	$last = $value;
}

# Simple lowercase: rows of code points one or two apart with one difference.
my %lower;
my ($starts, $maps, $format, $default) = prop_invmap('Simple_Lowercase_Mapping');
die "unexpected format $format\n" unless $format eq 'a' && $default == 0;
for my $i (0 .. $#$starts)
{
	next if $maps->[$i] == 0;
	my $end = $i < $#$starts ? $starts->[ $i + 1 ] : $limit;
	$lower{$_} = $maps->[$i] + $_ - $starts->[$i] for $starts->[$i] .. $end - 1;
}

my (@rows, $row);
for my $cp (sort { $a <=> $b } keys %lower)
{
	next if $cp < 256;
	my $delta = $lower{$cp} - $cp;
	my $step = defined $row ? $cp - $row->{last} : 0;
	if (defined $row
		&& $delta == $row->{delta}
		&& ($step == 1 || $step == 2)
		&& ($row->{last} == $row->{first} || $step == $row->{step}))
	{
		@$row{qw(last step)} = ($cp, $step);
		next;
	}
	$row = { first => $cp, last => $cp, step => 1, delta => $delta };
	push @rows, $row;
}

sub rows_of
{
	my ($count, @items) = @_;
	my $out = '';
	while (my @line = splice(@items, 0, $count))
	{
		$out .= "\t" . join(', ', @line) . ",\n";
	}
	return $out;
}

my $version = Unicode::UCD::UnicodeVersion();
my @latin1_class = map { ord(substr($class, $_, 1)) } 0 .. 255;
my @latin1_lower = map { $lower{$_} // $_ } 0 .. 255;

print <<"END";
/*
 * unicode_tables.h
 *	  Classes and lowercase of code points, Unicode $version.
 *
 * Written by generate_unicode_tables.pl: do not edit. Only unicode.c includes it.
 */
/* clang-format off */
const uint8_t text_latin1_class[256] = {
END
print rows_of(32, @latin1_class), "};\n\nconst uint8_t text_latin1_lowercase[256] = {\n",
  rows_of(16, map { sprintf '0x%02x', $_ } @latin1_lower), "};\n";
print "\n/* First code point << 4 | class of each run, ascending; a run ends where the next begins. */\n";
print "static const uint32_t class_runs[", scalar(@class_runs), "] = {\n", rows_of(10, @class_runs),
  "};\n";
print "\n/* first, last, step, difference: beyond Latin-1. */\n";
print "static const lowercase_run lowercase_runs[", scalar(@rows), "] = {\n",
  rows_of(3, map { sprintf '{ 0x%05x, 0x%05x, %d, %d }', @$_{qw(first last step delta)} } @rows),
  "};\n/* clang-format on */\n";
