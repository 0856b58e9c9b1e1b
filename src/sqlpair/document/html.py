"""The book as pages for a browser: no server, no network, scripts and styles inside.

Jinja2 escapes whatever a template shows. What is put in as markup is ours or comes
from a library that escapes: Graphviz's SVG, Pygments' SQL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from itertools import groupby
from operator import attrgetter
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PostgresLexer

from sqlpair.document import diagram, words
from sqlpair.document.addresses import Addresses, between
from sqlpair.document.book import Book, Chapter, TablePage
from sqlpair.document.deletion import consequences
from sqlpair.document.diagram import Diagram
from sqlpair.document.folder import MARK
from sqlpair.document.layout import svg
from sqlpair.document.ticket import Ticket
from sqlpair.progress import duration

ASSETS = ("book.css", "book.js")
INDEX = "assets/index.js"
_COLOURED = 200_000  # characters; colours of a longer text take seconds


def html(book: Book) -> dict[str, str]:
    """Return every file of the book, by its path in the book's folder."""
    at = Addresses(book, "index", ".html")
    environment = _environment()
    found = {f"assets/{name}": _asset(name) for name in ASSETS}
    found[INDEX] = _index(book, at)
    page = partial(_page, environment, book, at)
    found[at.front] = page(at.front, "first", drawn=diagram.across(book))
    if book.timeline:
        runs = [
            [*events] for _, events in groupby(book.timeline, attrgetter("deployment"))
        ]
        found["timeline.html"] = page("timeline.html", "timeline", runs=runs[::-1])
    for chapter in book.chapters:
        here = at.chapter(chapter.name)
        found[here] = page(
            here, "chapter", chapter=chapter, drawn=diagram.overview(chapter)
        )
        found |= _chapter(book, at, page, chapter)
    return found


def ticket_html(made: Ticket) -> str:
    """Return a change ticket as one file that holds its style."""
    style = Markup(_asset("book.css"))  # noqa: S704 - ours
    template = _environment().get_template("ticket.html")
    return template.render(ticket=made, style=style, duration=duration)


def _chapter(
    book: Book, at: Addresses, page: Callable[..., str], chapter: Chapter
) -> Iterator[tuple[str, str]]:
    for table in chapter.tables:
        here = at.table(*table.address)
        yield (
            here,
            page(
                here,
                "table",
                chapter=chapter,
                table=table,
                drawn=diagram.neighbourhood(book, table),
                deletion=[*consequences(book, table)],
            ),
        )
    steps = chapter.migrations
    for place, one in enumerate(steps):
        here = at.migration(one.database, one.stem)
        yield (
            here,
            page(
                here,
                "migration",
                chapter=chapter,
                migration=one,
                before=steps[place - 1] if place else None,
                after=steps[place + 1] if place + 1 < len(steps) else None,
            ),
        )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sqlpair.document"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        mark=MARK,
        groups=words.groups,
        definition=words.definition,
        remarks=words.remarks,
        action=words.action,
        caption=words.caption,
        sql=_sql,
    )
    return environment


def _page(
    environment: Environment,
    book: Book,
    at: Addresses,
    here: str,
    template: str,
    *,
    drawn: Diagram | None = None,
    **told: Any,
) -> str:
    """One page; every link in it is relative to ``here``."""

    def link(there: str) -> str:
        return between(here, there)

    def table(page: TablePage) -> str:
        return link(at.table(*page.address))

    shown = svg(drawn, table) if drawn else ""
    return environment.get_template(f"{template}.html").render(
        book=book,
        here=here,
        at=at,
        link=link,
        drawing=Markup(shown),  # noqa: S704 - Graphviz escapes
        drawn=drawn,
        **told,
    )


def _asset(name: str) -> str:
    text = (files("sqlpair.document") / "assets" / name).read_text(encoding="utf-8")
    return f"/* {MARK} */\n{text}"


def _sql(text: str) -> Markup:
    """SQL in colours, escaped."""
    if len(text) > _COLOURED:
        return Markup("<pre><code>{}</code></pre>").format(text)
    formatter = HtmlFormatter(nowrap=True, classprefix="sql-")
    lexer = PostgresLexer(stripnl=False, ensurenl=False)
    coloured = Markup(highlight(text, lexer, formatter))  # noqa: S704 - it escapes
    return Markup("<pre><code>{}</code></pre>").format(coloured)


def _index(book: Book, at: Addresses) -> str:
    """What search looks through: kind, name, what is beside it, and the page."""
    entries = [entry for chapter in book.chapters for entry in _entries(at, chapter)]
    # A script, since a page without a server may not fetch. JSON's < would end one.
    told = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
    safe = told.replace("<", "\\u003c").replace("\u2028", " ").replace("\u2029", " ")
    return f"/* {MARK} */\nwindow.schemaBook = {safe};\n"


def _entries(at: Addresses, chapter: Chapter) -> Iterator[list[str]]:
    base = chapter.name
    for page in chapter.tables:
        there = at.table(*page.address)
        yield [page.kind, page.name, page.comment or base, there]
        for column in page.columns:
            made = column.origin.made
            beside = f"{column.type}, since {made}" if made else column.type
            yield ["column", f"{page.name}.{column.name}", beside, f"{there}#columns"]
        for part in page.parts:
            if part.name:
                yield [part.kind, part.name, page.name, there]
    for part in chapter.others:
        yield [part.kind, part.name, base, f"{at.chapter(base)}#others"]
    for one in chapter.migrations:
        there = at.migration(base, one.stem)
        yield ["migration", one.stem, one.summary or base, there]
