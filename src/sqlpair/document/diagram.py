"""What an ER diagram shows: never all of a large schema, always what hangs together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlpair.document.book import Book, Chapter, ColumnRow, Link, TablePage

Address = tuple[str, str]

TABLES = 25  # boxes in an overview
NEAR = 15  # boxes in a neighbourhood
COLUMNS = 30  # lines in one box


@dataclass(frozen=True)
class Box:
    """A table in a diagram; ``more`` are the columns that it has and does not show."""

    page: TablePage
    columns: tuple[ColumnRow, ...]
    more: int
    focus: bool = False


@dataclass(frozen=True)
class Diagram:
    """Boxes, and the links between them. ``left_out`` are the tables without one."""

    title: str
    boxes: tuple[Box, ...]
    links: tuple[Link, ...]
    left_out: int = 0


def overview(chapter: Chapter) -> Diagram | None:
    """The tables of a database; of many, those with the most links."""
    if not chapter.stored:
        return None
    return _most_linked(f"Tables of {chapter.name}", chapter.stored)


def across(book: Book) -> Diagram | None:
    """The tables that refer to each other across databases."""
    links = book.across
    ends = dict.fromkeys(side.address for one in links for side in (one.to, one.of))
    if not links:
        return None
    title = "References across databases"
    return _most_linked(title, [book.pages[one] for one in ends])


def neighbourhood(book: Book, page: TablePage) -> Diagram | None:
    """A table and those that it refers to or that refer to it; None where none do."""
    if not page.refers and not page.referred:
        return None
    near = page.neighbours
    shown = [page.address, *near[: NEAR - 1]]
    links = [
        one
        for one in dict.fromkeys((*page.refers, *page.referred))
        if one.of.address in shown and one.to.address in shown
    ]
    boxes = [_box(book.pages[one], links, focus=one == page.address) for one in shown]
    left = len(near) + 1 - len(shown)
    return Diagram(f"{page.name} and its neighbours", tuple(boxes), tuple(links), left)


def _most_linked(title: str, tables: Iterable[TablePage]) -> Diagram:
    known = {page.address: page for page in tables}
    shown = {*known} if len(known) <= TABLES else _together(known)
    kept = [page for address, page in known.items() if address in shown]
    links = tuple(
        link for page in kept for link in page.refers if link.to.address in shown
    )
    boxes = tuple(_box(page, links) for page in kept)
    return Diagram(title, boxes, links, len(known) - len(kept))


def _together(known: Mapping[Address, TablePage]) -> set[Address]:
    """Some that hang together: the most linked, then what has most links to those."""
    near = {one: {*page.neighbours} & known.keys() for one, page in known.items()}
    shown: set[Address] = set()
    while len(shown) < TABLES:
        shown.add(
            min(
                known.keys() - shown,
                key=lambda one: (-len(near[one] & shown), -len(near[one]), one),
            )
        )
    return shown


def _box(page: TablePage, links: Iterable[Link], *, focus: bool = False) -> Box:
    """The focus shows its columns, another its keys and what a link touches."""
    linked = {
        name
        for link in links
        for side in (link.of, link.to)
        if side.address == page.address
        for name in side.columns
    }
    wanted = [
        column
        for column in page.columns
        if focus or column.name in linked or "PK" in column.keys
    ]
    shown = wanted[:COLUMNS]
    shown += [one for one in wanted[COLUMNS:] if one.name in linked]
    return Box(page, tuple(shown), len(page.columns) - len(shown), focus)
