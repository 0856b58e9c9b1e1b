"""Whether what one database says of another is true: references that no engine keeps.

``[tool.sqlpair.references]`` declares them, ``"sqlite.orders.customer_id" =
"postgres.customers.id"``: every value of the first column, unless it is NULL, is to be
one of the second. The values are read in batches of different ones, so memory stays
small whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from sqlpair.databases.driver import driver_of
from sqlpair.databases.reference_column import ReferenceColumn
from sqlpair.errors import SettingsError, amount
from sqlpair.progress import Note
from sqlpair.project import pyproject
from sqlpair.project.settings import Settings
from sqlpair.verify.problem import Problem, ProblemKind
from sqlpair.verify.subject import ReadDatabase, Subjects

BATCH = 5000  # values
SHOWN = 5


class CrossReference(NamedTuple):
    """A column, and the one that its values refer to; each as database, table, name."""

    of: tuple[str, str, str]
    to: tuple[str, str, str]

    def __str__(self) -> str:
        """Name both."""
        return f"{'.'.join(self.of)} -> {'.'.join(self.to)}"


class Bad(NamedTuple):
    """Values at fault: how many different ones, in how many rows, the first few."""

    values: int
    rows: int
    shown: tuple[tuple[Any, int], ...]

    def plus(self, value: Any, rows: int) -> Bad:
        """Return this with one more value."""
        shown = self.shown
        if len(shown) < SHOWN:
            shown += ((value, rows),)
        return Bad(self.values + 1, self.rows + rows, shown)

    def lines(self) -> tuple[str, ...]:
        """Return what shows them."""
        lines = [f"{_written(value)} in {amount(n, 'row')}" for value, n in self.shown]
        if self.values > len(self.shown):
            lines.append(f"… and {self.values - len(self.shown):,} more")
        return tuple(lines)


NONE = Bad(0, 0, ())


def declared(settings: Settings) -> tuple[CrossReference, ...]:
    """Return the references of the project; SettingsError for one that makes none."""
    found = []
    for of, to in pyproject.pairs(settings.root, "references").items():
        reference = CrossReference(_address(settings, of), _address(settings, to))
        if reference.of[0] == reference.to[0]:
            raise SettingsError(
                f"{pyproject.NAME}: a reference within one database",
                [str(reference)],
                "Let a migration make it a foreign key.",
            )
        found.append(reference)
    return tuple(found)


def _address(settings: Settings, text: str) -> tuple[str, str, str]:
    database, _, rest = text.partition(".")
    table, _, column = rest.rpartition(".")
    names = [item.name for item in settings.databases]
    if not (table and column) or database not in names:
        raise SettingsError(
            f"{pyproject.NAME}: {text!r} in [tool.sqlpair.references] is no column",
            [f"databases: {', '.join(names)}"],
            "Write it as database.table.column, for example: sqlite.orders.customer_id",
        )
    return database, table, column


def check(
    subjects: Subjects, reference: CrossReference, progress: Note
) -> Iterator[Problem]:
    """Check one reference."""
    columns = []
    for database, table, name in reference:
        column, problem = _find(subjects[database], table, name)
        if problem is not None:
            yield problem
        if column is None:
            return
        columns.append(column)
    of, to = columns
    source = reference.of[0]
    target = f"{reference.to[0]} {'.'.join(reference.to[1:])}"
    here = f"{source} {'.'.join(reference.of[1:])}"
    for column, text, (_, table, name) in zip(
        columns, (here, target), reference, strict=True
    ):
        if not column.indexed():
            yield Problem(
                ProblemKind.REFERENCES,
                text.partition(" ")[0],
                f"{text}: no index leads with it, and it is looked up by its value",
                (str(reference),),
                "In a new migration: "
                f"CREATE INDEX idx_{table.rpartition('.')[2]}_{name} ON {table}"
                f" ({name});",
            )
    malformed, orphans = _compare(of, to, str(reference), progress)
    if malformed.values:
        yield Problem(
            ProblemKind.REFERENCES,
            source,
            f"{here}: {amount(malformed.values, 'value')} in"
            f" {amount(malformed.rows, 'row')} cannot be of type {to.type()}, which"
            f" {target} is",
            malformed.lines(),
            "Correct the values, or let them be NULL.",
        )
    if orphans.values:
        yield Problem(
            ProblemKind.REFERENCES,
            source,
            f"{here}: {amount(orphans.values, 'value')} in"
            f" {amount(orphans.rows, 'row')} not found in {target}",
            orphans.lines(),
            "Restore what they refer to, correct them, or let them be NULL.",
        )


def _find(
    subject: ReadDatabase, table: str, name: str
) -> tuple[ReferenceColumn | None, Problem | None]:
    if subject.session is not None:
        column: ReferenceColumn = driver_of(subject.branch.database).column(
            subject.session, table, name
        )
        if column.is_there():
            return column, None
    if subject.position is None or subject.position < len(subject.branch.migrations):
        return None, None  # a pending migration may be the one that makes it
    return None, Problem(
        ProblemKind.REFERENCES,
        subject.name,
        f"{subject.name}: there is no column {table}.{name}",
        (f"{pyproject.NAME} declares a reference with it",),
        "Correct [tool.sqlpair.references].",
    )


def _compare(
    of: ReferenceColumn, to: ReferenceColumn, label: str, progress: Note
) -> tuple[Bad, Bad]:
    malformed, orphans = NONE, NONE
    total, done = of.count(), 0
    progress(label, 0, total)
    values = of.values()
    # Read first, looked up later: what is referred to is made before what refers.
    while batch := dict(islice(values, BATCH)):
        wrong = to.malformed(list(batch))
        absent = to.absent([value for value in batch if value not in wrong])
        for value, rows in batch.items():
            if value in wrong:
                malformed = malformed.plus(value, rows)
            elif value in absent:
                orphans = orphans.plus(value, rows)
        done += sum(batch.values())
        progress(label, done, max(total, done))
    return malformed, orphans


def _written(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"
