"""The files that a pattern of members stands for, and the members' names in it.

As ``glob`` finds them, but none is left out because it may not be looked at: a file
that may be there is a member, and fails by itself; a folder that cannot be listed
could hold any number of members, and ends the search.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from sqlpair.errors import SettingsError
from sqlpair.project.fleet import BESIDE, MemberSource
from sqlpair.project.presence import ABSENT, exists

_WILDCARD = re.compile(r"\*\*/?|\*|\?|\[[^\]]*\]")


def files(
    source: MemberSource, closed: list[SettingsError] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of each file; SettingsError for a closed folder.

    Unless ``closed`` takes it: for who looks for a member that is elsewhere.
    """
    pattern = _expression(source.text)
    for path in _walk(source, "", source.text.split("/"), closed):
        if BESIDE.search(path):
            continue
        match = pattern.fullmatch(path)
        words = match.groups() if match else ()
        name = "/".join(word.strip("/") for word in words if word.strip("/"))
        yield name or path, path


def new_file(source: MemberSource, name: str) -> str:
    """Return the path of the member that is to be called ``name``.

    Empty where the pattern does not say it, or would not find it, or it is there.
    """
    if _WILDCARD.findall(source.text) != ["*"] or not re.fullmatch(r"[^/\0]+", name):
        return ""
    path = source.text.replace("*", name)
    parts = zip(source.text.split("/"), path.split("/"), strict=True)
    if BESIDE.search(path) or not all(_fits(part, word) for part, word in parts):
        return ""
    return "" if exists(source.root / path) else path


def _fits(part: str, name: str) -> bool:
    """Say whether a name is one of a pattern's part; as in a shell, none with a dot."""
    if part == name:
        return True
    # lost+found is its owner's alone, at the top of each disk, and nobody's member.
    hidden = name.startswith(".") and not part.startswith(".")
    return not hidden and name != "lost+found" and fnmatchcase(name, part)


def _walk(
    source: MemberSource,
    folder: str,
    parts: Sequence[str],
    closed: list[SettingsError] | None,
) -> Iterator[str]:
    part, *rest = parts
    path = os.path.join(folder, part or "/")  # noqa: PTH118
    if not _WILDCARD.search(part):
        if rest:
            yield from _walk(source, path, rest, closed)
        elif _may_be(source, path):
            yield path
        return
    if part == "**":
        yield from _walk(source, folder, rest or ["*"], closed)
    for name in _names(source, folder, closed):
        path = os.path.join(folder, name)  # noqa: PTH118
        if not _fits(part, name):
            continue
        if part != "**" and not rest:
            yield path
        else:
            yield from _walk(source, path, parts if part == "**" else rest, closed)


def _may_be(source: MemberSource, path: str) -> bool:
    try:
        os.lstat(source.root / path)
    except OSError as error:
        return error.errno not in ABSENT
    return True


def _names(
    source: MemberSource, folder: str, closed: list[SettingsError] | None
) -> list[str]:
    where = source.root / folder
    try:
        with os.scandir(where) as entries:
            return [entry.name for entry in entries]
    except OSError as error:
        if error.errno in ABSENT:
            return []
        refusal = SettingsError(
            f"{source.told}: a folder that may have members cannot be read",
            [f"{where}: {error.strerror}"],
            "Let this user read it, or move it away. Nothing is known of its members.",
        )
    if closed is None:
        raise refusal
    closed.append(refusal)
    return []


def _expression(text: str) -> re.Pattern[str]:
    """Return what finds in a path the parts that its wildcards stand for."""
    parts, end = [], 0
    for wild in _WILDCARD.finditer(text):
        inner = "(.*)" if wild[0].startswith("**") else "([^/]+)"
        parts += [re.escape(text[end : wild.start()]), inner]
        end = wild.end()
    return re.compile("".join([*parts, re.escape(text[end:])]), re.DOTALL)
