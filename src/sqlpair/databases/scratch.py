"""An empty database in which a project's files can run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Generic, TypeVar

S = TypeVar("S", covariant=True)  # the session in it


class EmptyDatabase(AbstractContextManager[S], ABC, Generic[S]):
    """A database that is made as a block begins, and goes with it.

    Nothing that runs in it reaches a configured one. What it asks of that, or of a
    server, it asks once.
    """

    def __init__(self) -> None:
        self._block = ExitStack()

    @abstractmethod
    def identity(self) -> Sequence[object]:
        """Tell what it would be: its server, as it is now, and what is there before."""

    @abstractmethod
    def made(self) -> AbstractContextManager[S]:
        """Make it; it goes with the block."""

    def __enter__(self) -> S:
        """Make it."""
        return self._block.enter_context(self.made())

    def __exit__(self, *failure: Any) -> None:
        """Let it go."""
        self._block.__exit__(*failure)
