"""SQLite's SQL files, run by hand as the documents promise, and with -bail.

``sqlite3 trades.db < file`` goes on after an error; ``sqlite3 -bail`` stops.
"""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).parents[2] / "sql" / "sqlite"
BASELINE, EXTEND = "000_baseline", "002_extend_trades_table"
ALICE, BOB = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "ab")

TRADE = {
    "strategyName": "trend",
    "instrument": "BTC",
    "side": "buy",
    "entryOrderId": "o1",
    "entryPrice": 1.5,
    "amount": 2,
    "stopLoss": 1,
    "takeProfit": 2,
    "entryTime": 1_760_000_000_000,
    "status": "open",
}

COLUMNS = """
    id TEXT PRIMARY KEY
    strategyName TEXT NOT NULL
    instrument TEXT NOT NULL
    side TEXT NOT NULL
    entryOrderId TEXT NOT NULL
    slOrderId TEXT
    tpOrderId TEXT
    entryPrice REAL NOT NULL
    exitPrice REAL
    amount REAL NOT NULL
    stopLoss REAL NOT NULL
    takeProfit REAL NOT NULL
    entryTime INTEGER NOT NULL
    exitTime INTEGER
    exitReason TEXT
    pnl REAL
    pnlPercentage REAL
    status TEXT NOT NULL
    metadata TEXT
"""

INDEXES = {
    "idx_trades_strategy": ["strategyName"],
    "idx_trades_instrument": ["instrument"],
    "idx_trades_status": ["status"],
    "idx_trades_entryTime": ["entryTime"],
    "idx_trades_exitReason": ["exitReason"],
}
USER_INDEXES = {
    "idx_trades_user": ["user_id"],
    "idx_trades_user_strategy_time": ["user_id", "strategyName", "entryTime DESC"],
}


class Database:
    """A file, with the sqlite3 shell for the files and Python for questions."""

    def __init__(self, path: Path):
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None)

    def shell(self, file: str, *options: str) -> subprocess.CompletedProcess[str]:
        with (FILES / f"{file}.sql").open() as script:
            return subprocess.run(
                ["sqlite3", "-init", "/dev/null", *options, self.path],
                stdin=script,
                capture_output=True,
                text=True,
                check=False,
            )

    def run(self, *files: str) -> None:
        for file in files:
            done = self.shell(file)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def ask(self, statement: str, *values: object) -> list[Any]:
        """Rows; of a single column, its values."""
        rows = self.connection.execute(statement, values)
        return [row[0] if len(row) == 1 else row for row in rows]

    def add_trade(self, id: object, **columns: object) -> None:  # noqa: A002
        row = {"id": id, **TRADE, **columns}
        self.ask(
            f"INSERT INTO trades ({', '.join(row)})"
            f" VALUES ({', '.join('?' * len(row))})",
            *row.values(),
        )

    def dump(self) -> list[str]:
        """Everything in it: schema and rows."""
        return list(self.connection.iterdump())

    def indexes(self) -> dict[str, list[str]]:
        found = {}
        for name in self.ask("SELECT name FROM sqlite_schema WHERE sql LIKE '%INDEX%'"):
            columns = self.ask(
                f"SELECT name, desc, key FROM pragma_index_xinfo('{name}')"
            )
            found[name] = [
                f"{column} DESC" if desc else column
                for column, desc, key in columns
                if key
            ]
        return found

    def problems(self, file: str) -> list[str]:
        """What each query of a verify file finds, in the file's order."""
        queries = statements_of(f"{file}_verify")
        return [problem for query in queries for _, problem in self.ask(query)]


def statements_of(file: str) -> list[str]:
    lines = (FILES / f"{file}.sql").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    return [statement for statement in text.split(";") if statement.strip()]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "trades.db")
    database.ask("PRAGMA journal_mode = WAL")
    with closing(database.connection):
        yield database


@pytest.fixture
def baseline(fresh: Database) -> Database:
    fresh.run(BASELINE)
    return fresh


@pytest.fixture
def migrated(baseline: Database) -> Database:
    baseline.run(EXTEND)
    return baseline


def with_python(database: Database, file: str) -> str:
    with closing(sqlite3.connect(database.path, timeout=0)) as connection:
        try:
            connection.executescript((FILES / f"{file}.sql").read_text())
        except sqlite3.Error as error:
            return str(error)
        return ""


# Each way in which people run a file; what it says on failure.
BY_HAND: dict[str, Callable[[Database, str], str]] = {
    "sqlite3": lambda database, file: database.shell(file).stderr,
    "sqlite3 -bail": lambda database, file: database.shell(file, "-bail").stderr,
    "python": with_python,
}
Run = Callable[[Database, str], str]
any_way = pytest.mark.parametrize("run", BY_HAND.values(), ids=BY_HAND)
stopping_at_errors = pytest.mark.parametrize(
    "run", [BY_HAND["sqlite3 -bail"], with_python], ids=["sqlite3 -bail", "python"]
)


def columns_of(database: Database) -> list[str]:
    found = database.ask(
        'SELECT name, type, "notnull", pk FROM pragma_table_info("trades")'
    )
    return [
        f"{name} {kind}{' NOT NULL' * required}{' PRIMARY KEY' * key}"
        for name, kind, required, key in found
    ]


@any_way
def test_baseline_makes_the_documented_table(fresh: Database, run: Run) -> None:
    assert run(fresh, BASELINE) == ""

    assert columns_of(fresh) == [line.strip() for line in COLUMNS.strip().splitlines()]
    assert fresh.indexes() == INDEXES


@any_way
def test_extend_adds_the_user_and_both_indexes(baseline: Database, run: Run) -> None:
    before = columns_of(baseline)

    assert run(baseline, EXTEND) == ""

    assert columns_of(baseline) == [*before, "user_id TEXT"]
    assert baseline.indexes() == {**INDEXES, **USER_INDEXES}


@any_way
def test_baseline_is_harmless_where_the_backend_made_the_table(
    migrated: Database, run: Run
) -> None:
    migrated.add_trade("t1", metadata='{"a": 1}', user_id=ALICE)
    before = migrated.dump()

    assert run(migrated, BASELINE) == ""

    assert migrated.dump() == before


def test_baseline_adds_an_index_that_production_lacks(baseline: Database) -> None:
    baseline.ask("DROP INDEX idx_trades_status")

    baseline.run(BASELINE)

    assert baseline.indexes() == INDEXES


@stopping_at_errors
def test_baseline_refuses_an_older_table_and_changes_nothing(
    fresh: Database, run: Run
) -> None:
    fresh.ask("CREATE TABLE trades (id INTEGER PRIMARY KEY, status, symbol)")
    fresh.ask("INSERT INTO trades VALUES (1, 'open', 'BTC')")
    before = fresh.dump()

    assert "no such column: strategyName" in run(fresh, BASELINE)

    assert fresh.dump() == before


@any_way
def test_extend_refuses_where_somebody_ran_it_already(
    migrated: Database, run: Run
) -> None:
    migrated.add_trade("t1", user_id=ALICE)
    before = migrated.dump()

    assert "duplicate column name: user_id" in run(migrated, EXTEND)

    assert migrated.dump() == before


@any_way
def test_baseline_rollback_refuses_rows_and_changes_nothing(
    baseline: Database, run: Run
) -> None:
    baseline.add_trade("t1")
    baseline.add_trade("t2")
    before = baseline.dump()

    assert "not dropped: trades has 2 row(s)" in run(baseline, f"{BASELINE}_rollback")

    assert baseline.dump() == before


@any_way
def test_baseline_rollback_takes_no_row_of_an_older_table(
    fresh: Database, run: Run
) -> None:
    fresh.ask("CREATE TABLE trades (symbol PRIMARY KEY) WITHOUT ROWID")
    fresh.ask("INSERT INTO trades VALUES ('BTC')")
    before = fresh.dump()

    assert "not dropped: trades has 1 row(s)" in run(fresh, f"{BASELINE}_rollback")

    assert fresh.dump() == before


@any_way
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_baseline_rollback_takes_no_row_on_its_way(
    baseline: Database, run: Run, mode: str
) -> None:
    baseline.ask(f"PRAGMA journal_mode = {mode}")
    baseline.ask("BEGIN EXCLUSIVE")
    baseline.add_trade("late")

    assert "database is locked" in run(baseline, f"{BASELINE}_rollback")

    baseline.ask("COMMIT")
    assert baseline.ask("SELECT id FROM trades") == ["late"]


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_row_that_comes_between_count_and_drop_is_kept(
    baseline: Database, mode: str
) -> None:
    baseline.ask(f"PRAGMA journal_mode = {mode}")
    baseline.ask("PRAGMA busy_timeout = 0")
    begin, count, *rest = statements_of(f"{BASELINE}_rollback")
    with closing(
        sqlite3.connect(baseline.path, timeout=0, isolation_level=None)
    ) as rollback:
        rollback.execute(begin)
        rollback.execute(count)
        with suppress(sqlite3.OperationalError):
            baseline.add_trade("between")
        kept = baseline.ask("SELECT id FROM trades")
        with suppress(sqlite3.OperationalError):
            for statement in rest:
                rollback.execute(statement)

    assert kept == (["between"] if mode == "wal" else [])
    if kept:
        assert baseline.ask("SELECT id FROM trades") == kept


@any_way
def test_rollbacks_leave_no_trace(fresh: Database, run: Run) -> None:
    fresh.ask("CREATE VIEW report AS SELECT strategyName, pnl FROM trades")
    empty = fresh.dump()
    fresh.run(BASELINE)
    fresh.ask("CREATE TABLE log (trade TEXT)")
    fresh.ask(
        "CREATE TRIGGER note AFTER INSERT ON trades"
        " BEGIN INSERT INTO log VALUES (new.id); END"
    )
    fresh.add_trade("t1", metadata='{"a": "; --"}')
    fresh.add_trade("t2", pnl=-0.1)
    fresh.ask("DELETE FROM trades WHERE id = 't1'")
    baseline = fresh.dump()
    rows = fresh.ask("SELECT rowid, * FROM trades")
    fresh.run(EXTEND)
    fresh.ask("UPDATE trades SET user_id = ?", ALICE)

    assert run(fresh, f"{EXTEND}_rollback") == ""
    assert fresh.dump() == baseline
    assert fresh.ask("SELECT rowid, * FROM trades") == rows

    fresh.ask("DROP TABLE log")
    fresh.ask("DELETE FROM trades")
    assert run(fresh, f"{BASELINE}_rollback") == ""
    assert fresh.dump() == empty


@stopping_at_errors
def test_extend_rollback_refuses_while_a_view_reads_the_user(
    migrated: Database, run: Run
) -> None:
    migrated.add_trade("t1", user_id=ALICE)
    migrated.ask("CREATE VIEW mine AS SELECT id FROM trades WHERE user_id = 'a'")
    before = migrated.dump()

    assert "no such column: user_id" in run(migrated, f"{EXTEND}_rollback")

    assert migrated.dump() == before


def test_an_id_of_digits_stays_text(migrated: Database) -> None:
    migrated.add_trade("t1", user_id=1234567890)
    migrated.add_trade("t2", user_id="007")

    assert migrated.ask("SELECT typeof(user_id) FROM trades") == ["text", "text"]
    assert migrated.ask("SELECT id FROM trades WHERE user_id = '007'") == ["t2"]


def test_one_users_trades_of_a_strategy_come_newest_first_without_sorting(
    migrated: Database,
) -> None:
    query = (
        "SELECT id FROM trades WHERE user_id = ? AND strategyName = ?"
        " ORDER BY entryTime DESC"
    )
    for time, name in enumerate(("old", "new", "newest")):
        migrated.add_trade(name, user_id=ALICE, entryTime=time)
        migrated.add_trade(f"{name} of bob", user_id=BOB, entryTime=time)

    plan = migrated.ask(f"EXPLAIN QUERY PLAN {query}", ALICE, "trend")

    assert [step[3] for step in plan] == [
        "SEARCH trades USING INDEX idx_trades_user_strategy_time"
        " (user_id=? AND strategyName=?)"
    ]
    assert migrated.ask(query, ALICE, "trend") == ["newest", "new", "old"]


def test_verify_finds_nothing_in_sound_rows(migrated: Database) -> None:
    migrated.add_trade("from before there were users")
    migrated.add_trade("t1", user_id=ALICE, metadata='{"why": null}', exitTime=9)

    assert migrated.problems(BASELINE) == []
    assert migrated.problems(EXTEND) == []


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"id": None}, "id is missing"),
        (
            {"entryTime": "now"},
            "entryTime is not a whole number of milliseconds: 'now'",
        ),
        ({"exitTime": 1.5}, "exitTime is not a whole number of milliseconds: 1.5"),
        ({"metadata": "{'a': 1}"}, "metadata is not JSON"),
    ],
)
def test_verify_finds_each_problem_of_trades(
    baseline: Database, columns: dict[str, object], problem: str
) -> None:
    baseline.add_trade("sound")
    baseline.add_trade(**{"id": "t1", **columns})

    assert baseline.problems(BASELINE) == [problem]


@pytest.mark.parametrize(
    "user",
    ["", " ", "alice", ALICE.upper(), f"{ALICE} ", f"{{{ALICE}}}", ALICE[1:], "-" * 36],
)
def test_verify_finds_a_user_that_is_no_uuid(migrated: Database, user: str) -> None:
    migrated.add_trade("sound", user_id=BOB)
    migrated.add_trade("t1", user_id=user)

    assert migrated.problems(EXTEND) == [
        f"user_id is not a uuid in lower case: '{user}'"
    ]


def test_verify_finds_a_user_that_is_not_text(migrated: Database) -> None:
    migrated.add_trade("t1", user_id=b"\xaa")

    assert migrated.problems(EXTEND) == ["user_id is stored as blob, not as text"]
