"""Drift: where a database is not what its files build.

The files up to the recorded version run in a scratch database; what they make there
is compared with what is here, by catalogs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report
from sqlpair.errors import HistoryError, SqlFileError, StatementError
from sqlpair.ledger import record_tables
from sqlpair.project import imported
from sqlpair.project.imported import Imported
from sqlpair.runner import repeatable
from sqlpair.runner.built import Built, descriptions
from sqlpair.schema.model import (
    Change,
    ObjectKey,
    Schema,
    SchemaObject,
    describe,
    difference,
)
from sqlpair.verify import bookkeeping
from sqlpair.verify.problem import Problem, ProblemKind
from sqlpair.verify.subject import ReadDatabase
from sqlpair.verify.unbuilt import tell_later

OF_NO_OBJECT = {"pragma", "default privileges"}
_VERSION = ObjectKey("pragma", "user_version")
MEANT = (
    "If it is meant, put it into a new migration; if not, undo it by hand. What is"
    " another\nprogram's, add by kind and name to ignore in [tool.sqlpair] of"
    " pyproject.toml."
)
INVALID = (
    "A CREATE INDEX CONCURRENTLY failed, and left it unused: REINDEX INDEX CONCURRENTLY"
    " it,\nor drop it and create it again. One of a partitioned table is invalid until"
    " each partition\nhas its part."
)
NOT_VALIDATED = (
    "Rows that were there before may break it. Correct them, then: ALTER TABLE …"
    " VALIDATE CONSTRAINT …"
)
SWITCHED = (
    "Nothing enforces the constraint. Switch it on: ALTER TABLE {table} ENABLE TRIGGER"
    " ALL\nRows that were written meanwhile were not checked: to check them, drop the"
    " constraint and\nadd it again."
)


def check(
    subject: ReadDatabase,
    position: int,
    state: Path | None,
    ignore: Sequence[str],
    report: Report,
    *,
    privileges: bool = False,
) -> Iterator[Problem]:
    """Compare with what the files make up to ``position``; see ``built.py``."""
    try:
        assert subject.session is not None
        with subject.session.snapshot():
            texts = repeatable.applied(subject.status, subject.session)
        problems: list[Problem] = []
        for made in descriptions(
            *(subject.branch, position, texts, state, report, subject.session),
            privileges=privileges,
        ):
            problems = [*_compared(subject, made, ignore)]
            if not problems:
                break
    except (HistoryError, SqlFileError, StatementError) as error:
        if isinstance(error, StatementError):
            tell_later(subject.branch, error)
        yield Problem(
            ProblemKind.SCHEMA,
            subject.name,
            f"{subject.name}: not compared, for the files do not build a schema",
            (error.what, *error.evidence),
            error.remedy,
        )
        return
    yield from problems


def _compared(
    subject: ReadDatabase, made: Built, ignore: Sequence[str]
) -> Iterator[Problem]:
    assert subject.session is not None
    driver = driver_of(subject.branch.database)
    expected, own = bookkeeping.split(made.schema, driver.own(subject.session))
    yield from bookkeeping.check(subject.name, own, subject.own, ignore)
    came = imported.read(subject.branch.database.sql)
    expected, _ = bookkeeping.split(expected, record_tables.names(came, expected))
    records = record_tables.beside(came, subject.schema, expected)
    actual, _ = bookkeeping.split(subject.schema, records)
    common = expected.keys() & actual.keys()
    for change in (
        *difference(expected, actual, ignore),
        *beside(came, made.properties, subject.properties, common, ignore),
    ):
        sentence, *lines = describe(change).splitlines()
        yield Problem(
            ProblemKind.SCHEMA,
            subject.name,
            f"{subject.name}: {sentence}",
            tuple(line.removeprefix("  ") for line in lines),
            _remedy(change),
        )


def is_record(came: Imported | None, key: ObjectKey, expected: Schema) -> bool:
    """Whether a number in SQLite's header may be how far another program is.

    That is where many keep it who have no table; no file may set it then.
    """
    return bool(
        came
        and not came.table
        and key == _VERSION
        and expected.get(key) == SchemaObject({"value": "0"})
    )


def beside(
    came: Imported | None,
    expected: Schema,
    actual: Schema,
    common: Collection[ObjectKey],
    ignore: Sequence[str],
) -> tuple[Change, ...]:
    """Compare what is beside the schema; what is missing or extra is told already."""
    told = expected.keys() | actual.keys()
    keys = {
        key
        for key in told
        if key in common
        or (key.kind in OF_NO_OBJECT and not is_record(came, key, expected))
    }
    none = SchemaObject({})
    return difference(
        {key: expected.get(key, none) for key in keys},
        {key: actual.get(key, none) for key in keys},
        ignore,
    )


def _remedy(change: Change) -> str:
    match change.kind, change.attribute, change.actual:
        case ("index", "valid", None) | (_, "index state", "invalid"):
            return INVALID
        case "materialized view", "populated", None:
            return f"Fill it: REFRESH MATERIALIZED VIEW {change.name}"
        case "foreign key" | "check constraint", "valid", None:
            return NOT_VALIDATED
        case "table", "constraint triggers", _:
            return SWITCHED.format(table=change.name)
    return MEANT
