-- Annotation projects: texts, who judges them, what the votes say.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;
ALTER SEQUENCE emotion.annotation_text_text_id_seq RESTART;
\set ECHO none
\i test/reference/tiny_model.sql
\set ECHO all
SELECT emotion_import('judge', decode(:'tiny_model', 'hex'));

-- A project with texts from a table; each text once.
SELECT emotion_annotation_project('p', 3, '{joy,love,sadness,anger}');
CREATE TABLE post (id int, text text, labels text[]);
INSERT INTO post VALUES (1, 'we won', '{joy}'), (2, 'she left', '{sadness}'), (3, 'so it goes', '{}'),
	(4, 'we won', '{joy}'), (5, NULL, '{joy}');
SELECT * FROM emotion_annotation_add('p', 'post', label_column => 'labels', id_column => 'id');
SELECT * FROM emotion_annotation_add('p', 'SELECT text FROM post;');
SELECT text, intended, id, source FROM emotion.annotation_text WHERE project = 'p' ORDER BY text_id;
SELECT min(text_id) AS first FROM emotion.annotation_text WHERE project = 'p' \gset

-- Handing out: nobody twice, nobody over the votes wanted.
SELECT text_id - :first AS place, text FROM emotion_annotation_next('p', 'ann', 2);
SELECT text_id - :first AS place, text FROM emotion_annotation_next('p', 'ann', 5);
SELECT text_id - :first AS place, text FROM emotion_annotation_next('p', 'ann', 5);
SELECT count(*) FROM emotion_annotation_next('p', 'bob', 5);
SELECT count(*) FROM emotion_annotation_next('p', 'cem', 5);
SELECT count(*) FROM emotion_annotation_next('p', 'dee', 5);
SELECT text_id - :first AS place, holders, free_at < 'infinity' AS leased FROM emotion.annotation_text WHERE project = 'p' ORDER BY 1;

-- Voting, and changing a vote.
SELECT emotion_annotation_vote('p', :first, 'ann', '{joy}');
SELECT emotion_annotation_vote('p', :first, 'ann', '{joy,love,joy}');
SELECT emotion_annotation_vote('p', :first, 'bob', '{joy}');
SELECT emotion_annotation_vote('p', :first, 'cem', '{love,joy}');
SELECT emotion_annotation_vote('p', :first + 1, 'ann', '{sadness}');
SELECT emotion_annotation_vote('p', :first + 1, 'bob', '{anger}');
SELECT emotion_annotation_vote('p', :first + 1, 'cem', '{}');
SELECT annotator, labels FROM emotion.annotation_vote WHERE text_id = :first ORDER BY annotator;
SELECT text_id - :first AS place, free_at FROM emotion.annotation_text WHERE project = 'p' AND text_id < :first + 2 ORDER BY 1;

-- What is given back, and what time ran out for, goes to somebody else; a late vote counts.
SELECT emotion_annotation_release('p', 'cem');
SELECT count(*) FROM emotion_annotation_next('p', 'dee', 5, '1 microsecond');
SELECT count(*) FROM emotion_annotation_next('p', 'eve', 5, '1 microsecond');
SELECT holders FROM emotion.annotation_text WHERE text_id = :first + 2;
SELECT emotion_annotation_vote('p', :first + 2, 'eve', '{}');
SELECT count(*) FROM emotion_annotation_next('p', 'dee', 5);
SELECT holders FROM emotion.annotation_text WHERE text_id = :first + 2;

-- Results.
SELECT text_id - :first AS place, id, text, labels, voters, intended, decided FROM emotion_annotation_majority('p');
SELECT text_id - :first AS place, labels FROM emotion_annotation_majority('p', 3);
SELECT text_id - :first AS place, agreement, majority, counts, votes FROM emotion_annotation_disagreements('p');
SELECT emotion_annotation_decide('p', :first + 1, '{sadness}', 'plainly');
SELECT text_id - :first AS place, labels, decided FROM emotion_annotation_majority('p');
SELECT text_id - :first AS place FROM emotion_annotation_disagreements('p');
SELECT label, texts, votes, round(fleiss_kappa::numeric, 6) AS kappa, round(krippendorff_alpha::numeric, 6) AS alpha
FROM emotion_annotation_agreement('p');

-- More votes wanted: texts go out again.
SELECT emotion_annotation_project('p', 4, '{joy,love,sadness,anger}');
SELECT count(*) FROM emotion_annotation_next('p', 'fay', 5);

-- Votes from elsewhere.
SELECT * FROM emotion_annotation_import_votes('p', $$SELECT * FROM (VALUES ('1', 'llm', '{joy}'::text[]), ('2', 'llm', '{joy}'),
	('1', 'llm', '{love}'), ('9', 'llm', '{joy}'), ('1', 'other', '{zest}'), ('1', 'null', NULL)) AS v (id, annotator, labels)$$);
SELECT holders, free_at FROM emotion.annotation_text WHERE project = 'p' AND id = '1';

-- Texts to be written by a model of language.
SELECT label, missing, number, texts FROM emotion_generation_prompts(60, '{"joy": 1000, "zest": 50, "grief": 5}', '{joy,grief,zest}');
SELECT prompt FROM emotion_generation_prompts(3, '{"joy": 1}', '{joy}', style => 'letters');
SELECT count(DISTINCT label) AS labels, sum(texts) AS texts FROM emotion_generation_prompts(100);
INSERT INTO emotion.label_definition VALUES ('zest', 'is full of energy'), ('joy', 'beams');
SELECT label, definition FROM emotion_generation_prompts(1, '{}', '{joy,zest,mirth}');
DELETE FROM emotion.label_definition WHERE NOT bundled;
SELECT emotion_annotation_project('g', 1);
SELECT lines, imported, refused FROM emotion_import_generated('g', $$VALUES ('{"text": "happy happy", "labels": ["joy"]}'),
	('{"text": "quiet evening", "labels": ["joy"]}'), ('{"text": "what zest", "labels": ["zest"]}'),
	('{"text": "happy happy", "labels": ["joy"]}'), ('Sure! Here are more:')$$);
SELECT line_number, reason FROM emotion.import_error ORDER BY import DESC, line_number LIMIT 2;
SELECT * FROM emotion_annotation_check('g', 'judge@1');
SELECT text, intended, score > 0.7 AS high, score_model, passed, source FROM emotion.annotation_text WHERE project = 'g' ORDER BY line;
SELECT text FROM emotion_annotation_next('g', 'ann', 10);

-- Errors.
\set SHOW_CONTEXT never
SELECT emotion_annotation_project('', 3);
SELECT emotion_annotation_project('q', 0);
SELECT emotion_annotation_project('q', 3, lease => '0');
SELECT emotion_annotation_project('q', 3, '{}');
SELECT emotion_annotation_project('q', 3, '{joy,NULL}');
SELECT emotion_annotation_add('nobody', 'post');
SELECT emotion_annotation_add('p', 'nobody');
SELECT emotion_annotation_next('nobody', 'ann');
SELECT emotion_annotation_next('p', '');
SELECT emotion_annotation_next('p', 'ann', 0);
SELECT emotion_annotation_next('p', 'ann', 1001);
SELECT emotion_annotation_next('p', 'ann', 1, '-1 hour');
SELECT emotion_annotation_vote('nobody', :first, 'ann', '{}');
SELECT emotion_annotation_vote('g', :first, 'ann', '{}');
SELECT emotion_annotation_vote('p', :first, 'zoe', '{}');
SELECT emotion_annotation_vote('p', :first, 'ann', NULL);
SELECT emotion_annotation_vote('p', :first, 'ann', '{joy,NULL}');
SELECT emotion_annotation_vote('p', :first, 'ann', '{joy,zest}');
SELECT emotion_annotation_decide('g', :first, '{joy}');
SELECT emotion_annotation_decide('p', :first, '{zest}');
SELECT emotion_annotation_decide('p', :first, NULL);
SELECT emotion_annotation_majority('nobody');
SELECT emotion_annotation_disagreements('nobody');
SELECT emotion_annotation_agreement('nobody');
SELECT emotion_annotation_release('nobody', 'ann');
SELECT emotion_annotation_check('nobody');
SELECT emotion_annotation_check('g', 'nobody@1');
SELECT emotion_annotation_check('g', 'judge@1', 2);
SELECT emotion_generation_prompts(0);
SELECT emotion_generation_prompts(1, '[]');
SELECT emotion_generation_prompts(1, '{"joy": "many"}');
SELECT emotion_generation_prompts(1, batch => 0);
SELECT lines FROM emotion_import_generated('nobody', $$VALUES ('{"text": "a", "labels": ["joy"]}')$$);

-- An annotator's role: EXECUTE alone does not do, and after the grant it sees what it must, not more.
CREATE ROLE regress_emotion_ann;
CREATE ROLE regress_emotion_bob;
SELECT emotion_annotation_project('r', 2);
SELECT * FROM emotion_annotation_add('r', $$VALUES ('first'), ('second')$$, 'column1');
SELECT min(text_id) AS first FROM emotion.annotation_text WHERE project = 'r' \gset
SET ROLE regress_emotion_ann;
SELECT text FROM emotion_annotation_next('r', 'ann');
RESET ROLE;
SELECT emotion_annotation_grant('regress_emotion_ann'), emotion_annotation_grant('regress_emotion_bob');
SET ROLE regress_emotion_ann;
SELECT text FROM emotion_annotation_next('r', 'ann', 2);
SELECT emotion_annotation_vote('r', :first, 'ann', '{joy}');
SELECT emotion_annotation_vote('r', :first, 'ann', '{love}');
SELECT emotion_annotation_release('r', 'ann');
SELECT intended FROM emotion.annotation_text;
SELECT labels FROM emotion.annotation_vote;
DELETE FROM emotion.annotation_vote;
SET ROLE regress_emotion_bob;
SELECT text FROM emotion_annotation_next('r', 'ann');
SELECT emotion_annotation_vote('r', :first, 'ann', '{anger}');
INSERT INTO emotion.annotation_vote (text_id, project, annotator, labels) VALUES (:first + 1, 'r', 'ann', '{joy}');
UPDATE emotion.annotation_vote SET labels = '{anger}' WHERE annotator = 'ann';
SELECT text FROM emotion_annotation_next('r', 'bob', 5);
RESET ROLE;
SELECT annotator, labels FROM emotion.annotation_vote WHERE project = 'r';
SELECT annotator, account FROM emotion.annotator WHERE project = 'r' ORDER BY 1;

DELETE FROM emotion.annotation_project;
SELECT count(*) FROM emotion.annotation_vote;
DELETE FROM emotion.import_log;
DROP TABLE post;
SELECT emotion_drop_model('judge@1');
DROP OWNED BY regress_emotion_ann, regress_emotion_bob;
DROP ROLE regress_emotion_ann, regress_emotion_bob;
