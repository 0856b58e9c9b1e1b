"""Import: another tool's history becomes SQL pairs of a database, byte for byte.

Files get the project's names, revision modules, and a header line where they cannot run
without one. ``imported.toml`` keeps what the tool called each, so that ``adopt`` can
read the tool's own record of what ran. A second import of a folder takes what is new.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from sqlpair.authoring import scaffold
from sqlpair.authoring.adapt import runnable, with_header
from sqlpair.authoring.file_changes import FileChanges
from sqlpair.authoring.imports import alembic_revisions, record_in_files
from sqlpair.authoring.imports import folder as imports
from sqlpair.authoring.imports.foreign import (
    ForeignHistory,
    ForeignMigration,
    NotCarried,
    SqlPart,
    calling_alone,
    templates,
)
from sqlpair.databases.driver import driver_of
from sqlpair.errors import SqlFileError, UsageError
from sqlpair.ledger.record_tables import TOOLS
from sqlpair.project import atomic_write, imported, revisions, sql_file
from sqlpair.project.branches import Branch, branches
from sqlpair.project.imported import Imported
from sqlpair.project.migrations import REPEATABLE, Migration
from sqlpair.project.presence import exists
from sqlpair.project.settings import Database, Settings
from sqlpair.project.statement import Split

HIGHEST = 999_999_999  # that a file's name has room for
# An id that is a number, or begins with one that is not the year of a date.
_NUMBER = re.compile(r"([0-9]+)(?:_.*|[-.](?![0-9]).*)?", re.ASCII)


class ImportedPair(NamedTuple):
    """A migration that was written, of which file it is, and what was added to it.

    ``is_late`` where it stands before one that was imported earlier.
    """

    migration: Migration
    source: Path
    added: tuple[str, ...]
    has_down: bool
    is_late: bool = False


class ImportOutcome(NamedTuple):
    """What an import did.

    ``repeatable`` files were written, each of which file. ``before`` migrations of the
    folder were imported already; ``faults`` are files that cannot run as they are, and
    that no header line helps.
    """

    tool: str
    table: str
    database: str
    pairs: tuple[ImportedPair, ...]
    before: int
    left: tuple[NotCarried, ...]
    faults: tuple[SqlFileError, ...]
    repeatable: tuple[tuple[Path, Path], ...]


def import_history(
    settings: Settings, folder: Path, name: str | None = None
) -> ImportOutcome:
    """Write the history in ``folder`` as SQL pairs of a database.

    Without ``name`` it is the only one there is, or the only one of the engine that the
    history is for. UsageError, with nothing written, where that cannot be done.
    """
    history, database = _read(settings, folder, name)
    known = branches(settings)
    branch = next(b for b in known if b.name == database.name)
    for other in known:
        revisions.missing(other)  # or their modules could not be written at the end
    record = TOOLS.get(history.tool)
    before = imported.read(database.sql) or Imported(
        history.tool, record.name if record else "", {}
    )
    if before.tool != history.tool:
        raise UsageError(
            f"{database.name}: its history came from {before.tool}, not from"
            f" {history.tool}",
            [str(imported.path_in(database.sql))],
            "Nothing was written.",
        )
    ids = {*before.migrations.values()}
    order = [item.id for item in history.migrations]
    early = order[: max((order.index(id_) for id_ in ids & {*order}), default=0)]
    fresh = [item for item in history.migrations if item.id not in ids]
    numbers = _numbers([m for b in known for m in b.migrations], fresh)
    pairs: list[ImportedPair] = []
    contents: dict[Path, bytes] = {}
    faults: list[SqlFileError] = []
    for item, number in zip(fresh, numbers, strict=True):
        migration = Migration(
            database.name, int(number), f"{number}_{_slug(item.name)}", database.sql
        )
        pair, files, wrong = _pair(item, migration, driver_of(database).split)
        pairs.append(pair._replace(is_late=item.id in early))
        contents |= files
        faults += wrong
    found = tuple(_repeatable(database.sql, history.repeatable))
    repeatable = tuple((path, source) for path, source in found if not exists(path))
    changed = [
        NotCarried(source, f"another text than {path.name} here, which stays", False)
        for path, source in found
        if exists(path) and path.read_bytes() != source.read_bytes()
    ]
    stems = {id_: stem for stem, id_ in before.migrations.items()}
    for item in history.migrations:
        down = f"{stems.get(item.id)}_rollback.sql"
        if item.id in ids and item.down and not exists(database.sql / down):
            why = f"has a rollback since: copy it to {down}"
            changed.append(NotCarried(item.source, why, matters=False))
    contents |= {path: source.read_bytes() for path, source in repeatable}
    _write(branch, contents, before, fresh, pairs)
    scaffold.write_revisions(settings)
    return ImportOutcome(
        history.tool,
        before.table,
        database.name,
        tuple(pairs),
        len(history.migrations) - len(fresh),
        (*(history.left if fresh else ()), *changed),
        tuple(faults),
        repeatable,
    )


def _read(
    settings: Settings, folder: Path, name: str | None
) -> tuple[ForeignHistory, Database]:
    """Read the folder; say which database it is for."""
    if name is not None:
        candidates: Sequence[Database] = [settings.database(name)]
    else:
        candidates = settings.databases
    _refuse_own(settings, folder)
    # The splitter matters where a statement has no end; one engine's is as good.
    history = imports.read(folder, driver_of(candidates[0]).split)
    fitting = [db for db in candidates if history.driver in ("", db.driver)]
    if len(fitting) != 1:
        engine = f" ({history.driver})" if history.driver else ""
        raise UsageError(
            f"it is not clear which database this history{engine} is for",
            [f"databases: {', '.join(f'{d.name} ({d.driver})' for d in candidates)}"],
            "Say which: sqlpair import FOLDER DATABASE. Nothing was written.",
        )
    if fitting[0].driver != candidates[0].driver:
        history = imports.read(folder, driver_of(fitting[0]).split)
    if history.tool == "alembic":
        history = alembic_revisions.completed(history, fitting[0])
    history = record_in_files.prepared(history, driver_of(fitting[0]).split)
    alone = calling_alone(history.migrations)
    left = (*history.left, *templates(history))
    return history._replace(migrations=alone, left=left), fitting[0]


def _refuse_own(settings: Settings, folder: Path) -> None:
    for database in settings.databases:
        if folder.resolve() == database.sql.resolve():
            raise UsageError(
                f"{folder} is the folder of {database.name}'s own migrations",
                remedy="Name the one where the other tool's are.",
            )


def _numbers(
    known: Iterable[Migration], fresh: Sequence[ForeignMigration]
) -> Iterator[str]:
    """Yield a number for each: its own where all can keep theirs, or else the next."""
    stems = [item.stem.partition("_")[0] for item in known]
    last = max(map(int, stems), default=0)
    matches = [_NUMBER.fullmatch(item.id) for item in fresh]
    own = [int(match[1]) if match else -1 for match in matches]
    line = [last if stems else -1, *own, HIGHEST + 1]
    if not all(one < other for one, other in pairwise(line)):
        own = [*range(last + 1, last + 1 + len(fresh))]
    digits = max([3, *map(len, stems), *(len(str(number)) for number in own)])
    return (f"{number:0{digits}}" for number in own)


def _slug(name: str) -> str:
    """Return a name as a file's may be; case and dashes stay."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^A-Za-z0-9_-]+", "_", ascii_only)
    slug = slug[: scaffold.LONGEST_NAME].strip("_-") or "migration"
    # Or it would be taken for the rollback of another one.
    return re.sub(r"(^|_)(rollback|verify)$", r"\1\2-", slug)


def _repeatable(
    folder: Path, found: Iterable[tuple[str, Path]]
) -> Iterator[tuple[Path, Path]]:
    """Return where each is to be, and its file."""
    taken: set[Path] = set()
    for name, source in found:
        path = folder / REPEATABLE / f"{_slug(name)}.sql"
        if path in taken:
            raise UsageError(
                f"two repeatable files would be called {path.name}",
                [str(source)],
                "Give one of them another name. Nothing was written.",
            )
        taken.add(path)
        yield path, source


def _pair(
    item: ForeignMigration, migration: Migration, split: Split
) -> tuple[ImportedPair, dict[Path, bytes], list[SqlFileError]]:
    """Return a pair, what its files are to hold, and what in them cannot run."""
    stub = SqlPart(imported.STUB.format(source=item.source.name).encode())
    contents: dict[Path, bytes] = {}
    added, faults = [], []
    for path, part in ((migration.up, item.up or stub), (migration.down, item.down)):
        if part is None:
            continue
        contents[path], headers, fault = _runnable(part, path, split)
        told = [part.added] * bool(part.added) + headers
        added += [f"{path.name}: {each}" for each in told]
        if fault:
            faults.append(fault)
    pair = ImportedPair(migration, item.source, tuple(added), item.down is not None)
    return pair, contents, faults


def _runnable(
    part: SqlPart, path: Path, split: Split
) -> tuple[bytes, list[str], SqlFileError | None]:
    """Return a part, the header lines it was given, and what no header helps."""
    content = part.content
    try:
        found = sql_file.parse(content, path, split)
    except SqlFileError as fault:
        # Without one, a file still runs as it would by hand: PRAGMA foreign_keys in
        # its middle, say.
        wanted = sql_file.NO_TRANSACTION if part.alone else fault.header
        first = SqlFileError(fault.what, header=wanted or sql_file.NO_TRANSACTION)
        adapted, added = runnable(content, first, path, split)
        if adapted is None:
            return content, [], fault
        return adapted, [it.header for it in added], None
    if not (part.alone and found.total and found.transactional):
        return content, [], None
    header = sql_file.NO_TRANSACTION
    adapted = with_header(content, header)
    try:
        sql_file.parse(adapted, path, split)
    except SqlFileError:
        return content, [], None
    return adapted, [header], None


def _write(
    branch: Branch,
    contents: dict[Path, bytes],
    before: Imported,
    fresh: Sequence[ForeignMigration],
    pairs: Sequence[ImportedPair],
) -> None:
    folder = branch.database.sql
    migrations = {
        **before.migrations,
        **{p.migration.stem: f.id for p, f in zip(pairs, fresh, strict=True)},
    }
    what = "the history cannot be written"
    with FileChanges(what, "Nothing was written.", UsageError) as files:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            path.parent.mkdir(exist_ok=True)
            files.create(path, content)
        if pairs:
            order = ["", *migrations.values()]
            parents = {
                item.id: item.parents
                for item in fresh
                if item.parents is not None
                and "".join(item.parents) != order[order.index(item.id) - 1]
            }
            text = imported.text(
                before._replace(
                    migrations=migrations, parents={**before.parents, **parents}
                )
            )
            atomic_write.put(imported.path_in(folder), text.encode())
