"""What ``sqlpair new`` lays down: filled in, it lints, runs on rows, and is proved."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Project
from mutants import mutated
from sqlpair.authoring import scaffold
from sqlpair.errors import UsageError
from sqlpair.lint import lint
from sqlpair.project.migrations import Migration
from sqlpair.prove.proof import prove
from sqlpair.prove.trial import Verdict

HEADER = "-- Make.\n-- Why: a test.\n-- Locks: none.\n-- Rollback loses: all.\n"
POSTGRES = HEADER + (
    "CREATE TABLE books (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text);\n"
)
SQLITE = (
    HEADER
    + """\
CREATE TABLE books (
    id    INTEGER PRIMARY KEY,
    title TEXT
);
CREATE INDEX by_title ON books (title);
CREATE TABLE loans (
    book INTEGER NOT NULL REFERENCES books (id) ON DELETE CASCADE,
    day  TEXT NOT NULL,
    PRIMARY KEY (book, day)
);
CREATE INDEX loans_book ON loans (book);
CREATE TRIGGER no_blank BEFORE INSERT ON books WHEN NEW.title = ''
BEGIN
    SELECT RAISE(ABORT, 'blank');
END;
CREATE VIEW titles AS SELECT title FROM books;
"""
)
TRIGGER = SQLITE[SQLITE.index("CREATE TRIGGER") : SQLITE.index("CREATE VIEW")]


def nobody(_line: object) -> None:
    pass


@pytest.fixture
def books(project: Project) -> Project:
    project.add("postgres", "001_books", POSTGRES, "DROP TABLE books;\n")
    project.add(
        "sqlite", "002_books", SQLITE, "DROP VIEW titles; DROP TABLE loans, books;\n"
    )
    (project.root / "sql/sqlite/002_books_rollback.sql").write_text(
        "DROP VIEW titles;\nDROP TABLE loans;\nDROP TABLE books;\n"
    )
    return project


def fill(item: Migration, *swaps: tuple[str, str]) -> None:
    """Fill a skeleton in as a person would."""
    for path in (item.up, item.down):
        text = path.read_text()
        assert "{" not in text
        for old, new in (
            ("Why: …", "Why: a test."),
            ("Locks: …", "Locks: the table."),
            ("oses: …", "oses: nothing."),
            ("the_table", "books"),
            ("the_column", "title"),
            ("the_view", "titles"),
            ("the_index", "by_title"),
            *swaps,
        ):
            text = text.replace(old, new)
        path.write_text(text)


def uncomment(text: str, *beginnings: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(
        line.removeprefix("-- ")
        if line.removeprefix("-- ").startswith(beginnings)
        else line
        for line in lines
    )


def proved(project: Project, database: str) -> Verdict:
    *_, verdict = prove(project.settings, [database], nobody, nobody)
    return verdict


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_backfill_fills_every_row_in_batches_and_goes_back(
    books: Project, database: str
) -> None:
    books.upgrade()
    query = books.pg if database == "postgres" else books.lite
    if database == "postgres":
        query("INSERT INTO books (title) SELECT NULL FROM generate_series(1, 150000)")
        query("INSERT INTO books (title) VALUES ('own')")
    else:
        query(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
            " WHERE i < 250000) INSERT INTO books (id) SELECT i FROM n"
        )
        query("INSERT INTO books VALUES (1000000, 'own')")
    total = query("SELECT count(*) FROM books")
    item = scaffold.new(books.settings, database, "fill title", "backfill")
    fill(item)

    books.upgrade()
    counts = "SELECT title, count(*) FROM books GROUP BY title ORDER BY 2"
    assert query(counts) == [("own", 1), ("the value", total[0][0] - 1)]

    told = books.alembic("downgrade", f"{database}@-1", expect=1).stderr
    assert "values of" in told  # what was filled in counts as data
    books.alembic("-x", "allow-data-loss=true", "downgrade", f"{database}@-1")
    assert query(counts) == [("own", 1), (None, total[0][0] - 1)]

    assert lint(books.settings, [item.up, item.down]) == ()
    assert proved(books, database).problems == ()
    *_, count = mutated(books.settings, database).values()
    assert count.missed == ()
    assert count.caught > 0


def test_a_backfill_that_was_cut_short_goes_on_where_it_stopped(books: Project) -> None:
    books.upgrade()
    books.pg("INSERT INTO books (title) SELECT NULL FROM generate_series(1, 150000)")
    # From the second batch on, each row fails.
    books.pg(
        "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " IF OLD.ctid >= '(500,0)' THEN RAISE 'cut short'; END IF; RETURN NEW; END$$;"
        " CREATE TRIGGER stop BEFORE UPDATE ON books"
        " FOR EACH ROW EXECUTE FUNCTION stop();"
    )
    fill(scaffold.new(books.settings, "postgres", "fill title", "backfill"))

    assert "cut short" in books.sqlpair("migrate", expect=1).stderr
    ((filled,),) = books.pg("SELECT count(*) FROM books WHERE title IS NOT NULL")
    assert 0 < filled < 150000

    books.pg("DROP TRIGGER stop ON books")
    books.upgrade()
    assert books.pg("SELECT count(*) FROM books WHERE title IS NULL") == [(0,)]


@pytest.mark.parametrize("autoincrement", [False, True])
def test_rebuild_keeps_rows_children_and_all_that_hangs_on_the_table(
    books: Project, autoincrement: bool
) -> None:
    first = books.root / "sql/sqlite/002_books.sql"
    key = "INTEGER PRIMARY KEY" + " AUTOINCREMENT" * autoincrement
    first.write_text(first.read_text().replace("INTEGER PRIMARY KEY", key, 1))
    books.upgrade()
    books.lite("INSERT INTO books VALUES (1, 'Emma'), (2, 'Ulysses'), (9, 'gone')")
    books.lite("DELETE FROM books WHERE id = 9")
    books.lite("INSERT INTO loans VALUES (1, 'Monday'), (2, 'Friday')")
    item = scaffold.new(books.settings, "sqlite", "require title", "rebuild")
    fill(item, ("id         INTEGER PRIMARY KEY", f"id    {key}"))
    beginnings = ["CREATE INDEX", "CREATE VIEW", "DROP VIEW"]
    if autoincrement:
        beginnings += ["DELETE FROM sqlite_seq", "INSERT INTO sqlite_seq", "SELECT '"]
    for path in (item.up, item.down):
        text = uncomment(path.read_text(), *beginnings)
        path.write_text(text.replace("CREATE INDEX", f"{TRIGGER}CREATE INDEX"))
    rows = {
        table: books.lite(f"SELECT * FROM {table}")
        for table in ("books", "loans", "titles")
    }
    before = books.schema("sqlite")

    books.upgrade()

    assert {table: books.lite(f"SELECT * FROM {table}") for table in rows} == rows
    assert books.lite("PRAGMA foreign_key_check") == []
    with pytest.raises(Exception, match="NOT NULL"):
        books.lite("INSERT INTO books VALUES (5, NULL)")
    with pytest.raises(Exception, match="blank"):
        books.lite("INSERT INTO books VALUES (5, '')")
    hanging = (
        "SELECT type, name FROM sqlite_master WHERE tbl_name IN ('books', 'titles')"
    )
    assert set(books.lite(hanging)) >= {
        ("index", "by_title"),
        ("trigger", "no_blank"),
        ("view", "titles"),
    }
    if autoincrement:
        assert books.lite("SELECT * FROM sqlite_sequence") == [("books", 9)]

    books.downgrade("sqlite@-1")
    assert books.schema("sqlite") == before
    assert {table: books.lite(f"SELECT * FROM {table}") for table in rows} == rows

    assert lint(books.settings, [item.up, item.down]) == ()


def test_a_rebuild_is_proved(books: Project) -> None:
    """Where every row can go through it, as after a backfill."""
    (books.root / "sql/sqlite/seed.sql").write_text(
        "INSERT INTO books VALUES (1, 'Emma'), (2, 'Ulysses');\n"
        "INSERT INTO loans VALUES (1, 'Monday');\n"
    )
    item = scaffold.new(books.settings, "sqlite", "require title", "rebuild")
    fill(item)
    for path in (item.up, item.down):
        text = uncomment(path.read_text(), "CREATE INDEX", "CREATE VIEW", "DROP VIEW")
        path.write_text(text.replace("CREATE INDEX", f"{TRIGGER}CREATE INDEX"))

    assert proved(books, "sqlite").problems == ()
    *_, count = mutated(books.settings, "sqlite").values()
    assert count.missed == ()
    assert count.caught > 5


def test_lint_asks_for_a_header_until_the_skeleton_is_filled_in(books: Project) -> None:
    for database, template in (
        ("postgres", "plain"),
        ("postgres", "backfill"),
        ("sqlite", "plain"),
        ("sqlite", "backfill"),
        ("sqlite", "rebuild"),
    ):
        item = scaffold.new(books.settings, database, "a step", template)

        path = item.up.relative_to(books.root).as_posix()
        found = [one for one in lint(books.settings, [item.up]) if one.path == path]
        assert [one.rule for one in found].count("header-line-missing") == 3
        first, why, *_ = item.up.read_text().splitlines()
        assert (first, why) == ("-- A step.", "-- Why: …")
        assert item.down.read_text().startswith(f"-- Undo {item.stem}.\n")


def test_a_migration_that_nobody_has_written_yet_is_applied_and_told(
    books: Project,
) -> None:
    books.add("sqlite", "003_nothing", "-- Nothing.\n-- Why: the number was taken.\n")
    item = scaffold.new(books.settings, "sqlite", "later", "plain")

    told = books.sqlpair("migrate").stderr

    assert "sqlite 004_later: 004_later.sql has no statement yet" in told
    assert "003_nothing.sql" not in told
    assert books.applied("sqlite") == ["002_books", "003_nothing", "004_later"]
    assert "004_later.sql has no statement yet" in books.log

    books.sqlpair("rollback", "--to", "3")
    item.up.write_text(item.up.read_text() + "CREATE TABLE later (id);\n")
    assert "no statement" not in books.sqlpair("migrate").stderr
    assert "later" in books.tables("sqlite")


def test_a_template_that_the_engine_has_not_is_refused_and_writes_nothing(
    books: Project,
) -> None:
    before = {*books.root.rglob("*")}

    with pytest.raises(UsageError, match="postgres has no template 'rebuild'") as found:
        scaffold.new(books.settings, "postgres", "a step", "rebuild")

    assert "backfill, plain" in str(found.value)
    with pytest.raises(UsageError, match="no template"):
        scaffold.new(books.settings, "sqlite", "a step", "../sqlite/plain")
    assert {*books.root.rglob("*")} == before


def test_the_command_takes_a_template(books: Project) -> None:
    printed = books.sqlpair("new", "sqlite", "n", "--template", "rebuild").stdout

    assert printed.splitlines()[0] == "sql/sqlite/003_n.sql"
    text = (books.root / "sql/sqlite/003_n.sql").read_text()
    assert "CREATE TABLE new_the_table" in text


def test_init_lays_down_no_skeletons(project: Project) -> None:
    files = {
        path.relative_to(project.root).as_posix()
        for path in project.root.rglob("*")
        if path.is_file()
    }
    assert files == {
        ".gitignore",
        "alembic.ini",
        "alembic/env.py",
        "alembic/script.py.mako",
    }


def test_make_new_takes_a_template() -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()

    assert "sqlpair new $(call with,TEMPLATE,--template) " in makefile
