"""A key of a described table, taken apart: which columns, and what they refer to."""

from __future__ import annotations

from typing import NamedTuple

from sqlpair.schema.model import ObjectKey


class DescribedKey(NamedTuple):
    """A primary key, unique constraint or foreign key; names as a description has them.

    ``parent`` is the table that a foreign key refers to, with its columns ``parents``
    (none where the description does not say which). ``on_delete`` and ``on_update`` are
    its actions in lower case.
    """

    key: ObjectKey
    table: ObjectKey
    columns: tuple[str, ...]
    parent: str = ""
    parents: tuple[str, ...] = ()
    on_delete: str = ""
    on_update: str = ""
