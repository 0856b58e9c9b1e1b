"""A role from which policies hide rows: nothing is lost that it could not count."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conftest import Project, with_canary

ROLE = "narrow"
UP = """
CREATE TABLE note (id integer PRIMARY KEY, owner text, note text);
CREATE POLICY own ON note USING (owner = current_user);
ALTER TABLE note ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
"""
BINDING = (
    "The policies of the table (row-level security) hold for this role: connect as one"
    " that owns the table without FORCE ROW LEVEL SECURITY, or has BYPASSRLS."
)


@pytest.fixture
def bound(project: Project) -> Iterator[Project]:
    """The project run by a role that sees one of its own table's two rows."""
    ((database,),) = project.pg("SELECT current_database()")
    project.pg(
        f"CREATE ROLE {ROLE} LOGIN; GRANT ALL ON SCHEMA public TO {ROLE};"
        f" GRANT CREATE ON DATABASE {database} TO {ROLE}"
    )
    project.environ["DATABASE_URL"] = with_canary(project.dsn, user=ROLE)
    project.add("postgres", "001_note", UP)
    project.add("sqlite", "002_other", "CREATE TABLE other (id);")
    try:
        yield project
    finally:
        project.pg(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def rows(project: Project) -> list[tuple[object, ...]]:
    return project.pg("SELECT id, note FROM note ORDER BY id")


@pytest.mark.parametrize(
    "down",
    [
        "DELETE FROM note;",
        "UPDATE note SET note = 'c';",
        "TRUNCATE note;",
        "ALTER TABLE note DROP COLUMN note;",
        "ALTER TABLE note ALTER note TYPE varchar(1) USING left(note, 1);",
        "DROP TABLE note;",
        "ALTER TABLE note RENAME TO old; CREATE TABLE note AS SELECT * FROM old;"
        " DROP TABLE old;",
    ],
)
def test_rollback_whose_losses_a_policy_hides_is_refused(
    bound: Project, down: str
) -> None:
    bound.add("postgres", "003_next", "SELECT 1;", down)
    bound.upgrade()
    bound.pg("INSERT INTO note VALUES (1, 'narrow', 'a'), (2, 'other', 'b')")

    failure = bound.sqlpair("rollback", "--to", "2", "--yes", expect=1)

    words = " ".join(failure.stderr.split())
    assert "what public.note would lose cannot be counted" in words
    assert "rolled back: nothing was changed" in words
    assert BINDING in words
    assert rows(bound) == [(1, "a"), (2, "b")]
    assert bound.applied("postgres") == ["001_note", "003_next"]


def test_rollback_that_is_told_to_lose_them_goes_through(bound: Project) -> None:
    bound.add("postgres", "003_next", "SELECT 1;", "DELETE FROM note;")
    bound.upgrade()
    bound.pg("INSERT INTO note VALUES (1, 'narrow', 'a'), (2, 'other', 'b')")

    bound.sqlpair("rollback", "--to", "2", "--allow-data-loss", "--yes")

    assert rows(bound) == [(2, "b")]


def test_row_that_a_policy_does_not_let_be_written_is_told(bound: Project) -> None:
    bound.add("postgres", "003_next", "INSERT INTO note VALUES (3, 'other', 'c');")

    failure = bound.sqlpair("migrate", expect=1)

    words = " ".join(failure.stderr.split())
    assert 'new row violates row-level security policy for table "note"' in words
    assert BINDING in words


def test_plan_says_that_a_policy_hides_what_a_rollback_would_lose(
    bound: Project,
) -> None:
    bound.upgrade()
    bound.pg("INSERT INTO note VALUES (1, 'narrow', 'a'), (2, 'other', 'b')")
    bound.add("postgres", "003_next", "SELECT 1;", "DELETE FROM note;")

    told = bound.sqlpair("plan").stdout

    assert "rollback loses: nothing" not in told
    assert "what public.note would lose cannot be counted" in told
