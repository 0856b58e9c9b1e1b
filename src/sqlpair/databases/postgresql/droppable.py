"""What a repeatable file may make, as statements that drop it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlpair.databases.quoting import quote

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session

# The newest have the highest numbers, and may depend on the others. None is of an
# extension, and no trigger is a constraint's or a partition's.
_STATEMENTS = """
WITH own(oid, schema) AS (
    SELECT oid, nspname FROM pg_catalog.pg_namespace
    WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema')
SELECT sql FROM (
    SELECT c.oid, 'pg_class'::regclass AS class, format('DROP %s IF EXISTS %I.%I;',
        CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END,
        schema, relname) AS sql
    FROM pg_catalog.pg_class c JOIN own ON own.oid = relnamespace
    WHERE relkind IN ('v', 'm')
    UNION ALL
    SELECT p.oid, 'pg_proc'::regclass, format('DROP %s IF EXISTS %I.%I(%s);',
        CASE prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE'
            ELSE 'FUNCTION' END, schema, proname,
        CASE WHEN prokind = 'a' AND pronargs = 0 THEN '*'
            ELSE pg_catalog.pg_get_function_identity_arguments(p.oid) END)
    FROM pg_catalog.pg_proc p JOIN own ON own.oid = pronamespace
    UNION ALL
    SELECT t.oid, 'pg_trigger'::regclass,
        format('DROP TRIGGER IF EXISTS %I ON %I.%I;', tgname, schema, relname)
    FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = tgrelid
        JOIN own ON own.oid = relnamespace
    WHERE NOT tgisinternal AND tgparentid = 0
    UNION ALL
    SELECT r.oid, 'pg_rewrite'::regclass,
        format('DROP RULE IF EXISTS %I ON %I.%I;', rulename, schema, relname)
    FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = ev_class
        JOIN own ON own.oid = relnamespace
    WHERE rulename <> '_RETURN'
    UNION ALL
    SELECT p.oid, 'pg_policy'::regclass,
        format('DROP POLICY IF EXISTS %I ON %I.%I;', polname, schema, relname)
    FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = polrelid
        JOIN own ON own.oid = relnamespace
) AS made
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = class
    AND d.objid = made.oid AND d.deptype = 'e')
ORDER BY made.oid DESC
"""


# What is left when tables, views and routines are gone: each kind after what uses it.
_REST = """
WITH own(oid, schema) AS (
    SELECT oid, nspname FROM pg_catalog.pg_namespace
    WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema')
SELECT sql FROM (
    SELECT c.oid, 'pg_class'::regclass AS class, 0 AS kind,
        format('DROP %s IF EXISTS %I.%I CASCADE;',
            CASE relkind WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END,
            schema, relname) AS sql
    FROM pg_catalog.pg_class c JOIN own ON own.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'f') AND NOT relispartition
        AND NOT (schema = {ledger} AND relname IN ({names}))
    UNION ALL
    SELECT c.oid, 'pg_class'::regclass, 2,
        format('DROP SEQUENCE IF EXISTS %I.%I CASCADE;', schema, relname)
    FROM pg_catalog.pg_class c JOIN own ON own.oid = relnamespace
    WHERE relkind = 'S' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
        WHERE d.objid = c.oid AND d.deptype IN ('a', 'i'))
    UNION ALL
    SELECT t.oid, 'pg_type'::regclass, 3, format('DROP %s IF EXISTS %I.%I CASCADE;',
        CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, schema, typname)
    FROM pg_catalog.pg_type t JOIN own ON own.oid = typnamespace
        LEFT JOIN pg_catalog.pg_class c ON c.oid = typrelid
    WHERE typtype IN ('e', 'd', 'r') OR (typtype = 'c' AND relkind = 'c')
    UNION ALL
    SELECT e.oid, 'pg_extension'::regclass, 4,
        format('DROP EXTENSION IF EXISTS %I CASCADE;', extname)
    FROM pg_catalog.pg_extension e WHERE extname <> 'plpgsql'
    UNION ALL
    SELECT oid, 'pg_namespace'::regclass, 5, format('DROP SCHEMA IF EXISTS %I;', schema)
    FROM own WHERE schema NOT IN ('public', {ledger})
) AS made
WHERE kind {which} 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = class AND d.objid = made.oid AND d.deptype = 'e')
ORDER BY kind, made.oid DESC
"""
_WITH_TABLES = ("DROP TRIGGER", "DROP RULE", "DROP POLICY")


def droppable(session: Session, *, everything: bool = False) -> Sequence[str]:
    """See ``sqlpair.databases.interface.Driver``."""
    found = [row["sql"] for row in session.rows(_STATEMENTS)]
    if not everything:
        return found
    ledger = quote(session.database.ledger_schema)
    names = ", ".join(map(quote, session.table.names))
    tables, rest = (
        [
            row["sql"]
            for row in session.rows(
                _REST.format(ledger=ledger, names=names, which=which)
            )
        ]
        for which in ("=", ">")
    )
    left = [f"{sql[:-1]} CASCADE;" for sql in found if not sql.startswith(_WITH_TABLES)]
    return [*tables, *left, *rest]
