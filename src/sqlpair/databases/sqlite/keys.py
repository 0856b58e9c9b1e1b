"""The keys of a described SQLite schema, read from their names and attributes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlpair.databases.keys import DescribedKey
from sqlpair.databases.sqlite.tokens import (
    Token,
    closing,
    fold,
    name_of,
    split,
    text,
    tokens,
)
from sqlpair.schema.model import ObjectKey, Schema, SchemaObject


def keys(schema: Schema) -> Iterator[DescribedKey]:
    """See ``sqlpair.databases.interface.Driver``."""
    names = _ReadNames(schema)
    for key, described in schema.items():
        table = described.part_of
        if table is None:
            continue
        if key.kind == "primary key":
            columns = described.attributes["columns"]
            assert isinstance(columns, list)
            yield DescribedKey(key, table, names.columns(table.name, columns))
        elif key.kind == "unique constraint":
            listed = [text(one) for one in split(_brackets(_signature(key, table)))]
            yield DescribedKey(key, table, names.columns(table.name, listed))
        elif key.kind == "foreign key":
            yield _foreign(key, table, described, names)


def _foreign(
    key: ObjectKey, table: ObjectKey, described: SchemaObject, names: _ReadNames
) -> DescribedKey:
    """``t(a, b) to p(c, d)``"""
    words = _signature(key, table)
    columns = _brackets(words)
    target = words[len(columns) + 3 :]  # behind the brackets and TO
    parent = names.table(target[0])
    listed = [text(one) for one in split(_brackets(target[1:])) if one]
    return DescribedKey(
        key,
        table,
        names.columns(table.name, [text(one) for one in split(columns)]),
        parent,
        names.columns(parent, listed),
        str(described.attributes.get("delete action") or "no action"),
        str(described.attributes.get("update action") or "no action"),
    )


class _ReadNames:
    """The names as the description has them: tokens are folded."""

    def __init__(self, schema: Schema):
        self._tables = {_folded(k.name): k.name for k in schema if k.kind == "table"}
        self._columns = {
            (of.part_of.name, _folded(key.name[len(of.part_of.name) + 1 :])): key.name[
                len(of.part_of.name) + 1 :
            ]
            for key, of in schema.items()
            if key.kind == "column" and of.part_of
        }

    def table(self, written: Token) -> str:
        return self._tables.get(name_of(written), written.text)

    def columns(self, table: str, listed: Sequence[str]) -> tuple[str, ...]:
        """Of columns as an index lists them: ``a collate nocase desc``."""
        folded = (_folded(one) for one in listed)
        return tuple(self._columns.get((table, name), name) for name in folded)


def _signature(key: ObjectKey, table: ObjectKey) -> list[Token]:
    return tokens(key.name[len(table.name) :])


def _brackets(words: Sequence[Token]) -> Sequence[Token]:
    """What the brackets hold that come first; nothing where there are none."""
    return words[1 : closing(words, 0)] if words[:1] == [Token("(")] else ()


def _folded(name: str) -> str:
    """The first name that is written there, folded, without quotes."""
    return name_of(tokens(name)[0]) if name else fold(name)
