"""The rows of several tables by one query: at one moment, and in one round trip."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlpair.databases.interface import Session

Texts = list[dict[str, str | None]]


class Part(NamedTuple):
    """What is asked of one table, or of a query in brackets."""

    name: str
    source: str
    columns: Sequence[str]


def ask(session: Session, parts: Sequence[Part]) -> Mapping[str, Texts]:
    """Return the rows of each part by its name, every value as text."""
    found: defaultdict[str, Texts] = defaultdict(list)
    if not parts:
        return found
    width = max(len(part.columns) for part in parts)
    selects = []
    for name, source, columns in parts:
        values = [f"CAST({column} AS varchar)" for column in columns]
        values += ["NULL"] * (width - len(values))
        cells = ", ".join(f"{value} AS c{n}" for n, value in enumerate(values))
        selects.append(f"SELECT '{name}' AS part, {cells} FROM {source}")
    columns_of = {part.name: part.columns for part in parts}
    for row in session.rows(" UNION ALL ".join(selects), once=True):
        name, *texts = row.values()
        found[name].append(dict(zip(columns_of[name], texts, strict=False)))
    return found
