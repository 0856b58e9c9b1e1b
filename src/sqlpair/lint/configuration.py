"""What a project tells the lint: ``[tool.sqlpair.lint]`` of its ``pyproject.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sqlpair.errors import SettingsError
from sqlpair.project import pyproject


class Configuration(NamedTuple):
    """The lint's settings, each with its default.

    ``references`` are the columns, as ``database.table.column``, that point into
    another database, where no foreign key can.
    """

    strategies: frozenset[str] = frozenset()
    brokers: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset(
        {"dev", "development", "live", "prod", "production", "staging", "testnet"}
    )
    filtered: frozenset[str] = frozenset(
        {"status", "broker", "environment", "created_at", "updated_at"}
    )
    enumerated: frozenset[str] = frozenset({"status", "environment", "side"})
    squawk_exclude: frozenset[str] = frozenset()
    since: int = 0
    main_branch: str = ""
    postgresql_version: str = ""
    references: frozenset[str] = frozenset()


def read(root: Path) -> Configuration:
    """Read the settings in ``root``; the defaults where there are none."""
    ours = pyproject.read(root)
    found = {
        key.replace("-", "_"): _value(key, value)
        for key, value in _table(ours, "lint").items()
    }
    references = frozenset(key.lower() for key in _table(ours, "references"))
    return Configuration(**{**found, "references": references})


def _table(ours: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = ours.get(name, {})
    if not isinstance(table, Mapping):
        raise SettingsError(f"pyproject.toml: tool.sqlpair.{name} is no table")
    return table


def _value(key: str, value: object) -> Any:
    name = key.replace("-", "_")
    default = Configuration._field_defaults.get(name)
    if default is None or name == "references":
        known = sorted(Configuration._fields[:-1])
        raise SettingsError(
            f"pyproject.toml [tool.sqlpair.lint]: {key} is no setting",
            [f"settings: {', '.join(item.replace('_', '-') for item in known)}"],
        )
    if isinstance(default, frozenset):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            # A rule of squawk is spelt as squawk spells it; names are compared small.
            return frozenset(item.lower() for item in value)
        expected = 'a list of words, for example ["status"]'
    else:
        if isinstance(value, type(default)) and not isinstance(value, bool):
            return value
        expected = "a number" if isinstance(default, int) else "a text in quotes"
    raise SettingsError(
        f"pyproject.toml [tool.sqlpair.lint]: {key} = {value!r}",
        remedy=f"It is {expected}.",
    )
