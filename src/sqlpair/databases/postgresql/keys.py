"""The keys of a described PostgreSQL schema, read from their definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlpair.databases.keys import DescribedKey
from sqlpair.databases.postgresql import deparse
from sqlpair.schema.model import ObjectKey, Schema

_KINDS = {"primary key", "unique constraint", "foreign key"}
_ACTIONS = "NO ACTION|RESTRICT|CASCADE|SET NULL|SET DEFAULT"


def keys(schema: Schema) -> Iterator[DescribedKey]:
    """See ``sqlpair.databases.interface.Driver``."""
    for key, described in schema.items():
        if key.kind in _KINDS and described.part_of:
            yield _read(key, described.part_of, str(described.attributes["definition"]))


def _read(key: ObjectKey, table: ObjectKey, definition: str) -> DescribedKey:
    """``FOREIGN KEY (a, b) REFERENCES s.t(c, d) ON DELETE SET NULL``"""
    columns, rest = deparse.bracket(definition)
    found = DescribedKey(key, table, tuple(deparse.split(columns)))
    if key.kind != "foreign key":
        return found
    parents, actions = deparse.bracket(rest)
    parent = rest.removeprefix(" REFERENCES ").removeprefix("ONLY ")
    return found._replace(
        parent=parent[: parent.index(f"({parents})")].removeprefix("public."),
        parents=tuple(deparse.split(parents)),
        on_delete=_action("DELETE", actions),
        on_update=_action("UPDATE", actions),
    )


def _action(event: str, text: str) -> str:
    found = re.search(rf"\bON {event} ((?:{_ACTIONS})(?: \([^)]*\))?)", text)
    return found[1].lower() if found else "no action"
