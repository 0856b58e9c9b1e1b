"""What a rollback takes with it: the tables and columns that are gone after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlpair.errors import SqlpairError
from sqlpair.schema import ObjectKey, Schema, difference

if TYPE_CHECKING:
    from sqlpair.drivers import Session

SAVEPOINT = "sqlpair_count"


class Loss(NamedTuple):
    """A table or column, and how many rows or values it has now.

    ``amount`` is None where that could not be counted.
    """

    kind: str
    name: str
    amount: int | None


def losses(session: Session, above: Schema, below: Schema) -> tuple[Loss, ...]:
    """Return what is in ``above``, the open transaction's, and not in ``below``."""
    found = []
    for change in difference(above, below):
        if change.attribute or change.actual or change.kind not in ("table", "column"):
            continue
        key = ObjectKey(change.kind, change.name)
        found.append(Loss(*key, _count(session, key, above)))
    return tuple(found)


def _count(session: Session, key: ObjectKey, schema: Schema) -> int | None:
    owner = schema[key].part_of
    if owner is None:
        query = f"SELECT count(*) AS amount FROM {key.name}"
    else:
        column = key.name.removeprefix(f"{owner.name}.")
        query = f"SELECT count({column}) AS amount FROM {owner.name}"
    session.execute(f"SAVEPOINT {SAVEPOINT}")
    try:
        (row,) = session.rows(query)
        return int(row["amount"])
    except SqlpairError:
        return None
    finally:
        session.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
