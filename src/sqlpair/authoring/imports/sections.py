"""Files of which one half goes up and the other comes down, as comments part them.

No byte is lost: what is above the line that begins the second half is the first, and
both keep their marks, which are comments to every engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from sqlpair.authoring.imports.foreign import (
    ForeignHistory,
    ForeignMigration,
    NotCarried,
    SqlPart,
    files,
    in_order,
    not_sql,
    open_end,
    unknown,
)
from sqlpair.project.statement import Split

_NUMBERED = re.compile(r"(?P<number>[0-9]+)(?P<name>.*)\.(?P<end>\w+)")

# goose's, and sql-migrate's, which took them over.
_BLOCK = re.compile(
    rb"^[ \t]*--[ \t]*\+(?:goose|migrate)[ \t]+statement(begin|end)[ \t]*\r?$\n?",
    re.MULTILINE | re.IGNORECASE,
)

# What a file's bytes are: id, name and path are filled in.
Read = Callable[[Path, bytes], tuple[ForeignMigration, list[NotCarried]]]


def parted(content: bytes, down: re.Pattern[bytes]) -> tuple[bytes, bytes | None]:
    """Return both halves of a file; None for the second where there is no mark."""
    mark = down.search(content)
    if mark is None:
        return content, None
    return content[: mark.start()], content[mark.start() :]


def history(
    tool: str,
    folder: Path,
    up: re.Pattern[bytes],
    read: Read,
    code: Sequence[str] = (),
) -> ForeignHistory | None:
    """Read the numbered files of ``folder``; None where none has the mark ``up``.

    ``code`` is how the names of migrations end that are no SQL.
    """
    there = files(folder)
    found: list[tuple[int, ForeignMigration]] = []
    left: list[NotCarried] = []
    known: list[Path] = []
    for path in there:
        match = _NUMBERED.fullmatch(path.name)
        if match is None:
            continue
        number, name = int(match["number"]), match["name"]
        if path.suffix == ".sql" and up.search(content := path.read_bytes()):
            item, beside = read(path, content)
            left += beside
        elif path.suffix in code and not path.stem.endswith("_test"):
            item = ForeignMigration("", "", path, None, None)
            left.append(not_sql(path))
        else:
            continue
        known.append(path)
        found.append((number, item._replace(id=str(number), name=name)))
    if not any(item.up for _, item in found):
        return None
    left += unknown(there, known)
    return ForeignHistory(tool, tuple(in_order(found)), tuple(left))


def with_ends(part: SqlPart, split: Split) -> SqlPart:
    """Return it with a ``;`` in each StatementBegin … End that ends without one."""
    marks = [*_BLOCK.finditer(part.content)]
    pieces, position = [], 0
    for begin, end in pairwise(marks):
        if (begin[1].lower(), end[1].lower()) != (b"begin", b"end"):
            continue
        block = part.content[begin.end() : end.start()]
        text = block.decode(errors="surrogateescape")
        if (at := open_end(text, split)) is not None:
            cut = begin.end() + len(text[:at].encode(errors="surrogateescape"))
            pieces.append(part.content[position:cut])
            position = cut
    if not pieces:
        return part
    return part._replace(
        content=b";".join([*pieces, part.content[position:]]),
        added="a ; behind what ended at StatementEnd without one",
    )


def padded(history: ForeignHistory, names: Iterable[str]) -> ForeignHistory:
    """Return it with ids as the files write them, zeros and all."""
    ids = {int(name): name for name in names}
    return history._replace(
        migrations=tuple(m._replace(id=ids[int(m.id)]) for m in history.migrations)
    )
