"""Whether a dump of a PostgreSQL database can be restored: by trying to.

It is restored beside the live database, under another name, by the same role, with the
database's own properties, and dropped again. The schema always: that takes as long as
making it. The rows only where the schema does not tell whether they can be loaded:

- a CHECK constraint, a generated column, an index or a materialized view calls a
  function that is not built in. pg_restore loads rows with an empty search_path, so a
  table that the function names without its schema is not found; and it loads tables in
  the order of their names, so one that the function reads may still be empty;
- a CHECK constraint compares with the present moment, and that has passed.

Rows that break a foreign key, or a unique index that is damaged, are found only where
all rows are restored, too (``backup_proof = always``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair import signals
from sqlpair.databases.interface import Progress, Report
from sqlpair.databases.postgresql import client_programs, create_like
from sqlpair.databases.postgresql.connection import Address
from sqlpair.databases.postgresql.dump import load
from sqlpair.databases.postgresql.maintenance import drop, drop_leftovers, new_name
from sqlpair.databases.postgresql.parameters import unhindered
from sqlpair.databases.postgresql.queries import Queries
from sqlpair.databases.postgresql.session import PostgreSQLSession
from sqlpair.errors import BackupError, SqlpairError, first_of

if TYPE_CHECKING:
    from sqlpair.project.settings import Database

SHOWN = 5
# What is evaluated while rows are loaded, each with its expression as the parser left
# it, which names functions by their oids.
EXPRESSIONS = """
SELECT pg_catalog.format('CHECK %I of %s', c.conname,
         coalesce(nullif(c.conrelid, 0)::pg_catalog.regclass::text,
                  c.contypid::pg_catalog.regtype::text)) AS what,
       c.conbin::text AS tree
FROM pg_catalog.pg_constraint c WHERE c.contype = 'c' AND c.convalidated
UNION ALL
SELECT pg_catalog.format('generated column %I of %s', a.attname,
         a.attrelid::pg_catalog.regclass), d.adbin::text
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attgenerated = 's'
UNION ALL
SELECT pg_catalog.format('index %s', i.indexrelid::pg_catalog.regclass),
       pg_catalog.concat(i.indexprs::text, i.indpred::text)
FROM pg_catalog.pg_index i
WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
UNION ALL
SELECT pg_catalog.format('materialized view %s', v.oid::pg_catalog.regclass),
       r.ev_action::text
FROM pg_catalog.pg_class v JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid
WHERE v.relkind = 'm' AND v.relispopulated
"""
# In each expression, what it calls. Built-in functions of other times and other
# settings are left out: a restore gives them the same ones.
CALLS = f"""
SELECT DISTINCT e.what,
  coalesce(p.oid::pg_catalog.regprocedure::text, 'CURRENT_...') AS call
FROM ({EXPRESSIONS}) e
CROSS JOIN LATERAL pg_catalog.regexp_matches(e.tree,
  ':(?:funcid|opfuncid|aggfnoid|winfnoid) ([1-9][0-9]*)|SQLVALUEFUNCTION', 'g') m
LEFT JOIN pg_catalog.pg_proc p ON p.oid = m[1]::pg_catalog.oid
LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE CASE
  WHEN m[1] IS NULL THEN e.what LIKE 'CHECK %'
  WHEN p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace THEN
    e.what LIKE 'CHECK %' AND p.provolatile <> 'i' AND p.proname IN
    ('now', 'statement_timestamp', 'transaction_timestamp', 'clock_timestamp', 'age')
  ELSE l.lanname NOT IN ('internal', 'c')
END
ORDER BY 1, 2
"""


def prove_backup(
    session: PostgreSQLSession,
    dump: Path,
    tool: str,
    deadline: float,
    progress: Progress,
    *,
    proof: str,
    report: Report,
) -> str:
    """See ``sqlpair.databases.interface.Driver``."""
    _read_contents(session.database, dump, tool, deadline)
    if proof == "never":
        return ""
    name = session.database.name
    session.reconnect()  # it was idle meanwhile
    try:
        calls = [f"{row['what']} calls {row['call']}" for row in session.rows(CALLS)]
        with _beside(session, report) as parameters:
            rows = proof == "always" or bool(calls)
            what = "with its rows" if rows else "its schema"
            report(f"{name}: restoring the backup on trial, {what}")
            options = ["--no-subscriptions", *([] if rows else ["--schema-only"])]
            try:
                load(
                    *(session.database, parameters, dump, tool, deadline, progress),
                    *options,
                )
            except BackupError as error:
                raise _cannot(error, name, calls) from None
    except _UntriedError as error:
        report(f"{name}: whether the backup can be restored was not tried: {error}")
        return ""
    return "rows" if rows else "schema"


def _read_contents(database: Database, dump: Path, tool: str, deadline: float) -> None:
    """Let ``pg_restore`` read the archive's table of contents."""
    program = client_programs.find("pg_restore", database, client_programs.major(tool))
    command = [program.path, "--list", dump]
    code, stderr = client_programs.run(database, command, {"LC_ALL": "C"}, deadline)
    if code != 0:
        raise client_programs.refused(database, program, stderr, {})


class _UntriedError(Exception):
    """Why no database could be made to restore into."""


@contextmanager
def _beside(session: PostgreSQLSession, report: Report) -> Iterator[Mapping[str, str]]:
    """Make an empty database like the live one; yield its parameters; drop it.

    Before that it is given what else the live one has, as a restore does at its end.
    """
    database = session.database
    name = new_name()
    (right,) = session.rows(
        "SELECT rolname AS role, rolsuper OR rolcreatedb AS creates"
        " FROM pg_catalog.pg_roles WHERE rolname = current_user"
    )
    if not right["creates"]:
        raise _UntriedError(f"{right['role']} may not create databases")
    parameters = unhindered(session.parameters, session.rows)
    try:
        # Not the session: a pooler would hand on what is set in it.
        maker = Queries(Address(database, "", parameters), read_only=False)
    except SqlpairError as error:
        raise _UntriedError(error.what) from error
    with closing(maker.raw), signals.cancelling(maker.raw.cancel):
        (live,) = maker.rows("SELECT current_database()::text AS name")
        try:
            drop_leftovers(maker.fetch)
            maker.execute(create_like.create(maker.rows, live["name"], name))
        except SqlpairError as error:
            raise _UntriedError("; ".join([error.what, *error.evidence])) from error
        try:
            yield parameters | {"dbname": name}
            try:
                for statement in create_like.rest(maker.rows, live["name"], name):
                    maker.execute(statement)
            except SqlpairError as error:
                report(
                    f"{database.name}: a restore needs another role, for"
                    f" {right['role']} may not do all of it: {error.what}"
                )
        finally:
            # A server that is lost must not hide why; a leftover goes another time.
            with suppress(SqlpairError):
                drop(maker.fetch, name, (), "WITH (FORCE)")


def _cannot(error: BackupError, name: str, calls: list[str]) -> BackupError:
    advice = (
        "Give each such function the schemas of what it names: ALTER FUNCTION f SET"
        " search_path = ...\nA row that is valid only together with other tables' rows,"
        " or at its time, is checked by a trigger.\n"
    )
    return BackupError(
        f"{name}: the backup cannot be restored",
        [*error.evidence, *first_of(calls, SHOWN)],
        f"{advice if calls else ''}With backup_proof = never in alembic.ini it is kept"
        " without a trial.",
    )
