"""An ER diagram as Mermaid's ``erDiagram``, which forges draw where it lies.

Mermaid takes no name as it is: what its grammar does not allow is left out or written
as ``_``, and a name that two tables would share gets a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqlpair.document.book import Link
from sqlpair.document.diagram import Box, Diagram

# Words of the grammar, in any case.
_WORDS = {
    "one", "only", "many", "zero", "to", "optionally", "direction", "style", "class",
    "classdef", "title", "acctitle", "accdescr", "erdiagram", "u", "o", "end",
}  # fmt: skip
# What its grammar or its markup reads, in quotes, too.
_SIGNS = '"%\\<>#;`'
_KEYS = {"pk", "fk", "uk"}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def mermaid(diagram: Diagram) -> str:
    """Return the diagram's text."""
    return "\n".join(["erDiagram", *_lines(diagram)])


def _lines(diagram: Diagram) -> Iterator[str]:
    names = dict(_names(diagram))
    for box in diagram.boxes:
        columns = list(_columns(box))
        if columns:
            yield f"    {names[box.page.address]} {{"
            yield from columns
            yield "    }"
        else:
            yield f"    {names[box.page.address]}"
    for link in diagram.links:
        yield f"    {_relation(link, names)}"


def _names(diagram: Diagram) -> Iterator[tuple[tuple[str, str], str]]:
    """Each table's name as Mermaid takes it; the database's where there are several."""
    several = len({box.page.database for box in diagram.boxes}) > 1
    taken: set[str] = set()
    for box in diagram.boxes:
        page = box.page
        shown = f"{page.database}.{page.name}" if several else page.name
        name = shown = "".join(c for c in shown if c.isprintable() and c not in _SIGNS)
        number = 1
        while name.lower() in taken:
            number += 1
            name = f"{shown} {number}"
        taken.add(name.lower())
        plain = _PLAIN.fullmatch(name) and name.lower() not in _WORDS
        yield page.address, name if plain else f'"{name or " "}"'


def _columns(box: Box) -> Iterator[str]:
    for column in box.columns:
        words = [_word(column.type) or "any", _word(column.name) or "_"]
        if column.keys:
            words.append(", ".join(column.keys))
        yield f"        {' '.join(words)}"


def _word(text: str) -> str:
    """The text as one word of an attribute."""
    spaced = re.sub(r"[,.\s]+", "_", text.strip().strip('"'))
    word = re.sub(r"[^A-Za-z0-9_\[\]()\u00C0-\uD7FF]", "", spaced)
    bare = re.match(r"[A-Za-z_\u00C0-\uD7FF]", word) and word.lower() not in _KEYS
    return word if bare else f"_{word}" * bool(word)


def _relation(link: Link, names: Mapping[tuple[str, str], str]) -> str:
    parent = "||" if link.required else "|o"
    child = "o|" if link.single else "o{"
    line = "--" if link.kept else ".."
    label = ", ".join(_word(name) for name in link.of.columns)
    ends = f"{names[link.to.address]} {parent}{line}{child} {names[link.of.address]}"
    return f'{ends} : "{label}"'
