-- The three sources, without the texts that dev holds, too. One transaction.

SELECT :'files' || '/labels.txt' AS labels_file, 'file:' || :'files' || '/train.tsv' AS train_file,
	'file:' || :'files' || '/dev.tsv' AS dev_file, 'file:' || :'files' || '/tweets-100k.csv' AS tweet_file,
	:'files' || '/texts.tsv' AS text_file, :'files' || '/votes.tsv' AS vote_file \gset

CREATE TABLE bench.label (place serial PRIMARY KEY, label text NOT NULL UNIQUE);
COPY bench.label (label) FROM :'labels_file';

CREATE TABLE bench.removed (source text PRIMARY KEY, read int8 NOT NULL, in_dev int8 NOT NULL);

-- GoEmotions
SELECT emotion_import_goemotions('bench.comment', :'train_file', '{"split": "train"}') \g /dev/null
SELECT emotion_import_goemotions('bench.comment', :'dev_file', '{"split": "dev"}') \g /dev/null
CREATE TABLE bench.dev AS SELECT id, text, labels FROM bench.comment WHERE split = 'dev';
CREATE TABLE bench.dev_words AS SELECT DISTINCT bench.words(text) AS words FROM bench.dev;
CREATE TABLE bench.goemotions AS
	SELECT id, text, labels, 'goemotions' AS source, 1::real AS confidence
	FROM bench.comment WHERE split = 'train' AND bench.words(text) NOT IN (SELECT words FROM bench.dev_words);
INSERT INTO bench.removed SELECT 'goemotions', count(*), count(*) - (SELECT count(*) FROM bench.goemotions)
	FROM bench.comment WHERE split = 'train';

-- Sentiment140
SELECT emotion_import_sentiment140('bench.tweet_read', :'tweet_file') \g /dev/null
CREATE TABLE bench.tweet AS SELECT line AS id, text, polarity FROM bench.tweet_read
	WHERE bench.words(text) NOT IN (SELECT words FROM bench.dev_words);
ALTER TABLE bench.tweet ADD PRIMARY KEY (id);
INSERT INTO bench.removed SELECT 'tweets', count(*), count(*) - (SELECT count(*) FROM bench.tweet) FROM bench.tweet_read;

-- LLM-written texts with the labels that most of their five annotators gave
CREATE TABLE bench.llm_text (id text, text text, labels text);
COPY bench.llm_text FROM :'text_file' (FORMAT csv, DELIMITER E'\t', QUOTE E'\x02');
CREATE TABLE bench.llm_vote (id text, annotator text, labels text);
COPY bench.llm_vote FROM :'vote_file' (FORMAT csv, DELIMITER E'\t', QUOTE E'\x02');
SELECT emotion_annotation_project('llm', votes => 5) \g /dev/null
SELECT emotion_annotation_add('llm', $$SELECT id, text, string_to_array(labels, ',') AS labels FROM bench.llm_text$$,
	label_column => 'labels', id_column => 'id') \g /dev/null
SELECT emotion_annotation_import_votes('llm', $$SELECT id, annotator,
	string_to_array(coalesce(labels, ''), ',') AS labels FROM bench.llm_vote$$) \g /dev/null
CREATE TABLE bench.llm_read AS SELECT 'llm-' || id AS id, text, labels, 'llm' AS source, 1::real AS confidence
	FROM emotion_annotation_majority('llm')
	WHERE labels <> '{}' AND labels <@ (SELECT array_agg(label) FROM bench.label);
CREATE TABLE bench.llm AS SELECT * FROM bench.llm_read
	WHERE bench.words(text) NOT IN (SELECT words FROM bench.dev_words);
INSERT INTO bench.removed SELECT 'llm', count(*), count(*) - (SELECT count(*) FROM bench.llm) FROM bench.llm_read;
ANALYZE;
