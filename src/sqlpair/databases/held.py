"""What is used again and again in one command, and kept until the command ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar

_kept: ContextVar[dict[object, ExitStack] | None] = ContextVar(
    "sqlpair_kept", default=None
)


@contextmanager
def to_the_end() -> Iterator[None]:
    """Let what ``keep`` is given within the block stay until the outermost one ends."""
    if _kept.get() is not None:
        yield
        return
    kept: dict[object, ExitStack] = {}
    token = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(token)
        with ExitStack() as all_of_it:
            for one in kept.values():
                all_of_it.push(one)


def keep(key: object, use: Callable[[], AbstractContextManager[object]]) -> None:
    """Enter what ``use`` returns, once for ``key``; nothing outside such a block."""
    kept = _kept.get()
    if kept is not None and key not in kept:
        stack = kept[key] = ExitStack()
        stack.enter_context(use())
