"""What is different inside Alembic, which loads this as a plugin when it is imported.

Its ``heads``, ``show`` and ``branches`` run no env.py: what they stumble over in a
revision module is named here. Its environment is one for the whole process, so threads
take turns. And a ``%`` in the path of alembic.ini is no more than that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any

from alembic import util
from alembic.util import compat, langhelpers

from sqlpair.revision import ORDER


class _Iterable(ModuleType):
    """What Alembic before 1.20.1 takes for a plugin: it iterates over the module."""

    def __iter__(self) -> Iterator[ModuleType]:
        yield self


sys.modules[__name__].__class__ = _Iterable
_FAULTY = "the revision module does not fit its place on the branch"


def setup(_plugin: object = None) -> None:
    """Change Alembic; again, where it was done already, does nothing."""
    if util.load_python_file.__module__ != __name__:
        util.load_python_file = _named(util.load_python_file)
        compat.read_config_parser = _escaping(compat.read_config_parser)
        _take_turns(langhelpers.ModuleClsProxy)


def _take_turns(proxy: Any) -> None:
    """Let one thread at a time have what ``alembic.context`` speaks for.

    The others wait until its command has ended; else one would serve another's.
    """
    turn, taken = RLock(), set[int]()
    install, remove = proxy._install_proxy, proxy._remove_proxy

    def enter(self: Any) -> None:
        if type(self).__name__ != "EnvironmentContext":
            install(self)
            return
        turn.acquire()
        try:
            install(self)
        except BaseException:
            turn.release()
            raise
        taken.add(id(self))

    def leave(self: Any) -> None:
        try:
            remove(self)
        finally:
            if id(self) in taken:  # not, where it was entered before this was here
                taken.remove(id(self))
                turn.release()

    proxy._install_proxy, proxy._remove_proxy = enter, leave


def _escaping(read: Any) -> Any:
    """Return ``read`` with the folder as what ``%(here)s`` is, be there a % in it."""

    def read_config_parser(config: Any, *arguments: Any) -> Any:
        here = config.defaults().get("here", "")
        if "%" in here.replace("%%", ""):
            config.defaults()["here"] = here.replace("%", "%%")
        return read(config, *arguments)

    return read_config_parser


def _named(load: Any) -> Any:
    """Return ``load`` with the faults of a project's revision modules named."""

    def load_python_file(folder: str | Path, name: str | Path) -> Any:
        folder = Path(folder)
        if not _is_ours(folder):
            return load(folder, name)
        from sqlpair.errors import HistoryError

        path = folder / name
        where = f"{folder.name} {path.stem}"
        try:
            module = load(folder, name)
        except Exception as error:  # noqa: BLE001 - it may be anything
            reason = f"{type(error).__name__}: {error}"
            fault = HistoryError(
                f"{where}: the revision module cannot be loaded", [str(path), reason]
            )
            raise util.CommandError(str(fault)) from fault
        if wrong := _wrong(module, path):
            fault = HistoryError(
                f"{where}: {_FAULTY}",
                [str(path), *wrong],
                "Correct it, or restore the module that is missing.",
            )
            raise util.CommandError(str(fault)) from fault
        return module

    load_python_file.__module__ = __name__
    return load_python_file


@cache
def _is_ours(folder: Path) -> bool:
    """Say whether a folder holds the revision modules of a database of sqlpair's."""
    try:
        env = (folder.parent.parent / "env.py").read_bytes()
    except OSError:
        return False
    return folder.parent.name == "versions" and b"sqlpair" in env


def _wrong(module: Any, path: Path) -> list[str]:
    """Say what Alembic cannot build a branch from, or would not do as it is meant."""
    numbers = _numbers(path.parent, path.parent.stat().st_mtime_ns)
    digits = path.name.partition("_")[0]
    own = f"{path.parent.name}_{digits}"
    revision = getattr(module, "revision", None)
    said = [] if revision == own else [f"revision = {revision!r}, not {own!r}"]
    said += [
        f"down_revision = {parent!r}, which no module before it here has"
        for parent in util.to_tuple(getattr(module, "down_revision", None), default=())
        if numbers.get(parent, sys.maxsize) >= numbers.get(own, sys.maxsize)
    ]
    if depends_on := getattr(module, "depends_on", None):
        said.append(f"depends_on = {depends_on!r}; {ORDER}")
    return said


@cache
def _numbers(folder: Path, _changed: int) -> dict[str, int]:
    """Return the revisions of a folder's modules, each with its number."""
    digits = (path.name.partition("_")[0] for path in folder.glob("*.py"))
    return {f"{folder.name}_{n}": int(n) for n in digits if n.isdecimal()}
