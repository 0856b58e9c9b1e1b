"""What goes with a row of a table when it is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlpair.document.book import Book, Link, TablePage

_OUTCOMES = {
    "cascade": "rows are deleted",
    "set null": "rows stay, with NULL instead",
    "set default": "rows stay, with the default instead",
    "restrict": "refused while rows refer to it",
    "no action": "refused while rows refer to it",
}


@dataclass(frozen=True)
class Consequence:
    """What happens to the rows at the other end of a link.

    ``through`` are the tables whose rows were deleted before, the nearest last.
    """

    link: Link
    through: tuple[str, ...]

    @property
    def deletes(self) -> bool:
        """Whether rows are deleted."""
        return self.link.on_delete == "cascade"

    @property
    def outcome(self) -> str:
        """Say it in words."""
        if not self.link.kept:
            return "rows stay, and refer to nothing: no engine keeps this reference"
        return _OUTCOMES.get(self.link.on_delete, self.link.on_delete)


def _keeps(link: Link) -> bool:
    return link.on_delete != "cascade"


def consequences(book: Book, page: TablePage) -> Iterator[Consequence]:
    """What deleting a row of ``page`` does, the nearest first."""
    waiting: list[tuple[TablePage, tuple[str, ...]]] = [(page, ())]
    seen = {page.address}
    for current, through in waiting:
        for link in sorted(current.referred, key=_keeps):
            yield Consequence(link, through)
            child = book.pages.get(link.of.address)
            if link.on_delete == "cascade" and child and child.address not in seen:
                seen.add(child.address)
                waiting.append((child, (*through, child.name)))
