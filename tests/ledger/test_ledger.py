"""The ledger is the documented table: other programs read it and write to it."""

from __future__ import annotations

import pytest

from conftest import Project
from sqlpair.errors import HistoryError

DOCUMENTED = (
    "CREATE TABLE schema_version ({id}, version integer NOT NULL,"
    " migration_name varchar(255) NOT NULL, applied_at timestamp DEFAULT {now})"
)
OTHERS_ROW = (
    "INSERT INTO schema_version (version, migration_name, applied_at)"
    " VALUES (1, 'made elsewhere', '2020-01-02 03:04:05')"
)


@pytest.fixture(params=["postgres", "sqlite"])
def one(project: Project, request: pytest.FixtureRequest) -> tuple[Project, str]:
    database: str = request.param
    for number in (1, 2):
        project.add(
            database,
            f"00{number}_t{number}",
            f"CREATE TABLE t{number} (id int);\n",
            f"DROP TABLE t{number};\n",
        )
    return project, database


def sql(project: Project, database: str, text: str) -> list[tuple[object, ...]]:
    if database == "postgres":
        return project.pg(text)
    project.file.parent.mkdir(exist_ok=True)
    return project.lite(text)


def documented(project: Project, database: str) -> None:
    """Make the ledger as another program would."""
    identity = "serial" if database == "postgres" else "integer"
    now = "now()" if database == "postgres" else "CURRENT_TIMESTAMP"
    text = DOCUMENTED.format(id=f"id {identity} PRIMARY KEY", now=now)
    sql(project, database, text)


def test_row_is_there_just_while_the_migration_is_applied(
    one: tuple[Project, str],
) -> None:
    project, database = one
    query = (
        "SELECT version, migration_name, method, length(checksum) FROM schema_version"
    )

    project.upgrade()
    assert sql(project, database, f"{query} ORDER BY id") == [
        (1, "001_t1", "upgrade", 64),
        (2, "002_t2", "upgrade", 64),
    ]
    project.downgrade(f"{database}@-1")
    assert sql(project, database, query) == [(1, "001_t1", "upgrade", 64)]


def test_empty_ledger_of_another_program_gets_the_other_columns(
    one: tuple[Project, str],
) -> None:
    project, database = one
    documented(project, database)

    project.upgrade()

    assert project.applied(database) == ["001_t1", "002_t2"]


def test_rows_of_another_program_stay_when_it_is_adopted(
    one: tuple[Project, str],
) -> None:
    project, database = one
    sql(project, database, "CREATE TABLE t1 (id int)")
    documented(project, database)
    sql(project, database, OTHERS_ROW)

    with pytest.raises(HistoryError, match="disagree"):
        project.upgrade()
    project.alembic("stamp", f"{database}_001")
    project.upgrade()

    when = "CAST(applied_at AS varchar(19))"
    rows = sql(
        project, database, f"SELECT migration_name, {when} FROM schema_version"
        " WHERE version = 1"
    )  # fmt: skip
    assert rows == [("made elsewhere", "2020-01-02 03:04:05")]
    assert project.applied(database) == ["made elsewhere", "002_t2"]


def test_another_program_may_name_only_the_documented_columns(
    one: tuple[Project, str],
) -> None:
    project, database = one
    project.upgrade()

    sql(
        project,
        database,
        "INSERT INTO schema_version (version, migration_name) VALUES (3, 'theirs')",
    )

    query = (
        "SELECT applied_at IS NOT NULL, checksum FROM schema_version WHERE version = 3"
    )
    ((dated, checksum),) = sql(project, database, query)
    assert dated
    assert checksum is None
    assert sql(project, database, "SELECT max(version) FROM schema_version") == [(3,)]


def test_migration_that_asks_the_ledger_sees_those_before_it(
    one: tuple[Project, str],
) -> None:
    project, database = one
    asked = (
        "CREATE TABLE seen AS SELECT migration_name FROM schema_version;\n"
        "CREATE TABLE head AS SELECT version_num FROM alembic_version;\n"
    )
    project.add(database, "003_asks", asked, "DROP TABLE seen;\nDROP TABLE head;\n")
    project.add(database, "004_t4", "CREATE TABLE t4 (id int);\n")

    project.upgrade()

    seen = sql(project, database, "SELECT migration_name FROM seen ORDER BY 1")
    assert seen == [("001_t1",), ("002_t2",)]
    assert sql(project, database, "SELECT version_num FROM head") == [
        (f"{database}_002",)
    ]
    assert project.applied(database) == ["001_t1", "002_t2", "003_asks", "004_t4"]
