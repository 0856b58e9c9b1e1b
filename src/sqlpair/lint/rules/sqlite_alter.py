"""An ALTER TABLE has a form that SQLite does not know."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from sqlpair.lint.subject import Problem, Subject

_REBUILD = (
    "CREATE TABLE new_{table} (…);\n"
    "INSERT INTO new_{table} (…) SELECT … FROM {table};\n"
    "DROP TABLE {table};\n"
    "ALTER TABLE new_{table} RENAME TO {table};  -- then its indexes and triggers"
)
_CURRENT = (exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime, exp.Func, exp.Paren)


def check(subject: Subject) -> Iterator[Problem]:
    """Look at each action of each ALTER TABLE."""
    if subject.database.driver != "sqlite":
        return
    for script in subject.scripts:
        for parsed in script.statements:
            if isinstance(parsed.tree, exp.Alter) and parsed.head:
                table = parsed.head.names[0]
                for what, instead in _faults(parsed.tree, table):
                    yield Problem(script, parsed.line, f"SQLite has no {what}", instead)


def _faults(tree: exp.Alter, table: str) -> Iterator[tuple[str, str]]:
    actions = tree.args.get("actions") or []
    if len(actions) > 1:
        each = "\n".join(
            f"ALTER TABLE {table} ADD COLUMN {action.sql('sqlite')};"
            if isinstance(action, exp.ColumnDef)
            else f"ALTER TABLE {table} {action.sql('sqlite')};"
            for action in actions
        )
        yield "ALTER TABLE with several actions", each
        return
    rebuild = _REBUILD.format(table=table)
    for action in actions:
        if isinstance(action, exp.AlterColumn):
            yield "ALTER COLUMN", rebuild
        elif isinstance(action, exp.AddConstraint):
            yield "ADD CONSTRAINT", rebuild
        elif isinstance(action, exp.Drop) and action.args.get("kind") != "COLUMN":
            yield "DROP CONSTRAINT", rebuild
        elif isinstance(action, exp.Drop) and action.args.get("exists"):
            yield "DROP COLUMN IF EXISTS", f"ALTER TABLE {table} DROP COLUMN …;"
        elif isinstance(action, exp.ColumnDef):
            yield from _added(action, table, rebuild)


def _added(
    column: exp.ColumnDef, table: str, rebuild: str
) -> Iterator[tuple[str, str]]:
    if column.args.get("exists"):
        yield (
            "ADD COLUMN IF NOT EXISTS",
            f"ALTER TABLE {table} ADD COLUMN {column.name} …;",
        )
    for constraint in column.constraints:
        kind = constraint.kind
        if isinstance(kind, exp.PrimaryKeyColumnConstraint):
            yield "ADD COLUMN with PRIMARY KEY", rebuild
        elif isinstance(kind, exp.ComputedColumnConstraint) and kind.args.get(
            "persisted"
        ):
            virtual = f"AS ({kind.this.unnest().sql('sqlite')}) VIRTUAL"
            yield (
                "ADD COLUMN with a STORED value where there are rows",
                f"ALTER TABLE {table} ADD COLUMN {column.name} … {virtual};",
            )
        elif isinstance(kind, exp.UniqueColumnConstraint):
            yield (
                "ADD COLUMN with UNIQUE",
                f"ALTER TABLE {table} ADD COLUMN {column.name} …;\n"
                f"CREATE UNIQUE INDEX idx_{table}_{column.name}"
                f" ON {table} ({column.name});",
            )
        elif isinstance(kind, exp.DefaultColumnConstraint) and isinstance(
            kind.this, _CURRENT
        ):
            yield (
                "ADD COLUMN with a default that is no constant",
                f"ALTER TABLE {table} ADD COLUMN {column.name} …;\n"
                f"UPDATE {table} SET {column.name} = {kind.this.sql('sqlite')};",
            )
