"""What a repeatable file may make, as statements that drop it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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


def droppable(session: Session) -> Sequence[str]:
    """See ``sqlpair.databases.interface.Driver``."""
    return [row["sql"] for row in session.rows(_STATEMENTS)]
