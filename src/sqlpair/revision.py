"""What a revision module says: which SQL pair it stands for.

    upgrade, downgrade = pair("sql/postgres/001_create_users.sql")

The module holds no SQL. What runs it (``runner/revision_modules.py``, or
``alembic_commands/offline.py`` for ``--sql``) installs a
runner for the time of one step; the two callables hand their file to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from sqlpair.errors import HistoryError

Runner = Callable[[str, str], None]
_runner: ContextVar[Runner | None] = ContextVar("sqlpair_runner", default=None)


def pair(path: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return ``upgrade`` and ``downgrade`` for the SQL pair whose file is ``path``.

    ``path`` is relative to the folder of ``alembic.ini``.
    """

    def upgrade() -> None:
        _run(path, "upgrade")

    def downgrade() -> None:
        _run(path, "downgrade")

    return upgrade, downgrade


def is_pair(function: object) -> bool:
    """Say whether ``pair`` made it: it runs its file, and nothing else."""
    return getattr(function, "__module__", "") == __name__


@contextmanager
def running(runner: Runner) -> Iterator[None]:
    """Let ``runner`` execute the SQL pairs that revision modules name meanwhile."""
    token = _runner.set(runner)
    try:
        yield
    finally:
        _runner.reset(token)


def _run(path: str, direction: str) -> None:
    runner = _runner.get()
    if runner is None:
        raise HistoryError(
            f"{path} was asked to run outside a deployment",
            remedy="Let env.py be: from sqlpair.environment import run; run(context)",
        )
    runner(path, direction)
