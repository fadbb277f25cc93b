-- Data sets from files: every line becomes a row or is refused with a reason.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;

-- GoEmotions: text, ids or names of labels, id. A table of lines, as \copy fills it.
CREATE TABLE line (number serial, line text);
INSERT INTO line (line) VALUES
	(E'Thank you so much\t15\tc1'),
	(E'I love it, and I want one\t18,8\tc2'),
	(E'By name\tjoy,love,joy\tc3'),
	(E'Nobody knows this one\t28\tc4'),
	(E'Nor this\tzest\tc5'),
	(E'two columns\t27'),
	(E'four\t27\tc7\tx'),
	(E'  \t27\tc8'),
	(E'no label\t\tc9'),
	(E'comma at the end\t1,\tc10'),
	(''),
	(NULL),
	(E'Windows ends lines so\t27\tc13\r'),
	(E'a "quoted" word\t27\tc14');
SELECT lines, imported, refused, other FROM emotion_import_goemotions('comment', 'line', '{"split": "train"}');
SELECT text, labels, source, split, id, line FROM comment ORDER BY line;
SELECT line_number, convert_from(line, 'UTF8') AS line, reason FROM emotion.import_error
WHERE import = (SELECT max(import) FROM emotion.import_log) ORDER BY line_number;
SELECT format, target, source, lines, imported, refused, other, imported_by = current_user AS mine
FROM emotion.import_log ORDER BY import DESC LIMIT 1;

-- Bytes: what is no text is refused; several lines in one value, other encodings.
SELECT lines, imported, refused FROM emotion_import_goemotions('comment',
	$$SELECT '\xefbbbf66697273740932370962310a'::bytea || '\x6261 ff 0932370962320a'::bytea
		|| '\x7a65 00 726f0932370962330a'::bytea || convert_to(E'naïve\t27\tb4\n\nlast\t27\tb5', 'UTF8')$$);
SELECT text, id, line FROM comment WHERE id LIKE 'b%' ORDER BY line;
SELECT line_number, line, reason FROM emotion.import_error
WHERE import = (SELECT max(import) FROM emotion.import_log) ORDER BY line_number;
SELECT imported FROM emotion_import_goemotions('comment', $$SELECT '\x6e61ef76650932370962360a'::bytea$$, '{"encoding": "LATIN1"}');
SELECT text FROM comment WHERE id = 'b6';
SELECT imported, refused FROM emotion_import_goemotions('comment', $$SELECT repeat('x', 17000000) || E'\t1\tlong'$$);
SELECT line_number, length(line), reason FROM emotion.import_error
WHERE import = (SELECT max(import) FROM emotion.import_log);

-- Sentiment140: six columns without a header, or two, with one or without.
SELECT lines, imported, refused, other FROM emotion_import_sentiment140('tweet', $$VALUES
	('"0","1467810369","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","_TheSpecialOne_","@switchfoot - Awww, that''s a ""bummer""."'),
	('4,2061966166,Sat Jun 06 22:01:12 PDT 2009,NO_QUERY,jhaggard1,plain "words"'),
	('2,3,d,q,u,so so'), ('1,4,d,q,u,polarity'), ('0,5,d,q,u'), ('"0","6","d","q","u","open'),
	('"0","7","d","q","u","behind" it'), ('0,8,d,q,u,')$$);
SELECT polarity, labels, id, text FROM tweet ORDER BY line;
SELECT line_number, reason FROM emotion.import_error
WHERE import = (SELECT max(import) FROM emotion.import_log) ORDER BY line_number;
SELECT lines, imported, refused, other FROM emotion_import_sentiment140('tweet',
	$$VALUES (E'"target","text"\n"0","two columns"\n"4","and two more"\n"target","text"')$$);

-- CSV: columns by name, quoted line ends, and a quote that nothing closes.
SELECT lines, imported, refused, other FROM emotion_import_csv('note', $$VALUES (
E'id,text,labels,model\n'
'1,"Two\nlines","joy, love",m\n'
'2,one,"[""joy"", ""pride""]",m\n'
'3,"never closed,joy,m\n'
'4,good,joy,m\n'
'5,few,joy\n'
'6,"and, again",joy,m\n'
'7,"""""""",joy,m\n'
'8,nothing,,m')$$);
SELECT id, text, labels, line FROM note ORDER BY line;
SELECT line_number, convert_from(line, 'UTF8') AS line, reason FROM emotion.import_error
WHERE import = (SELECT max(import) FROM emotion.import_log) ORDER BY line_number;
SELECT lines, imported, refused, other FROM emotion_import_csv('note', $$VALUES (E'9|a|joy/love\n10|b|')$$,
	'{"columns": ["id", "text", "labels"], "delimiter": "|", "label_separator": "/", "allow_unlabelled": true, "split": "dev"}');
SELECT id, text, labels, split FROM note WHERE split = 'dev' ORDER BY line;

-- JSON Lines.
SELECT lines, imported, refused FROM emotion_import_jsonl('written', $$VALUES
	('{"text": "I miss her \u2764 \"so\" much", "labels": ["grief", "love"], "id": 7, "source": "llm", "extra": {"a": [1]}}'),
	('{"labels": "joy,pride", "text": "We won"}'), ('{"text": "by id", "labels": [0, 2]}'),
	('{"text": "unknown", "labels": ["zest"]}'), ('{"text": "", "labels": ["joy"]}'), ('{"text": "no labels"}'),
	('{"text": "null", "labels": null}'), ('{"text": "none", "labels": []}'), ('{"labels": ["joy"]}'),
	('{"text": 1, "labels": ["joy"]}'), ('{"text": "x", "labels": [true]}'), ('{"text": "x", "labels": 1}'),
	('{"text": "\u0000", "labels": ["joy"]}'), ('["text"]'), ('{"text": "x", "labels": ["joy"]'), ('Here you are:'), ('```'),
	('{"text": "x", "labels": ["joy"]} {}'), ('{"text": "\ud800", "labels": ["joy"]}')$$,
	'{"labels": ["joy", "love", "grief", "pride"]}');
SELECT text, labels, id, source, line FROM written ORDER BY line;
SELECT line_number, reason FROM emotion.import_error
WHERE import = (SELECT max(import) FROM emotion.import_log) ORDER BY line_number;

-- Into a table of the user's: what fits is filled, a key of its own is left alone, and what a
-- unique key refuses is told.
CREATE TABLE mine (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body varchar(80) UNIQUE, tags text[], source text, line numeric);
SELECT lines, imported, refused FROM emotion_import_jsonl('mine', $$VALUES ('{"text": "a", "labels": ["joy"], "id": "x"}'),
	('{"text": "a", "labels": ["joy"]}'), ('{"text": "b", "labels": ["joy"]}')$$,
	'{"text_column": "body", "label_column": "tags", "source": "here"}');
SELECT * FROM mine ORDER BY line;
SELECT line_number, reason FROM emotion.import_error WHERE import = (SELECT max(import) FROM emotion.import_log);

-- All lines of all imports above are accounted for.
SELECT count(*) AS wrong FROM emotion.import_log AS l
WHERE refused <> (SELECT count(*) FROM emotion.import_error AS e WHERE e.import = l.import);

-- Errors.
SELECT emotion_import_jsonl('written', 'nobody');
SELECT emotion_import_jsonl('written', 'mine');
SELECT emotion_import_jsonl('written', 'mine', '{"line_column": "id"}');
SELECT emotion_import_jsonl('written', 'mine', '{"line_column": "nobody"}');
SELECT emotion_import_jsonl('written', 'line', '{"number_column": "nobody"}');
SELECT emotion_import_jsonl('mine', 'line');
SELECT emotion_import_jsonl('mine', 'line', '{"text_column": "tags", "label_column": "tags"}');
SELECT emotion_import_jsonl('mine', 'line', '{"text_column": "body", "label_column": "body"}');
SELECT emotion_import_jsonl('a.b.c.d', 'line');
SELECT emotion_import_jsonl('nowhere.t', 'line');
SELECT emotion_import_jsonl('written', 'line', '[]');
SELECT emotion_import_jsonl('written', 'line', '{"nobody": 1}');
SELECT emotion_import_jsonl('written', 'line', '{"delimiter": ";"}');
SELECT emotion_import_jsonl('written', 'line', '{"labels": []}');
SELECT emotion_import_jsonl('written', 'line', '{"labels": ["joy", "joy"]}');
SELECT emotion_import_jsonl('written', 'line', '{"allow_unlabelled": 1}');
SELECT emotion_import_jsonl('written', 'line', '{"encoding": "KLINGON"}');
SELECT emotion_import_csv('note', 'line', '{"delimiter": "ab"}');
SELECT emotion_import_csv('note', 'line', '{"delimiter": "\""}');
SELECT emotion_import_csv('note', 'line', '{"header": false}');
SELECT emotion_import_csv('note', $$VALUES (E'a,b\n1,2')$$);
SELECT emotion_import_csv('note', $$VALUES (E'text,b\n1,2')$$);
SELECT emotion_import_csv('note', $$VALUES (E'"text,b')$$, '{"multiline": false}');
SELECT emotion_import_jsonl('written', 'file:relative.jsonl');
SELECT emotion_import_jsonl('written', 'file:/no/such/file.jsonl');

-- Files of the server are for those who may read them; imports are each role's own.
CREATE ROLE regress_emotion_importer;
GRANT CREATE ON SCHEMA public TO regress_emotion_importer;
SET ROLE regress_emotion_importer;
SELECT emotion_import_jsonl('theirs', 'file:/no/such/file.jsonl');
SELECT emotion_import_jsonl('written', $$VALUES ('{"text": "a", "labels": ["joy"]}')$$);
SELECT lines, imported, refused FROM emotion_import_jsonl('theirs', $$VALUES ('{"text": "a", "labels": ["joy"]}'), ('b')$$);
SELECT target, lines FROM emotion.import_log;
SELECT line_number, reason FROM emotion.import_error;
INSERT INTO emotion.import_log (import, format, target, source, lines, imported, refused, other, imported_by)
	VALUES (999999, 'csv', 't', 's', 0, 0, 0, 0, 'somebody');
DELETE FROM emotion.import_log;
SELECT count(*) FROM emotion.import_error;
RESET ROLE;
SELECT count(*) > 5 AS others_stay FROM emotion.import_log;

DROP TABLE line, comment, tweet, note, written, mine, theirs;
DELETE FROM emotion.import_log;
SELECT count(*) FROM emotion.import_error;
REVOKE ALL ON SCHEMA public FROM regress_emotion_importer;
DROP ROLE regress_emotion_importer;
