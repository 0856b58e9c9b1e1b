"""A migration deletes rows, or empties a column, of a table that existed before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlpair.lint.script import Parsed
from sqlpair.lint.subject import RuleMatch, Subject
from sqlpair.lint.tokens import Cursor, Lexeme, split, tokenize

# Other statements define what happens later (a trigger) or who may do it (GRANT).
_RUNS = frozenset(["DELETE", "TRUNCATE", "UPDATE", "WITH", "MERGE", "INSERT", "DO"])
# SQLite's own tables hold no rows of the application.
_OWN = frozenset(["sqlite_sequence", "sqlite_stat1", "sqlite_stat4"])


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at every statement that runs now; tables of the file itself are left out."""
    own = {
        head.names[0]
        for parsed in subject.up.statements
        if (head := parsed.head) and (head.action, head.kind) == ("CREATE", "TABLE")
    } - subject.before.tables.keys()
    for parsed in subject.up.statements:
        if not _RUNS & {*parsed.statement.words[:1]}:
            continue
        for line, verb, table in _found(subject, parsed):
            if table in own | _OWN:
                continue
            kept = subject.sql(f"kept_{table.partition('.')[0]}")
            yield RuleMatch(
                subject.up,
                line,
                f"{verb} {table} deletes data, which a rollback cannot restore",
                f"CREATE TABLE {kept} AS SELECT …;"
                "  -- keep the data, so that the rollback can restore it;"
                " or -- lint: allow delete: why it is no longer needed",
            )


def _found(subject: Subject, parsed: Parsed) -> Iterator[tuple[int, str, str]]:
    """Yield line, verb and table; in a DO block from its body."""
    driver = subject.database.driver
    if parsed.statement.words[:1] != ("DO",):
        for token, verb, table in _losses(parsed.tokens):
            yield parsed.line_at(token.start), verb, table
        return
    for body in (token for token in parsed.tokens if token.kind == "string"):
        inner = body.text.strip("$'")
        begin = body.start + body.text.find(inner)
        for token, verb, table in _losses(tokenize(inner, driver)):
            yield parsed.line_at(begin + token.start), verb, table


def _losses(tokens: Sequence[Lexeme]) -> Iterator[tuple[Lexeme, str, str]]:
    """Yield the token that loses data, what it does, and to which table."""
    cursor, target = Cursor(tokens), ""
    while cursor:
        token = cursor.take()
        if token.word == "DELETE" and cursor.accept("FROM"):
            yield token, "DELETE FROM", _table(cursor)
        elif token.word == "DELETE" and target:
            yield token, "MERGE … DELETE in", target
        elif token.word == "MERGE" and cursor.accept("INTO"):
            target = _table(cursor)
        elif token.word == "TRUNCATE":
            cursor.accept("TABLE")
            for table in _truncated(cursor):
                yield token, "TRUNCATE", table
        elif token.word == "UPDATE":
            yield from ((token, "UPDATE to NULL of", name) for name in _emptied(cursor))


def _table(cursor: Cursor) -> str:
    cursor.accept("ONLY")
    name = cursor.name()
    return name[-1].name if name else ""


def _truncated(cursor: Cursor) -> Iterator[str]:
    yield _table(cursor)
    cursor.accept("*")
    while cursor.accept(","):
        yield _table(cursor)
        cursor.accept("*")


def _emptied(cursor: Cursor) -> Iterator[str]:
    """Yield the columns, with their table, that an UPDATE sets to NULL."""
    if cursor.accept("OR"):  # SQLite: UPDATE OR IGNORE
        cursor.take()
    table, start = _table(cursor), cursor.at
    if not cursor.find("SET"):
        cursor.at = start
        return
    first = cursor.at
    while cursor and cursor.peek() not in ("WHERE", "FROM", "RETURNING", ";"):
        if cursor.peek() == "(":
            cursor.group()
        else:
            cursor.take()
    for item in split(cursor.tokens[first : cursor.at]):
        if len(item) == 3 and item[1].text == "=" and item[2].word == "NULL":
            yield f"{table}.{item[0].name}"
