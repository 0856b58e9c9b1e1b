"""The settings of lint: ``[tool.sqlpair.lint]`` of a project's ``pyproject.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sqlpair.errors import SettingsError
from sqlpair.lint.names import words
from sqlpair.project import pyproject
from sqlpair.project.pyproject import is_texts

_WHERE = "pyproject.toml [tool.sqlpair.lint]"


class Configuration(NamedTuple):
    """The settings, each with its default.

    ``forbidden_names`` are words that no new name may contain, each with the reason.
    ``filtered`` are the columns that need an index, ``enumerated`` the text columns
    that need a CHECK. ``references`` are the columns, as ``database.table.column``,
    that refer to another database, where a foreign key is not possible.
    """

    forbidden_names: Mapping[str, str] = {}
    filtered: frozenset[str] = frozenset()
    enumerated: frozenset[str] = frozenset()
    squawk_exclude: frozenset[str] = frozenset()
    since: int = 0
    main_branch: str = ""
    postgresql_version: str = ""
    references: frozenset[str] = frozenset()


def read(root: Path) -> Configuration:
    """Read the settings in ``root``; the defaults where there are none."""
    found = {
        key.replace("-", "_"): _value(key, value)
        for key, value in pyproject.table(root, "lint").items()
    }
    references = frozenset(key.lower() for key in pyproject.table(root, "references"))
    return Configuration(**{**found, "references": references})


def _value(key: str, value: object) -> Any:
    name = key.replace("-", "_")
    default = Configuration._field_defaults.get(name)
    if default is None or name == "references":
        raise _unknown(key)
    if isinstance(default, dict):
        return _forbidden(value)
    if isinstance(default, frozenset):
        if is_texts(value):
            # squawk's rules are in lower case, and names are compared in it.
            return frozenset(item.lower() for item in value)
        expected = 'a list of texts, for example ["status"]'
    else:
        if isinstance(value, type(default)) and not isinstance(value, bool):
            return value
        expected = "a number" if isinstance(default, int) else "a text in quotes"
    raise SettingsError(
        f"{_WHERE}: {key} = {value!r} is not valid",
        remedy=f"Write {expected}.",
    )


def _unknown(key: str) -> SettingsError:
    known = sorted(Configuration._fields[:-1])
    return SettingsError(
        f"{_WHERE}: {key} is not a setting",
        [f"settings: {', '.join(item.replace('_', '-') for item in known)}"],
        "Remove it, or correct its name.",
    )


def _forbidden(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise SettingsError(
            f"{_WHERE}: forbidden-names = {value!r} is not a table",
            remedy='Write, below [tool.sqlpair.lint.forbidden-names]: word = "why"',
        )
    for word, reason in value.items():
        if not words(word):
            raise SettingsError(
                f"{_WHERE}: forbidden-names has the key {word!r}, which is not a word",
                remedy="Write letters or digits: a word, or several as in a name.",
            )
        if not isinstance(reason, str) or not reason.strip():
            raise SettingsError(
                f"{_WHERE}: forbidden-names does not say why {word} is forbidden",
                [f"{word} = {reason!r}"],
                f'Write: {word} = "why it is forbidden, and what to write instead"',
            )
    return value
