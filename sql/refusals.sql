-- What is refused, why, and the way out: errors that no other test meets. Each leaves the session usable.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;
\set ECHO none
\i test/reference/tiny_model.sql
SET client_min_messages = warning;
SELECT emotion_import('refusing', decode(:'tiny_model', 'hex')) AS model \gset
\set ECHO all
CREATE SCHEMA refusals;
SET search_path = refusals, public;
CREATE TABLE example (id int, text text, labels text[], scores real[], split text, source text);
INSERT INTO example SELECT i, 'happy ' || i, ARRAY[(ARRAY['joy', 'anger'])[1 + i % 2]], ARRAY[0.5, 0.25], 'train', 'hand'
FROM generate_series(1, 20) AS i;

-- Aggregates.
SELECT emotion_metrics(labels, scores, ARRAY['joy', 'anger'], ARRAY[0.5, 'NaN']::real[]) FROM example;
SELECT emotion_metrics(labels, scores, ARRAY['joy', 'anger'], ARRAY[0.5]::real[]) FROM example;
SELECT emotion_metrics(labels, scores, ARRAY[]::text[]) FROM example;
SELECT emotion_metrics(labels, scores, ARRAY(SELECT 'l' || i FROM generate_series(1, 1001) AS i)) FROM example;
SELECT emotion_metrics(labels, scores, CASE WHEN id < 10 THEN ARRAY['joy', 'anger'] ELSE ARRAY['anger', 'joy'] END) FROM example;
SELECT emotion_metrics(labels, scores, ARRAY['joy', 'anger'], ARRAY[0.5, id]::real[]) FROM example;
SELECT emotion_avg(array_fill(0.5::real, ARRAY[1000001]));
SELECT emotion_avg(ARRAY[[0.5, 0.5], [0.5, 0.5]]::real[]);
SELECT emotion_label_counts(ARRAY(SELECT 'l' || i FROM generate_series(1, 100000) AS i)) IS NULL;
SELECT emotion_krippendorff_alpha(ARRAY['v' || i]) FROM generate_series(1, 5000) AS i;
SELECT emotion.emotion_avg_accum(ARRAY[1, 2]::float8[], ARRAY[0.5]::real[]);

-- Statistics of labels that are none.
SELECT emotion_scumble(ARRAY['a'], NULL::emotion_label_statistics) IS NULL AS none;
SELECT emotion_scumble(ARRAY['a'], jsonb_populate_record(NULL::emotion_label_statistics, '{"irlbl": [1]}'));
SELECT emotion_scumble(ARRAY['a'], jsonb_populate_record(NULL::emotion_label_statistics, '{"labels": ["a", "b"], "irlbl": [1]}'));
SELECT emotion_scumble(ARRAY['a'], jsonb_populate_record(NULL::emotion_label_statistics, '{"labels": ["a"], "irlbl": [null]}'));
SELECT emotion_scumble(ARRAY['a'], jsonb_populate_record(NULL::emotion_label_statistics, '{"labels": ["a", "a"], "irlbl": [1, 2]}'));
SELECT emotion_scumble(ARRAY['a'], jsonb_populate_record(NULL::emotion_label_statistics, '{"labels": ["a", "b"], "irlbl": [1, 0.5]}'));

-- Balancing.
CALL emotion_balance('example', 'balanced', 5, 'quota', NULL);
CALL emotion_balance('example', 'balanced', 5, 'quota' || repeat(',ml_rus', 16));
CALL emotion_balance('example', 'balanced', 5, 'halve');
CALL emotion_balance('example', 'balanced', 5, options => '{"trust": "hand"}');
CALL emotion_balance('example', 'balanced', 5, options => '{"trust": [1]}');
CALL emotion_balance('example', 'balanced', 5, options => '{"source_column": "source", "trust": ["hand"], "min_confidence": {"model": 0.5}}');
CALL emotion_split('example', '{"train": 1.5, "dev": 0.1}');
CALL emotion_split('example', ARRAY[0.5, 0.5], ARRAY['a', 'a'], '{}');
CALL emotion_split('example', ARRAY[0.5, 0.5], ARRAY['a'], '{}');
CALL emotion_split('example', ARRAY[0.5, NULL], ARRAY['a', 'b'], '{}');

-- Evaluation and what is made of it.
SELECT count(*) FROM emotion_evaluate(:'model', 'example', '{"split": "dev"}');
SELECT count(*) FROM emotion_evaluate(:'model', 'example', '{"split": "dev", "split_column": "split"}');
SELECT count(*) FROM emotion_evaluate(:'model', 'example', '{"folds": 1}');
SELECT count(*) FROM emotion_evaluate(:'model', 'SELECT repeat(''x'', 3) AS text, array_fill(''joy''::text, ARRAY[1001]) AS labels');
SELECT count(*) FROM emotion_evaluate(:'model', 'CREATE TABLE other ()');
SELECT count(*) FROM emotion_evaluate(:'model', 'SELECT');
SELECT count(*) FROM emotion_compare(:'model', 'english@1', 'example');
SELECT emotion_calibration_svg(:'model', 'example', '{"folds": 1}');
SELECT count(*) FROM emotion_confidence_thresholds(:'model', 'SELECT * FROM example WHERE false');
SELECT count(*) FROM emotion_confidence_thresholds(:'model', 'SELECT repeat(''x'', 3) AS text, array_fill(''joy''::text, ARRAY[1001]) AS labels');
SELECT count(*) FROM emotion_confidence_thresholds(:'model', 'example', 'NaN');

SELECT emotion_calibrate(:'model', 'example', '{"folds": 0.5}');

-- Labelling.
CALL emotion_pseudo_label('example', 'text', 'labelled', :'model');
CALL emotion_pseudo_label('example', 'text', 'labelled', :'model', 1.5, '{"key_column": "id"}');
CALL emotion_pseudo_label('example', 'text', 'labelled', :'model', 'NaN', '{"key_column": "id"}');
CALL emotion_pseudo_label('example', 'text', 'labelled', :'model', options => '{"key_column": "id", "thresholds": 0.5}');
CALL emotion_pseudo_label('example', 'text', 'labelled', :'model', options => '{"key_column": "id", "thresholds": {"joy": "much"}}');
CALL emotion_pseudo_label('example', 'text', 'labelled', :'model', options => '{"key_column": "id", "thresholds": {"joy": 1.5}}');
CALL emotion_pseudo_label('example', 'text', 'labelled', :'model', options => '{"key_column": "id", "polarity": {"joy": "positive"}}');
CALL emotion_pseudo_label('example', 'text', 'labelled', :'model', options => '{"key_column": "id", "polarity_column": "split", "polarity": {"joy": 1}}');
CALL emotion_pseudo_label('SELECT NULL::int AS id, ''happy'' AS text', 'text', 'unkeyed', :'model', options => '{"key_column": "id"}');
CALL emotion_pseudo_label('example', 'text', 'labelled', :'model', 0.5, '{"key_column": "id"}');
CALL emotion_pseudo_label('example', 'text', 'labelled', :'model', 0.25, '{"key_column": "id"}');
CALL emotion_annotate(0, 'text', 'scores');

-- The registry: versions, deployments.
SELECT emotion_import('refusing', decode(:'tiny_model', 'hex'), 2147483647);
SELECT emotion_import('refusing', decode(:'tiny_model', 'hex'), 0);
SELECT emotion_import('refusing', decode(:'tiny_model', 'hex'), 999999999);
SELECT emotion_import('refusing', decode(:'tiny_model', 'hex'));
SELECT emotion_deploy(:'model');
SELECT emotion_drop_model('english@1');
SELECT emotion_drop_model(:'model');
SELECT emotion_rollback('refusing') <> :'model' AS another;
SELECT emotion.load_bundled('english', 1, '');
CALL emotion_import_huggingface('base', '/dev/null');
CALL emotion_import_huggingface('base', 'relative');
SELECT emotion.refuse_change();

-- Its triggers on tables that are not its own: two of them act as its owner, for whom anybody could then delete
-- parts, or take numbers from models to come.
CREATE TABLE nameless (version int, sha256 bytea);
CREATE TABLE digestless (name text, version int, sha256 text);
CREATE TABLE disguised (name text, version int, sha256 bytea);
INSERT INTO nameless VALUES (1, '');
INSERT INTO digestless VALUES ('refusing', 2, '');
INSERT INTO disguised VALUES ('refusing', 2, sha256('')), ('bought', 1, sha256(''));
CREATE FUNCTION attach(function regproc, moment text, event text, victim regclass) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER t %s %s ON %s FOR EACH ROW EXECUTE FUNCTION %s()', moment, event, victim, function);
	EXECUTE CASE event WHEN 'INSERT' THEN format('INSERT INTO %s SELECT * FROM %1$s', victim)
		ELSE format('DELETE FROM %s', victim) END;
	RAISE 'accepted' USING ERRCODE = 'ZZ000';
EXCEPTION WHEN others THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT function::text, moment, event, attach(function, moment, event, 'nameless') AS nameless,
	attach(function, moment, event, 'digestless') AS digestless, attach(function, moment, event, 'disguised') AS disguised
FROM (SELECT oid::regproc AS function FROM pg_proc WHERE prorettype = 'trigger'::regtype
	AND pronamespace = 'emotion'::regnamespace AND proname ~ 'check|keep|delete|refuse') AS f,
	unnest(ARRAY['AFTER', 'BEFORE']) AS moment, unnest(ARRAY['DELETE', 'INSERT']) AS event
ORDER BY function::text COLLATE "C", moment, event;
SELECT count(*) FROM emotion.dropped_model WHERE name IN ('refusing', 'bought');

-- Training.
CALL emotion_train('refused', 'SELECT ''x'' AS text, array_fill(''joy''::text, ARRAY[1001]) AS labels');
CALL emotion_train('refused', 'SELECT NULL::text AS text, ARRAY[''joy''] AS labels');
DROP SCHEMA refusals CASCADE;
SELECT emotion_drop_model(:'model'), emotion_drop_model('refusing@999999999');
