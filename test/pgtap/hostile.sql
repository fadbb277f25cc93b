-- Hostile weights and labels: what a doctored file or odd names may do, from import to pictures.
SET client_min_messages = error;
\i test/reference/tiny_model.sql
SELECT plan(60);

CREATE TABLE tiny AS SELECT whole, convert_from(substr(whole, 9, 1720), 'UTF8') AS head, substr(whole, 1729) AS data FROM (VALUES (decode(:'tiny_model', 'hex'))) AS v (whole);
-- A model file of a header and data: eight bytes of length, least first, then both.
CREATE FUNCTION packed(head text, data bytea) RETURNS bytea LANGUAGE sql AS $$
	SELECT (SELECT string_agg(set_byte('\x00', 0, ((octet_length(convert_to(head, 'UTF8'))::int8 >> (8 * i)) & 255)::int), '' ORDER BY i) FROM generate_series(0, 7) AS i) || convert_to(head, 'UTF8') || data
$$;
CREATE FUNCTION refusal(file bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM emotion_import('refused', file);
	RETURN 'imported';
EXCEPTION WHEN data_corrupted OR program_limit_exceeded OR feature_not_supported OR invalid_parameter_value THEN
	RETURN CASE WHEN SQLERRM <> '' THEN SQLSTATE END;
END $$;
SELECT is(refusal(packed(head, data)), 'imported', 'the file, taken to pieces and put together, is one') FROM tiny;
SELECT emotion_drop_model('refused@1');

-- Every number of the file as something that is none, or absurd.
SELECT is_empty(format($$SELECT i, s FROM tiny, generate_series(0, octet_length(data) - 4, %s) AS i, LATERAL (SELECT refusal(packed(head, overlay(data PLACING '\x%s' FROM i + 1)))) AS r (s)
	WHERE s <> 'XX001'$$, step, bits), 'no weight of the model can be ' || name)
FROM (VALUES ('NaN', '0000c07f', 4), ('a signalling NaN', '010080ff', 52), ('infinity', '0000807f', 20), ('minus infinity', '000080ff', 52), ('1e30', 'caf24971', 52)) AS v (name, bits, step);
SELECT is(refusal(packed(replace(head, '[0.5, 0.5, 0.5, 0.4]', thresholds), data)), 'XX001', 'thresholds cannot be ' || thresholds)
FROM tiny, (VALUES ('[NaN, 0.5, 0.5, 0.4]'), ('[1e400, 0.5, 0.5, 0.4]'), ('[-0.1, 0.5, 0.5, 0.4]'), ('[0.5]'), ('[0.5, 0.5, 0.5, 0.4, 0.5]'), ('{}')) AS v (thresholds);

-- Sizes: over 64 bits as a product, over 2^63, negative, no whole numbers; offsets elsewhere.
SELECT isnt(refusal(packed(replace(head, was, becomes), data)), 'imported', 'refused: ' || becomes)
FROM tiny, (VALUES ('"shape":[17,4]', '"shape":[9223372036854775808,4]'), ('"shape":[17,4]', '"shape":[4294967296,4294967296]'), ('"shape":[17,4]', '"shape":[18446744073709551615,18446744073709551615]'),
	('"shape":[17,4]', '"shape":[-17,-4]'), ('"shape":[17,4]', '"shape":[17.0,4]'), ('"shape":[17,4]', '"shape":[0,4]'), ('"shape":[17,4]', '"shape":[17,4,1,1,1,1,1,1,1]'), ('"shape":[17,4]', '"shape":[4,17]'),
	('[1456,1728]', '[1456,18446744073709551615]'), ('[1456,1728]', '[1728,1456]'), ('[1456,1728]', '[0,272]'), ('\"embedding_dim\": 4', '\"embedding_dim\": 2147483647'), ('\"hidden\": 4', '\"hidden\": 1e300'), ('\"filters\": 4', '\"filters\": -4'),
	('"__metadata__"', '"__metadata__":{},"__metadata__"')) AS v (was, becomes);
SELECT isnt(refusal(decode(length, 'hex') || substr(whole, 9)), 'imported', 'refused: a header of 0x' || length || ' bytes') FROM tiny, (VALUES ('ffffffffffffffff'), ('0000000000000080'), ('0000000000000000'), ('00e1f50500000000')) AS v (length);

-- Labels of a file.
SELECT isnt(refusal(packed(replace(head, '[\"joy\", \"anger\", \"sadness\", \"calm\"]', labels), data)), 'imported', 'refused: labels ' || left(labels, 40))
FROM tiny, (VALUES ('[\"joy\", \"joy\", \"sadness\", \"calm\"]'), ('[\"\", \"anger\", \"sadness\", \"calm\"]'), ('[\"a\\u0000b\", \"anger\", \"sadness\", \"calm\"]'), ('[\"\\ud800\", \"anger\", \"sadness\", \"calm\"]'),
	('[\"' || repeat('x', 257) || '\", \"anger\", \"sadness\", \"calm\"]'), ('[\"' || repeat('x', 1000000) || '\", \"anger\", \"sadness\", \"calm\"]'), ('[1, 2, 3, 4]'), ('[[[[\"joy\"]]]]'),
	((SELECT '[' || string_agg('\"l' || i || '\"', ', ') || ']' FROM generate_series(1, 10000) AS i))) AS v (labels);
SELECT is(refusal(overlay(whole PLACING '\xff' FROM position(convert_to('anger', 'UTF8') IN whole))), 'XX001', 'refused: a label that is not UTF-8') FROM tiny;

-- Labels that are names, whatever they hold: trained, scored, evaluated, written out, drawn.
CREATE TABLE odd (number int, label text);
INSERT INTO odd VALUES (1, '"'), (2, ''''), (3, E'\n'), (4, '😀'), (5, '<script>alert(1)</script>'), (6, '{a,b}'), (7, 'NULL'), (8, '\'), (9, ' '), (10, '%s%n'), (11, E'\u202Eabc'), (12, repeat('é', 128)),
	(13, ']]>'), (14, '&amp;'), (15, E'\x01'), (16, '"; DROP TABLE odd; --'), (17, E'a\tb');
CREATE TABLE text_of AS SELECT 'word' || number AS text, ARRAY[label, (SELECT label FROM odd AS o WHERE o.number = odd.number % 17 + 1)] AS labels FROM odd, generate_series(1, 4);
CALL emotion_train('odd', 'text_of', '{"epochs": 3, "embedding_dim": 4, "filters": 4, "hidden": 4, "attention": 4, "min_count": 1, "holdout": 0, "learning_rate": 0.05}');
SELECT set_eq('SELECT unnest(emotion_label_names(''odd@1''))', 'SELECT label FROM odd', 'a model learns any names of labels');
SELECT set_eq($$SELECT jsonb_object_keys(emotion_json('word1', 'odd@1'))$$, 'SELECT label FROM odd', 'and says them as JSON');
SELECT set_eq($$SELECT label FROM emotion_top('word1', 100, 'odd@1')$$, 'SELECT label FROM odd', 'and as rows');
SELECT ok(emotion_score('word1', label, 'odd@1') BETWEEN 0 AND 1, 'all are found by name') FROM odd WHERE number IN (3, 12, 15);
SELECT set_eq($$SELECT label FROM emotion_evaluate('odd@1', 'text_of') WHERE scope = 'label'$$, 'SELECT label FROM odd', 'it is evaluated on them');
INSERT INTO emotion.import_part (upload, part, data) SELECT 'odd', part, data FROM emotion_export('odd@1');
SELECT emotion_import_upload('again', 'odd');
SELECT is(emotion_label_names('again@1'), emotion_label_names('odd@1'), 'and exported and imported with them');
CREATE TABLE note (id int PRIMARY KEY, body text, labels text[]);
INSERT INTO note SELECT number, 'word' || number FROM odd;
CALL emotion_annotate('note', 'body', 'labels', 'odd@1');
SELECT is(labels, emotion_labels(body, 'odd@1'), 'and written into columns') FROM note WHERE id = 5;

-- Pictures are well-formed, without an element that a label could bring in.
CREATE FUNCTION elements(svg text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(DISTINCT name::text, ',' ORDER BY name::text) FROM unnest(xpath('//*', svg::xml)) AS e, LATERAL unnest(xpath('local-name(/*)', e)) AS name
$$;
SELECT is(elements(emotion_label_report_svg('text_of', 'text_of', '{"title": "<script>&\"''\u0001"}')), 'line,rect,style,svg,text,title', 'the picture of labels escapes them');
SELECT is(elements(emotion_calibration_svg('odd@1', 'text_of')), 'desc,line,rect,style,svg,text,title', 'that of calibration, too');

-- Highlights are HTML when asked.
SELECT emotion_import('tiny', whole) FROM tiny;
SELECT is(emotion_highlight('<b onload="x">happy & ''glad''</b>', 'tiny@1', 'Escape=true'), '&lt;b onload=&quot;x&quot;&gt;<b>happy</b> &amp; &#39;glad&#39;&lt;/b&gt;', 'with Escape=true markup of the text is text');

-- Too many, too long, none.
\set ON_ERROR_STOP off
\set VERBOSITY sqlstate
CALL emotion_train('never', 'SELECT ''word'' || i AS text, ARRAY[''l'' || i] AS labels FROM generate_series(1, 10000) AS i');
SELECT is(:'SQLSTATE'::text, '54000', '10,000 labels are too many for a model');
CALL emotion_train('never', 'SELECT ''a b'' AS text, ARRAY[repeat(''x'', 1000000)] AS labels');
SELECT is(:'SQLSTATE'::text, '54000', 'a label of a million bytes is too long');
CALL emotion_train('never', 'SELECT ''a b'' AS text, ARRAY[''''] AS labels');
SELECT is(:'SQLSTATE'::text, '22000', 'a label of no bytes is none');
CALL emotion_train('never', 'SELECT ''a b'' AS text, ARRAY[''a'', NULL] AS labels');
SELECT is(:'SQLSTATE'::text, '22004', 'null is none');
\set VERBOSITY default
\set ON_ERROR_STOP on
SELECT is((SELECT count(*) FROM jsonb_object_keys(c)), 10000::bigint, '10,000 labels are counted') FROM (SELECT emotion_label_counts(ARRAY['l' || i, '']) - '' FROM generate_series(1, 10000) AS i) AS x (c);
SELECT throws_ok($$SELECT emotion_cooccurrence(ARRAY['l' || i]) FROM generate_series(1, 10000) AS i$$, '54000', NULL, 'and are too many for a matrix');
SELECT is(array_length((emotion_cooccurrence(ARRAY['l' || i])).counts, 1), 1000, 'which 1,000 are not') FROM generate_series(1, 1000) AS i;

SELECT finish();
