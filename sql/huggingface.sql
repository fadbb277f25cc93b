-- Checkpoints of Hugging Face's libraries, from the server's files and uploaded by this client.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS emotion;
RESET client_min_messages;
\set here `pwd`

-- What test/reference/huggingface.py says that texts score.
CREATE TABLE expected (checkpoint text, body text, ids int[], scores real[]);
\copy expected FROM 'test/reference/huggingface/expected.tsv'

-- From a directory of the server.
CALL emotion_import_huggingface('hf', :'here' || '/test/reference/huggingface/multi');
CALL emotion_import_huggingface('hf_single', :'here' || '/test/reference/huggingface/single/', '{"description": "one label applies", "version": 3}');
SELECT model, architecture, labels, parameters, storage, size > 10000 AS size, lineage, description, created_by = current_user AS mine
FROM emotion_models WHERE name LIKE 'hf%' ORDER BY 1;
SELECT labels, thresholds, configuration ->> 'hidden_size' AS hidden, configuration ->> 'num_hidden_layers' AS layers,
	configuration ->> 'max_tokens' AS max_tokens, configuration ->> 'problem_type' AS problem
FROM emotion.model WHERE name LIKE 'hf%' ORDER BY name;

-- Scores are PyTorch's.
SELECT checkpoint, count(*), max(greatest(abs(s[1] - scores[1]), abs(s[2] - scores[2]), abs(s[3] - scores[3]), abs(s[4] - scores[4]))) < 1e-4 AS same,
	bool_and(abs(s[1] + s[2] + s[3] + s[4] - 1) < 1e-5) AS sum_to_1
FROM expected, LATERAL emotion_scores(body, CASE checkpoint WHEN 'multi' THEN 'hf@1' ELSE 'hf_single@3' END) AS s
GROUP BY checkpoint ORDER BY 1;

-- All that a model does.
SELECT emotion_label_names('hf@1'), emotion_thresholds('hf@1');
SELECT emotion_labels('thank you so much, you saved my day', 'hf@1'), emotion_labels('thank you so much, you saved my day', 'hf_single@3');
SELECT label, round(score::numeric, 3) AS score FROM emotion_top('I hate this!!', 2, 'hf@1');
SELECT round(emotion_score('I hate this!!', 'anger', 'hf@1')::numeric, 3) AS anger, emotion_json('', 'hf@1') ? 'joy' AS json,
	emotion_scores(NULL, 'hf@1') IS NULL AS of_null;
SELECT "position", token, start, length, weight > 0 AS weighed FROM emotion_explain('I love café 日', 'hf@1');
SELECT round(sum(weight)::numeric, 4) AS weights FROM emotion_explain('what a wonderful world', 'hf@1');
SELECT count(*) FROM emotion_explain('', 'hf@1');
SELECT emotion_highlight('I hate this!!', 'hf@1', 'MaxWords=1');
SELECT cardinality(emotion_features('what a wonderful world', 'hf@1')) AS features;
SELECT emotion_deploy('hf');
SELECT emotion_scores('I hate this!!') = emotion_scores('I hate this!!', 'hf@1') AS deployed;
SELECT emotion_rollback('hf') IS NOT NULL AS back;
CREATE TABLE hf_note (id int PRIMARY KEY, body text, labels text[], scores real[]);
INSERT INTO hf_note SELECT row_number() OVER (), body, ARRAY['joy'] FROM expected WHERE checkpoint = 'multi';
CALL emotion_annotate('hf_note', 'body', 'scores', 'hf@1');
SELECT count(*) AS annotated, max(abs(n.scores[2] - (emotion_scores(n.body, 'hf@1'))[2])) < 1e-5 AS same FROM hf_note n;
SELECT count(*) > 0 AS evaluated FROM emotion_evaluate('hf@1', 'SELECT body AS text, labels FROM hf_note');
CALL emotion_pseudo_label('hf_note', 'body', 'hf_labelled', 'hf@1');
SELECT count(*) > 0 AS labelled FROM hf_labelled;
SELECT count(*) AS tuned FROM emotion_tune_thresholds('hf@1', 'SELECT body AS text, labels FROM hf_note');
SELECT emotion_scores('I hate this!!', 'hf@2') = emotion_scores('I hate this!!', 'hf@1') AS same_scores;

-- Out and in again: the same file; in an ensemble: the mean.
INSERT INTO emotion.import_part (upload, part, data) SELECT 'hf again', part, data FROM emotion_export('hf@1');
SELECT emotion_import_upload('hf_again', 'hf again');
SELECT emotion_model_hash('hf_again@1') = emotion_model_hash('hf@1') AS same;
SELECT emotion_ensemble('hf_both', ARRAY['hf@1', 'hf_again@1']) AS both \gset
SELECT abs((emotion_scores('I hate this!!', :'both'))[2] - (emotion_scores('I hate this!!', 'hf@1'))[2]) < 1e-5 AS mean;

-- Labels that exclude one another: each text has one, that of the highest score, whatever asks.
CREATE TABLE hf_one (id int PRIMARY KEY, body text, top text[]);
INSERT INTO hf_one SELECT row_number() OVER () AS id, body, ARRAY[(SELECT label FROM emotion_top(body, 1, 'hf_single@3'))]
	FROM (SELECT DISTINCT body FROM expected UNION SELECT 'word ' || i FROM generate_series(1, 60) AS i) AS t;
SELECT count(*) > 60 AS texts, count(*) FILTER (WHERE 0.5 > ALL (emotion_scores(body, 'hf_single@3'))) > 0 AS none_over_half,
	bool_and(emotion_labels(body, 'hf_single@3') = top) AS the_highest FROM hf_one;
SELECT scope, metric, value FROM emotion_evaluate('hf_single@3', 'SELECT body AS text, top AS labels FROM hf_one') WHERE metric IN ('subset_accuracy', 'hamming_loss') ORDER BY 2;
SELECT DISTINCT value FROM emotion_evaluate_resamples('hf_single@3', 'SELECT body AS text, top AS labels FROM hf_one', '{"bootstrap": 3}') WHERE metric = 'subset_accuracy';
SELECT metric, model_value FROM emotion_compare('hf_single@3', 'hf_single@3', 'SELECT body AS text, top AS labels FROM hf_one', '{"bootstrap": 10}') WHERE metric = 'macro_f1';
SET client_min_messages = warning;
SELECT bool_and(f1 >= old_f1) AS as_good FROM emotion_tune_thresholds('hf_single@3', 'SELECT body AS text, top AS labels FROM hf_one', '{"name": "hf_single_tuned"}');
RESET client_min_messages;
SELECT max(cardinality(emotion_labels(body, 'hf_single_tuned@1'))) AS at_most FROM hf_one;
CALL emotion_pseudo_label('hf_one', 'body', 'hf_one_labelled', 'hf_single@3');
SELECT count(*) = (SELECT count(*) FROM hf_one) AS all_labelled, max(cardinality(labels)) AS labels FROM hf_one_labelled;
DROP TABLE hf_one, hf_one_labelled;
SELECT emotion_ensemble('hf_neither', ARRAY['hf@1', 'hf_single@3']);
\echo :LAST_ERROR_SQLSTATE
SELECT emotion_ensemble('hf_single_both', ARRAY['hf_single@3', 'hf_single_tuned@1']) AS both \gset
SELECT emotion_labels('I hate this!!', :'both') = emotion_labels('I hate this!!', 'hf_single@3') AS same;

-- From files that the client sends, by psql alone.
CREATE TABLE fixture (checkpoint text, name text, data bytea);
\lo_import test/reference/huggingface/multi/config.json
\set file :LASTOID
INSERT INTO fixture SELECT 'multi', 'config.json', lo_get(:file);
\lo_unlink :file
\lo_import test/reference/huggingface/multi/tokenizer.json
\set file :LASTOID
INSERT INTO fixture SELECT 'multi', 'tokenizer.json', lo_get(:file);
\lo_unlink :file
\lo_import test/reference/huggingface/multi/model.safetensors
\set file :LASTOID
INSERT INTO fixture SELECT 'multi', 'model.safetensors', lo_get(:file);
\lo_unlink :file
\lo_import test/reference/huggingface/single/config.json
\set file :LASTOID
INSERT INTO fixture SELECT 'single', 'config.json', lo_get(:file);
\lo_unlink :file
\lo_import test/reference/huggingface/single/vocab.json
\set file :LASTOID
INSERT INTO fixture SELECT 'single', 'vocab.json', lo_get(:file);
\lo_unlink :file
\lo_import test/reference/huggingface/single/merges.txt
\set file :LASTOID
INSERT INTO fixture SELECT 'single', 'merges.txt', lo_get(:file);
\lo_unlink :file
\lo_import test/reference/huggingface/single/model.safetensors.index.json
\set file :LASTOID
INSERT INTO fixture SELECT 'single', 'model.safetensors.index.json', lo_get(:file);
\lo_unlink :file
\lo_import test/reference/huggingface/single/model-00001-of-00002.safetensors
\set file :LASTOID
INSERT INTO fixture SELECT 'single', 'model-00001-of-00002.safetensors', lo_get(:file);
\lo_unlink :file
\lo_import test/reference/huggingface/single/model-00002-of-00002.safetensors
\set file :LASTOID
INSERT INTO fixture SELECT 'single', 'model-00002-of-00002.safetensors', lo_get(:file);
\lo_unlink :file

-- Pieces of an odd size, numbered with gaps.
CREATE FUNCTION send(checkpoint text) RETURNS void LANGUAGE sql AS $$
	DELETE FROM emotion.import_part;
	INSERT INTO emotion.import_part (upload, part, data)
	SELECT 'my/' || f.name, 7 * i, substr(f.data, i * 999 + 1, 999)
	FROM fixture AS f, generate_series(0, length(f.data) / 999) AS i WHERE f.checkpoint = send.checkpoint;
$$;
SELECT send('single');
INSERT INTO emotion.import_part VALUES ('my', 1, 'another'), ('myself/config.json', 1, 'another');
CALL emotion_import_huggingface_upload('hf_sent', 'my');
SELECT upload AS pieces_left FROM emotion.import_part ORDER BY 1;
SELECT encode(m.sha256, 'hex') = emotion_model_hash('hf_single@3') AS same, lineage FROM emotion.model AS m WHERE name = 'hf_sent';

-- Options.
SELECT send('multi');
CALL emotion_import_huggingface_upload('hf_options', 'my', '{"labels": ["a", "b", "c", "d"], "thresholds": [0, 0.25, 0.5, 1],
	"storage": "f16", "max_tokens": 12, "problem_type": "single_label_classification"}');
SELECT m.labels, m.thresholds, m.configuration ->> 'max_tokens' AS max_tokens, m.storage, m.size < h.size - 20000 AS smaller
FROM emotion.model AS m, emotion.model AS h WHERE m.name = 'hf_options' AND h.name = 'hf' AND h.version = 1;
SELECT count(*), bool_and(abs(s[1] + s[2] + s[3] + s[4] - 1) < 1e-5) AS sum_to_1
FROM expected, LATERAL emotion_scores(body, 'hf_options@1') AS s WHERE checkpoint = 'multi';
SELECT send('multi');
CALL emotion_import_huggingface_upload('hf_options', 'my', '{"thresholds": 0.75, "storage": "bf16"}');
SELECT emotion_thresholds('hf_options@2'), round((emotion_scores('I hate this!!', 'hf_options@2'))[2]::numeric, 1);

-- In 8 bits: from a checkpoint, or from a model that is here.
SELECT send('multi');
SET client_min_messages = warning; -- figures of the rounding
CALL emotion_import_huggingface_upload('hf_bytes', 'my', '{"storage": "i8"}');
SELECT emotion_convert('hf@1', 'i8', '{"name": "hf_narrow", "description": "in bytes"}') AS narrow \gset
SELECT n.storage, n.size < 0.6 * h.size AS smaller, n.sha256 = b.sha256 AS same_bytes, n.lineage, n.description, n.labels = h.labels AS labels,
	n.metrics ? 'largest_score_change' AS measured, n.metrics = b.metrics AS same_metrics
FROM emotion.model AS n, emotion.model AS b, emotion.model AS h
WHERE n.name = 'hf_narrow' AND b.name = 'hf_bytes' AND h.name = 'hf' AND h.version = 1;
SELECT count(*), max(abs(a - b)) BETWEEN 1e-5 AND 0.05 AS near, avg(abs(a - b)) < 0.01 AS near_on_average
FROM expected, LATERAL unnest(emotion_scores(body, 'hf@1'), emotion_scores(body, :'narrow')) AS s (a, b) WHERE checkpoint = 'multi';
SELECT count(*) AS texts, bool_and(n.scores = emotion_scores(n.body, :'narrow')) AS alone_as_in_batches
FROM (SELECT body, emotion_scores(body, :'narrow') AS scores FROM hf_note) AS n;
SELECT cardinality(emotion_features('what a wonderful world', :'narrow')) AS features,
	(SELECT round(sum(weight)::numeric, 4) FROM emotion_explain('what a wonderful world', :'narrow')) AS weights;
SELECT metric, abs(difference) < 0.1 AS alike FROM emotion_compare('hf@1', :'narrow', 'SELECT body AS text, labels FROM hf_note') ORDER BY 1;
INSERT INTO emotion.import_part (upload, part, data) SELECT 'hf narrow', part, data FROM emotion_export(:'narrow');
SELECT emotion_import_upload('hf_again', 'hf narrow') AS again \gset
SELECT emotion_model_hash(:'again') = emotion_model_hash(:'narrow') AS same;
SELECT emotion_ensemble('hf_mixed', ARRAY['hf@1', :'narrow']) AS mixed \gset
SELECT abs((emotion_scores('I hate this!!', :'mixed'))[2] -
	((emotion_scores('I hate this!!', 'hf@1'))[2] + (emotion_scores('I hate this!!', :'narrow'))[2]) / 2) < 1e-5 AS mean;
SELECT emotion_convert(:'narrow', 'f32', '{"name": "hf_wide"}') AS wide \gset
SELECT max(abs(a - b)) < 0.05 AS near
FROM expected, LATERAL unnest(emotion_scores(body, :'wide'), emotion_scores(body, :'narrow')) AS s (a, b) WHERE checkpoint = 'multi';
RESET client_min_messages;
SELECT emotion_convert(:'mixed', 'i8');
SELECT emotion_convert('hf@1', 'i4');
SELECT emotion_convert('hf@1', 'f32');
SELECT emotion_convert(:'narrow', 'i8', '{"name": "hf_copy"}');
SELECT model, storage FROM emotion_models WHERE model IN (:'narrow', :'wide', :'mixed', 'english@1') ORDER BY model;
SELECT emotion_convert('hf@1', 'i8', '{"size": 1}');
SELECT emotion_convert('hf@1', 'i8', '{"version": 1}');
SELECT emotion_convert('hf_none@1', 'i8');

-- Calibrated: a scale and a shift of each logit; decisions stay.
SELECT emotion_calibrate(:'narrow', 'SELECT body AS text, labels FROM hf_note', '{"name": "hf_calibrated"}') AS calibrated \gset
SELECT bool_and(abs(ln(c / (1 - c)) - (scale * ln(s / (1 - s)) + shift)) < 1e-3) AS as_fitted,
	bool_and((s >= t) = (c >= u)) AS same_decisions, count(DISTINCT scale) AS scales
FROM emotion.model AS m, expected,
	LATERAL unnest(emotion_scores(body, :'narrow')::float8[], emotion_scores(body, :'calibrated')::float8[], emotion_thresholds(:'narrow')::float8[],
		emotion_thresholds(:'calibrated')::float8[], ARRAY(SELECT jsonb_array_elements(lineage -> 'calibration' -> 'scales')::float8),
		ARRAY(SELECT jsonb_array_elements(lineage -> 'calibration' -> 'shifts')::float8)) AS v (s, c, t, u, scale, shift)
WHERE m.name = 'hf_calibrated' AND checkpoint = 'multi';
SET client_min_messages = warning;
SELECT emotion_calibrate('hf_single@3', 'SELECT body AS text, labels FROM hf_note') AS calibrated \gset
RESET client_min_messages;
SELECT m.lineage #>> '{calibration,method}' AS method, (m.lineage #>> '{calibration,scales,0}')::float8 BETWEEN 1.0 / 64 AND 64 AS scale, m.thresholds = h.thresholds AS thresholds
FROM emotion.model AS m, emotion.model AS h WHERE m.name = 'hf_single' AND m.version = 4 AND h.name = 'hf_single' AND h.version = 3;
SELECT bool_and(abs(s[1] + s[2] + s[3] + s[4] - 1) < 1e-5) AS sum_to_1, bool_and((s[1] > s[2]) = (b[1] > b[2])) AS in_order
FROM expected, LATERAL emotion_scores(body, :'calibrated') AS s, LATERAL emotion_scores(body, 'hf_single@3') AS b WHERE checkpoint = 'single';
SELECT count(*) AS reports FROM emotion_calibration_error('hf_single@3', 'SELECT body AS text, labels FROM hf_note', '{"folds": 2}');

-- A base is there to train from.
SELECT send('multi');
CALL emotion_import_huggingface_upload('hf_base', 'my', '{"head": "none"}');
SELECT labels, configuration ->> 'problem_type' IS NULL AS no_problem, parameters FROM emotion.model WHERE name = 'hf_base';
SELECT emotion_scores('no head', 'hf_base@1');
SELECT emotion_deploy('hf_base@1');
INSERT INTO emotion.import_part (upload, part, data) SELECT 'base', part, data FROM emotion_export('hf_base@1');
SELECT emotion_import_upload('hf_base', 'base');

-- What is refused, with its SQLSTATE; nothing is left of it.
CREATE FUNCTION refused(file text, old text, new text, options jsonb DEFAULT '{}', checkpoint text DEFAULT 'multi')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	PERFORM send(checkpoint);
	UPDATE emotion.import_part SET data = f.data FROM (SELECT d.name, decode(replace(encode(d.data, 'hex'),
		encode(convert_to(old, 'UTF8'), 'hex'), encode(convert_to(coalesce(new, ''), 'UTF8'), 'hex')), 'hex') AS data
		FROM fixture AS d WHERE d.checkpoint = refused.checkpoint AND d.name = refused.file) AS f
		WHERE upload = 'my/' || f.name AND part = 0;
	DELETE FROM emotion.import_part WHERE upload = 'my/' || refused.file AND (part > 0 OR new IS NULL);
	CALL emotion_import_huggingface_upload('hf_refused', 'my', options);
	RETURN 'published';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ': ' || SQLERRM || coalesce(' (' || nullif(hint, '') || ')', '');
END $$;
SELECT refused('config.json', '"hidden_size"', '"hidden"') AS missing_key;
SELECT refused('config.json', '"gelu"', '"gelu_new"') AS activation;
SELECT refused('config.json', '"absolute"', '"relative_key"') AS positions;
SELECT refused('config.json', '"roberta"', '"xlm-roberta"') AS another_kind;
SELECT refused('config.json', 'ForSequenceClassification', 'ForTokenClassification') AS another_head;
SELECT refused('config.json', 'multi_label_classification', 'regression') AS another_problem;
SELECT refused('config.json', '"num_attention_heads": 2', '"num_attention_heads": 3') AS sizes;
SELECT refused('config.json', '{', '') AS no_json;
SELECT refused('config.json', '', NULL) AS no_config;
SELECT refused('tokenizer.json', '', NULL) AS no_tokenizer;
SELECT refused('tokenizer.json', 'ByteLevel', 'Whitespace') AS another_tokenizer;
SELECT refused('model.safetensors', '', NULL) AS no_weights;
SELECT refused('model.safetensors', 'layer.1.output.dense.bias', 'layer.1.output.dense.bias2') AS wrong_header;
SELECT refused('model.safetensors', 'layer.1.output.dense.bias', 'layer.1.output.dense.blas') AS missing_tensor;
SELECT refused('config.json', '"num_hidden_layers": 2', '"num_hidden_layers": 1') AS extra_tensors;
SELECT refused('model.safetensors', '"shape":[351,16]', '"shape":[16,351]') AS wrong_shape;
SELECT refused('model.safetensors', '"dtype":"F32","shape":[351,16]', '"dtype":"I32","shape":[351,16]') AS wrong_type;
SELECT refused('model.safetensors.index.json', '00001-of', '00003-of', checkpoint => 'single') AS missing_shard;
SELECT refused('model.safetensors.index.json', '00001-of', '00002-of', checkpoint => 'single') AS wrong_shard;
SELECT refused('model.safetensors.index.json', '"model-00001', '"../../etc-00001', checkpoint => 'single') AS foreign_file;
SELECT refused('config.json', '', '', '{"labels": ["a", "b"]}') AS labels;
SELECT refused('config.json', '', '', '{"labels": ["a", "b", "a", "c"]}') AS same_labels;
SELECT refused('config.json', '', '', '{"labels": "a"}') AS no_labels;
SELECT refused('config.json', '', '', '{"thresholds": [0.5, 0.5]}') AS thresholds;
SELECT refused('config.json', '', '', '{"thresholds": 1.5}') AS threshold;
SELECT refused('config.json', '', '', '{"thresholds": ["a"]}') AS no_threshold;
SELECT refused('config.json', '', '', '{"max_tokens": 39}') AS max_tokens;
SELECT refused('config.json', '', '', '{"max_tokens": 2}') AS only_special_tokens;
SELECT refused('config.json', '', '', '{"storage": "i4"}') AS storage;
SELECT refused('config.json', '', '', '{"head": "none", "labels": ["a"]}') AS base_with_labels;
SELECT refused('config.json', '', '', '{"colour": "red"}') AS unknown_option;

-- A weight that is no number, in the last piece: all parts were written by then.
SELECT send('multi');
UPDATE emotion.import_part SET data = overlay(data PLACING '\x0000c07f' FROM length(data) - 3)
WHERE upload = 'my/model.safetensors' AND part = (SELECT max(part) FROM emotion.import_part WHERE upload = 'my/model.safetensors');
CALL emotion_import_huggingface_upload('hf_refused', 'my');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) AS left FROM emotion.model_part WHERE name = 'hf_refused';
SELECT count(*) > 0 AS pieces_kept FROM emotion.import_part;

-- Pieces that are missing, doubled or cut are told.
SELECT send('multi');
DELETE FROM emotion.import_part WHERE upload = 'my/model.safetensors' AND part = 21;
CALL emotion_import_huggingface_upload('hf_refused', 'my');
SELECT send('multi');
UPDATE emotion.import_part AS p SET data = o.data FROM emotion.import_part AS o WHERE p.upload = 'my/model.safetensors' AND p.part = 21 AND o.upload = p.upload AND o.part = 14;
UPDATE emotion.import_part SET data = data || '\x00' WHERE upload = 'my/model.safetensors' AND part = (SELECT max(part) FROM emotion.import_part WHERE upload = 'my/model.safetensors');
CALL emotion_import_huggingface_upload('hf_refused', 'my');
SELECT send('multi');
UPDATE emotion.import_part SET data = substr(data, 1, 100) WHERE upload = 'my/tokenizer.json' AND part = 7;
CALL emotion_import_huggingface_upload('hf_refused', 'my');
SELECT send('single');
DELETE FROM emotion.import_part WHERE upload = 'my/model-00002-of-00002.safetensors' AND part = (SELECT max(part) FROM emotion.import_part WHERE upload = 'my/model-00002-of-00002.safetensors');
CALL emotion_import_huggingface_upload('hf_refused', 'my');

-- Labels that have no names.
SELECT send('multi');
UPDATE emotion.import_part AS p SET data = convert_to(regexp_replace(convert_from(p.data, 'UTF8'), '"id2label": {[^}]*}', '"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2", "3": "LABEL_3"}'), 'UTF8')
WHERE upload = 'my/config.json' AND part = 0;
CALL emotion_import_huggingface_upload('hf_nameless', 'my');
SELECT emotion_label_names('hf_nameless@1');

-- A kind of problem that the file does not say.
UPDATE fixture SET data = convert_to(replace(convert_from(data, 'UTF8'), '"multi_label_classification"', 'null'), 'UTF8')
WHERE checkpoint = 'multi' AND name = 'config.json';
SELECT send('multi');
CALL emotion_import_huggingface_upload('hf_guessed', 'my');

-- Who may, and what is not there.
CALL emotion_import_huggingface_upload('hf_none', 'nothing');
CALL emotion_import_huggingface('hf_none', 'relative/path');
CALL emotion_import_huggingface('hf_none', '/nonexistent/path');
\set VERBOSITY terse
CALL emotion_import_huggingface('hf_none', :'here'); -- its detail is the path
\set VERBOSITY default
CALL emotion_import_huggingface('Hf', :'here');
CALL emotion_import_huggingface('english', :'here');
CALL emotion_import_huggingface(NULL, :'here');
CALL emotion_import_huggingface('hf_none', NULL);
CALL emotion_import_huggingface('hf', :'here' || '/test/reference/huggingface/multi', '{"version": 1}');
\set VERBOSITY sqlstate
CALL emotion_import_huggingface_upload('hf_none', 'nothing');
CALL emotion_import_huggingface('hf_none', 'relative/path');
CALL emotion_import_huggingface('hf_none', '/nonexistent/path');
CREATE ROLE emotion_hf_reader;
SET ROLE emotion_hf_reader;
CALL emotion_import_huggingface('hf_none', '/tmp');
RESET ROLE;
GRANT INSERT ON emotion.model, emotion.model_part TO emotion_hf_reader;
SET ROLE emotion_hf_reader;
CALL emotion_import_huggingface('hf_none', '/tmp');
CALL emotion_import_huggingface_upload('hf_none', 'my');
RESET ROLE;
\set VERBOSITY default
GRANT SELECT, DELETE ON emotion.import_part TO emotion_hf_reader;
SELECT send('multi');
SET ROLE emotion_hf_reader;
CALL emotion_import_huggingface_upload('hf_mine', 'my', '{"problem_type": "multi_label_classification"}');
SELECT emotion_scores('mine', 'hf_mine@1') = emotion_scores('mine', 'hf@1') AS scores;
CALL emotion_import_huggingface('hf_none', '/tmp');
RESET ROLE;

DELETE FROM emotion.import_part;
SELECT count(emotion_drop_model(model)) AS dropped FROM emotion_models WHERE name LIKE 'hf%';
SELECT count(*) AS parts_left FROM emotion.model_part WHERE name LIKE 'hf%';
DROP OWNED BY emotion_hf_reader;
DROP ROLE emotion_hf_reader;
DROP TABLE expected, fixture, hf_note, hf_labelled;
DROP FUNCTION send, refused;
