"""Snapshot: ``sql/<database>/schema.sql``, the schema at head, to be read in a diff.

A migration shows what changes; the snapshot shows what comes of it. It is made from
the files, in a scratch database, so it says nothing of anybody's own database. It
loads into an empty database and gives the same schema, but no migration reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report
from sqlpair.errors import UsageError
from sqlpair.project import atomic_write, sql_file
from sqlpair.project.branches import Branch, branches
from sqlpair.project.generated import GeneratedFile
from sqlpair.project.migrations import SNAPSHOT
from sqlpair.project.presence import exists
from sqlpair.project.settings import Settings
from sqlpair.runner import repeatable, scratch
from sqlpair.runner.migration import read

MARK = "Written by: sqlpair snapshot"
HEADER = f"""\
-- The schema that the migrations of {{name}} make.
-- To be read; no migration runs it. {MARK}"""


def snapshots(
    settings: Settings, report: Report, names: Collection[str] = ()
) -> tuple[GeneratedFile, ...]:
    """Make the snapshots of the databases called ``names``, all if there are none.

    Nothing is written. A database without migrations has none.
    """
    return tuple(
        _snapshot(branch, report)
        for branch in branches(settings, names)
        if branch.migrations or branch.repeatable
    )


def _snapshot(branch: Branch, report: Report) -> GeneratedFile:
    report(f"{branch.name}: building what the files make")
    with scratch.opened(branch, report) as opened:
        opened.build(len(branch.migrations))
        opened.repeat(read(repeatable.steps(branch)))
        statements = driver_of(branch.database).schema_sql(opened.session)
    path = branch.database.sql / SNAPSHOT
    wanted = f"{HEADER.format(name=branch.name)}{text_of(statements)}\n"
    found = None
    if exists(path) or path.is_symlink():  # which is refused
        # A Windows checkout is no stale one.
        found = sql_file.lenient(path).replace("\r\n", "\n")
    return GeneratedFile(path, wanted, found)


def text_of(statements: Sequence[str]) -> str:
    """An empty line before each, unless it is the next line of a list: indexes, say."""
    text, before = "", ""
    for statement in statements:
        listed = "\n" not in before + statement and _kind(before) == _kind(statement)
        text += ("\n" if listed else "\n\n") + statement
        before = statement
    return text


def _kind(statement: str) -> str:
    words = statement.replace(" UNIQUE ", " ").split(maxsplit=2)
    return words[0] if words[:1] == ["SET"] else " ".join(words[:2])


def write(made: Iterable[GeneratedFile]) -> None:
    """Write those that are stale; UsageError where somebody's own file is there."""
    for snapshot in made:
        if snapshot.found and MARK not in snapshot.found:
            raise UsageError(
                f"{snapshot.path} was not written by sqlpair snapshot",
                remedy="Move it away, and run it again. It was not changed.",
            )
        if snapshot.stale:
            atomic_write.put(snapshot.path, (snapshot.wanted or "").encode())
