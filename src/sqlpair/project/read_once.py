"""Read a project's files once, for all that is done with them within a block.

Within ``read_once`` a file is read, checked and split for the first that needs it; the
others get what was made of it then, also when it is edited meanwhile. So the members of
a fleet run the same files, and what was built is of the bytes that were looked at. What
fails is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Kept = dict[tuple[Any, ...], Any]

_kept: ContextVar[Kept | None] = ContextVar("sqlpair_read", default=None)
_again: dict[str, Kept] = {}  # of one identity


@contextmanager
def read_once(identity: str = "") -> Iterator[None]:
    """Keep within the block what is read; ``identity`` tells which files those are.

    What another block of that identity has kept is there again. Without one, it is kept
    for this block, or for the one around it.
    """
    if identity:
        if identity not in _again:
            _again.clear()
        kept = _again.setdefault(identity, {})
    else:
        around = _kept.get()
        kept = {} if around is None else around
    token = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(token)


def once(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function of hashable arguments read once within such a block."""

    @wraps(function)
    def read(*args: P.args, **kwargs: P.kwargs) -> R:
        kept = _kept.get()
        if kept is None:
            return function(*args, **kwargs)
        key = (function, *args)
        if kwargs:
            key = (*key, *kwargs.items())
        if key not in kept:
            kept[key] = function(*args, **kwargs)
        return kept[key]  # type: ignore[no-any-return]

    return read
