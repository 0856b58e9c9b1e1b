"""Real faults to inject: a process that is killed, one that waits, one that is told."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from conftest import Project
from sqlpair.databases.driver import driver_of
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.runner.steps import Outcome


def deploy(
    project: Project, destination: str = "heads", command: str = "upgrade"
) -> tuple[Outcome, str]:
    """Deploy in this process; return the outcome, and what was said on the way."""
    said: list[str] = []
    target = Destination((destination,), command, said.append)
    outcome = deployment.deploy(project.settings, target, said.append)
    return outcome, "\n".join(said)


def forked(action: Callable[[], object]) -> int:
    """Start ``action`` in a process of its own; return its id."""
    child = os.fork()
    if child:
        return child
    try:
        with contextlib.suppress(BaseException):
            action()
    finally:
        os._exit(0)


def forked_to_the_end(action: Callable[[], object]) -> None:
    """Run ``action`` in a process of its own, and wait for it to succeed."""

    def reporting() -> None:
        action()
        os._exit(3)

    _, status = os.waitpid(forked(reporting), 0)
    assert os.waitstatus_to_exitcode(status) == 3, "it failed"


def become_nobody(seeing: Path) -> None:
    """Go on as who may read what all may, and the way to ``seeing``; once forked."""
    if os.geteuid() == 0:
        for folder in seeing.parents:
            if folder.stat().st_mode & 0o077 == 0:
                folder.chmod(0o711)
        os.seteuid(65534)


def at_once(project: Project, count: int) -> list[tuple[int, str]]:
    """Deploy in so many processes; return their exit codes, and what each one said.

    What it said ends with the steps it ran, or with its failure.
    """
    folder = project.root / "said"
    folder.mkdir(exist_ok=True)
    gate, opened = os.pipe()

    def action(number: int) -> None:
        os.close(opened)
        os.read(gate, 1)  # until the gate is closed: all begin together
        try:
            outcome, said = deploy(project)
        except BaseException as error:  # noqa: BLE001
            (folder / str(number)).write_text(f"{error!r}: {error}")
            os._exit(1)
        ran = "".join(f"\nran {step}" for step, *_ in outcome.done)
        (folder / str(number)).write_text(said + ran)

    children = [forked(partial(action, number)) for number in range(count)]
    os.close(gate)
    os.close(opened)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return [(code, (folder / str(n)).read_text()) for n, code in enumerate(codes)]


def killed(action: Callable[[], object]) -> None:
    """Run ``action`` in a process of its own, in which it gets itself killed."""
    _, status = os.waitpid(forked(action), 0)
    assert os.WIFSIGNALED(status), "it lived"
    assert os.WTERMSIG(status) == signal.SIGKILL


def dying(
    project: Project,
    owner: type,
    method: str,
    when: str,
    *arguments: str,
    call: int = 1,
    action: Callable[[], object] | None = None,
) -> None:
    """Deploy in a process that is killed before or after it calls a method.

    ``call`` counts: 2 is the second time. With ``action`` it does that instead.
    """
    original = getattr(owner, method)
    calls = 0

    def fatal(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **named)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def patched() -> None:
        with mock.patch.object(owner, method, fatal):
            action() if action else deploy(project, *arguments)

    killed(patched)


@contextlib.contextmanager
def holding(project: Project, name: str = "holder") -> Iterator[None]:
    """Hold PostgreSQL's deployment lock, over the project's present address."""
    database = project.settings.database("postgres")
    database = database._replace(
        parameters={**database.parameters, "application_name": name}
    )
    session = driver_of(database).connect(
        database, read_only=False, report=lambda _line: None
    )
    assert session is not None
    try:
        session.lock(lambda _line: None)
        yield
    finally:
        session.close()


def add(project: Project, *numbers: int) -> None:
    """Write migrations that make a table each; the odd ones are PostgreSQL's."""
    for number in numbers:
        project.add(
            "postgres" if number % 2 else "sqlite",
            f"{number:03}_t{number}",
            f"CREATE TABLE t{number} (id integer PRIMARY KEY);\n",
            f"DROP TABLE t{number};\n",
        )


def assert_at(project: Project, version: int) -> None:
    """Assert that ``add``'s migrations up to a number are applied, and no others.

    Tables, ledger and version table of both databases say the same.
    """
    for database, first in (("postgres", 1), ("sqlite", 2)):
        numbers = range(first, version + 1, 2)
        assert project.applied(database) == [f"{n:03}_t{n}" for n in numbers]
        assert project.tables(database) == {f"t{n}" for n in numbers}
        assert project.heads(database) == [f"{database}_{n:03}" for n in numbers[-1:]]
    assert project.pg("SELECT gid FROM pg_prepared_xacts") == []


def at_rest(project: Project) -> None:
    """Wait until the server has noticed that its clients are gone."""
    until(
        lambda: (
            not project.pg(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'sqlpair'"
            )
        ),
        "the server notices that its clients are gone",
    )


Found = TypeVar("Found")


def until(condition: Callable[[], Found], what: str) -> Found:
    """Wait for something that is bound to happen, however slow the machine is.

    Returns what ``condition`` has found.
    """
    for _ in range(2400):
        if found := condition():
            return found
        time.sleep(0.025)
    raise AssertionError(f"it did not happen: {what}")
