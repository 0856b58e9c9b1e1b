"""Drivers: the only rooms in which PostgreSQL and SQLite differ.

A driver offers ``connect(database, read_only=…) -> Session``, ``split(text)`` and what
else ``Driver`` names. Its Session speaks the engine's own tongue behind one interface:

- transactions are the session's own (``begin``, ``commit``, ``rollback``); neither
  SQLAlchemy nor the DB-API driver starts or ends one behind its back;
- SQL is sent as it is written: no parameters, no ``%`` or ``:name`` to escape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sqlpair.databases.members import Membership
from sqlpair.errors import SqlpairError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from sqlpair.databases.bookkeeping import BookkeepingSQL
    from sqlpair.databases.data_loss import Inspector
    from sqlpair.databases.keys import DescribedKey
    from sqlpair.databases.observer import Observer
    from sqlpair.databases.reference_column import ReferenceColumn
    from sqlpair.databases.row_values import Contents
    from sqlpair.databases.row_values import TableShape as Shape
    from sqlpair.databases.scratch import EmptyDatabase
    from sqlpair.project.settings import Database
    from sqlpair.project.statement import Statement
    from sqlpair.schema.model import Schema

Report = Callable[[str], None]
# Bytes done, and of how many where that is known.
Progress = Callable[[int, int | None], None]
# A message: where it came from, file and line, and its text.
Notice = Callable[[str, str], None]


class UnpreparableError(SqlpairError):
    """The server will not prepare this transaction, and has rolled it back."""


class Dangling(NamedTuple):
    """A foreign key of ``table`` to ``parent`` that refers to nothing.

    ``rows`` break it, and ``shown`` are some of them; or it is broken itself, as
    ``why`` says.
    """

    table: str
    parent: str
    rows: int = 0
    shown: tuple[str, ...] = ()
    why: str = ""


class Look(NamedTuple):
    """Which columns bookkeeping tables have, none where one is not there; and the
    ledger's transactions that were left undecided.
    """

    columns: dict[str, list[str]]
    undecided: list[str]


class Session(Protocol):
    """One connection to one database."""

    database: Database
    table: BookkeepingSQL
    can_prepare: bool  # whether the engine knows prepared transactions at all
    unchanged: bool  # whether ``lock`` knows that all is as ``look`` found it

    def rows(self, sql: str, *, once: bool = False) -> list[dict[str, Any]]:
        """Return the result of one query, a dict for each row.

        ``once``: where no transaction is open, in a snapshot of its own.
        """

    def execute(self, sql: str) -> None:
        """Run statements of the engine's own, if there are any."""

    def snapshot(self, *, writable: bool = False) -> AbstractContextManager[None]:
        """A transaction that sees one state, and is undone if it was ``writable``."""

    def look(self, *tables: str) -> Look:
        """Ask what there is of bookkeeping tables, and what is in doubt."""

    def begin(self, first: str = "") -> None:
        """Start a transaction that may write, under the deployment lock.

        ``first`` are statements of the engine's own that open it.
        """

    def check(self, last: str = "") -> None:
        """Raise what a commit would raise; the transaction stays open.

        ``last`` are statements of the engine's own that end it.
        """

    def commit(self) -> None:
        """Commit, durably."""

    def rollback(self) -> None:
        """Undo the open transaction, if there is one; never raises."""

    def prepare(self, transaction: str) -> bool:
        """Make the transaction durable yet undecided; False where that cannot be.

        UnpreparableError when it is this transaction that cannot be.
        """

    def prepared(self) -> list[str]:
        """Return this ledger's transactions that were left undecided."""

    def decide(self, transaction: str, *, commit: bool) -> None:
        """Commit or roll back a prepared transaction, over a new connection if lost."""

    def reconnect(self) -> None:
        """Roll back; connect again where the connection was lost.

        When it returns, nothing that was sent before is running any more.
        """

    def lock(self, report: Report, notice: Notice | None = None) -> None:
        """Take the deployment lock; LockError after ``lock_wait`` seconds.

        What only read may write then. ``notice`` is called with what the server says
        of a file's statements, while they run.
        """

    def run(self, statements: Iterable[Statement], path: Path) -> None:
        """Run a file's statements, then ``reset``.

        StatementError names the line that failed.
        """

    def reset(self) -> None:
        """Undo what a migration changed in the session: role, search_path, ...

        HistoryError when it has ended the transaction it ran in.
        """

    def alembic_connection(self) -> Connection:
        """Return a SQLAlchemy connection that shares this session's transaction."""

    def schema(self, *, bookkeeping: bool = False) -> Schema:
        """Describe the live schema within a snapshot, bookkeeping tables if wanted."""

    def close(self) -> None:
        """Disconnect; an open transaction is rolled back, locks are freed."""


class Dumped(NamedTuple):
    """By what a dump was made: the server's version, and the program's."""

    server: str
    tool: str


class Exchange(Protocol):
    """A copy beside a live database, and the exchange of the two.

    The live database is untouched until ``prepare`` and changed by ``commit`` alone,
    which a kill at any moment leaves done or not done. ``session`` closes on the way.
    """

    copy: Database
    """The copy, as a database of its own."""
    kept: str
    """What the live database is called afterwards."""
    removal: str
    """The command that removes what was kept."""

    def check(self) -> None:
        """Raise what can be known early: a missing right, another user."""

    def stage(self, dump: Path, tool: str, deadline: float, progress: Progress) -> None:
        """Make the copy from a dump."""

    def prepare(self, deadline: float, progress: Progress) -> None:
        """Shut everybody else out; LockError, naming them, where they will not go."""

    def commit(self, deadline: float, progress: Progress) -> None:
        """Let the copy be the live database, durably."""

    def discard(self) -> None:
        """Remove the copy, whole or not, and what ``prepare`` made."""

    def close(self) -> None:
        """Let everybody in again; before ``commit``, to what there was."""


class Driver(Membership, Protocol):
    """What is offered for one kind of database."""

    SCRIPT_HEADER: str
    """What opens a script: how to run it, and the session it needs."""

    SCRIPT_BEGIN: str
    """What opens a transaction in a script, as a deployment would."""

    SCRIPT_RESET: str
    """What undoes a migration's session settings in a script."""

    SCRIPT_COMMIT: str
    """What ends a transaction in a script."""

    def script_variables(self, names: Sequence[str]) -> str:
        """What ends a script where a variable of its files has no value."""

    DUMP_SUFFIX: str
    """How the name of a dump ends."""

    def table(self, database: Database) -> BookkeepingSQL:
        """Say how bookkeeping tables are written."""

    def connect(
        self, database: Database, *, read_only: bool, report: Report
    ) -> Session | None:
        """Connect. With ``read_only``, None when there is no database yet."""

    def split(self, text: str, *, together: bool = False) -> Iterator[Statement]:
        """Split a SQL text into statements; see ``sqlpair.project.statement.Split``."""

    def dump(
        self, session: Session, target: Path, deadline: float, progress: Progress
    ) -> Dumped:
        """Copy the database, as it is at one moment, into the empty file ``target``.

        Holds nobody up. BackupError when it is not done by ``deadline``, on the
        monotonic clock, or the database is damaged.
        """

    def prove_backup(
        self,
        session: Session,
        dump: Path,
        tool: str,
        deadline: float,
        progress: Progress,
        *,
        proof: str,
        report: Report,
    ) -> str:
        """BackupError unless ``dump``, made by ``tool`` of ``session``, is whole.

        ``proof`` says what else is tried: ``auto`` restores the schema beside the live
        database, and the rows where it does not tell whether they can be loaded;
        ``always`` restores all rows, ``never`` nothing. Returns what was found to be
        restorable: ``rows``, ``schema``, or nothing.
        """

    def scratch(
        self,
        database: Database,
        files: Sequence[Path],
        report: Report,
        live: Session | None = None,
    ) -> EmptyDatabase[Session]:
        """Return an empty database of the kind of ``database``, to run ``files`` in.

        ``live`` is a session of that, where there is one already.
        """

    def query(
        self, session: Session, statement: Statement, path: Path
    ) -> Iterator[dict[str, Any]]:
        """Return the rows of a file's statement as they come, within a snapshot.

        StatementError names the line that failed.
        """

    def assert_direct(self, session: Session) -> None:
        """ConnectError where ``run_alone`` would not have a connection of its own."""

    def run_alone(
        self, session: Session, statements: Iterable[Statement], path: Path
    ) -> SqlpairError | None:
        """Run a file's statements outside a transaction, as by hand.

        StatementError tells which of them were done and stay. What the file left
        broken is returned, not raised: the ledger must say first that it ran.
        """

    def inspector(self, session: Session) -> Inspector:
        """Return what counts the rows that a downgrade would lose."""

    def column(self, session: Session, table: str, name: str) -> ReferenceColumn:
        """Return a column that a reference across databases speaks of."""

    def own(self, session: Session) -> Sequence[str]:
        """Return the bookkeeping tables' names, as a description has them."""

    def properties(self, session: Session, *, privileges: bool) -> Schema:
        """Describe what is compared beside the schema, within a snapshot.

        SQLite's ``user_version`` and ``application_id``; with ``privileges``, who owns
        what in PostgreSQL, and who may do what with it.
        """

    def dangling(self, session: Session) -> Sequence[Dangling]:
        """Return the foreign keys that refer to nothing, where an engine lets that be:
        rows that break one, and keys that nothing can fulfil.
        """

    def tables(self, session: Session) -> Sequence[Shape]:
        """Return what a row of each table has to be, bookkeeping tables left out."""

    def contents(self, session: Session) -> Contents:
        """Return every row of every table, bookkeeping tables left out."""

    def literal(self, column: str) -> str:
        """Return the SQL expression for a column's value as a literal."""

    def copied(
        self, session: Session, report: Report, files: Sequence[Path] = ()
    ) -> AbstractContextManager[Session]:
        """Restore a backup of a scratch database beside it; it goes with the block.

        So do roles that ``files`` make. No transaction may be open.
        """

    def is_shared(self, text: str) -> bool:
        """Whether a text reaches what other databases of its server share."""

    def observer(self, session: Session) -> Observer:
        """Return what watches ``session`` in a dry run."""

    def schema_sql(self, session: Session) -> Sequence[str]:
        """Return what makes the schema in an empty database, without bookkeeping.

        It is to be read; the same schema gives the same statements.
        """

    def schema_mark(self, session: Session, *, transactional: bool) -> str:
        """Return a mark that changes with the schema, in one transaction or across."""

    def keys(self, schema: Schema) -> Iterable[DescribedKey]:
        """Take apart the keys of a description that this engine's session made."""

    def droppable(self, session: Session, *, everything: bool = False) -> Sequence[str]:
        """Return what drops views, routines, triggers, rules, policies, or all."""

    def exchange(self, session: Session, restore: str, folder: Path) -> Exchange:
        """The exchange of a locked database in the restore of that id; still undone."""
