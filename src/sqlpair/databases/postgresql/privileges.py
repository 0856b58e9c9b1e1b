"""Who owns what, and who may do what with it: described only where that is asked for.

The role that migrates is called that, whatever its name is: a scratch database is made
by another one. Privileges that nobody changed are written out, so they equal the same
ones granted by name. Not compared: the database's own, tablespaces', an extension's.
"""

from __future__ import annotations

from sqlpair.databases.quoting import quote

MIGRATING = "the migrating role"

# Who owns the ledger migrates; without one, the role that asks.
_ROLE = """
SELECT coalesce((SELECT c.relowner FROM pg_catalog.pg_class c
    WHERE c.oid = to_regclass({ledger})), (SELECT r.oid FROM pg_catalog.pg_roles r
    WHERE r.rolname = current_user))
"""
# MAINTAIN, which came with 17, is the owner's there without being granted.
_OBJECT = """
SELECT {catalog}, {oid}, {kind}, {name}, json_build_object(
    'owner', CASE WHEN NOT {owned} THEN NULL WHEN {owner} = {role} THEN {migrating}
        ELSE pg_catalog.pg_get_userbyid({owner}) END,
    'privileges', (SELECT json_agg(p.item ORDER BY p.item) FROM (
        SELECT concat(CASE WHEN e.grantee = 0 THEN 'public'
                WHEN e.grantee = {owner} THEN 'the owner'
                WHEN e.grantee = {role} THEN {migrating}
                ELSE pg_catalog.pg_get_userbyid(e.grantee) END, ': ',
            string_agg(lower(e.privilege_type) || CASE WHEN e.is_grantable
                AND e.grantee <> {owner} THEN ' with grant option' ELSE '' END, ', '
                ORDER BY e.privilege_type)) AS item
        FROM aclexplode({acl}) e
        WHERE NOT (e.grantee = {owner} AND e.privilege_type = 'MAINTAIN')
        GROUP BY e.grantee) p)
    )::text
FROM {source}
"""
_ORDINARY = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_NAMESPACE = "JOIN pg_catalog.pg_namespace n ON n.oid ="


def _query(
    catalog: str, kind: str, name: str, columns: tuple[str, str, str], source: str
) -> str:
    """The query for one kind of object.

    ``columns`` are its owner, its privileges and the kind that acldefault() knows. With
    an empty one, it is a part of something, and only what was granted is told.
    """
    owner, acl, default = columns
    owned = "true" if default else "false"
    if default:
        acl = f"coalesce({acl}, acldefault({default}, {owner}))"
    return _OBJECT.format(
        catalog=quote(catalog), oid="o.oid", kind=kind, name=name, owner=owner, acl=acl,
        owned=owned, source=source, role="{role}", migrating=quote(MIGRATING),
    )  # fmt: skip


_QUERIES = (
    _query(
        "pg_class",
        "CASE o.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f'"
        " THEN 'foreign table' WHEN 'S' THEN 'sequence' ELSE 'table' END",
        "json_build_array(n.nspname, o.relname)::text",
        (
            "o.relowner",
            "o.relacl",
            "(CASE o.relkind WHEN 'S' THEN 's' ELSE 'r' END)::\"char\"",
        ),
        f"pg_catalog.pg_class o {_NAMESPACE} o.relnamespace"
        f" WHERE o.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {_ORDINARY}",
    ),
    _query(
        "pg_class",
        "'column'",
        "json_build_array(n.nspname, o.relname, a.attname)::text",
        ("o.relowner", "a.attacl", ""),
        "pg_catalog.pg_attribute a JOIN pg_catalog.pg_class o ON o.oid = a.attrelid"
        f" {_NAMESPACE} o.relnamespace WHERE a.attnum > 0 AND NOT a.attisdropped"
        f" AND o.relkind IN ('r', 'p', 'f', 'v', 'm') AND a.attacl IS NOT NULL"
        f" AND {_ORDINARY}",
    ),
    _query(
        "pg_namespace",
        "'schema'",
        "json_build_array(NULL, n.nspname)::text",
        ("n.nspowner", "n.nspacl", "'n'"),
        f"pg_catalog.pg_namespace n, LATERAL (SELECT n.oid) o WHERE {_ORDINARY}",
    ),
    _query(
        "pg_proc",
        "CASE o.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'"
        " WHEN 'w' THEN 'window function' ELSE 'function' END",
        "json_build_array(n.nspname, o.proname,"
        " '(' || pg_catalog.oidvectortypes(o.proargtypes) || ')')::text",
        ("o.proowner", "o.proacl", "'f'"),
        f"pg_catalog.pg_proc o {_NAMESPACE} o.pronamespace WHERE {_ORDINARY}",
    ),
    _query(
        "pg_type",
        "CASE o.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN"
        " 'range type' WHEN 'c' THEN 'composite type' ELSE 'base type' END",
        "json_build_array(n.nspname, o.typname)::text",
        ("o.typowner", "o.typacl", "'T'"),
        f"pg_catalog.pg_type o {_NAMESPACE} o.typnamespace LEFT JOIN"
        " pg_catalog.pg_class c ON c.oid = o.typrelid WHERE o.typisdefined"
        " AND o.typtype IN ('e', 'd', 'r', 'c', 'b')"
        " AND (c.oid IS NULL OR c.relkind = 'c') AND NOT EXISTS"
        f" (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = o.oid) AND {_ORDINARY}",
    ),
    _query(
        "pg_foreign_server",
        "'foreign server'",
        "json_build_array(NULL, o.srvname)::text",
        ("o.srvowner", "o.srvacl", "'S'"),
        "pg_catalog.pg_foreign_server o",
    ),
    _query(
        "pg_default_acl",
        "'default privileges'",
        "json_build_array(NULL, concat(CASE o.defaclobjtype WHEN 'r' THEN 'tables'"
        " WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'"
        " WHEN 'n' THEN 'schemas' ELSE 'large objects' END, ' in ' || n.nspname,"
        " ' made by ', CASE o.defaclrole WHEN {role} THEN 'the migrating role'"
        " ELSE pg_catalog.pg_get_userbyid(o.defaclrole) END))::text",
        ("o.defaclrole", "o.defaclacl", ""),
        "pg_catalog.pg_default_acl o LEFT JOIN pg_catalog.pg_namespace n"
        " ON n.oid = o.defaclnamespace",
    ),
)


def role(ledger: str) -> str:
    """The query for the role that migrates; ``ledger`` is its table, as SQL has it."""
    return _ROLE.format(ledger=quote(ledger))


def queries(migrating: int) -> list[str]:
    """The queries: catalog, oid, kind, name's parts, attributes."""
    return [query.replace("{role}", str(migrating)) for query in _QUERIES]
