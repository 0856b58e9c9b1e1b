"""A destination means what Alembic takes it for, on each database by itself."""

from __future__ import annotations

import warnings
from itertools import product
from pathlib import Path

import pytest
from alembic.script.revision import Revision, RevisionError, RevisionMap

from sqlpair.deploy.targets import Destination
from sqlpair.errors import HistoryError, SqlpairError, UsageError
from sqlpair.ledger import tables
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration
from sqlpair.project.settings import Database
from sqlpair.runner.steps import BranchStatus

LENGTH = 3
REVISIONS = ["", "head", "heads", "base", "pg_001", "pg_002", "pg_003"]
REVISIONS += ["pg_004", "pg_00", "nope"]
STEPS = ["", *(f"{sign}{n}" for sign in "+-" for n in range(5))]
# On its way to base, Alembic fails an assertion of its own or goes on from head.
ALEMBIC_TRIPS = {"head-3", "heads-3", "pg_001-1", "pg_002-2", "pg_003-3"}
ALEMBIC_TRIPS |= {f"base{steps}" for steps in STEPS if steps[1:] == "0" or "-" in steps}


def branch(name: str, length: int = LENGTH) -> Branch:
    folder = Path("sql") / name
    database = Database(
        name=name,
        driver="sqlite",
        variable=name.upper(),
        address=f"/{name}.db",
        parameters={},
        embedded=None,
        binaries=None,
        ledger_schema="public",
        sql=folder,
        versions=Path("versions") / name,
        lock_timeout=5,
        lock_wait=300,
    )
    numbers = range(1, length + 1)
    return Branch(
        database, tuple(Migration(name, n, f"{n:03}_x", folder) for n in numbers)
    )


def go(command: str, *arguments: str, **at: int) -> dict[str, int]:
    """Where ``arguments`` lead from the positions ``at``; each branch is of 3."""
    statuses = {
        name: BranchStatus(branch(name), tables.EMPTY, n) for name, n in at.items()
    }
    return dict(Destination(arguments, command, lambda _line: None)(statuses))


def alembics(command: str, destination: str, position: int) -> int | None:
    """The position that Alembic itself would go to; None where it refuses."""
    revisions = [
        Revision(
            f"pg_{n:03}",
            f"pg_{n - 1:03}" if n > 1 else None,
            branch_labels=("pg",) if n == 1 else None,
        )
        for n in range(1, LENGTH + 1)
    ]
    whole = RevisionMap(lambda: revisions)
    here = (f"pg_{position:03}",) if position else ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if command == "upgrade":
                way = whole.iterate_revisions(destination, here, implicit_base=True)
                return position + len(list(way))
            way = whole.iterate_revisions(here, destination, select_for_downgrade=True)
            return position - len(list(way))
        except (RevisionError, AssertionError):
            return None


@pytest.mark.parametrize("command", ["upgrade", "downgrade"])
@pytest.mark.parametrize("label", ["", "pg@"])
@pytest.mark.parametrize("position", range(LENGTH + 1))
def test_one_database_goes_where_alembic_would_go(
    command: str, label: str, position: int
) -> None:
    for revision, steps in product(REVISIONS, STEPS):
        destination = f"{label}{revision}{steps}"
        if not (revision or steps) or f"{revision}{steps}" in ALEMBIC_TRIPS:
            continue
        try:
            ours = go(command, destination, pg=position)["pg"]
        except SqlpairError:
            ours = None

        assert ours == alembics(command, destination, position), destination


def test_steps_from_a_place_may_lead_to_base() -> None:
    assert go("downgrade", "head-3", pg=3) == {"pg": 0}
    assert go("downgrade", "base+0", pg=3) == {"pg": 0}
    with pytest.raises(HistoryError, match="leads off the branch pg"):
        go("downgrade", "base-1", pg=3)


@pytest.mark.parametrize(
    "destination", ["+0", "-0", "pg@+0", "head@", "@head", "", " "]
)
def test_what_names_no_place_is_refused(destination: str) -> None:
    for command in ("upgrade", "downgrade", "stamp"):
        with pytest.raises(UsageError):
            go(command, destination, pg=1)


def test_steps_count_on_each_database_from_where_it_is() -> None:
    assert go("upgrade", "+1", pg=0, lite=2) == {"pg": 1, "lite": 3}
    assert go("downgrade", "-1", pg=1, lite=3) == {"pg": 0, "lite": 2}


def test_a_database_at_the_end_is_skipped_aloud_and_once() -> None:
    said: list[str] = []
    statuses = {
        "pg": BranchStatus(branch("pg"), tables.EMPTY, 0),
        "lite": BranchStatus(branch("lite"), tables.EMPTY, 2),
    }
    destination = Destination(("-1",), "downgrade", said.append)

    assert destination(statuses) == {"lite": 1}
    assert destination(statuses) == {"lite": 1}
    assert said == ["pg: at base already, skipped"]


def test_all_databases_at_the_end_are_an_error() -> None:
    with pytest.raises(HistoryError, match="pg and lite are at base already"):
        go("downgrade", "-1", pg=0, lite=0)
    with pytest.raises(HistoryError, match="lite is at head already"):
        go("upgrade", "lite@+1", pg=0, lite=LENGTH)


def test_too_many_steps_are_refused_for_all_when_one_has_too_few() -> None:
    with pytest.raises(HistoryError, match="1 of 3 migrations are applied"):
        go("downgrade", "-2", pg=3, lite=1)


def test_revision_concerns_its_database_alone() -> None:
    assert go("upgrade", "lite_002", pg=0, lite=0) == {"lite": 2}
    assert go("upgrade", "lite@lite_002", pg=0, lite=0) == {"lite": 2}
    with pytest.raises(HistoryError, match="no revision is called 'pg@lite_002'"):
        go("upgrade", "pg@lite_002", pg=0, lite=0)


def test_start_of_several_revisions_names_them() -> None:
    with pytest.raises(HistoryError, match=r"3 revisions start with 'lite'") as failure:
        go("upgrade", "lite", pg=0, lite_log=0)
    assert "lite_log_001, lite_log_002, lite_log_003" in str(failure.value)


def test_whole_revision_is_not_taken_for_the_start_of_another() -> None:
    longer = branch("pg")._replace(
        migrations=tuple(
            Migration("pg", n, f"{digits}_x", Path("sql/pg"))
            for n, digits in [(1, "001"), (10, "0010")]
        )
    )
    destination = Destination(("pg_001",), "upgrade", lambda _line: None)

    assert destination({"pg": BranchStatus(longer, tables.EMPTY, 0)}) == {"pg": 1}


def test_name_of_a_database_alone_says_what_to_write() -> None:
    with pytest.raises(UsageError, match="pg@head"):
        go("upgrade", "pg", pg=0, lite=0)


def test_unknown_database_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="databases: pg, lite"):
        go("upgrade", "mysql@head", pg=0, lite=0)


def test_downgrade_does_not_go_up() -> None:
    with pytest.raises(HistoryError, match="not below where the database is"):
        go("downgrade", "pg_002", pg=1)


def test_upgrade_does_not_go_down() -> None:
    assert go("upgrade", "pg_001", pg=3) == {"pg": 3}


@pytest.mark.parametrize(
    ("command", "steps"),
    [("upgrade", "-1"), ("downgrade", "+1"), ("stamp", "+1"), ("stamp", "-1")],
)
def test_steps_the_other_way_are_refused(command: str, steps: str) -> None:
    with pytest.raises(UsageError):
        go(command, steps, pg=1)


def test_stamp_takes_one_place_for_each_database() -> None:
    assert go("stamp", "pg_001", "lite_003", pg=3, lite=0) == {"pg": 1, "lite": 3}
    with pytest.raises(UsageError, match="pg is to go to another revision already"):
        go("stamp", "heads", "pg_001", pg=0, lite=0)
