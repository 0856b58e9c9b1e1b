"""Committing several databases as one.

Two-phase commit. Each database that can prepare its transaction (PostgreSQL, with
PREPARE TRANSACTION) prepares it first, then those that cannot (SQLite) commit, then the
prepared transactions are committed. A run that dies

- before a transaction was prepared leaves nothing;
- after that and before SQLite's commit leaves prepared transactions to roll back;
- after SQLite's commit leaves prepared transactions to commit.

A prepared transaction whose run has died is in doubt. ``schema_history``, written in
the transaction itself, says which way it is to be resolved; ``recover`` reads it and
resolves it, before anything else a later run does.

Where PostgreSQL allows no prepared transactions, the window between the commits is
what is left open. There PostgreSQL commits first: its commit can be lost on the way,
and then SQLite waits until it is known what became of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import MappingProxyType

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Notice, Report, Session
from sqlpair.errors import CommitError, SqlpairError
from sqlpair.ledger import tables
from sqlpair.project.settings import Database, Settings
from sqlpair.signals import shielded

COMMITTED = "committed"
ROLLED_BACK = "rolled back"
OPEN = "left open; the next command that changes something ends it"
UNKNOWN = "not known to be committed: it could not be asked"


def transaction_id(deployment: str, stage: int) -> str:
    """Name a stage's transaction. Names sort by time, as deployments do."""
    return f"{deployment}/{stage}"


@contextmanager
def rolled_back(sessions: Sequence[Session]) -> Iterator[None]:
    """Undo every session's open transaction when the block raises."""
    try:
        yield
    except BaseException:
        for session in sessions:
            session.rollback()
        raise


def commit(
    sessions: Sequence[Session],
    transaction: str,
    *,
    prepare: bool = True,
    last: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Commit every session's transaction, or none.

    What a commit would refuse is asked first, of every session, behind the SQL that is
    the ``last`` of each database's transaction. With ``prepare``,
    UnpreparableError when a server will not prepare this one; nothing is committed
    then. CommitError when it is not the same everywhere, or not known to be.
    """
    for session in sessions:
        session.check(last.get(session.database.name, ""))
    with shielded():
        prepared = []
        if prepare and len(sessions) > 1:
            prepared = _prepare(sessions, transaction)
        rest = [session for session in sessions if session not in prepared]
        rest.sort(key=lambda session: not session.can_prepare)
        _commit(rest, prepared, transaction)


def _prepare(sessions: Sequence[Session], transaction: str) -> list[Session]:
    prepared: list[Session] = []
    for session in sessions:
        try:
            if session.prepare(transaction):
                prepared.append(session)
        except BaseException as error:
            for each in [*prepared, session]:
                if not _end(each, transaction, commit=False):
                    _tell(error, f"{each.database.name}: {OPEN}")
            raise
    return prepared


def _commit(
    rest: Sequence[Session], prepared: Sequence[Session], transaction: str
) -> None:
    """Commit ``rest``, whose commits decide, then end what was prepared accordingly."""
    outcomes: dict[str, str] = {}
    first: BaseException | None = None
    for session in rest:
        name = session.database.name
        if first is not None and COMMITTED not in outcomes.values():
            outcomes[name] = ROLLED_BACK
            continue
        try:
            session.commit()
            outcomes[name] = COMMITTED
        except BaseException as error:  # noqa: BLE001 - an interrupt, too
            first = first or error
            outcomes[name] = _read_back(session, transaction)
    if COMMITTED in outcomes.values() or not rest:
        decision = COMMITTED
    else:
        decision = UNKNOWN if UNKNOWN in outcomes.values() else ROLLED_BACK
    for session in prepared:
        ended = decision != UNKNOWN and _end(
            session, transaction, commit=decision == COMMITTED
        )
        outcomes[session.database.name] = decision if ended else OPEN
    everywhere = set(outcomes.values())
    if first is None and everywhere == {COMMITTED}:
        return
    if first is not None and everywhere == {ROLLED_BACK}:
        raise first
    known = first if isinstance(first, SqlpairError) else None
    raise CommitError(
        known.what if known else "the commit was interrupted",
        [
            *(known.evidence if known else ()),
            *(f"{name}: {outcome}" for name, outcome in outcomes.items()),
        ],
        "Run the command again: it finishes what is not finished.",
    ) from first


def _read_back(session: Session, transaction: str) -> str:
    try:
        session.reconnect()
        landed = tables.committed(session, transaction)
    except SqlpairError:
        return UNKNOWN
    return COMMITTED if landed else ROLLED_BACK


def _end(session: Session, transaction: str, *, commit: bool) -> bool:
    """End a prepared transaction; False when it is left for ``recover``."""
    # Twice: where the connection is lost on the way, only the server knows whether
    # it was done.
    for _ in range(2):
        with suppress(SqlpairError):
            session.reconnect()
            if transaction in session.prepared():
                session.decide(transaction, commit=commit)
            return True
    return False


def _tell(error: BaseException, *evidence: str) -> None:
    if isinstance(error, SqlpairError):
        error.add(*evidence)


def lock(
    databases: Iterable[Database],
    report: Report,
    resources: ExitStack,
    notice: Notice | None = None,
    opened: Mapping[str, Session] = MappingProxyType({}),
) -> dict[str, Session]:
    """Connect to ``databases`` and lock them, in the order given: always the same.

    Those that are ``opened`` already only change hands. The sessions close, and the
    locks are freed, with ``resources``. ``notice`` is called with what a server says of
    a file's statements, while they run.
    """
    sessions: dict[str, Session] = {}
    for database in databases:
        session = opened.get(database.name) or driver_of(database).connect(
            database, read_only=False, report=report
        )
        assert session is not None
        resources.callback(session.close)
        sessions[database.name] = session
    for session in sessions.values():
        session.lock(report, notice)
    return sessions


def hold(
    settings: Settings, report: Report, resources: ExitStack
) -> dict[str, Session]:
    """Lock all databases, and recover what is in doubt."""
    sessions = lock(settings.databases, report, resources)
    recover(sessions, report)
    return sessions


def recover(sessions: Mapping[str, Session], report: Report) -> tuple[str, ...]:
    """Resolve the transactions that runs which died have left in doubt.

    ``sessions`` are those of all databases, each with its deployment lock. Returns a
    sentence for each transaction resolved.
    """
    resolved = []
    for name, session in sessions.items():
        for transaction in session.prepared():
            landed = any(
                tables.committed(other, transaction)
                for other in sessions.values()
                if other is not session
            )
            session.decide(transaction, commit=landed)
            deployment = transaction.partition("/")[0]
            resolved.append(
                f"{name}: deployment {deployment} was interrupted; its part here is"
                f" {COMMITTED if landed else ROLLED_BACK} now"
            )
            report(resolved[-1])
    return tuple(resolved)
