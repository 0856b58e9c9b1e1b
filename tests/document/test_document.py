"""The schema book: what it says, that it stays fresh, and that nothing in it acts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from conftest import Project
from sqlpair.document.book import Book, Link
from sqlpair.document.deletion import consequences
from sqlpair.document.describe import book
from sqlpair.document.diagram import NEAR, TABLES, neighbourhood, overview
from sqlpair.document.folder import MARK, file_names
from sqlpair.document.markdown import markdown
from sqlpair.document.markup import block, code, plain, table
from sqlpair.document.mermaid import mermaid

ROOT = Path(__file__).parents[2]
HOSTILE = """<script>alert(1)</script> | [x](javascript:alert(1)) ```` `a` \\ _b_ &lt;
# ![i](x) "q" 'r' -- */ \x1b[31m \u202e"""


def described(project: Project, *, live: bool = False) -> Book:
    return book(project.settings, lambda _: None, live=live)


def refer(project: Project, **references: str) -> None:
    lines = [f'"{name}" = "{to}"' for name, to in references.items()]
    text = "\n".join(["[tool.sqlpair.references]", *lines])
    (project.root / "pyproject.toml").write_text(text)


@pytest.fixture
def shop(project: Project) -> Project:
    """Three tables and their cascade, grown over five migrations."""
    project.add(
        "postgres",
        "001_customers",
        "-- Keep customers.\n-- Why: there are some,\n--   and more to come.\n"
        "CREATE TABLE customers (id int PRIMARY KEY, name text);\n"
        "COMMENT ON TABLE customers IS 'Who buys.';\n",
        "-- Loses: all of them.\nDROP TABLE customers;\n",
    )
    project.add(
        "postgres",
        "002_orders",
        "CREATE TABLE orders (id int PRIMARY KEY,"
        " customer int NOT NULL REFERENCES customers ON DELETE CASCADE);\n"
        "CREATE TABLE lines (order_id int REFERENCES orders ON DELETE CASCADE,"
        " gift_for int REFERENCES customers ON DELETE SET NULL,"
        " approved_by int REFERENCES customers);\n",
        "DROP TABLE lines;\n",
    )
    project.add(
        "sqlite",
        "003_visits",
        "CREATE TABLE visits (at INTEGER PRIMARY KEY, note TEXT);\n",
        "DROP TABLE visits;\n",
    )
    project.add(
        "postgres",
        "004_wider",
        "ALTER TABLE customers ALTER COLUMN name SET NOT NULL;\n"
        "CREATE INDEX by_name ON customers (name);\n",
        "ALTER TABLE customers ALTER COLUMN nope DROP NOT NULL;\n",
    )
    project.add(
        "sqlite",
        "005_customer",
        "ALTER TABLE visits ADD COLUMN customer INTEGER;\n",
        "ALTER TABLE visits DROP COLUMN customer;\n",
    )
    refer(project, **{"sqlite.visits.customer": "postgres.customers.id"})
    return project


def test_this_projects_book_is_up_to_date(tradebaas: Project) -> None:
    folder = str(ROOT / "docs" / "schema")

    tradebaas.sqlpair("document", "--check", "--to", folder)


def test_every_link_of_this_projects_book_leads_to_a_page() -> None:
    pages = [*(ROOT / "docs" / "schema").rglob("*.md")]
    for page in pages:
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            assert (page.parent / link).is_file(), (page, link)
    assert len(pages) > 10


def test_each_column_names_the_migration_that_made_it_and_changed_it_last(
    shop: Project,
) -> None:
    pages = described(shop).pages

    customers = pages["postgres", "customers"]
    name = next(column for column in customers.columns if column.name == "name")
    customer = pages["sqlite", "visits"].columns[-1]
    assert (name.origin.made, name.origin.changed) == ("001_customers", "004_wider")
    assert customers.origin.changes == ("004_wider",)
    assert customers.comment == "Who buys."
    assert (customer.name, customer.origin.made) == ("customer", "005_customer")
    assert pages["sqlite", "visits"].origin.changed == "005_customer"
    assert pages["postgres", "orders"].origin.changed == ""


def test_a_deletion_is_followed_through_every_cascade(shop: Project) -> None:
    everything = described(shop)

    found = [
        (str(one.link.of), one.deletes, one.outcome, one.through)
        for one in consequences(everything, everything.pages["postgres", "customers"])
    ]

    refused = "refused while rows refer to it"
    lost = "rows stay, and refer to nothing: no engine keeps this reference"
    assert found == [
        ("orders (customer)", True, "rows are deleted", ()),
        ("lines (approved_by)", False, refused, ()),
        ("lines (gift_for)", False, "rows stay, with NULL instead", ()),
        ("visits (customer)", False, lost, ()),
        ("lines (order_id)", True, "rows are deleted", ("orders",)),
    ]


def test_a_migration_tells_its_header_its_locks_and_what_its_rollback_loses(
    shop: Project,
) -> None:
    pages = {page.stem: page for page in described(shop).migrations}

    first, orders = pages["001_customers"], pages["002_orders"]
    assert first.summary == "Keep customers."
    assert first.labels == (("Why", "there are some, and more to come."),)
    assert first.rollback.lost == ("table customers",)
    assert first.rollback_labels == (("Loses", "all of them."),)
    assert [(one.sign, one.text) for one in orders.changes] == [
        ("+", "table lines was added"),
        ("+", "table orders was added"),
    ]
    assert [(lock.table, lock.mode) for lock in orders.locks or ()] == [
        ("customers", "SHARE ROW EXCLUSIVE")
    ]
    assert orders.rollback.lost == ("table lines",)
    assert orders.rollback.left == ("table orders was added",)
    assert "it fails: " in pages["004_wider"].rollback.untried
    assert pages["005_customer"].rollback.lost == ("column visits.customer",)
    assert pages["005_customer"].tables == ("visits",)


def test_a_rollback_that_is_missing_or_cannot_be_undone_is_not_tried(
    project: Project,
) -> None:
    outside = "-- no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);\n"
    project.add("postgres", "001_t", "CREATE TABLE t (a int);", "DROP TABLE t;")
    project.add("postgres", "002_i", outside, "-- no-transaction\nVACUUM t;\n")
    (project.root / "sql" / "postgres" / "001_t_rollback.sql").unlink()

    one, two = described(project).migrations

    assert one.rollback.untried == "there is none"
    assert two.rollback.untried == "not tried: it is -- no-transaction"
    assert two.locks is None
    assert [one.text for one in two.changes] == ["index i was added"]


def test_a_link_knows_its_columns_its_actions_and_whether_it_is_required(
    project: Project,
) -> None:
    project.add(
        "postgres",
        "001_odd",
        'CREATE SCHEMA s; CREATE TABLE s."T b" ("x, y" int, z int UNIQUE,'
        ' PRIMARY KEY ("x, y", z));\n'
        "CREATE TABLE c (a int NOT NULL, b int NOT NULL UNIQUE, FOREIGN KEY (a, b)"
        ' REFERENCES s."T b" MATCH FULL ON UPDATE CASCADE ON DELETE RESTRICT);\n',
    )
    project.add(
        "sqlite",
        "002_odd",
        'CREATE TABLE "T b" ("x, y" int, z int, PRIMARY KEY ("x, y", z));\n'
        "CREATE TABLE C (A int, b int UNIQUE, FOREIGN KEY (a, B)"
        ' REFERENCES "t B" ON DELETE SET NULL);\n',
    )

    pages = described(project).pages

    (one,) = pages["postgres", "c"].refers
    assert (one.of.columns, one.to.columns) == (("a", "b"), ('"x, y"', "z"))
    assert one.to.address == ("postgres", 's."T b"')
    assert (one.on_delete, one.on_update) == ("restrict", "cascade")
    assert one.required
    assert pages["postgres", 's."T b"'].referred == (one,)
    (two,) = pages["sqlite", "C"].refers
    assert (two.of.columns, two.to.columns) == (("A", "b"), ('"x, y"', "z"))
    assert (two.to.table, two.on_delete) == ('"T b"', "set null")
    assert not two.required
    keys = {column.name: column.keys for column in pages["sqlite", "C"].columns}
    assert keys == {"A": ("FK",), "b": ("FK", "UK")}


def test_a_reference_across_databases_stands_on_both_tables(shop: Project) -> None:
    everything = described(shop)

    (link,) = everything.across
    assert link in everything.pages["postgres", "customers"].referred
    assert link in everything.pages["sqlite", "visits"].refers
    assert link.origin.made == "005_customer"
    assert '"postgres.customers" |o..o{ "sqlite.visits"' in "\n".join(
        [*markdown(everything).values()]
    )


def test_the_live_databases_are_described_as_they_are_with_a_timeline(
    shop: Project,
) -> None:
    shop.upgrade("postgres@postgres_002")
    shop.upgrade("sqlite@head")
    shop.pg("ALTER TABLE customers ADD COLUMN by_hand text")

    live = described(shop, live=True)

    customers = live.pages["postgres", "customers"]
    assert customers.columns[-1].origin.made == ""
    assert customers.origin.changed == ""
    states = {page.stem: page.state.partition(" ")[0] for page in live.migrations}
    assert states["004_wider"] == "pending"
    assert states["002_orders"] == "applied"
    assert [event.migration for event in live.timeline][:2] == [
        "001_customers",
        "002_orders",
    ]
    front = markdown(live)["README.md"]
    assert "## Timeline" in front
    assert "made by no migration" not in front


def test_a_database_that_is_not_there_yet_is_documented_as_empty(
    shop: Project,
) -> None:
    shop.sqlpair("document", "--live", "--to", "live")

    assert not shop.file.exists()
    assert "pending" in (shop.root / "live" / "README.md").read_text()


# -- the files -----------------------------------------------------------------------


def test_a_book_is_written_checked_and_kept_fresh(shop: Project) -> None:
    shop.sqlpair("document", "--check", expect=1)
    assert not (shop.root / "docs").exists()

    assert "written in" in shop.sqlpair("document").stdout
    assert "up to date" in shop.sqlpair("document", "--check").stdout
    before = {path: path.stat().st_mtime_ns for path in shop.root.rglob("*.md")}
    assert "up to date" in shop.sqlpair("document", within="sql").stdout
    assert before == {p: p.stat().st_mtime_ns for p in shop.root.rglob("*.md")}

    shop.add("sqlite", "006_no_visits", "DROP TABLE visits;")
    refer(shop)
    stale = shop.sqlpair("document", "--check", expect=1)
    assert "--- sqlite/tables/visits.md (as it is)" in stale.stdout
    assert "run sqlpair document" in stale.stdout
    shop.sqlpair("document")
    assert not (shop.root / "docs" / "schema" / "sqlite" / "tables").exists()


def test_a_file_of_somebody_elses_is_neither_written_over_nor_removed(
    shop: Project,
) -> None:
    shop.sqlpair("document")
    folder = shop.root / "docs" / "schema"
    (folder / "own.md").write_text("mine")
    (folder / "postgres" / "README.md").write_text("mine")

    refused = shop.sqlpair("document", expect=2)

    assert "was not written by sqlpair document" in refused.stderr
    assert (folder / "postgres" / "README.md").read_text() == "mine"
    (folder / "postgres" / "README.md").unlink()
    shop.sqlpair("document")
    assert (folder / "own.md").read_text() == "mine"
    assert MARK in (folder / "postgres" / "README.md").read_text()


def test_a_file_is_named_as_its_table_unless_that_leads_elsewhere() -> None:
    names = [
        "users",
        "Users",
        "../../etc/passwd",
        ".",
        "README",
        "a b",
        "a-b",
        "x" * 99,
    ]

    found = file_names(names)

    assert found["a-b"] == "a-b"
    assert len({name.lower() for name in found.values()}) == len(names)
    for name in found.values():
        assert re.fullmatch(r"[A-Za-z0-9][\w.-]{0,100}", name, re.ASCII), name
    assert "users" in (found["users"], found["Users"].lower())
    assert found["README"] != "README"


# -- diagrams ------------------------------------------------------------------------


def test_a_diagram_of_many_tables_draws_those_that_hang_together(
    project: Project,
) -> None:
    many = "".join(
        f"CREATE TABLE t{n:03} (id int PRIMARY KEY, hub int REFERENCES hub);\n"
        for n in range(60)
    )
    hub = "CREATE TABLE hub (id int PRIMARY KEY);\n"
    project.add("postgres", "001_many", f"{hub}{many}CREATE TABLE alone (a int);")

    everything = described(project)

    drawn = overview(everything.chapters[0])
    assert drawn
    assert len(drawn.boxes) == TABLES
    assert drawn.left_out == 62 - TABLES
    assert "hub" in {box.page.name for box in drawn.boxes}
    near = neighbourhood(everything, everything.pages["postgres", "hub"])
    assert near
    assert near.boxes[0].focus
    assert (len(near.boxes), near.left_out) == (NEAR, 61 - NEAR)
    assert len(near.links) == NEAR - 1
    assert neighbourhood(everything, everything.pages["postgres", "alone"]) is None
    page = markdown(everything)["postgres/tables/hub.md"]
    assert "14 of 60 neighbours are drawn" in page


def test_a_mermaid_diagram_takes_any_name(project: Project) -> None:
    project.add(
        "postgres",
        "001_odd",
        'CREATE TABLE "a""b %\\ é" ("weird, name" numeric(10, 2) PRIMARY KEY);\n'
        'CREATE TABLE "ab  é" ("1" int, "end" "char"[]);\n'
        'CREATE TABLE "<#one;>" (pk "char" PRIMARY KEY);\n'
        'CREATE TABLE "one" (x numeric(10, 2) REFERENCES "a""b %\\ é");\n',
    )

    drawn = overview(described(project).chapters[0])
    assert drawn

    assert mermaid(drawn).splitlines() == [
        "erDiagram",
        '    "one" {',
        "        char _pk PK",
        "    }",
        '    "ab  é" {',
        "        numeric(10_2) weird_name PK",
        "    }",
        '    "ab  é 2"',
        '    "one 2" {',
        "        numeric(10_2) x FK",
        "    }",
        '    "ab  é" |o--o{ "one 2" : "x"',
    ]


# -- nothing acts --------------------------------------------------------------------


def rendered(text: str) -> str:
    return MarkdownIt("gfm-like", {"linkify": False}).render(text)


def test_text_of_anybodys_stays_text_in_markdown() -> None:
    for made in (
        plain(HOSTILE),
        f"| a |\n| --- |\n| {code(HOSTILE)} |",
        "\n".join(block(HOSTILE, "sql")),
        "\n".join(table(("a", "b"), [(plain(HOSTILE), code(HOSTILE))])),
        plain("- a") + "\n" + plain("1. b") + "\n\n" + plain("+ c\n\n# d"),
    ):
        html = rendered(made)
        assert "<script" not in html
        assert "<a " not in html
        assert "<img" not in html
        assert "<li" not in html
        assert "<h1" not in html
        assert "\x1b" not in html
        assert "\u202e" not in html
        assert html.count("<td") in (0, 1, 2)


def test_a_hostile_schema_makes_a_book_that_does_nothing(project: Project) -> None:
    comment = HOSTILE.replace("'", "''").replace("\x1b", "")
    name = HOSTILE[:50].replace('"', '""').replace("\n", " ")
    project.add(
        "postgres",
        "001_hostile",
        f"-- {HOSTILE.splitlines()[0]}\n-- Why: <img src=x onerror=alert(1)>\n"
        f'CREATE TABLE "{name}" ("{name}" text DEFAULT \'{comment}\');\n'
        f"COMMENT ON TABLE \"{name}\" IS '{comment}';\n"
        f'COMMENT ON COLUMN "{name}"."{name}" IS \'{comment}\';\n'
        f"-- ```\n",
        f'DROP TABLE "{name}";',
    )

    files = markdown(described(project))

    for path, text in files.items():
        html = rendered(text).replace(f"<!-- {MARK} -->", "")
        for tag in re.findall(r"<(\w+)([^>]*)>", html):
            assert tag[0] not in ("script", "img", "iframe"), path
            assert "onerror" not in tag[1], path
            assert "javascript:" not in tag[1], path
    assert any("alert(1)" in rendered(text) for text in files.values())


def test_every_link_of_a_hostile_book_leads_somewhere(
    project: Project, tmp_path: Path
) -> None:
    project.add(
        "sqlite",
        "001_odd",
        'CREATE TABLE "../x [y](z)" (a INTEGER PRIMARY KEY);\n'
        'CREATE TABLE "..%2Fx" (b REFERENCES "../x [y](z)");\n',
    )
    project.sqlpair("document")
    folder = project.root / "docs" / "schema"

    for page in folder.rglob("*.md"):
        links = re.findall(r'href="([^"]+)"', rendered(page.read_text()))
        for link in links:
            assert (page.parent / link).resolve().is_relative_to(folder.resolve())
            assert (page.parent / link).is_file(), (page, link)


def test_links_compare_by_what_they_are(shop: Project) -> None:
    (one,) = described(shop).pages["postgres", "orders"].refers
    assert isinstance(one, Link)
    assert one.name == "orders.orders_customer_fkey"
