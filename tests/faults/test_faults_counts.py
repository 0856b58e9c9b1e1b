"""What only many runs show: kill -9 at random moments, and twenty runs at once.

``make test-faults`` prints the counts, with as many kills of each kind as RUNS says.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import psycopg2
import pytest

from commands import become
from conftest import Project, connected, data_folder
from fault_injection import add, assert_at, at_once, at_rest, deploy, until
from sqlpair.databases import embedded
from sqlpair.verify import interrupted

COMMANDS = (("alembic", "upgrade", "heads"), ("sqlpair", "migrate"))
LAST = 6
AT_ONCE = 20
Kill = Callable[["Command"], bool]


class Command:
    """A command in a process of its own, forked: an import is no moment of interest."""

    def __init__(self, project: Project, words: tuple[str, ...]):
        self.said = project.root / "said"
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            code: Any = 1
            try:
                name, *arguments = words
                self.said.unlink(missing_ok=True)
                # pytest's rewriting of assertions has no code for runpy to run.
                sys.meta_path[:] = [
                    finder
                    for finder in sys.meta_path
                    if type(finder).__name__ != "AssertionRewritingHook"
                ]
                statuses = (str(project.root), os.devnull, str(self.said))
                become(name, *statuses, *arguments, env=project.environ)
                code = 0
            except SystemExit as end:
                code = end.code or 0
            finally:
                os._exit(code if isinstance(code, int) else 1)

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._reap(os.WNOHANG)

    def wait(self) -> int:
        """Wait for its end; return the exit code."""
        code = self._reap(0)
        assert code is not None
        return code

    def _reap(self, options: int) -> int | None:
        if self.code is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code


class State(NamedTuple):
    """What a killed run has left, as the databases' own tables show it."""

    postgres: int
    sqlite: int
    prepared: bool

    def __str__(self) -> str:
        half = LAST // 2
        if self.prepared:
            return (
                "between SQLite's commit and PostgreSQL's"
                if self.sqlite
                else "between PostgreSQL's PREPARE and SQLite's commit"
            )
        if (self.postgres, self.sqlite) == (0, 0):
            return "before either database had committed"
        if (self.postgres, self.sqlite) == (half, half):
            return "after both databases had committed"
        if (self.postgres, self.sqlite) == (half, 0):
            return "between PostgreSQL's commit and SQLite's"
        return f"after {self.postgres + self.sqlite} of {LAST} migrations"

    @property
    def interrupted(self) -> str:
        """What a reading command has to say of it, nothing where it is no fault."""
        if self.prepared:
            return "a transaction of an interrupted deployment is in doubt"
        if str(self) == "between PostgreSQL's commit and SQLite's":
            return "has reached postgres, but not sqlite: it was interrupted"
        return ""

    @property
    def resolved(self) -> State:
        """What becomes of it by a command that moves nothing itself."""
        return State(self.sqlite, self.sqlite, False) if self.prepared else self

    @property
    def applied(self) -> dict[str, list[str]]:
        """The migrations that are applied in each database."""
        counts = {"postgres": (1, self.postgres), "sqlite": (2, self.sqlite)}
        return {
            name: [f"{n:03}_t{n}" for n in range(first, first + 2 * count, 2)]
            for name, (first, count) in counts.items()
        }

    @property
    def version(self) -> int:
        """Every migration up to this number is applied."""
        numbers = {int(s[:3]) for stems in self.applied.values() for s in stems}
        return next(n for n in range(LAST + 1) if n + 1 not in numbers)


def state(project: Project) -> State:
    """Look into the databases. Transactions end whole: each table has its record."""
    counts = {}
    for database in ("postgres", "sqlite"):
        found = sorted(project.tables(database), key=lambda name: int(name[1:]))
        counts[database] = len(found)
    prepared = project.pg("SELECT gid FROM pg_prepared_xacts") != []
    left = State(counts["postgres"], counts["sqlite"], prepared)
    for database, stems in left.applied.items():
        assert project.tables(database) == {stem[4:] for stem in stems}
    repeated(project)
    return left


# A repeatable file of each database, which needs its last migration.
VIEWS = {
    "postgres": "CREATE OR REPLACE VIEW v5 AS SELECT id FROM t5;\n",
    "sqlite": "CREATE VIEW IF NOT EXISTS v6 AS SELECT id FROM t6;\n",
}


def add_views(project: Project) -> None:
    for database, text in VIEWS.items():
        folder = project.root / "sql" / database / "repeatable"
        folder.mkdir()
        (folder / f"v{database[0]}.sql").write_text(text)


def repeated(project: Project) -> set[str]:
    """Return the repeatable files that ran; each view is where its record is."""
    ran = set()
    for database, view, there, query in (
        ("postgres", "v5", "SELECT viewname FROM pg_views", project.pg),
        ("sqlite", "v6", "SELECT name FROM sqlite_master", project.lite),
    ):
        if database == "sqlite" and not project.file.exists():
            continue
        names = {row[0] for row in query(there)}
        made = "SELECT 1 FROM pg_tables WHERE tablename = 'schema_repeatable'"
        if query(made) if database == "postgres" else "schema_repeatable" in names:
            rows = query("SELECT name FROM schema_repeatable")
            assert len(rows) == (view in names)
            ran |= {f"repeatable/{row[0]}" for row in rows}
    return ran


def assert_told(project: Project, left: State) -> None:
    """Assert that each reading command says what ``left`` is, and nothing else."""
    env = (project.root / ".env").read_text() != f"SCHEMA_VERSION={left.version}\n"
    pending = {f"{n:03}_t{n}" for n in range(1, LAST + 1)}
    pending -= {stem for stems in left.applied.values() for stem in stems}

    def said(command: str, *, bad: bool) -> Any:
        return json.loads(project.sqlpair(command, "--json", expect=bad).stdout)

    def assert_named(problems: list[dict[str, Any]]) -> None:
        named = [one["what"] for one in problems if "interrupted" in one["what"]]
        assert len(named) == bool(left.interrupted), problems
        assert all(left.interrupted in what for what in named)
        assert len(problems) == bool(left.interrupted) + env, problems

    status = said("status", bad=env or bool(left.interrupted))
    assert_named(status["problems"])
    assert status["version"] == left.version
    for name, found in status["databases"].items():
        assert [one["migration"] for one in found["applied"]] == left.applied[name]
    version = said("version", bad=env or bool(left.interrupted or pending))
    assert version["version"] == left.version
    assert version["agree"] is not (env or bool(left.interrupted or pending))
    verified = said("verify", bad=env or bool(left.interrupted))
    assert_named(verified["problems"])
    for name, found in verified["databases"].items():
        assert found["head"] == (left.applied[name] or ["base"])[-1]
    *_, last = said("history", bad=False)
    assert (last["action"] == "interrupted") == bool(left.interrupted)
    assert left.interrupted in last["note"]
    if left.prepared:
        assert left.interrupted in project.sqlpair("plan", expect=1).stderr
        return
    plan = said("plan", bad=False)
    pending |= {"repeatable/vp", "repeatable/vs"} - repeated(project)
    assert {one["migration"] for one in plan["migrations"]} == pending
    assert left.interrupted in "\n".join(plan["notes"])
    (tracked,) = (a for a in plan["checklist"] if a["question"] == "version tracking")
    assert tracked["good"] is not (env or bool(left.interrupted))


LOCKED = (
    "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)
PREPARED = "SELECT 1 FROM pg_prepared_xacts"
COMMITTED = "SELECT 1 FROM pg_tables WHERE tablename = 't1'"
BETWEEN_COMMITS = 0.004


def kill_at_random(
    project: Project, kills: int, kill: Kill, third: str, what: str
) -> None:
    """Kill so many runs, and assert after each what is told and what a rerun does.

    A third of them from their start on, a third from when they hold their locks, and a
    third from ``third`` on. Else hardly any would meet the moments between the commits.
    """
    (project.root / ".env").write_text("SCHEMA_VERSION=0\n")
    add(project, *range(1, LAST + 1))
    add_views(project)
    conditions = ("SELECT 1", LOCKED, third)
    seconds = phases_of(project)
    rounds = 1
    found: Counter[str] = Counter()
    with mock.patch.object(interrupted, "PAUSE", 0):
        while found.total() < kills:
            # By rounds, not kills: what a slow machine misses is not waited for.
            number, phase = rounds % 2, rounds // 2 % len(conditions)
            command = Command(project, COMMANDS[number])
            wait(project, command, conditions[phase])
            time.sleep(random.uniform(0, seconds[phase]))
            if command.poll() is not None or not kill(command):
                seconds[phase] *= 0.8  # the machine is quicker than it was
            else:
                at_rest(project)
                left = state(project)
                found[str(left)] += 1
                assert_told(project, left)
                if left.prepared:
                    deploy(project, "base")  # moves nothing itself, so it only resolves
                    assert state(project) == left.resolved
            deploy(project)
            rounds += 1
            assert_once(project, rounds)
            project.downgrade("base")

    print(f"\n{kills} {what}:")
    for moment, times in found.most_common():
        print(f"{times:>6} {moment}")
    print(
        "After each, status, version, verify, plan and history told what was so, the"
        " next\ncommand resolved what was in doubt, and one more run had each of"
        f" {LAST} migrations\napplied once; tables, ledger, version table and .env"
        " agree."
    )


def wait(project: Project, command: Command, condition: str) -> None:
    """Wait, without a pause, for a query to find something or a process to end."""
    with connected(project.dsn) as execute:
        while not execute(condition) and command.poll() is None:
            pass


def phases_of(project: Project) -> list[float]:
    """Return in how many seconds from each condition on a run is to be killed."""
    began = time.monotonic()
    command = Command(project, COMMANDS[0])
    wait(project, command, LOCKED)
    locked = time.monotonic()
    assert command.wait() == 0, command.said.read_text()
    ended = time.monotonic()
    project.downgrade("base")
    return [locked - began, ended - locked, BETWEEN_COMMITS]


def assert_once(project: Project, rounds: int) -> None:
    """Assert that each migration is applied, and was once in each round."""
    assert_at(project, LAST)
    assert (project.root / ".env").read_text() == f"SCHEMA_VERSION={LAST}\n"
    for query in (project.pg, project.lite):
        counts = query(
            "SELECT count(*) FROM schema_history WHERE action = 'upgrade'"
            " GROUP BY migration_name"
        )
        assert counts == [(rounds,)] * (LAST // 2 + 1)  # and a repeatable file
        ledger = query("SELECT count(*), count(DISTINCT version) FROM schema_version")
        assert ledger == [(LAST // 2, LAST // 2)]


def kill_the_run(command: Command) -> bool:
    """Say whether it had not ended by itself."""
    os.kill(command.pid, signal.SIGKILL)
    code = command.wait()
    assert code in (0, -signal.SIGKILL), command.said.read_text()
    return code != 0


def test_each_migration_runs_once_however_often_its_run_is_killed(
    project: Project, kills: int
) -> None:
    what = "kills at random moments of alembic upgrade and sqlpair migrate"
    kill_at_random(project, kills, kill_the_run, PREPARED, what)


def test_each_migration_runs_once_however_often_one_in_its_own_transaction_is_killed(
    project: Project, kills: int
) -> None:
    project.configure("alembic", transaction="migration")
    what = "kills with transaction = migration"
    kill_at_random(project, kills, kill_the_run, COMMITTED, what)


def test_each_migration_runs_once_however_often_one_that_prepares_nothing_is_killed(
    unpreparing: Project, kills: int
) -> None:
    what = "kills with max_prepared_transactions = 0"
    kill_at_random(unpreparing, kills, kill_the_run, COMMITTED, what)


@pytest.fixture
def mortal(tmp_path: Path, clean_environment: None) -> Iterator[tuple[Project, Path]]:
    """A project, and the data folder of its own PostgreSQL."""
    with data_folder("mortal") as data:
        server = embedded.start(data)
        yield Project(tmp_path / "project", server.dsn), data
        embedded.stop(data)


def test_each_migration_runs_once_however_often_its_server_is_killed(
    mortal: tuple[Project, Path], kills: int
) -> None:
    project, data = mortal

    def kill(command: Command) -> bool:
        backends = serving(project)
        whole = random.random() < 0.5 or not backends
        noted = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        try:
            os.kill(noted if whole else random.choice(backends), signal.SIGKILL)
        except ProcessLookupError:  # the run has just left it
            command.wait()
            return False
        code = command.wait()
        assert code in (0, 1), command.said.read_text()
        if whole:
            embedded.start(data)
        until(lambda: answers(project), "the server recovers")
        assert code or str(state(project)) == "after both databases had committed"
        return True

    what = "kills of the server, whole or the process of one connection"
    kill_at_random(project, kills, kill, PREPARED, what)


def serving(project: Project) -> list[int]:
    """Return the server's processes that serve the run."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'sqlpair'"
    return [pid for (pid,) in project.pg(query)]


def answers(project: Project) -> bool:
    try:
        return project.pg("SELECT 1") == [(1,)]
    except psycopg2.OperationalError:
        return False


def test_twenty_runs_at_once_apply_each_migration_once(
    project: Project,
) -> None:
    waited = 0
    for numbers in (1, 2, 3, 4), (5, 6):  # fresh databases, then existing ones
        add(project, *numbers)

        ended = at_once(project, AT_ONCE)

        assert [code for code, _ in ended] == [0] * AT_ONCE, ended
        words = "\n".join(said for _, said in ended)
        ran = sorted(re.findall(r"^ran \w+ (\w+)", words, re.MULTILINE))
        assert ran == [f"{number:03}_t{number}" for number in numbers]
        assert_at(project, numbers[-1])
        waits = [said for _, said in ended if "waiting for" in said]
        holder = r"waiting for another deployment, pid \d+ \((sqlpair|ending\))"
        assert [said for said in waits if not re.search(holder, said)] == []
        waited += len(waits)

    print(
        f"\n2 x {AT_ONCE} runs at once, on fresh and on existing databases: every exit"
        f" code 0,\neach of 6 migrations run once, {waited} runs waited and said for"
        " whom."
    )
