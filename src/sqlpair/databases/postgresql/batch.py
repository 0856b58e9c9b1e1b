"""Statements that only change rows, many to a round trip.

A file of ten thousand INSERTs would wait for the server ten thousand times. What each
of them does is the same as when it comes alone, but for ``statement_timestamp()``,
which they share. A batch that fails is undone up to its savepoint and repeated
statement by statement, so that the failure has its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlpair.project.statement import Statement

# Anything else may change how the server reads what follows, and is rare.
WORDS = frozenset({"INSERT", "UPDATE", "DELETE"})
CHARACTERS = 2**16
BEGIN = "SAVEPOINT sqlpair_batch"
UNDO = "ROLLBACK TO SAVEPOINT sqlpair_batch"
END = "RELEASE SAVEPOINT sqlpair_batch"


def batches(statements: Iterable[Statement]) -> Iterator[Sequence[Statement]]:
    """Part ``statements``; only neighbours that change rows share a batch."""
    batch: list[Statement] = []
    size = 0
    for statement in statements:
        if not _only_changes_rows(statement):
            if batch:
                yield batch
                batch, size = [], 0
            yield (statement,)
            continue
        batch.append(statement)
        size += len(statement.text)
        if size > CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _only_changes_rows(statement: Statement) -> bool:
    if not WORDS.intersection(statement.words[:1]):
        return False
    # standard_conforming_strings, say: the server parses a batch before it runs any.
    return "set_config" not in statement.text.lower()


def together(batch: Iterable[Statement]) -> str:
    """Return the text of a batch."""
    return "\n".join(statement.text for statement in batch)
