"""Plain SQL files, run by psql or sqlite3 in the order of their names.

``NAME_down.sql`` (or undo, revert, rollback; behind a dot, a dash or a line) undoes
``NAME.sql`` or ``NAME_up.sql``. Where some names begin with a number, the others are no
migrations. Tools that have no reader of their own write such files, too: the way stands
behind the number (``001.do.name.sql``, ``001.undo.name.sql``), or a comment begins the
way down in the file itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from sqlpair.authoring.imports.foreign import (
    FROM_DUMP,
    LINE,
    ForeignHistory,
    ForeignMigration,
    NotCarried,
    SqlPart,
    files,
    twice,
    unknown,
)
from sqlpair.authoring.imports.sections import parted, with_ends
from sqlpair.errors import UsageError, several
from sqlpair.project.statement import Split

_NAME = re.compile(
    r"(?P<stem>.+?)(?:[._-](?P<way>up|down|undo|revert|rollback))?\.sql", re.IGNORECASE
)
_INNER = re.compile(
    r"(?P<number>[0-9]+[._-])(?P<way>up|do|down|undo)[._-](?P<name>.+)\.sql",
    re.IGNORECASE,
)
_WAYS = {"up": "down", "do": "undo", "down": "up", "undo": "do"}
# A number, or a date.
_NUMBER = re.compile(r"[0-9]+(?:[-.][0-9]+(?![A-Za-z0-9]))*[._-]*")
# A line that is a comment and says which way what is below it goes.
_LINE = (
    LINE + rb"[-=+!/@ \t]*(?:(?:goose|migrate|micrate|rambler|migration)[ \t:]+)?"
    rb"(?:%s)(?:[ \t]+migration)?(?P<rest>[ \t]+notransaction)?[-=: \t]*\r?$"
)
_FLAGS = re.IGNORECASE | re.MULTILINE
_UP = re.compile(_LINE % rb"ups?|do", _FLAGS)
_DOWN = re.compile(_LINE % rb"downs?|undo|revert|rollback", _FLAGS)
# It needs no mark above the way up.
_BELOW = re.compile(
    rb"^[ \t]*--[ \t]*//[ \t]*@UNDO[ \t]*\r?$"
    rb"|^[ \t]*----[ \t]*create above / drop below[ \t]*----[ \t]*\r?$",
    re.MULTILINE,
)
# What Atlas and yoyo write above a file that runs in no transaction.
_NO_TRANSACTION = re.compile(
    LINE
    + rb"[ \t]*(?:atlas:txmode[ \t]+none|transactional[ \t]*:[ \t]*false)[ \t]*\r?$",
    _FLAGS,
)
_DELIMITER = re.compile(LINE + rb"[ \t]*atlas:delimiter[ \t]", re.MULTILINE)
_LIQUIBASE = re.compile(rb"(?:\xef\xbb\xbf)?\s*--\s*liquibase\s+formatted\s+sql", re.I)
# What yoyo reads above a file: which others run before it.
_DEPENDS = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s*--[^\n]*\n)*?\s*--[ \t]*depends:[ \t]*([^\r\n]*)"
)
_PARTED = "what is below its mark for the way down is its rollback"


def read(folder: Path, split: Split) -> ForeignHistory | None:
    """Read a folder; None where it has no SQL file."""
    there = files(folder)
    named = [(path, *_read_name(path, there)) for path in there if _is_sql(path)]
    numbered = [item for item in named if item[1][0].isdigit()]
    chosen = numbered or named
    ups: dict[str, Path] = {}
    downs: dict[str, Path] = {}
    for path, stem, is_up in chosen:
        same_way = ups if is_up else downs
        if stem in same_way:
            what = f"two files are migration {stem}"
            raise twice(what, same_way[stem], path)
        same_way[stem] = path
    if not ups:
        return None
    migrations = []
    left: list[NotCarried] = []
    for stem in _in_order(ups, left):
        path, down = ups[stem], downs.pop(stem, None)
        content = path.read_bytes()
        _refuse_changelog(path, content)
        if _DELIMITER.search(content):
            left.append(
                NotCarried(path, "atlas:delimiter: end its statements with a ;")
            )
        up, below = (with_ends(p, split) if p else None for p in _halves(content))
        assert up is not None
        if below is not None:
            left.append(NotCarried(path, _PARTED, matters=False))
        undo = SqlPart(down.read_bytes()) if down else below
        migrations.append(ForeignMigration(stem, _title(stem), path, up, undo))
    left += [NotCarried(path, "undoes no migration") for path in downs.values()]
    left += unknown(there, (path for path, _, _ in chosen))
    return ForeignHistory("plain SQL", tuple(migrations), tuple(left))


def _in_order(ups: Mapping[str, Path], left: list[NotCarried]) -> Iterator[str]:
    """Yield the migrations by their names, each behind those that it depends on."""
    graph: TopologicalSorter[str] = TopologicalSorter()
    for stem, path in ups.items():
        found = _DEPENDS.match(path.read_bytes())
        needs = found[1].decode(errors="replace").split() if found else []
        graph.add(stem, *(id_ for id_ in needs if id_ in ups))
        if lost := [id_ for id_ in needs if id_ not in ups]:
            why = f"depends on {several(lost)}, which no SQL file here is called"
            left.append(NotCarried(path, why, matters=False))
    try:
        graph.prepare()
    except CycleError as error:
        raise UsageError(
            "migrations depend on each other in a circle", [*error.args[1]]
        ) from None
    ready: list[tuple[int, str]] = []
    while graph.is_active():
        ready = sorted([*ready, *map(_order, graph.get_ready())])
        stem = ready.pop(0)[1]
        yield stem
        graph.done(stem)


def _is_sql(path: Path) -> bool:
    return _NAME.fullmatch(path.name) is not None


def _read_name(path: Path, there: Iterable[Path]) -> tuple[str, bool]:
    """Return what both ways of a migration are called, and whether this one goes up."""
    if inner := _INNER.fullmatch(path.name):
        start, end = inner.span("way")
        way = inner["way"].lower()
        other = f"{path.name[:start]}{_WAYS[way]}{path.name[end:]}"
        if any(one.name.lower() == other.lower() for one in there):
            return inner["number"] + inner["name"], way in ("up", "do")
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return match["stem"], (match["way"] or "up").lower() == "up"


def _refuse_changelog(path: Path, content: bytes) -> None:
    """Refuse a changelog of Liquibase's, whose changesets are no one migration."""
    if _LIQUIBASE.match(content):
        raise UsageError(
            "these are changelogs of Liquibase, which alone can tell what of them runs",
            [str(path)],
            FROM_DUMP,
        )


def _halves(content: bytes) -> tuple[SqlPart, SqlPart | None]:
    """Return both ways of a file; None for the second where it has one only."""
    mark = _UP.search(content)
    up, below = parted(content, _BELOW)
    if below is None and mark is not None:
        tail = _DOWN.search(content, mark.end())
        if tail is not None:
            up, below = content[: tail.start()], content[tail.start() :]
    if below is None:
        return SqlPart(content, bool(_NO_TRANSACTION.search(content))), None
    return SqlPart(up, _alone(mark)), SqlPart(below, _alone(_DOWN.match(below)))


def _alone(mark: re.Match[bytes] | None) -> bool:
    return bool(mark and mark["rest"])


def _title(stem: str) -> str:
    return _NUMBER.sub("", stem, count=1) if stem[0].isdigit() else stem


def _order(stem: str) -> tuple[int, str]:
    match = re.match("[0-9]+", stem)
    return (int(match[0]) if match else 0), stem
