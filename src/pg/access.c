/*
 * access.c
 *	  Who may use which model, and who may see what others ran.
 *
 * Roles are kept by OID, so that a role renamed keeps its rights and one that is dropped and made
 * anew gets none; in text, and so in dumps, they are names. A name that does not exist where a dump is
 * restored becomes "none", which is no role: the restore goes on and nobody gains a right.
 */
#include "postgres.h"

#include "access.h"
#include "glue.h"
#include "registry.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#if PG_VERSION_NUM < 140000
#define ROLE_PG_READ_ALL_STATS DEFAULT_ROLE_READ_ALL_STATS
#endif

PG_FUNCTION_INFO_V1(emotion_grantee_in);
PG_FUNCTION_INFO_V1(emotion_grantee_out);
PG_FUNCTION_INFO_V1(emotion_may_use);
PG_FUNCTION_INFO_V1(emotion_may_see);
PG_FUNCTION_INFO_V1(emotion_grant);
PG_FUNCTION_INFO_V1(emotion_revoke);

/* A role that does not exist: "none" and "public" are names that PostgreSQL gives to no role. */
#define NO_ROLE ((Oid) UINT32_MAX)

enum
{
	GRANT_NAME = 1,
	GRANT_ROLES
};
static const Oid grant_types[] = { TEXTOID, InvalidOid };

static bool
RoleExists(Oid role)
{
	return role == ACL_ID_PUBLIC || SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role));
}

/* ---- type emotion.grantee: the OID of a role ------------------------------------------------- */

Datum
emotion_grantee_in(PG_FUNCTION_ARGS)
{
	const char *given = PG_GETARG_CSTRING(0);
	List *names;
	char *name;
	Oid role;

	if (!SplitIdentifierString(pstrdup(given), '.', &names) || list_length(names) != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("invalid role name \"%s\"", given)));
	name = linitial(names);
	if (strcmp(name, "public") == 0)
		PG_RETURN_OID(ACL_ID_PUBLIC);
	if (strcmp(name, "none") == 0)
		PG_RETURN_OID(NO_ROLE);
	role = get_role_oid(name, true);
	if (OidIsValid(role))
		PG_RETURN_OID(role);
	ereport(WARNING, (errcode(ERRCODE_UNDEFINED_OBJECT),
					  errmsg("role \"%s\" does not exist: what it was granted is void", name)));
	PG_RETURN_OID(NO_ROLE);
}

Datum
emotion_grantee_out(PG_FUNCTION_ARGS)
{
	Oid role = PG_GETARG_OID(0);
	char *name = role == ACL_ID_PUBLIC ? pstrdup("public") : GetUserNameFromId(role, true);

	PG_RETURN_CSTRING(name == NULL ? pstrdup("none") : pstrdup(quote_identifier(name)));
}

/* ---- who may --------------------------------------------------------------------------------- */

/* The roles of a name as committed by now; *count -1 when it has no row. */
static Oid *
GrantedRoles(Relation relation, const char *name, int *count)
{
	Snapshot snapshot = RegisterSnapshot(GetCatalogSnapshot(RelationGetRelid(relation)));
	Oid index = PrimaryKeyOf(relation);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	Oid *roles = NULL;

	*count = -1;
	ScanKeyInit(&key, GRANT_NAME, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name));
	scan = systable_beginscan(relation, index, OidIsValid(index), snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Oid type = GRANT_ROLES <= RelationGetNumberOfAttributes(relation)
					   ? TupleDescAttr(RelationGetDescr(relation), GRANT_ROLES - 1)->atttypid
					   : InvalidOid;
		Oid element = get_element_type(type);
		Datum *values;
		bool *nulls;

		if (!OidIsValid(element) || get_typlen(element) != sizeof(Oid) || !get_typbyval(element))
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column %d of \"emotion.model_grant\" is not as the extension made it",
							GRANT_ROLES)));
		deconstruct_array(DatumGetArrayTypeP(RegistryColumn(tuple, relation, GRANT_ROLES)), element,
						  sizeof(Oid), true, TYPALIGN_INT, &values, &nulls, count);
		roles = palloc(sizeof(Oid) * (Size) Max(*count, 1));
		for (int i = 0; i < *count; i++)
			roles[i] = nulls[i] ? NO_ROLE : DatumGetObjectId(values[i]);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	return roles;
}

/* Whether a role may use what is granted to these, as GrantedRoles() has them. */
static bool
RoleMayUse(Relation relation, Oid role, const Oid *roles, int count)
{
	bool may = count < 0 || has_privs_of_role(role, relation->rd_rel->relowner);

	for (int i = 0; !may && i < count; i++)
		may = roles[i] == ACL_ID_PUBLIC ||
			  (RoleExists(roles[i]) && has_privs_of_role(role, roles[i]));
	return may;
}

static bool
IsOpen(const Oid *roles, int count)
{
	bool open = count < 0;

	for (int i = 0; i < count; i++)
		open = open || roles[i] == ACL_ID_PUBLIC;
	return open;
}

bool
MayUseModel(const char *name)
{
	Relation relation = OpenOwnTable("model_grant", grant_types);
	int count;
	Oid *roles = GrantedRoles(relation, name, &count);
	bool may = RoleMayUse(relation, GetUserId(), roles, count);

	table_close(relation, NoLock);
	return may;
}

bool
EverybodyMayUse(const char *name)
{
	Relation relation = OpenOwnTable("model_grant", grant_types);
	int count;
	Oid *roles = GrantedRoles(relation, name, &count);

	table_close(relation, NoLock);
	return IsOpen(roles, count);
}

void
CheckModelUsable(const char *name)
{
	if (MayUseModel(name))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied for model \"%s\"", name),
					errhint("The owner of the registry grants it: SELECT emotion_grant('%s', %s).",
							name, quote_literal_cstr(GetUserNameFromId(GetUserId(), false)))));
}

Datum
emotion_may_use(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(MayUseModel(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

/* What a role ran is seen by it, by the registry's owner and by who may see everybody's queries. */
Datum
emotion_may_see(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid role = get_role_oid(name, true);
	Relation relation = OpenOwnTable("model_grant", grant_types);
	Oid owner = relation->rd_rel->relowner;
	Oid user = GetUserId();

	table_close(relation, NoLock);
	PG_RETURN_BOOL((OidIsValid(role) && has_privs_of_role(user, role)) ||
				   has_privs_of_role(user, owner) ||
				   has_privs_of_role(user, ROLE_PG_READ_ALL_STATS));
}

/* ---- granting -------------------------------------------------------------------------------- */

/* Of the column of roles, whatever schema the name of its elements' type stands in. */
static Oid
RolesType(Relation relation)
{
	return TupleDescAttr(RelationGetDescr(relation), GRANT_ROLES - 1)->atttypid;
}

static Datum
RolesDatum(Relation relation, const Oid *roles, int count)
{
	Datum *elements = palloc(sizeof(Datum) * (Size) Max(count, 1));

	for (int i = 0; i < count; i++)
		elements[i] = ObjectIdGetDatum(roles[i]);
	return PointerGetDatum(construct_array(elements, count, get_element_type(RolesType(relation)),
										   sizeof(Oid), true, TYPALIGN_INT));
}

/* Run a statement on the row of a name; SPI is connected. */
static void
RunOnRow(const char *statement, Relation relation, const char *name, const Oid *roles, int count,
		 int expected)
{
	Oid types[2] = { TEXTOID, RolesType(relation) };
	Datum values[2] = { CStringGetTextDatum(name), RolesDatum(relation, roles, count) };
	int result = SPI_execute_with_args(statement, 2, types, values, NULL, false, 0);

	if (result != expected)
		elog(ERROR, "could not change emotion.model_grant: %s", SPI_result_code_string(result));
}

/*
 * The row of a name that may have none, ours until the transaction ends. Who grants waits for who
 * grants, but not for who publishes under other names (FollowSources()), however long that takes.
 */
static void
HoldRow(Relation relation, const char *name)
{
	static const Oid everybody = ACL_ID_PUBLIC; /* what no row stands for */

	LockRelationOid(RelationGetRelid(relation), ShareUpdateExclusiveLock);
	RunOnRow("INSERT INTO emotion.model_grant (name, roles) VALUES ($1, $2) ON CONFLICT DO NOTHING",
			 relation, name, &everybody, 1, SPI_OK_INSERT);
	RunOnRow("SELECT FROM emotion.model_grant WHERE name OPERATOR(pg_catalog.=) $1 FOR UPDATE",
			 relation, name, NULL, 0, SPI_OK_SELECT);
	CommandCounterIncrement();
}

static void
ChangeGrant(const char *name, const char *role_name, bool grant)
{
	Relation relation;
	Oid role = ACL_ID_PUBLIC;
	Oid *before;
	Oid *after;
	int count;
	int kept = 0;
	bool everybody;
	ModelReference deployed;

	if (strchr(name, '@') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is a version of a model", name),
				 errhint("Rights are to all versions of a name: leave the @ and what follows "
						 "out.")));
	CheckModelName(name);
	if (strcmp(role_name, "public") != 0)
		role = get_role_oid(role_name, false);
	CheckPrivilege("model_grant", ACL_INSERT | ACL_SELECT | ACL_UPDATE);
	relation = OpenOwnTable("model_grant", grant_types);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	HoldRow(relation, name);
	before = GrantedRoles(relation, name, &count);
	after = palloc(sizeof(Oid) * (Size) (Max(count, 0) + 1));
	for (int i = 0; i < count; i++)
		if (before[i] != role && RoleExists(before[i]))
			after[kept++] = before[i];
	if (grant)
		after[kept++] = role;
	everybody = IsOpen(after, kept);
	RunOnRow("INSERT INTO emotion.model_grant (name, roles) VALUES ($1, $2)"
			 " ON CONFLICT ON CONSTRAINT model_grant_pkey DO UPDATE SET roles = EXCLUDED.roles",
			 relation, name, after, kept, SPI_OK_INSERT);
	SPI_finish();
	table_close(relation, NoLock);
	CommandCounterIncrement();
	if (LatestModelVersion(name, RegistrySnapshot()) == 0)
		ereport(NOTICE, (errmsg("there is no model \"%s\": this is for one to come", name),
						 errhint("emotion_models lists those that are there.")));
	else if (!everybody && FindDeployed(RegistrySnapshot(), &deployed) &&
			 strcmp(deployed.name, name) == 0)
		ereport(NOTICE,
				(errmsg("model \"%s\" is deployed: who is not granted it has to name another "
						"one to score",
						name)));
	else if (role != ACL_ID_PUBLIC && everybody)
		ereport(NOTICE,
				(errmsg("everybody may use model \"%s\"", name),
				 errhint("SELECT emotion_revoke('%s', 'public') restricts it to those granted.",
						 name)));
}

Datum
emotion_grant(PG_FUNCTION_ARGS)
{
	ChangeGrant(text_to_cstring(PG_GETARG_TEXT_PP(0)), NameStr(*PG_GETARG_NAME(1)), true);
	PG_RETURN_VOID();
}

Datum
emotion_revoke(PG_FUNCTION_ARGS)
{
	ChangeGrant(text_to_cstring(PG_GETARG_TEXT_PP(0)), NameStr(*PG_GETARG_NAME(1)), false);
	PG_RETURN_VOID();
}

/* ---- models made of others ------------------------------------------------------------------- */

/* A model that not everybody may use. */
typedef struct Restricted
{
	const char *name;
	Oid *roles;
	int count;
} Restricted;

/* Those of the sources that are restricted, each name once and not that of what was made. */
static int
RestrictedSources(Relation relation, const char *made, const char *const *sources, int count,
				  Restricted *restricted)
{
	int found = 0;

	for (int i = 0; i < count; i++)
	{
		char *name = pnstrdup(sources[i], strcspn(sources[i], "@"));
		bool known = strcmp(name, made) == 0;
		int granted;
		Oid *roles = GrantedRoles(relation, name, &granted);

		for (int j = 0; j < found; j++)
			known = known || strcmp(name, restricted[j].name) == 0;
		if (!known && !IsOpen(roles, granted))
			restricted[found++] = (Restricted){ name, roles, granted };
	}
	return found;
}

/* Add a role that may use each of the sources, once. */
static void
AddIfMayUse(Relation relation, Oid role, const Restricted *restricted, int found, Oid *roles,
			int *count)
{
	for (int i = 0; i < *count; i++)
		if (roles[i] == role)
			return;
	if (!RoleExists(role))
		return;
	for (int i = 0; i < found; i++)
		if (!RoleMayUse(relation, role, restricted[i].roles, restricted[i].count))
			return;
	roles[(*count)++] = role;
}

/* Of the roles that stand in the rows of the sources, and the current user, those that may use them all. */
static Oid *
RolesThatMayUse(Relation relation, const Restricted *restricted, int found, int *count)
{
	int candidates = 1;
	Oid *roles;

	for (int i = 0; i < found; i++)
		candidates += restricted[i].count;
	roles = palloc(sizeof(Oid) * (Size) candidates);
	*count = 0;
	for (int i = 0; i < found; i++)
		for (int j = 0; j < restricted[i].count; j++)
			AddIfMayUse(relation, restricted[i].roles[j], restricted, found, roles, count);
	if (!has_privs_of_role(GetUserId(), relation->rd_rel->relowner)) /* who may anyway */
		AddIfMayUse(relation, GetUserId(), restricted, found, roles, count);
	return roles;
}

/*
 * Give a name its first rights, if it was nobody's; false if it was not. Whoever may publish need not be
 * allowed to grant, so it is done as the table's owner, as by the triggers. It only ever adds a row,
 * and only keeps people out. The snapshot is the latest, as that of the version's number: an older one
 * would not know what others have published under the name.
 */
static bool
InsertFirstRights(Relation relation, const ModelReference *made, const Oid *roles, int count)
{
	Oid types[4] = { TEXTOID, RolesType(relation), INT4OID, TEXTOID };
	Datum values[4] = { CStringGetTextDatum(made->name), RolesDatum(relation, roles, count),
						Int32GetDatum(made->version),
						CStringGetTextDatum(GetUserNameFromId(GetUserId(), false)) };
	SPIPlanPtr plan;
	Oid user;
	int security;
	int result;

	GetUserIdAndSecContext(&user, &security);
	/* An error restores the user, as the transaction ends. */
	SetUserIdAndSecContext(relation->rd_rel->relowner,
						   security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	plan = SPI_prepare(
		"INSERT INTO emotion.model_grant (name, roles) SELECT $1, $2"
		" WHERE NOT EXISTS (SELECT FROM emotion.model AS m WHERE m.name OPERATOR(pg_catalog.=) $1"
		" AND m.version OPERATOR(pg_catalog.<>) $3)"
		" AND NOT EXISTS (SELECT FROM emotion.dropped_model AS d WHERE d.name"
		" OPERATOR(pg_catalog.=) $1)"
		" AND NOT EXISTS (SELECT FROM emotion.training_run AS r WHERE r.name"
		" OPERATOR(pg_catalog.=) $1 AND NOT r.finished AND r.started_by"
		" OPERATOR(pg_catalog.<>) $4)"
		" ON CONFLICT DO NOTHING",
		4, types);
	if (plan == NULL)
		elog(ERROR, "registry: could not give rights: %s", SPI_result_code_string(SPI_result));
	result = SPI_execute_snapshot(plan, values, NULL, GetLatestSnapshot(), InvalidSnapshot, false,
								  true, 0);
	if (result != SPI_OK_INSERT)
		elog(ERROR, "registry: could not give rights: %s", SPI_result_code_string(result));
	SetUserIdAndSecContext(user, security);
	return SPI_processed > 0;
}

/* "a", "b" and "c" */
static char *
NamesOf(const Restricted *restricted, int found)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < found; i++)
		appendStringInfo(&names, "%s\"%s\"",
						 i == 0           ? ""
						 : i == found - 1 ? " and "
										  : ", ",
						 restricted[i].name);
	return names.data;
}

void
FollowSources(const ModelReference *made, const char *const *sources, int count)
{
	Relation relation;
	Restricted *restricted;
	int found;
	Oid *roles;
	int kept;

	if (count == 0)
		return;
	relation = OpenOwnTable("model_grant", grant_types);
	restricted = palloc(sizeof(Restricted) * (Size) count);
	found = RestrictedSources(relation, made->name, sources, count, restricted);
	roles = RolesThatMayUse(relation, restricted, found, &kept);
	if (found > 0 && InsertFirstRights(relation, made, roles, kept))
		ereport(NOTICE, (errmsg("model \"%s\" may be used by those who may use %s, of which it "
								"was made",
								made->name, NamesOf(restricted, found)),
						 errhint("The owner of the registry opens it: SELECT emotion_grant('%s', "
								 "'public').",
								 made->name)));
	else if (found > 0 && EverybodyMayUse(made->name))
		ereport(NOTICE, (errmsg("everybody may use model \"%s\", but not %s, of which it was made",
								made->name, NamesOf(restricted, found)),
						 errhint("The owner of the registry restricts it: SELECT "
								 "emotion_revoke('%s', 'public').",
								 made->name)));
	table_close(relation, NoLock);
}
