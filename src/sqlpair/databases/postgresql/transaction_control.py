"""What a PostgreSQL statement means for the transaction it would run in."""

from __future__ import annotations

import re

from sqlpair.project.statement import Role

_BEGIN = re.compile(r"(?:BEGIN(?: WORK| TRANSACTION)?|START TRANSACTION) ?;?")
_COMMIT = re.compile(r"(?:COMMIT|END)(?: WORK| TRANSACTION)?(?: AND NO CHAIN)? ?;?")
_CONTROL = {"START", "BEGIN", "COMMIT", "END", "ROLLBACK", "ABORT"}
_CONTROL |= {"SAVEPOINT", "RELEASE"}

# What the server says "cannot run inside a transaction block" to, by title. The
# rest depends on what is in the database, and is left for the server to say.
_OUTSIDE = {
    title: re.compile(pattern)
    for title, pattern in {
        "VACUUM": r"VACUUM\b",
        "CREATE DATABASE": r"CREATE DATABASE\b",
        "DROP DATABASE": r"DROP DATABASE\b",
        "ALTER DATABASE … SET TABLESPACE": r"ALTER DATABASE \S+ SET TABLESPACE\b",
        "CREATE TABLESPACE": r"CREATE TABLESPACE\b",
        "DROP TABLESPACE": r"DROP TABLESPACE\b",
        "ALTER SYSTEM": r"ALTER SYSTEM\b",
        "DISCARD ALL": r"DISCARD ALL\b",
        "CLUSTER of every table": r"CLUSTER(?: VERBOSE| ?\([^)]*\))? ?;?$",
        "REPACK of every table": r"REPACK(?: ?\([^)]*\))?(?: USING INDEX)? ?;?$",
        "REPACK CONCURRENTLY": r"REPACK ?\([^)]*\b(?:CONCURRENTLY|ANALYZE)\b"
        r"(?! (?:FALSE|OFF|0|NO)\b)",
        "CREATE INDEX CONCURRENTLY": r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY\b",
        "DROP INDEX CONCURRENTLY": r"DROP INDEX CONCURRENTLY\b",
        "REINDEX CONCURRENTLY": r"REINDEX (?:\(.*?\) ?)?\w+ CONCURRENTLY\b"
        r"|REINDEX ?\([^)]*\bCONCURRENTLY\b(?! (?:FALSE|OFF|0|NO)\b)",
        "REINDEX of more than a table": r"REINDEX (?:\(.*?\) ?)?"
        r"(?:SCHEMA|DATABASE|SYSTEM)\b",
        "DETACH PARTITION CONCURRENTLY": r"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?"
        r"\S+ DETACH PARTITION \S+ CONCURRENTLY\b",
        "CREATE SUBSCRIPTION with a slot": r"CREATE SUBSCRIPTION\b"
        r"(?!.*\b(?:CONNECT|CREATE_SLOT) ?= ?(?:FALSE|OFF|0|NO)\b)",
    }.items()
}
_OUTSIDE_WORDS = {title.split()[0] for title in _OUTSIDE} | {"ALTER"}

# A block of code, and one within it.
_BODY = re.compile(r"(\$\w*\$)(.*)\1", re.DOTALL)
_INNER_BODY = re.compile(r"(\$\w*\$).*?\1", re.DOTALL)
_ENDING = re.compile(r"(?:;|\bBEGIN|\bTHEN|\bELSE|\bLOOP) ?(?:COMMIT|ROLLBACK)\b")

_QUOTED_OR_COMMENT = re.compile(r"--[^\r\n]*|/\*.*?\*/|'[^']*'|\"[^\"]*\"", re.DOTALL)
_CLIENT = re.compile(
    r"COPY [^(]*(?:\([^()]*\))? ?(FROM) STD(?:IN|OUT)\b|COPY .* (TO) STD(?:OUT|IN)\b"
)


def role(text: str, words: tuple[str, ...]) -> tuple[Role, str]:
    """The role of a statement, and a title for whatever gave it that role."""
    first = words[0] if words else ""
    if first in _CONTROL or words[:2] == ("PREPARE", "TRANSACTION"):
        return _control(text), _title(words)
    if first == "DO" and (body := _BODY.search(text)):
        if ends_transaction(body[2]):
            return Role.OUTSIDE, "DO with COMMIT or ROLLBACK"
    elif first in _OUTSIDE_WORDS:
        code = _code(text)
        for title, pattern in _OUTSIDE.items():
            if pattern.match(code):
                return Role.OUTSIDE, title
    return Role.ORDINARY, ""


def ends_transaction(body: str) -> bool:
    """Whether a block of code ends its transaction, which the outermost one may."""
    return _ENDING.search(_code(_INNER_BODY.sub("''", body))) is not None


def client_copy(text: str) -> str:
    """FROM or TO, for a COPY that has its rows from the client, or sends them there."""
    match = _CLIENT.match(_code(text))
    return (match[1] or match[2]) if match else ""


def _control(text: str) -> Role:
    # One with modes, such as ISOLATION LEVEL, is not the transaction in which a
    # migration runs, so it counts as control, not as the outer pair.
    code = _code(text)
    if _BEGIN.fullmatch(code):
        return Role.BEGIN
    return Role.COMMIT if _COMMIT.fullmatch(code) else Role.CONTROL


def _title(words: tuple[str, ...]) -> str:
    pair = words[1:2] in {("TRANSACTION",), ("PREPARED",)}
    return " ".join(words[:2]) if pair else words[0]


def _code(text: str) -> str:
    """The statement on one line in upper case, quotes and comments emptied."""

    def empty(match: re.Match[str]) -> str:
        return " " if match[0][0] in "-/" else '""'

    return " ".join(_QUOTED_OR_COMMENT.sub(empty, text).upper().split())
