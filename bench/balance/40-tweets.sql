-- The tweets labelled by the teacher: each label from the score on that was right often enough on
-- rows that did not train it, and only where no label contradicts the tweet's polarity.

CREATE TABLE IF NOT EXISTS bench.cut AS SELECT c.* FROM bench.setting, bench.teacher,
	emotion_confidence_thresholds(model, cut_on, (settings ->> 'precision')::float8) AS c;
SELECT model AS teacher, (SELECT jsonb_build_object('thresholds', jsonb_object_agg(label, cut), 'strict', true,
		'polarity_column', 'polarity', 'min_words', 2, 'min_known', 0.5) FROM bench.cut) AS options
	FROM bench.teacher \gset
CALL emotion_pseudo_label('bench.tweet', 'text', 'bench.tweet_label', :'teacher', NULL, :'options');
CREATE TABLE bench.tweets AS SELECT 'tweet-' || key AS id, text, labels, 'tweets' AS source, confidence
	FROM bench.tweet_label WHERE outcome = 'labelled';
