"""PostgreSQL databases, and schemas of one, as the members of a fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.databases.driver import reading, silent
from sqlpair.databases.members import MemberAddress, Rows
from sqlpair.databases.postgresql.connection import parse_address
from sqlpair.databases.postgresql.session import connect
from sqlpair.databases.quoting import identifier, quote
from sqlpair.errors import SqlpairError

if TYPE_CHECKING:
    from sqlpair.databases.interface import Report
    from sqlpair.project.settings import Database


def member(database: Database, address: str, root: Path) -> MemberAddress:  # noqa: ARG001
    """See ``sqlpair.databases.interface.Driver``."""
    from psycopg2.extensions import parse_dsn

    dsn, parameters = parse_address(database._replace(address=address))
    told: dict[str, str] = (parse_dsn(dsn) if dsn else {}) | parameters
    name = told.get("dbname") or told.get("service") or told.get("user") or "default"
    host = told.get("host") or told.get("hostaddr") or "local"
    return MemberAddress(name, f"{host}:{told.get('port', '5432')}/{name}", address)


def is_there(database: Database) -> bool:
    """See ``sqlpair.databases.interface.Driver``."""
    if not database.search_path:
        return True
    name = quote(database.search_path[0])
    query = f"SELECT FROM pg_catalog.pg_namespace WHERE nspname = {name}"
    with reading(database, silent) as session:
        return session is not None and bool(session.rows(query))


def schemas(rows: Rows) -> Sequence[str]:
    """See ``sqlpair.databases.interface.Driver``."""
    found = rows(
        r"SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\_%'"
        " AND nspname NOT IN ('public', 'information_schema')"
    )
    return [row["nspname"] for row in found]


@contextmanager
def new_schema(database: Database, report: Report) -> Iterator[None]:
    """See ``sqlpair.databases.interface.Driver``."""
    name = identifier(database.search_path[0])
    session = connect(database, read_only=False, report=report)
    assert session is not None
    with closing(session):
        session.execute(f"CREATE SCHEMA {name}")
        try:
            yield
        except BaseException:
            with suppress(SqlpairError):  # what is in it stays
                session.execute(f"DROP SCHEMA {name}")
            raise
