"""What can go wrong, as one tree.

    SqlpairError                    (exit code 1)
    ├── UsageError                  the request makes no sense (exit code 2)
    ├── SettingsError               alembic.ini, .env or the environment is wrong
    ├── SqlFileError                a SQL file cannot be used; nothing has run
    ├── HistoryError                files, revisions and databases disagree
    ├── ConnectError                a database cannot be reached or used
    ├── LockError                   somebody else holds what this run needs
    ├── CommitError                 not every database committed, or none can be asked
    ├── StatementError              the database refused a statement
    ├── DataLossError               a downgrade would lose data nobody gave up
    └── BackupError                 a backup cannot be made, or not be restored

    Interrupted                     a signal came (exit code 128 + its number)

Every message has the same shape: what happened, the evidence, the next move.
What a database refuses is put in these words, with its file, line and caret, in
``databases/failure.py`` and that of its engine.
No message carries a password.

The tree does not import Alembic, so that "nothing to do" can be answered
without it; ``environment.run`` hands Alembic's callers a ``CommandError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from errno import EAGAIN, EMFILE, ENFILE, ENOMEM

_MEMORY = "Raise the limit (ulimit -v; a container has its own), or end others."
_NO_THREAD = "can't start new thread"  # as CPython says it
LIMITS = {
    EAGAIN: "the system lets no more threads or processes begin",
    ENOMEM: "the system has no memory for another thread or process",
    EMFILE: "the system lets this process open no more files",
    ENFILE: "the system opens no more files",
}


def several(names: Sequence[str], shown: int = 5, between: str = ", ") -> str:
    """Name the first of ``names``, and how many there are where those are more."""
    first = between.join(names[:shown])
    if len(names) <= shown:
        return first
    return f"{first}{between}… ({len(names):,} in all)"


def first_of(lines: Sequence[str], shown: int) -> list[str]:
    """Return the first of ``lines``, and how many there are besides."""
    more = len(lines) - shown
    return [*lines[:shown], *([f"and {more} more"] if more > 0 else [])]


def amount(number: int, thing: str) -> str:
    """Return ``1 row``, ``2,000 rows``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """Return ``text`` as one line that steers no terminal.

    Names, comments and what servers say may hold anything: a new line that forges one
    of ours, escape sequences, characters that turn the direction of writing. They are
    shown as Python writes them.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class _Message(BaseException):
    """What a person is told: ``what``, the ``evidence`` for it, the ``remedy``.

    ``committed``: all that was to be done in databases was done by then, and stays.
    """

    committed = False

    def __init__(self, what: str, evidence: Sequence[str] = (), remedy: str = ""):
        super().__init__(what)
        self.what = what
        self.evidence = tuple(evidence)
        self.remedy = remedy

    def __str__(self) -> str:
        """Say it over several lines, each of them printable."""
        lines = [*self.evidence, *(self.remedy.split("\n") if self.remedy else ())]
        told = [self.what, *(f"  {line}" for line in lines)]
        return "\n".join(printable(line.expandtabs()) for line in told)

    def add(self, *evidence: str) -> None:
        """Tell what became known only after the error was raised."""
        self.evidence += evidence

    def after(self, done: str, *evidence: str) -> None:
        """Tell first that all was ``done`` when this failed."""
        self.committed = True
        self.what = f"{done}, and then this failed: {self.what}"
        self.evidence = (*evidence, *self.evidence)


class SqlpairError(_Message, Exception):
    """A failure a person can act on.

    ``what`` is one sentence and names the database and file where there is
    one; ``evidence`` are the lines that show it; ``remedy`` is the next move.
    ``retry`` says that the same transaction may well go through a moment later: a
    lock was not had in time, or a deadlock was broken.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        evidence: Sequence[str] = (),
        remedy: str = "",
        *,
        retry: bool = False,
    ):
        self.retry = retry
        super().__init__(what, evidence, remedy)


def of_system(error: Exception) -> SqlpairError | None:
    """Return what the system refused, for a person; None where it is not known what.

    One of its limits was reached, or a file cannot be used.
    """
    code = error.errno if isinstance(error, OSError) else None
    code = EAGAIN if str(error) == _NO_THREAD else code
    if isinstance(error, MemoryError):
        failure = SqlpairError("there is not enough memory for this", remedy=_MEMORY)
    elif code in LIMITS:
        failure = SqlpairError(
            LIMITS[code],
            remedy="Raise the limit (ulimit -u, ulimit -n; a container has its own), or"
            " end others.",
        )
    elif isinstance(error, OSError) and error.filename is not None:
        failure = SqlpairError(
            f"{error.filename}: {error.strerror}",
            remedy="Let this user read the file, and write to its folder.",
        )
    else:
        return None
    failure.__cause__ = error
    return failure


class Interrupted(_Message):
    """The user, or what stops this machine, wants the run to end.

    No Exception, so that nobody takes it for a failure to go on after.
    """

    def __init__(self, what: str, number: int):
        self.exit_code = 128 + number
        super().__init__(what)


class UsageError(SqlpairError):
    """The request makes no sense: an unknown database, a version of words."""

    exit_code = 2


class SettingsError(SqlpairError):
    """A setting is missing or wrong; the message names its key."""


class SqlFileError(SqlpairError):
    """A SQL file cannot be used. Raised before anything runs.

    ``line`` counts from 1; it is None where no single line is at fault. ``header`` is
    the line with which the file would run.
    """

    def __init__(
        self,
        what: str,
        evidence: Sequence[str] = (),
        remedy: str = "",
        *,
        line: int | None = None,
        header: str = "",
    ):
        self.line = line
        self.header = header
        super().__init__(what, evidence, remedy)


class HistoryError(SqlpairError):
    """Files, revisions, ledger or version table disagree."""


class ConnectError(SqlpairError):
    """A database cannot be reached, opened or trusted to be what it is named."""


class LockError(SqlpairError):
    """A lock was not had within its bound; the message names who holds it."""


class CommitError(SqlpairError):
    """A commit failed, and not every database was rolled back.

    The message tells what each one has done.
    """


class DataLossError(SqlpairError):
    """A downgrade would lose rows or values; the message counts them."""


class StatementError(SqlpairError):
    """The database refused a statement of a SQL file.

    ``line`` counts from 1. ``clash`` names the database where something is there
    already, or is not there, against what the statement takes for granted.
    """

    def __init__(
        self,
        what: str,
        evidence: Sequence[str] = (),
        remedy: str = "",
        *,
        line: int | None = None,
        retry: bool = False,
        clash: str = "",
    ):
        self.line = line
        self.clash = clash
        super().__init__(what, evidence, remedy, retry=retry)


class BackupError(SqlpairError):
    """A backup cannot be made, is not to be trusted, or cannot be restored."""
