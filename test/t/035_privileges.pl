# Who may do what: every table, view, sequence, function and procedure of the extension, tried by every
# kind of role. The extension is created by a database's owner who is no superuser. What is new in the
# extension and not in this table fails the test.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use EmotionTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('privileges');
my $tiny = tiny_model();
my @roles = qw(boss landlord trainer visitor);    # superuser, owner, granted, stranger
$node->safe_psql('postgres', q{
	CREATE ROLE boss LOGIN SUPERUSER; CREATE ROLE victim LOGIN SUPERUSER; CREATE ROLE landlord LOGIN; CREATE ROLE trainer LOGIN; CREATE ROLE visitor LOGIN;
	CREATE DATABASE house OWNER landlord});

# As psql of a role says it: a SQLSTATE for each statement.
sub states
{
	my ($role, @statements) = @_;
	my $script = "SET client_min_messages = error;\n";

	$script .= "$statements[$_];\n\\echo \@$_ :SQLSTATE\n" foreach 0 .. $#statements;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'psql', '-XqAt', '-U', $role, '-d', $node->connstr('house') ], '<', \$script, '>', \$out, '2>', \$err);
	my @states;
	$states[$1] = $2 while $out =~ /^\@(\d+) (\w+)$/mg;
	return wantarray ? (\@states, $err) : \@states;
}

# --- what a trusted extension needs: the right to create in the database
my ($state, $error) = states('visitor', 'CREATE EXTENSION emotion');
is("@$state", '42501', 'a stranger does not create the extension');
($state, $error) = states('landlord', 'CREATE EXTENSION emotion');
is("@$state", '00000', "the database's owner does") or diag($error);
is($node->safe_psql('house', q{SELECT string_agg(DISTINCT extowner::regrole || ' ' || relowner::regrole, ',')
	FROM pg_extension JOIN pg_depend ON refobjid = pg_extension.oid JOIN pg_class AS c ON classid = 'pg_class'::regclass AND objid = c.oid
	WHERE extname = 'emotion'}), 'landlord landlord', 'and owns it, its tables, views and sequences');
is($node->safe_psql('house', q{SELECT string_agg(p.oid::regprocedure::text, ',') FROM pg_proc AS p JOIN pg_depend AS d
	ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid JOIN pg_extension AS e ON e.oid = d.refobjid
	WHERE e.extname = 'emotion' AND p.prosecdef}), '', 'no function runs with the privileges of its owner, a superuser');

# --- what the README has for a trainer, and for an annotator
my $readme = slurp_file('README.md');
my ($grants) = $readme =~ /^CREATE ROLE trainer;\n(.*?)```/ms or die 'no grants in README.md';
states('landlord', $grants . q{SELECT emotion_annotation_grant('trainer')});

$node->safe_psql('house', q{
	CREATE SCHEMA boss AUTHORIZATION boss; CREATE SCHEMA landlord AUTHORIZATION landlord;
	CREATE SCHEMA trainer AUTHORIZATION trainer; CREATE SCHEMA visitor AUTHORIZATION visitor; CREATE SCHEMA victim AUTHORIZATION victim;
	CREATE TABLE post (id int PRIMARY KEY, text text, labels text[], split text);
	INSERT INTO post SELECT i, CASE WHEN i % 2 = 0 THEN 'happy evening ' ELSE 'sad morning ' END || i,
		CASE WHEN i % 2 = 0 THEN '{joy}' ELSE '{sadness}' END::text[], CASE WHEN i % 3 = 0 THEN 'dev' ELSE 'train' END
		FROM generate_series(1, 60) AS i;
	CREATE VIEW joyful AS SELECT labels FROM post WHERE id % 2 = 0;
	CREATE TABLE ballot AS SELECT labels || split AS votes FROM post;
	CREATE FUNCTION held_by(who text) RETURNS bigint LANGUAGE sql SET search_path = pg_catalog, pg_temp
		AS 'SELECT min(text_id) FROM emotion.annotation_text WHERE $1 = ANY (holders)';
	GRANT SELECT ON post, joyful, ballot TO PUBLIC;
	CREATE TABLE boss.mine AS SELECT id, text, labels FROM post; ALTER TABLE boss.mine OWNER TO boss; CREATE TABLE boss.other (); ALTER TABLE boss.other OWNER TO boss;
	CREATE TABLE landlord.mine AS SELECT id, text, labels FROM post; ALTER TABLE landlord.mine OWNER TO landlord; CREATE TABLE landlord.other (); ALTER TABLE landlord.other OWNER TO landlord;
	CREATE TABLE trainer.mine AS SELECT id, text, labels FROM post; ALTER TABLE trainer.mine OWNER TO trainer; CREATE TABLE trainer.other (); ALTER TABLE trainer.other OWNER TO trainer;
	CREATE TABLE victim.mine AS SELECT id, text, labels FROM post; CREATE TABLE victim.other ();
	CREATE TABLE visitor.mine AS SELECT id, text, labels FROM post; ALTER TABLE visitor.mine OWNER TO visitor; CREATE TABLE visitor.other (); ALTER TABLE visitor.other OWNER TO visitor;});
$node->safe_psql('house', qq{
	SELECT emotion_import('drop_' || r, decode('$tiny', 'hex')), emotion_import('own_' || r, decode('$tiny', 'hex'))
		FROM unnest('{boss,landlord,trainer,visitor,victim}'::text[]) AS r;
	INSERT INTO emotion.import_part SELECT 'up_' || r, 1, decode('$tiny', 'hex') FROM unnest('{boss,landlord,trainer,visitor,victim}'::text[]) AS r;
	INSERT INTO emotion.import_part SELECT 'vec_' || r, 1, E'2 2\\na 1 2\\nb 3 4\\n'::bytea FROM unnest('{boss,landlord,trainer,visitor,victim}'::text[]) AS r;
	INSERT INTO emotion.import_part SELECT 'words_' || r, 1, E'2 2\\na 1 2\\nb 3 4\\n'::bytea FROM unnest('{boss,landlord,trainer,visitor,victim}'::text[]) AS r;
	CALL emotion_import_vectors_upload('words_boss', 'words_boss'); CALL emotion_import_vectors_upload('words_landlord', 'words_landlord');
	CALL emotion_import_vectors_upload('words_trainer', 'words_trainer'); CALL emotion_import_vectors_upload('words_visitor', 'words_visitor');
	CALL emotion_import_vectors_upload('words_victim', 'words_victim');
	SELECT emotion_annotation_project('p', votes => 5), emotion_annotation_add('p', 'post');
	INSERT INTO emotion.annotation_vote SELECT 1, 'p', 'x', '{joy}' FROM (SELECT emotion.annotation_join('p', 'x')) AS j;
	SELECT emotion_deploy('own_boss\@1'), emotion_deploy('own_trainer\@1'), emotion_deploy('own_landlord\@1')});

# --- tables, views and sequences: S select, I insert, U update, D delete, N nextval; - refused; small: refused,
# but for some columns
my $relations = <<'END';
	relation                            owner  granted stranger
	emotion.model                       SIUD   sI-D    s---
	emotion.model_part                  SIUD   -I--    ----
	emotion.model_grant                 SIUD   ----    ----
	emotion.dropped_model               SIUD   S---    S---
	emotion.deployment                  SIUD   SIU-    S---
	emotion.import_part                 SIUD   SI-D    ----
	emotion.training_run                SIUD   SIUD    s---
	emotion.training_epoch              SIUD   SIUD    S---
	emotion.training_checkpoint         SIUD   SIUD    ----
	emotion.vectors                     SIUD   sI-D    s---
	emotion.vectors_part                SIUD   SI--    S---
	emotion.vectors_run                 SIUD   SIUD    s---
	emotion.vectors_checkpoint          SIUD   SIUD    ----
	emotion.import_log                  SIUD   SI-D    SI-D
	emotion.import_error                SIUD   SI-D    SI-D
	emotion.annotation_project          SIUD   S---    ----
	emotion.annotation_text             SIUD   s-u-    ----
	emotion.annotator                   SIUD   SI--    ----
	emotion.annotation_vote             SIUD   sIu-    ----
	emotion.annotation_decision         SIUD   ----    ----
	emotion.label_definition            SIUD   S---    S---
	emotion.annotation_label_count      S      -       -
	emotion.pseudo_labelling            SIUD   SIUD    SIUD
	emotion_models                      S      S       S
	emotion_pseudo_label_progress       S      S       S
	emotion_shared_models               -      -       -
	emotion_training_progress           S      S       S
	emotion_vectors                     S      S       S
	emotion_vectors_progress            S      S       S
	emotion.import_log_import_seq       N      N       N
	emotion.annotation_text_text_id_seq N      -       -
END
my (%placed, %tries);
my (undef, undef, @lines) = split /\n\t/, "\n" . $relations;
my %columns = map { split /=/ } split /\n/, $node->safe_psql('house', q{
	SELECT c.oid::regclass || '=' || attname FROM pg_class AS c JOIN pg_attribute ON attrelid = c.oid AND attnum = 1
		JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid JOIN pg_extension AS e ON e.oid = d.refobjid
	WHERE e.extname = 'emotion'});
foreach my $line (@lines)
{
	my ($relation, @expected) = split ' ', $line;
	my @kinds = $relation =~ /_seq$/ ? 'N' : $expected[0] =~ /D/ ? qw(S I U D) : 'S';
	my %name = (S => 'SELECT', I => 'INSERT', U => 'UPDATE');
	my $first = $columns{$relation} // die $relation;
	my %try = (
		S => "SELECT * FROM $relation",
		I => "INSERT INTO $relation ($first) SELECT NULL WHERE false",
		U => "UPDATE $relation SET $first = NULL WHERE false",
		D => "DELETE FROM $relation WHERE false",
		N => "SELECT nextval('$relation')");
	$placed{$relation} = 1;
	foreach my $role (@roles)
	{
		my $wanted = $role eq 'boss' ? join '', @kinds : shift @expected;
		push @{ $tries{$role} }, [ $relation, $wanted, [ map { [ $_, $try{$_},
			$name{$_} && $relation !~ /models$/ ? "SELECT 1 / has_any_column_privilege('$relation', '$name{$_}')::int" : 'SELECT 1 / 0' ] } @kinds ] ];
	}
}
foreach my $role (@roles)
{
	my @states = @{ (states($role, map { map { ($_->[1], $_->[2]) } @{ $_->[2] } } @{ $tries{$role} }))[0] };
	foreach my $try (@{ $tries{$role} })
	{
		my ($relation, $wanted, $kinds) = @$try;
		my $found = '';
		foreach my $kind (map { $_->[0] } @$kinds)
		{
			my ($state, $some) = splice @states, 0, 2;
			$found .= $state eq '00000' ? $kind : $state ne '42501' ? "<$state>" : $some eq '00000' ? lc $kind : '-';
		}
		is($found, $wanted, "$relation: $role");
	}
}

# --- functions and procedures: y does it, n is refused with 42501, or the SQLSTATE of what comes after the
# privileges; for the superuser and the owner, the role with the README's grants, and a stranger. $r is the role.
my $calls = <<'END';
	emotion.grantee_in(cstring)                   y y y  SELECT emotion.grantee_in('public')
	emotion.grantee_out(emotion.grantee)          y y y  SELECT emotion.grantee_out('public')
	emotion.may_use(text)                         y y y  SELECT emotion.may_use('own_boss')
	emotion.may_see(text)                         y y y  SELECT emotion.may_see('boss')
	emotion.refuse_change()                       n n n  CREATE TRIGGER t BEFORE UPDATE ON $r.other EXECUTE FUNCTION emotion.refuse_change()
	emotion.check_delete()                        n n n  CREATE TRIGGER t BEFORE DELETE ON $r.other FOR EACH ROW EXECUTE FUNCTION emotion.check_delete()
	emotion.check_insert()                        n n n  CREATE TRIGGER t AFTER INSERT ON $r.other FOR EACH ROW EXECUTE FUNCTION emotion.check_insert()
	emotion.keep_number()                         n n n  CREATE TRIGGER t AFTER DELETE ON $r.other FOR EACH ROW EXECUTE FUNCTION emotion.keep_number()
	emotion.skip_known_number()                   n n n  CREATE TRIGGER t BEFORE INSERT ON $r.other FOR EACH ROW EXECUTE FUNCTION emotion.skip_known_number()
	emotion.delete_dependents()                   n n n  CREATE TRIGGER t AFTER DELETE ON $r.other FOR EACH ROW EXECUTE FUNCTION emotion.delete_dependents()
	emotion.registry_changed()                    n n n  CREATE TRIGGER t AFTER DELETE ON $r.other EXECUTE FUNCTION emotion.registry_changed()
	emotion.check_vectors_part_delete()           n n n  CREATE TRIGGER t BEFORE DELETE ON $r.other FOR EACH ROW EXECUTE FUNCTION emotion.check_vectors_part_delete()
	emotion.delete_vectors_parts()                n n n  CREATE TRIGGER t AFTER DELETE ON $r.other FOR EACH ROW EXECUTE FUNCTION emotion.delete_vectors_parts()
	emotion.shared_models()                       n n n  SELECT * FROM emotion.shared_models()
	emotion.load_bundled(text,integer,text)       n n n  SELECT emotion.load_bundled('english', 1, '')
	emotion.training_lock_key(text,integer)       y y y  SELECT emotion.training_lock_key('x', 1)
	emotion_deploy(text)                          y y n  SELECT emotion_deploy('own_boss@1')
	emotion_rollback(text)                        y y n  SELECT emotion_rollback('own_boss')
	emotion_drop_model(text)                      y y n  SELECT emotion_drop_model('drop_$r@1')
	emotion_grant(text,name)                      y n n  SELECT emotion_grant('x', 'visitor')
	emotion_revoke(text,name)                     y n n  SELECT emotion_revoke('x', 'visitor')
	emotion_convert(text,text,jsonb)              y y n  SELECT emotion_convert('own_$r@1', 'f16', '{"name": "converted_$r"}')
	emotion_model_hash()                          y y y  SELECT emotion_model_hash()
	emotion_model_hash(text)                      y y y  SELECT emotion_model_hash('own_boss@1')
	emotion_export(text)                          y y y  SELECT * FROM emotion_export('own_boss@1')
	emotion_import(text,bytea,integer,text)       y y n  SELECT emotion_import('new_$r', '\x$tiny')
	emotion_import_upload(text,text,integer,text) y y n  SELECT emotion_import_upload('new_$r', 'up_$r')
	emotion_import_huggingface(text,text,jsonb)   n n n  CALL emotion_import_huggingface('h_$r', '/etc')
	emotion_import_huggingface_upload(text,text,jsonb) 42704 42704 n CALL emotion_import_huggingface_upload('h_$r', 'none')
	emotion_scores(text)                          y y y  SELECT emotion_scores('happy')
	emotion_scores(text,text)                     y y y  SELECT emotion_scores('happy', 'own_boss@1')
	emotion_features(text)                        y y y  SELECT emotion_features('happy')
	emotion_features(text,text)                   y y y  SELECT emotion_features('happy', 'own_boss@1')
	emotion_labels(text)                          y y y  SELECT emotion_labels('happy')
	emotion_labels(text,text)                     y y y  SELECT emotion_labels('happy', 'own_boss@1')
	emotion_top(text,integer)                     y y y  SELECT * FROM emotion_top('happy', 1)
	emotion_top(text,integer,text)                y y y  SELECT * FROM emotion_top('happy', 1, 'own_boss@1')
	emotion_score(text,text)                      y y y  SELECT emotion_score('happy', 'joy')
	emotion_score(text,text,text)                 y y y  SELECT emotion_score('happy', 'joy', 'own_boss@1')
	emotion_json(text)                            y y y  SELECT emotion_json('happy')
	emotion_json(text,text)                       y y y  SELECT emotion_json('happy', 'own_boss@1')
	emotion_explain(text)                         y y y  SELECT * FROM emotion_explain('happy')
	emotion_explain(text,text)                    y y y  SELECT * FROM emotion_explain('happy', 'own_boss@1')
	emotion_highlight(text)                       y y y  SELECT emotion_highlight('happy')
	emotion_highlight(text,text)                  y y y  SELECT emotion_highlight('happy', 'own_boss@1')
	emotion_highlight(text,text,text)             y y y  SELECT emotion_highlight('happy', 'own_boss@1', '')
	emotion_label_names()                         y y y  SELECT emotion_label_names()
	emotion_label_names(text)                     y y y  SELECT emotion_label_names('own_boss@1')
	emotion_thresholds()                          y y y  SELECT emotion_thresholds()
	emotion_thresholds(text)                      y y y  SELECT emotion_thresholds('own_boss@1')
	emotion_annotate(regclass,name,name,text,integer) y y y CALL emotion_annotate('$r.mine', 'text', 'labels', batch_size => 10)
	emotion_train(text,text,jsonb)                y y n  CALL emotion_train('t_$r', 'post', '{"epochs": 1, "embedding_dim": 4, "filters": 4, "hidden": 4, "attention": 4, "threads": 1}')
	emotion_train_options()                       y y y  SELECT * FROM emotion_train_options()
	emotion_ensemble(text,text[],real[],text)     y y n  SELECT emotion_ensemble('e_$r', '{own_boss@1,own_trainer@1}')
	emotion_evaluate(text,text,jsonb)             y y y  SELECT * FROM emotion_evaluate('own_boss@1', 'post')
	emotion_evaluate_resamples(text,text,jsonb)   y y y  SELECT * FROM emotion_evaluate_resamples('own_boss@1', 'post')
	emotion_tune_thresholds(text,text,jsonb)      y y n  SELECT emotion_tune_thresholds('own_$r@1', 'post')
	emotion_compare(text,text,text,jsonb)         y y y  SELECT * FROM emotion_compare('own_boss@1', 'own_trainer@1', 'post')
	emotion_calibrate(text,text,jsonb)            y y n  SELECT emotion_calibrate('own_$r@1', 'post')
	emotion_calibration(text,text,jsonb)          y y y  SELECT * FROM emotion_calibration('own_boss@1', 'post')
	emotion_calibration_error(text,text,jsonb)    y y y  SELECT * FROM emotion_calibration_error('own_boss@1', 'post')
	emotion_calibration_svg(text,text,jsonb)      y y y  SELECT emotion_calibration_svg('own_boss@1', 'post')
	emotion_confidence_thresholds(text,text,double precision,jsonb) y y y SELECT * FROM emotion_confidence_thresholds('own_boss@1', 'post')
	emotion_pseudo_label(text,text,text,text,double precision,jsonb) y y y CALL emotion_pseudo_label('post', 'text', '$r.pseudo', options => '{"key_column": "id"}')
	emotion_avg(real[])                           y y y  SELECT emotion_avg('{1}'::pg_catalog.float4[])
	emotion.emotion_avg_accum(double precision[],real[]) y y y SELECT emotion.emotion_avg_accum('{0,0}', '{1}')
	emotion.emotion_avg_remove(double precision[],real[]) y y y SELECT emotion.emotion_avg_remove('{1,1}', NULL)
	emotion.emotion_avg_combine(double precision[],double precision[]) y y y SELECT emotion.emotion_avg_combine('{1,1}', '{1,1}')
	emotion.emotion_avg_final(double precision[]) y y y  SELECT emotion.emotion_avg_final('{1,1}')
	emotion_label_counts(text[])                  y y y  SELECT emotion_label_counts(labels) FROM post
	emotion_label_counts(bytea)                   y y y  SELECT emotion_label_counts(s) FROM (SELECT emotion_label_state(labels) AS s FROM post) AS t
	emotion_cooccurrence(text[])                  y y y  SELECT emotion_cooccurrence(labels) FROM post
	emotion_cooccurrence(bytea)                   y y y  SELECT emotion_cooccurrence(s) FROM (SELECT emotion_label_state(labels) AS s FROM post) AS t
	emotion_label_stats(text[])                   y y y  SELECT emotion_label_stats(labels) FROM post
	emotion_label_stats(bytea)                    y y y  SELECT emotion_label_stats(s) FROM (SELECT emotion_label_state(labels) AS s FROM post) AS t
	emotion_label_state(text[])                   y y y  SELECT emotion_label_state(labels) FROM post
	emotion_label_state(bytea)                    y y y  SELECT emotion_label_state(s) FROM (SELECT emotion_label_state(labels) AS s FROM post) AS t
	emotion_scumble(text[],emotion_label_statistics) y y y SELECT emotion_scumble('{joy}', (SELECT emotion_label_stats(labels) FROM post))
	emotion_drift(jsonb,jsonb)                    y y y  SELECT emotion_drift('{"joy": 1}', '{"joy": 2}')
	emotion_metrics(text[],real[])                y y y  SELECT emotion_metrics(labels, emotion_scores(text)) FROM post
	emotion_metrics(text[],real[],text[])         y y y  SELECT emotion_metrics(labels, '{1}', '{joy}') FROM joyful
	emotion_metrics(text[],real[],text[],real[])  y y y  SELECT emotion_metrics(labels, '{1}', '{joy}', '{0.5}') FROM joyful
	emotion_kappa(text,text)                      y y y  SELECT emotion_kappa(split, split) FROM post
	emotion_fleiss_kappa(text[])                  y y y  SELECT emotion_fleiss_kappa(votes) FROM ballot
	emotion_krippendorff_alpha(text[])            y y y  SELECT emotion_krippendorff_alpha(votes) FROM ballot
	emotion_label_report(text,jsonb)              y y y  SELECT * FROM emotion_label_report('post')
	emotion_label_report_svg(text,text,jsonb)     y y y  SELECT emotion_label_report_svg('post')
	emotion_drop_vectors(text)                    42704 42704 42704 SELECT emotion_drop_vectors('none')
	emotion_drop_vectors(text)                    y y n  SELECT emotion_drop_vectors('words_$r')
	emotion_import_vectors(text,text,jsonb)       n n n  CALL emotion_import_vectors('v_$r', '/etc/passwd')
	emotion_import_vectors_upload(text,text,jsonb) y y n CALL emotion_import_vectors_upload('v_$r', 'vec_$r')
	emotion_export_vectors(text,text)             y y y  SELECT * FROM emotion_export_vectors('v_boss', 'vec')
	emotion_word_vector(text,text)                y y y  SELECT emotion_word_vector('v_boss', 'a')
	emotion_nearest_words(text,text,integer)      y y y  SELECT * FROM emotion_nearest_words('v_boss', 'a', 1)
	emotion_train_vectors(text,text,text,jsonb)   y y n  CALL emotion_train_vectors('tv_$r', 'post', 'text', '{"dim": 4, "epochs": 1, "min_count": 1, "buckets": 100, "threads": 1}')
	emotion_train_vectors_options()               y y y  SELECT * FROM emotion_train_vectors_options()
	emotion_import_goemotions(text,text,jsonb)    n n n  SELECT * FROM emotion_import_goemotions('$r.imported', 'file:/etc/passwd')
	emotion_import_goemotions(text,text,jsonb)    y y y  SELECT * FROM emotion_import_goemotions('$r.imported', $$SELECT E'nice\t17\tx' AS line$$)
	emotion_import_sentiment140(text,text,jsonb)  n n n  SELECT * FROM emotion_import_sentiment140('$r.imported', 'file:/etc/passwd')
	emotion_import_sentiment140(text,text,jsonb)  y y y  SELECT * FROM emotion_import_sentiment140('$r.tweets', $$SELECT '0,sad' AS line$$)
	emotion_import_csv(text,text,jsonb)           n n n  SELECT * FROM emotion_import_csv('$r.imported', 'file:/etc/passwd')
	emotion_import_csv(text,text,jsonb)           y y y  SELECT * FROM emotion_import_csv('$r.imported', $$VALUES ('text,labels'), ('nice,joy')$$)
	emotion_import_jsonl(text,text,jsonb)         n n n  SELECT * FROM emotion_import_jsonl('$r.imported', 'file:/etc/passwd')
	emotion_import_jsonl(text,text,jsonb)         y y y  SELECT * FROM emotion_import_jsonl('$r.imported', $$SELECT '{"text": "nice", "labels": ["joy"]}' AS line$$)
	emotion_import_jsonl(text,text,jsonb)         y n n  SELECT * FROM emotion_import_jsonl('landlord.mine', $$SELECT '{"text": "nice", "labels": ["joy"]}' AS line$$)
	emotion_annotation_project(text,integer,text[],interval,text) y n n SELECT emotion_annotation_project('p_$r')
	emotion.annotation_project_row(text)          y y n  SELECT emotion.annotation_project_row('p')
	emotion.annotation_source(text)               y y y  SELECT emotion.annotation_source('post')
	emotion_annotation_add(text,text,name,name,name) y n n SELECT emotion_annotation_add('p', $$SELECT 'text of $r' AS text$$)
	emotion.annotation_join(text,text)            y y n  SELECT emotion.annotation_join('p', 'ann_$r')
	emotion_annotation_next(text,text,integer,interval) y y n SELECT * FROM emotion_annotation_next('p', 'ann_$r')
	emotion_annotation_vote(text,bigint,text,text[]) y y n SELECT emotion_annotation_vote('p', held_by('ann_$r'), 'ann_$r', '{joy}')
	emotion_annotation_release(text,text)         y y n  SELECT emotion_annotation_release('p', 'ann_$r')
	emotion_annotation_import_votes(text,text)    y n n  SELECT * FROM emotion_annotation_import_votes('p', $$SELECT 1 AS id, 'imp_$r' AS annotator, '{joy}'::pg_catalog.text[] AS labels$$)
	emotion.annotation_note_votes(text,integer)   y y n  SELECT emotion.annotation_note_votes('p', 4)
	emotion_annotation_grant(regrole)             y y n  SELECT emotion_annotation_grant('trainer')
	emotion_annotation_majority(text,integer)     y n n  SELECT * FROM emotion_annotation_majority('p')
	emotion_annotation_disagreements(text,integer) y n n SELECT * FROM emotion_annotation_disagreements('p')
	emotion_annotation_decide(text,bigint,text[],text) y n n SELECT emotion_annotation_decide('p', 1, '{joy}')
	emotion_annotation_agreement(text)            y n n  SELECT * FROM emotion_annotation_agreement('p')
	emotion_annotation_check(text,text,real)      y n n  SELECT * FROM emotion_annotation_check('p', 'own_boss@1')
	emotion_import_generated(text,text,jsonb)     y n n  SELECT * FROM emotion_import_generated('p', $$SELECT '{"text": "new by $r", "labels": ["joy"]}' AS line$$)
	emotion_generation_prompts(integer,jsonb,text[],integer,text) y y y SELECT * FROM emotion_generation_prompts(1, '{}', '{joy}')
	emotion_split(text,jsonb,jsonb)               y y y  CALL emotion_split('$r.mine', options => '{"create_column": true}')
	emotion_split(text,jsonb,jsonb)               y n n  CALL emotion_split('landlord.mine', options => '{"split_column": "text"}')
	emotion_split(text,double precision[],text[],jsonb) y y y CALL emotion_split('$r.mine', '{0.5,0.5}', '{a,b}', '{"create_column": true, "split_column": "other"}')
	emotion_split_report(text,jsonb)              y y y  SELECT * FROM emotion_split_report('post')
	emotion_balance(text,text,"any",text,jsonb)   y y y  CALL emotion_balance('post', '$r.even', 5)
	emotion_balance_plan(text,"any",text,jsonb)   y y y  SELECT * FROM emotion_balance_plan('post', 5)
END
my (@rows, %found_by);
foreach (split /\n/, $calls)
{
	my ($name, @expected) = /^\t(\S.*?\))\s+(\S+) (\S+) (\S+)\s+([A-Z].*)$/ or die "cannot read: $_";
	push @rows, [ $name, @expected ];
	$placed{$name} = 1;
}
foreach my $r (@roles)
{
	my @statements = map { my $call = $_->[4]; $call =~ s/\$r/$r/g; $call =~ s/\$tiny/$tiny/g; $call } @rows;
	my ($states, $errors) = states($r, @statements);
	$found_by{$r} = $states;
	foreach my $i (0 .. $#rows)
	{
		my ($name, $owner, $granted, $stranger, $call) = @{ $rows[$i] };
		my $wanted = { landlord => $owner, trainer => $granted, visitor => $stranger }->{$r} // 'y';
		my $found = $states->[$i] eq '00000' ? 'y' : $states->[$i] eq '42501' ? 'n' : $states->[$i];

		if ($r eq 'boss')    # whom privileges do not stop; what is wrong with the call may
		{
			isnt($found, 'n', "$r: $call");
			is($found, $owner, "$r: $call") if $owner eq 'y';
		}
		else
		{
			is($found, $wanted, "$r: $call");
		}
	}
	diag($errors) if $ENV{VERBOSE};
}

# --- the same for who has a schema of traps before pg_catalog in the search_path and tables of traps in pg_temp:
# no function, operator, type or table of theirs is taken for ours
$node->safe_psql('house', slurp_file('test/t/traps.sql'));
my $temporary = join '; ', map { "CREATE TEMP TABLE $_ (trapped pg_catalog.point)" }
	qw(pg_class pg_proc pg_locks pg_database pg_roles pg_type model model_part model_grant deployment dropped_model import_part import_log import_error
	training_run training_epoch training_checkpoint vectors vectors_part vectors_run annotation_text annotation_vote annotator label_definition
	emotion_models), map { "\"pg_temp_$_\"" } 1 .. 2;
my @trapped = map { my $call = $_->[4]; $call =~ s/\$r/victim/g; $call =~ s/\$tiny/$tiny/g; $call =~ s/(?<![.\w])(emotion_\w+\()/public.$1/g; $call } @rows;
my ($sprung, $said) = states('victim', $temporary, 'SET search_path = trap, public, pg_catalog', 'SELECT 1 = 1', @trapped,
	(map { "SELECT * FROM public.$_" } qw(emotion_models emotion_shared_models emotion_training_progress emotion_vectors emotion_vectors_progress)),
	'SELECT * FROM emotion.annotation_label_count');
is(join(' ', @$sprung[0 .. 2]), '00000 00000 TRAPS', 'the traps work');
is($sprung->[$_ + 3], $found_by{boss}[$_], "among traps: $trapped[$_]") foreach 0 .. $#rows;
is(join(' ', @$sprung[@rows + 3 .. $#$sprung]), join(' ', ('00000') x 6), 'among traps: the views');
diag($said) if $ENV{VERBOSE};

# Those in SQL and PL/pgSQL have a search_path of their own, but for three that read a source as the caller names it.
is($node->safe_psql('house', q{
	SELECT string_agg(p.proname, ' ' ORDER BY p.proname) FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
		JOIN pg_extension AS e ON e.oid = d.refobjid JOIN pg_language AS l ON l.oid = p.prolang
	WHERE e.extname = 'emotion' AND d.deptype = 'e' AND l.lanname IN ('sql', 'plpgsql') AND p.proconfig IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}'}),
	'annotation_source emotion_annotation_add emotion_annotation_import_votes', 'functions have a search_path of their own');

# --- a model that is kept from them, where only a statement of its own will do
states('landlord', q{SELECT emotion_revoke('own_boss', 'public')});
foreach my $call (
	q{CALL emotion_annotate('trainer.mine', 'text', 'labels', 'own_boss@1')},
	q{CALL emotion_pseudo_label('post', 'text', 'trainer.secret', 'own_boss@1', options => '{"key_column": "id"}')},
	q{CALL emotion_train('stolen', 'post', '{"base": "own_boss@1", "epochs": 1}')},
	q{CALL emotion_train('stolen', 'post', '{"teachers": ["own_boss@1"], "epochs": 1}')},
	q{CALL emotion_train('own_boss', 'post', '{"epochs": 1}')})
{
	my ($states, $errors) = states('trainer', $call);
	is("@$states", '42501', "without a grant of the model: $call") or diag($errors);
	like($errors, qr/permission denied for model "own_boss"/, 'and the error says so');
}
($state, $error) = states('landlord', q{SELECT emotion_grant('own_boss', 'trainer')});
is("@$state", '00000', 'the owner grants it');
($state, $error) = states('trainer', q{CALL emotion_annotate('trainer.mine', 'text', 'labels', 'own_boss@1')});
is("@$state", '00000', 'with it the call is served') or diag($error);
($state, $error) = states('trainer', q{SELECT emotion_convert('own_boss@1', 'f16', '{"name": "made"}')}, q{SELECT emotion_grant('made', 'public')},
	q{UPDATE emotion.model_grant SET roles = '{public}' WHERE name = 'made'});
is("@$state", '00000 42501 42501', 'and a model made of that one, of which the rights follow, though not to be changed') or diag($error);
($state, $error) = states('trainer', q{CALL emotion_train('made_in_training', 'post', '{"base": "own_boss@1", "epochs": 1}')});
is("@$state", '00000', 'and one trained from it') or diag($error);
($state, $error) = states('victim', $temporary, 'SET search_path = trap, public, pg_catalog', q{SELECT public.emotion_convert('own_boss@1', 'f16', '{"name": "made_among_traps"}')});
is("@$state", '00000 00000 00000', 'among traps, too') or diag($error);
is($node->safe_psql('house', q{SELECT name, roles FROM emotion.model_grant WHERE name LIKE 'made%' ORDER BY name}), "made|{trainer}\nmade_among_traps|{trainer}\nmade_in_training|{trainer}",
	'to those who may use the other');

# --- what a role ran is its own: sources of trainings, refused lines
is($node->safe_psql('house', q{SET ROLE trainer; SELECT source FROM emotion_training_progress WHERE model = 't_trainer@1'}), 'post', 'who trains sees their source');
is($node->safe_psql('house', q{SET ROLE visitor; SELECT model, started_by, coalesce(source, 'hidden') FROM emotion_training_progress WHERE model = 't_trainer@1'}),
	't_trainer@1|trainer|hidden', 'a stranger sees the training, not the source');
is($node->safe_psql('house', q{SET ROLE visitor; SELECT coalesce(source, 'hidden'), coalesce(text_column, 'hidden') FROM emotion_vectors_progress WHERE name = 'tv_trainer'}),
	'hidden|hidden', 'of word vectors neither');
is($node->safe_psql('house', q{SET ROLE visitor; SELECT count(*), count(lineage), count(metrics) FROM emotion_models WHERE name = 'own_trainer' AND version > 1;
	SELECT count(*), count(source), count(arguments) FROM emotion_vectors WHERE name = 'v_trainer'}), "2|0|2\n1|0|0", 'nor in what is published');
is($node->safe_psql('house', q{SET ROLE trainer; SELECT count(*), count(lineage), count(metrics) FROM emotion_models WHERE name = 'own_trainer' AND version > 1;
	SELECT count(*), count(source) FROM emotion_vectors WHERE name = 'v_trainer'}), "2|2|2\n1|1", 'as the publisher does');
is($node->safe_psql('house', q{GRANT pg_read_all_stats TO visitor; SET ROLE visitor; SELECT source FROM emotion_training_progress WHERE model = 't_trainer@1'}),
	'post', 'a member of pg_read_all_stats does');
is($node->safe_psql('house', q{SET ROLE landlord; SELECT source FROM emotion_training_progress WHERE model = 't_trainer@1'}), 'post', 'so does the owner');
is($node->safe_psql('house', q{SET ROLE visitor; SELECT string_agg(DISTINCT imported_by, ',') FROM emotion.import_log}), 'visitor', 'imports are seen by who imported');

# --- errors tell nobody what they may not read: tables without SELECT, files of the server
$node->safe_psql('house', q{CREATE TABLE hidden AS SELECT id, 'SECRET' || text AS text, '{SECRET,joy}'::text[] AS labels, 'SECRET' AS line, split FROM post});
foreach my $call (
	map({ my $c = $_; map { "SELECT * FROM $c('own_landlord\@1', '$_')" } 'hidden', 'TABLE hidden' }
		qw(emotion_evaluate emotion_evaluate_resamples emotion_calibration emotion_calibration_error emotion_calibration_svg emotion_confidence_thresholds)),
	q{SELECT * FROM emotion_compare('own_landlord@1', 'own_trainer@1', 'hidden')},
	q{SELECT * FROM emotion_label_report('hidden')}, q{SELECT emotion_label_report_svg('hidden')}, q{SELECT * FROM emotion_split_report('hidden')},
	q{SELECT * FROM emotion_balance_plan('hidden', 5)}, q{CALL emotion_balance('hidden', 'visitor.taken', 5)}, q{CALL emotion_split('hidden')},
	q{CALL emotion_pseudo_label('hidden', 'text', 'visitor.taken', 'own_landlord@1')}, q{CALL emotion_annotate('hidden', 'text', 'labels', 'own_landlord@1')},
	map({ "SELECT * FROM emotion_import_$_('visitor.taken', 'hidden')" } qw(goemotions sentiment140 csv jsonl)),
	map({ "SELECT * FROM emotion_import_$_('visitor.taken', 'file:/no/such/file')" } qw(goemotions sentiment140 csv jsonl)))
{
	my ($states, $errors) = states('visitor', $call);
	is("@$states", '42501', "refused: $call");
	unlike($errors, qr/SECRET|No such file/, 'and nothing told');
}

# --- settings are the session's own affair: they change its memory and its plans, never a result
is($node->safe_psql('house', q{LOAD 'emotion'; SELECT string_agg(name || ' ' || context, ', ' ORDER BY name) FROM pg_settings WHERE name LIKE 'emotion.%'}),
	'emotion.batch_rows user, emotion.max_training_memory user, emotion.model_cache_size user, emotion.vectors_cache_size user', 'settings');

my $objects = $node->safe_psql('house', q{
	WITH member AS (SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
		WHERE e.extname = 'emotion' AND d.deptype = 'e')
	SELECT c.oid::regclass::text FROM pg_class AS c JOIN member ON classid = 'pg_class'::regclass AND objid = c.oid WHERE c.relkind <> 'c'
	UNION ALL
	SELECT p.oid::regprocedure::text FROM pg_proc AS p JOIN member ON classid = 'pg_proc'::regclass AND objid = p.oid
	WHERE NOT 'internal'::regtype::oid = ANY (p.proargtypes)});
is(join(', ', grep { !$placed{$_} } split /\n/, $objects), '', 'every object of the extension stands in a table of this test');

# --- and it goes as it came: by its owner, with all that is in it
$node->safe_psql('house', 'DROP TABLE boss.other, victim.other; SET client_min_messages = error; DROP SCHEMA trap CASCADE');
($state, $error) = states('visitor', 'DROP EXTENSION emotion');
is("@$state", '42501', 'a stranger does not drop the extension');
($state, $error) = states('landlord', 'ALTER EXTENSION emotion UPDATE', 'DROP EXTENSION emotion', 'CREATE EXTENSION emotion',
	q{SELECT 1 / (emotion_labels('thank you so much') = '{gratitude}')::int});
is("@$state", '00000 00000 00000 00000', 'its owner updates it, drops it and makes it anew') or diag($error);

$node->stop;
done_testing();
