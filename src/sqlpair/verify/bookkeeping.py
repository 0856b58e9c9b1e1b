"""Whether the bookkeeping tables are still what they have to be.

A ledger that another program made is as good as ours: what neither reading nor writing
it depends on may differ. The rest is told, for a record that cannot be trusted is none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlpair.ledger.tables import EXTRA_COLUMNS, HISTORY_COLUMNS
from sqlpair.schema.model import (
    Change,
    ObjectKey,
    Reference,
    Schema,
    SchemaObject,
    describe,
    difference,
    root,
)
from sqlpair.verify.problem import Problem, ProblemKind

MADE = Reference("sqlpair makes it", "is not one that sqlpair makes")
REMEDY = (
    "What was applied is recorded in these tables: undo the change by hand. If it is"
    " meant, add\nit by kind and name to ignore in [tool.sqlpair] of pyproject.toml."
)
# Added by the next deployment where they are missing.
_ADDED = {name for name, _ in (*EXTRA_COLUMNS, *HISTORY_COLUMNS)}
_HARMLESS_KINDS = {"index", "sequence", "statistics object", "unique constraint"}
_HARMLESS = {
    "comment", "storage parameters", "clustering index", "replica identity",
    "access method", "strict", "without rowid", "rowid alias", "autoincrement",
    "statistics target", "storage", "compression", "options", "collation",
    "identity", "identity sequence", "populated",
}  # fmt: skip
_GIVEN = ("default", "identity", "generation")
_FAMILIES = {"number": "int|serial", "text": "char|text|clob", "time": "time|date"}


def split(schema: Schema, names: Collection[str]) -> tuple[Schema, Schema]:
    """The schema without the tables called ``names``, and these alone."""
    own: dict[ObjectKey, SchemaObject] = {}
    rest: dict[ObjectKey, SchemaObject] = {}
    for key, described in schema.items():
        (own if root(key, schema).name in names else rest)[key] = described
    return rest, own


def check(
    name: str, expected: Schema, actual: Schema, ignore: Sequence[str]
) -> Iterator[Problem]:
    """Compare those tables that are there."""
    there = {key.name for key in actual if key.kind == "table"}
    expected = _plain(expected)
    actual = _plain(actual)
    for change in difference(expected, actual, ignore):
        key = ObjectKey(change.kind, change.name)
        described = actual if key in actual else expected
        if root(key, described).name not in there or _harmless(change, actual):
            continue
        sentence, *lines = describe(change, MADE).splitlines()
        yield Problem(
            ProblemKind.VERSIONS, name, f"{name}: {sentence}", tuple(lines), REMEDY
        )


def _plain(schema: Schema) -> Schema:
    """With primary keys by their tables' names: how else they are called is free."""
    return {
        key._replace(name=f"{described.part_of.name} (its primary key)")
        if key.kind == "primary key" and described.part_of
        else key: described
        for key, described in schema.items()
    }


def _harmless(change: Change, actual: Schema) -> bool:
    if change.kind in _HARMLESS_KINDS or change.attribute in _HARMLESS:
        return True
    found = actual.get(ObjectKey(change.kind, change.name))
    has: Mapping[str, object] = found.attributes if found else {}
    if change.kind != "column":
        return False
    given = any(has.get(word) for word in _GIVEN)
    if change.attribute is None:  # an INSERT may leave it out, or we add it
        added = change.name.rpartition(".")[2] in _ADDED
        return given or bool(has.get("nullable")) if found else added
    if change.attribute == "default":
        return given or not change.expected
    if change.attribute == "nullable":
        return not change.actual and (given or change.name.endswith(".id"))
    if change.attribute == "type":
        return _holds(str(change.actual), str(change.expected))
    return False


def _holds(actual: str, expected: str) -> bool:
    """Whether a column of one type takes what is written for the other."""
    have, want = _family(actual), _family(expected)
    room, needed = (re.search(r"\((\d+)\)", text) for text in (actual, expected))
    if room and have == "text" and not (needed and int(room[1]) >= int(needed[1])):
        return False
    return have == want or (want, have) == ("time", "text")


def _family(type_: str) -> str:
    written = type_.partition(" (")[0].lower()
    named = (name for name, part in _FAMILIES.items() if re.search(part, written))
    return next(named, written)
