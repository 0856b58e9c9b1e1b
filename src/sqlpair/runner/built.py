"""What a database's files build, kept from one look to the next.

To build a schema runs every migration, to describe one does not. So the description is
kept in ``state/built.<database>`` with a checksum of all that it rests on: the bytes of
the files, the settings, the server they run on and what is there before the first file
runs, and this engine. Where any of it is another, the files run again. The folder is
not made for it: to look creates nothing where nothing was.

A revision module whose upgrade is not its pair's may rest on anything: with one among
them, nothing is kept. Nor with a file that uses variables: no checksum is to hold
their values.

The schemas of a fleet are built once for all, under a name that stands for any of
theirs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sqlpair.databases import kept_open
from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report, Session
from sqlpair.databases.scratch import EmptyDatabase
from sqlpair.errors import SqlFileError
from sqlpair.project import atomic_write, sql_file
from sqlpair.project.branches import Branch
from sqlpair.project.read_once import read_once
from sqlpair.project.revisions import module_path
from sqlpair.revision import is_pair
from sqlpair.runner import revision_modules, scratch
from sqlpair.runner.migration import Ready
from sqlpair.schema.model import ObjectKey, Schema, SchemaObject

# The name that stands for any member's.
ANY = "sqlpair_any_member"
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# A file that asks which schema it runs in may build something else in each. One that
# says which, as functions do for themselves, says the same in each.
_ASKING = re.compile(
    r"current_schema|search_path(?!\s*(?:=|to\b)(?!\s*default\b))|namespace|nspname"
    rf"|schemaname|information_schema|{ANY}",
    re.IGNORECASE,
)


class Built(NamedTuple):
    """The schema, bookkeeping tables included, and the properties beside it."""

    schema: Schema
    properties: Schema


def descriptions(
    branch: Branch,
    position: int,
    texts: Sequence[Ready],
    state: Path | None,
    report: Report,
    live: Session | None,
    *,
    privileges: bool,
) -> Iterator[Built]:
    """Describe what the files make; see ``built``.

    Of a member that is a schema, first what they make in any. A database that differs
    from it is to be compared with what comes next, which they make in this one.
    """
    own = branch.database
    if own.search_path and _PLAIN.fullmatch(own.search_path[0]):
        name, *shared = own.search_path
        any_member = branch._replace(
            database=own._replace(
                member=ANY, ledger_schema=ANY, search_path=(ANY, *shared)
            )
        )

        def describe() -> str:
            every = [path.read_text("utf-8", "replace") for path in branch.files]
            if any(map(_ASKING.search, [*every, *(file.text for _, file, _ in texts)])):
                return ""
            if _rests_on(any_member, position, texts, privileges=privileges) is None:
                return ""
            made = built(
                *(any_member, position, texts, state, report, None),
                privileges=privileges,
            )
            return _written(made)

        ran = (*((str(step), file.text) for step, file, _ in texts),)
        key = ANY, branch.name, own.sql, position, ran, privileges
        kept = kept_open.keep(key, lambda: nullcontext(describe()))
        if found := describe() if kept is None else kept:
            yield _parsed(found.replace(ANY, name))
            state = None  # it has that of any
    yield built(branch, position, texts, state, report, live, privileges=privileges)


def built(
    branch: Branch,
    position: int,
    texts: Sequence[Ready],
    state: Path | None,
    report: Report,
    live: Session | None,
    *,
    privileges: bool,
) -> Built:
    """Describe what the files make up to ``position``.

    ``state`` is the folder that keeps it; with None, nothing is kept, nor was.
    ``texts`` of repeatable files run at the end. ``live`` is a session of the database.
    SqlFileError, HistoryError or StatementError where they do not run.
    """
    database = branch.database
    empty = driver_of(database).scratch(database, branch.files, report, live)
    with read_once():  # what is built is what the key speaks of
        rests_on = None
        # Without the folder nothing was kept, nor will be.
        if state is not None and os.access(state, os.R_OK):
            rests_on = _rests_on(branch, position, texts, privileges=privileges)
        if state is None or rests_on is None:
            return _build(branch, position, texts, report, empty, privileges=privileges)
        key = _key(rests_on, empty)
        path = state / f"built.{branch.name}"
        if kept := _read(path, key):
            return kept
        made = _build(branch, position, texts, report, empty, privileges=privileges)
        if key == _key(rests_on, empty):  # the server may be another meanwhile
            with suppress(OSError):
                _write(path, key, made)
    return made


def _build(
    branch: Branch,
    position: int,
    texts: Sequence[Ready],
    report: Report,
    empty: EmptyDatabase[Session],
    *,
    privileges: bool,
) -> Built:
    with scratch.opened(branch, report, empty) as opened:
        opened.goal = position
        opened.build(position)
        opened.repeat(texts)
        session = opened.session
        driver = driver_of(session.database)
        with session.snapshot():
            return Built(
                session.schema(bookkeeping=True),
                driver.properties(session, privileges=privileges),
            )


def _key(rests_on: Sequence[object], empty: EmptyDatabase[Session]) -> str:
    """Return a checksum of all that a description rests on."""
    parts = [*rests_on, *empty.identity(), *engine()]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _rests_on(
    branch: Branch, position: int, texts: Sequence[Ready], *, privileges: bool
) -> Sequence[object] | None:
    """Return what a description rests on besides server and engine; None if on more.

    The files above ``position`` count: what they mention decides on the server.
    """
    if any(file.used for _, file, _ in texts):
        return None
    database = branch.database
    parts: list[object] = [
        *(branch.name, database.driver, database.ledger_schema, position, privileges),
        *(database.search_path, database.hosts, database.tables),
        *((str(step), file.text) for step, file, _ in texts),
    ]
    for item in branch.migrations:
        module = revision_modules.loaded(module_path(branch, item))
        try:
            text = sql_file.contents(item.up)
        except SqlFileError:
            return None  # the build names it
        plain = is_pair(getattr(module, "upgrade", None))
        if not plain or b"variables:" in text:
            return None
        parts += (item.stem, text, getattr(module, revision_modules.CHECKSUM))
    return parts


@cache
def engine() -> Sequence[object]:
    """Tell one engine from another; in a checkout it changes without a new version.

    A process has the one that it has imported.
    """
    parts: list[object] = []
    for folder, _, names in os.walk(Path(__file__).parents[1]):
        for name in sorted(names):
            if name.endswith(".py"):
                at = Path(folder, name).stat()
                parts += (name, at.st_size, at.st_mtime_ns)
    return parts


def _write(path: Path, key: str, made: Built) -> None:
    atomic_write.put(path, f"{key}\n{_written(made)}\n".encode(), 0o600)


def _written(made: Built) -> str:
    return json.dumps([[*map(_row, part.items())] for part in made])


def _parsed(text: str) -> Built:
    schema, properties = json.loads(text)
    return Built(_schema(schema), _schema(properties))


def _row(item: tuple[ObjectKey, SchemaObject]) -> tuple[Any, ...]:
    key, described = item
    return (*key, dict(described.attributes), described.part_of, described.position)


def _read(path: Path, key: str) -> Built | None:
    try:
        with path.open(encoding="utf-8") as file:
            if file.readline() != f"{key}\n":
                return None
            return _parsed(file.read())
    except (OSError, ValueError, TypeError):
        return None


def _schema(rows: Iterable[tuple[str, str, Mapping[str, Any], Any, Any]]) -> Schema:
    return {
        ObjectKey(kind, name): SchemaObject(
            attributes, ObjectKey(*owner) if owner else None, position
        )
        for kind, name, attributes, owner, position in rows
    }
