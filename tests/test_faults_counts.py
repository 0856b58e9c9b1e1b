"""What only many runs show: kill -9 at random moments, and twenty runs at once.

``make test-faults`` prints the counts, with as many kills as RUNS says.
"""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter

from conftest import Project, connected
from faults import add, assert_at, at_once, deploy, until

COMMANDS = (("alembic", "upgrade", "heads"), ("sqlpair", "migrate"))
LAST = 6
AT_ONCE = 20


def test_each_migration_runs_once_however_often_its_run_is_killed(
    project: Project, kills: int
) -> None:
    (project.root / ".env").write_text("SCHEMA_VERSION=0\n")
    add(project, *range(1, LAST + 1))
    phases = [phases_of(project, command) for command in COMMANDS]
    rounds = len(COMMANDS)
    found: Counter[str] = Counter()

    while found.total() < kills:
        command, phase = found.total() % 2, found.total() // 2 % len(WAITED_FOR)
        condition, seconds = WAITED_FOR[phase], phases[command][phase]
        if killed(project, COMMANDS[command], condition, seconds):
            left = state(project)
            found[left] += 1
            deploy(project, "base")  # moves nothing of its own, and so only settles
            assert state(project) == SETTLED.get(left, left)
        deploy(project)
        rounds += 1
        assert_once(project, rounds)
        project.downgrade("base")

    print(f"\n{kills} kills at random moments of alembic upgrade and sqlpair migrate:")
    for what, number in found.most_common():
        print(f"{number:>6} {what}")
    print(
        "After each, the next command settled both databases to one side, and one more"
        f"\nrun had each of {LAST} migrations applied once; tables, ledger, version"
        " table and\n.env agree."
    )


def begun(project: Project, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Start a command as a person would."""
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=project.root,
        env=project.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


LOCKED = (
    "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    " WHERE locktype = 'advisory' AND datname = current_database()"
)
PROMISED = "SELECT 1 FROM pg_prepared_xacts"
# From when on a run is killed: its start, its locks, PostgreSQL's PREPARE. Else hardly
# any kill would meet the moments between the commits.
WAITED_FOR = ("SELECT 1", LOCKED, PROMISED)
BETWEEN_COMMITS = 0.004


def wait(project: Project, process: subprocess.Popen[bytes], condition: str) -> None:
    """Wait, without a pause, for a query to find something or a process to end."""
    with connected(project.dsn) as execute:
        while not execute(condition) and process.poll() is None:
            pass


def phases_of(project: Project, command: tuple[str, ...]) -> tuple[float, ...]:
    """Return in how many seconds from each condition on a run is to be killed."""
    began = time.monotonic()
    process = begun(project, command)
    wait(project, process, LOCKED)
    locked = time.monotonic()
    assert process.wait() == 0
    ended = time.monotonic()
    project.downgrade("base")
    return locked - began, ended - locked, BETWEEN_COMMITS


def killed(
    project: Project, command: tuple[str, ...], condition: str, seconds: float
) -> bool:
    """Kill a command at a random moment; say whether it had not ended before."""
    process = begun(project, command)
    wait(project, process, condition)
    time.sleep(random.uniform(0, seconds))
    process.kill()
    code = process.wait()
    if code == 0:
        return False
    assert code == -signal.SIGKILL, "it failed by itself"
    until(
        lambda: (
            not project.pg(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'sqlpair'"
            )
        ),
        "the server notices that its client is gone",
    )
    return True


def state(project: Project) -> str:
    """Say what a killed run has left: all of a database's migrations, or none."""
    sides = []
    for database in ("postgres", "sqlite"):
        tables = len(project.tables(database))
        assert tables in (0, LAST // 2), f"{database} has {tables} tables"
        sides.append(tables > 0)
    prepared = project.pg("SELECT count(*) FROM pg_prepared_xacts") == [(1,)]
    return STATES[(*sides, prepared)]


STATES = {
    # PostgreSQL's tables are there, SQLite's are, a prepared transaction is
    (False, False, False): "before either database had committed",
    (False, False, True): "between PostgreSQL's PREPARE and SQLite's commit",
    (False, True, True): "between SQLite's commit and PostgreSQL's",
    (True, True, False): "after both databases had committed",
}
BEFORE, PROMISE, DECIDED, AFTER = STATES.values()
SETTLED = {PROMISE: BEFORE, DECIDED: AFTER}


def assert_once(project: Project, rounds: int) -> None:
    """Assert that each migration is applied, and was once in each round."""
    assert_at(project, LAST)
    assert (project.root / ".env").read_text() == f"SCHEMA_VERSION={LAST}\n"
    for query in (project.pg, project.lite):
        counts = query(
            "SELECT count(*) FROM schema_history WHERE action = 'upgrade'"
            " GROUP BY migration_name"
        )
        assert counts == [(rounds,)] * (LAST // 2)
        ledger = query("SELECT count(*), count(DISTINCT version) FROM schema_version")
        assert ledger == [(LAST // 2, LAST // 2)]


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
