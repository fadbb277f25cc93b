-- A schema of traps: whatever pg_catalog and the extension have, as far as a user may make it, with another
-- meaning: an error of SQLSTATE TRAPS, or a type or table that does not fit. pg_temp has tables of those names, too.
CREATE SCHEMA trap;
CREATE FUNCTION trap.spring() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped' USING ERRCODE = 'TRAPS'; END $$;
SET check_function_bodies = off;
DO $$
DECLARE
	each record;
	made int := 0;
	body CONSTANT text := 'BEGIN PERFORM trap.spring(); END';
BEGIN
	FOR each IN SELECT DISTINCT p.proname, p.proargtypes::regtype[]::text[] AS arguments, format_type(p.prorettype, NULL) AS result
		FROM pg_proc AS p
		WHERE NOT p.proretset AND (p.pronamespace = 'pg_catalog'::regnamespace AND p.pronargs > 0 AND p.proname NOT LIKE 'pg\_stat%'
			OR EXISTS (SELECT FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
				WHERE e.extname = 'emotion' AND d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' AND p.prokind <> 'p'))
			AND NOT EXISTS (SELECT FROM unnest(p.proargtypes::oid[] || p.prorettype) AS t JOIN pg_type ON pg_type.oid = t WHERE typtype = 'p')
	LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION trap.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', each.proname, array_to_string(each.arguments, ', '), each.result, body);
			made := made + 1;
		EXCEPTION WHEN duplicate_function THEN NULL;
		END;
	END LOOP;
	FOR each IN SELECT oprname, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result, row_number() OVER () AS number
		FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprleft <> 0
			AND NOT EXISTS (SELECT FROM pg_type WHERE oid IN (oprleft, oprright, oprresult) AND typtype = 'p' AND typname NOT IN ('anyarray', 'anyelement', 'anycompatible', 'anycompatiblearray'))
	LOOP
		EXECUTE format('CREATE FUNCTION trap.operator_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', each.number, each.l, each.r, each.result, body);
		EXECUTE format('CREATE OPERATOR trap.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = trap.operator_%s)', each.oprname, each.l, each.r, each.number);
		made := made + 1;
	END LOOP;
	IF made < 2000 THEN RAISE 'only % traps', made; END IF;
END $$;
CREATE AGGREGATE trap.count(*) (SFUNC = trap.int4inc, STYPE = int4);
DO $$
DECLARE each text;
BEGIN
	FOREACH each IN ARRAY '{text,int4,int8,bytea,bool,float4,float8,jsonb,name,timestamptz,numeric,interval,regclass,regtype,oid}'::text[] LOOP
		EXECUTE format('CREATE DOMAIN trap.%I AS pg_catalog.point', each);
	END LOOP;
	FOR each IN SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND (relnamespace IN ('pg_catalog'::regnamespace, 'emotion'::regnamespace) OR relname LIKE 'emotion\_%') LOOP
		EXECUTE format('CREATE TABLE trap.%I (trapped pg_catalog.point)', each);
	END LOOP;
END $$;
GRANT USAGE ON SCHEMA trap TO PUBLIC;
