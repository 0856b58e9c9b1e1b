"""Renumber: give unreleased migrations the numbers behind the released ones.

Two people both took 003. What git has on the main branch keeps its number; what it
does not have follows, in its own order. SQL files, their mentions of themselves,
revision modules and the chain between them change together, or not at all.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from sqlpair.authoring.file_changes import FileChanges
from sqlpair.databases.driver import reading
from sqlpair.databases.interface import Report
from sqlpair.errors import ConnectError, HistoryError, UsageError
from sqlpair.ledger import tables
from sqlpair.lint import configuration
from sqlpair.project import git, imported, squashed
from sqlpair.project.branches import every_migration
from sqlpair.project.migrations import Migration
from sqlpair.project.presence import exists
from sqlpair.project.settings import Database, Settings

Asked: TypeAlias = Callable[[Database], Iterable[Database]]


class Move(NamedTuple):
    """A migration, and what it is to be called."""

    old: Migration
    new: Migration


def renumber(
    settings: Settings,
    report: Report,
    file: Path | None = None,
    asked: Asked = lambda database: [database],
) -> tuple[Move, ...]:
    """Renumber what needs it, or the migration that ``file`` belongs to.

    ``asked`` are the databases of a declared one: the members of a fleet.
    Returns what was moved, nothing where every number is right. UsageError when git
    cannot say what is released and no file is named; HistoryError for a migration
    that is released, or applied in a database that can be reached.
    """
    everything = every_migration(settings)
    if file is None:
        moves = _behind(settings, everything)
    else:
        moves = _last(settings, everything, file)
    if moves:
        _refuse_applied(settings, [move.old for move in moves], report, asked)
        _write(settings, everything, moves)
    return moves


def _order(item: Migration) -> tuple[int, str, str]:
    return (item.number, item.database, item.stem)


def _behind(settings: Settings, everything: Sequence[Migration]) -> tuple[Move, ...]:
    """Number what is unreleased behind what is released, in its own order."""
    on_main = _released(settings)
    if on_main is None:
        raise UsageError(
            "git does not say which migrations are released",
            remedy="Name the one to move: sqlpair renumber sql/<database>/NNN_name.sql",
        )
    fixed = [
        item
        for item in everything
        if _is_on(on_main, settings, item) or squashed.read(item.up)
    ]
    free = [item for item in everything if item not in fixed]
    if not fixed:
        raise UsageError(
            f"no migration is on {on_main.branch}: any of them could keep its number",
            remedy="Name the one to move: sqlpair renumber sql/<database>/NNN_name.sql",
        )
    start = fixed[-1].number + 1
    moves = (Move(item, _numbered(item, n)) for n, item in enumerate(free, start))
    return tuple(move for move in moves if move.old != move.new)


def _last(
    settings: Settings, everything: Sequence[Migration], file: Path
) -> tuple[Move, ...]:
    """Give one migration the number after all others."""
    path = file.absolute()
    own = [i for i in everything if path in (i.up, i.down, i.verify)]
    if not own:
        raise UsageError(
            f"{file} belongs to no migration",
            remedy="Name a file in sql/<database>/.",
        )
    on_main = _released(settings)
    if on_main and _is_on(on_main, settings, own[0]):
        raise HistoryError(
            f"{own[0].database} {own[0].stem}: released, so its number stays",
            [f"it is on {on_main.branch}"],
            "Renumber the other one.",
        )
    others = [item for item in everything if item != own[0]]
    number = others[-1].number + 1 if others else own[0].number
    move = Move(own[0], _numbered(own[0], number))
    return (move,) if move.old != move.new else ()


def _released(settings: Settings) -> git.Released | None:
    branch = configuration.read(settings.root).main_branch
    return git.read(settings.root, branch)


def _is_on(on_main: git.Released, settings: Settings, item: Migration) -> bool:
    return item.up.relative_to(settings.root).as_posix() in on_main.files


def _numbered(item: Migration, number: int) -> Migration:
    digits = len(item.stem.partition("_")[0])
    stem = f"{number:0{digits}}_{item.name}"
    return item._replace(number=number, stem=stem)


def _refuse_applied(
    settings: Settings, items: Sequence[Migration], report: Report, asked: Asked
) -> None:
    """Ask every database that can be reached; changes none of them."""
    for database in settings.databases:
        stems = {item.stem for item in items if item.database == database.name}
        known = asked(database) if stems else ()
        if applied := [row for one in known for row in _applied(one, stems, report)]:
            raise HistoryError(
                f"{database.name} {applied[0].stem}: applied, so its number stays",
                [f"{row.stem} since {row.applied_at[:19]}" for row in applied[:5]],
                "Roll it back first, or renumber the other one. Nothing was changed.",
            )


def _applied(
    database: Database, stems: Collection[str], report: Report
) -> list[tables.Applied]:
    try:
        with reading(database, report) as session:
            found = () if session is None else tables.read(session).applied
    except ConnectError as error:
        report(f"{database.member or database.name} was not asked: {error.what}")
        return []
    return [row for row in found if row.stem in stems]


def _write(
    settings: Settings, everything: Sequence[Migration], moves: Sequence[Move]
) -> None:
    """Move the files and correct the modules; on a failure all are as before."""
    new = {move.old: move.new for move in moves}
    with FileChanges("the migrations cannot be renumbered") as files:
        for move in _without_collision(moves):
            pairs = [
                (move.old.up, move.new.up),
                (move.old.down, move.new.down),
                (move.old.verify, move.new.verify),
                (_module(settings, move.old), _module(settings, move.new)),
            ]
            for old, target in pairs:
                if os.path.lexists(old):
                    text = old.read_bytes().decode("utf-8", "surrogateescape")
                    text = own_name(move.old.stem).sub(move.new.stem, text)
                    files.move(old, target, text)
        for name in {move.old.database for move in moves}:
            line = [new.get(item, item) for item in everything if item.database == name]
            _chain(settings, sorted(line, key=_order), files)
            _rename_imported(settings.database(name).sql, moves, files)


def _rename_imported(folder: Path, moves: Sequence[Move], files: FileChanges) -> None:
    """Let the file about an import name the migrations as they are called now."""
    path = imported.path_in(folder)
    if not exists(path):
        return
    text = before = path.read_bytes().decode()
    for move in _without_collision(moves):
        if move.old.folder == folder:
            text = own_name(move.old.stem).sub(move.new.stem, text)
    if text != before:
        files.replace(path, text)


def own_name(stem: str) -> re.Pattern[str]:
    """Match a migration's name, alone or in its rollback's; not in a longer name."""
    return re.compile(rf"\b{re.escape(stem)}(?=(?:_rollback|_verify)?\b)")


def _without_collision(moves: Sequence[Move]) -> list[Move]:
    """Order moves so that each target is free: upwards the last one goes first."""
    up = [move for move in moves if move.new.number > move.old.number]
    down = [move for move in moves if move.new.number < move.old.number]
    return up[::-1] + down


def _chain(settings: Settings, line: Sequence[Migration], files: FileChanges) -> None:
    """Let every revision module name itself, and the one below it."""
    below: str | None = None
    for item in line:
        path = _module(settings, item)
        if exists(path):
            text = path.read_bytes().decode()
            corrected = restated(
                text,
                {
                    "revision": item.revision,
                    "down_revision": below,
                    "branch_labels": None if below else item.database,
                },
            )
            if corrected != text:
                files.replace(path, corrected)
        below = item.revision


def restated(module: str, values: dict[str, str | None]) -> str:
    """Return a module's text with other values assigned, all else as it is."""
    lines = module.splitlines(keepends=True)
    for node in ast.parse(module).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
            continue
        target = node.targets[0]
        name = target.id if isinstance(target, ast.Name) else ""
        if name in values and node.value.value != values[name]:
            value = values[name]
            said = "None" if value is None else f'"{value}"'
            at = node.value
            line = lines[at.lineno - 1]
            lines[at.lineno - 1] = (
                line[: at.col_offset] + said + line[at.end_col_offset :]
            )
    return "".join(lines)


def _module(settings: Settings, item: Migration) -> Path:
    return settings.database(item.database).versions / f"{item.stem}.py"


def paths(settings: Settings, moves: Iterable[Move]) -> list[tuple[str, str]]:
    """Return old and new name of each moved migration, from the project's folder."""
    return [
        (
            move.old.up.relative_to(settings.root).as_posix(),
            move.new.up.relative_to(settings.root).as_posix(),
        )
        for move in moves
    ]
