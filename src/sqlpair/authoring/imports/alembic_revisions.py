"""Plain Alembic: the SQL that the ``upgrade`` and ``downgrade`` of revisions execute.

Where they only ``op.execute`` strings that stand in the file, these are read, byte for
byte, and nothing runs; what is more than that is left to ``alembic_offline``. The order
is that of ``down_revision`` and ``depends_on``.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from sqlpair.authoring.imports import alembic_offline
from sqlpair.authoring.imports.alembic_offline import OfflineSql
from sqlpair.authoring.imports.foreign import (
    ForeignHistory,
    ForeignMigration,
    NotCarried,
    SqlPart,
    files,
    open_end,
)
from sqlpair.databases.driver import driver_of
from sqlpair.errors import ConnectError, SettingsError, SqlpairError, UsageError
from sqlpair.project.presence import is_dir
from sqlpair.project.settings import Database
from sqlpair.project.statement import Split

_BIND = "op.get_bind()"
_TEXT = {"sa.text", "text", "sqlalchemy.text"}
_NOT_READ = "is not SQL in op.execute"
_LACKS = {"upgrade": "its file does nothing", "downgrade": "it has no rollback"}


class _Revision(NamedTuple):
    """A revision module: its id, what is below it, what else it needs, its text."""

    path: Path
    id: str
    below: tuple[str, ...]
    needs: tuple[str, ...]
    tree: ast.Module


class _Unread(Exception):  # noqa: N818 - no failure: the file is left out
    """What in a function is no SQL, and in which line."""

    def __init__(self, node: ast.AST):
        super().__init__(f"line {getattr(node, 'lineno', 0)} {_NOT_READ}")


def read(folder: Path, split: Split) -> ForeignHistory | None:
    """Read a folder of revisions, or the one above it; None where there are none."""
    found = _revisions(folder) or _revisions(folder / "versions")
    if not found:
        return None
    migrations: list[ForeignMigration] = []
    left: list[NotCarried] = []
    ids = {revision.id for revision in found}
    for revision in _in_order(found):
        up, down = _parts(revision, split, left)
        path, parents = revision.path, _stands_on(revision, ids)
        migrations.append(
            ForeignMigration(revision.id, _name(revision), path, up, down, parents)
        )
    return ForeignHistory("alembic", tuple(migrations), tuple(left))


def _revisions(folder: Path) -> list[_Revision]:
    found = []
    for path in files(folder) if is_dir(folder) else []:
        if path.suffix != ".py":
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            raise UsageError(
                f"{path.name} cannot be read", [str(error)], "Nothing was written."
            ) from None
        names = _constants(tree.body)
        id_ = names.get("revision")
        if isinstance(id_, str):
            below, needs = (_ids(names.get(k)) for k in ("down_revision", "depends_on"))
            found.append(_Revision(path, id_, below, needs, tree))
    return found


def _ids(value: object) -> tuple[str, ...]:
    several = value if isinstance(value, tuple | list) else (value,)
    return tuple(id_ for id_ in several if isinstance(id_, str))


def _constants(body: Iterable[ast.stmt]) -> dict[str, object]:
    """Return the names to which a value that stands there is assigned."""
    found: dict[str, object] = {}
    for node in body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value:
            targets, value = [node.target], node.value
        else:
            continue
        try:
            known = ast.literal_eval(value)
        except ValueError:
            continue
        found |= {
            target.id: known for target in targets if isinstance(target, ast.Name)
        }
    return found


def _name(revision: _Revision) -> str:
    """Return what Alembic puts behind the id in a file's name, or the name itself."""
    stem = revision.path.stem
    parts = re.split(rf"(?:^|[_-]){re.escape(revision.id)}_", stem, maxsplit=1)
    return parts[-1] or stem


def _stands_on(revision: _Revision, known: Collection[str]) -> tuple[str, ...]:
    needs = (id_ for id_ in revision.needs if id_ in known)  # or it is a label
    return (*revision.below, *needs)


def _in_order(found: Iterable[_Revision]) -> Iterator[_Revision]:
    """Yield each revision behind all that it stands on."""
    known = {revision.id: revision for revision in found}
    graph = {}
    for revision in known.values():
        for id_ in revision.below:
            if id_ not in known:
                raise UsageError(
                    f"{revision.path.name} stands on {id_}, which is no file here",
                    remedy="Name the folder with all revisions. Nothing was written.",
                )
        graph[revision.id] = _stands_on(revision, known)
    try:
        yield from (known[id_] for id_ in TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise UsageError(
            "revisions stand on each other in a circle", [*error.args[1]]
        ) from None


def completed(history: ForeignHistory, database: Database) -> ForeignHistory:
    """Return it with what is no SQL text as Alembic writes it for a database."""
    split = driver_of(database).split
    unread = {(item.path, item.why.partition(":")[0]): item for item in history.left}
    sources = {path for path, _ in unread}
    revisions = {
        item.id: item.source if item.source in sources else _text(item.up)
        for item in history.migrations
    }
    said = _written(revisions, database)
    left: list[NotCarried] = []

    def part(item: ForeignMigration, way: str, read: SqlPart | None) -> SqlPart | None:
        own = unread.get((item.source, way))
        if own is None:
            return read
        found = said[item.id][way]
        if found.failed:
            why = f"{own.why}, and Alembic cannot write it offline ({found.failed});"
            left.append(own._replace(why=f"{why} {_LACKS[way]} until you write it"))
            return None
        lines = [_ended(text, split) for text in found.statements]
        added = "all of it, as Alembic writes what the revision does"
        if found.replayed:
            added = "all of it, what the revision does where those below it ran"
        if found.replayed and not found.statements:
            why = f"{way}: does nothing on a database that the ones below it made"
            left.append(NotCarried(item.source, why, matters=False))
        return SqlPart("\n".join([*lines, ""]).encode(), found.alone, added)

    migrations = tuple(
        item._replace(
            up=part(item, "upgrade", item.up), down=part(item, "downgrade", item.down)
        )
        for item in history.migrations
    )
    return history._replace(migrations=migrations, left=tuple(left))


def _written(
    revisions: Mapping[str, str | Path], database: Database
) -> dict[str, dict[str, OfflineSql]]:
    """Let Alembic write them, on a scratch database where that is needed and to be had.

    Without one, those that need it are told, and why there is none.
    """
    said = alembic_offline.written(revisions, database.driver)
    failed = any(found.failed for ways in said.values() for found in ways.values())
    if not failed or database.driver != "postgresql":
        return said
    sources = [known for known in revisions.values() if isinstance(known, Path)]
    with ExitStack() as resources:
        try:
            scratch = driver_of(database).scratch(database, sources, lambda _: None)
            session = resources.enter_context(scratch)
        except (ConnectError, SettingsError) as error:
            return {
                id_: {way: _unplayed(found, error) for way, found in ways.items()}
                for id_, ways in said.items()
            }
        address = session.database.address
        return alembic_offline.written(revisions, database.driver, address)


def _unplayed(found: OfflineSql, error: SqlpairError) -> OfflineSql:
    why = f"{found.failed}; {error.what}" if found.failed else ""
    return found._replace(failed=why)


def _text(part: SqlPart | None) -> str:
    return "" if part is None else part.content.decode()


def _parts(
    revision: _Revision, split: Split, left: list[NotCarried]
) -> tuple[SqlPart | None, SqlPart | None]:
    functions = {
        node.name: node
        for node in revision.tree.body
        if isinstance(node, ast.FunctionDef) and not node.decorator_list
    }
    bound = [*_bound(revision.tree)]
    counts = Counter(name for name, _ in bound)
    # A name that is bound twice may stand for the one or the other.
    names = {
        name: value
        for name, value in _constants(revision.tree.body).items()
        if isinstance(value, str) and counts[name] == 1
    }
    parts: list[SqlPart | None] = []
    for name in ("upgrade", "downgrade"):
        function = functions.get(name)
        known = [node for to, node in bound if to in (name, "*")]
        try:
            if known[1:] or (known and known[0] is not function):
                raise _Unread(known[0])
            part = _sql(function, names, split) if function else None
        except _Unread as unread:
            part = None
            is_up = name == "upgrade"
            left.append(NotCarried(revision.path, f"{name}: {unread}", is_up))
        parts.append(part)
    return parts[0], parts[1]


def _bound(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Yield each name that a module gives to something, anywhere, and where."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, node
        elif isinstance(node, ast.alias):
            yield node.asname or node.name, node
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node


def _sql(function: ast.FunctionDef, names: Mapping[str, str], split: Split) -> SqlPart:
    found = [*_statements(function.body, dict(names))]
    texts = [_ended(text, split) for text, _ in found]
    return SqlPart("\n".join([*texts, ""]).encode(), any(alone for _, alone in found))


def _statements(
    body: Iterable[ast.stmt], names: dict[str, str]
) -> Iterator[tuple[str, bool]]:
    """Yield the SQL of a body, and whether it runs in no transaction.

    ``names`` are what stands for texts, and for the connection; they are added to.
    """
    for node in body:
        if isinstance(node, ast.Pass) or _is_documentation(node):
            continue
        if isinstance(node, ast.With) and all(
            ast.unparse(item.context_expr).endswith(".autocommit_block()")
            for item in node.items
        ):
            yield from ((text, True) for text, _ in _statements(node.body, names))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield _executed(node.value, names), False
        elif isinstance(node, ast.Assign):
            names |= _named(node, names)
        else:
            raise _Unread(node)


def _is_documentation(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _named(node: ast.Assign, names: Mapping[str, str]) -> dict[str, str]:
    """Return what is given a name: a text, or the connection."""
    targets = [target.id for target in node.targets if isinstance(target, ast.Name)]
    if len(targets) != len(node.targets):
        raise _Unread(node)
    is_bind = ast.unparse(node.value) == _BIND
    return dict.fromkeys(targets, _BIND if is_bind else _string(node.value, names))


def _executed(call: ast.Call, names: Mapping[str, str]) -> str:
    on, _, method = ast.unparse(call.func).rpartition(".")
    known = on in ("op", _BIND) or names.get(on) == _BIND
    if not known or method != "execute" or len(call.args) != 1 or call.keywords:
        raise _Unread(call)
    # As SQLAlchemy's text() has it: a colon that begins no parameter is \\:
    return _string(call.args[0], names).replace("\\:", ":")


def _string(node: ast.expr, names: Mapping[str, str]) -> str:
    if isinstance(node, ast.Call) and ast.unparse(node.func) in _TEXT and node.args:
        return _string(node.args[0], names)
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise _Unread(node)


def _ended(text: str, split: Split) -> str:
    """Return it with a ``;`` behind its last statement."""
    at = open_end(text, split)
    return text if at is None else f"{text[:at]};{text[at:]}"
