"""The rules. Each module here is one rule; its name is the module's, with dashes.

There is no list of them: every module here is a rule, and has a page in ``docs/lint/``,
whose examples are its tests.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from sqlpair.lint.subject import Rule


def all_rules() -> dict[str, Rule]:
    """Return every rule by its name."""
    return {
        name.replace("_", "-"): import_module(f"{__name__}.{name}").check
        for _, name, _ in iter_modules(__path__)
    }
