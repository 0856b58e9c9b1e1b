"""What a revision that is more than SQL text does, as Alembic writes it offline.

Its functions run in a process of their own, without a connection, and with no address
of a database in the environment. What needs a connection is replayed on a database
that starts empty (``alembic_replay``); what cannot be is told.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from sqlpair.authoring.imports.alembic_replay import (
    PostgreSQLReplay,
    Replay,
    SQLiteReplay,
)

if TYPE_CHECKING:
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext

WAYS = ("upgrade", "downgrade")
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "PYTHONPATH", "VIRTUAL_ENV")


class OfflineSql(NamedTuple):
    """The statements of one way, whether they run in no transaction, or what failed.

    ``replayed`` where they are what it did on a database that starts empty.
    """

    statements: list[str]
    alone: bool
    failed: str
    replayed: bool = False


def written(
    revisions: Mapping[str, str | Path], dialect: str, scratch: str = ""
) -> dict[str, dict[str, OfflineSql]]:
    """Return what each way of a revision does on an engine.

    ``revisions`` are all of a history, in order: the module of each that is to run, of
    any other the SQL of its ``upgrade``. ``scratch`` is the address of a PostgreSQL
    database to replay on; without one, what needs a connection has failed.
    """
    asked = [
        (id_, str(known.resolve()), "") if isinstance(known, Path) else (id_, "", known)
        for id_, known in revisions.items()
    ]
    if not any(path for _, path, _ in asked):
        return {}
    with tempfile.TemporaryDirectory(prefix="sqlpair-import-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(
                {"dialect": dialect, "scratch": scratch, "revisions": asked}
            ),
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,  # where no settings of a project are found
            env={key: os.environ[key] for key in _KEPT if key in os.environ},
        )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        failed = dict.fromkeys(WAYS, OfflineSql([], False, why))
        return {id_: failed for id_, path, _ in asked if path}
    answer = json.loads(done.stdout)
    return {
        id_: {way: OfflineSql(*said) for way, said in ways.items()}
        for id_, ways in answer.items()
    }


def _answer(asked: dict[str, Any]) -> dict[str, dict[str, OfflineSql]]:
    replay: Replay | None = None
    if asked["dialect"] == "sqlite":
        replay = SQLiteReplay()
    elif asked["scratch"]:
        replay = PostgreSQLReplay(asked["scratch"])
    found = {}
    for id_, path, script in asked["revisions"]:
        if path:
            found[id_] = _ways(Path(path), asked["dialect"], replay)
        elif replay:
            replay.add(script)
    return found


def _ways(path: Path, dialect: str, replay: Replay | None) -> dict[str, OfflineSql]:
    # Behind what is installed: a folder called alembic is not the package.
    sys.path += [str(p) for p in path.parents[:4] if str(p) not in sys.path]
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    try:
        exec(compile(path.read_bytes(), path, "exec"), vars(module))  # noqa: S102
    except (Exception, SystemExit) as error:  # noqa: BLE001
        ways = dict.fromkeys(WAYS, OfflineSql([], False, _reason(error)))
        if replay:
            replay.lacks(path)
        return ways
    ways = {}
    for way in WAYS:
        found = _way(module, way, path, dialect)
        if found.failed and replay and replay.failed:
            found = OfflineSql([], False, f"{found.failed}; {replay.failed}")
        elif found.failed and replay:
            found = _replayed(module, way, path, replay)
        ways[way] = found
        if way == "upgrade" and replay and found.failed:
            replay.lacks(path)
        elif way == "upgrade" and replay:
            replay.add("".join(f"{text};\n" for text in found.statements))
    return ways


def _way(module: ModuleType, way: str, path: Path, dialect: str) -> OfflineSql:
    statements: list[str] = []
    depth = [0]
    alone = []

    def begin() -> None:
        depth[0] += 1

    def commit() -> None:
        if not depth[0]:
            alone.append(True)  # autocommit_block: it ends what it has not begun
        depth[0] -= 1

    with _environment(path, as_sql=True) as environment:
        environment.configure(dialect_name=dialect, output_buffer=io.StringIO())
        # Of the databases that it ran on, none was.
        vars(environment)["is_offline_mode"] = _is_offline
        context = environment.get_context()
        impl: Any = context.impl
        # Its own would write tabs as spaces, and % twice.
        impl._exec = _Recorder(statements, impl)
        impl.emit_begin, impl.emit_commit = begin, commit
        impl.bind.commit = commit
        try:
            _call(module, way, context)
        except (Exception, SystemExit) as error:  # noqa: BLE001
            return OfflineSql([], False, _reason(error))
    return OfflineSql(statements, bool(alone), "")


def _is_offline() -> NoReturn:
    raise ValueError("it does something else offline")


def _replayed(module: ModuleType, way: str, path: Path, replay: Replay) -> OfflineSql:
    def run(connection: Any) -> None:
        with _environment(path) as environment:
            environment.configure(connection=connection)
            _call(module, way, environment.get_context())

    try:
        return OfflineSql(replay.ran(run), False, "", replayed=True)
    except (Exception, SystemExit) as error:  # noqa: BLE001
        return OfflineSql([], False, _reason(error))


def _environment(path: Path, **options: bool) -> EnvironmentContext:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(path.parent).replace("%", "%%"))
    return EnvironmentContext(config, ScriptDirectory(str(path.parent)), **options)


def _call(module: ModuleType, way: str, context: MigrationContext) -> None:
    from alembic.operations import Operations

    with Operations.context(context):
        getattr(module, way)()


class _Recorder:
    """Takes statements instead of a connection, as text with their values in it."""

    def __init__(self, statements: list[str], impl: Any):
        self._statements = statements
        self._impl = impl

    def __call__(
        self,
        construct: Any,
        _execution_options: object = None,
        multiparams: object = None,
        params: object = None,
    ) -> None:
        from sqlalchemy import BindParameter, text
        from sqlalchemy.schema import DDLElement
        from sqlalchemy.sql import visitors

        if isinstance(construct, str):
            construct = text(construct)
        # Of a connection's execute() they do not get here: NULL would be written.
        lacks = (
            isinstance(part, BindParameter) and part.required
            for part in visitors.iterate(construct)
        )
        dialect = type(self._impl.dialect)(paramstyle="named")
        literal = {} if isinstance(construct, DDLElement) else {"literal_binds": True}
        compiled = construct.compile(dialect=dialect, compile_kwargs=literal)
        if multiparams or params or any(lacks) or getattr(compiled, "params", None):
            raise TypeError("values beside a statement")
        self._statements.append(str(compiled).strip())


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = _answer(json.loads(sys.stdin.read()))
    print(json.dumps(found))  # noqa: T201
