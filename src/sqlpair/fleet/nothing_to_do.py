"""Members with nothing to do: one query each, where another said the same of itself.

A service migrates at each of its starts, and hardly ever is there anything to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from sqlpair.databases.driver import reading, silent
from sqlpair.errors import LockError, SqlpairError
from sqlpair.runner.unfinished import restores

if TYPE_CHECKING:
    from sqlpair.project.settings import Database, Settings
    from sqlpair.runner.steps import BranchStatus

Said = tuple[object, ...]
Result = TypeVar("Result")


class NothingToDo(Generic[Result]):
    """What members said of themselves in which a job found nothing to do.

    Another one that says the same has nothing to do either: it is of the same files.
    """

    def __init__(self, job: str = ""):
        self._job = job
        self._results: dict[Said, Result] = {}

    def of(self, job: str) -> NothingToDo[Result]:
        """Return it, or an empty one where it was another job's."""
        return self if self._job == job else NothingToDo(job)

    def recall(self, settings: Settings) -> Result | None:
        """Return what was kept of one that says the same; None for nothing.

        LockError where somebody locks it.
        """
        if not self._results or restores(settings):
            return None
        try:
            (database,) = settings.databases
            said = _asked(database)
        except LockError:
            raise
        except SqlpairError:
            return None  # without a ledger, or with another one
        return self._results.get(said) if said else None

    def keep(self, status: BranchStatus, result: Result) -> None:
        """Keep what is said of a member in which nothing was to do."""
        if not status.undecided:
            self._results[_stated(status)] = result


def _asked(database: Database) -> Said | None:
    """Return what a database says of itself, as ``_stated`` has it.

    None where it is not there, or a transaction of it is in doubt. SqlpairError where
    it cannot be reached, or has another ledger.
    """
    with reading(database, silent) as session:
        if session is None:
            return None
        table, join = session.table, session.table.join
        there, undecided = session.look(table.names.repeatable)
        if undecided:
            return None
        repeated = "NULL"
        if there[table.names.repeatable]:
            repeated = (
                f"(SELECT {join}(name || ' ' || version || ' ' || checksum, ', ')"
                f" FROM (SELECT * FROM {table.repeatable} ORDER BY id) AS r)"
            )
        (row,) = session.rows(
            "SELECT"
            f" (SELECT {join}(version_num, ' ') FROM {table.version}) AS heads,"
            f" (SELECT {join}(version || ' ' || migration_name || ' ' ||"
            " COALESCE(checksum, ''), ', ') FROM (SELECT version, migration_name,"
            f" checksum FROM {table.ledger} ORDER BY version, id) AS l) AS applied,"
            f" (SELECT databases FROM {table.history} ORDER BY id DESC LIMIT 1)"
            f" AS last, {repeated} AS repeated",
            once=True,
        )
    return tuple(row[name] or "" for name in ("heads", "applied", "last", "repeated"))


def _stated(status: BranchStatus) -> Said:
    """Return what a database would say of itself.

    Its heads, what is applied, where its last transaction took it, what is repeated.
    """
    state = status.records
    last = (
        f"{database}={'base' if head is None else head}"
        for database, head in state.last.databases.items()
    )
    applied = (f"{row.number} {row.stem} {row.checksum}" for row in state.applied)
    repeated = (f"{row.name} {row.version} {row.checksum}" for row in state.repeated)
    return (
        " ".join(state.revisions),
        ", ".join(applied),
        " ".join(last),
        ", ".join(repeated),
    )
