"""The schema book in a real browser: Chromium, without a network."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from conftest import Project
from sqlpair.document import folder
from sqlpair.document.book import (
    Book,
    Chapter,
    ColumnRow,
    Link,
    Origin,
    Side,
    TablePage,
)
from sqlpair.document.describe import book
from sqlpair.document.html import html
from sqlpair.project import settings

ROOT = Path(__file__).parents[2]
# The names that distributions have for it; scripts/system-packages has the same.
NAMES = ("chromium", "chromium-browser", "google-chrome")
# Without a sandbox it runs as root, too; nothing of it asks a network by itself.
OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)
USERS = "postgres/tables/users.html"
ADDED = "sqlite/migrations/002_extend_trades_table.html"
PAGES = ("index.html", "postgres/index.html", USERS, ADDED)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, "run: scripts/system-packages"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def own(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book of this project."""
    environ = {**os.environ, "DATABASE_URL": "", "SCRATCH_URL": _url(server)}
    described = book(settings.load(ROOT / "alembic.ini", environ), lambda _: None)
    return written(tmp_path_factory.mktemp("own"), html(described))


def _url(dsn: str) -> str:
    words = dict(word.split("=", 1) for word in dsn.split())
    return (
        f"postgresql://{words['user']}@/{words['dbname']}"
        f"?host={words['host']}&port={words['port']}"
    )


def written(shelf: Path, pages: Mapping[str, str]) -> Path:
    folder.write(shelf, folder.compare(shelf, pages))
    return shelf


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page of a book; the console stays empty, and no network is asked."""
    contexts, faults = [], []

    def asked(url: str) -> None:
        if not url.startswith(("file:", "data:")):
            faults.append(url)

    def open_(shelf: Path, path: str, width: int = 1000, **options: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda request: faults.append(request.url))
        page.on("request", lambda request: asked(request.url))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.goto((shelf / path).as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []


@pytest.mark.parametrize(("width", "scheme"), [(400, "dark"), (1000, "light")])
def test_axe_finds_no_serious_fault(
    own: Path, opened: Callable[..., Page], width: int, scheme: str
) -> None:
    page = opened(own, PAGES[0], width, color_scheme=scheme)
    for path in PAGES:
        page.goto((own / path).as_uri())
        page.wait_for_selector(".search:not([hidden])")

        # Without preload: it would ask for the style sheet once more.
        found = Axe().run(page, options={"preload": False}).response["violations"]

        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        told = [(one["id"], [n["html"] for n in one["nodes"]]) for one in serious]
        assert told == [], path


def test_a_page_fits_a_narrow_screen(own: Path, opened: Callable[..., Page]) -> None:
    page = opened(own, PAGES[0], 400)
    for path in PAGES:
        page.goto((own / path).as_uri())

        assert page.evaluate("document.documentElement.scrollWidth") <= 400, path


class Links(HTMLParser):
    """The links and the ids of a page, and how many scripts and handlers it has."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.acting: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "xlink:href", "src") and value != "data:,":
                self.links.append(value or "")
            elif name == "id":
                assert value not in self.ids, value
                self.ids.add(value or "")
            elif name.startswith("on") or name == "style":
                self.acting.append(f"{name}={value}")
        if tag == "script" and not dict(attrs).get("src"):
            self.acting.append(tag)


def check_links(shelf: Path) -> int:
    """Follow every link of a book; return how many there are."""
    pages = {path: Links(path.read_text()) for path in shelf.rglob("*.html")}
    for path, found in pages.items():
        for link in found.links:
            to, _, part = link.partition("#")
            target = (path.parent / unquote(to)).resolve() if to else path
            assert target.is_relative_to(shelf.resolve()), (path, link)
            assert target.is_file(), (path, link)
            assert not part or part in pages[target].ids | {""}, (path, link)
        assert found.acting == [], path
    return sum(len(found.links) for found in pages.values())


def test_every_link_leads_somewhere_within_the_book(own: Path) -> None:
    assert check_links(own) > 200


def test_search_finds_a_column_and_leads_to_it(
    own: Path, opened: Callable[..., Page]
) -> None:
    page = opened(own, ADDED)
    page.keyboard.press("/")
    page.keyboard.type("trades user_id")
    first = page.locator("#found li").first

    assert first.locator(".name").inner_text() == "trades.user_id"
    assert "since 002_extend_trades_table" in first.inner_text()
    assert page.locator("#search").get_attribute("aria-expanded") == "true"
    assert page.locator("#heard").inner_text() == "1 found"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sqlite/tables/trades.html#columns")
    assert page.locator("h1").inner_text().startswith("trades")
    page.keyboard.press("/")
    page.keyboard.type("nothing is called so")
    assert page.locator("#heard").inner_text() == "0 found"
    page.keyboard.press("Escape")
    assert page.locator("#search").input_value() == ""


def test_the_diagram_shows_the_foreign_keys_and_its_boxes_are_links(
    own: Path, opened: Callable[..., Page]
) -> None:
    page = opened(own, "postgres/index.html")
    assert page.locator(".diagram .edge.kept").count() == 2
    assert page.locator(".diagram .node").count() == 3
    page.locator(".diagram .node", has_text="user_strategies").locator("a").click()
    page.wait_for_url("**/user_strategies.html")

    page.goto((own / USERS).as_uri())

    assert page.locator(".diagram .edge.kept").count() == 2
    assert page.locator(".diagram .edge.across").count() == 1
    assert "email" in str(page.locator(".diagram .node.focus").text_content())


def test_the_book_answers_what_a_new_user_asks(
    own: Path, opened: Callable[..., Page]
) -> None:
    page = opened(own, USERS)
    deleted = page.locator(".deletion .deletes .where").all_inner_texts()
    assert [re.split(r"\s", text)[0] for text in deleted] == [
        "postgres.user_credentials",
        "postgres.user_strategies",
    ]
    assert "trades" in page.locator(".deletion .keeps").inner_text()

    page.goto((own / "sqlite" / "tables" / "trades.html").as_uri())
    row = page.locator("#columns").locator("xpath=..").locator("tr", has_text="user_id")
    assert "002_extend_trades_table" in row.inner_text()

    page.goto((own / ADDED).as_uri())
    rollback = page.locator("section", has=page.locator("#rollback")).inner_text()
    assert "loses column trades.user_id, with all that is in it" in rollback
    assert "every trade and every other column stay" in rollback


def test_colours_are_the_systems_until_they_are_chosen_and_then_kept(
    own: Path, opened: Callable[..., Page]
) -> None:
    page = opened(own, "index.html", color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    button = page.get_by_role("button", name="Dark colours")
    assert button.get_attribute("aria-pressed") == "true"

    button.click()

    light = page.evaluate(ground)
    assert light != dark
    assert button.get_attribute("aria-pressed") == "false"
    page.goto((own / USERS).as_uri())
    assert page.evaluate(ground) == light


def test_a_page_is_whole_without_scripts_and_on_paper(
    own: Path, opened: Callable[..., Page]
) -> None:
    page = opened(own, USERS, java_script_enabled=False)
    assert page.locator(".diagram .node").count() == 4
    assert not page.locator(".search").is_visible()
    assert page.locator("nav.side a").count() > 5

    page.emulate_media(media="print", color_scheme="dark")

    assert not page.locator("nav.side").is_visible()
    assert not page.locator(".bar").is_visible()
    assert page.locator(".deletion").is_visible()


def test_everything_can_be_reached_by_keyboard(
    own: Path, opened: Callable[..., Page]
) -> None:
    page = opened(own, "postgres/index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.closest('svg, .canvas, main')?.tagName"
            )
        )
    assert {"DIV", "svg"} <= reached


# -- a schema of many tables, and one of a bad mind ----------------------------------


def column(name: str, *keys: str, comment: str = "") -> ColumnRow:
    return ColumnRow(name, "integer", False, "", comment, keys, (), Origin("001_all"))


def table(name: str, *links: Link, back: tuple[Link, ...] = ()) -> TablePage:
    columns = (column("id", "PK"), column("parent", "FK"))
    origin = Origin("001_all")
    return TablePage(
        "big", name, "table", "", (), columns, (), links, back, origin
    )  # fmt: skip


def link(of: str, to: str) -> Link:
    side, end = Side("big", of, ("parent",)), Side("big", to, ("id",))
    return Link(side, end, f"{of}.fk", "cascade", "", True, False, Origin("001_all"))


def test_five_hundred_tables_open_at_once_and_draw_a_neighbourhood_each(
    opened: Callable[..., Page], tmp_path: Path
) -> None:
    names = [f"table_{number:03}" for number in range(500)]
    links = [link(name, names[place // 3]) for place, name in enumerate(names)]
    pages = tuple(
        table(name, links[place], back=tuple(k for k in links if k.to.table == name))
        for place, name in enumerate(names)
    )
    shelf = written(
        tmp_path, html(Book((Chapter("big", "PostgreSQL", pages, (), ()),)))
    )

    page = opened(shelf, "big/index.html")

    opened_in = page.evaluate("performance.getEntriesByType('navigation')[0].duration")
    assert opened_in < 20_000  # a second where nothing else is at work
    assert (
        page.locator("#tables").locator("xpath=..").locator("tbody tr").count() == 500
    )
    assert page.locator(".diagram .node").count() == 25
    page.keyboard.press("/")
    page.keyboard.type("table_499")
    page.keyboard.press("Enter")
    page.wait_for_url("**/table_499.html")
    assert page.locator(".diagram .node").count() == 2


def test_what_is_written_in_a_schema_stays_text(
    project: Project, opened: Callable[..., Page], tmp_path: Path
) -> None:
    name = "<script>alert(1)</script><img src=x onerror=alert(2)>&lt;"
    bad = f"{name} \"'`</svg></script>{{{{7*7}}}} <a href=javascript:alert(3)>"
    text = bad.replace("'", "''")
    project.add(
        "postgres",
        "001_bad",
        f"-- {bad}\n-- Why: {bad}\n"
        f'CREATE TABLE "{name}" ("{name}" text PRIMARY KEY DEFAULT \'{text}\','
        f' "b{name}" text REFERENCES "{name}", CHECK ("b{name}" <> \'{text}\'));\n'
        f'CREATE INDEX "i{name}" ON "{name}" ("b{name}")'
        f" WHERE \"b{name}\" > '{text}';\n"
        f"COMMENT ON TABLE \"{name}\" IS '{text}';\n"
        f'COMMENT ON COLUMN "{name}"."{name}" IS \'{text}\';\n',
        f'DROP TABLE "{name}";',
    )
    described = book(project.settings, lambda _: None)
    shelf = written(tmp_path / "shelf", html(described))

    (shown,) = (shelf / "postgres" / "tables").iterdir()
    page = opened(shelf, str(shown.relative_to(shelf)))

    assert page.locator("h1").inner_text().startswith(f'"{name}"')
    assert bad in page.locator(".lede").inner_text()
    assert page.locator("main script, main img").count() == 0
    assert page.locator(".diagram .node").count() == 1
    page.keyboard.press("/")
    page.keyboard.type("script")
    assert page.locator("#found .name").first.inner_text() == f'"{name}"'
    assert page.locator("#found script, #found img").count() == 0
    page.keyboard.press("Escape")
    page.goto((shelf / "postgres" / "migrations" / "001_bad.html").as_uri())
    assert page.locator(".lede").inner_text() == bad
    assert check_links(shelf) > 20
