"""Read where every database is; create nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from sqlpair.databases.driver import reading
from sqlpair.databases.interface import Report, Session
from sqlpair.ledger import tables
from sqlpair.ledger.position import current
from sqlpair.project.branches import Branch
from sqlpair.runner.steps import BranchStatus


def survey(
    known: Sequence[Branch],
    report: Report,
    resources: ExitStack,
    *,
    locate: Callable[[Branch, tables.Records], int] = current,
    opened: dict[str, Session] | None = None,
) -> dict[str, BranchStatus]:
    """Read where every database is. Creates nothing.

    Connections to a server stay open until ``resources`` closes, and so does an
    embedded one. A file is let go: who has it open keeps it from leaving WAL mode.
    Unless ``opened`` takes its session, for who is about to lock it.
    """
    statuses = {}
    for branch in known:
        if branch.database.notice:
            report(branch.database.notice)
        with ExitStack() as read:
            session = read.enter_context(reading(branch.database, report))
            state = tables.read(session) if session else tables.EMPTY
            if session and (session.can_prepare or opened is not None):
                resources.push(read.pop_all())
                if opened is not None and not session.can_prepare:
                    opened[branch.name] = session
        statuses[branch.name] = BranchStatus(branch, state, locate(branch, state))
    return statuses
