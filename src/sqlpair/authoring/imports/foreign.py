"""Another tool's history: what one of its folders holds, in the order it runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlpair.databases.postgresql.transaction_control import ends_transaction
from sqlpair.errors import SqlFileError, UsageError
from sqlpair.project.presence import below, is_file
from sqlpair.project.statement import Split

# A file that the project has no kind for, with a migration in it.
CODE = {
    ".go": "Go",
    ".java": "Java",
    ".kt": "Kotlin",
    ".py": "Python",
    ".rs": "Rust",
    ".js": "JavaScript",
    ".ts": "TypeScript",
    ".rb": "Ruby",
    ".php": "PHP",
    ".exs": "Elixir",
    ".cs": "C#",
    ".sh": "shell",
}
FROM_DUMP = (
    "Begin with a dump of a database that is up to date, as 000_baseline.sql in a"
    " folder\nof its own: sqlpair import that one. Nothing was written."
)
# What tools call the engines.
_ENGINES = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "pg": "postgresql",
    "sqlite": "sqlite",
}
NEWLINE = b"\n"
_PLACEHOLDER = re.compile(rb"\$\{[^}\n]*\}")
# What is no SQL outside of quotes: a template that a program fills in.
_TEMPLATE = re.compile(
    rb"--[^\n]*|/\*.*?\*/|'[^']*'|(\$\w*\$).*?\1|(?P<name>\{\{[^}\n]*\}\}|\$\{[^}\n]*\})",
    re.DOTALL,
)
# An engine in a file's name, which may be one of the others.
_ENGINE = re.compile(
    r"(?<=[._-])(?:postgres(?:ql)?|sqlite3?|mysql|mariadb|cockroach(?:db)?|mssql)(?=[._-])"
)
# How a line begins that is a comment: on the first, behind a byte order mark.
LINE = rb"^(?:\xef\xbb\xbf)?[ \t]*--"
COMMENT = re.compile(rb"--[^\n]*|/\*.*?\*/", re.DOTALL)
# A procedure that ends its transaction cannot be called in another one.
_PROCEDURE = re.compile(
    rb"(?is)\bcreate\s+(?:or\s+replace\s+)?procedure\s+(?:\w+\.)?(\w+)\s*\("
    rb".*?(\$\w*\$)(.*?)\2"
)
_CALL = re.compile(rb"(?im)^[ \t]*call\s+(?:\w+\.)?(\w+)\s*\(")


class SqlPart(NamedTuple):
    """The SQL of one direction; ``alone`` where the tool runs it in no transaction.

    ``added`` says what of it is not the tool's.
    """

    content: bytes
    alone: bool = False
    added: str = ""


class ForeignMigration(NamedTuple):
    """One migration: the tool's name for it in its record table, and its SQL.

    ``up`` is None where it is no SQL, ``down`` where there is none. ``parents`` is
    what it stands on, where a tool says so.
    """

    id: str
    name: str
    source: Path
    up: SqlPart | None
    down: SqlPart | None
    parents: tuple[str, ...] | None = None


class NotCarried(NamedTuple):
    """What a folder holds beside that, and why it stays behind.

    ``matters`` where the tool runs it, so that a database of the tool's may be another
    one than the files build.
    """

    path: Path
    why: str
    matters: bool = True


class ForeignHistory(NamedTuple):
    """All of a folder; ``driver`` is what the tool says of the database's engine.

    ``repeatable`` are files that run again whenever they change, by name.
    """

    tool: str
    migrations: tuple[ForeignMigration, ...]
    left: tuple[NotCarried, ...] = ()
    driver: str = ""
    repeatable: tuple[tuple[str, Path], ...] = ()


Reader = Callable[[Path, Split], ForeignHistory | None]


def files(folder: Path, *, deep: bool = False) -> list[Path]:
    """Return the files in ``folder``, and with ``deep`` in those below, by name."""
    found = below(folder) if deep else folder.iterdir()
    return sorted(
        path
        for path in found
        if is_file(path)
        and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )


def text_of(path: Path) -> str:
    """Return a tool's file of settings as text."""
    return path.read_text(encoding="utf-8-sig", errors="replace")


def not_sql(path: Path) -> NotCarried:
    """Say of a migration that it is no SQL."""
    language = CODE.get(path.suffix, path.suffix[1:])
    return NotCarried(
        path,
        f"a migration written in {language}; its pair does nothing until you write it"
        " as SQL",
    )


def unknown(paths: Iterable[Path], known: Iterable[Path]) -> list[NotCarried]:
    """Name the SQL files, and the numbered code, that no migration was read from."""
    rest = sorted({*paths} - {*known})
    return [
        NotCarried(path, "not read as a migration, and left out", _is_numbered(path))
        for path in rest
        if path.suffix.lower() == ".sql"
    ] + [
        NotCarried(path, "code beside the migrations, and left out")
        for path in rest
        if path.suffix in CODE and _is_numbered(path)
    ]


def _is_numbered(path: Path) -> bool:
    """Whether a file is called as a migration may be."""
    return path.name[0].isdigit()


def placeholders(
    path: Path,
    content: bytes,
    pattern: re.Pattern[bytes] = _PLACEHOLDER,
    spans: Iterable[tuple[int, int]] = ((0, sys.maxsize),),
) -> list[NotCarried]:
    """Name what a tool replaces in a file, within ``spans`` and outside of comments."""
    bare = COMMENT.sub(lambda match: re.sub(rb"[^\n]", b" ", match[0]), content)
    return [
        _replaced(
            path,
            f"line {bare.count(NEWLINE, 0, match.start()) + 1}:"
            f" {match[0].decode(errors='replace')}",
        )
        for start, end in spans
        for match in pattern.finditer(bare, start, min(end, len(bare)))
    ]


def templates(history: ForeignHistory) -> list[NotCarried]:
    """Name what a program fills in, in files of which nothing is told yet."""
    told = {item.path for item in history.left}
    return [
        _replaced(item.source, name)
        for item in history.migrations
        if item.up and item.source not in told
        for name in sorted(
            {
                match["name"].decode(errors="replace")
                for match in _TEMPLATE.finditer(item.up.content)
                if match["name"]
            }
        )
    ]


def _replaced(path: Path, what: str) -> NotCarried:
    return NotCarried(
        path, f"{what} is replaced by nothing here: write what it stands for"
    )


def twice(what: str, one: Path, other: Path) -> UsageError:
    """Return the error for two files that are one migration, as ``what`` says."""
    engines = {match[0] for p in (one, other) if (match := _ENGINE.search(p.name))}
    what_to_do = (
        "Each engine has files of its own: copy those of one, and those of all engines,"
        " into a\nfolder, and import that."
        if engines
        else "Take out the one that never ran."
    )
    return UsageError(
        what, [str(one), str(other)], f"{what_to_do} Nothing was written."
    )


def driver_for(engine: str, told: Path) -> str:
    """Return the driver for what a tool calls an engine; "" where it names none.

    UsageError where it is another engine's, as the file ``told`` says.
    """
    if engine and engine not in _ENGINES:
        raise UsageError(
            f"these migrations are written for {engine}",
            [str(told)],
            "A database here is PostgreSQL or SQLite.",
        )
    return _ENGINES.get(engine, "")


def open_end(text: str, split: Split) -> int | None:
    """Return where the last statement of ``text`` ends, if that is without a ``;``."""
    try:
        *_, last = split(text)
    except (SqlFileError, ValueError):
        return None  # which is told when the file is checked, or there is none
    if last.text.endswith(";") or last.rows:
        return None
    return last.offset + len(last.text)


def in_order(found: Iterable[tuple[int, ForeignMigration]]) -> list[ForeignMigration]:
    """Return migrations by their numbers; UsageError where two have the same."""
    seen: dict[int, ForeignMigration] = {}
    for number, item in found:
        if other := seen.get(number):
            what = f"two migrations have the version {item.id}"
            raise twice(what, other.source, item.source)
        seen[number] = item
    return [seen[number] for number in sorted(seen)]


def calling_alone(
    migrations: Sequence[ForeignMigration],
) -> tuple[ForeignMigration, ...]:
    """Return them with what calls a procedure of theirs that commits run alone."""
    parts = [
        part.content for item in migrations for part in (item.up, item.down) if part
    ]
    ending = {
        found[1].lower()
        for content in parts
        for found in _PROCEDURE.finditer(content)
        if ends_transaction(found[3].decode(errors="replace"))
    }

    def told(part: SqlPart | None) -> SqlPart | None:
        names = _CALL.findall(part.content) if part and ending else ()
        calls = any(name.lower() in ending for name in names)
        return part._replace(alone=True) if part and calls else part

    return tuple(
        item._replace(up=told(item.up), down=told(item.down)) for item in migrations
    )
