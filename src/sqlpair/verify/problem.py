"""A problem that verify found, as a person and a program read it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from sqlpair.errors import SqlpairError


class ProblemKind(StrEnum):
    """What was checked."""

    FILES = "files"
    VERSIONS = "versions"
    SCHEMA = "schema"
    ASSERTIONS = "assertions"
    REFERENCES = "references"


class Problem(NamedTuple):
    """One problem.

    ``database`` is empty where it is about the project as a whole. ``what`` is a
    sentence that names it, ``evidence`` are the lines that show it, ``remedy`` is the
    next move.
    """

    kind: ProblemKind
    database: str
    what: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""


def problem_of(kind: ProblemKind, database: str, error: SqlpairError) -> Problem:
    """The problem that ``error`` tells of."""
    return Problem(kind, database, error.what, error.evidence, error.remedy)
