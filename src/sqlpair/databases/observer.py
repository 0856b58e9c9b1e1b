"""What a driver observes of a statement in a dry run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from sqlpair.project.statement import Statement


class Lock(NamedTuple):
    """A lock on a table that was there before; ``blocks`` says whom, in words.

    ``strong``: it keeps others from writing, at least.
    """

    table: str
    mode: str
    blocks: str
    strong: bool


class Observed(NamedTuple):
    """One statement that ran.

    ``rows`` is how many it touched, None where the engine does not say. ``locks`` are
    those it added, of each table the strongest. ``rewritten`` are the tables that it
    rewrote.
    """

    line: int
    text: str
    milliseconds: int
    rows: int | None
    locks: tuple[Lock, ...]
    rewritten: tuple[str, ...]

    def title(self, width: int) -> str:
        """Return the statement on one line, cut where it is longer."""
        text = " ".join(self.text.split())
        return text if len(text) <= width else f"{text[: width - 1]}…"


class Observer(Protocol):
    """Watches one database while its session's transaction is open.

    Made before the transaction begins, closed after it was rolled back.
    """

    note: str
    """What the whole transaction means for others; empty where locks tell."""

    def begin(self) -> None:
        """Take in what is there, just before the transaction begins."""

    def run(self, statement: Statement, path: Path) -> Observed:
        """Run a statement of the file ``path``; StatementError when it is refused."""

    def run_unobserved(self, statement: Statement, path: Path) -> None:
        """Run a statement whose effect is undone before another one is observed."""

    def strong(self) -> tuple[Lock, ...]:
        """Return the strong locks that the transaction holds now."""

    def cancel(self) -> None:
        """Stop the statement that is running; called from another thread."""

    def moved(self) -> tuple[str, ...]:
        """Name what the rollback has not undone: the sequences that moved."""
