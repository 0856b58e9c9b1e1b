"""Files that name what is there before the first of them runs.

The table in which their tool records what it ran: it is made in the first file that
names it. A dump makes Alembic's, which each project of this engine has already, and
with ``--schema=public`` that schema: what it says of those becomes a comment.
"""

from __future__ import annotations

import re

from sqlpair.authoring.imports.foreign import (
    COMMENT,
    ForeignHistory,
    ForeignMigration,
    SqlPart,
)
from sqlpair.errors import SqlFileError
from sqlpair.ledger.record_tables import LIKE, TOOLS
from sqlpair.project.ledger_tables import NAMES
from sqlpair.project.statement import Role, Split, Statement

_COLUMNS = {
    "dbmate": "version varchar(128) PRIMARY KEY",
    "diesel": "version varchar(50) PRIMARY KEY, run_on timestamp",
    "flyway": "installed_rank int PRIMARY KEY, version varchar(50), description"
    " varchar(200), type varchar(20), script varchar(1000), checksum int, installed_by"
    " varchar(100), installed_on timestamp, execution_time int, success boolean",
    "golang-migrate": "version bigint PRIMARY KEY, dirty boolean",
    "goose": "id int PRIMARY KEY, version_id bigint, is_applied boolean, tstamp"
    " timestamp",
    "prisma": "id varchar(36) PRIMARY KEY, checksum varchar(64), finished_at timestamp,"
    " migration_name varchar(255), logs text, rolled_back_at timestamp, started_at"
    " timestamp, applied_steps_count int",
    "refinery": "version int PRIMARY KEY, name varchar(255), applied_on varchar(255),"
    " checksum varchar(255)",
    "sqlx": "version bigint PRIMARY KEY, description text, installed_on timestamp,"
    " success boolean, checksum text, execution_time bigint",
}
_CREATE = r"(?is)\bcreate\s+table\s+(?:if\s+not\s+exists\s+)?"
_NAME = r'(?:"?\w+"?\.)?"?\b%s\b"?'
_PUBLIC = re.compile(r"CREATE SCHEMA (\"?)public\1;")
_OF_VERSION = re.compile(
    r"(?is)(?:create\s+table(?:\s+if\s+not\s+exists)?|alter\s+table(?:\s+only)?|copy"
    r"|insert\s+into|comment\s+on\s+table|(?:grant|revoke)\b.*\bon(?:\s+table)?)\s+"
    + _NAME
    % NAMES.version
)


def prepared(history: ForeignHistory, split: Split) -> ForeignHistory:
    """Return it with files that run where the tool has made nothing."""
    found = [*history.migrations]
    for tool in (history.tool, *LIKE.get(history.tool, ())):
        if tool in _COLUMNS:
            _make(tool, found, split)
    name = re.compile((_CREATE + _NAME % NAMES.version).encode())
    for at, item in enumerate(found):
        up = item.up
        if up and name.search(up.content):
            told = f"{NAMES.version}, which the project has itself"
            up = _without(up, split, _OF_VERSION, told)
        if up and b"-- PostgreSQL database dump" in up.content[:999]:
            told = "the schema public, which every database has"
            up = _without(up, split, _PUBLIC, told)
        found[at] = item._replace(up=up)
    return history._replace(migrations=tuple(found))


def _make(tool: str, found: list[ForeignMigration], split: Split) -> None:
    """Let the first file that names the tool's table make it, if none does."""
    table = TOOLS[tool].name
    made = re.compile((_CREATE + _NAME % table).encode())
    named = re.compile((r"(?i)" + _NAME % table).encode())
    first: tuple[int, SqlPart, str] | None = None
    for at, item in enumerate(found):
        bare = COMMENT.sub(b"", item.up.content) if item.up else b""
        if made.search(bare):
            return
        if item.up and first is None and (match := named.search(bare)):
            first = at, item.up, match[0].decode()
    if first is None:
        return
    at, part, name = first
    statement = f"CREATE TABLE IF NOT EXISTS {name} ({_COLUMNS[tool]});"
    for other in _statements(part, split):
        if other.role is Role.ORDINARY:
            text = part.content.decode()
            text = f"{text[: other.offset]}{statement}\n{text[other.offset :]}"
            added = f"CREATE TABLE IF NOT EXISTS {name}, which {tool} makes itself"
            found[at] = found[at]._replace(
                up=part._replace(content=text.encode(), added=added)
            )
            return


def _without(
    part: SqlPart, split: Split, pattern: re.Pattern[str], told: str
) -> SqlPart:
    """Return it with the statements that match as comments."""
    before = text = part.content.decode(errors="surrogateescape")
    for statement in reversed(_statements(part, split)):
        if pattern.match(statement.text):
            end = statement.offset + len(statement.text) + len(statement.rows)
            lines = text[statement.offset : end].replace("\n", "\n-- ")
            text = f"{text[: statement.offset]}-- {lines}{text[end:]}"
    if text == before:
        return part
    added = " and ".join(filter(None, [part.added, f"-- before statements on {told}"]))
    return part._replace(content=text.encode(errors="surrogateescape"), added=added)


def _statements(part: SqlPart, split: Split) -> list[Statement]:
    try:
        return [*split(part.content.decode())]
    except (SqlFileError, UnicodeDecodeError):
        return []  # which is told when the file is checked
