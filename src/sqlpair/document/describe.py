"""Fill the description: from the files, or from the live databases.

What the files make comes from one scratch build. A live database is described as it
is; where its objects come from is told by the files up to its position.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from sqlpair.databases.driver import driver_of
from sqlpair.databases.interface import Report
from sqlpair.databases.keys import DescribedKey
from sqlpair.document import growth
from sqlpair.document.book import (
    Book,
    Chapter,
    ColumnRow,
    Link,
    MigrationPage,
    Origin,
    PartRow,
    Side,
    TablePage,
)
from sqlpair.document.growth import RELATIONS, Grown, Growth, Origins
from sqlpair.ledger.history import history
from sqlpair.ledger.tables import Applied
from sqlpair.project import header, sql_file
from sqlpair.project.branches import branches
from sqlpair.project.presence import is_file
from sqlpair.project.settings import Settings
from sqlpair.schema.model import Attribute, ObjectKey, Schema, SchemaObject, root
from sqlpair.verify.references import declared
from sqlpair.verify.subject import ReadDatabase, subjects

ENGINES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
# What goes without saying of an object that is as usual.
_USUAL = {("valid", True), ("index state", "valid"), ("firing mode", "enabled")}
_COLUMN = {"type", "nullable", "default", "comment"}


def book(settings: Settings, report: Report, *, live: bool = False) -> Book:
    """Describe every database; creates nothing in them."""
    known = branches(settings)
    grown = {branch.name: growth.growth(branch, report) for branch in known}
    if not live:
        found = [
            _Chapter(branch.name, branch.database.driver, grown[branch.name], None)
            for branch in known
        ]
        return _linked(settings, found)
    with subjects(known, report) as read:
        found = [
            _Chapter(name, one.branch.database.driver, grown[name], one)
            for name, one in read.items()
        ]
    done = _linked(settings, found)
    return replace(done, live=settings.environment, timeline=history(settings, report))


def _linked(settings: Settings, found: Sequence[_Chapter]) -> Book:
    """Let every page know its links, those across databases among them."""
    links = [link for one in found for link in one.links(settings)]
    pages = {
        address: page for one in found for address, page in one.own_pages().items()
    }
    links += _across(settings, pages)
    chapters = [one.chapter(links) for one in found]
    return Book(tuple(chapters))


def _across(
    settings: Settings, pages: Mapping[tuple[str, str], TablePage]
) -> Iterator[Link]:
    """The declared references, where both their tables are there."""
    spelled = {(base, name.lower()): (base, name) for base, name in pages}
    for reference in declared(settings):
        ends = []
        for base, table, name in (reference.of, reference.to):
            address = spelled.get((base, table.removeprefix("public.").lower()))
            columns = pages[address].columns if address else ()
            ends += [
                (Side(*address, (one.name,)), one)
                for one in columns
                if address and one.name.lower() == name.lower()
            ]
        if len(ends) == 2:
            (of, column), (to, _) = ends
            required, single = not column.nullable, bool({*column.keys} & {"PK", "UK"})
            origin = Origin(column.origin.made)
            yield Link(of, to, "", "", "", required, single, origin)


class _Chapter:
    """A database on its way into the book."""

    def __init__(
        self, name: str, driver: str, grown: Growth, live: ReadDatabase | None
    ):
        self.name = name
        self._engine = ENGINES.get(driver, driver)
        self._grown = grown
        self._live = live
        position = -1 if live is None else live.position or 0
        self._schema: Schema = grown.schema if live is None else live.schema
        self._origins: Origins = grown.origins[position]
        self._parts: dict[ObjectKey, list[ObjectKey]] = {}
        for key in self._schema:
            self._parts.setdefault(root(key, self._schema), []).append(key)
        self._keys: dict[ObjectKey, DescribedKey] = {}
        self._unique: set[tuple[str, tuple[str, ...]]] = set()

    def links(self, settings: Settings) -> Iterator[Link]:
        """The foreign keys of its tables."""
        driver = driver_of(settings.database(self.name))
        self._keys = {key.key: key for key in driver.keys(self._schema)}
        self._unique = {
            (key.table.name, tuple(sorted(key.columns)))
            for key in self._keys.values()
            if not key.parent
        }
        self._unique |= {*self._unique_indexes()}
        for key in self._keys.values():
            if key.parent and ObjectKey("table", key.parent) in self._schema:
                yield self._link(key)

    def _unique_indexes(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for key, described in self._schema.items():
            told = described.attributes
            columns = told.get("columns")
            whole = told.get("unique") and not told.get("predicate")
            if key.kind == "index" and whole and described.part_of:
                assert isinstance(columns, list)
                yield described.part_of.name, tuple(sorted(columns))

    def _link(self, key: DescribedKey) -> Link:
        columns = [ObjectKey("column", f"{key.table.name}.{n}") for n in key.columns]
        found = [self._schema[one].attributes for one in columns if one in self._schema]
        return Link(
            Side(self.name, key.table.name, key.columns),
            Side(self.name, key.parent, key.parents),
            key.key.name,
            key.on_delete,
            key.on_update,
            not any(told.get("nullable") for told in found),
            (key.table.name, tuple(sorted(key.columns))) in self._unique,
            self._origins.get(key.key, Origin()),
        )

    def own_pages(self) -> dict[tuple[str, str], TablePage]:
        """The tables, without their links."""
        return {
            (self.name, key.name): self._page(key)
            for key in sorted(self._parts, key=lambda key: key.name)
            if key.kind in RELATIONS
        }

    def chapter(self, links: Collection[Link]) -> Chapter:
        """The whole of it."""
        of: dict[tuple[str, str], list[Link]] = {}
        to: dict[tuple[str, str], list[Link]] = {}
        for link in sorted(links, key=lambda link: (str(link.of), str(link.to))):
            of.setdefault(link.of.address, []).append(link)
            to.setdefault(link.to.address, []).append(link)
        pages = [
            replace(
                page,
                refers=tuple(of.get(address, ())),
                referred=tuple(to.get(address, ())),
            )
            for address, page in self.own_pages().items()
        ]
        others = [
            self._part(key, "")
            for key in sorted(self._schema)
            if key.kind not in RELATIONS
            and root(key, self._schema).kind not in RELATIONS
            and (key not in self._grown.bare or key in self._origins)
        ]
        applied = (
            {one.number: one for one in self._live.state.applied}
            if (self._live)
            else {}
        )
        migrations = [self._migration(one, applied) for one in self._grown.migrations]
        return Chapter(
            self.name, self._engine, tuple(pages), tuple(others), tuple(migrations),
            "" if self._live is None else self._live.status.head,
        )  # fmt: skip

    def _page(self, key: ObjectKey) -> TablePage:
        parts = self._parts[key]
        keys = [self._keys[one] for one in parts if one in self._keys]
        columns = [one for one in parts if one.kind == "column"]
        columns.sort(key=lambda one: self._schema[one].position or 0)
        described = self._schema[key]
        return TablePage(
            self.name,
            key.name,
            key.kind,
            str(described.attributes.get("comment") or ""),
            _facts(described),
            tuple(self._column(one, key, keys) for one in columns),
            tuple(
                self._part(one, key.name)
                for one in sorted(parts)
                if one.kind != "column" and one != key
            ),
            (),
            (),
            self._origins.get(key, Origin()),
        )

    def _column(
        self, key: ObjectKey, table: ObjectKey, keys: Sequence[DescribedKey]
    ) -> ColumnRow:
        told = self._schema[key].attributes
        name = key.name[len(table.name) + 1 :]
        return ColumnRow(
            name,
            str(told.get("type") or ""),
            bool(told.get("nullable")),
            str(told.get("default") or ""),
            str(told.get("comment") or ""),
            tuple(_marks(keys, name)),
            tuple(
                (word, text)
                for word, text in _facts(self._schema[key])
                if word not in _COLUMN
            ),
            self._origins.get(key, Origin()),
        )

    def _part(self, key: ObjectKey, table: str) -> PartRow:
        described = self._schema[key]
        name = _own_name(key.name, table)
        columns = described.attributes.get("columns")
        listed = tuple(columns) if isinstance(columns, list) else ()
        if key in self._keys:
            listed = self._keys[key].columns
        facts = [one for one in _facts(described) if one[0] != "columns"]
        return PartRow(
            key.kind,
            name,
            listed,
            tuple(facts),
            str(described.attributes.get("comment") or ""),
            self._origins.get(key, Origin()),
        )

    def _migration(self, grown: Grown, applied: Mapping[int, Applied]) -> MigrationPage:
        item = grown.migration
        up, down, verify = (
            sql_file.lenient(path).replace("\r\n", "\n") if is_file(path) else ""
            for path in (item.up, item.down, item.verify)
        )
        told = header.read(up)
        state = ""
        if self._live is not None:
            row = applied.get(item.number)
            state = "pending" if row is None else f"applied {row.applied_at[:19]} UTC"
            if row is not None and row.applied_by:
                state += f" by {row.applied_by}"
        return MigrationPage(
            item.database, item.number, item.stem, told.summary, told.labels,
            up, down, verify, grown.changes, grown.tables, grown.locks, grown.rollback,
            header.read(down).labels, state,
        )  # fmt: skip


def _own_name(name: str, table: str) -> str:
    """Its name without its table's; what it is of, where it has no name."""
    if table and (name == table or name.startswith((f"{table}(", f"{table} ("))):
        return name[len(table) :].strip()
    return name.removeprefix(f"{table}.")


def _marks(keys: Sequence[DescribedKey], name: str) -> Iterator[str]:
    """What a column is part of: PK, FK, and alone UK."""
    own = [one for one in keys if name in one.columns]
    if any(one.key.kind == "primary key" for one in own):
        yield "PK"
    if any(one.parent for one in own):
        yield "FK"
    if any(one.key.kind[:6] == "unique" and len(one.columns) == 1 for one in own):
        yield "UK"


def _facts(described: SchemaObject) -> tuple[tuple[str, str], ...]:
    """Its attributes in words, without what goes without saying."""
    return tuple(
        (word, _words(value))
        for word, value in described.attributes.items()
        if value
        and word not in ("comment", "table")
        and (isinstance(value, list) or (word, value) not in _USUAL)
    )


def _words(value: Attribute) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return "yes" if value is True else str(value)
