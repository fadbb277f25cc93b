-- What every network begins with: vectors of the words of GoEmotions' training rows and of half a million
-- titles of Reddit. Nothing of dev is in them.

SELECT settings ->> 'vectors' AS vectors, (settings ->> 'quick')::int::bool AS quick FROM bench.setting \gset
\set titles :files '/titles.txt'
SELECT NOT EXISTS (SELECT FROM emotion_vectors WHERE name = :'vectors') AS wanted \gset
\if :wanted
CREATE TABLE IF NOT EXISTS bench.title (text text NOT NULL);
TRUNCATE bench.title;
COPY bench.title FROM :'titles' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02');
SELECT jsonb_build_object('dim', CASE WHEN :'quick' THEN 16 ELSE 200 END, 'min_count', 3, 'epochs', 5, 'buckets', 0,
	'threads', settings -> 'threads', 'seed', 1) AS options FROM bench.setting \gset
CALL emotion_train_vectors(:'vectors', 'SELECT text FROM bench.title UNION ALL SELECT text FROM bench.goemotions', 'text', :'options');
\endif
