"""What only many runs show: kill -9 at random moments, and twenty runs at once.

``make test-faults`` prints the counts, with as many kills as RUNS says.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections import Counter

from conftest import Project
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
        # Half before the run holds its locks, half after: else hardly any would meet
        # the commits.
        command, phase = found.total() % 2, found.total() // 2 % 2
        if killed(project, COMMANDS[command], phase, phases[command][phase]):
            found[state(project)] += 1
        deploy(project)
        rounds += 1
        assert_once(project, rounds)
        project.downgrade("base")

    print(f"\n{kills} kills at random moments of alembic upgrade and sqlpair migrate:")
    for what, number in found.most_common():
        print(f"{number:>6} {what}")
    print(
        f"After each, one more run: each of {LAST} migrations applied once, and tables,"
        "\nledger, version table and .env agree."
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


def is_locked(project: Project) -> bool:
    """Say whether a run holds its locks."""
    return bool(
        project.pg(
            "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
    )


def phases_of(project: Project, command: tuple[str, ...]) -> tuple[float, float]:
    """Return how long a run takes that nobody kills, until its locks and from them."""
    began = time.monotonic()
    process = begun(project, command)
    until(lambda: is_locked(project), "it holds its locks")
    locked = time.monotonic()
    assert process.wait() == 0
    ended = time.monotonic()
    project.downgrade("base")
    return locked - began, ended - locked


def killed(
    project: Project, command: tuple[str, ...], phase: int, seconds: float
) -> bool:
    """Kill a command at a random moment; say whether it had not ended before."""
    process = begun(project, command)
    if phase == 1:
        until(lambda: is_locked(project) or process.poll() is not None, "it has locks")
    time.sleep(random.uniform(0, seconds))
    process.kill()
    if process.wait() == 0:
        return False
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
    promised = project.pg("SELECT count(*) FROM pg_prepared_xacts") == [(1,)]
    return {
        (False, False, False): "before either database had committed",
        (False, False, True): "between PostgreSQL's promise and SQLite's commit",
        (False, True, True): "between SQLite's commit and PostgreSQL's",
        (True, True, False): "after both databases had committed",
    }[(*sides, promised)]


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
        holder = r"waiting for another deployment, pid \d+ \(sqlpair"
        assert all(re.search(holder, said) for said in waits)
        waited += len(waits)

    print(
        f"\n2 x {AT_ONCE} runs at once, on fresh and on existing databases: every exit"
        f" code 0,\neach of 6 migrations run once, {waited} runs waited and said for"
        " whom."
    )
