"""``imported.toml`` in a database's folder: which migrations came from another tool.

The import of a history writes it. It names the tool's record table, and for each
migration what that table calls it: so the rows there say which version a database is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from sqlpair.errors import SettingsError

NAME = "imported.toml"
_HEADER = """\
# These migrations came from {tool}. sqlpair adopt reads in its table how far a database
# is, and verify passes the table over. Where it is called otherwise, write that here.
# Written by: sqlpair import
"""
# What the file of a migration says that could not be read: it does nothing until it is
# written.
STUB = """\
-- {source} was not carried over: it is not SQL that could be read.
-- Write here what it does. As it stands, this step does nothing.
"""


class Imported(NamedTuple):
    """What the file says; ``migrations`` has the tool's name for each stem.

    ``parents`` are what a migration stands on, by the tool's names, where that is not
    the one before it: a history of Alembic's may have branches.
    """

    tool: str
    table: str
    migrations: Mapping[str, str]
    parents: Mapping[str, Sequence[str]] = MappingProxyType({})

    def through(self, heads: Iterable[str], ids: Sequence[str]) -> list[str]:
        """Return which of ``ids``, in their order, ``heads`` stand on, themselves too.

        A parent that is not there any more was squashed into the first.
        """
        places = {id_: place for place, id_ in enumerate(ids)}
        found: set[str] = set()
        wanted = [*heads]
        while wanted:
            id_ = wanted.pop()
            if id_ in places and id_ not in found:
                found.add(id_)
                before = ids[max(places[id_] - 1, 0) : places[id_]]
                parents = self.parents.get(id_, before)
                wanted += [p if p in places else ids[0] for p in parents]
        return sorted(found, key=places.__getitem__)


def path_in(folder: Path) -> Path:
    """Return where the file of a database is, whose SQL files are in ``folder``."""
    return folder / NAME


def read(folder: Path) -> Imported | None:
    """Read it; None where nothing was imported, SettingsError where it is damaged."""
    path = path_in(folder)
    try:
        text = path.read_text(encoding="utf-8")
        import tomllib  # only where there is such a file: it takes a while

        content = tomllib.loads(text)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # or it is not UTF-8, or not TOML
        raise _damaged(path, str(error)) from error
    tool, table = content.get("tool"), content.get("table", "")
    migrations = content.get("migrations", {})
    if not isinstance(tool, str) or not isinstance(table, str):
        raise _damaged(path, "tool and table are texts")
    if not isinstance(migrations, dict) or not all(
        isinstance(value, str) for value in migrations.values()
    ):
        raise _damaged(path, "[migrations] names a text for each")
    parents = content.get("parents", {})
    if not isinstance(parents, dict) or not all(
        isinstance(value, list) and all(isinstance(id_, str) for id_ in value)
        for value in parents.values()
    ):
        raise _damaged(path, "[parents] names a list of texts for each")
    return Imported(tool, table, migrations, parents)


def is_stub(content: str) -> bool:
    """Whether a migration's text is that of a file which was not carried over."""
    return content.endswith(STUB.partition("{source}")[2])


def _damaged(path: Path, why: str) -> SettingsError:
    return SettingsError(
        f"{path.parent.name}: {NAME} cannot be read",
        [f"{path}: {why}"],
        "Restore it: git has it, or sqlpair import wrote it.",
    )


def text(imported: Imported) -> str:
    """Return what the file is to hold."""
    lines = [
        _HEADER.format(tool=imported.tool),
        f"tool = {_quoted(imported.tool)}",
        f"table = {_quoted(imported.table)}",
        "",
        "[migrations]",
        *(f"{stem} = {_quoted(id_)}" for stem, id_ in imported.migrations.items()),
        "",
    ]
    if imported.parents:
        lines.append("[parents]")
    for id_, parents in imported.parents.items():
        lines.append(f"{_quoted(id_)} = [{', '.join(map(_quoted, parents))}]")
    return "\n".join([*lines, ""] if imported.parents else lines)


def _quoted(text: str) -> str:
    """Return a text as TOML writes it: as JSON does, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
