"""What is used again and again in one command, and kept until the command ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

_kept: dict[object, ExitStack] | None = None


@contextmanager
def to_the_end() -> Iterator[None]:
    """Let what ``keep`` is given within the block stay until it ends."""
    global _kept
    _kept = {}
    try:
        yield
    finally:
        kept, _kept = _kept, None
        with ExitStack() as all_of_it:
            for one in kept.values():
                all_of_it.push(one)


def keep(key: object, use: Callable[[], AbstractContextManager[object]]) -> None:
    """Enter what ``use`` returns, once for ``key``; nothing outside such a block."""
    if _kept is not None and key not in _kept:
        stack = _kept[key] = ExitStack()
        stack.enter_context(use())
