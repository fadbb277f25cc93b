-- Scoring. Without a model: the deployed one, STABLE. With a model named
-- exactly (name@version): IMMUTABLE, because a published version never changes;
-- these serve in expression indexes and generated columns.

-- Called by the planner where a scoring function is called: what it loads looks after batches.
CREATE FUNCTION emotion.emotion_support(pg_catalog.internal)
	RETURNS pg_catalog.internal
	LANGUAGE c STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'emotion_support';
COMMENT ON FUNCTION emotion.emotion_support(pg_catalog.internal) IS
	'planner support of the scoring functions';

CREATE FUNCTION emotion_scores(body pg_catalog.text)
	RETURNS pg_catalog.float4[]
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 20000 SUPPORT emotion.emotion_support
	AS 'MODULE_PATHNAME', 'emotion_scores';
COMMENT ON FUNCTION emotion_scores(pg_catalog.text) IS
	'a score in 0..1 for each label, in the order of emotion_label_names(), by the deployed model';

CREATE FUNCTION emotion_scores(body pg_catalog.text, model pg_catalog.text)
	RETURNS pg_catalog.float4[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20000 SUPPORT emotion.emotion_support
	AS 'MODULE_PATHNAME', 'emotion_scores';
COMMENT ON FUNCTION emotion_scores(pg_catalog.text, pg_catalog.text) IS
	'a score in 0..1 for each label, in the order of emotion_label_names(), by the model name@version';

CREATE FUNCTION emotion_features(body pg_catalog.text)
	RETURNS pg_catalog.float4[]
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 20000
	AS 'MODULE_PATHNAME', 'emotion_features';
COMMENT ON FUNCTION emotion_features(pg_catalog.text) IS
	'what the deployed model''s last layer sees of a text: twice as many numbers as it has hidden units; alike for texts alike to the model';

CREATE FUNCTION emotion_features(body pg_catalog.text, model pg_catalog.text)
	RETURNS pg_catalog.float4[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20000
	AS 'MODULE_PATHNAME', 'emotion_features';
COMMENT ON FUNCTION emotion_features(pg_catalog.text, pg_catalog.text) IS
	'what the last layer of a model, named exactly, sees of a text';

CREATE FUNCTION emotion_labels(body pg_catalog.text)
	RETURNS pg_catalog.text[]
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 20000 SUPPORT emotion.emotion_support
	AS 'MODULE_PATHNAME', 'emotion_labels';
COMMENT ON FUNCTION emotion_labels(pg_catalog.text) IS
	'labels whose score reaches their threshold, strongest first, by the deployed model; where labels exclude one another the strongest only';

CREATE FUNCTION emotion_labels(body pg_catalog.text, model pg_catalog.text)
	RETURNS pg_catalog.text[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20000 SUPPORT emotion.emotion_support
	AS 'MODULE_PATHNAME', 'emotion_labels';
COMMENT ON FUNCTION emotion_labels(pg_catalog.text, pg_catalog.text) IS
	'labels whose score reaches their threshold, strongest first, by the model name@version; where labels exclude one another the strongest only';

CREATE FUNCTION emotion_top(body pg_catalog.text, k pg_catalog.int4, OUT label pg_catalog.text, OUT score pg_catalog.float4)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 20000 SUPPORT emotion.emotion_support ROWS 3
	AS 'MODULE_PATHNAME', 'emotion_top';
COMMENT ON FUNCTION emotion_top(pg_catalog.text, pg_catalog.int4) IS
	'the k labels of highest score, strongest first, by the deployed model';

CREATE FUNCTION emotion_top(body pg_catalog.text, k pg_catalog.int4, model pg_catalog.text, OUT label pg_catalog.text, OUT score pg_catalog.float4)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20000 SUPPORT emotion.emotion_support ROWS 3
	AS 'MODULE_PATHNAME', 'emotion_top';
COMMENT ON FUNCTION emotion_top(pg_catalog.text, pg_catalog.int4, pg_catalog.text) IS
	'the k labels of highest score, strongest first, by the model name@version';

CREATE FUNCTION emotion_score(body pg_catalog.text, label pg_catalog.text)
	RETURNS pg_catalog.float4
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 20000 SUPPORT emotion.emotion_support
	AS 'MODULE_PATHNAME', 'emotion_score';
COMMENT ON FUNCTION emotion_score(pg_catalog.text, pg_catalog.text) IS
	'the score of one label, by the deployed model';

CREATE FUNCTION emotion_score(body pg_catalog.text, label pg_catalog.text, model pg_catalog.text)
	RETURNS pg_catalog.float4
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20000 SUPPORT emotion.emotion_support
	AS 'MODULE_PATHNAME', 'emotion_score';
COMMENT ON FUNCTION emotion_score(pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
	'the score of one label, by the model name@version';

CREATE FUNCTION emotion_json(body pg_catalog.text)
	RETURNS pg_catalog.jsonb
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 20000 SUPPORT emotion.emotion_support
	AS 'MODULE_PATHNAME', 'emotion_json';
COMMENT ON FUNCTION emotion_json(pg_catalog.text) IS
	'an object of label: score, by the deployed model';

CREATE FUNCTION emotion_json(body pg_catalog.text, model pg_catalog.text)
	RETURNS pg_catalog.jsonb
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20000 SUPPORT emotion.emotion_support
	AS 'MODULE_PATHNAME', 'emotion_json';
COMMENT ON FUNCTION emotion_json(pg_catalog.text, pg_catalog.text) IS
	'an object of label: score, by the model name@version';

CREATE FUNCTION emotion_explain(body pg_catalog.text, OUT "position" pg_catalog.int4, OUT token pg_catalog.text, OUT start pg_catalog.int4, OUT length pg_catalog.int4, OUT weight pg_catalog.float4)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 20000 ROWS 20
	AS 'MODULE_PATHNAME', 'emotion_explain';
COMMENT ON FUNCTION emotion_explain(pg_catalog.text) IS
	'the tokens as the model reads them, where they stand in the text (characters, from 1), and the attention each gets, 1 in all, by the deployed model';

CREATE FUNCTION emotion_explain(body pg_catalog.text, model pg_catalog.text, OUT "position" pg_catalog.int4, OUT token pg_catalog.text, OUT start pg_catalog.int4, OUT length pg_catalog.int4, OUT weight pg_catalog.float4)
	RETURNS SETOF pg_catalog.record
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 20000 ROWS 20
	AS 'MODULE_PATHNAME', 'emotion_explain';
COMMENT ON FUNCTION emotion_explain(pg_catalog.text, pg_catalog.text) IS
	'the tokens as the model reads them, where they stand in the text (characters, from 1), and the attention each gets, 1 in all, by the model name@version';

CREATE FUNCTION emotion_highlight(body pg_catalog.text)
	RETURNS pg_catalog.text
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 60000
	AS 'MODULE_PATHNAME', 'emotion_highlight';
COMMENT ON FUNCTION emotion_highlight(pg_catalog.text) IS
	'the text with the words that carried the strongest label marked <b>so</b>, by the deployed model; markup that the text itself holds is not escaped';

CREATE FUNCTION emotion_highlight(body pg_catalog.text, model pg_catalog.text)
	RETURNS pg_catalog.text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 60000
	AS 'MODULE_PATHNAME', 'emotion_highlight';
COMMENT ON FUNCTION emotion_highlight(pg_catalog.text, pg_catalog.text) IS
	'the text with the words that carried the strongest label marked <b>so</b>, by the model name@version; markup that the text itself holds is not escaped';

CREATE FUNCTION emotion_highlight(body pg_catalog.text, model pg_catalog.text, options pg_catalog.text)
	RETURNS pg_catalog.text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 60000
	AS 'MODULE_PATHNAME', 'emotion_highlight';
COMMENT ON FUNCTION emotion_highlight(pg_catalog.text, pg_catalog.text, pg_catalog.text) IS
	'as above; options as for ts_headline: StartSel, StopSel, MaxWords, and Label; Escape=true writes markup that the text holds as HTML entities';

CREATE FUNCTION emotion_label_names()
	RETURNS pg_catalog.text[]
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 100
	AS 'MODULE_PATHNAME', 'emotion_label_names';
COMMENT ON FUNCTION emotion_label_names() IS
	'the labels of the deployed model, in the order of its scores';

CREATE FUNCTION emotion_label_names(model pg_catalog.text)
	RETURNS pg_catalog.text[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100
	AS 'MODULE_PATHNAME', 'emotion_label_names';
COMMENT ON FUNCTION emotion_label_names(pg_catalog.text) IS
	'the labels of the model name@version, in the order of its scores';

CREATE FUNCTION emotion_thresholds()
	RETURNS pg_catalog.float4[]
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 100
	AS 'MODULE_PATHNAME', 'emotion_thresholds';
COMMENT ON FUNCTION emotion_thresholds() IS
	'the score from which each label is given, of the deployed model';

CREATE FUNCTION emotion_thresholds(model pg_catalog.text)
	RETURNS pg_catalog.float4[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100
	AS 'MODULE_PATHNAME', 'emotion_thresholds';
COMMENT ON FUNCTION emotion_thresholds(pg_catalog.text) IS
	'the score from which each label is given, of the model name@version';
