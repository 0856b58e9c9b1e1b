"""The pytest plugin: migrated databases for a project's tests, and their proof.

``plugin`` is what pytest loads, in every project of an environment that has sqlpair: it
imports nothing before a test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlpair.testing.copies import DatabaseCopies

__all__ = ["DatabaseCopies"]


def __getattr__(name: str) -> object:
    if name != "DatabaseCopies":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sqlpair.testing.copies import DatabaseCopies

    return DatabaseCopies
