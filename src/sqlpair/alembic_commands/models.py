"""Models: SQLAlchemy's description of a database's tables, as a project declares it.

``target_metadata`` of the database's section in alembic.ini names them, or ``env.py``
hands them over. They are imported for ``alembic check``, and for ``alembic revision
--autogenerate``. Those compare by Alembic's own autogenerate; the bookkeeping tables,
which no model describes, are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlpair.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from sqlpair.project.settings import Database, Settings

# What of Alembic's ``context.configure`` a project may set for the comparison.
OPTIONS = frozenset(
    {
        "autogenerate_plugins",
        "compare_server_default",
        "compare_type",
        "include_name",
        "include_object",
        "include_schemas",
        "process_revision_directives",
        "render_item",
        "user_module_prefix",
    }
)


class Given(NamedTuple):
    """What ``env.py`` hands over: the models of databases, and options for Alembic."""

    metadata: Mapping[str, Any]
    options: Mapping[str, Any]

    def check(self, settings: Settings) -> None:
        """Raise UsageError for a database or an option that there is not."""
        for name in self.metadata:
            settings.database(name)
        unknown = sorted(self.options.keys() - OPTIONS)
        if unknown:
            raise UsageError(
                f"env.py: run() takes no {unknown[0]}",
                [f"of context.configure() it takes: {', '.join(sorted(OPTIONS))}"],
            )


class Models(NamedTuple):
    """The models of one database; ``source`` says where they are from."""

    source: str
    metadata: Any
    options: Mapping[str, Any]

    def configuration(
        self, connection: Connection, schema: str, own: Collection[str]
    ) -> dict[str, Any]:
        """Return what ``context.configure`` takes to compare them.

        ``schema`` is where the bookkeeping tables are, ``own`` what they are called.
        """
        include = self.options.get("include_name")
        default = connection.dialect.default_schema_name
        return {
            **self.options,
            "target_metadata": self.metadata,
            "include_name": _without_bookkeeping(include, schema, own, default),
        }


def of(database: Database, settings: Settings, given: Given) -> Models | None:
    """Import the models of a database; None where it has none.

    SettingsError where they cannot be.
    """
    if database.name in given.metadata:
        found = given.metadata[database.name]
        return Models("env.py", _checked(found, "env.py", database), given.options)
    if not database.models:
        return None
    root = str(settings.root)
    if root not in sys.path:  # as prepend_sys_path = . has it
        sys.path.insert(0, root)
    where = f"{settings.ini.name} [{database.name}]: target_metadata"
    module, _, path = database.models.partition(":")
    try:
        found = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except Exception as error:
        raise SettingsError(
            f"{where} cannot be imported",
            [database.models, f"{type(error).__name__}: {error}"],
            f"It is imported from {root}, and from what prepend_sys_path names.",
        ) from error
    return Models(database.models, _checked(found, where, database), given.options)


def _checked(found: Any, where: str, database: Database) -> Any:
    from sqlalchemy import MetaData

    each = found if isinstance(found, list | tuple) else [found]
    if each and all(isinstance(item, MetaData) for item in each):
        return found
    raise SettingsError(
        f"{where} has no MetaData for {database.name}",
        [f"it is of type {type(found).__name__}"],
        "It is a MetaData, or a list of them, for example: myapp.models:Base.metadata",
    )


Include = Callable[[str | None, str, Mapping[str, Any]], bool]


def _without_bookkeeping(
    include: Include | None, schema: str, own: Collection[str], default: str | None
) -> Include:
    """Return ``include_name`` without the tables called ``own`` in ``schema``.

    Alembic says None for the schema that is the connection's ``default``.
    """

    def included(name: str | None, kind: str, parents: Mapping[str, Any]) -> bool:
        where = parents.get("schema_name") or default
        if kind == "table" and name in own and where == schema:
            return False
        return include is None or include(name, kind, parents)

    return included
