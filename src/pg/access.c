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

bool
MayUseModel(const char *name)
{
	Relation relation = OpenOwnTable("model_grant", grant_types);
	Oid user = GetUserId();
	int count;
	Oid *roles = GrantedRoles(relation, name, &count);
	bool may = count < 0 || has_privs_of_role(user, relation->rd_rel->relowner);

	for (int i = 0; !may && i < count; i++)
		may = roles[i] == ACL_ID_PUBLIC ||
			  (RoleExists(roles[i]) && has_privs_of_role(user, roles[i]));
	table_close(relation, NoLock);
	return may;
}

bool
EverybodyMayUse(const char *name)
{
	Relation relation = OpenOwnTable("model_grant", grant_types);
	int count;
	Oid *roles = GrantedRoles(relation, name, &count);
	bool may = count < 0;

	for (int i = 0; i < count; i++)
		may = may || roles[i] == ACL_ID_PUBLIC;
	table_close(relation, NoLock);
	return may;
}

void
TellWiderThan(const char *made, const char *source)
{
	if (strcmp(made, source) != 0 && EverybodyMayUse(made) && !EverybodyMayUse(source))
		ereport(NOTICE,
				(errmsg("everybody may use model \"%s\", but not \"%s\", of which it was made",
						made, source),
				 errhint("The owner of the registry restricts it: SELECT emotion_revoke('%s', "
						 "'public').",
						 made)));
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

/* Write the roles of a name; the type is that of the column, whatever schema its name stands in. */
static void
WriteRoles(Relation relation, const char *name, const Oid *roles, int count)
{
	Oid array = TupleDescAttr(RelationGetDescr(relation), GRANT_ROLES - 1)->atttypid;
	Oid types[2] = { TEXTOID, array };
	Datum *elements = palloc(sizeof(Datum) * (Size) Max(count, 1));
	Datum values[2];

	for (int i = 0; i < count; i++)
		elements[i] = ObjectIdGetDatum(roles[i]);
	values[0] = CStringGetTextDatum(name);
	values[1] = PointerGetDatum(
		construct_array(elements, count, get_element_type(array), sizeof(Oid), true, TYPALIGN_INT));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("INSERT INTO emotion.model_grant (name, roles) VALUES ($1, $2)"
							  " ON CONFLICT ON CONSTRAINT model_grant_pkey"
							  " DO UPDATE SET roles = EXCLUDED.roles",
							  2, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not write emotion.model_grant");
	SPI_finish();
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
	bool everybody = false;
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
	LockForWriting("model_grant", ACL_INSERT | ACL_SELECT | ACL_UPDATE);
	relation = OpenOwnTable("model_grant", grant_types);
	before = GrantedRoles(relation, name, &count);
	after = palloc(sizeof(Oid) * (Size) (Max(count, 1) + 1));
	if (count < 0 && role != ACL_ID_PUBLIC)
		after[kept++] = ACL_ID_PUBLIC; /* what no row stands for */
	for (int i = 0; i < count; i++)
		if (before[i] != role && RoleExists(before[i]))
			after[kept++] = before[i];
	if (grant)
		after[kept++] = role;
	for (int i = 0; i < kept; i++)
		everybody = everybody || after[i] == ACL_ID_PUBLIC;
	WriteRoles(relation, name, after, kept);
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
