"""Committing several databases as one.

No database can ask another to commit, but one can be made to promise: PostgreSQL's
PREPARE TRANSACTION. So each database that can promises first, then those that cannot
(SQLite) commit, then the promises are kept. A run that dies

- before a promise was made leaves nothing;
- after the promises and before SQLite's commit leaves promises to take back;
- after SQLite's commit leaves promises to keep.

Which of the two it was is written in ``schema_history``, in the transaction itself;
``settle`` reads it and finishes, before anything else a later run does. Where
PostgreSQL allows no prepared transactions, the window between the two commits is all
that is left open: SQLite commits first, PostgreSQL next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from sqlpair import ledger
from sqlpair.drivers import Report, Session, driver_of
from sqlpair.settings import Settings

PREFIX = "sqlpair:"


def transaction_id(deployment: str, stage: int) -> str:
    """Name a stage's transaction; at most 200 bytes, as PostgreSQL wants it."""
    return f"{PREFIX}{deployment}/{stage}"


@contextmanager
def rolled_back(sessions: Sequence[Session]) -> Iterator[None]:
    """Undo every session's open transaction when the block raises."""
    try:
        yield
    except BaseException:
        for session in sessions:
            session.rollback()
        raise


def commit(sessions: Sequence[Session], transaction: str) -> None:
    """Commit every session's transaction, or none.

    What a commit would refuse is asked first, of every session.
    """
    for session in sessions:
        session.check()
    promised: list[Session] = []
    try:
        if len(sessions) > 1:
            promised.extend(s for s in sessions if s.prepare(transaction))
        # SQLite first: it cannot promise, so its commit is what decides.
        rest = [session for session in sessions if session not in promised]
        for session in sorted(rest, key=lambda s: s.can_prepare):
            session.commit()
    except BaseException:
        for session in promised:
            session.decide(transaction, commit=False)
        raise
    for session in promised:
        session.decide(transaction, commit=True)


def hold(
    settings: Settings, report: Report, resources: ExitStack
) -> dict[str, Session]:
    """Connect to all databases, lock them in their order, and settle what is open.

    The sessions close, and the locks are freed, with ``resources``.
    """
    sessions: dict[str, Session] = {}
    for database in settings.databases:
        session = driver_of(database).connect(database, read_only=False, report=report)
        assert session is not None
        resources.callback(session.close)
        sessions[database.name] = session
    for session in sessions.values():
        session.lock(report)
    settle(settings, sessions, report)
    return sessions


def settle(
    settings: Settings, sessions: Mapping[str, Session], report: Report
) -> tuple[str, ...]:
    """Keep or take back the promises of runs that died. Call it under the locks.

    Returns one sentence for each transaction settled.
    """
    settled = []
    for name, session in sessions.items():
        for transaction in session.prepared():
            if not transaction.startswith(PREFIX):
                continue
            landed = _landed(settings, sessions, transaction, name, report)
            session.decide(transaction, commit=landed)
            verb = "committed" if landed else "rolled back"
            sentence = f"{name}: {verb} what an interrupted deployment left open"
            settled.append(f"{sentence} ({transaction.removeprefix(PREFIX)})")
            report(settled[-1])
    return tuple(settled)


def _landed(
    settings: Settings,
    sessions: Mapping[str, Session],
    transaction: str,
    name: str,
    report: Report,
) -> bool:
    """Say whether any other database has committed ``transaction``."""
    for database in settings.databases:
        if database.name == name:
            continue
        session = sessions.get(database.name)
        if session is not None:
            if ledger.committed(session, transaction):
                return True
            continue
        other = driver_of(database).connect(database, read_only=True, report=report)
        if other is not None:
            try:
                if ledger.committed(other, transaction):
                    return True
            finally:
                other.close()
    return False
