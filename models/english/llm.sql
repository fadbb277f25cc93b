-- The LLM-written texts with the labels that at least three of five annotators gave: table llm.
BEGIN;
CREATE TEMPORARY TABLE llm_text (id text, text text, meant text);
\copy llm_text FROM 'texts.tsv' WITH (FORMAT csv, DELIMITER E'\t', QUOTE E'\x01')
CREATE TEMPORARY TABLE llm_vote (id text, annotator text, labels text);
\copy llm_vote FROM 'votes.tsv' WITH (FORMAT csv, DELIMITER E'\t', QUOTE E'\x01')
CREATE TABLE llm AS SELECT text, labels FROM llm_text JOIN (
	SELECT id, array_agg(label ORDER BY label) AS labels FROM (
		SELECT id, label FROM llm_vote, unnest(string_to_array(labels, ',')) AS label GROUP BY id, label HAVING count(*) >= 3) AS l
	GROUP BY id) AS v USING (id);
COMMIT;
