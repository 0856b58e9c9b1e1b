"""What PostgreSQL's errors mean to whoever wrote the migration.

SQLSTATE codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlpair.drivers.failure import statement_error
from sqlpair.errors import StatementError

if TYPE_CHECKING:
    import psycopg2

    from sqlpair.settings import Database
    from sqlpair.statement import Statement

OWN_TRANSACTION = (
    "Put transaction = migration into alembic.ini: each migration then commits by"
    " itself."
)
REMEDIES = {
    "25001": "Mark the file with the line: -- no-transaction",
    "2D000": "Take COMMIT and ROLLBACK out of the body, or mark the file with the line:"
    " -- no-transaction",
    "55P04": f"A value is usable once its ALTER TYPE is committed. {OWN_TRANSACTION}",
    "55006": f"Pending trigger events end with their transaction. {OWN_TRANSACTION}",
    "53200": f"{OWN_TRANSACTION} Or raise max_locks_per_transaction.",
    "55P03": "Run it again when the table is quieter, or raise lock_timeout.",
    "42501": "Grant the role what the statement needs, or connect as another role.",
    "25006": "Connect to the primary server; this one is read only.",
}
LOCK_NOT_AVAILABLE = "55P03"
RETRY = frozenset({LOCK_NOT_AVAILABLE, "40P01", "40001"})


def translate(
    database: Database,
    path: Path,
    statement: Statement,
    error: psycopg2.Error,
    *,
    before: int = 0,
) -> StatementError:
    """Return ``error``, raised by ``statement`` of ``path``, for a person.

    ``before`` is how many characters were sent before the statement's own.
    """
    diag = error.diag
    position = int(diag.statement_position) - before if diag.statement_position else 0
    evidence = [
        f"{word}: {text}"
        for word, text in (
            ("detail", diag.message_detail),
            ("hint", diag.message_hint),
            ("in", diag.context),
        )
        if text
    ]
    evidence = [line for text in evidence for line in text.splitlines()]
    message = diag.message_primary or str(error).strip() or type(error).__name__
    return statement_error(
        database,
        path,
        statement,
        message,
        position=position if position > 0 else None,
        evidence=evidence,
        remedy=REMEDIES.get(error.pgcode or "", ""),
        retry=error.pgcode in RETRY,
    )
