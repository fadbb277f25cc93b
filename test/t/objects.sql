-- All that the extension emotion is in this database, a line each: objects, and of each what it does,
-- whose it is, who may use it, and what is said of it. Two databases with the same lines have the same
-- extension, however each came to it (032_upgrade.pl, 034_pg_upgrade.pl).
--
-- Columns count by their order among those that are there, functions by what they are made of. Left out
-- are numbers of objects, and what users wrote into tables.
SET search_path = pg_catalog;
SET quote_all_identifiers = off;
SET jit = off;

CREATE TEMP VIEW emotion_member AS
	SELECT d.classid, d.objid
	FROM pg_depend AS d JOIN pg_extension AS e ON d.refobjid = e.oid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'emotion';
CREATE TEMP VIEW emotion_relation AS
	SELECT c.* FROM pg_class AS c JOIN emotion_member AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid;
CREATE TEMP VIEW emotion_function AS
	SELECT p.* FROM pg_proc AS p JOIN emotion_member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid;

-- Privileges as rows, those by default included, the order left out.
CREATE FUNCTION pg_temp.privileges(acl aclitem[], kind "char", owner oid) RETURNS text LANGUAGE sql AS
	$$SELECT coalesce(string_agg(item, ' ' ORDER BY item), 'none') FROM (SELECT a::text AS item
		FROM unnest(coalesce(acl, acldefault(kind, owner))) AS a) AS items$$;

WITH line (text) AS (
	SELECT format('extension: version %s, schema %s, relocatable %s, owner %s', e.extversion, e.extnamespace::regnamespace,
		e.extrelocatable, e.extowner::regrole) FROM pg_extension AS e WHERE extname = 'emotion'
	UNION ALL
	SELECT format('dumped: %s %s', c.table::regclass, c.condition)
	FROM pg_extension AS e, LATERAL unnest(e.extconfig, e.extcondition) AS c ("table", condition) WHERE extname = 'emotion'
	UNION ALL
	SELECT 'member: ' || pg_describe_object(classid, objid, 0) FROM emotion_member
	UNION ALL
	-- of members, of their columns, and of what hangs on them
	SELECT format('comment: %s: %s', pg_describe_object(c.classoid, c.objoid, c.objsubid), c.description)
	FROM pg_description AS c
	WHERE (c.classoid, c.objoid) IN (SELECT classid, objid FROM emotion_member)
		OR c.classoid = 'pg_extension'::regclass AND c.objoid = (SELECT oid FROM pg_extension WHERE extname = 'emotion')
		OR c.classoid = 'pg_constraint'::regclass AND c.objoid IN (SELECT oid FROM pg_constraint WHERE conrelid IN (SELECT oid FROM emotion_relation))
		OR c.classoid = 'pg_class'::regclass AND c.objoid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM emotion_relation))
		OR c.classoid = 'pg_trigger'::regclass AND c.objoid IN (SELECT oid FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM emotion_relation))
		OR c.classoid = 'pg_rewrite'::regclass AND c.objoid IN (SELECT oid FROM pg_rewrite WHERE ev_class IN (SELECT oid FROM emotion_relation))
		OR c.classoid = 'pg_policy'::regclass AND c.objoid IN (SELECT oid FROM pg_policy WHERE polrelid IN (SELECT oid FROM emotion_relation))
		OR c.classoid = 'pg_class'::regclass AND c.objoid IN (SELECT typrelid FROM pg_type WHERE typrelid <> 0 AND oid IN (SELECT objid FROM emotion_member))
	UNION ALL
	SELECT format('privileges when made: %s: %s', pg_describe_object(i.classoid, i.objoid, i.objsubid),
		pg_temp.privileges(i.initprivs, 'r', 10))
	FROM pg_init_privs AS i WHERE (i.classoid, i.objoid) IN (SELECT classid, objid FROM emotion_member)
	UNION ALL
	SELECT format('schema %s: owner %s, %s', n.nspname, n.nspowner::regrole, pg_temp.privileges(n.nspacl, 'n', n.nspowner))
	FROM pg_namespace AS n JOIN emotion_member AS m ON m.classid = 'pg_namespace'::regclass AND m.objid = n.oid
	UNION ALL
	SELECT format('function %s: owner %s, %s', p.oid::regprocedure, p.proowner::regrole, pg_temp.privileges(p.proacl, 'f', p.proowner))
	FROM emotion_function AS p
	UNION ALL
	-- language, cost, rows, strictness, settings, support and body are in the definition
	SELECT format('function %s: %s', p.oid::regprocedure, regexp_replace(pg_get_functiondef(p.oid), '\s+', ' ', 'g'))
	FROM emotion_function AS p WHERE p.prokind <> 'a'
	UNION ALL
	SELECT format('aggregate %s: %s -> %s, %s, cost %s', p.oid::regprocedure, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
		concat_ws(', ', p.prokind, p.provolatile, p.proparallel, p.proisstrict), p.procost)
		|| (SELECT string_agg(format(', %s %s', f.key, CASE WHEN f.key LIKE 'agg%trans%type' THEN f.value::oid::regtype::text ELSE f.value END), '' ORDER BY f.key)
			FROM jsonb_each_text(to_jsonb(a) - 'aggfnoid' - 'aggsortop') AS f)
		|| format(', sort %s', a.aggsortop::regoperator)
	FROM emotion_function AS p JOIN pg_aggregate AS a ON a.aggfnoid = p.oid
	UNION ALL
	SELECT format('relation %s: kind %s, persistence %s, options %s, row security %s %s, owner %s, %s', c.oid::regclass, c.relkind, c.relpersistence,
		c.reloptions, c.relrowsecurity, c.relforcerowsecurity, c.relowner::regrole,
		CASE WHEN c.relkind NOT IN ('c', 'i') THEN pg_temp.privileges(c.relacl, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner) END)
	FROM emotion_relation AS c
	UNION ALL
	SELECT format('column %s %s %s: type %s, collation %s, not null %s, default %s, storage %s%s, %s', c.oid::regclass,
		row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname, format_type(a.atttypid, a.atttypmod), a.attcollation::regcollation,
		a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attstorage, concat(a.attidentity, a.attgenerated), a.attacl)
	FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
	WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'i'
		AND (c.oid IN (SELECT oid FROM emotion_relation)
			OR c.oid IN (SELECT t.typrelid FROM pg_type AS t JOIN emotion_member AS m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid))
	UNION ALL
	SELECT format('view %s: %s', c.oid::regclass, regexp_replace(pg_get_viewdef(c.oid), '\s+', ' ', 'g')) FROM emotion_relation AS c WHERE c.relkind IN ('v', 'm')
	UNION ALL
	SELECT format('rule: %s, %s', pg_get_ruledef(r.oid), r.ev_enabled) FROM pg_rewrite AS r
	WHERE r.ev_class IN (SELECT oid FROM emotion_relation WHERE relkind <> 'v')
	UNION ALL
	SELECT format('constraint %s %s: %s, validated %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid), k.convalidated)
	FROM pg_constraint AS k WHERE k.conrelid IN (SELECT oid FROM emotion_relation)
	UNION ALL
	SELECT format('index: %s, %s', pg_get_indexdef(i.indexrelid), concat_ws(' ', i.indisvalid, i.indisclustered, i.indisreplident))
	FROM pg_index AS i WHERE i.indrelid IN (SELECT oid FROM emotion_relation)
	UNION ALL
	SELECT format('trigger: %s, enabled %s', pg_get_triggerdef(t.oid), t.tgenabled) FROM pg_trigger AS t
	WHERE t.tgrelid IN (SELECT oid FROM emotion_relation) AND NOT t.tgisinternal
	UNION ALL
	SELECT format('policy %s %s: %s %s %s, using %s, check %s', p.polrelid::regclass, p.polname, p.polcmd, p.polpermissive, p.polroles::regrole[],
		pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
	FROM pg_policy AS p WHERE p.polrelid IN (SELECT oid FROM emotion_relation)
	UNION ALL
	SELECT format('sequence %s: %s', s.seqrelid::regclass, to_jsonb(s) - 'seqrelid') FROM pg_sequence AS s WHERE s.seqrelid IN (SELECT oid FROM emotion_relation)
	UNION ALL
	SELECT format('statistics: %s', pg_get_statisticsobjdef(s.oid)) FROM pg_statistic_ext AS s WHERE s.stxrelid IN (SELECT oid FROM emotion_relation)
	UNION ALL
	SELECT format('type %s: kind %s, category %s%s, length %s, owner %s, %s%s%s', t.oid::regtype, t.typtype, t.typcategory, t.typispreferred, t.typlen, t.typowner::regrole,
		pg_temp.privileges(t.typacl, 'T', t.typowner),
		(SELECT format(', values %s', array_agg(e.enumlabel ORDER BY e.enumsortorder)) FROM pg_enum AS e WHERE e.enumtypid = t.oid),
		(SELECT string_agg(format(', %s %s', k.conname, pg_get_constraintdef(k.oid)), '' ORDER BY k.conname) FROM pg_constraint AS k WHERE k.contypid = t.oid))
		|| concat_ws(' ', t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typanalyze, t.typbasetype::regtype, t.typdefault)
	FROM pg_type AS t JOIN emotion_member AS m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid
	UNION ALL
	SELECT format('operator %s: %s, owner %s, commutator %s, negator %s, restrict %s, join %s, merges %s, hashes %s', o.oid::regoperator, o.oprcode, o.oprowner::regrole,
		o.oprcom::regoperator, o.oprnegate::regoperator, o.oprrest, o.oprjoin, o.oprcanmerge, o.oprcanhash)
	FROM pg_operator AS o JOIN emotion_member AS m ON m.classid = 'pg_operator'::regclass AND m.objid = o.oid
	UNION ALL
	SELECT format('operator class %s: owner %s, default %s, type %s', pg_describe_object('pg_opclass'::regclass, c.oid, 0), c.opcowner::regrole, c.opcdefault, c.opcintype::regtype)
	FROM pg_opclass AS c JOIN emotion_member AS m ON m.classid = 'pg_opclass'::regclass AND m.objid = c.oid
	UNION ALL
	SELECT format('operator family %s: %s', pg_describe_object('pg_opfamily'::regclass, f.oid, 0),
		coalesce((SELECT string_agg(format('%s %s', a.amopstrategy, a.amopopr::regoperator), ', ' ORDER BY 1) FROM pg_amop AS a WHERE a.amopfamily = f.oid), '') || ' '
		|| coalesce((SELECT string_agg(format('%s %s', a.amprocnum, a.amproc), ', ' ORDER BY 1) FROM pg_amproc AS a WHERE a.amprocfamily = f.oid), ''))
	FROM pg_opfamily AS f JOIN emotion_member AS m ON m.classid = 'pg_opfamily'::regclass AND m.objid = f.oid
	UNION ALL
	SELECT format('%s: %s, %s, %s', pg_describe_object('pg_cast'::regclass, c.oid, 0), c.castfunc::regprocedure, c.castcontext, c.castmethod)
	FROM pg_cast AS c JOIN emotion_member AS m ON m.classid = 'pg_cast'::regclass AND m.objid = c.oid
	UNION ALL
	SELECT format('event trigger %s: on %s, %s, enabled %s, tags %s, owner %s', t.evtname, t.evtevent, t.evtfoid::regprocedure, t.evtenabled, t.evttags, t.evtowner::regrole)
	FROM pg_event_trigger AS t JOIN emotion_member AS m ON m.classid = 'pg_event_trigger'::regclass AND m.objid = t.oid
	UNION ALL
	SELECT format('row of emotion.model: %s@%s %s', name, version, sha256) FROM emotion.model WHERE bundled
	UNION ALL
	SELECT format('row of emotion.deployment: %s %s@%s %s', id, name, version, withdrawn_at IS NULL) FROM emotion.deployment WHERE bundled
	UNION ALL
	SELECT format('row of emotion.label_definition: %s', to_jsonb(d)) FROM emotion.label_definition AS d WHERE bundled
)
SELECT text FROM line ORDER BY text COLLATE "C";
