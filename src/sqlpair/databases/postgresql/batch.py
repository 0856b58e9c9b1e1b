"""Statements that only change rows, many to a round trip.

A file of ten thousand INSERTs would wait for the server ten thousand times. What each
of them does is the same as when it comes alone, but for ``statement_timestamp()``,
which they share. A batch that fails is undone up to its savepoint and repeated
statement by statement, so that the failure has its line.

In a scratch database, where nobody else holds a lock, so do statements that define
something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set

from sqlpair.databases.pattern import TOGETHER
from sqlpair.databases.postgresql.split import split
from sqlpair.project.statement import Statement, apart

# Anything else may change how the server reads what follows, and is rare.
ROWS = frozenset({"INSERT", "UPDATE", "DELETE"})
DEFINITIONS = frozenset({"CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE"})
# The server parses a batch before it runs any of it.
_PARSING = (
    "set_config",
    "standard_conforming_strings",
    "backslash_quote",
    "client_encoding",
)
BEGIN = "SAVEPOINT sqlpair_batch"
UNDO = "ROLLBACK TO SAVEPOINT sqlpair_batch"
END = "RELEASE SAVEPOINT sqlpair_batch"


def batches(
    statements: Iterable[Statement], words: Set[str] = ROWS
) -> Iterator[Sequence[Statement]]:
    """Part ``statements``; only neighbours that begin with ``words`` share a batch."""
    batch: list[Statement] = []
    size = 0
    for statement in statements:
        if not _shares(statement, words):
            if batch:
                yield batch
                batch, size = [], 0
            yield from ((one,) for one in apart(statement, split))
            continue
        batch.append(statement)
        size += len(statement.text)
        if size > TOGETHER:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _shares(statement: Statement, words: Set[str]) -> bool:
    if words.isdisjoint(statement.words[:1]):
        return False
    if statement.words[1:2] == ("TYPE",):
        # A label that is added to an enum can be used at once where the enum is of the
        # same transaction; to be made, or added, in a savepoint is not enough.
        return False
    text = statement.text.lower()
    return not any(name in text for name in _PARSING)


def singles(batch: Iterable[Statement]) -> Iterator[Statement]:
    """Return the statements of a batch, each by itself."""
    return (one for each in batch for one in apart(each, split))


def together(batch: Iterable[Statement]) -> str:
    """Return the text of a batch, and the end of its savepoint."""
    return "\n".join([*(statement.text for statement in batch), f";{END};"])
