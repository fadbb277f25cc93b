-- Annotation: texts of a project, who judges them, their votes, and what the votes say.

CREATE TABLE emotion.annotation_project (
	project pg_catalog.text COLLATE "C" NOT NULL
		CONSTRAINT annotation_project_named CHECK (project OPERATOR(pg_catalog.<>) ''),
	votes_wanted pg_catalog.int4 NOT NULL DEFAULT 3
		CONSTRAINT annotation_project_votes CHECK (votes_wanted OPERATOR(pg_catalog.>=) 1
			AND votes_wanted OPERATOR(pg_catalog.<=) 100),
	labels pg_catalog.text[],
	lease pg_catalog.interval NOT NULL DEFAULT '1 hour'
		CONSTRAINT annotation_project_lease CHECK (lease OPERATOR(pg_catalog.>) '0'::pg_catalog.interval),
	instructions pg_catalog.text,
	created_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	created_by pg_catalog.text NOT NULL DEFAULT CURRENT_USER,
	CONSTRAINT annotation_project_pkey PRIMARY KEY (project)
);
COMMENT ON TABLE emotion.annotation_project IS 'annotation projects; see emotion_annotation_project';
COMMENT ON COLUMN emotion.annotation_project.project IS 'its name';
COMMENT ON COLUMN emotion.annotation_project.votes_wanted IS 'annotators that each text is handed to';
COMMENT ON COLUMN emotion.annotation_project.labels IS 'labels that may be given; null: any';
COMMENT ON COLUMN emotion.annotation_project.lease IS 'time after which a text that was handed out and not judged goes to somebody else';
COMMENT ON COLUMN emotion.annotation_project.instructions IS 'for annotators';
COMMENT ON COLUMN emotion.annotation_project.created_at IS 'when it was made';
COMMENT ON COLUMN emotion.annotation_project.created_by IS 'role that made it';

CREATE SEQUENCE emotion.annotation_text_text_id_seq;
COMMENT ON SEQUENCE emotion.annotation_text_text_id_seq IS 'numbers of texts';

-- Who holds a text stands in the text's own row: whoever locks the row sees it as it is now,
-- not as it was when their statement began.
CREATE TABLE emotion.annotation_text (
	text_id pg_catalog.int8 NOT NULL DEFAULT pg_catalog.nextval('emotion.annotation_text_text_id_seq'),
	project pg_catalog.text COLLATE "C" NOT NULL,
	text pg_catalog.text COLLATE "C" NOT NULL,
	intended pg_catalog.text[] NOT NULL DEFAULT '{}',
	id pg_catalog.text COLLATE "C",
	source pg_catalog.text,
	import pg_catalog.int8,
	line pg_catalog.int8,
	score pg_catalog.float4,
	score_model pg_catalog.text,
	passed pg_catalog.bool,
	holders pg_catalog.text[] NOT NULL DEFAULT '{}',
	held_until pg_catalog.timestamptz[] NOT NULL DEFAULT '{}',
	free_at pg_catalog.timestamptz NOT NULL DEFAULT '-infinity',
	CONSTRAINT annotation_text_pkey PRIMARY KEY (text_id),
	CONSTRAINT annotation_text_holders CHECK (pg_catalog.cardinality(holders)
		OPERATOR(pg_catalog.=) pg_catalog.cardinality(held_until))
);
ALTER SEQUENCE emotion.annotation_text_text_id_seq OWNED BY emotion.annotation_text.text_id;
CREATE UNIQUE INDEX annotation_text_once ON emotion.annotation_text
	(project, pg_catalog.hashtextextended(text, 0));
CREATE INDEX annotation_text_by_id ON emotion.annotation_text (project, id);
CREATE INDEX annotation_text_in_order ON emotion.annotation_text (project, text_id)
	WHERE free_at OPERATOR(pg_catalog.<) 'infinity'::pg_catalog.timestamptz;
COMMENT ON INDEX emotion.annotation_text_once IS 'a text stands once in a project';
COMMENT ON INDEX emotion.annotation_text_by_id IS 'texts by the id they came with';
COMMENT ON INDEX emotion.annotation_text_in_order IS 'texts that want votes';
COMMENT ON TABLE emotion.annotation_text IS 'texts to be judged';
COMMENT ON COLUMN emotion.annotation_text.text_id IS 'how functions know it';
COMMENT ON COLUMN emotion.annotation_text.project IS 'emotion.annotation_project.project';
COMMENT ON COLUMN emotion.annotation_text.text IS 'what is judged; once in a project';
COMMENT ON COLUMN emotion.annotation_text.intended IS 'labels that its writer had in mind, kept from annotators';
COMMENT ON COLUMN emotion.annotation_text.id IS 'its id where it comes from';
COMMENT ON COLUMN emotion.annotation_text.source IS 'where it comes from';
COMMENT ON COLUMN emotion.annotation_text.import IS 'emotion.import_log.import, of imported texts';
COMMENT ON COLUMN emotion.annotation_text.line IS 'line of the import';
COMMENT ON COLUMN emotion.annotation_text.score IS 'lowest score of its intended labels; see emotion_annotation_check';
COMMENT ON COLUMN emotion.annotation_text.score_model IS 'model that gave the score';
COMMENT ON COLUMN emotion.annotation_text.passed IS 'the score is high enough; texts that failed are not handed out';
COMMENT ON COLUMN emotion.annotation_text.holders IS 'annotators that it was handed to';
COMMENT ON COLUMN emotion.annotation_text.held_until IS 'for each of them the end of the lease; infinity after the vote';
COMMENT ON COLUMN emotion.annotation_text.free_at IS 'when it may be handed out; infinity when it has its votes';

CREATE TABLE emotion.annotator (
	project pg_catalog.text COLLATE "C" NOT NULL,
	annotator pg_catalog.text COLLATE "C" NOT NULL
		CONSTRAINT annotator_named CHECK (annotator OPERATOR(pg_catalog.<>) ''),
	account pg_catalog.text NOT NULL DEFAULT CURRENT_USER,
	joined_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT annotator_pkey PRIMARY KEY (project, annotator)
);
COMMENT ON TABLE emotion.annotator IS 'who judges: people and models';
COMMENT ON COLUMN emotion.annotator.project IS 'emotion.annotation_project.project';
COMMENT ON COLUMN emotion.annotator.annotator IS 'name within the project';
COMMENT ON COLUMN emotion.annotator.account IS 'role that votes under this name, and nobody else but the owner of the tables';
COMMENT ON COLUMN emotion.annotator.joined_at IS 'when the name was first used';

CREATE TABLE emotion.annotation_vote (
	text_id pg_catalog.int8 NOT NULL,
	project pg_catalog.text COLLATE "C" NOT NULL,
	annotator pg_catalog.text COLLATE "C" NOT NULL,
	labels pg_catalog.text[] NOT NULL,
	voted_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT annotation_vote_pkey PRIMARY KEY (text_id, annotator)
);
CREATE INDEX annotation_vote_by_annotator ON emotion.annotation_vote (project, annotator);
COMMENT ON INDEX emotion.annotation_vote_by_annotator IS 'votes of a project and of an annotator';
COMMENT ON TABLE emotion.annotation_vote IS 'what each annotator said of each text';
COMMENT ON COLUMN emotion.annotation_vote.text_id IS 'emotion.annotation_text.text_id';
COMMENT ON COLUMN emotion.annotation_vote.project IS 'that of the text';
COMMENT ON COLUMN emotion.annotation_vote.annotator IS 'emotion.annotator.annotator';
COMMENT ON COLUMN emotion.annotation_vote.labels IS 'the strongest first; empty: none fits';
COMMENT ON COLUMN emotion.annotation_vote.voted_at IS 'when';

CREATE TABLE emotion.annotation_decision (
	text_id pg_catalog.int8 NOT NULL,
	labels pg_catalog.text[] NOT NULL,
	note pg_catalog.text,
	decided_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	decided_by pg_catalog.text NOT NULL DEFAULT CURRENT_USER,
	CONSTRAINT annotation_decision_pkey PRIMARY KEY (text_id)
);
COMMENT ON TABLE emotion.annotation_decision IS 'labels that were settled by adjudication, above the votes';
COMMENT ON COLUMN emotion.annotation_decision.text_id IS 'emotion.annotation_text.text_id';
COMMENT ON COLUMN emotion.annotation_decision.labels IS 'what holds instead of the majority';
COMMENT ON COLUMN emotion.annotation_decision.note IS 'why';
COMMENT ON COLUMN emotion.annotation_decision.decided_at IS 'when';
COMMENT ON COLUMN emotion.annotation_decision.decided_by IS 'role that decided';

CREATE TABLE emotion.label_definition (
	label pg_catalog.text COLLATE "C" NOT NULL,
	definition pg_catalog.text NOT NULL,
	bundled pg_catalog.bool NOT NULL DEFAULT false,
	CONSTRAINT label_definition_pkey PRIMARY KEY (label, bundled)
);
COMMENT ON TABLE emotion.label_definition IS 'what labels mean, for prompts and annotators; a row of yours goes before the bundled one';
COMMENT ON COLUMN emotion.label_definition.label IS 'its name';
COMMENT ON COLUMN emotion.label_definition.definition IS 'what the writer of a text with this label feels or does';
COMMENT ON COLUMN emotion.label_definition.bundled IS 'came with the extension, and is left out of dumps';
INSERT INTO emotion.label_definition (label, definition, bundled) VALUES
	('admiration', 'thinks highly of somebody or something and respects it', true),
	('amusement', 'finds something funny or is entertained by it', true),
	('anger', 'is furious at somebody or something, with hostility', true),
	('annoyance', 'is mildly irritated or bothered', true),
	('approval', 'agrees with something or judges it good', true),
	('caring', 'shows kindness and concern for somebody''s well-being', true),
	('confusion', 'does not understand something and is unsure about it', true),
	('curiosity', 'wants to know or learn something', true),
	('desire', 'wishes strongly for something to have or to happen', true),
	('disappointment', 'is let down because hopes or expectations were not met', true),
	('disapproval', 'judges something wrong or bad', true),
	('disgust', 'is revolted by something unpleasant or offensive', true),
	('embarrassment', 'feels awkward, self-conscious or ashamed before others', true),
	('excitement', 'is full of enthusiasm and eagerness', true),
	('fear', 'is afraid of something dangerous or threatening', true),
	('gratitude', 'is thankful to somebody for something', true),
	('grief', 'suffers deeply from a loss, most of all from a death', true),
	('joy', 'is happy and pleased', true),
	('love', 'feels strong affection for somebody or something', true),
	('nervousness', 'is worried and tense about what may come', true),
	('optimism', 'is hopeful that things will turn out well', true),
	('pride', 'is pleased with what oneself or somebody close has achieved', true),
	('realization', 'becomes aware of something just now', true),
	('relief', 'is eased because something feared or hard is over', true),
	('remorse', 'regrets something done and feels guilty for it', true),
	('sadness', 'is unhappy or sorrowful', true),
	('surprise', 'is astonished by something unexpected', true),
	('neutral', 'shows no emotion in particular', true);

CREATE TRIGGER annotation_project_texts AFTER DELETE ON emotion.annotation_project
	FOR EACH ROW EXECUTE FUNCTION emotion.delete_dependents('annotation_text', 'project');
CREATE TRIGGER annotation_project_annotators AFTER DELETE ON emotion.annotation_project
	FOR EACH ROW EXECUTE FUNCTION emotion.delete_dependents('annotator', 'project');
CREATE TRIGGER annotation_text_votes AFTER DELETE ON emotion.annotation_text
	FOR EACH ROW EXECUTE FUNCTION emotion.delete_dependents('annotation_vote', 'text_id');
CREATE TRIGGER annotation_text_decision AFTER DELETE ON emotion.annotation_text
	FOR EACH ROW EXECUTE FUNCTION emotion.delete_dependents('annotation_decision', 'text_id');
CREATE TRIGGER annotator_votes AFTER DELETE ON emotion.annotator
	FOR EACH ROW EXECUTE FUNCTION emotion.delete_dependents('annotation_vote', 'project', 'annotator');

CREATE VIEW emotion.annotation_label_count AS
	SELECT v.project, v.text_id, l.label, pg_catalog.count(*)::pg_catalog.int4 AS votes
	FROM emotion.annotation_vote AS v, pg_catalog.unnest(v.labels) AS l (label)
	GROUP BY v.project, v.text_id, l.label;
COMMENT ON VIEW emotion.annotation_label_count IS 'votes for each label of each text';
COMMENT ON COLUMN emotion.annotation_label_count.project IS 'emotion.annotation_project.project';
COMMENT ON COLUMN emotion.annotation_label_count.text_id IS 'emotion.annotation_text.text_id';
COMMENT ON COLUMN emotion.annotation_label_count.label IS 'a label that somebody gave';
COMMENT ON COLUMN emotion.annotation_label_count.votes IS 'annotators who gave it';

-- Annotators write under names of their own only. emotion_annotation_grant gives the privileges.
ALTER TABLE emotion.annotator ENABLE ROW LEVEL SECURITY;
ALTER TABLE emotion.annotation_vote ENABLE ROW LEVEL SECURITY;
CREATE POLICY annotator_seen ON emotion.annotator FOR SELECT USING (true);
CREATE POLICY annotator_joins ON emotion.annotator FOR INSERT
	WITH CHECK (account OPERATOR(pg_catalog.=) CURRENT_USER::pg_catalog.text);
CREATE POLICY annotation_vote_seen ON emotion.annotation_vote FOR SELECT USING (true);
CREATE POLICY annotation_vote_given ON emotion.annotation_vote FOR INSERT
	WITH CHECK (EXISTS (SELECT FROM emotion.annotator AS a
		WHERE a.project OPERATOR(pg_catalog.=) annotation_vote.project
			AND a.annotator OPERATOR(pg_catalog.=) annotation_vote.annotator
			AND a.account OPERATOR(pg_catalog.=) CURRENT_USER::pg_catalog.text));
CREATE POLICY annotation_vote_changed ON emotion.annotation_vote FOR UPDATE
	USING (EXISTS (SELECT FROM emotion.annotator AS a
		WHERE a.project OPERATOR(pg_catalog.=) annotation_vote.project
			AND a.annotator OPERATOR(pg_catalog.=) annotation_vote.annotator
			AND a.account OPERATOR(pg_catalog.=) CURRENT_USER::pg_catalog.text));
COMMENT ON POLICY annotator_seen ON emotion.annotator IS 'whoever may read sees all';
COMMENT ON POLICY annotator_joins ON emotion.annotator IS 'under one''s own role';
COMMENT ON POLICY annotation_vote_seen ON emotion.annotation_vote IS 'whoever may read sees all; annotators may not read labels';
COMMENT ON POLICY annotation_vote_given ON emotion.annotation_vote IS 'under names of one''s own role';
COMMENT ON POLICY annotation_vote_changed ON emotion.annotation_vote IS 'one''s own votes';

ALTER TABLE emotion.annotation_project OWNER TO @extowner@;
ALTER TABLE emotion.annotation_text OWNER TO @extowner@;
ALTER TABLE emotion.annotator OWNER TO @extowner@;
ALTER TABLE emotion.annotation_vote OWNER TO @extowner@;
ALTER TABLE emotion.annotation_decision OWNER TO @extowner@;
ALTER TABLE emotion.label_definition OWNER TO @extowner@;
ALTER VIEW emotion.annotation_label_count OWNER TO @extowner@;
GRANT SELECT ON emotion.label_definition TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('emotion.annotation_project', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.annotation_text', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.annotation_text_text_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.annotator', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.annotation_vote', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.annotation_decision', '');
SELECT pg_catalog.pg_extension_config_dump('emotion.label_definition', 'WHERE NOT bundled');

-- ---------------------------------------------------------------------- projects

CREATE FUNCTION @extschema@.emotion_annotation_project(project pg_catalog.text, votes pg_catalog.int4 DEFAULT 3,
		labels pg_catalog.text[] DEFAULT NULL, lease pg_catalog.interval DEFAULT '1 hour',
		instructions pg_catalog.text DEFAULT NULL)
	RETURNS pg_catalog.void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	#variable_conflict use_column
	BEGIN
		IF $1 IS NULL OR $1 = '' THEN
			RAISE EXCEPTION 'a project needs a name' USING ERRCODE = 'invalid_parameter_value';
		ELSIF $2 IS NULL OR $2 < 1 OR $2 > 100 THEN
			RAISE EXCEPTION 'votes % is not in 1 to 100', COALESCE($2::text, 'NULL')
				USING ERRCODE = 'invalid_parameter_value';
		ELSIF $4 IS NULL OR $4 <= '0' THEN
			RAISE EXCEPTION 'lease % is not positive', COALESCE($4::text, 'NULL')
				USING ERRCODE = 'invalid_parameter_value';
		ELSIF array_position($3, NULL) IS NOT NULL OR $3 = '{}' THEN
			RAISE EXCEPTION 'labels of project "%" are empty or null', $1
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Without labels any may be given.';
		END IF;
		INSERT INTO emotion.annotation_project (project, votes_wanted, labels, lease, instructions)
			VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT ON CONSTRAINT annotation_project_pkey DO UPDATE
				SET votes_wanted = EXCLUDED.votes_wanted, labels = EXCLUDED.labels,
					lease = EXCLUDED.lease, instructions = EXCLUDED.instructions;
		-- another number of votes: whoever asks next finds out which texts want more
		UPDATE emotion.annotation_text AS t SET free_at = '-infinity'
			WHERE t.project = $1 AND t.free_at > '-infinity';
	END $$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_project(pg_catalog.text, pg_catalog.int4, pg_catalog.text[], pg_catalog.interval, pg_catalog.text) IS
	'make an annotation project, or change it: annotators a text, labels that may be given (null: any), time to judge a text, instructions';

CREATE FUNCTION emotion.annotation_project_row(project pg_catalog.text)
	RETURNS emotion.annotation_project
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	DECLARE
		found emotion.annotation_project;
	BEGIN
		SELECT p.* INTO found FROM emotion.annotation_project AS p WHERE p.project = $1;
		IF found.project IS NULL THEN
			RAISE EXCEPTION 'annotation project "%" does not exist', COALESCE($1, 'NULL')
				USING ERRCODE = 'undefined_object', HINT = 'emotion_annotation_project makes one.';
		END IF;
		RETURN found;
	END $$;
COMMENT ON FUNCTION emotion.annotation_project_row(pg_catalog.text) IS 'a project, or an error';

-- Works on tables as the caller's search_path finds them: everything else is written with its schema.
CREATE FUNCTION emotion.annotation_source(source pg_catalog.text)
	RETURNS pg_catalog.text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	AS $$
	BEGIN
		IF source OPERATOR(pg_catalog.~*) '^[\s(]*(select|with|table|values)\M' THEN
			RETURN '(' OPERATOR(pg_catalog.||) pg_catalog.regexp_replace(source, '[;\s]+$', '')
				OPERATOR(pg_catalog.||) E'\n)';
		ELSIF pg_catalog.to_regclass(source) IS NULL THEN
			RAISE EXCEPTION 'relation "%" does not exist', source
				USING ERRCODE = 'undefined_table',
					HINT = 'Name a table or view, or write a query that begins with SELECT.';
		END IF;
		RETURN pg_catalog.to_regclass(source)::pg_catalog.text;
	END $$;
COMMENT ON FUNCTION emotion.annotation_source(pg_catalog.text) IS 'what follows FROM for a table, view or query';

CREATE FUNCTION @extschema@.emotion_annotation_add(project pg_catalog.text, source pg_catalog.text,
		text_column pg_catalog.name DEFAULT 'text', label_column pg_catalog.name DEFAULT NULL,
		id_column pg_catalog.name DEFAULT NULL,
		OUT texts pg_catalog.int8, OUT added pg_catalog.int8)
	RETURNS pg_catalog.record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	AS $$
	DECLARE
		whole emotion.annotation_project := emotion.annotation_project_row(project);
	BEGIN
		-- a text that stands there already, or twice in the source, is added once
		EXECUTE pg_catalog.format(
			'WITH given AS MATERIALIZED (SELECT s.%1$I::pg_catalog.text AS body,'
			' COALESCE(%2$s, ''{}''::pg_catalog.text[]) AS intended, %3$s AS id FROM %4$s AS s),'
			' put AS (INSERT INTO emotion.annotation_text (project, text, intended, id, source)'
			' SELECT $1, g.body, g.intended, g.id, $2 FROM given AS g WHERE g.body IS NOT NULL'
			' ON CONFLICT DO NOTHING RETURNING 1)'
			' SELECT (SELECT pg_catalog.count(*) FROM given), (SELECT pg_catalog.count(*) FROM put)',
			text_column,
			CASE WHEN label_column IS NULL THEN 'NULL::pg_catalog.text[]'
				ELSE pg_catalog.format('s.%I::pg_catalog.text[]', label_column) END,
			CASE WHEN id_column IS NULL THEN 'NULL::pg_catalog.text'
				ELSE pg_catalog.format('s.%I::pg_catalog.text', id_column) END,
			emotion.annotation_source(source))
			INTO texts, added USING whole.project, pg_catalog.left(source, 200);
	END $$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_add(pg_catalog.text, pg_catalog.text, pg_catalog.name, pg_catalog.name, pg_catalog.name) IS
	'add the texts of a table or query to a project, each once; label_column: labels intended (text[]), id_column: its id; returns rows read and texts added';

-- -------------------------------------------------------------------- annotating

CREATE FUNCTION emotion.annotation_join(project pg_catalog.text, annotator pg_catalog.text)
	RETURNS pg_catalog.void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	DECLARE
		belongs text;
	BEGIN
		SELECT a.account INTO belongs FROM emotion.annotator AS a
			WHERE a.project = $1 AND a.annotator = $2;
		IF belongs IS NULL THEN
			INSERT INTO emotion.annotator (project, annotator) VALUES ($1, $2)
				ON CONFLICT ON CONSTRAINT annotator_pkey DO NOTHING;
		ELSIF belongs <> CURRENT_USER::text AND row_security_active('emotion.annotator') THEN
			RAISE EXCEPTION 'annotator "%" of project "%" is another role', $2, $1
				USING ERRCODE = 'insufficient_privilege', HINT = 'Choose another name.';
		END IF;
	END $$;
COMMENT ON FUNCTION emotion.annotation_join(pg_catalog.text, pg_catalog.text) IS
	'see that an annotator is known and is the current role';

CREATE FUNCTION @extschema@.emotion_annotation_next(project pg_catalog.text, annotator pg_catalog.text,
		batch pg_catalog.int4 DEFAULT 1, lease pg_catalog.interval DEFAULT NULL,
		OUT text_id pg_catalog.int8, OUT text pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 10
	SET search_path = pg_catalog, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		whole emotion.annotation_project := emotion.annotation_project_row($1);
		moment timestamptz := clock_timestamp();
		until timestamptz := moment + COALESCE($4, whole.lease);
	BEGIN
		IF batch IS NULL OR batch < 1 OR batch > 1000 THEN
			RAISE EXCEPTION 'batch % is not in 1 to 1000', COALESCE(batch::text, 'NULL')
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF until <= moment THEN
			RAISE EXCEPTION 'lease % is not positive', $4 USING ERRCODE = 'invalid_parameter_value';
		END IF;
		IF annotator IS NULL OR annotator = '' THEN
			RAISE EXCEPTION 'an annotator needs a name' USING ERRCODE = 'invalid_parameter_value';
		END IF;
		PERFORM emotion.annotation_join($1, $2);
		-- Rows that others hold locked are passed over; a row that they have changed since this
		-- statement began is looked at again as it is now. So nobody waits, and nobody gets a text
		-- for which somebody else has just taken the last place.
		RETURN QUERY
		WITH free AS MATERIALIZED (
			SELECT t.text_id, t.holders, t.held_until
			FROM emotion.annotation_text AS t
			WHERE t.project = $1 AND t.free_at < 'infinity' AND t.free_at <= moment
				AND t.passed IS NOT FALSE
				AND (SELECT count(*) < whole.votes_wanted AND COALESCE(bool_and(h.who <> $2), true)
					FROM unnest(t.holders, t.held_until) AS h (who, until)
					WHERE h.until > moment OR EXISTS (SELECT FROM emotion.annotation_vote AS v
						WHERE v.text_id = t.text_id AND v.annotator = h.who))
			ORDER BY t.text_id
			LIMIT $3
			FOR NO KEY UPDATE OF t SKIP LOCKED)
		UPDATE emotion.annotation_text AS t
		SET holders = k.holders || $2,
			held_until = k.held_until || until,
			free_at = CASE WHEN cardinality(k.holders) + 1 < whole.votes_wanted THEN '-infinity'
				ELSE LEAST(k.first_end, until) END
		FROM free, LATERAL (
			-- those whose time ran out without a vote are forgotten
			SELECT COALESCE(array_agg(h.who), '{}') AS holders,
				COALESCE(array_agg(CASE WHEN h.voted THEN 'infinity' ELSE h.until END), '{}') AS held_until,
				min(h.until) FILTER (WHERE NOT h.voted) AS first_end
			FROM (SELECT u.who, u.until, u.until = 'infinity' OR EXISTS (
						SELECT FROM emotion.annotation_vote AS v
						WHERE v.text_id = free.text_id AND v.annotator = u.who) AS voted
				FROM unnest(free.holders, free.held_until) AS u (who, until)) AS h
			WHERE h.who <> $2 AND (h.until > moment OR h.voted)) AS k
		WHERE t.text_id = free.text_id
		RETURNING t.text_id, t.text;
	END $$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_next(pg_catalog.text, pg_catalog.text, pg_catalog.int4, pg_catalog.interval) IS
	'hand an annotator the next texts to judge, at most batch of them, for the time of the lease; never one to more annotators than the project wants votes, never waiting for others';

CREATE FUNCTION @extschema@.emotion_annotation_vote(project pg_catalog.text, text_id pg_catalog.int8,
		annotator pg_catalog.text, labels pg_catalog.text[])
	RETURNS pg_catalog.void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		whole emotion.annotation_project := emotion.annotation_project_row($1);
		handed text[];
		given text[];
		unknown text;
	BEGIN
		SELECT t.holders INTO handed FROM emotion.annotation_text AS t
			WHERE t.text_id = $2 AND t.project = $1;
		IF handed IS NULL THEN
			RAISE EXCEPTION 'project "%" has no text %', $1, COALESCE($2::text, 'NULL')
				USING ERRCODE = 'undefined_object';
		END IF;
		IF annotator IS NULL OR NOT annotator = ANY (handed) THEN
			RAISE EXCEPTION 'text % was not handed to annotator "%"', $2, COALESCE($3, 'NULL')
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'emotion_annotation_next hands out texts; a text not judged in time goes to somebody else.';
		END IF;
		IF labels IS NULL OR array_position(labels, NULL) IS NOT NULL THEN
			RAISE EXCEPTION 'the labels of text % are null', $2
				USING ERRCODE = 'null_value_not_allowed', HINT = 'Where no label fits, give ''{}''.';
		END IF;
		SELECT l INTO unknown FROM unnest(labels) AS l
			WHERE whole.labels IS NOT NULL AND l <> ALL (whole.labels) LIMIT 1;
		IF unknown IS NOT NULL THEN
			RAISE EXCEPTION 'unknown label "%"', unknown USING ERRCODE = 'invalid_parameter_value',
				HINT = format('Project "%s" knows: %s.', $1, array_to_string(whole.labels, ', '));
		END IF;
		PERFORM emotion.annotation_join($1, $3);
		SELECT COALESCE(array_agg(d.l ORDER BY d.place), '{}') INTO given
			FROM (SELECT u.l, min(u.place) AS place FROM unnest(labels) WITH ORDINALITY AS u (l, place)
				GROUP BY u.l) AS d;
		-- two statements: DO UPDATE would want the right to read labels, which annotators have not
		INSERT INTO emotion.annotation_vote (text_id, project, annotator, labels)
			VALUES ($2, $1, $3, given) ON CONFLICT ON CONSTRAINT annotation_vote_pkey DO NOTHING;
		IF NOT FOUND THEN
			UPDATE emotion.annotation_vote AS v SET labels = given, voted_at = now()
				WHERE v.text_id = $2 AND v.annotator = $3;
		END IF;
		-- The vote is what counts. Noting it in the text's row as well saves others a look, and is
		-- left when somebody has the row locked.
		WITH mine AS MATERIALIZED (
			SELECT t.text_id, t.holders, t.held_until FROM emotion.annotation_text AS t
			WHERE t.text_id = $2 FOR NO KEY UPDATE SKIP LOCKED)
		UPDATE emotion.annotation_text AS t
		SET held_until = k.held_until,
			free_at = CASE WHEN cardinality(k.held_until) < whole.votes_wanted THEN '-infinity'
				ELSE k.first_end END
		FROM mine, LATERAL (
			SELECT array_agg(h.until ORDER BY h.place) AS held_until, min(h.until) AS first_end
			FROM (SELECT CASE WHEN u.who = $3 THEN 'infinity' ELSE u.until END AS until, u.place
				FROM unnest(mine.holders, mine.held_until) WITH ORDINALITY AS u (who, until, place)) AS h) AS k
		WHERE t.text_id = mine.text_id;
	END $$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_vote(pg_catalog.text, pg_catalog.int8, pg_catalog.text, pg_catalog.text[]) IS
	'give, or change, an annotator''s labels for a text that was handed to them, the strongest first; ''{}'' where none fits';

CREATE FUNCTION @extschema@.emotion_annotation_release(project pg_catalog.text, annotator pg_catalog.text)
	RETURNS pg_catalog.int8
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	DECLARE
		released int8;
	BEGIN
		PERFORM emotion.annotation_project_row($1);
		PERFORM emotion.annotation_join($1, $2);
		WITH mine AS MATERIALIZED (
			SELECT t.text_id, t.holders, t.held_until FROM emotion.annotation_text AS t
			WHERE t.project = $1 AND t.free_at < 'infinity' AND $2 = ANY (t.holders)
				AND NOT EXISTS (SELECT FROM emotion.annotation_vote AS v
					WHERE v.text_id = t.text_id AND v.annotator = $2)
			FOR NO KEY UPDATE OF t SKIP LOCKED)
		UPDATE emotion.annotation_text AS t
		SET holders = k.holders, held_until = k.held_until, free_at = '-infinity'
		FROM mine, LATERAL (
			SELECT COALESCE(array_agg(u.who ORDER BY u.place), '{}') AS holders,
				COALESCE(array_agg(u.until ORDER BY u.place), '{}') AS held_until
			FROM unnest(mine.holders, mine.held_until) WITH ORDINALITY AS u (who, until, place)
			WHERE u.who <> $2) AS k
		WHERE t.text_id = mine.text_id;
		GET DIAGNOSTICS released = ROW_COUNT;
		RETURN released;
	END $$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_release(pg_catalog.text, pg_catalog.text) IS
	'give back the texts that an annotator holds and has not judged; returns how many';

CREATE FUNCTION @extschema@.emotion_annotation_import_votes(project pg_catalog.text, source pg_catalog.text,
		OUT votes pg_catalog.int8, OUT imported pg_catalog.int8, OUT refused pg_catalog.int8)
	RETURNS pg_catalog.record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	AS $$
	DECLARE
		whole emotion.annotation_project := emotion.annotation_project_row(project);
		given pg_catalog.text := pg_catalog.format('(SELECT t.text_id, r.annotator::pg_catalog.text'
			' AS annotator, r.labels::pg_catalog.text[] AS labels FROM %s AS r'
			' LEFT JOIN emotion.annotation_text AS t ON t.project OPERATOR(pg_catalog.=) $1'
			' AND t.id OPERATOR(pg_catalog.=) r.id::pg_catalog.text COLLATE "C")',
			emotion.annotation_source(source));
		good CONSTANT pg_catalog.text := 'v.text_id IS NOT NULL AND pg_catalog.length(v.annotator)'
			' OPERATOR(pg_catalog.>) 0 AND pg_catalog.array_position(v.labels, NULL) IS NULL'
			' AND v.labels IS NOT NULL AND ($2 IS NULL OR v.labels OPERATOR(pg_catalog.<@) $2)';
	BEGIN
		EXECUTE pg_catalog.format('INSERT INTO emotion.annotator (project, annotator)'
			' SELECT DISTINCT $1, v.annotator FROM %s AS v WHERE %s ON CONFLICT DO NOTHING', given, good)
			USING whole.project, whole.labels;
		EXECUTE pg_catalog.format('WITH given AS MATERIALIZED %s, put AS ('
			'INSERT INTO emotion.annotation_vote (text_id, project, annotator, labels)'
			' SELECT DISTINCT ON (v.text_id, v.annotator) v.text_id, $1, v.annotator, v.labels'
			' FROM given AS v WHERE %s ON CONFLICT (text_id, annotator) DO UPDATE'
			' SET labels = EXCLUDED.labels, voted_at = pg_catalog.now() RETURNING 1)'
			' SELECT (SELECT pg_catalog.count(*) FROM given), (SELECT pg_catalog.count(*) FROM put)',
			given, good)
			INTO votes, imported USING whole.project, whole.labels;
		refused := votes OPERATOR(pg_catalog.-) imported;
		PERFORM emotion.annotation_note_votes(whole.project, whole.votes_wanted);
	END $$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_import_votes(pg_catalog.text, pg_catalog.text) IS
	'take votes from a table or query with columns id (of the text, where it comes from), annotator and labels (text[]); refused: texts or labels that the project does not have, nulls, second votes';

CREATE FUNCTION emotion.annotation_note_votes(project pg_catalog.text, votes_wanted pg_catalog.int4)
	RETURNS pg_catalog.void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	UPDATE emotion.annotation_text AS t
	SET holders = t.holders || m.missing,
		held_until = t.held_until || array_fill('infinity'::timestamptz, ARRAY[cardinality(m.missing)]),
		free_at = CASE WHEN m.votes < $2 THEN '-infinity' ELSE 'infinity' END::timestamptz
	FROM (SELECT a.text_id, count(*) AS votes,
			array_agg(v.annotator) FILTER (WHERE v.annotator <> ALL (a.holders)) AS missing
		FROM emotion.annotation_text AS a JOIN emotion.annotation_vote AS v ON v.text_id = a.text_id
		WHERE a.project = $1 GROUP BY a.text_id) AS m
	WHERE t.text_id = m.text_id AND m.missing IS NOT NULL;
	$$;
COMMENT ON FUNCTION emotion.annotation_note_votes(pg_catalog.text, pg_catalog.int4) IS
	'note votes that came from elsewhere in the rows of their texts';

CREATE FUNCTION @extschema@.emotion_annotation_grant(role pg_catalog.regrole)
	RETURNS pg_catalog.void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
	SET search_path = pg_catalog, pg_temp
	AS $$
	BEGIN
		-- neither the labels of other votes nor those intended: who judges does so blind
		EXECUTE format('GRANT SELECT ON emotion.annotation_project, emotion.annotator TO %s', role);
		EXECUTE format('GRANT SELECT (text_id, project, text, passed, holders, held_until, free_at),'
			' UPDATE (holders, held_until, free_at) ON emotion.annotation_text TO %s', role);
		EXECUTE format('GRANT INSERT (project, annotator) ON emotion.annotator TO %s', role);
		EXECUTE format('GRANT SELECT (text_id, project, annotator, voted_at),'
			' INSERT (text_id, project, annotator, labels), UPDATE (labels, voted_at)'
			' ON emotion.annotation_vote TO %s', role);
	END $$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_grant(pg_catalog.regrole) IS
	'let a role annotate: be handed texts and vote under names of its own; it sees neither intended labels nor others'' votes';

-- ----------------------------------------------------------------------- results

CREATE FUNCTION @extschema@.emotion_annotation_majority(project pg_catalog.text, at_least pg_catalog.int4 DEFAULT NULL,
		OUT text_id pg_catalog.int8, OUT id pg_catalog.text, OUT text pg_catalog.text,
		OUT labels pg_catalog.text[], OUT voters pg_catalog.int4, OUT intended pg_catalog.text[],
		OUT decided pg_catalog.bool)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT t.text_id, t.id, t.text, COALESCE(d.labels, m.labels, '{}'), v.voters, t.intended,
		d.text_id IS NOT NULL
	FROM (SELECT v.text_id, count(*)::int4 AS voters FROM emotion.annotation_vote AS v
		WHERE v.project = (SELECT p.project FROM emotion.annotation_project_row($1) AS p)
		GROUP BY v.text_id) AS v
	JOIN emotion.annotation_text AS t ON t.text_id = v.text_id
	LEFT JOIN (SELECT c.text_id, array_agg(c.label ORDER BY c.votes DESC, c.label COLLATE "C") AS labels
		FROM emotion.annotation_label_count AS c
		WHERE c.project = $1 AND c.votes >= COALESCE($2,
			(SELECT p.votes_wanted / 2 + 1 FROM emotion.annotation_project_row($1) AS p))
		GROUP BY c.text_id) AS m ON m.text_id = v.text_id
	LEFT JOIN emotion.annotation_decision AS d ON d.text_id = v.text_id
	ORDER BY t.text_id;
	$$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_majority(pg_catalog.text, pg_catalog.int4) IS
	'each text that has votes with the labels that at least so many annotators gave it (default: more than half of those wanted), or that a decision gave it; the most votes first';

CREATE FUNCTION @extschema@.emotion_annotation_disagreements(project pg_catalog.text, at_least pg_catalog.int4 DEFAULT NULL,
		OUT text_id pg_catalog.int8, OUT text pg_catalog.text, OUT agreement pg_catalog.float8,
		OUT majority pg_catalog.text[], OUT counts pg_catalog.jsonb, OUT votes pg_catalog.jsonb)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql STABLE PARALLEL SAFE ROWS 1000
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT m.text_id, m.text, c.most::float8 / m.voters, m.labels, c.counts,
		(SELECT jsonb_object_agg(v.annotator, to_jsonb(v.labels)) FROM emotion.annotation_vote AS v
			WHERE v.text_id = m.text_id)
	FROM @extschema@.emotion_annotation_majority($1, $2) AS m
	JOIN (SELECT n.text_id, max(n.votes) AS most, min(n.votes) AS least,
			jsonb_object_agg(n.label, n.votes) AS counts
		FROM emotion.annotation_label_count AS n WHERE n.project = $1 GROUP BY n.text_id) AS c
		ON c.text_id = m.text_id
	WHERE NOT m.decided AND c.least < m.voters
	ORDER BY 3, m.text_id;
	$$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_disagreements(pg_catalog.text, pg_catalog.int4) IS
	'texts whose annotators disagree and that nobody has decided, the worst first: agreement (share of annotators who gave the label given most), the majority''s labels, votes per label, votes per annotator';

CREATE FUNCTION @extschema@.emotion_annotation_decide(project pg_catalog.text, text_id pg_catalog.int8,
		labels pg_catalog.text[], note pg_catalog.text DEFAULT NULL)
	RETURNS pg_catalog.void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		whole emotion.annotation_project := emotion.annotation_project_row($1);
	BEGIN
		IF NOT EXISTS (SELECT FROM emotion.annotation_text AS t WHERE t.text_id = $2 AND t.project = $1) THEN
			RAISE EXCEPTION 'project "%" has no text %', $1, COALESCE($2::text, 'NULL')
				USING ERRCODE = 'undefined_object';
		END IF;
		IF $3 IS NULL OR array_position($3, NULL) IS NOT NULL THEN
			RAISE EXCEPTION 'the labels of text % are null', $2
				USING ERRCODE = 'null_value_not_allowed', HINT = 'Where no label fits, give ''{}''.';
		END IF;
		IF NOT $3 <@ whole.labels THEN
			RAISE EXCEPTION 'labels % are not all of project "%"', $3, $1
				USING ERRCODE = 'invalid_parameter_value',
					HINT = format('It knows: %s.', array_to_string(whole.labels, ', '));
		END IF;
		INSERT INTO emotion.annotation_decision (text_id, labels, note) VALUES ($2, $3, $4)
			ON CONFLICT ON CONSTRAINT annotation_decision_pkey DO UPDATE SET labels = EXCLUDED.labels,
				note = EXCLUDED.note, decided_at = now(), decided_by = CURRENT_USER;
	END $$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_decide(pg_catalog.text, pg_catalog.int8, pg_catalog.text[], pg_catalog.text) IS
	'settle a text''s labels above its votes';

CREATE FUNCTION @extschema@.emotion_annotation_agreement(project pg_catalog.text,
		OUT label pg_catalog.text, OUT texts pg_catalog.int8, OUT votes pg_catalog.int8,
		OUT fleiss_kappa pg_catalog.float8, OUT krippendorff_alpha pg_catalog.float8)
	RETURNS SETOF pg_catalog.record
	LANGUAGE sql STABLE PARALLEL SAFE ROWS 28
	SET search_path = pg_catalog, pg_temp
	AS $$
	WITH voted AS MATERIALIZED (
		SELECT v.text_id, v.labels, count(*) OVER (PARTITION BY v.text_id) AS voters
		FROM emotion.annotation_vote AS v
		WHERE v.project = (SELECT p.project FROM emotion.annotation_project_row($1) AS p)),
	usual AS (SELECT mode() WITHIN GROUP (ORDER BY v.voters) AS voters FROM voted AS v WHERE v.voters > 1),
	said AS (
		SELECT NULL::text AS label, v.text_id, v.voters,
			array_agg(CASE WHEN v.labels = '{}' THEN '' ELSE v.labels[1] END) AS votes,
			count(*) AS given
		FROM voted AS v WHERE v.voters > 1 GROUP BY v.text_id, v.voters
		UNION ALL
		SELECT l.label, v.text_id, v.voters,
			array_agg(CASE WHEN l.label = ANY (v.labels) THEN 'yes' ELSE 'no' END),
			count(*) FILTER (WHERE l.label = ANY (v.labels))
		FROM voted AS v, (SELECT DISTINCT n.l AS label FROM voted AS c, unnest(c.labels) AS n (l)) AS l
		WHERE v.voters > 1 GROUP BY l.label, v.text_id, v.voters)
	SELECT s.label, count(*) FILTER (WHERE s.given > 0), sum(s.given)::int8,
		@extschema@.emotion_fleiss_kappa(s.votes) FILTER (WHERE s.voters = u.voters),
		@extschema@.emotion_krippendorff_alpha(s.votes)
	FROM said AS s, usual AS u
	GROUP BY s.label
	ORDER BY s.label COLLATE "C" NULLS FIRST;
	$$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_agreement(pg_catalog.text) IS
	'how far annotators agree beyond chance: a row without a label for the first labels of their votes, and a row for each label given or not; Fleiss'' kappa over the texts with the usual number of votes, Krippendorff''s alpha over all with two or more';

-- -------------------------------------------------------------- generated texts

CREATE FUNCTION @extschema@.emotion_generation_prompts(per_label pg_catalog.int4, counts pg_catalog.jsonb DEFAULT '{}',
		labels pg_catalog.text[] DEFAULT NULL, batch pg_catalog.int4 DEFAULT 25,
		style pg_catalog.text DEFAULT 'informal comments on a social network, of one to three sentences',
		OUT label pg_catalog.text, OUT missing pg_catalog.int4, OUT number pg_catalog.int4,
		OUT texts pg_catalog.int4, OUT definition pg_catalog.text, OUT prompt pg_catalog.text)
	RETURNS SETOF pg_catalog.record
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100
	SET search_path = pg_catalog, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		every text[];
		wrong text;
	BEGIN
		IF per_label IS NULL OR per_label < 1 OR per_label > 1000000 THEN
			RAISE EXCEPTION 'per_label % is not in 1 to 1000000', COALESCE(per_label::text, 'NULL')
				USING ERRCODE = 'invalid_parameter_value';
		ELSIF batch IS NULL OR batch < 1 OR batch > 1000 THEN
			RAISE EXCEPTION 'batch % is not in 1 to 1000', COALESCE(batch::text, 'NULL')
				USING ERRCODE = 'invalid_parameter_value';
		ELSIF jsonb_typeof(counts) IS DISTINCT FROM 'object' THEN
			RAISE EXCEPTION 'counts of labels must be a JSON object'
				USING ERRCODE = 'invalid_parameter_value',
					HINT = 'emotion_label_counts() makes them: {"joy": 12}.';
		END IF;
		SELECT c.key INTO wrong FROM jsonb_each(counts) AS c WHERE jsonb_typeof(c.value) <> 'number' LIMIT 1;
		IF wrong IS NOT NULL THEN
			RAISE EXCEPTION 'the count of label "%" is not a number', wrong
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
		every := COALESCE(labels, ARRAY(SELECT DISTINCT d.label FROM emotion.label_definition AS d ORDER BY d.label)
			|| ARRAY(SELECT k FROM jsonb_object_keys(counts) AS k
				WHERE NOT EXISTS (SELECT FROM emotion.label_definition AS d WHERE d.label = k) ORDER BY k));
		RETURN QUERY
		SELECT w.label, w.missing, n.number, LEAST($4, w.missing - (n.number - 1) * $4), w.definition,
			format(E'Write %s short English texts in the manner of %s.\n'
				'Each of them must show "%s": its writer %s.\n'
				'Let the reader feel it without being told: name the label in no more than one text in five. '
				'Let situations, people, moods, lengths, openings and spellings differ from text to text. '
				'No real names, no quotations, no hashtags, no numbering.\n'
				'Where a text plainly shows a second emotion as well, add its label, of these only: %s.\n'
				'Answer with JSON Lines and nothing else, one object a line, as in\n'
				'{"text": "...", "labels": [%s]}',
				LEAST($4, w.missing - (n.number - 1) * $4), $5, w.label, w.definition,
				array_to_string(every, ', '), to_json(w.label))
		FROM (SELECT l.label, l.place,
				ceil(GREATEST($1 - COALESCE(($2 ->> l.label)::numeric, 0), 0))::int4 AS missing,
				COALESCE((SELECT d.definition FROM emotion.label_definition AS d WHERE d.label = l.label
					ORDER BY d.bundled LIMIT 1), 'feels or does what is commonly called ' || l.label) AS definition
			FROM unnest(every) WITH ORDINALITY AS l (label, place)) AS w,
			generate_series(1, (w.missing + $4 - 1) / $4) AS n (number)
		WHERE w.missing > 0
		ORDER BY w.missing DESC, w.place, n.number;
	END $$;
COMMENT ON FUNCTION @extschema@.emotion_generation_prompts(pg_catalog.int4, pg_catalog.jsonb, pg_catalog.text[], pg_catalog.int4, pg_catalog.text) IS
	'prompts to send to a language model for the texts that labels lack: counts as emotion_label_counts() gives them, labels (default: all defined or counted), texts a prompt, style; emotion_import_generated takes the answers';

CREATE FUNCTION @extschema@.emotion_import_generated(project pg_catalog.text, source pg_catalog.text,
		options pg_catalog.jsonb DEFAULT '{}',
		OUT import pg_catalog.int8, OUT lines pg_catalog.int8, OUT imported pg_catalog.int8,
		OUT refused pg_catalog.int8, OUT other pg_catalog.int8)
	RETURNS pg_catalog.record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 100000
	AS 'MODULE_PATHNAME', 'emotion_import_generated';
COMMENT ON FUNCTION @extschema@.emotion_import_generated(pg_catalog.text, pg_catalog.text, pg_catalog.jsonb) IS
	'take the answers to emotion_generation_prompts, JSON Lines in a table or query of lines or file:/path of the server, into a project as texts with intended labels; options as of emotion_import_jsonl';

CREATE FUNCTION @extschema@.emotion_annotation_check(project pg_catalog.text, model pg_catalog.text DEFAULT NULL,
		min_score pg_catalog.float4 DEFAULT 0.7,
		OUT checked_by pg_catalog.text, OUT texts pg_catalog.int8, OUT passed pg_catalog.int8,
		OUT failed pg_catalog.int8, OUT unknown pg_catalog.int8)
	RETURNS pg_catalog.record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	#variable_conflict use_column
	DECLARE
		known text[];
	BEGIN
		PERFORM emotion.annotation_project_row($1);
		IF min_score IS NULL OR NOT (min_score >= 0 AND min_score <= 1) THEN
			RAISE EXCEPTION 'min_score % is not in 0 to 1', COALESCE(min_score::text, 'NULL')
				USING ERRCODE = 'invalid_parameter_value';
		END IF;
		checked_by := COALESCE($2, (SELECT m.model FROM @extschema@.emotion_models AS m WHERE m.deployed));
		IF checked_by IS NULL THEN
			RAISE EXCEPTION 'no model is deployed' USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'emotion_deploy deploys one.';
		END IF;
		known := @extschema@.emotion_label_names(checked_by);
		-- texts without votes only: what annotators have seen is theirs to judge
		WITH scored AS MATERIALIZED (
			SELECT t.text_id, t.intended, CASE WHEN t.intended <@ known
				THEN @extschema@.emotion_scores(t.text, checked_by) END AS scores
			FROM emotion.annotation_text AS t
			WHERE t.project = $1 AND t.intended <> '{}'
				AND NOT EXISTS (SELECT FROM emotion.annotation_vote AS v WHERE v.text_id = t.text_id)),
		lowest AS (
			SELECT s.text_id, (SELECT min(s.scores[array_position(known, l)])
				FROM unnest(s.intended) AS l) AS score
			FROM scored AS s),
		put AS (
			UPDATE emotion.annotation_text AS t
			SET score = l.score, score_model = checked_by, passed = l.score > $3
			FROM lowest AS l WHERE t.text_id = l.text_id
			RETURNING t.passed AS verdict)
		SELECT count(*), count(*) FILTER (WHERE p.verdict), count(*) FILTER (WHERE NOT p.verdict),
				count(*) FILTER (WHERE p.verdict IS NULL)
			INTO texts, passed, failed, unknown FROM put AS p;
	END $$;
COMMENT ON FUNCTION @extschema@.emotion_annotation_check(pg_catalog.text, pg_catalog.text, pg_catalog.float4) IS
	'check the intended labels of texts that nobody has judged: passed when a model (default: the deployed one) scores each of them over min_score; texts that failed are not handed out; unknown: labels that the model does not have';
