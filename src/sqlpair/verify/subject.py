"""A database as it was found: what it says of itself and what is in it, at one moment.

Reading creates nothing and holds nobody up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from sqlpair.databases.driver import driver_of, reading
from sqlpair.databases.interface import Report, Session
from sqlpair.ledger import record_tables, tables
from sqlpair.ledger.position import stated
from sqlpair.project import imported
from sqlpair.project.branches import Branch
from sqlpair.runner.steps import BranchStatus
from sqlpair.schema.model import Schema
from sqlpair.verify import bookkeeping

NOTHING: Schema = {}


class ReadDatabase(NamedTuple):
    """One database.

    Without a ``session`` there is no database yet. The schemas are empty where they
    were not asked for. ``own`` are its bookkeeping tables,
    ``theirs`` those of the tool that its history was imported from, ``properties`` what
    is compared beside the schema. ``position`` is what its version
    table says, or its ledger where that says nothing; None where neither names a
    position on the branch.
    """

    branch: Branch
    session: Session | None
    state: tables.Records
    schema: Schema
    own: Schema
    properties: Schema
    position: int | None
    theirs: Schema = NOTHING

    @property
    def name(self) -> str:
        """The database's name."""
        return self.branch.name

    @property
    def status(self) -> BranchStatus:
        """Where it is."""
        return BranchStatus(self.branch, self.state, self.position or 0)

    @property
    def unrecorded(self) -> bool:
        """Whether it holds something, and no record of any migration."""
        return not self.state.exist and any(key.kind == "table" for key in self.schema)


@contextmanager
def subjects(
    known: tuple[Branch, ...],
    report: Report,
    wanted: Collection[str] = (),
    *,
    privileges: bool = False,
) -> Iterator[dict[str, ReadDatabase]]:
    """Read every database; their sessions are open within the block.

    Those that are not ``wanted`` are asked for their records alone, unless none is.
    """
    with ExitStack() as resources:
        yield {
            branch.name: _read(
                branch,
                report,
                resources,
                wanted=not wanted or branch.name in wanted,
                privileges=privileges,
            )
            for branch in known
        }


def _read(
    branch: Branch,
    report: Report,
    resources: ExitStack,
    *,
    wanted: bool,
    privileges: bool,
) -> ReadDatabase:
    database = branch.database
    session = resources.enter_context(reading(database, report))
    if session is None:
        return ReadDatabase(branch, None, tables.EMPTY, {}, {}, {}, 0)
    # One moment: a deployment may commit between two reads.
    with session.snapshot():
        state = tables.read(session)
        driver = driver_of(database)
        found, properties = NOTHING, NOTHING
        # Without records, what there is says whether it should have some.
        if wanted or not state.exist:
            found = session.schema(bookkeeping=True)
            properties = driver.properties(session, privileges=privileges)
    schema, own = bookkeeping.split(found, driver.own(session))
    foreign = record_tables.names(imported.read(database.sql), schema)
    schema, theirs = bookkeeping.split(schema, foreign)
    position = stated(branch, state)
    return ReadDatabase(
        branch, session, state, schema, own, properties, position, theirs
    )


Subjects = Mapping[str, ReadDatabase]
