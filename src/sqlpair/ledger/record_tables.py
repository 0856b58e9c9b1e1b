"""The tables in which other tools record what they ran, and what their rows say.

A database of a history that was imported may still have one. It is read and never
changed; what it is called and which of its names is which migration stands in the file
that the import wrote (``project/imported.py``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlpair.databases.interface import Session
from sqlpair.errors import HistoryError, several
from sqlpair.ledger.position import foreign
from sqlpair.ledger.tables import Records
from sqlpair.project.branches import Branch
from sqlpair.project.imported import Imported
from sqlpair.project.ledger_tables import NAMES
from sqlpair.schema.model import ObjectKey, Schema, root

Rows = Sequence[Mapping[str, Any]]


class Said(NamedTuple):
    """What rows say: which migrations are applied, in their order, and which failed."""

    applied: list[str]
    unfinished: list[str]


class RecordTable(NamedTuple):
    """A tool's table: its usual name, the query behind FROM, and how rows are read.

    ``columns`` it has to have. ``read`` also takes the ids of the migrations here.
    """

    name: str
    columns: tuple[str, ...]
    order: str
    read: Callable[[Rows, Sequence[str]], Said]


def flyway_version(text: str) -> tuple[int, ...]:
    """Return a version of Flyway's as numbers: 1, 01, 1.0 and 1_0 are one."""
    parts = [int(part) for part in text.replace("_", ".").split(".")]
    while len(parts) > 1 and not parts[-1]:
        del parts[-1]
    return tuple(parts)


def counted(names: Iterable[str]) -> list[str]:
    """Return names with the second of a kind called ``name#2``."""
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        seen[name] += 1
        told.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return told


def _through(last: str, ids: Sequence[str]) -> list[str]:
    """Everything up to ``last``; that alone where it is not known."""
    return [*ids[: ids.index(last) + 1]] if last in ids else [last]


def _golang_migrate(rows: Rows, ids: Sequence[str]) -> Said:
    said = Said([], [])
    for row in rows:
        version = str(int(row["version"]))
        if row["dirty"]:
            said.unfinished.append(f"version {version} is dirty")
        if version != "-1":  # nothing is applied
            said.applied.extend(_through(version, ids))
    return said


def _versions(rows: Rows, _ids: Sequence[str]) -> Said:
    return Said([str(row["version"]) for row in rows], [])


def _sqlx(rows: Rows, ids: Sequence[str]) -> Said:
    begins = ((re.match("[0-9]+", id_), id_) for id_ in ids)
    known = {int(digits[0]): id_ for digits, id_ in begins if digits}
    return Said(
        [known.get(row["version"], str(row["version"])) for row in rows],
        [f"version {row['version']} failed" for row in rows if not row["success"]],
    )


def _goose(rows: Rows, _ids: Sequence[str]) -> Said:
    # Before goose deleted rows on the way down, it added one that says so.
    state: dict[str, bool] = {}
    for row in rows:
        version = str(int(row["version_id"]))
        state.pop(version, None)
        state[version] = bool(row["is_applied"])
    state.pop("0", None)  # it makes that row with the table
    return Said([version for version, applied in state.items() if applied], [])


def _flyway(rows: Rows, ids: Sequence[str]) -> Said:
    applied: dict[str, None] = {}
    unfinished = []
    for row in rows:
        if row["version"] is None:  # a repeatable file, or the schema itself
            unfinished += [f"{row['script']} failed"] * (not row["success"])
            continue
        version = flyway_version(str(row["version"]))
        id_, kind = ".".join(map(str, version)), str(row["type"]).upper()
        if not row["success"]:
            unfinished.append(f"version {row['version']} ({row['script']}) failed")
        elif kind.startswith("UNDO") or kind == "DELETE":
            applied.pop(id_, None)
        elif kind.endswith("BASELINE"):
            below = (one for one in ids if flyway_version(one) <= version)
            applied |= dict.fromkeys(below)
        else:
            applied[id_] = None
    return Said([*applied], unfinished)


def _prisma(rows: Rows, _ids: Sequence[str]) -> Said:
    there = [row for row in rows if row["rolled_back_at"] is None]
    return Said(
        [row["migration_name"] for row in there if row["finished_at"] is not None],
        [
            f"{row['migration_name']} began and did not finish"
            for row in there
            if row["finished_at"] is None
        ],
    )


def _sqitch(rows: Rows, ids: Sequence[str]) -> Said:
    projects = {one.partition(":")[0] for one in ids}
    named = (f"{row['project']}:{row['change']}" for row in rows)
    return Said(counted(n for n in named if n.partition(":")[0] in projects), [])


def _heads(rows: Rows, _ids: Sequence[str]) -> Said:
    return Said([row["version_num"] for row in rows], [])


TOOLS = {
    "golang-migrate": RecordTable(
        "schema_migrations", ("version", "dirty"), "version", _golang_migrate
    ),
    "sqlx": RecordTable("_sqlx_migrations", ("version", "success"), "version", _sqlx),
    "dbmate": RecordTable("schema_migrations", ("version",), "version", _versions),
    "goose": RecordTable(
        "goose_db_version", ("id", "version_id", "is_applied"), "id", _goose
    ),
    "flyway": RecordTable(
        "flyway_schema_history",
        ("installed_rank", "version", "type", "script", "success"),
        "installed_rank",
        _flyway,
    ),
    "refinery": RecordTable(
        "refinery_schema_history", ("version",), "version", _versions
    ),
    "diesel": RecordTable(
        "__diesel_schema_migrations", ("version",), "version", _versions
    ),
    "prisma": RecordTable(
        "_prisma_migrations",
        ("migration_name", "started_at", "finished_at", "rolled_back_at"),
        "started_at",
        _prisma,
    ),
    "sqitch": RecordTable(
        "sqitch.changes",
        ("change_id", "change", "project", "committed_at"),
        "committed_at",
        _sqitch,
    ),
    "alembic": RecordTable(NAMES.version, ("version_num",), "version_num", _heads),
}
# Tools whose files are like another one's: only the table tells them apart.
LIKE = {"flyway": ("refinery",), "golang-migrate": ("sqlx",), "plain SQL": ("sqlx",)}
# Records of tools without a reader here. user_migrations may be an application's table.
_RECORD = re.compile(
    r"(.*\.)?(_*((schema|db|database|sql|node_?pg|pg|knex|typeorm|mikro_orm|drizzle|gorp"
    r"|doctrine|phinx|rambler|umzug)_*)?migrations?(_(history|lock|log|versions?))?"
    r"|(flyway_)?(schema|db|database|shmig)_?(versions?|history)"
    r"|sequelizemeta|(database)?changelog(lock)?|play_evolutions(_lock)?|_?yoyo_\w+)",
    re.IGNORECASE,
)


class Recorded(NamedTuple):
    """Where a record table says that a database is, and what it names beside that."""

    table: str
    position: int
    unknown: tuple[str, ...]


def names(imported: Imported | None, schema: Schema) -> Collection[str]:
    """Return what a schema has of the tool's record; Sqitch has a schema for it."""
    if imported is None:
        return ()
    _, table = _found(imported, schema)
    home, dot, _ = imported.table.rpartition(".")
    if dot and imported.tool == "sqitch":
        return [
            k.name for k in schema if k.name == home or k.name.startswith(home + dot)
        ]
    return [table] if table else []


def beside(imported: Imported | None, live: Schema, made: Schema) -> set[str]:
    """Return what else is called as records are, where the files' tool is not known.

    Only tables that the files do not make, and a schema that holds nothing else.
    """
    if imported is None or imported.table:
        return set()
    extra = [key for key in live if key not in made]
    tables = {key.name for key in extra if key.kind == "table"}
    found = {name for name in tables if _RECORD.fullmatch(name.replace('"', ""))}
    homes = [key.name for key in extra if key.kind == "schema"]
    for home in homes:
        there = {root(k, live).name for k in live if k.name.startswith(f"{home}.")}
        if there and there <= found:
            found.add(home)
    return found


def _found(imported: Imported, schema: Schema) -> tuple[str, str]:
    """Return whose table there is, and its name as the schema has it; "" for none."""
    there = [key.name for key in schema if key.kind == "table"]
    tables = {imported.tool: imported.table}
    tables |= {tool: TOOLS[tool].name for tool in LIKE.get(imported.tool, ())}
    for tool, table in tables.items():
        if table in there:
            return tool, table
        # Made by a role whose search path led there.
        elsewhere = [name for name in there if name.endswith(f".{table}")]
        if table and len(elsewhere) == 1:
            return tool, elsewhere[0]
    return imported.tool, ""


def read(
    session: Session, branch: Branch, imported: Imported, theirs: Schema, state: Records
) -> Recorded | None:
    """Read where the tool's own record says that a database is.

    ``theirs`` is what ``names`` names. None where there is no such table, or no row in
    it. HistoryError where a row is of a migration that failed, where rows leave one out
    that is not the last, or name one that is not here.
    """
    tool, found = _found(imported, theirs)
    if tool not in TOOLS:  # plain SQL has no record
        return None
    ids = [
        imported.migrations[item.stem]
        for item in branch.migrations
        if item.stem in imported.migrations
    ]
    ours = foreign(branch, state)
    rows: Rows
    if imported.table == NAMES.version and ours:
        table, rows = NAMES.version, [{"version_num": name} for name in ours]
    elif found:
        table, rows = found, _rows(session, tool, found, theirs)
    else:
        return None
    said = TOOLS[tool].read(rows, ids)
    if tool == "alembic":
        known = imported.through(said.applied, ids)
        said = Said([*known, *(h for h in said.applied if h not in ids)], [])
    if said.unfinished:
        raise HistoryError(
            f"{branch.name}: {table} records what did not end well",
            said.unfinished,
            f"Finish or undo it by hand, and let {tool} record that. Or say"
            f" which version it is:\nsqlpair adopt {branch.name} --at N\n"
            "Nothing was changed.",
        )
    if not said.applied or (tool != imported.tool and not {*said.applied} & {*ids}):
        return None  # it says nothing, or nothing of these files: a dump's, say
    return _position(branch, imported._replace(tool=tool), table, said.applied)


def _rows(session: Session, tool: str, table: str, theirs: Schema) -> Rows:
    """Return the rows; HistoryError where the table is another program's."""
    record = TOOLS[tool]
    there = {
        key.name.removeprefix(f"{table}.")
        for key, described in theirs.items()
        if key.kind == "column" and described.part_of == ObjectKey("table", table)
    }
    missing = [name for name in record.columns if name not in there]
    if missing:
        name = session.database.name
        raise HistoryError(
            f"{name}: {table} is not a record of {tool}'s",
            [f"it has no {several(missing)}"],
            f"Correct table in sql/{name}/imported.toml.",
        )
    columns = ", ".join(record.columns)
    with session.snapshot():
        return session.rows(f"SELECT {columns} FROM {table} ORDER BY {record.order}")


def _position(
    branch: Branch, imported: Imported, table: str, applied: Sequence[str]
) -> Recorded:
    known = {imported.migrations.get(item.stem) for item in branch.migrations}
    unknown = [name for name in applied if name not in known]
    if applied[-1] not in known:
        raise HistoryError(
            f"{branch.name}: {table} is ahead of the files here",
            [f"it names {several(unknown)}, and no migration here is that"],
            f"Import what {imported.tool} ran since: sqlpair import FOLDER"
            f" {branch.name}\nNothing was changed.",
        )
    missing = list(_missing(branch, imported, {*applied}))
    if missing:
        raise HistoryError(
            f"{branch.name}: {table} leaves out migrations before the last it names",
            missing,
            f"Let {imported.tool} run them, or take them out, and adopt again."
            " Nothing was changed.",
        )
    position = max(
        at
        for at, item in enumerate(branch.migrations, 1)
        if imported.migrations.get(item.stem) in applied
    )
    return Recorded(table, position, tuple(unknown))


def _missing(
    branch: Branch, imported: Imported, applied: Collection[str]
) -> Iterator[str]:
    """Yield what has not run although something behind it has."""
    waiting: list[str] = []
    for item in branch.migrations:
        id_ = imported.migrations.get(item.stem)
        if id_ in applied:
            yield from waiting
            waiting = []
        elif id_ is not None:
            waiting.append(f"{item.stem} ({id_}) has not run")
