"""The files of a book: their names, which of them are stale, and how they are written.

Each one carries ``MARK``. A file without it is somebody's own: it is never written over
and never removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from sqlpair.errors import UsageError
from sqlpair.project import atomic_write
from sqlpair.project.generated import GeneratedFile
from sqlpair.project.presence import exists, is_dir, is_file

MARK = "Written by: sqlpair document"
_LONG = 80  # characters of a name


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A file name without suffix for each name, no two alike in any case.

    A name in which a character had to go ends with a hash of it.
    """
    found: dict[str, str] = {}
    taken: set[str] = {"readme", "index"}
    for name in sorted(names):
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-")[:_LONG]
        if plain != name or plain.lower() in taken:
            plain = f"{plain}-{sha256(name.encode()).hexdigest()[:8]}".lstrip("-")
        taken.add(plain.lower())
        found[name] = plain
    return found


def compare(folder: Path, wanted: Mapping[str, str]) -> list[GeneratedFile]:
    """Every file of the book that ``folder`` is to have or has, by its path.

    UsageError where somebody's own file is in the way.
    """
    files = [GeneratedFile(folder / name, text, None) for name, text in wanted.items()]
    files = [one._replace(found=_read(one.path)) for one in files]
    own = [one for one in files if one.found is not None and MARK not in one.found]
    if own:
        raise UsageError(
            f"{own[0].path} was not written by sqlpair document",
            [f"{one.path}" for one in own[1:5]],
            "Nothing was written. Move it away, or name another folder: --to FOLDER",
        )
    known = {one.path for one in files}
    suffixes = {Path(name).suffix for name in wanted}
    files += [
        GeneratedFile(path, None, text)
        for path, text in _written(folder, suffixes)
        if path not in known
    ]
    return sorted(files)


def write(folder: Path, files: Iterable[GeneratedFile]) -> None:
    """Write what is stale, and remove what the book has no more."""
    for one in files:
        if not one.stale:
            continue
        if one.wanted is None:
            one.path.unlink()
            _prune(one.path.parent, folder)
        else:
            one.path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write.put(one.path, one.wanted.encode())


def _prune(empty: Path, folder: Path) -> None:
    while empty != folder and not any(empty.iterdir()):
        empty.rmdir()
        empty = empty.parent


def _written(folder: Path, suffixes: set[str]) -> Iterator[tuple[Path, str]]:
    """The files in ``folder`` that some run has written."""
    for path in sorted(folder.rglob("*")) if is_dir(folder) else ():
        if path.suffix in suffixes and is_file(path) and not path.is_symlink():
            text = _read(path)
            if text and MARK in text:
                yield path, text


def _read(path: Path) -> str | None:
    if not exists(path) and not path.is_symlink():
        return None
    # A Windows checkout is no stale one.
    return path.read_bytes().decode(errors="replace").replace("\r\n", "\n")
