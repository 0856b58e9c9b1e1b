"""What a backup says of itself, and whether it is still what it was.

A backup is a folder: a dump of each database, ``manifest.json``, and ``SHA256SUMS``,
which covers all the others and which ``sha256sum -c`` understands. Reading one checks
every byte of it, or raises BackupError; nothing it names lies outside the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlpair.errors import BackupError
from sqlpair.ids import ID
from sqlpair.project.presence import is_file

FORMAT = 2
OLDER = 1  # says neither which project it is of nor what the migrations are
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
FILE = re.compile(r"[a-z][a-z0-9_]*\.[a-z]+")
CHUNK = 1 << 20


class SavedMigration(NamedTuple):
    """One row of a ledger; the older format has its number only."""

    number: int
    name: str = ""
    checksum: str = ""


class Copy(NamedTuple):
    """One database in a backup: its dump, and where the database was.

    ``revisions`` and ``applied`` are the version table and the ledger at that moment.
    ``proven`` is what was restored on trial: ``rows``, ``schema``, or nothing.
    """

    name: str
    driver: str
    file: str
    size: int
    sha256: str
    server: str
    tool: str
    proven: str
    revisions: tuple[str, ...]
    applied: tuple[SavedMigration, ...]


class Manifest(NamedTuple):
    """A backup of all databases at one schema version.

    ``project`` is the name of the project's folder, which / has none of, and
    ``member`` that of the one member of a fleet whose backup it is.
    ``interrupted`` says in a sentence which deployment not every database has
    committed, if there is one.
    """

    id: str
    created_at: str
    created_by: str
    sqlpair: str
    project: str
    environment: str
    schema_version: int
    interrupted: str
    databases: tuple[Copy, ...]
    member: str = ""

    @property
    def names_migrations(self) -> bool:
        """Whether it says what each migration is, not its number alone."""
        return all(row.name for copy in self.databases for row in copy.applied)

    def to_json(self) -> dict[str, Any]:
        """Return it as ``manifest.json`` holds it."""
        values: dict[str, Any] = {"format": FORMAT} | self._asdict()
        values["databases"] = [
            copy._asdict() | {"applied": [row._asdict() for row in copy.applied]}
            for copy in self.databases
        ]
        return values


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest and the checksums of all files into ``folder``, durably."""
    text = json.dumps(manifest.to_json(), indent=2, ensure_ascii=False) + "\n"
    # A path may hold a byte that is no UTF-8; JSON escapes it in the same way.
    write_file(folder / MANIFEST, text.encode("utf-8", "backslashreplace"))
    write_file(folder / SUMS, _sums(folder, manifest.databases).encode())


def write_file(path: Path, content: bytes) -> None:
    """Write a new 0600 file, durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sums(folder: Path, copies: Sequence[Copy]) -> str:
    lines = [f"{copy.sha256}  {copy.file}\n" for copy in copies]
    return "".join([*lines, _line(folder / MANIFEST)])


def _line(path: Path) -> str:
    return f"{checksum(path)}  {path.name}\n"


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def peek(folder: Path) -> Manifest | None:
    """Return the manifest of a whole backup by its names and sizes; None for others.

    Quick: it reads no dump.
    """
    if not ID.fullmatch(folder.name) or folder.is_symlink():
        return None
    try:
        manifest = _read(folder)
        _check_sizes(folder, manifest)
        if (folder / SUMS).read_text("ascii") != _sums(folder, manifest.databases):
            return None
    except (BackupError, OSError, UnicodeDecodeError):
        return None
    return manifest


def read(folder: Path) -> Manifest:
    """Return the manifest of ``folder`` once every byte of the backup was checked."""
    try:
        sums = (folder / SUMS).read_bytes()
        if not sums.endswith(_line(folder / MANIFEST).encode()):
            raise _altered(folder / MANIFEST, f"its SHA-256 is not the one in {SUMS}")
        manifest = _read(folder)
        _check_sizes(folder, manifest)
        for copy in manifest.databases:
            found = checksum(folder / copy.file)
            if found != copy.sha256:
                raise _altered(
                    folder / copy.file,
                    f"its SHA-256 is {found[:12]}…, the manifest says"
                    f" {copy.sha256[:12]}…",
                )
        if sums != _sums(folder, manifest.databases).encode():
            raise _altered(folder / SUMS, f"{SUMS} and the manifest disagree")
    except OSError as error:
        raise _altered(Path(error.filename), f"{error.strerror}") from None
    return manifest


def _altered(path: Path, evidence: str) -> BackupError:
    return BackupError(
        "the backup is not what was written",
        [str(path), evidence],
        "Restore another one. No database was touched.",
    )


def _check_sizes(folder: Path, manifest: Manifest) -> None:
    for copy in manifest.databases:
        path = folder / copy.file
        if path.is_symlink() or not is_file(path):
            raise _altered(path, "the file is not there")
        size = path.stat().st_size
        if size != copy.size:
            raise _altered(
                path, f"it has {size} bytes, the manifest says {copy.size} bytes"
            )


def _read(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["format"] == OLDER:
            values = _upgraded(values)
        elif values["format"] != FORMAT:
            raise BackupError(
                f"the backup is of format {values['format']}, this is {FORMAT}",
                [str(path)],
                "Restore it with the version of sqlpair that made it, or a newer one.",
            )
        return _manifest(values)
    except OSError as error:
        raise _altered(path, f"it cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, LookupError) as error:
        raise _altered(path, f"it is not a valid manifest: {error}") from None


def _upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest of the older format as one of this."""
    copies = [
        copy | {"proven": "", "applied": [{"number": n} for n in copy["applied"]]}
        for copy in values["databases"]
    ]
    return values | {"project": "", "interrupted": "", "databases": copies}


def _manifest(values: dict[str, Any]) -> Manifest:
    kinds = {"schema_version": int, "databases": list}
    known = _typed(Manifest._fields, kinds, {"member": "", **values})
    copies = tuple(_copy(entry) for entry in known.pop("databases"))
    return Manifest(**known, databases=copies)


def _copy(values: dict[str, Any]) -> Copy:
    kinds = {"size": int, "revisions": list, "applied": list}
    known = _typed(Copy._fields, kinds, values)
    if not FILE.fullmatch(known["file"]):
        raise ValueError(f"{known['file']!r} is not a valid name of a dump")
    revisions = tuple(str(item) for item in known.pop("revisions"))
    applied = tuple(_migration(item) for item in known.pop("applied"))
    return Copy(**known, revisions=revisions, applied=applied)


def _migration(values: dict[str, Any]) -> SavedMigration:
    item = SavedMigration(**values)
    return SavedMigration(**_typed(item._fields, {"number": int}, item._asdict()))


def _typed(
    fields: Sequence[str], kinds: dict[str, type], values: dict[str, Any]
) -> dict[str, Any]:
    for field in fields:
        if type(values[field]) is not kinds.get(field, str):
            raise ValueError(f"{field} is {values[field]!r}")
    return {field: values[field] for field in fields}
