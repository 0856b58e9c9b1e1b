"""What a rollback takes with it.

Tables and columns that are gone after it, also empty ones, since they will not be when
the rollback is needed; and rows and values that are missing from what stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sqlpair.runner import data_loss
from sqlpair.schema.model import Schema, difference

if TYPE_CHECKING:
    from sqlpair.databases.interface import Session


class Loss(NamedTuple):
    """A table, a column, or the rows of a table or values of a column that stays.

    ``amount`` is how many rows or values go, ``kind`` one of table, column, rows and
    values.
    """

    kind: str
    name: str
    amount: int


def losses(
    session: Session, above: Schema, text: str, run: Callable[[], Schema]
) -> tuple[tuple[Loss, ...], Schema]:
    """Call ``run``, which returns the schema below; return also what it lost.

    In the open transaction, whose schema is ``above``. It runs the file of that
    ``text``. The caller undoes it.
    """
    below: Schema = {}

    def once() -> None:
        nonlocal below
        below = run()

    lost = data_loss.measure([session], [(session.database.name, text)], once)
    counted = {_name(item): item.missing for item in lost}
    found = []
    for change in difference(above, below):
        if change.attribute or change.actual or change.kind not in ("table", "column"):
            continue
        found.append(Loss(change.kind, change.name, counted.pop(change.name, 0)))
    columns = {key.name for key in above if key.kind == "column"}
    found += [
        Loss("values" if name in columns else "rows", name, amount)
        for name, amount in counted.items()
    ]
    return tuple(found), below


def _name(item: data_loss.Loss) -> str:
    """Name it as a schema does."""
    table = item.table.removeprefix("public.")
    return f"{table}.{item.column}" if item.column else table
