"""sqlpair document: write the schema book."""

from __future__ import annotations

from pathlib import Path

import click

from sqlpair.cli import options, output
from sqlpair.document import folder
from sqlpair.document.book import Book
from sqlpair.document.describe import book
from sqlpair.document.markdown import markdown
from sqlpair.project.settings import load

DEFAULT = {"markdown": "docs/schema", "html": "state/schema"}


@click.command("document", cls=options.Command)
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "html"]),
    default="markdown",
    help="Markdown, for a forge (the default), or pages for a browser.",
)
@click.option(
    "--to",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write it; else docs/schema, and state/schema for html.",
)
@click.option(
    "--live",
    is_flag=True,
    help="Describe the live databases, with a timeline of what was deployed.",
)
@options.check
@click.pass_obj
def command(config: Path, form: str, to: Path | None, live: bool, check: bool) -> None:
    """Write the schema book: every table and every migration, to be looked at.

    It is what the files build in a scratch database: for each database an overview with
    a diagram, a page for each table and one for each migration. As Markdown it is the
    same text each time: commit it, and let CI run sqlpair document --check. As HTML it
    is a folder for a browser, which needs no server and no network.
    """
    settings = load(config)
    target = to or settings.root / DEFAULT[form]
    described = book(settings, output.progress, live=live)
    files = folder.compare(target, _pages(described, form))
    stale = [one for one in files if one.stale]
    if check:
        options.refuse_stale(stale, target, "page", "the schema", "document")
    elif stale:
        folder.write(target, stale)
        what = output.amount(len(stale), "page")
        output.say(f"{what} written in {output.path(target)}")
    if not stale:
        output.say("Nothing to do: every page is up to date.", "green")


def _pages(described: Book, form: str) -> dict[str, str]:
    if form == "markdown":
        return markdown(described)
    pages: dict[str, str] = options.html_book().html(described)
    return pages
