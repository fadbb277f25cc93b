-- Import and annotation: what stands where, what every error says by its SQLSTATE, who may do what.
BEGIN;
SELECT plan(56);
SELECT has_table('emotion', t, 'there is a table ' || t)
FROM unnest(ARRAY['import_log', 'import_error', 'annotation_project', 'annotation_text', 'annotator', 'annotation_vote',
	'annotation_decision', 'label_definition']) AS t;
SELECT table_owner_is('emotion', t, current_user, 'who creates the extension owns emotion.' || t)
FROM unnest(ARRAY['import_log', 'import_error', 'annotation_project', 'annotation_text', 'annotator', 'annotation_vote',
	'annotation_decision', 'label_definition']) AS t;
SELECT is((SELECT count(*) FROM pg_extension, unnest(extconfig) AS c WHERE extname = 'emotion'
	AND c::regclass::text ~ '^emotion\.(import_(log|error)|annot|label_definition)'), 10::bigint, 'dumps hold all of them, and the sequences');
SELECT is((SELECT count(*) FROM emotion.label_definition WHERE bundled), 28::bigint, 'the 28 labels are defined');
SELECT is((SELECT array_agg(label ORDER BY label) FROM emotion.label_definition),
	(SELECT array_agg(l ORDER BY l COLLATE "C") FROM unnest(emotion_label_names('english@1')) AS l), 'those of the bundled model');

-- Import.
CREATE TABLE target (text text, labels text[]);
SELECT throws_ok($$SELECT emotion_import_jsonl('target', 'nobody')$$, '42P01', NULL, 'a source that is not there');
SELECT throws_ok($$SELECT emotion_import_jsonl('target', 'target')$$, '42703', NULL, 'a source without lines');
SELECT throws_ok($$SELECT emotion_import_jsonl('target', 'SELECT 1 AS line')$$, '42804', NULL, 'lines that are numbers');
SELECT throws_ok($$SELECT emotion_import_jsonl('target', 'SELECT 1 AS line', '{"number_column": "n"}')$$, '42804', NULL, 'before their numbers');
SELECT throws_ok($$SELECT emotion_import_jsonl('target', 'SELECT ''x'' AS line', '{"number_column": "n"}')$$, '42703', NULL, 'numbers that are not there');
SELECT throws_ok($$SELECT emotion_import_jsonl('target', 'SELECT ''x'' AS line, NULL::int AS number')$$, '22004', NULL, 'or null');
SELECT throws_ok($$SELECT emotion_import_jsonl('pg_class', 'SELECT ''{}'' AS line')$$, '42703', NULL, 'a target without texts');
SELECT throws_ok($$SELECT emotion_import_jsonl('', 'SELECT ''x'' AS line')$$, '42602', NULL, 'a target without a name');
SELECT throws_ok($$SELECT emotion_import_jsonl('target', 'SELECT ''x'' AS line', '{"zest": 1}')$$, '22023', NULL, 'an unknown option');
SELECT throws_ok($$SELECT emotion_import_csv('target', $_$VALUES (E'"text')$_$, '{"multiline": false}')$$, '22P04', NULL, 'a header that is none');
SELECT throws_ok($$SELECT emotion_import_jsonl('target', 'file:x')$$, '42602', NULL, 'a path that is not absolute');
SELECT throws_ok($$SELECT emotion_import_jsonl('target', 'file:/no/such/file')$$, '58P01', NULL, 'a file that is not there');
SELECT throws_ok($$SELECT emotion_import_jsonl('target', 'file:/')$$, NULL, NULL, 'a directory');
SELECT is(emotion_import_jsonl(NULL, 'x'), NULL, 'null in, null out');
SELECT is((SELECT count(*) FROM emotion.import_log), 0::bigint, 'what failed left no trace');
SELECT lives_ok($$SELECT emotion_import_jsonl('target', $_$SELECT '{"text": "x", "labels": ["l' || i || '"]}' || E'\nbad' FROM generate_series(1, 3000) AS i$_$)$$, 'values of two lines each');
SELECT results_eq('SELECT lines, imported, refused FROM emotion.import_log', 'VALUES (6000::bigint, 3000::bigint, 3000::bigint)', 'none is lost');
SELECT results_eq('SELECT min(line_number), max(line_number), count(DISTINCT line_number) FROM emotion.import_error', 'VALUES (2::bigint, 6000::bigint, 3000::bigint)', 'each refused one is known by its number');

-- Annotation.
SELECT throws_ok($$SELECT emotion_annotation_project(NULL)$$, '22023', NULL, 'a project without a name');
SELECT throws_ok($$SELECT emotion_annotation_project('p', 101)$$, '22023', NULL, 'too many votes');
SELECT throws_ok($$SELECT emotion_annotation_next('p', 'ann')$$, '42704', NULL, 'no such project');
SELECT lives_ok($$SELECT emotion_annotation_project('p', 2, '{joy,love}')$$, 'a project');
SELECT lives_ok($$SELECT emotion_annotation_add('p', 'SELECT i::text AS text, i AS id FROM generate_series(1, 50) AS i', id_column => 'id')$$, 'and its texts');
SELECT throws_ok($$SELECT emotion_annotation_add('p', 'SELECT 1 AS one')$$, '42703', NULL, 'texts that are not there');
SELECT throws_ok($$SELECT emotion_annotation_add('p', 'nobody')$$, '42P01', NULL, 'a source that is not there, either');
SELECT throws_ok($$SELECT emotion_annotation_next('p', NULL)$$, '22023', NULL, 'an annotator without a name');
SELECT throws_ok($$SELECT emotion_annotation_next('p', 'ann', NULL)$$, '22023', NULL, 'a batch of nothing');
SELECT is((SELECT count(DISTINCT text_id) FROM emotion_annotation_next('p', 'ann', 40)), 40::bigint, 'a batch');
SELECT throws_ok($$SELECT emotion_annotation_vote('p', 0, 'ann', '{joy}')$$, '42704', NULL, 'a text that is not there');
SELECT throws_ok(format($$SELECT emotion_annotation_vote('p', %s, 'bob', '{joy}')$$, (SELECT min(text_id) FROM emotion.annotation_text)), '55000', NULL, 'that was not handed out');
SELECT throws_ok(format($$SELECT emotion_annotation_vote('p', %s, 'ann', NULL)$$, (SELECT min(text_id) FROM emotion.annotation_text)), '22004', NULL, 'no vote');
SELECT throws_ok(format($$SELECT emotion_annotation_vote('p', %s, 'ann', '{zest}')$$, (SELECT min(text_id) FROM emotion.annotation_text)), '22023', NULL, 'or of a label that nobody knows');
SELECT lives_ok(format($$SELECT emotion_annotation_vote('p', %s, 'ann', '{joy}')$$, (SELECT min(text_id) FROM emotion.annotation_text)), 'a vote');
SELECT throws_ok($$SELECT emotion_annotation_import_votes('p', 'SELECT 1 AS id')$$, '42703', NULL, 'votes that are none');
SELECT throws_ok($$SELECT emotion_annotation_check('p', 'nobody@1')$$, '42704', NULL, 'a model that is not there');
SELECT throws_ok($$SELECT emotion_import_generated('nobody', 'SELECT ''x'' AS line')$$, '42704', NULL, 'answers for no project');
SELECT throws_ok($$SELECT emotion_annotation_grant('nobody')$$, '42704', NULL, 'a role that is not there');
SELECT * FROM finish();
ROLLBACK;
