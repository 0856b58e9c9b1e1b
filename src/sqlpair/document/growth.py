"""How a schema grew: what each migration did, seen on one way up.

The files are built once in a scratch database, and described at each position: what
one migration adds, changes and takes is the difference of two descriptions. Its locks
are those it holds before it commits; its rollback is tried right after it, and undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report
from sqlpair.databases.observer import Lock
from sqlpair.document.book import Origin, RollbackTrial, SchemaChange
from sqlpair.errors import SqlpairError, printable
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration
from sqlpair.project.presence import is_file
from sqlpair.runner import scratch
from sqlpair.runner.migration import Ready, Runner, read
from sqlpair.runner.steps import Step
from sqlpair.schema.model import (
    BEFORE,
    Change,
    ObjectKey,
    Schema,
    describe,
    difference,
    root,
)

RELATIONS = ("table", "foreign table", "virtual table", "view", "materialized view")
Origins = Mapping[ObjectKey, Origin]


@dataclass(frozen=True)
class Grown:
    """What one migration did. ``tables`` are those it touched, by name."""

    migration: Migration
    changes: tuple[SchemaChange, ...]
    tables: tuple[str, ...]
    locks: tuple[Lock, ...] | None
    rollback: RollbackTrial


@dataclass(frozen=True)
class Growth:
    """Of one database: the schema at head, and each migration in its order.

    ``origins`` holds, for each position from base on, where every object comes from;
    ``bare`` are the objects that an empty database has.
    """

    schema: Schema
    bare: frozenset[ObjectKey]
    migrations: tuple[Grown, ...]
    origins: tuple[Origins, ...]


def growth(branch: Branch, report: Report) -> Growth:
    """Build the files of ``branch`` once; SqlpairError where they do not run."""
    report(f"{branch.name}: building what the files make")
    with scratch.opened(branch, report) as opened:
        climb = _Climb(opened)
        for position, schema in opened.way_up(
            range(len(branch.migrations) + 1), climb.look
        ):
            climb.arrive(position, schema)
        return climb.result()


class _Climb:
    """The way up, position by position."""

    def __init__(self, opened: scratch.Scratch):
        self._opened = opened
        self._observer = driver_of(opened.branch.database).observer(opened.session)
        self._locks: tuple[Lock, ...] | None = None
        self._schema: Schema = {}
        self._bare: frozenset[ObjectKey] = frozenset()
        self._origins: list[Origins] = []
        self._grown: list[Grown] = []

    def look(self, ready: Ready) -> None:
        """See what a migration holds, before it commits."""
        self._locks = self._observer.strong() if ready.file.transactional else None

    def arrive(self, position: int, schema: Schema) -> None:
        """Compare with the position below."""
        before, self._schema = self._schema, schema
        if not position:
            self._bare = frozenset(schema)
            self._origins.append({})
        else:
            migration = self._opened.branch.migrations[position - 1]
            touched = _touched(before, schema)
            self._origins.append(self._origin(migration, before, schema, touched))
            tables = {*_tables(touched, schema), *_tables(touched, before)}
            changes = difference(before, schema)
            self._grown.append(
                Grown(
                    migration,
                    tuple(map(told, changes)),
                    tuple(sorted(tables)),
                    self._locks,
                    self._try_rollback(migration, before),
                )
            )
        self._locks = None
        self._observer.begin()

    def result(self) -> Growth:
        """Return what was seen."""
        return Growth(
            self._schema, self._bare, tuple(self._grown), tuple(self._origins)
        )

    def _origin(
        self,
        migration: Migration,
        before: Schema,
        schema: Schema,
        touched: frozenset[ObjectKey],
    ) -> Origins:
        """Where everything comes from, once ``migration`` has run."""
        origins = {
            key: origin for key, origin in self._origins[-1].items() if key in schema
        }
        # A table is changed where a part of it is, one that is gone among them.
        roots = {root(key, schema if key in schema else before) for key in touched}
        for key in touched | roots:
            if key not in schema:
                continue
            if key not in before:
                origins[key] = Origin(migration.stem)
            else:
                origin = origins.get(key, Origin())
                changes = (*origin.changes, migration.stem)
                origins[key] = replace(origin, changes=changes)
        return origins

    def _try_rollback(self, migration: Migration, before: Schema) -> RollbackTrial:
        session, branch = self._opened.session, self._opened.branch
        if not is_file(migration.down):
            return RollbackTrial(untried="there is none")
        try:
            (ready,) = read([Step(branch, migration, upgrade=False)])
            if not ready.file.transactional:
                return RollbackTrial(untried="not tried: it is -- no-transaction")
            runner = Runner(session)
            session.begin()
            try:
                runner.run(ready)
                session.check()
                below = session.schema()
            finally:
                session.rollback()
        except SqlpairError as error:
            return RollbackTrial(untried=f"it fails: {error.what}")
        lost = difference(self._schema, below)
        return RollbackTrial(
            tuple(f"{one.kind} {one.name}" for one in lost if _lost(one)),
            tuple(told(one).text for one in difference(before, below)),
        )


def told(change: Change) -> SchemaChange:
    """What was done, as a sentence."""
    if change.attribute is not None:
        return SchemaChange("~", describe(change, BEFORE))
    if change.actual:
        return SchemaChange("+", describe(change, BEFORE))
    return SchemaChange("-", printable(f"{change.kind} {change.name} was dropped"))


def _lost(change: Change) -> bool:
    """Whether rows or values go with it."""
    gone = change.attribute is None and not change.actual
    return gone and change.kind in ("table", "column", "materialized view")


def _touched(before: Schema, after: Schema) -> frozenset[ObjectKey]:
    """The objects that are in one alone, or that are another in the other."""
    return frozenset(
        key
        for key in before.keys() | after.keys()
        if key not in before
        or key not in after
        or {k: v for k, v in before[key].attributes.items() if v}
        != {k: v for k, v in after[key].attributes.items() if v}
    )


def _tables(keys: frozenset[ObjectKey], schema: Schema) -> set[str]:
    return {
        of.name
        for key in keys
        if key in schema and (of := root(key, schema)).kind in RELATIONS
    }
