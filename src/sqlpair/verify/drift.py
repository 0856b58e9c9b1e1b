"""Whether a database is what its files build.

The files up to the recorded version run in a scratch database; what they make there
is compared with what is here, by catalogs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlpair.databases.interface import Report
from sqlpair.errors import HistoryError, SqlFileError, StatementError
from sqlpair.runner import scratch
from sqlpair.schema.model import Change, describe, difference
from sqlpair.verify.problem import Kind, Problem
from sqlpair.verify.subject import Subject

MEANT = (
    "If it is meant, put it into a new migration; if not, undo it by hand. What is"
    " another\nprogram's, add by kind and name to ignore in [tool.sqlpair] of"
    " pyproject.toml."
)
INVALID = (
    "A CREATE INDEX CONCURRENTLY failed, and left it unused: REINDEX INDEX CONCURRENTLY"
    " it,\nor drop it and create it again."
)


def check(
    subject: Subject, position: int, ignore: Sequence[str], report: Report
) -> Iterator[Problem]:
    """Compare with what the files make up to ``position``."""
    try:
        with scratch.opened(subject.branch, report) as opened:
            opened.goal = position
            expected = opened.schema(position)
    except (HistoryError, SqlFileError, StatementError) as error:
        yield Problem(
            Kind.SCHEMA,
            subject.name,
            f"{subject.name}: not compared, for the files do not build a schema",
            (error.what, *error.evidence),
            error.remedy,
        )
        return
    for change in difference(expected, subject.schema, ignore):
        sentence, *lines = describe(change).splitlines()
        yield Problem(
            Kind.SCHEMA,
            subject.name,
            f"{subject.name}: {sentence}",
            tuple(line.removeprefix("  ") for line in lines),
            INVALID if _is_invalid_index(change) else MEANT,
        )


def _is_invalid_index(change: Change) -> bool:
    return (change.kind, change.attribute, change.actual) == ("index", "valid", None)
