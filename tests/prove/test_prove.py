"""sqlpair prove: every migration up, down and up, on rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from conftest import Project, connected
from sqlpair.databases.driver import driver_of
from sqlpair.databases.row_values import Contents
from sqlpair.project import branches
from sqlpair.prove import rows
from sqlpair.prove.database import ScratchDatabase, read
from sqlpair.prove.proof import prove as prove_all
from sqlpair.prove.trial import Verdict
from sqlpair.runner.migration import Ready
from sqlpair.testing.server import PREFIX

# Triggers, views, enums, a domain, a partitioned table: each made, changed and undone.
POSTGRES = {
    "001_people": (
        """
CREATE TYPE mood AS ENUM ('fine', 'tired');
CREATE DOMAIN percent AS integer CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE people (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email   varchar(40) NOT NULL UNIQUE CHECK (email LIKE '%_@_%'),
    mood    mood NOT NULL DEFAULT 'fine',
    score   percent DEFAULT 50,
    boss    bigint REFERENCES people (id) ON DELETE SET NULL,
    twice   integer GENERATED ALWAYS AS (score * 2) STORED
);
CREATE TABLE visits (
    person  bigint NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    at      timestamptz NOT NULL,
    pages   integer NOT NULL DEFAULT 1 CHECK (pages > 0),
    note    varchar(20) DEFAULT 'none',
    PRIMARY KEY (person, at)
);
CREATE INDEX visits_at ON visits (at DESC, pages);
CREATE VIEW happy AS SELECT id, email FROM people WHERE mood = 'fine';
""",
        "DROP VIEW happy;\nDROP TABLE visits;\nDROP TABLE people;\n"
        "DROP DOMAIN percent;\nDROP TYPE mood;\n",
    ),
    "002_trigger": (
        """
CREATE FUNCTION no_future() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.at > '2030-01-01' THEN RAISE EXCEPTION 'too late'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER no_future BEFORE INSERT ON visits
    FOR EACH ROW EXECUTE FUNCTION no_future();
""",
        "DROP TRIGGER no_future ON visits;\nDROP FUNCTION no_future();\n",
    ),
    "003_wider": (
        """
DROP VIEW happy;
DROP INDEX visits_at;
ALTER TABLE people ALTER COLUMN email TYPE text;
ALTER TABLE visits ALTER COLUMN pages DROP DEFAULT;
ALTER TABLE visits ALTER COLUMN note DROP DEFAULT;
ALTER TABLE people ADD COLUMN name text;
""",
        """
ALTER TABLE people DROP COLUMN name;
ALTER TABLE visits ALTER COLUMN note SET DEFAULT 'none';
ALTER TABLE visits ALTER COLUMN pages SET DEFAULT 1;
ALTER TABLE people ALTER COLUMN email TYPE varchar(40);
CREATE INDEX visits_at ON visits (at DESC, pages);
CREATE VIEW happy AS SELECT id, email FROM people WHERE mood = 'fine';
""",
    ),
    "004_mood": (
        """
ALTER TYPE mood RENAME TO old_mood;
CREATE TYPE mood AS ENUM ('fine', 'tired', 'asleep');
ALTER TABLE people ALTER COLUMN mood DROP DEFAULT;
ALTER TABLE people ALTER COLUMN mood TYPE mood USING mood::text::mood;
ALTER TABLE people ALTER COLUMN mood SET DEFAULT 'fine';
CREATE VIEW happy AS SELECT id, name FROM people WHERE mood = 'fine';
DROP TYPE old_mood;
""",
        """
DROP VIEW happy;
ALTER TYPE mood RENAME TO new_mood;
CREATE TYPE mood AS ENUM ('fine', 'tired');
UPDATE people SET mood = 'tired' WHERE mood = 'asleep';
ALTER TABLE people ALTER COLUMN mood DROP DEFAULT;
ALTER TABLE people ALTER COLUMN mood TYPE mood USING mood::text::mood;
ALTER TABLE people ALTER COLUMN mood SET DEFAULT 'fine';
DROP TYPE new_mood;
""",
    ),
    "005_index": (
        "-- no-transaction\nCREATE INDEX CONCURRENTLY people_boss ON people (boss);\n",
        "-- no-transaction\nDROP INDEX CONCURRENTLY people_boss;\n",
    ),
}
# A table rebuild in both directions, under a child, a view and a trigger.
SQLITE = {
    "001_books": (
        """
CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE books (
    id     INTEGER PRIMARY KEY,
    author INTEGER NOT NULL REFERENCES authors ON DELETE CASCADE,
    title  TEXT NOT NULL DEFAULT 'untitled' CHECK (length(title) < 60),
    state  TEXT NOT NULL CHECK (state IN ('draft', 'out')),
    pages  INTEGER,
    extra  JSON CHECK (extra IS NULL OR json_valid(extra)),
    UNIQUE (author, title)
);
CREATE INDEX books_state ON books (state, pages DESC);
CREATE TABLE loans (book INTEGER NOT NULL REFERENCES books ON DELETE CASCADE,
    day TEXT NOT NULL, PRIMARY KEY (book, day)) WITHOUT ROWID;
CREATE VIEW published AS SELECT title FROM books WHERE state = 'out';
CREATE TRIGGER books_out AFTER UPDATE OF state ON books WHEN NEW.state = 'out'
BEGIN
    UPDATE books SET pages = coalesce(pages, 0) WHERE id = NEW.id;
END;
""",
        "DROP TRIGGER books_out;\nDROP VIEW published;\nDROP TABLE loans;\n"
        "DROP TABLE books;\nDROP TABLE authors;\n",
    ),
    "002_rebuild": (
        """
DROP VIEW published;
CREATE TABLE new_books (
    id     INTEGER PRIMARY KEY,
    author INTEGER NOT NULL REFERENCES authors ON DELETE CASCADE,
    title  TEXT NOT NULL,
    state  TEXT NOT NULL CHECK (state IN ('draft', 'out', 'lost')),
    pages  INTEGER,
    extra  JSON,
    UNIQUE (author, title)
);
INSERT INTO new_books SELECT id, author, title, state, pages, extra FROM books;
DROP TABLE books;
ALTER TABLE new_books RENAME TO books;
CREATE INDEX books_state ON books (state, pages DESC);
CREATE VIEW published AS SELECT title FROM books WHERE state = 'out';
""",
        """
DROP VIEW published;
CREATE TABLE old_books (
    id     INTEGER PRIMARY KEY,
    author INTEGER NOT NULL REFERENCES authors ON DELETE CASCADE,
    title  TEXT NOT NULL DEFAULT 'untitled' CHECK (length(title) < 60),
    state  TEXT NOT NULL CHECK (state IN ('draft', 'out')),
    pages  INTEGER,
    extra  JSON CHECK (extra IS NULL OR json_valid(extra)),
    UNIQUE (author, title)
);
INSERT INTO old_books SELECT id, author, title,
    CASE state WHEN 'lost' THEN 'draft' ELSE state END, pages,
    CASE WHEN json_valid(extra) THEN extra END FROM books;
DROP TABLE books;
ALTER TABLE old_books RENAME TO books;
CREATE INDEX books_state ON books (state, pages DESC);
CREATE VIEW published AS SELECT title FROM books WHERE state = 'out';
CREATE TRIGGER books_out AFTER UPDATE OF state ON books WHEN NEW.state = 'out'
BEGIN
    UPDATE books SET pages = coalesce(pages, 0) WHERE id = NEW.id;
END;
""",
    ),
    "003_column": (
        "ALTER TABLE loans ADD COLUMN back TEXT;\n"
        "CREATE INDEX loans_back ON loans (back);\n",
        "DROP INDEX loans_back;\nALTER TABLE loans DROP COLUMN back;\n",
    ),
}
MINIATURES = {"postgres": POSTGRES, "sqlite": SQLITE}


def write(
    project: Project, database: str, pairs: Mapping[str, Sequence[str]]
) -> Project:
    for stem, (up, down) in pairs.items():
        project.add(database, stem, up, down)
    return project


def nobody(_line: object) -> None:
    pass


def prove(project: Project, database: str) -> dict[str, Verdict]:
    found = prove_all(project.settings, [database], nobody, nobody)
    return {verdict.migration: verdict for verdict in found}


@pytest.mark.parametrize("database", MINIATURES)
def test_a_project_with_triggers_views_enums_and_a_rebuild_is_proved(
    project: Project, database: str
) -> None:
    write(project, database, MINIATURES[database])

    verdicts = prove(project, database)

    told = [problem for v in verdicts.values() for problem in v.problems]
    assert told == []
    assert list(verdicts) == list(MINIATURES[database])
    for verdict in verdicts.values():
        assert verdict.problems == ()
        assert verdict.notes == ()
        assert verdict.rows >= 6


# What a rollback can get wrong: the statements of up and down, and what is told.
FLAWS = {
    "a forgotten index": (
        "CREATE INDEX t_note ON t (note);",
        "-- nothing",
        "down: index t_note was added",
    ),
    "a forgotten column": (
        "ALTER TABLE t ADD COLUMN more text;",
        "-- nothing",
        "down: column t.more was added",
    ),
    "a view that is not made again": (
        "DROP VIEW notes;",
        "-- nothing",
        "down: view notes is missing",
    ),
    "rows that do not come back": (
        "DELETE FROM t;",
        "-- nothing",
        "3 of 3 rows are missing",
    ),
    "a value that is another": (
        "UPDATE t SET note = 'lost';",
        "UPDATE t SET note = 'found';",
        "rows have changed, for example",
    ),
    "letters that were capital": (
        "UPDATE t SET note = upper(note);",
        "UPDATE t SET note = lower(note);",
        "rows have changed, for example",
    ),
    "a value that has more behind a NUL": (
        "UPDATE t SET note = note || char(0) || 'more';",
        "-- nothing",
        "rows have changed, for example",
    ),
    "a rollback that does not run": (
        "CREATE TABLE u (id integer);",
        "DROP TABLE v;",
        "down: ",
    ),
    "a rollback that fails on what came above": (
        "CREATE TABLE u (id integer, name text);",
        "CREATE UNIQUE INDEX once ON t (kind); DROP INDEX once; DROP TABLE u;",
        "down, on rows: ",
    ),
}


@pytest.mark.parametrize(
    ("database", "flaw"),
    [("sqlite", flaw) for flaw in FLAWS]
    + [
        ("postgres", flaw)
        for flaw in (
            "a forgotten index",
            "a value that is another",
            "letters that were capital",
        )
    ],
)
def test_a_flaw_of_a_rollback_is_told(
    project: Project, database: str, flaw: str
) -> None:
    up, down, told = FLAWS[flaw]
    kind = "CHECK (kind IN (1, 2, 3))"
    project.add(
        database,
        "001_t",
        f"CREATE TABLE t (id integer PRIMARY KEY, note text, kind integer {kind});"
        "CREATE VIEW notes AS SELECT note FROM t;",
        "DROP VIEW notes; DROP TABLE t;",
    )
    project.add(database, "002_flawed", up, down)

    verdicts = prove(project, database)

    assert verdicts["001_t"].proved
    assert any(told in problem for problem in verdicts["002_flawed"].problems), (
        verdicts["002_flawed"].problems
    )


def test_a_lost_default_and_a_wrong_type_are_told(project: Project) -> None:
    project.add(
        "postgres",
        "001_t",
        "CREATE TABLE t (id integer PRIMARY KEY, a integer DEFAULT 1, b varchar(9));",
        "DROP TABLE t;",
    )
    project.add(
        "postgres",
        "002_flawed",
        "ALTER TABLE t ALTER a DROP DEFAULT, ALTER b TYPE text;",
        "ALTER TABLE t ALTER b TYPE varchar(10);",
    )

    problems = prove(project, "postgres")["002_flawed"].problems

    assert "down: column t.a has no default, before it was 1" in problems
    assert (
        "down: column t.b has type character varying(10),"
        " before it was character varying(9)" in problems
    )


def test_a_migration_that_cannot_be_applied_again_is_told(project: Project) -> None:
    project.add("postgres", "001_t", "CREATE TABLE t (id int);", "-- nothing")
    project.add("postgres", "002_u", "CREATE TABLE u (id int);", "DROP TABLE u;")

    verdicts = prove(project, "postgres")

    assert any("up again: " in problem for problem in verdicts["001_t"].problems)
    assert verdicts["002_u"].proved


def test_a_rollback_that_drops_what_records_it_is_not_proved(project: Project) -> None:
    down = "DROP SCHEMA public CASCADE;\nCREATE SCHEMA public;"
    project.add("postgres", "001_t", "CREATE TABLE t (id int);", down)
    project.add("sqlite", "002_t", "CREATE TABLE t (id int);", "DROP TABLE t;")

    failed = project.sqlpair("prove", expect=1).stdout

    assert "down: postgres 001_t: schema_version is gone, which records" in failed
    assert "sqlite 002_t: proved" in failed


def test_proving_leaves_the_databases_and_the_server_alone(
    project: Project, server: str
) -> None:
    stems = ("001_people", "005_index")
    write(project, "postgres", {stem: POSTGRES[stem] for stem in stems})
    write(project, "sqlite", SQLITE)

    prove_all(project.settings, [], nobody, nobody)

    assert project.tables("postgres") == set()
    assert not project.file.exists()
    with connected(server) as execute:
        found = execute("SELECT datname FROM pg_database WHERE datname ~ '^sqlpair_'")
    # But for what the pytest plugin keeps, for the whole session.
    assert [name for (name,) in found if not name.startswith(PREFIX)] == []


# -- rows -------------------------------------------------------------------------


def filled(project: Project, database: str, sql: str) -> tuple[Contents, list[str]]:
    """The rows made for the tables of ``sql``, and what is told of the others."""
    project.add(database, "001_all", sql)
    known = branches.branches(project.settings)
    target = next(b for b in known if b.name == database)
    with driver_of(target.database).scratch(target.database, [], nobody) as session:
        scratch = ScratchDatabase(session, nobody)
        (pair,) = read(target)
        assert isinstance(pair.up, Ready)
        scratch.run(pair.up)
        unfilled = rows.Filler().fill(session, 1)
        return scratch.state().contents, [str(item) for item in unfilled]


def test_rows_are_made_for_every_kind_of_postgresql_table(project: Project) -> None:
    sql = (Path(__file__).parents[1] / "everything_postgresql.sql").read_text()
    contents, told = filled(project, "postgres", sql)

    # One of its CHECKs can never hold: (id, ...) = (1, ...) AND id > 1.
    assert ["public.rooms accepts no generated row" in line for line in told] == [True]
    empty = {name for name, found in contents.items() if not found.rows}
    partitions = {name for name in empty if name.startswith("public.orders_")}
    assert empty - partitions == {"public.rooms"}


def test_rows_are_made_for_every_kind_of_sqlite_table(project: Project) -> None:
    sql = (Path(__file__).parents[1] / "everything_sqlite.sql").read_text()
    contents, told = filled(project, "sqlite", sql)

    assert told == []
    assert [name for name, found in contents.items() if not found.rows] == []


@pytest.mark.parametrize("database", MINIATURES)
def test_rows_keep_to_checks_keys_and_references(
    project: Project, database: str
) -> None:
    contents, told = filled(
        project,
        database,
        """
CREATE TABLE parent (a integer NOT NULL, b text NOT NULL, PRIMARY KEY (a, b));
CREATE TABLE child (
    id     integer PRIMARY KEY,
    pa     integer, pb text,
    side   text NOT NULL CHECK (side IN ('buy', 'sell')),
    price  numeric(8, 2) NOT NULL CHECK (price > 0 AND price < 5),
    low    integer NOT NULL,
    high   integer NOT NULL,
    code   text NOT NULL UNIQUE CHECK (length(code) = 3),
    twin   integer REFERENCES child (id),
    FOREIGN KEY (pa, pb) REFERENCES parent (a, b),
    CHECK (low < high)
);
""",
    )

    assert told == []
    assert {name.rpartition(".")[2].strip('"') for name in contents} == {
        "parent",
        "child",
    }
    for found in contents.values():
        assert len(found.rows) == rows.ROWS


@pytest.mark.parametrize("database", MINIATURES)
def test_the_same_rows_are_made_every_time(
    tmp_path: Path, server: str, database: str
) -> None:
    sql = "CREATE TABLE t (id integer PRIMARY KEY, a text CHECK (length(a) = 2));"
    one, other = (Project(tmp_path / name, server) for name in ("one", "other"))

    assert filled(one, database, sql) == filled(other, database, sql)


@pytest.mark.parametrize("database", MINIATURES)
def test_one_row_is_added_to_a_table_whose_check_a_restore_writes_otherwise(
    project: Project, database: str
) -> None:
    check = "varchar(9) CHECK (side IN ('buy', 'sell'))"
    project.add(database, "001_t", f"CREATE TABLE t (side {check});", "DROP TABLE t;")
    project.add(database, "002_u", "CREATE TABLE u (a text);", "DROP TABLE u;")

    assert prove(project, database)["002_u"].rows == 7  # 3 in t and one more, 3 in u


def test_the_values_of_every_table_are_read_whatever_they_are(
    project: Project,
) -> None:
    project.upgrade()
    many = range(230)
    made = [f"CREATE TABLE n{n} AS SELECT {n} AS id" for n in many]
    project.pg(f"{'; '.join(made)}; CREATE TABLE bare (); CREATE TABLE t (a text)")
    project.pg("INSERT INTO bare DEFAULT VALUES")
    project.pg(
        """INSERT INTO t VALUES ('a,b'), ('say "x"'), ('it''s'), (E'back\\\\slash'),
        ('{}'), (''), (' '), (NULL), ('NULL'), (E'two\nlines')"""
    )
    database = branches.branches(project.settings)[0].database
    session = driver_of(database).connect(database, read_only=True, report=nobody)
    assert session is not None
    contents = driver_of(database).contents(session)
    session.close()

    assert contents["public.t"].rows == tuple(
        project.pg("SELECT quote_nullable(a) FROM t")
    )
    assert contents["public.bare"].rows == ((),)
    assert [contents[f"public.n{n}"].rows for n in many] == [
        ((f"'{n}'",),) for n in many
    ]


@pytest.mark.parametrize("database", MINIATURES)
def test_a_table_that_accepts_no_row_is_told_with_the_reason(
    project: Project, database: str
) -> None:
    project.add(
        database,
        "001_t",
        "CREATE TABLE t (id integer CHECK (id = 1 AND id = 2) NOT NULL);",
        "DROP TABLE t;",
    )

    verdict = prove(project, database)["001_t"]

    assert verdict.proved
    assert "accepts no generated row: " in verdict.notes[0]
    assert "check" in verdict.notes[0].lower()


@pytest.mark.parametrize("database", MINIATURES)
def test_the_projects_own_seed_is_used_where_it_fits_first(
    project: Project, database: str
) -> None:
    project.add(database, "001_t", "CREATE TABLE t (a text);", "DROP TABLE t;")
    project.add(
        database,
        "002_u",
        "CREATE TABLE u (a text); CREATE TABLE v (a text);",
        "DROP TABLE u; DROP TABLE v;",
    )
    project.add(database, "003_gone", "DELETE FROM u;", "INSERT INTO u VALUES ('own');")
    seed = project.root / "sql" / database / "seed.sql"
    seed.write_text("INSERT INTO u VALUES ('own');\n")

    verdicts = prove(project, database)

    assert [v.problems for v in verdicts.values()] == [(), (), ()]
    # Three in t, made; one in u, the seed's; three in v, made.
    assert verdicts["002_u"].rows == 7

    seed.write_text("INSERT INTO nowhere VALUES (1);\n")
    problems = prove(project, database)["003_gone"].problems
    assert any("seed.sql: not all of it runs" in problem for problem in problems)


# -- the command --------------------------------------------------------------------


def test_the_command_prints_verdicts_and_counts(project: Project) -> None:
    write(project, "sqlite", SQLITE)

    printed = project.sqlpair("prove", "sqlite").stdout

    assert "sqlite 002_rebuild: proved (" in printed
    assert "Proved: 3 migrations, up, down and up on rows." in printed


def test_the_command_fails_when_a_migration_is_not_proved(project: Project) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (a text);", "-- nothing")

    printed = project.sqlpair("prove", "--json", expect=1).stdout

    assert '"proved": false' in printed
    assert "down: table t was added" in printed
