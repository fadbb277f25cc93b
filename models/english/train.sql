-- The recipe of the bundled model; models/english/train.sh runs it.

SET client_min_messages = error; -- no word about a bundled model that is not there yet
CREATE EXTENSION emotion;
SET client_min_messages = notice;

CREATE TABLE goemotions (text text NOT NULL, labels text[] NOT NULL, split text NOT NULL, id text);
\copy goemotions FROM 'goemotions.copy'

CALL emotion_train('english_training', 'goemotions', '{
	"labels": ["admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion",
		"curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment",
		"excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness", "optimism", "pride",
		"realization", "relief", "remorse", "sadness", "surprise", "neutral"],
	"split_column": "split",
	"epochs": 6,
	"dropout_word": 0.1, "dropout_embedding": 0.3, "dropout_conv": 0.3, "dropout_hidden": 0.2,
	"dropout_pooled": 0.5,
	"metric": "macro_ap",
	"patience": 0,
	"seed": 1,
	"description": "28 emotions in English text, trained on GoEmotions"
}');

SELECT emotion_calibrate('english_training@1', 'goemotions', '{"split_column": "split"}');
