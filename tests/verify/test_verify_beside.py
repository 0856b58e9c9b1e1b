"""Verify: what is not in the schema, and is compared all the same.

The bookkeeping tables, SQLite's foreign keys and header, and PostgreSQL's owners and
privileges where they are asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from conftest import Project, connected
from sqlpair.errors import SettingsError
from sqlpair.verify import Problem, ProblemKind, verify

DOCUMENTED = """
CREATE TABLE schema_version (
    id serial PRIMARY KEY, version integer NOT NULL UNIQUE,
    migration_name varchar(255) NOT NULL, applied_at timestamp DEFAULT now());
CREATE INDEX by_name ON schema_version (migration_name);
COMMENT ON TABLE schema_version IS 'ours';
"""


def problems(project: Project, *names: str) -> list[Problem]:
    return list(verify(project.settings, lambda _line: None, names).problems)


def told(project: Project, *names: str) -> list[str]:
    return [problem.what for problem in problems(project, *names)]


@pytest.fixture
def two(project: Project) -> Project:
    """001 on PostgreSQL and 002 on SQLite, applied."""
    project.add(
        "postgres", "001_p", "CREATE TABLE p (id int PRIMARY KEY, note text);\n"
    )
    project.add(
        "sqlite",
        "002_s",
        "CREATE TABLE s (id INTEGER PRIMARY KEY);\n"
        "CREATE TABLE c (id INTEGER PRIMARY KEY, s REFERENCES s);\n",
    )
    project.upgrade()
    return project


# -- the bookkeeping tables -----------------------------------------------------------


@pytest.mark.parametrize(
    ("database", "change", "what"),
    [
        (
            "postgres",
            "ALTER TABLE schema_version DROP CONSTRAINT schema_version_pkey",
            "primary key schema_version (its primary key) is missing",
        ),
        (
            "postgres",
            "CREATE RULE r AS ON INSERT TO schema_version DO INSTEAD NOTHING",
            "rule schema_version.r ",
        ),
        (
            "postgres",
            "CREATE TRIGGER g BEFORE INSERT ON alembic_version FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "trigger alembic_version.g ",
        ),
        (
            "postgres",
            "ALTER TABLE schema_version ALTER version TYPE text",
            "column schema_version.version has type text, sqlpair makes it integer",
        ),
        (
            "postgres",
            "ALTER TABLE schema_version ALTER migration_name TYPE varchar(50)",
            "column schema_version.migration_name has type character varying(50),",
        ),
        (
            "postgres",
            "ALTER TABLE schema_version ALTER version DROP NOT NULL",
            "column schema_version.version is nullable, sqlpair makes it not nullable",
        ),
        (
            "postgres",
            "ALTER TABLE schema_history ADD COLUMN must text NOT NULL DEFAULT '';"
            "ALTER TABLE schema_history ALTER must DROP DEFAULT",
            "column schema_history.must ",
        ),
        (
            "postgres",
            "ALTER TABLE schema_version ENABLE ROW LEVEL SECURITY",
            "table schema_version has row security enabled, ",
        ),
        (
            "postgres",
            "ALTER TABLE schema_version ALTER applied_at DROP DEFAULT",
            "column schema_version.applied_at has no default, ",
        ),
        (
            "sqlite",
            "CREATE TRIGGER g AFTER INSERT ON schema_version BEGIN SELECT 1; END",
            "trigger schema_version.g ",
        ),
    ],
)
def test_a_bookkeeping_table_that_was_altered_is_told(
    two: Project, database: str, change: str, what: str
) -> None:
    (two.lite if database == "sqlite" else two.pg)(change)

    (problem,) = problems(two)

    assert problem.kind is ProblemKind.VERSIONS
    assert problem.what.startswith(f"{database}: {what}")
    assert "recorded in these tables" in problem.remedy


def test_a_key_of_the_version_table_that_was_dropped_is_told(two: Project) -> None:
    with closing(sqlite3.connect(two.file)) as raw:
        raw.executescript(
            "DROP TABLE alembic_version;"
            "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL);"
            "INSERT INTO alembic_version VALUES ('sqlite_002')"
        )

    assert told(two) == [
        "sqlite: primary key alembic_version (its primary key) is missing"
    ]


def test_a_ledger_as_the_documents_have_it_is_no_problem(two: Project) -> None:
    rows = two.pg("SELECT version, migration_name FROM schema_version")
    two.pg(f"DROP TABLE schema_version; {DOCUMENTED}")
    for version, name in rows:
        two.pg(
            "INSERT INTO schema_version (version, migration_name)"
            f" VALUES ({version}, '{name}')"
        )

    assert told(two) == []


def test_a_change_of_the_ledger_that_is_meant_is_ignored_by_pattern(
    two: Project,
) -> None:
    two.pg(
        "CREATE TRIGGER g BEFORE INSERT ON schema_version FOR EACH ROW"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    )
    (two.root / "pyproject.toml").write_text(
        '[tool.sqlpair]\nignore = ["trigger schema_version.g"]\n'
    )

    assert told(two) == []


# -- SQLite's foreign keys and header -------------------------------------------------


def test_rows_that_violate_a_foreign_key_are_counted(two: Project) -> None:
    for number in range(1, 8):
        two.lite(f"INSERT INTO c VALUES ({number}, {number})")
    two.lite("INSERT INTO s VALUES (1)")

    (problem,) = problems(two)

    assert problem.kind is ProblemKind.REFERENCES
    assert problem.what == "sqlite: 6 rows of c violate the foreign key to s"
    assert problem.evidence == (
        *(f"rowid {number}" for number in range(2, 7)),
        "… and 1 row more",
    )


def test_a_foreign_key_to_a_table_that_is_not_there_is_told(two: Project) -> None:
    two.add(
        "sqlite",
        "004_d",
        "CREATE TABLE gone (id INTEGER PRIMARY KEY);\n"
        "CREATE TABLE d (id INTEGER PRIMARY KEY, x REFERENCES gone);\n",
    )
    two.upgrade()
    two.lite("DROP TABLE gone")

    assert "sqlite: a foreign key of d refers to gone, which does not exist" in told(
        two
    )


def test_a_foreign_key_to_columns_that_are_not_unique_is_told(two: Project) -> None:
    with closing(sqlite3.connect(two.file)) as raw:
        raw.executescript(
            "CREATE TABLE q (code); CREATE TABLE e (q REFERENCES q (code))"
        )

    assert told(two)[-1] == (
        "sqlite: a foreign key of e refers to q, whose columns are not a primary key"
        " or unique"
    )


@pytest.mark.parametrize("pattern", ["table c", "foreign key c to *"])
def test_a_foreign_key_that_is_meant_to_refer_to_nothing_is_ignored_by_pattern(
    two: Project, pattern: str
) -> None:
    two.lite("INSERT INTO c VALUES (1, 1)")
    (two.root / "pyproject.toml").write_text(
        f'[tool.sqlpair]\nignore = ["{pattern}"]\n'
    )

    assert told(two) == []


@pytest.mark.parametrize("name", ["user_version", "application_id"])
def test_a_number_in_the_header_that_no_migration_sets_is_told(
    two: Project, name: str
) -> None:
    two.lite(f"PRAGMA {name} = 7")

    assert told(two) == [f"sqlite: pragma {name} has value 7, the migrations say 0"]


def test_a_number_in_the_header_that_a_migration_sets_is_no_problem(
    two: Project,
) -> None:
    two.add("sqlite", "004_v", "PRAGMA user_version = 4;\n")
    two.upgrade()

    assert two.lite("PRAGMA user_version") == [(4,)]
    assert told(two) == []


# -- owners and privileges ------------------------------------------------------------


@pytest.fixture
def granted(two: Project, server: str) -> Iterator[Project]:
    """A project that compares privileges, and two roles of its own."""
    roles = [f"{name}_{two.pg('SELECT current_database()')[0][0]}" for name in "ab"]
    with connected(server) as execute:
        for role in roles:
            execute(f"CREATE ROLE {role}")
    two.environ |= {"A": roles[0], "B": roles[1]}
    (two.root / "pyproject.toml").write_text("[tool.sqlpair]\nprivileges = true\n")
    two.add(
        "postgres",
        "003_grants",
        f"GRANT SELECT ON p TO {roles[0]};\n"
        f"GRANT UPDATE (note) ON p TO {roles[0]};\n"
        f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {roles[0]};\n"
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';\n"
        "CREATE SEQUENCE q; CREATE TYPE y AS (a int); CREATE SCHEMA z;\n"
        "CREATE VIEW v AS SELECT 1 AS a;\n",
    )
    two.upgrade()
    yield two
    for role in roles:
        two.pg(f"DROP OWNED BY {role}")
    two.pg("DROP TABLE IF EXISTS schema_version CASCADE")
    with connected(two.dsn) as execute:
        for role in roles:
            execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}")
            execute(f"DROP ROLE {role}")


def test_privileges_as_the_files_grant_them_are_no_problem(granted: Project) -> None:
    assert told(granted) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("REVOKE SELECT ON p FROM {A}", "table p has privileges "),
        ("GRANT SELECT ON p TO PUBLIC", "table p has another privileges "),
        ("REVOKE UPDATE (note) ON p FROM {A}", "column p.note has no privileges"),
        ("GRANT SELECT (id) ON p TO {B}", "column p.id has privileges {B}: select"),
        ("ALTER TABLE p OWNER TO {B}", "table p has owner {B}, "),
        ("GRANT EXECUTE ON FUNCTION f() TO {B}", "function f() has privileges "),
        ("GRANT USAGE ON SEQUENCE q TO {B}", "sequence q has privileges "),
        ("REVOKE USAGE ON TYPE y FROM PUBLIC", "composite type y has privileges "),
        ("GRANT CREATE ON SCHEMA z TO {B}", "schema z has privileges "),
        ("GRANT INSERT ON v TO {B}", "view v has "),
        (
            "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO {B}",
            'default privileges "sequences made by the migrating role" has privileges',
        ),
    ],
)
def test_a_privilege_or_owner_that_was_changed_by_hand_is_told(
    granted: Project, change: str, what: str
) -> None:
    names = {name: granted.environ[name] for name in "AB"}
    granted.pg(change.format(**names))

    found = told(granted)

    assert any(what.format(**names).split(" has ")[0] in line for line in found)
    (granted.root / "pyproject.toml").write_text("")
    assert told(granted) == []


def test_a_setting_that_is_neither_true_nor_false_is_refused(two: Project) -> None:
    (two.root / "pyproject.toml").write_text('[tool.sqlpair]\nprivileges = "yes"\n')

    with pytest.raises(SettingsError, match="neither true nor false"):
        problems(two)
