"""Text of anybody's as Markdown that shows it, and does nothing else.

What comes from a database or a file may hold markup, a script, a link or the end of a
table's cell. Here it becomes text again, on one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sqlpair.errors import printable

# An underscore within a word is nothing but one.
_SIGNS = re.compile(r"([\\`*{}\[\]<>#|~&!$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
# What would begin a list, a heading or a quote, or become a link by itself.
_START = re.compile(r"^([-+=]|\d+[.)])")
_LINKED = re.compile(r"(://|@|\bwww\.)")


def plain(text: str) -> str:
    """The text, each sign of Markdown's escaped."""
    line = printable(" ".join(text.split()))
    line = _SIGNS.sub(r"\\\1", line)
    line = _LINKED.sub(lambda found: "".join(f"&#{ord(c)};" for c in found[1]), line)
    return _START.sub(lambda found: f"&#{ord(found[1][0])};{found[1][1:]}", line)


def code(text: str) -> str:
    """The text as code; in a table's cell, too."""
    line = printable(" ".join(text.split()))
    if not line:
        return ""
    if not re.search(r"[`|\\]", line):
        return f"`{line}`"
    signs = re.sub(r"[^A-Za-z0-9 ]", lambda found: f"&#{ord(found[0])};", line)
    return f"<code>{signs}</code>"


def block(text: str, language: str = "") -> list[str]:
    """Lines of a fenced block, which nothing in ``text`` can end."""
    shown = "\n".join(printable(line.expandtabs(4)) for line in text.split("\n"))
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *shown.strip("\n").split("\n"), fence]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; its cells are Markdown already. Empty columns are left out."""
    known = [tuple(row) for row in rows]
    kept = [
        place
        for place, title in enumerate(header)
        if not place or any(row[place] for row in known)
    ]
    lines = [[header[place] for place in kept], ["---"] * len(kept)]
    lines += [[row[place] for place in kept] for row in known]
    return [f"| {' | '.join(line)} |" for line in lines]
