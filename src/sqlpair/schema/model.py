"""A canonical description of a schema, and the difference of two.

The drivers describe (``databases/<engine>/catalog.py``), this module compares. A
description is plain data without an engine's oids, so two servers, or a server and
its restored dump, can be compared. Whatever does not change what the schema means
stays out of ``attributes``: a column's position is kept to be shown, and is never a
difference. Owners and privileges are not schema: they belong to the environment.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import compress
from operator import is_not
from typing import NamedTuple

from sqlpair.errors import printable

Attribute = str | bool | list[str] | None


# What a database may have beyond what is expected of it: filling a materialized view
# changes data, and no schema.
_MAY_BE_MORE = frozenset({"populated"})


class ObjectKey(NamedTuple):
    """What an object is, and its qualified name in its engine's own writing."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """One object. An attribute that is absent is the same as one that is None,
    False or empty.

    ``part_of`` is the object it cannot live without: a column's table.
    """

    attributes: Mapping[str, Attribute]
    part_of: ObjectKey | None = None
    position: int | None = None


Schema = Mapping[ObjectKey, SchemaObject]


class Change(NamedTuple):
    """One difference; JSON takes ``_asdict()`` as it is.

    Without an attribute the object itself is the difference, and ``expected`` and
    ``actual`` say whether it is there.
    """

    kind: str
    name: str
    attribute: str | None
    expected: Attribute
    actual: Attribute


class Reference(NamedTuple):
    """How a sentence speaks of the expected side."""

    says: str
    extra: str


MIGRATIONS = Reference("the migrations say", "is not in the migrations")
BEFORE = Reference("before it was", "was added")


def difference(
    expected: Schema, actual: Schema, ignore: Sequence[str] = ()
) -> tuple[Change, ...]:
    """Every change that leads from ``expected`` to ``actual``, table by table.

    ``ignore`` are glob patterns on "kind name" (``table spatial_*``); an ignored
    object takes its parts with it. The parts of an object that is missing, or too
    many, are not listed beside it.
    """
    if expected is actual:
        return ()
    changes: list[tuple[tuple[str, ...], Change]] = []
    another = map(is_not, map(expected.get, actual), actual.values())
    for key in (*compress(actual, another), *(expected.keys() - actual.keys())):
        old, new = expected.get(key), actual.get(key)
        if old and new and old.attributes == new.attributes:
            continue  # as nearly all are
        if _matches(key, expected, actual, ignore):
            continue
        order = _order(key, expected, actual)
        changes += [(order, change) for change in _compare(key, expected, actual)]
    return tuple(change for _, change in sorted(changes, key=lambda pair: pair[0]))


def without(schema: Schema, names: Collection[str]) -> dict[ObjectKey, SchemaObject]:
    """The schema without the objects of these names and all that is part of them."""
    return {
        key: described
        for key, described in schema.items()
        if not any(owner.name in names for owner in _line(key, schema))
    }


def remaining(schema: Schema, ignore: Sequence[str]) -> Schema:
    """The schema without what ``ignore`` matches, as ``difference`` has it."""
    if not ignore:
        return schema
    return {k: o for k, o in schema.items() if not _matches(k, schema, {}, ignore)}


def root(key: ObjectKey, schema: Schema) -> ObjectKey:
    """The object that ``key`` is part of and that is part of none: its table."""
    return [*_line(key, schema)][-1]


def _line(key: ObjectKey, schema: Schema) -> Iterator[ObjectKey]:
    """The object, what it is part of, what that is part of."""
    owner: ObjectKey | None = key
    while owner is not None:
        yield owner
        described = schema.get(owner)
        owner = described.part_of if described else None


def _matches(
    key: ObjectKey, expected: Schema, actual: Schema, patterns: Sequence[str]
) -> bool:
    if not patterns:
        return False
    line = {*_line(key, expected), *_line(key, actual)}
    return any(fnmatchcase(str(k), pattern) for k in line for pattern in patterns)


def _order(key: ObjectKey, expected: Schema, actual: Schema) -> tuple[str, ...]:
    line = list(_line(key, expected if key in expected else actual))
    return (line[-1].name, str(len(line)), *key)


def _compare(key: ObjectKey, expected: Schema, actual: Schema) -> Iterator[Change]:
    old, new = expected.get(key), actual.get(key)
    if old is not None and new is not None:
        for name in sorted(old.attributes.keys() | new.attributes.keys()):
            said = old.attributes.get(name) or None
            found = new.attributes.get(name) or None
            if said != found and (said or name not in _MAY_BE_MORE):
                yield Change(key.kind, key.name, name, said, found)
        return
    here, there = (expected, actual) if new is None else (actual, expected)
    owner = here[key].part_of
    if owner is None or owner in there or owner not in here:
        yield Change(key.kind, key.name, None, old is not None, new is not None)


def describe(change: Change, reference: Reference = MIGRATIONS) -> str:
    """The change as one sentence; a long text follows as lines of a diff."""
    thing = printable(f"{change.kind} {change.name}")
    if change.attribute is None:
        if change.actual:
            return f"{thing} {reference.extra}"
        return f"{thing} is missing"
    name, said, found = change.attribute, change.expected, change.actual
    if isinstance(said, bool) or isinstance(found, bool):
        is_, was = (name if value else f"not {name}" for value in (found, said))
        return f"{thing} is {is_}, {reference.says} {was}"
    if _is_long(said) or _is_long(found):
        diff = difflib.ndiff(_lines(said), _lines(found))
        shown = [f"  {printable(line)}" for line in diff if line[0] in "+-"]
        return "\n".join([f"{thing} has another {name} (- {reference.says}):", *shown])
    has = f"no {name}" if found is None else f"{name} {_words(found)}"
    return printable(f"{thing} has {has}, {reference.says} {_words(said)}")


def _words(value: Attribute) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return "none" if value is None else str(value)


def _lines(value: Attribute) -> list[str]:
    if isinstance(value, list):
        return value
    return [] if value is None else str(value).splitlines()


def _is_long(value: Attribute) -> bool:
    words = _words(value)
    return len(words) > 100 or "\n" in words
