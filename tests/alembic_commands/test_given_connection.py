"""An Alembic command over a connection that a program gives, for one database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from conftest import Project


@pytest.fixture
def shop(project: Project) -> Project:
    project.add(
        "postgres",
        "001_users",
        "CREATE TABLE users (id int, note text DEFAULT 'a % and a :name');\n",
        "DROP TABLE users;\n",
    )
    project.add(
        "sqlite", "002_notes", "CREATE TABLE notes (id);\n", "DROP TABLE notes;"
    )
    project.add(
        "postgres",
        "003_index",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY by_id ON users (id);\n",
        "DROP INDEX by_id;\n",
    )
    project.file.parent.mkdir(exist_ok=True)
    return project


@pytest.fixture
def postgresql(shop: Project) -> Iterator[sqlalchemy.Engine]:
    url = shop.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:")
    engine = sqlalchemy.create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite(shop: Project) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(f"sqlite:///{shop.file}")
    yield engine
    engine.dispose()


def config(project: Project, connection: object, **attributes: object) -> Config:
    made = Config(project.root / "alembic.ini")
    made.attributes.update(attributes, connection=connection)
    return made


def test_ledger_is_what_a_deployment_would_have_kept(
    shop: Project, postgresql: sqlalchemy.Engine, sqlite: sqlalchemy.Engine
) -> None:
    for engine in (postgresql, sqlite):
        command.upgrade(config(shop, engine), "head")

    assert shop.applied("postgres") == ["001_users", "003_index"]
    assert shop.applied("sqlite") == ["002_notes"]
    assert shop.heads("postgres") == ["postgres_003"]
    assert "no problems found" in shop.sqlpair("verify").stdout
    assert shop.pg("SELECT count(*) FROM schema_history") == [(2,)]
    told = shop.pg("SELECT column_default FROM information_schema.columns"
                   " WHERE column_name = 'note'")  # fmt: skip
    assert "a % and a :name" in told[0][0]


def test_down_and_stamp_keep_the_ledger(
    shop: Project, postgresql: sqlalchemy.Engine
) -> None:
    command.upgrade(config(shop, postgresql), "head")

    command.downgrade(config(shop, postgresql), "-1")
    assert shop.applied("postgres") == ["001_users"]
    assert shop.heads("postgres") == ["postgres_001"]
    command.downgrade(config(shop, postgresql), "base")
    assert shop.applied("postgres") == []
    assert shop.tables("postgres") == set()
    command.stamp(config(shop, postgresql), "postgres@head")
    assert shop.applied("postgres") == ["001_users", "003_index"]
    command.stamp(config(shop, postgresql), "base")
    assert shop.applied("postgres") == shop.heads("postgres") == []


def test_transaction_of_the_program_stays_its_own(
    shop: Project, sqlite: sqlalchemy.Engine, postgresql: sqlalchemy.Engine
) -> None:
    with postgresql.connect() as connection, connection.begin() as transaction:
        command.upgrade(config(shop, connection), "postgres_001")
        assert sqlalchemy.inspect(connection).has_table("users")
        transaction.rollback()

    assert shop.tables("postgres") == set()
    with postgresql.connect() as connection, connection.begin():
        command.upgrade(config(shop, connection), "postgres_001")
    assert shop.applied("postgres") == ["001_users"]


def test_memory_that_nobody_else_reaches_is_migrated(shop: Project) -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        command.upgrade(config(shop, connection), "heads")

        assert sqlalchemy.inspect(connection).has_table("notes")
    engine.dispose()
    assert not shop.file.exists()


def test_statement_that_fails_is_named_by_its_line(
    shop: Project, postgresql: sqlalchemy.Engine
) -> None:
    shop.add("postgres", "004_bad", "CREATE TABLE t ();\nSELECT nope;\n")

    with pytest.raises(CommandError, match=r"postgres 004_bad: 004_bad\.sql:2: .*nope"):
        command.upgrade(config(shop, postgresql), "head")

    assert shop.applied("postgres") == ["001_users", "003_index"]
    assert shop.tables("postgres") == {"users"}


def test_reading_creates_nothing(
    shop: Project, sqlite: sqlalchemy.Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    command.current(config(shop, sqlite))

    assert shop.lite("SELECT * FROM sqlite_master") == []


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"database": "nosuch"}, "no database is called 'nosuch'"),
        ({"database": "postgres"}, "which fits: none"),
    ],
)
def test_database_that_the_connection_is_not_to_is_refused(
    shop: Project, sqlite: sqlalchemy.Engine, attributes: dict[str, str], told: str
) -> None:
    with pytest.raises(CommandError, match=told):
        command.upgrade(config(shop, sqlite, **attributes), "head")


def test_two_databases_of_a_kind_are_told_apart_by_name(
    project: Project, sqlite: sqlalchemy.Engine
) -> None:
    locations = "".join(
        f"\n%(here)s/alembic/versions/{name}"
        for name in ("postgres", "sqlite", "other")
    )
    project.configure(
        "alembic", databases="postgres, sqlite, other", version_locations=locations
    )
    project.configure("other", driver="sqlite", default="state/other.db")
    for folder in ("sql/other", "alembic/versions/other"):
        (project.root / folder).mkdir()
    project.add("other", "004_other", "CREATE TABLE other (id);\n")

    with pytest.raises(CommandError, match="which fits: sqlite, other"):
        command.upgrade(config(project, sqlite), "head")

    command.upgrade(config(project, sqlite, database="other"), "head")
    assert "other" in project.tables("sqlite")


def test_what_a_connection_cannot_do_is_refused(
    shop: Project, postgresql: sqlalchemy.Engine
) -> None:
    with pytest.raises(CommandError, match="revision is not written"):
        command.revision(config(shop, postgresql), "more", head="postgres@head")
    shop.add("postgres", "004_copy", "COPY users FROM STDIN;\n1\tx\n\\.\n")
    with pytest.raises(CommandError, match=r"004_copy.sql:1: COPY"):
        command.upgrade(config(shop, postgresql), "head")
