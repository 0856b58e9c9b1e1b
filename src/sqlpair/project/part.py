"""What a command works on, where that is a part of the project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Whole = TypeVar("Whole")

_part: ContextVar[Callable[[Any], Any] | None] = ContextVar(
    "sqlpair_part", default=None
)


@contextmanager
def narrowing(part: Callable[[Whole], Whole]) -> Iterator[None]:
    """Let whatever loads the settings within the block get ``part`` of them."""
    token = _part.set(part)
    try:
        yield
    finally:
        _part.reset(token)


def narrowed(whole: Whole) -> Whole:
    """Return the part of the settings that is worked on."""
    part = _part.get()
    return part(whole) if part else whole
