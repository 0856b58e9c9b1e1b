"""In which tool's format a folder is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sqlpair.authoring.imports import (
    alembic_revisions,
    dbmate,
    flyway,
    folders,
    golang_migrate,
    goose,
    plain,
    sqitch,
)
from sqlpair.authoring.imports.foreign import (
    CODE,
    FROM_DUMP,
    ForeignHistory,
    NotCarried,
    Reader,
    files,
)
from sqlpair.errors import UsageError, amount, several
from sqlpair.project.presence import is_dir
from sqlpair.project.statement import Split

# The first that knows a folder reads it; plain SQL is what is left.
READERS: tuple[Reader, ...] = (
    sqitch.read,
    flyway.read,
    goose.read,
    dbmate.read,
    golang_migrate.read,
    folders.prisma,
    folders.diesel,
    alembic_revisions.read,
    plain.read,
)
TOOLS = (
    "golang-migrate, dbmate, goose, Flyway, Diesel, Prisma, Sqitch, Alembic, plain SQL"
    " files"
)


_ONE_FOLDER = ("goose", "dbmate", "golang-migrate", "plain SQL")


def read(folder: Path, split: Split) -> ForeignHistory:
    """Read the history in ``folder``; UsageError where there is none."""
    if not is_dir(folder):
        raise UsageError(
            f"{folder} is not a folder", remedy="Name the one with the migrations."
        )
    if {path.name for path in files(folder)} & {*folders.NAMES}:
        raise UsageError(
            f"{folder} is one migration's folder",
            remedy="Name the one above it. Nothing was written.",
        )
    for reader in READERS:
        if history := reader(folder, split):
            return history._replace(left=(*history.left, *_below(folder, history)))
    below = sorted({str(_home(path)) for path in folder.rglob("*.sql")})
    if not below:
        _refuse_code(folder)
    raise UsageError(
        f"{folder} holds no migrations",
        [f"known are: {TOOLS}"],
        f"Name the folder itself. There is SQL in: {several(below)}" if below else "",
    )


def _refuse_code(folder: Path) -> None:
    """Refuse a history in a language of programs, or a changelog of Liquibase's."""
    found = {
        path: CODE.get(path.suffix, "Liquibase's own format")
        for path in files(folder, deep=True)
        if (path.suffix in CODE and path.name[0].isdigit())
        or re.fullmatch(r".*changelog.*\.(xml|ya?ml|json)", path.name, re.IGNORECASE)
    }
    if found:
        raise UsageError(
            f"{folder} holds migrations in {several(sorted({*found.values()}))}, which"
            " only their tool can run",
            [several([str(path) for path in found], 3)],
            FROM_DUMP,
        )


def _home(path: Path) -> Path:
    """Return the folder to import of which a SQL file is."""
    return path.parents[1] if path.name in folders.NAMES else path.parent


def _below(folder: Path, history: ForeignHistory) -> Iterator[NotCarried]:
    """Name the folders below with SQL, which a tool with one folder does not run."""
    if history.tool not in _ONE_FOLDER:
        return
    found = Counter(
        path.parent
        for path in files(folder, deep=True)
        if path.suffix.lower() == ".sql" and path.parent != folder
    )
    for path, count in found.items():
        why = f"{amount(count, 'SQL file')} in a folder below, not read"
        yield NotCarried(path, why, matters=False)
