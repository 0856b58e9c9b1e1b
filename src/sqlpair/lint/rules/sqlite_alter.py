"""An ALTER TABLE has a form that SQLite does not support."""

from __future__ import annotations

from collections.abc import Iterator

from sqlpair.lint.grammar import Action, Constraint, definition, table_constraint
from sqlpair.lint.names import in_sql
from sqlpair.lint.script import Parsed
from sqlpair.lint.subject import RuleMatch, Subject

_REBUILD = (
    "CREATE TABLE {new} (…);\n"
    "INSERT INTO {new} (…) SELECT … FROM {table};\n"
    "DROP TABLE {table};\n"
    "ALTER TABLE {new} RENAME TO {table};"
    "  -- then create its indexes and triggers again"
)
_ALONE = {
    "alter column": "ALTER COLUMN",
    "add constraint": "ADD CONSTRAINT",
    "drop constraint": "DROP CONSTRAINT",
    "attach": "ATTACH PARTITION",
    "detach": "DETACH PARTITION",
}
_NOT_CONSTANT = ("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME")


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look at each action of each ALTER TABLE."""
    if subject.database.driver != "sqlite":
        return
    for script in subject.scripts:
        for parsed in script.statements:
            for what, instead in faults(parsed):
                yield RuleMatch(
                    script, parsed.line, f"SQLite does not support {what}", instead
                )


def rebuilt(table: str) -> str:
    """Return how a table is rebuilt."""
    return _REBUILD.format(new=_sql(f"new_{table}"), table=_sql(table))


def _sql(name: str) -> str:
    return in_sql(name, "sqlite")


def faults(parsed: Parsed) -> Iterator[tuple[str, str]]:
    """Yield what SQLite does not support, and what to write instead."""
    if parsed.head is None or parsed.head.kind != "TABLE" or not parsed.actions:
        return
    name, text = parsed.head.names[0], parsed.statement.text
    table, rebuild = _sql(name), rebuilt(name)
    if len(parsed.actions) > 1:
        each = "\n".join(
            f"ALTER TABLE {table} {text[a.tokens[0].start : a.tokens[-1].end]};"
            for a in parsed.actions
        )
        yield "several actions in one ALTER TABLE", each
        return
    for action in parsed.actions:
        if action.what in _ALONE:
            since = " before 3.53" if _is_new(action) else ""
            yield f"{_ALONE[action.what]}{since}", rebuild
        elif action.what == "drop column" and action.conditional:
            yield "DROP COLUMN IF EXISTS", f"ALTER TABLE {table} DROP COLUMN …;"
        elif action.what == "add column":
            yield from _added(action, name, text, rebuild)


def _is_new(action: Action) -> bool:
    """Say whether SQLite 3.53 can do it: NOT NULL and CHECK, there and gone."""
    if action.what == "add constraint":
        return table_constraint(action.rest).kind == "CHECK"
    words = [token.word for token in action.rest[:3]]
    return action.what == "drop constraint" or words[1:] == ["NOT", "NULL"]


def _added(
    action: Action, name: str, text: str, rebuild: str
) -> Iterator[tuple[str, str]]:
    assert action.name
    table, column = _sql(name), action.name.text
    index = _sql(f"idx_{name}_{action.name.name}")
    add = f"ALTER TABLE {table} ADD COLUMN {column} …"
    if action.conditional:
        yield "ADD COLUMN IF NOT EXISTS", f"{add};"
    for constraint in definition(action.rest).constraints:
        if constraint.kind == "PRIMARY":
            yield "ADD COLUMN with PRIMARY KEY", rebuild
        elif constraint.kind in ("GENERATED", "AS") and _is_stored(constraint):
            yield (
                "ADD COLUMN with a STORED value if the table has rows",
                f"{add} AS ({_value(constraint, text)}) VIRTUAL;",
            )
        elif constraint.kind == "UNIQUE":
            yield (
                "ADD COLUMN with UNIQUE",
                f"{add};\nCREATE UNIQUE INDEX {index} ON {table} ({column});",
            )
        elif constraint.kind == "DEFAULT" and _is_computed(constraint):
            yield (
                "ADD COLUMN with a default that is not a constant",
                f"{add};\nUPDATE {table} SET {column} = {_value(constraint, text)};",
            )


def _is_stored(constraint: Constraint) -> bool:
    return any(token.word == "STORED" for token in constraint.tokens)


def _is_computed(constraint: Constraint) -> bool:
    """Say whether a default has to be computed: it names a function or a time."""
    words = [token.word for token in constraint.tokens[1:]]
    return any(word in _NOT_CONSTANT for word in words) or any(
        token.kind == "word" and after.text == "("
        for token, after in zip(
            constraint.tokens[1:], constraint.tokens[2:], strict=False
        )
    )


def _value(constraint: Constraint, text: str) -> str:
    cursor = constraint.cursor
    cursor.accept_all(("ALWAYS", "AS"))
    inner = cursor.group() or cursor.rest
    return text[inner[0].start : inner[-1].end] if inner else "…"
