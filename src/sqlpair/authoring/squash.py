"""Squash: one migration in the place of the first ones, for new databases.

What the first migrations of a database make is built in a scratch database, and
written as one pair with the number of the last of them; their files go. What it makes
is compared with what they made before anything is written. Rows are not carried over,
nor is what reaches beyond the schema: that is listed, for a person to decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlpair.authoring import scaffold
from sqlpair.authoring.file_changes import FileChanges
from sqlpair.authoring.snapshot import text_of
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report
from sqlpair.errors import HistoryError, StatementError, UsageError, amount, several
from sqlpair.project import imported, sql_file, squashed
from sqlpair.project.branches import Branch, branches
from sqlpair.project.migrations import Migration
from sqlpair.project.presence import exists
from sqlpair.project.revisions import module_path
from sqlpair.project.settings import Settings
from sqlpair.project.statement import Statement, excerpt
from sqlpair.revision import is_pair
from sqlpair.runner import revision_modules, scratch
from sqlpair.runner.migration import read_file
from sqlpair.runner.steps import Step
from sqlpair.schema.model import Schema, describe, difference

NAME = "squashed"
# What a description of the schema has no place for.
_BESIDE = frozenset(
    [
        *("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "COPY", "TRUNCATE", "WITH"),
        *("SELECT", "VALUES", "DO", "CALL", "EXECUTE", "REFRESH", "LOAD", "PRAGMA"),
        *("GRANT", "REVOKE", "REASSIGN", "SECURITY", "LOCK", "NOTIFY", "IMPORT"),
    ]
)
_OF_SERVER = frozenset(["ROLE", "USER", "GROUP", "DATABASE", "DEFAULT", "SYSTEM"])
_OWNED = "OWNER TO"
_IN_HEADER = frozenset(["USER_VERSION", "APPLICATION_ID"])
_UP = """\
-- The schema that {first} to {last} made, squashed.
-- Why: a new database begins with one file.
-- Locks: none that anybody waits for: what it makes is new.
-- Rollback loses: everything in these tables.
{replaced}
{text}
"""
_DOWN = """\
-- Undo {stem}: drop all that it made.
-- Why: back to an empty database.
-- Locks: every table, exclusive.
-- Loses: everything in these tables.

{text}
"""


class Squashed(NamedTuple):
    """One database's: what was replaced, by which pair, and what was left behind.

    ``beside`` are statements that the schema does not hold, ``kept`` what the new
    rollback leaves.
    """

    replaced: tuple[Migration, ...]
    into: Migration
    beside: tuple[str, ...]
    kept: tuple[str, ...]


def squash(settings: Settings, number: int, report: Report) -> tuple[Squashed, ...]:
    """Squash the migrations numbered ``number`` or lower of each database.

    UsageError where no database has two of them; HistoryError, and nothing is written,
    where what is made is not the same.
    """
    known = branches(settings)
    numbers = [item.number for branch in known for item in branch.migrations]
    if number not in numbers:
        raise UsageError(f"no migration has the number {number}")
    made = [
        _squashed(branch, branch.at(number), report)
        for branch in known
        if branch.at(number) > 1
    ]
    if not made:
        raise UsageError(
            f"there is nothing to squash up to {number:03}",
            [
                f"{branch.name}: {amount(branch.at(number), 'migration')}"
                for branch in known
            ],
        )
    with FileChanges("the migrations cannot be squashed") as files:
        for one, up, down in made:
            branch = next(b for b in known if b.name == one.into.database)
            for item in one.replaced:
                own = (item.up, item.down, item.verify, module_path(branch, item))
                for path in own:
                    if exists(path) or path.is_symlink():
                        files.remove(path)
            files.create(one.into.up, up.encode())
            files.create(one.into.down, down.encode())
            _name_imported(branch.database.sql, one, files)
        scaffold.write_revisions(settings)
    return tuple(one for one, _, _ in made)


def _name_imported(folder: Path, one: Squashed, files: FileChanges) -> None:
    """Let another tool's record of the last of them speak of what replaces it."""
    found = imported.read(folder)
    if found is None:
        return
    stems = [item.stem for item in one.replaced if item.stem in found.migrations]
    migrations = (
        {
            one.into.stem if stem == stems[-1] else stem: id_
            for stem, id_ in found.migrations.items()
            if stem not in stems[:-1]
        }
        if stems
        else found.migrations
    )
    text = imported.text(found._replace(migrations=migrations))
    files.replace(imported.path_in(folder), text)


def _squashed(
    branch: Branch, position: int, report: Report
) -> tuple[Squashed, str, str]:
    """Return what is to be written, compared with what is there."""
    replaced = branch.migrations[:position]
    steps = [Step(branch, item, upgrade=True) for item in replaced]
    using = [str(step) for step in steps if read_file(step).used]
    if using:
        raise HistoryError(
            f"{branch.name}: files with variables are not squashed",
            [several(using)],
            "What they make has the values of one environment. Nothing was changed.",
        )
    last = replaced[-1]
    digits = last.stem.partition("_")[0]
    into = last._replace(stem=f"{digits}_{NAME}")
    report(f"{branch.name}: building what the files make")
    with scratch.opened(branch, report) as opened:
        bare = opened.schema(0)
        wanted = opened.schema(position)
        text = text_of(driver_of(branch.database).schema_sql(opened.session)).strip()
    report(f"{branch.name}: building it again from one file")
    text += _filled(wanted)
    drops, kept = _tried(branch, into, text, bare, wanted, report)
    up = _UP.format(
        first=replaced[0].stem,
        last=last.stem,
        replaced=squashed.header(replaced),
        text=text,
    )
    down = _DOWN.format(stem=into.stem, text="\n".join(drops))
    one = Squashed(replaced, into, tuple(_beside(steps)), kept)
    return one, up, down


def _filled(wanted: Schema) -> str:
    """Return the statements that fill materialized views, which hold no rows else."""
    names = [
        key.name
        for key, described in wanted.items()
        if key.kind == "materialized view" and described.attributes.get("populated")
    ]
    refresh = "".join(f"\nREFRESH MATERIALIZED VIEW {name};" for name in names)
    return f"\n\nRESET search_path;\n{refresh}" if refresh else ""


def _tried(
    branch: Branch,
    into: Migration,
    text: str,
    bare: Schema,
    wanted: Schema,
    report: Report,
) -> tuple[Sequence[str], tuple[str, ...]]:
    """Run the text, compare, and drop all again; return how, and what stays."""
    driver = driver_of(branch.database)
    alone = branch._replace(migrations=(), repeatable=())
    with scratch.opened(alone, report) as opened:
        session = opened.session
        found = _run(branch, opened, into.up, text)
        if changes := difference(wanted, found):
            raise HistoryError(
                f"{branch.name}: one file would not make the same schema",
                [line for each in changes for line in describe(each).splitlines()],
                "Nothing was changed.",
            )
        with session.snapshot():
            drops = driver.droppable(session, everything=True)
        left = _run(branch, opened, into.down, "\n".join(drops))
    kept = tuple(describe(change) for change in difference(bare, left))
    return drops, kept


def _run(branch: Branch, opened: scratch.Scratch, path: Path, text: str) -> Schema:
    session = opened.session
    file = sql_file.parse(text.encode(), path, driver_of(branch.database).split)
    session.begin()
    try:
        session.run(sql_file.statements(file), path)
        session.check()
        session.commit()
    except StatementError as error:
        session.rollback()
        error.add("the schema in one file does not run; nothing was changed")
        raise
    with session.snapshot():
        return session.schema()


def _beside(steps: Sequence[Step]) -> Iterator[str]:
    """Name the statements that a schema does not hold."""
    modules = revision_modules.load(steps)
    for step, module in zip(steps, modules, strict=True):
        name = step.migration.up.name
        for statement in sql_file.statements(read_file(step)):
            if _is_beside(statement):
                yield f"{name}:{excerpt(statement.line, statement.text)}"
        if not is_pair(getattr(module, "upgrade", None)):
            yield f"{name}: its revision module does more than run it"


def _is_beside(statement: Statement) -> bool:
    first, *others = (*statement.words, "")
    if first in ("CREATE", "ALTER", "DROP"):
        owner = first == "ALTER" and _OWNED in statement.text.upper()
        return owner or bool(_OF_SERVER.intersection(others[:1]))
    return first in _BESIDE and not _IN_HEADER.intersection(others[:1])
