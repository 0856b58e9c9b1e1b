"""The SQL of what autogenerate found: each of Alembic's operations as statements.

An operation is written as the Python that Alembic would put into a revision module,
and that is run as ``alembic upgrade --sql`` would run it: so what extends autogenerate
(alembic-utils, alembic-postgresql-enum) does here what it does there. Where an engine
builds tables again instead of altering them, it runs in a scratch database that the
files have built, and what is executed there is written down.

What cannot be written as SQL stands in the file as a comment, with the reason.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlpair.errors import printable
from sqlpair.runner import scratch
from sqlpair.schema.model import BEFORE, Schema, describe, difference

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import MigrateOperation, MigrationScript, OpContainer
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import Dialect

    from sqlpair.databases.interface import Report
    from sqlpair.project.branches import Branch

# Stands for a tab, which Alembic makes spaces of, in values as well.
_TAB = "\ue009"
_QUOTED = re.compile(r"('[^']*'|\"[^\"]*\")")
# What is executed besides: reflection, and the savepoints of this module.
_BESIDE = re.compile(r"\s*(SELECT|PRAGMA|SAVEPOINT|RELEASE|ROLLBACK)\b", re.IGNORECASE)
_END = re.compile(r"[;\s]+\Z")


class Written(NamedTuple):
    """The SQL of a migration, up and down; empty where there is nothing to do."""

    up: str
    down: str


class _Target(NamedTuple):
    """What operations run on, and the statements they have run."""

    context: MigrationContext
    statements: list[str]


def written(
    context: MigrationContext, script: MigrationScript, branch: Branch, report: Report
) -> Written:
    """Return the SQL of ``script``, found in ``context``, the live database's."""
    from alembic.autogenerate.api import AutogenContext

    autogen = AutogenContext(context)
    assert script.upgrade_ops is not None
    assert script.downgrade_ops is not None
    if script.upgrade_ops.is_empty() and script.downgrade_ops.is_empty():
        return Written("", "")
    if rebuilds(context):
        return _by_scratch(autogen, script, branch, report)
    live = context.impl.dialect
    context.impl.dialect = _undoubling(live)
    try:
        up, down = (
            "\n".join(_blocks(autogen, ops, _offline(live)))
            for ops in (script.upgrade_ops, script.downgrade_ops)
        )
    finally:
        context.impl.dialect = live
    return Written(up, down)


def rebuilds(context: MigrationContext) -> bool:
    """Say whether Alembic builds this engine's tables again to alter them (batch)."""
    from alembic.ddl.impl import DefaultImpl

    own = type(context.impl).requires_recreate_in_batch
    return own is not DefaultImpl.requires_recreate_in_batch


def _undoubling(dialect: Dialect) -> Dialect:
    """Return it with a paramstyle that does not double each % in the text."""
    made: Any = type(dialect)
    own: Dialect = made(paramstyle="named")
    own.default_schema_name = dialect.default_schema_name
    return own


def _offline(dialect: Dialect) -> _Target:
    from alembic.runtime.migration import MigrationContext

    own = _undoubling(dialect)
    for name in ("statement_compiler", "ddl_compiler"):
        setattr(own, name, _keeping_tabs(getattr(own, name)))
    statements = _Statements()
    options = {"as_sql": True, "output_buffer": statements, "literal_binds": True}
    return _Target(
        MigrationContext.configure(dialect=own, opts=options), statements.found
    )


class _Statements(io.StringIO):
    """What Alembic writes a statement to; each comes in one piece."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def write(self, text: str) -> int:
        self.found.append(text.replace(_TAB, "\t"))
        return len(text)


def _keeping_tabs(compiler: Any) -> Any:
    def text(self: Any) -> str:
        return str(compiler.__str__(self)).replace("\t", _TAB)

    return type(compiler.__name__, (compiler,), {"__str__": text})


def _by_scratch(
    autogen: AutogenContext, script: MigrationScript, branch: Branch, report: Report
) -> Written:
    """Run both ways on what the files build; say what they do to its schema."""
    assert script.upgrade_ops is not None
    assert script.downgrade_ops is not None
    with scratch.opened(branch, report) as built:
        before = built.schema(len(branch.migrations))
        session = built.session
        session.begin()
        with _recorded(session.alembic_connection()) as target:
            up = _blocks(autogen, script.upgrade_ops, target)
            between = session.schema()
            target.statements.clear()
            down = _blocks(autogen, script.downgrade_ops, target)
            after = session.schema()
        session.rollback()
    return Written(
        "\n".join(
            [*_told("What it changes, in a scratch database", before, between), *up]
        ),
        "\n".join([*_told("What it leaves changed there", before, after), *down]),
    )


@contextmanager
def _recorded(connection: Any) -> Iterator[_Target]:
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import event

    statements: list[str] = []

    def note(
        _connection: Any, _cursor: Any, sql: str, given: Any, *_more: object
    ) -> None:
        if _BESIDE.match(sql):
            return
        if given:
            raise ValueError("it sends values beside the statement")
        statements.append(sql)

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield _Target(MigrationContext.configure(connection), statements)
    finally:
        event.remove(connection, "before_cursor_execute", note)


def _told(title: str, before: Schema, after: Schema) -> list[str]:
    """Say as a comment what is different: a table built again may lose parts."""
    lines = [
        f"--   {line}"
        for change in difference(before, after)
        for line in describe(change, BEFORE).splitlines()
    ]
    return [f"-- {title}:", *lines, ""] if lines else []


def _blocks(
    autogen: AutogenContext, container: OpContainer, target: _Target
) -> list[str]:
    """Return the text of each operation, run one after the other on ``target``."""
    from alembic.operations import Operations

    names = _Names(op=Operations(target.context), sa=import_module("sqlalchemy"))
    blocks = []
    for operation in container.ops:
        target.statements.clear()
        python = ""
        try:
            with (
                _savepoint(target.context),
                warnings.catch_warnings(record=True) as said,
            ):
                warnings.simplefilter("always")
                python = _python(autogen, operation)
                lines = "\n".join(sorted(autogen.imports))
                exec(lines, names.imports, names)  # noqa: S102 - Alembic's own text
                exec(python, names.imports, names)  # noqa: S102
        except Exception as error:  # noqa: BLE001 - it may be anything
            blocks.append(_comment(python or type(operation).__name__, error))
        else:
            statements = (_END.sub("", sql).strip() for sql in target.statements)
            blocks += [f"-- Alembic warns: {printable(str(w.message))}" for w in said]
            blocks += [f"{tidy(sql)};\n" for sql in statements]
    return blocks


def _python(autogen: AutogenContext, operation: MigrateOperation) -> str:
    """Return what Alembic would write into a revision module."""
    from alembic.autogenerate.render import render_op
    from mako.pygen import PythonPrinter

    text = io.StringIO()
    printer = PythonPrinter(text)
    for line in render_op(autogen, operation):
        printer.writeline(line)
    return text.getvalue()


def _savepoint(context: MigrationContext) -> AbstractContextManager[Any]:
    """Undo what an operation did that failed half way; nothing, where none runs."""
    from contextlib import nullcontext

    if context.as_sql:
        return nullcontext()
    assert context.connection is not None
    return context.connection.begin_nested()


class _Names(dict[str, Any]):
    """What a name means in the text: one that is not there is a module to import.

    A type of the project's own is written as ``myapp.types.Money()``.
    """

    def __init__(self, **names: Any):
        super().__init__(names)
        self.imports: dict[str, Any] = {}

    def __missing__(self, name: str) -> Any:
        import builtins

        if hasattr(builtins, name):
            raise KeyError(name)
        try:
            return import_module(name)
        except ImportError:
            raise KeyError(name) from None


def _comment(python: str, error: Exception) -> str:
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    lines = [
        f"TODO: not written as SQL, for it cannot be run as such ({reason}).",
        "Write the statements that do what this does:",
        *(f"  {line}" for line in python.splitlines()),
    ]
    return "".join(f"-- {line}".rstrip() + "\n" for line in lines)


def tidy(sql: str) -> str:
    """Return a statement without what SQLAlchemy leaves at the end of lines.

    One that may hold text of another kind (a function's body) stays as it is.
    """
    if any(mark in sql for mark in ("$", "--", "/*")):
        return sql
    parts: Sequence[str] = _QUOTED.split(sql)
    return "".join(
        part if index % 2 else re.sub(r"[ \t]+\n", "\n", part).replace("\t", "    ")
        for index, part in enumerate(parts)
    )
