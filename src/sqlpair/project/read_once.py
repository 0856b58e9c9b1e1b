"""Read a project's files once, for all that is done with them within a block.

A fleet's members run the same files. Within ``read_once`` a file is read, checked and
split for the first member that needs it; the others get what was made of it then, also
when it is edited meanwhile. What fails is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_kept: dict[str, dict[tuple[Any, ...], Any]] = {}  # by what it is kept for
_for: str = ""


@contextmanager
def read_once(identity: str) -> Iterator[None]:
    """Keep within the block what is read; ``identity`` tells which files those are.

    What another block of that identity has kept is there again.
    """
    global _for
    before, _for = _for, identity
    if identity not in _kept:
        _kept.clear()
        _kept[identity] = {}
    try:
        yield
    finally:
        _for = before


def once(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function of hashable arguments read once within such a block."""

    @wraps(function)
    def read(*args: P.args, **kwargs: P.kwargs) -> R:
        if not _for:
            return function(*args, **kwargs)
        kept = _kept[_for]
        key = (function, *args)
        if kwargs:
            key = (*key, *kwargs.items())
        if key not in kept:
            kept[key] = function(*args, **kwargs)
        return kept[key]  # type: ignore[no-any-return]

    return read
