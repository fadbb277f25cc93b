-- F1 per label, rare to common: the baseline with its interval, and the sets balanced by quota.
SET client_min_messages = error;
CREATE TEMPORARY TABLE series (place serial, condition text, colour text, says text);
INSERT INTO series (condition, colour, says) SELECT * FROM (VALUES
	('goemotions', '#555555', 'GoEmotions as it is, with 95 % interval'),
	('quota_copies', '#1b7837', 'GoEmotions balanced (quota with copies)'),
	('even_copies', '#c0392b', 'even mixture of three sources (quota with copies)')) AS s (condition, colour, says)
	WHERE condition IN (SELECT condition FROM bench.mean);
CREATE TEMPORARY VIEW point AS
	SELECT s.place, s.colour, s.says, l.label, l.train, 150 + 600 * m.value AS x, 150 + 600 * m.low AS low, 150 + 600 * m.high AS high,
		40 + 22 * l.rank + 5 * (s.place - 2) AS y, l.rank
	FROM series AS s JOIN bench.mean AS m USING (condition) JOIN bench.counted AS l USING (label) WHERE m.metric = 'f1';
SELECT '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 760" font-family="sans-serif" font-size="12">'
	|| '<title>F1 per label, rare to common</title><rect width="800" height="760" fill="#ffffff"/>';
SELECT format('<line x1="%s" y1="48" x2="%s" y2="670" stroke="#dddddd"/><text x="%s" y="686" text-anchor="middle">%s</text>',
	150 + 60 * i, 150 + 60 * i, 150 + 60 * i, round(i / 10.0, 1)) FROM generate_series(0, 10) AS i;
SELECT format('<text x="142" y="%s" text-anchor="end">%s (%s)</text>', 44 + 22 * rank, label, train) FROM bench.counted ORDER BY rank;
SELECT format('<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s" stroke-width="3" stroke-opacity="0.4"/>', round(low::numeric, 1), y,
	round(high::numeric, 1), y, colour) FROM point WHERE place = 1 ORDER BY rank;
SELECT format('<circle cx="%s" cy="%s" r="3.5" fill="%s"/>', round(x::numeric, 1), y, colour) FROM point ORDER BY rank, place;
SELECT format('<circle cx="156" cy="%s" r="3.5" fill="%s"/><text x="166" y="%s">%s</text>', 702 + 18 * (place - 1), colour, 706 + 18 * (place - 1), says)
	FROM series ORDER BY place;
SELECT '<text x="150" y="24" font-size="15">F1 per label on dev, rare to common (rows to train on)</text></svg>';
