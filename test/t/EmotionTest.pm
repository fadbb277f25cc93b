# What the TAP tests share: a server with the extension, the tiny model, and psql
# sessions that stay open.
package EmotionTest;

use strict;
use warnings;
use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_server new_installation extension_objects differences tiny_model import_tiny open_session ask send_query wait_for_session close_session status_of forget_peak);

# A running server; %parameters as for init().
sub new_server
{
	my ($name, %parameters) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%parameters, extra => [ '--encoding=UTF8', '--locale=C' ]);
	$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlog_min_messages = warning\n");
	$node->start;
	return $node;
}

# A server's programs and files beside the installed ones, where versions of the extension can be added:
# PostgreSQL looks for its files from where its own program stands, which is why that is copied. Everything
# else is the installed one's. Returns what is install_path of a server, and the directory of extensions.
sub new_installation
{
	my $root = PostgreSQL::Test::Utils::tempdir();
	my %of;

	foreach my $kind ('bindir', 'sharedir', 'pkglibdir')
	{
		chomp(my $directory = `pg_config --$kind`);
		$of{$kind} = [ split m{/}, $directory ];
	}
	my $common = 0;
	$common++ while $of{bindir}[$common] eq $of{sharedir}[$common] && $of{bindir}[$common] eq $of{pkglibdir}[$common];
	my %from = map { $_ => join('/', @{ $of{$_} }) } keys %of;
	my %to = map { my @parts = @{ $of{$_} }; $_ => join('/', $root, @parts[ $common .. $#parts ]) } keys %of;

	system('mkdir', '-p', values %to) == 0 or die 'mkdir';
	my @programs = map { "$from{bindir}/$_" } qw(postgres initdb pg_config pg_ctl pg_dump pg_restore psql);
	system("cp -L @programs $to{bindir}/ && ln -s $from{pkglibdir}/* $to{pkglibdir}/") == 0 or die 'programs';
	system("ln -s $from{sharedir}/* $to{sharedir}/ && rm $to{sharedir}/extension") == 0 or die 'files';
	mkdir "$to{sharedir}/extension" or die;
	foreach my $file (glob "$from{sharedir}/extension/emotion* $from{sharedir}/extension/plpgsql*")
	{
		my ($name) = $file =~ m{([^/]*)$};
		symlink $file, "$to{sharedir}/extension/$name" or die $file;
	}
	(my $path = $to{bindir}) =~ s{/bin$}{} or die "programs in $to{bindir}";
	return ($path, "$to{sharedir}/extension");
}

# What the extension is in a database, as a list of lines for each statement given: after it, in a
# transaction that is rolled back.
sub extension_objects
{
	my ($node, $database, @statements) = @_;
	my $sql = slurp_file('test/t/objects.sql');

	$sql =~ s/^WITH line/PREPARE objects AS\nWITH line/m or die 'objects.sql';
	$sql .= "BEGIN;\nSET LOCAL search_path = public;\n$_;\nSET LOCAL search_path = pg_catalog;\nEXECUTE objects;\nROLLBACK;\n\\echo next\n" foreach @statements;
	return map { [ split /\n/ ] } split /^next\n/m, $node->safe_psql($database, $sql) . "\n";
}

# Lines of one that the other lacks, as a diff.
sub differences
{
	my ($wanted, $got) = @_;
	my %wanted = map { $_ => 1 } @$wanted;
	my %got = map { $_ => 1 } @$got;

	return join("\n", (map { "-$_" } grep { !$got{$_} } @$wanted), (map { "+$_" } grep { !$wanted{$_} } @$got));
}

# The model file of test/reference/tiny_model.sql, in hexadecimal.
sub tiny_model
{
	my $sql = slurp_file('test/reference/tiny_model.sql');
	my ($hex) = $sql =~ /^\\set tiny_model ([0-9a-f]+)$/m or die 'no model in tiny_model.sql';
	return $hex;
}

# Publish the tiny model under a name; by default it deploys that version.
sub import_tiny
{
	my ($node, $database, $name, %options) = @_;
	my $hex = $options{model} // tiny_model();
	my $reference = $node->safe_psql($database, "SELECT emotion_import('$name', decode('$hex', 'hex'))");

	$node->safe_psql($database, "SELECT emotion_deploy('$reference')") unless $options{keep};
	return $reference;
}

# A psql that stays open, as a hash; ask() it. It is given up after 180 seconds, or so many.
sub open_session
{
	my ($node, $database, $seconds) = @_;
	my $session = { in => '', out => '', err => '', asked => 0 };

	$session->{run} = IPC::Run::start(
		[ 'psql', '-XqAt', '-d', $node->connstr($database) ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err},
		IPC::Run::timeout($seconds // 180));
	return $session;
}

# Send a query and do not wait; wait_for_session() gives its answer.
sub send_query
{
	my ($session, $query) = @_;

	$session->{out} = $session->{err} = '';
	$session->{asked}++;
	$session->{in} .= "$query;\n\\echo answered $session->{asked}\n";
	$session->{run}->pump_nb;
	return;
}

# Rows as psql -At prints them, and what went wrong.
sub wait_for_session
{
	my ($session) = @_;
	my $mark = "answered $session->{asked}\n";

	$session->{run}->pump until $session->{out} =~ /\Q$mark\E$/;
	$session->{run}->pump_nb;
	(my $rows = $session->{out}) =~ s/\n?\Q$mark\E$//;
	return wantarray ? ($rows, $session->{err}) : $rows;
}

sub ask
{
	my ($session, $query) = @_;

	send_query($session, $query);
	return wait_for_session($session);
}

sub close_session
{
	my ($session) = @_;

	$session->{in} .= "\\q\n";
	$session->{run}->finish;
	return;
}

# What a process takes, by the system's accounting, in bytes: VmRSS, VmHWM (at most), RssAnon.
sub status_of
{
	my ($pid, $name) = @_;
	return 1024 * (slurp_file("/proc/$pid/status") =~ /^$name:\s+(\d+)/m)[0];
}

# What it takes at most begins anew where that is allowed; else it is what it took at any time.
sub forget_peak
{
	my ($pid) = @_;

	if (open(my $peak, '>', "/proc/$pid/clear_refs"))
	{
		syswrite $peak, '5';
		close $peak;
	}
	return;
}

1;
