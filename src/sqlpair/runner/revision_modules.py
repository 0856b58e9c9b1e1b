"""Load revision modules, and run what they hold besides their SQL pair."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from sqlpair import revision
from sqlpair.errors import HistoryError, SqlpairError
from sqlpair.project import sql_file
from sqlpair.project.read_once import once
from sqlpair.project.revisions import module_path, require, written

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

    from sqlpair.databases.interface import Session
    from sqlpair.runner.steps import Step

CHECKSUM = "__checksum__"
"""Under this name, a module that was loaded has that of its source."""
_uses_alembic = False  # whether one that was loaded may speak to Alembic's op


def load(steps: Sequence[Step]) -> list[ModuleType]:
    """Load the modules of ``steps`` and check that each says what its SQL file says.

    HistoryError names the module that is missing or differs.
    """
    for branch in {step.branch.name: step.branch for step in steps}.values():
        require(branch)
    modules = []
    for step in steps:
        if step.migration.repeatable:
            modules.append(of_pair(step))
            continue
        path = module_path(step.branch, step.migration)
        try:
            module = _load(path)
        except Exception as error:
            raise HistoryError(
                f"{step}: the revision module cannot be loaded",
                [str(path), *_evidence(error)],
            ) from error
        _check(step, module, path)
        modules.append(module)
    return modules


def of_pair(step: Step) -> ModuleType:
    """Return a module that runs the SQL file of ``step``, and nothing else."""
    module = ModuleType(step.migration.stem)
    path = f"sql/{step.branch.name}/{step.migration.stem}.sql"
    module.upgrade, module.downgrade = revision.pair(path)  # type: ignore[attr-defined]
    return module


def loaded(path: Path) -> ModuleType | None:
    """Load one, whatever it says; None where it cannot be."""
    try:
        return _load(path)
    except Exception:  # noqa: BLE001 - a module may raise anything
        return None


@once
def _load(path: Path) -> ModuleType:
    global _uses_alembic
    # Not by import: for thousands of modules that run once, its finders and its cache
    # of byte code take several times as long; to compile one still takes longer than
    # a migration.
    with path.open("rb", buffering=0) as file:
        source = file.readall()
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    if plain := written(source):
        module.__dict__.update(plain._asdict(), depends_on=None)
        module.upgrade, module.downgrade = revision.pair(plain.sql)  # type: ignore[attr-defined]
    else:
        if b"alembic" in source:
            importlib.import_module("alembic.op")  # see context()
        code = compile(source, path, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - as Alembic would
        _uses_alembic = _uses_alembic or "alembic.op" in sys.modules
    module.__dict__[CHECKSUM] = sql_file.checksum(source)
    return module


def context(session: Session) -> MigrationContext | None:
    """Return what Alembic's ``op`` speaks to in a module that does more than its pair.

    None where no module that was loaded can: to import Alembic takes long, and so does
    SQLAlchemy's first use of a connection. That ends a transaction: none may be open.
    """
    if not _uses_alembic:
        return None
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(session.alembic_connection())


@contextmanager
def _operations(context: MigrationContext | None) -> Iterator[None]:
    if context is None:
        yield
        return
    from alembic.operations import Operations

    with Operations.context(context):
        yield


def _check(step: Step, module: ModuleType, path: Path) -> None:
    below = step.below
    expected = {
        "revision": step.migration.revision,
        "down_revision": below.revision if below else None,
    }
    wrong = [
        f"{name} = {getattr(module, name, None)!r}, the SQL files say {value!r}"
        for name, value in expected.items()
        if getattr(module, name, None) != value
    ]
    if depends_on := getattr(module, "depends_on", None):
        wrong.append(f"depends_on = {depends_on!r}; {revision.ORDER}")
    if wrong:
        raise HistoryError(
            f"{step}: the revision module does not fit its place on the branch",
            [str(path), *wrong],
            "Number the SQL files in the order they are to run, one line for each"
            " database, and correct the module. Nothing has run.",
        )


def run(
    step: Step,
    module: ModuleType,
    context: MigrationContext | None,
    execute: Callable[[], None],
) -> None:
    """Call the module's upgrade() or downgrade(); ``execute`` runs the SQL file.

    ``context`` is what Alembic's ``op`` speaks to meanwhile. HistoryError when the
    module does not hand over its own pair exactly once.
    """
    own = (step.migration.file_name, step.direction)
    ran = 0

    def runner(path: str, direction: str) -> None:
        nonlocal ran
        if (path.rpartition("/")[2], direction) != own or ran:
            raise HistoryError(
                f"{step}: the revision module runs another SQL pair: {path}", remedy=say
            )
        ran += 1
        execute()

    name = f"sql/{step.branch.name}/{step.migration.file_name}"
    say = f'Let it say: upgrade, downgrade = pair("{name}")'
    with revision.running(runner), _operations(context):
        try:
            getattr(module, step.direction)()
        except SqlpairError:
            raise
        except Exception as error:
            raise HistoryError(
                f"{step}: the revision module failed",
                _evidence(error),
            ) from error
    if not ran:
        raise HistoryError(f"{step}: the revision module runs no SQL pair", remedy=say)


def _evidence(error: Exception) -> list[str]:
    lines = f"{type(error).__name__}: {error}".splitlines()
    return [line for line in lines if "(Background on this error" not in line]
