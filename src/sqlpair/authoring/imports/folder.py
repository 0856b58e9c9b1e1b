"""In which tool's format a folder is."""

from __future__ import annotations

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
from sqlpair.authoring.imports.foreign import ForeignHistory, Reader
from sqlpair.errors import UsageError, several
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


def read(folder: Path, split: Split) -> ForeignHistory:
    """Read the history in ``folder``; UsageError where there is none."""
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder", remedy="Name the one with the migrations."
        )
    for reader in READERS:
        if history := reader(folder, split):
            return history
    below = sorted({str(path.parent) for path in folder.rglob("*.sql")})
    raise UsageError(
        f"{folder} holds no migrations",
        [f"known are: {TOOLS}"],
        f"Name the folder itself. There is SQL in: {several(below)}" if below else "",
    )
