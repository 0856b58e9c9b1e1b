"""An empty database in which a project's files can run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

S = TypeVar("S", covariant=True)  # the session in it


class EmptyDatabase(AbstractContextManager[S], Protocol[S]):
    """A database that is made as a block begins, and goes with it.

    Nothing that runs in it reaches a configured one. What it asks of that, or of a
    server, it asks once.
    """

    def identity(self) -> Sequence[object]:
        """Tell what it would be: its server, as it is now, and what is there before."""
