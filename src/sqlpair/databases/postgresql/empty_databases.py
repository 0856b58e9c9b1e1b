"""Empty databases for the copies of one scratch database, used more than once.

To make a database a server writes some 300 files, and to drop one it waits until all
that any database has changed is on its disk. So what a copy has left is emptied where
that can be done, and the next copy is restored into it.

It is empty if its catalogs hold the rows that they held when it was made, and no
others: each at its place, written by the same transaction. Where anything is left of a
copy, the database is dropped, and another one made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlpair.databases.postgresql.connection import Address
from sqlpair.databases.postgresql.maintenance import drop, new_name, strategy
from sqlpair.databases.postgresql.queries import Queries
from sqlpair.databases.quoting import identifier
from sqlpair.errors import SqlpairError

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession

# Left out are statistics, which tell the planner only, and what not every role may
# read: rows that belong to a large object or a foreign server of another catalog.
_CATALOGS = """
SELECT oid::pg_catalog.regclass::text FROM pg_catalog.pg_class
WHERE relnamespace = 'pg_catalog'::pg_catalog.regnamespace AND relkind = 'r'
AND NOT relisshared AND relname NOT IN ('pg_statistic', 'pg_statistic_ext_data',
    'pg_largeobject', 'pg_user_mapping')
ORDER BY 1
"""
_ROWS = """SELECT '{0}', count(*), sum(pg_catalog.hash_record_extended(
    ROW(ctid, xmin), tableoid::bigint)) FROM {0} WHERE {1}"""
# In what all databases of a server share: the row of this one, and none that is its.
_OWN = "(SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
_COUNT = "SELECT '{0}', count(*), 0 FROM pg_catalog.{0} WHERE {1}"
_OF_DATABASE = "classoid = 'pg_database'::pg_catalog.regclass AND objoid"
_SHARED = {
    "pg_db_role_setting": f"setdatabase = {_OWN}",
    "pg_prepared_xacts": "database = current_database()",
    "pg_replication_slots": "database = current_database()",
    "pg_shdepend": f"dbid = {_OWN}",
    "pg_shdescription": f"{_OF_DATABASE} = {_OWN}",
    "pg_shseclabel": f"{_OF_DATABASE} = {_OWN}",
    "pg_subscription": f"subdbid = {_OWN}",
}
# Some at once: each takes a lock, of which a server has only so many for all. So
# partitions come before what they are a part of, and schemas when they are empty.
_AT_ONCE = 100
_THERE = """
WITH schemas AS (
    SELECT oid, nspname FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
)
SELECT place, o.type, o.identity FROM (
    SELECT 1 AS place, 'pg_extension'::pg_catalog.regclass AS catalog, oid
    FROM pg_catalog.pg_extension WHERE oid >= 16384
    UNION ALL SELECT CASE WHEN relispartition THEN 2 ELSE 3 END, tableoid, oid
    FROM pg_catalog.pg_class WHERE relnamespace IN (SELECT oid FROM schemas)
    AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND oid >= 16384
    UNION ALL SELECT 5, tableoid, oid FROM pg_catalog.pg_proc
    WHERE pronamespace IN (SELECT oid FROM schemas) AND oid >= 16384
    UNION ALL SELECT 4, tableoid, oid FROM pg_catalog.pg_type
    WHERE typnamespace IN (SELECT oid FROM schemas) AND typtype IN ('d', 'e', 'r')
    AND oid >= 16384
    UNION ALL SELECT 6, 'pg_namespace'::pg_catalog.regclass, oid FROM schemas
    WHERE oid >= 16384
) found, LATERAL pg_catalog.pg_identify_object(catalog, oid, 0) o
ORDER BY place, o.type, o.identity
"""
# Where most rows come and go: their places are used again.
_VACUUM = "VACUUM " + ", ".join(
    f"pg_catalog.{name}"
    for name in (
        "pg_attrdef", "pg_attribute", "pg_class", "pg_constraint", "pg_depend",
        "pg_index", "pg_proc", "pg_sequence", "pg_trigger", "pg_type",
    )
)  # fmt: skip
_LIMITS = "SET lock_timeout = '1s'; SET statement_timeout = '60s'"


class _Database(NamedTuple):
    """One that was made; nobody takes it for a leftover while it is held open."""

    name: str
    held: Queries
    new: list[tuple[Any, ...]]


class EmptyDatabases:
    """See above; they are on the server of ``session``, and gone once that is closed.

    Threads may share them.
    """

    def __init__(self, session: PostgreSQLSession):
        self._database = session.database
        self._parameters = session.parameters
        self._idle: list[_Database] = []
        session.resources.callback(self._close)

    @contextmanager
    def one(self, roles: Iterable[str]) -> Iterator[str]:
        """Yield the name of a database, for this block; ``roles`` go with it."""
        database = self._taken() or self._make()
        try:
            yield database.name
        finally:
            if not roles and _emptied(database):
                self._idle.append(database)
            else:
                self._drop(database, roles)

    def _taken(self) -> _Database | None:
        while self._idle:
            database = self._idle.pop()
            try:
                database.held.fetch("SELECT 1")
            except SqlpairError:  # the server has ended it: anyone may drop this one
                self._drop(database, ())
            else:
                return database
        return None

    def _make(self) -> _Database:
        name = new_name()
        maker = self._connected(self._parameters)
        with closing(maker.raw):
            maker.execute(
                f"CREATE DATABASE {identifier(name)} TEMPLATE template0"
                f"{strategy(maker.fetch)}"
            )
            try:
                held = self._connected(self._parameters | {"dbname": name})
            except SqlpairError:
                drop(maker.fetch, name, ())
                raise
        new: list[tuple[Any, ...]] = []
        with suppress(SqlpairError):  # a role may be refused a catalog
            held.execute(_LIMITS)
            new = _rows(held)
        return _Database(name, held, new)

    def _drop(self, database: _Database, roles: Iterable[str]) -> None:
        database.held.raw.close()
        # A server that is lost must not hide why; a leftover goes another time.
        with suppress(SqlpairError):
            # Not the session: the next migration may be running in it.
            dropping = self._connected(self._parameters)
            with closing(dropping.raw):
                drop(dropping.fetch, database.name, roles, "WITH (FORCE)")

    def _connected(self, parameters: dict[str, str]) -> Queries:
        return Queries(Address(self._database, "", parameters), read_only=False)

    def _close(self) -> None:
        while self._idle:
            self._drop(self._idle.pop(), ())


def _rows(held: Queries) -> list[tuple[Any, ...]]:
    """Tell the rows of a database's catalogs from any others."""
    catalogs = [(name, "true") for (name,) in held.fetch(_CATALOGS)]
    catalogs.append(("pg_catalog.pg_database", f"oid = {_OWN}"))
    queries = [_ROWS.format(*each) for each in catalogs]
    queries += [_COUNT.format(*each) for each in _SHARED.items()]
    return held.fetch(" UNION ALL ".join(queries))


def _emptied(database: _Database) -> bool:
    """Drop what is there; say whether the database is as it was made."""
    held = database.held
    name = identifier(database.name)
    try:
        for statement in _drops(held.fetch(_THERE)):
            held.execute(statement)
        held.execute(f"ALTER DATABASE {name} RESET ALL")
        held.execute(f"COMMENT ON DATABASE {name} IS NULL")
        held.execute(_VACUUM)
        return bool(database.new) and _rows(held) == database.new
    except SqlpairError:
        return False


def _drops(found: Iterable[tuple[int, str, str]]) -> Iterator[str]:
    some: dict[tuple[int, str], list[str]] = {}
    for place, kind, name in found:
        some.setdefault((place, kind.removeprefix("composite ")), []).append(name)
    for (_, kind), names in some.items():
        for start in range(0, len(names), _AT_ONCE):
            several = ", ".join(names[start : start + _AT_ONCE])
            yield f"DROP {kind} IF EXISTS {several} CASCADE"
