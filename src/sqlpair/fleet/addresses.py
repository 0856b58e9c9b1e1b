"""The addresses of members that a variable holds, or a file, one a line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlpair.errors import SettingsError
from sqlpair.project.fleet import MemberSource, SourceKind

_LINE_END = re.compile(r"\r\n?|\n")  # a path may hold what else ends a line
_COMMENT = re.compile(r"\s#")


def listed(source: MemberSource) -> Iterator[tuple[str, str]]:
    """Yield the addresses of a variable or a file, each with where it stands."""
    if source.kind is SourceKind.VARIABLE:
        for number, word in enumerate(source.addresses.split(), start=1):
            yield f"address {number} of {source.text}", word
        return
    path = source.root / source.text
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(
            f"{source.told}: the file of addresses cannot be read",
            [f"{path}: {error.strerror}"],
            "It has one address a line. A pattern has a * in it.",
        ) from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise SettingsError(
            f"{source.told}: not a file of addresses",
            [f"{path} is not text"],
            "It has one address a line. A single database has no members: give its"
            " address to a variable.",
        )
    for number, line in enumerate(_LINE_END.split(text), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if _COMMENT.search(stripped):
            raise SettingsError(
                f"{source.told}: a comment behind an address",
                [f"{source.text}:{number}"],
                "Give the comment a line of its own.",
            )
        yield f"{source.text}:{number}", stripped
