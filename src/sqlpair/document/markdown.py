"""The book as Markdown: small files that a forge shows where they lie.

The same schema gives the same text, so that it can be committed and compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlpair.document import diagram, words
from sqlpair.document.addresses import Addresses, between
from sqlpair.document.book import (
    Book,
    Chapter,
    Link,
    MigrationPage,
    Origin,
    PartRow,
    Side,
    TablePage,
)
from sqlpair.document.deletion import consequences
from sqlpair.document.folder import MARK
from sqlpair.document.markup import block, code, plain, table
from sqlpair.document.mermaid import mermaid
from sqlpair.ledger.history import HistoryEvent

Lines = Iterator[str]


def markdown(book: Book) -> dict[str, str]:
    """Return every file of the book, by its path in the book's folder."""
    at = Addresses(book, "README", ".md")
    pages = {at.front: _Page(book, at, at.front).first()}
    for chapter in book.chapters:
        here = at.chapter(chapter.name)
        pages[here] = _Page(book, at, here).chapter(chapter)
        for page in chapter.tables:
            here = at.table(*page.address)
            pages[here] = _Page(book, at, here).table(page)
        for one in chapter.migrations:
            here = at.migration(one.database, one.stem)
            pages[here] = _Page(book, at, here).migration(one)
    return {
        here: "\n".join([f"<!-- {MARK} -->", *lines, ""])
        for here, lines in pages.items()
    }


class _Page:
    """One page, at ``here``."""

    def __init__(self, book: Book, at: Addresses, here: str):
        self._book = book
        self._at = at
        self._here = here

    def first(self) -> Lines:
        """Every database, and what is between them."""
        book = self._book
        yield f"# {plain(book.title)}"
        yield ""
        yield from table(
            ("database", "engine", "tables", "views", "migrations", "is at"),
            [
                (
                    f"[{one.name}]({one.name}/README.md)",
                    one.engine,
                    str(len(one.stored)),
                    str(len(one.views) or ""),
                    str(len(one.migrations)),
                    plain(one.state),
                )
                for one in book.chapters
            ],
        )
        if links := book.across:
            yield from ("", "## References across databases", "")
            yield "No engine keeps these: `sqlpair verify` checks them."
            yield ""
            yield from self._drawn(diagram.across(book))
            yield ""
            yield from table(
                ("column", "refers to", "made by"),
                [(self._side(o.of), self._side(o.to), self._made(o)) for o in links],
            )
        yield from ("", "## Migrations", "")
        yield from table(
            ("number", "database", "migration", "does", "state"),
            [
                (
                    f"{one.number:03}",
                    f"[{one.database}]({one.database}/README.md)",
                    self._stem(one.database, one.stem),
                    plain(one.summary),
                    plain(one.state),
                )
                for one in book.migrations
            ],
        )
        if book.timeline:
            yield from ("", "## Timeline", "")
            yield from _timeline(book.timeline)

    def chapter(self, chapter: Chapter) -> Lines:
        """The overview of a database."""
        yield f"# {chapter.name}"
        yield ""
        at = f", at {code(chapter.state)}" if chapter.state else ""
        yield f"{chapter.engine}{at}, in [{plain(self._book.title)}](../README.md)"
        if drawn := diagram.overview(chapter):
            yield ""
            yield from self._drawn(drawn)
        for title, pages in (
            ("Tables", chapter.stored),
            ("Views", chapter.views),
        ):
            if pages:
                yield from ("", f"## {title}", "")
                yield from table(
                    ("name", "columns", "made by", "last changed by", "comment"),
                    [self._listed(page) for page in pages],
                )
        if chapter.others:
            yield from ("", "## Other objects", "")
            yield from self._parts(chapter.name, chapter.others)
        yield from ("", "## Migrations", "")
        yield from table(
            ("migration", "does", "state"),
            [
                (self._stem(p.database, p.stem), plain(p.summary), plain(p.state))
                for p in chapter.migrations
            ],
        )

    def _listed(self, page: TablePage) -> Sequence[str]:
        return (
            self._linked(page.database, page.name),
            str(len(page.columns) or ""),
            self._stem(page.database, page.origin.made),
            self._stem(page.database, page.origin.changed),
            plain(page.comment),
        )

    def table(self, page: TablePage) -> Lines:
        """A table, or a view."""
        base = page.database
        yield f"# {plain(page.name)}"
        yield ""
        yield f"{page.kind} of [{base}](../README.md){self._since(base, page.origin)}"
        if page.comment:
            yield from ("", plain(page.comment))
        if drawn := diagram.neighbourhood(self._book, page):
            yield ""
            yield from self._drawn(drawn)
        if page.columns:
            yield from ("", "## Columns", "")
            yield from table(
                ("name", "type", "null", "default", "key", "made by",
                 "last changed by", "also", "comment"),
                [
                    (
                        code(one.name),
                        code(one.type),
                        "yes" if one.nullable else "no",
                        code(one.default),
                        ", ".join(one.keys),
                        self._stem(base, one.origin.made),
                        self._stem(base, one.origin.changed),
                        plain("; ".join(f"{w}: {t}" for w, t in one.notes)),
                        plain(one.comment),
                    )
                    for one in page.columns
                ],
            )  # fmt: skip
        for title, links in (
            ("Refers to", page.refers), ("Referred to by", page.referred)
        ):  # fmt: skip
            if links:
                yield from ("", f"## {title}", "")
                yield from self._links(links, back=links is page.referred)
        if found := [*consequences(self._book, page)]:
            yield from ("", "## When a row is deleted", "")
            yield from table(
                ("in", "its", "after those of"),
                [
                    (self._side(one.link.of), plain(one.outcome),
                     ", ".join(map(code, one.through)))
                    for one in found
                ],
            )  # fmt: skip
        for title, parts in words.groups(page):
            yield from ("", f"## {title}", "")
            yield from self._parts(base, parts)
        for word, text in page.facts:
            yield from ("", f"## {plain(word.capitalize())}", "")
            yield from block(text, "sql")

    def migration(self, page: MigrationPage) -> Lines:
        """A migration."""
        base = page.database
        yield f"# {plain(page.stem)}"
        yield ""
        state = f", {plain(page.state)}" if page.state else ""
        yield f"migration of [{base}](../README.md){state}"
        if page.summary:
            yield from ("", plain(page.summary))
        if page.labels:
            yield ""
            for label, text in page.labels:
                yield f"- **{plain(label)}**: {plain(text)}"
        yield from self._changes(page)
        yield from ("", "## Locks", "")
        yield from _locks(page)
        yield from ("", "## Rollback", "")
        yield from self._rollback(page)
        for title, sql in (
            ("SQL", page.sql), ("Rollback SQL", page.rollback_sql),
            ("Verification SQL", page.verify_sql),
        ):  # fmt: skip
            if sql:
                yield from ("", f"## {title}", "")
                yield from block(sql, "sql")

    def _changes(self, page: MigrationPage) -> Lines:
        yield from ("", "## What it changes", "")
        if not page.changes:
            yield "Nothing in the schema."
        for change in page.changes:
            first, *more = change.text.split("\n")
            yield f"- {plain(first)}"
            if more:
                yield from (
                    "",
                    *(f"  {line}" for line in block("\n".join(more), "diff")),
                )
        if page.tables:
            there = [self._linked(page.database, name) for name in page.tables]
            yield from ("", f"It touches {', '.join(there)}.")

    def _rollback(self, page: MigrationPage) -> Lines:
        trial = page.rollback
        for label, text in page.rollback_labels:
            yield f"- **{plain(label)}**: {plain(text)}"
        for lost in trial.lost:
            yield f"- loses {plain(lost)}, with all that is in it"
        for left in trial.left:
            yield f"- leaves: {plain(left.partition(chr(10))[0])}"
        if trial.untried:
            yield f"- {plain(trial.untried)}"
        if not (page.rollback_labels or trial.lost or trial.left or trial.untried):
            yield "- loses no table and no column"

    # -- parts of pages --------------------------------------------------------------

    def _drawn(self, drawn: diagram.Diagram | None) -> Lines:
        if drawn is None:
            return
        yield from block(mermaid(drawn), "mermaid")
        if told := words.caption(drawn):
            yield from ("", told)

    def _links(self, links: Sequence[Link], *, back: bool) -> Lines:
        yield from table(
            ("columns", "of" if back else "to", "keeps it", "made by"),
            [
                (
                    self._columns(link.to if back else link.of),
                    self._side(link.of if back else link.to),
                    words.action(link),
                    self._made(link),
                )
                for link in links
            ],
        )

    def _parts(self, database: str, parts: Sequence[PartRow]) -> Lines:
        yield from table(
            ("kind", "name", "is", "also", "made by", "last changed by", "comment"),
            [
                (
                    plain(part.kind),
                    code(part.name),
                    code(words.definition(part)),
                    plain(words.remarks(part)),
                    self._stem(database, part.origin.made),
                    self._stem(database, part.origin.changed),
                    plain(part.comment),
                )
                for part in parts
            ],
        )

    def _since(self, database: str, origin: Origin) -> str:
        if not origin.made:
            return ", made by no migration"
        told = f", made by {self._stem(database, origin.made)}"
        if origin.changed:
            told += f", last changed by {self._stem(database, origin.changed)}"
        return told

    def _made(self, link: Link) -> str:
        return self._stem(link.of.database, link.origin.made)

    def _stem(self, database: str, stem: str) -> str:
        there = self._at.migration(database, stem)
        return self._link(stem, there) if there else plain(stem)

    def _linked(self, database: str, name: str) -> str:
        there = self._at.table(database, name)
        return self._link(name, there) if there else plain(name)

    def _link(self, text: str, there: str) -> str:
        return f"[{plain(text)}]({between(self._here, there)})"

    def _side(self, side: Side) -> str:
        base = f"{side.database}." if len(self._book.chapters) > 1 else ""
        return f"{plain(base)}{self._linked(*side.address)} ({self._columns(side)})"

    def _columns(self, side: Side) -> str:
        return ", ".join(map(code, side.columns))


def _locks(page: MigrationPage) -> Lines:
    if page.locks is None:
        yield "Not seen: it runs outside a transaction."
    elif not page.locks:
        yield "No strong lock on a table that was there before."
    else:
        yield from table(
            ("on", "lock", "blocks"),
            [(plain(one.table), one.mode, one.blocks) for one in page.locks],
        )


def _timeline(events: Sequence[HistoryEvent]) -> Lines:
    yield from table(
        ("when (UTC)", "database", "what", "migration", "took", "by", "deployment"),
        [
            (
                event.at[:19], plain(event.database), plain(event.action),
                plain(event.migration),
                "" if event.milliseconds is None else f"{event.milliseconds} ms",
                plain(event.by), plain(event.deployment),
            )
            for event in events
        ],
    )  # fmt: skip
