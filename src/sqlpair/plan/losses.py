"""What a migration, or its rollback, deletes.

Tables and columns that are missing after it, also empty ones, since they may not be
empty when it runs; and rows and values that are missing from what stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from sqlpair.errors import amount
from sqlpair.runner import data_loss
from sqlpair.schema.model import Schema, difference

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session
    from sqlpair.project.statement import Statement

# To count is to run the file twice, so that it is done only where a statement says that
# it deletes. What a function or trigger deletes is found where something else does.
_DELETES = re.compile(
    r"(?:DELETE|TRUNCATE|UPDATE|MERGE|DROP|REPLACE|INSERT\s+OR\s+REPLACE)\b"
    r"|(?:WITH|DO)\b.*\b(?:DELETE|TRUNCATE|UPDATE|DROP)\b"
    r"|ALTER\b.*\b(?:DROP|TYPE)\b",
    re.IGNORECASE | re.DOTALL,
)


class ObjectLoss(NamedTuple):
    """A table, a column, or the rows of a table or values of a column that stays.

    ``amount`` is how many rows or values are deleted, ``kind`` one of table, column,
    rows and values.
    """

    kind: str
    name: str
    amount: int

    def described(self) -> str:
        """Say what is deleted, in words."""
        rows = self.kind in ("table", "rows")
        count = amount(self.amount, "row" if rows else "value")
        if self.kind in ("table", "column"):
            return f"{self.kind} {self.name} with {count}"
        return f"{count} of {self.name}"


def may_lose(statements: Iterable[Statement]) -> bool:
    """Say whether a statement may delete rows, values, a table or a column."""
    return any(_DELETES.match(statement.text) for statement in statements)


def losses(
    session: Session, before: Schema, text: str, run: Callable[[], None]
) -> tuple[tuple[ObjectLoss, ...], Schema]:
    """Call ``run``; return what it deleted, and the schema after it.

    In the open transaction, whose schema is ``before``. It runs the file of that
    ``text``, once or more. The caller rolls it back.
    """
    lost = data_loss.measure([session], [(session.database.name, text)], run)
    after = session.schema()  # now that the copies it compared with are gone
    counted = {_name(item): item.missing for item in lost}
    found = []
    for change in difference(before, after):
        if change.attribute or change.actual or change.kind not in ("table", "column"):
            continue
        found.append(ObjectLoss(change.kind, change.name, counted.pop(change.name, 0)))
    found += [
        ObjectLoss("values" if ("column", name) in before else "rows", name, number)
        for name, number in counted.items()
    ]
    return tuple(found), after


def _name(item: data_loss.Loss) -> str:
    """Name it as a schema does."""
    table = item.table.removeprefix("public.")
    return f"{table}.{item.column}" if item.column else table
