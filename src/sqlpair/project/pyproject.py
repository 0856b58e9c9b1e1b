"""``[tool.sqlpair]`` of the project's ``pyproject.toml``: what its files are held to.

Where the databases are stands in ``alembic.ini``; what is checked of them stands here,
so that every checkout is checked alike. A project without the file has no rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

from sqlpair.errors import SettingsError

NAME = "pyproject.toml"


def read(root: Path) -> Mapping[str, Any]:
    """Return ``[tool.sqlpair]`` of ``root``; SettingsError if it is no table."""
    try:
        text = (root / NAME).read_text(encoding="utf-8")
        import tomllib  # only where there is such a file: it takes a while

        content = tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:  # or it is not UTF-8, or not TOML
        raise SettingsError(f"{NAME} cannot be read", [str(error)]) from error
    table = content.get("tool", {}).get("sqlpair", {})
    if not isinstance(table, dict):
        raise SettingsError(f"{NAME}: tool.sqlpair is no table")
    return table


def table(root: Path, name: str) -> Mapping[str, Any]:
    """Return the table ``name`` within it, empty where there is none."""
    found = read(root).get(name, {})
    if not isinstance(found, dict):
        raise SettingsError(
            f"{NAME}: tool.sqlpair.{name} is not a table",
            [f"{name} = {found!r}"],
            f"Write its settings below [tool.sqlpair.{name}].",
        )
    return found


def flag(root: Path, key: str) -> bool:
    """Return whether ``key`` is true; false where it is not there."""
    value = read(root).get(key, False)
    if not isinstance(value, bool):
        raise SettingsError(
            f"{NAME}: {key} in [tool.sqlpair] is neither true nor false",
            [f"{key} = {value}"],
        )
    return value


def texts(root: Path, key: str) -> tuple[str, ...]:
    """Return the list of texts called ``key``, empty where there is none."""
    value = read(root).get(key, [])
    if not is_texts(value):
        raise SettingsError(
            f"{NAME}: {key} in [tool.sqlpair] is no list of texts", [f"{key} = {value}"]
        )
    return tuple(value)


def pairs(root: Path, key: str) -> dict[str, str]:
    """Return the table of texts called ``key``, empty where there is none."""
    found = table(root, key)
    if not is_texts([*found.values()]):
        raise SettingsError(
            f"{NAME}: [tool.sqlpair.{key}] holds something other than texts",
            [f"{key} = {found}"],
        )
    return dict(found)


def is_texts(value: object) -> TypeGuard[list[str]]:
    """Whether it is a list of texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
