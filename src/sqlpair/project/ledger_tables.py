"""The names of the tables that record migrations in each database.

The ledger's can be chosen (``ledger_table`` in ``alembic.ini``), for a database where
another program has a table of that name; those that belong to it follow.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlpair.errors import SettingsError

LEDGER = "schema_version"
# A name that no engine has to quote. With the names of a database and of a schema, and
# the id of a deployment, it has room in the name of a prepared transaction: 200 bytes.
NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")


class BookkeepingTables(NamedTuple):
    """The names of the four; ``version`` is Alembic's own, and always called so."""

    ledger: str = LEDGER
    history: str = "schema_history"
    repeatable: str = "schema_repeatable"
    version: str = "alembic_version"


NAMES = BookkeepingTables()


def named(ledger: str, ini: str) -> BookkeepingTables:
    """Return the names where the ledger is called ``ledger``, by the file ``ini``.

    SettingsError where it cannot be called so.
    """
    ledger = ledger.strip()
    if ledger in ("", LEDGER):
        return NAMES
    if not NAME.fullmatch(ledger) or ledger in NAMES:
        raise SettingsError(
            f"{ini} [alembic]: ledger_table = {ledger}",
            remedy="Use a name of its own: up to 30 lower-case letters, digits and _,"
            " a letter first.",
        )
    return BookkeepingTables(ledger, f"{ledger}_history", f"{ledger}_repeatable")
