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

our @EXPORT = qw(new_server tiny_model import_tiny open_session ask send_query wait_for_session close_session);

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

# A psql that stays open, as a hash; ask() it.
sub open_session
{
	my ($node, $database) = @_;
	my $session = { in => '', out => '', err => '', asked => 0 };

	$session->{run} = IPC::Run::start(
		[ 'psql', '-XqAt', '-d', $node->connstr($database) ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err},
		IPC::Run::timeout(180));
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

1;
