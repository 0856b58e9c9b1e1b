"""What is used again and again in one command, and kept until the command ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
_kept: ContextVar[dict[object, tuple[ExitStack, object]] | None] = ContextVar(
    "sqlpair_kept", default=None
)


@contextmanager
def to_the_end() -> Iterator[None]:
    """Let what ``keep`` is given within the block stay until the outermost one ends."""
    if _kept.get() is not None:
        yield
        return
    kept: dict[object, tuple[ExitStack, object]] = {}
    token = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(token)
        with ExitStack() as all_of_it:
            for stack, _ in kept.values():
                all_of_it.push(stack)


def keep(key: object, use: Callable[[], AbstractContextManager[T]]) -> T | None:
    """Enter what ``use`` returns, once for ``key``, and return what that gave.

    None outside such a block.
    """
    kept = _kept.get()
    if kept is None:
        return None
    if key not in kept:
        stack = ExitStack()
        kept[key] = stack, stack.enter_context(use())
    return kept[key][1]  # type: ignore[return-value]
