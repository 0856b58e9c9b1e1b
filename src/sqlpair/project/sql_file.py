"""A SQL file, read and checked before anything of it runs.

What ``read`` returns can be run: it is UTF-8, every quote and comment in it
ends, and nothing in it breaks the transaction it runs in. A file marked
``-- no-transaction`` has none to break.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from sqlpair.errors import SqlFileError
from sqlpair.project import repeatable, variables
from sqlpair.project.read_once import once
from sqlpair.project.statement import Role, Split, Statement, apart, excerpt

# Characters. The statements of a longer file are split again when they run.
KEPT = 2**20
NO_TRANSACTION = "-- no-transaction"
_NO_TRANSACTION = re.compile(r"--[ \t]*no-transaction[ \t]*")
_PSQL = re.compile(r"^\\[^\r\n]*", re.MULTILINE)
_OFF = re.compile(r"[=(]\s*(?:off|no|false|0)\b", re.IGNORECASE)
# What may do something else with foreign keys on, as they are by hand.
_KEYED = re.compile(
    r"(?is)(?!create\b|alter\b).*?\b(?:delete|update|replace|drop\s+table)\b"
)
_COMMENTS = re.compile(r"/\*.*?\*/|--[^\r\n]*", re.DOTALL)
_DEFER = ("PRAGMA", "DEFER_FOREIGN_KEYS")  # around the others, as Prisma writes it


class _Stage(Enum):
    START = auto()
    BARE = auto()  # no outer pair: the file is all ordinary statements
    SWITCHED = auto()  # foreign keys switched
    OPEN = auto()  # inside the outer pair
    CLOSED = auto()  # after it


_NEXT = {
    (_Stage.START, Role.ORDINARY): _Stage.BARE,
    (_Stage.START, Role.FOREIGN_KEYS): _Stage.SWITCHED,
    (_Stage.START, Role.BEGIN): _Stage.OPEN,
    (_Stage.SWITCHED, Role.FOREIGN_KEYS): _Stage.SWITCHED,
    (_Stage.SWITCHED, Role.BEGIN): _Stage.OPEN,
    (_Stage.SWITCHED, Role.ORDINARY): _Stage.BARE,
    (_Stage.BARE, Role.FOREIGN_KEYS): _Stage.CLOSED,
    (_Stage.OPEN, Role.COMMIT): _Stage.CLOSED,
    (_Stage.CLOSED, Role.FOREIGN_KEYS): _Stage.CLOSED,
}

_CONTROL = (
    "would break the transaction in which the migration runs",
    "Take it out; only one BEGIN and COMMIT, the file's first and last statement, "
    "may stay.\nOr put the line -- no-transaction above the first statement: the "
    "file then runs as it would by hand,\nand what ran before a failure stays.",
)
_REFUSALS = {
    Role.BEGIN: _CONTROL,
    Role.COMMIT: _CONTROL,
    Role.CONTROL: _CONTROL,
    Role.OUTSIDE: (
        "cannot run inside a transaction",
        "Put the line -- no-transaction above the file's first statement, and leave "
        "only this in it:\nwhat ran before a failure stays.",
    ),
    Role.FOREIGN_KEYS: (
        "does nothing inside the transaction in which the migration runs",
        "Take it out: foreign keys are off while a migration runs, and are checked "
        "before it commits.\nOnly around all of the file may it stay: off before and "
        "on after, or on before what deletes,\nupdates and drops nothing.",
    ),
    Role.FORBIDDEN: (
        "reaches beyond the database this migration belongs to",
        "Take it out; what concerns another database belongs in that one's folder.",
    ),
}


class SqlFile(NamedTuple):
    """A SQL file's text and how to run it.

    ``text`` is without a byte order mark, its line ends as they are. ``kept`` are its
    statements, or None where they would take much memory. ``left_out`` are those that
    the engine's own transaction stands for, ``total`` is how many run; ``variables``
    those that it declares, ``used`` those that it uses.
    """

    path: Path
    text: str
    checksum: str
    transactional: bool
    split: Split
    left_out: tuple[Statement, ...]
    kept: tuple[Statement, ...] | None = None
    total: int = 0
    variables: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


def checksum(data: bytes) -> str:
    """SHA-256 of a file's text: a Windows checkout of it has the same."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return sha256(data).hexdigest()


@once
def read(path: Path, split: Split) -> SqlFile:
    """Read and check a whole file; raises SqlFileError before anything runs."""
    return parse(contents(path), path, split)


def parse(data: bytes, path: Path, split: Split) -> SqlFile:
    """Check a file's bytes as ``read`` does; they need not be at ``path``."""
    try:
        text = _text(data)
        kept = tuple(split(text, together=True)) if len(text) <= KEPT else None
        first = next(iter(kept or split(text)), None)
        header = text if first is None else text[: first.offset]
        comments = [match[0] for match in _COMMENTS.finditer(header)]
        transactional = not any(map(_NO_TRANSACTION.fullmatch, comments))
        declared = variables.declared(comments)
        all_of_it = _Counted(kept or split(text, together=True), declared)
        left_out = _check(all_of_it, transactional)
        all_of_it.refuse_undeclared()
    except SqlFileError as fault:
        raise SqlFileError(
            f"{repeatable.place(path)}:{fault.line}: {fault.what}",
            fault.evidence,
            fault.remedy,
            line=fault.line,
            header=fault.header,
        ) from None
    return SqlFile(
        path,
        text,
        checksum(data),
        transactional,
        split,
        left_out,
        kept,
        all_of_it.count - len(left_out),
        declared,
        tuple(name for name in declared if name in all_of_it.used),
    )


class _Counted:
    """An iterable that knows how many have passed, and the variables in them."""

    def __init__(self, statements: Iterable[Statement], declared: tuple[str, ...]):
        self.count = 0
        self.used: set[str] = set()
        self._statements = statements
        self._declared = declared
        self._undeclared: dict[str, int] = {}

    def __iter__(self) -> Iterator[Statement]:
        for statement in self._statements:
            self.count += statement.number
            for name, offset in variables.used(statement.text, self._declared):
                if name in self._declared:
                    self.used.add(name)
                else:
                    line = statement.line + statement.text.count("\n", 0, offset)
                    self._undeclared.setdefault(name, line)
            yield statement

    def refuse_undeclared(self) -> None:
        """Raise SqlFileError for variables that the header does not declare."""
        if not self._undeclared:
            return
        names, line = " ".join(self._undeclared), min(self._undeclared.values())
        header = f"{variables.HEADER} {names}"
        raise SqlFileError(
            "variables as psql has them, which the file does not declare",
            [f"{line} | {name}" for name, line in self._undeclared.items()],
            f"Put this line above the first statement: {header}\n"
            "The values come from the environment or .env.",
            line=line,
            header=header,
        )


def statements(file: SqlFile) -> Iterator[Statement]:
    """What runs, in order."""
    return (one for each in together(file) for one in apart(each, file.split))


def together(file: SqlFile) -> Iterator[Statement]:
    """What runs, in order; neighbours that only change rows in one, many of them."""
    left_out = {statement.offset for statement in file.left_out}
    known = file.kept or file.split(file.text, together=True)
    if file.used:
        known = (statement._replace(variables=file.used) for statement in known)
    return (statement for statement in known if statement.offset not in left_out)


def body(file: SqlFile, *, rows: bool = True) -> str:
    """The file's text for a script: verbatim, without what is left out.

    A last statement without its ``;`` gets one, so that a script can go on. Without
    ``rows``, it is SQL alone: also without the rows of COPY, and without psql's lines.
    """
    cuts = [(s.offset, s.offset + len(s.text)) for s in file.left_out]
    end = ""
    for statement in statements(file):
        if not statement.text.endswith(";"):
            end = "\n;\n"
        if statement.rows and not rows:
            start = statement.offset + len(statement.text)
            cuts.append((start, start + len(statement.rows)))
    text = _blanked(file.text, sorted(cuts)) + end
    return text if rows else _PSQL.sub("", text)


def _blanked(text: str, cuts: Iterable[tuple[int, int]]) -> str:
    """``text`` without ``cuts``, whose line ends stay: line numbers are the file's."""
    pieces, position = [], 0
    for start, end in cuts:
        pieces += [text[position:start], "\n" * text.count("\n", start, end)]
        position = end
    return "".join([*pieces, text[position:]])


@once
def checksum_of(path: Path) -> str:
    """Return the checksum of a file as it is; SqlFileError if it cannot be read."""
    return checksum(contents(path))


def lenient(path: Path) -> str:
    """Return a file's text, whatever is in it; SqlFileError if it cannot be read."""
    return contents(path).decode("utf-8", "replace")


@once
def contents(path: Path) -> bytes:
    """Return a file's bytes; SqlFileError if it cannot be read, or is a link."""
    try:
        with open(path, "rb", buffering=0, opener=_itself) as file:
            return file.readall()
    except OSError as error:
        raise _unreadable(path, error) from error


def _itself(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def _unreadable(path: Path, error: OSError) -> SqlFileError:
    if isinstance(error, FileNotFoundError):
        return SqlFileError(
            f"{repeatable.place(path)}: the file is missing",
            [f"{path}"],
            "Write it. A step that does nothing is a file with a comment that says so.",
        )
    if error.errno == errno.ELOOP:
        return SqlFileError(
            f"{repeatable.place(path)}: a link, not a file of its own",
            [f"{path}"],
            "Put the file itself there: SQL is read from the database's folder alone.",
        )
    return SqlFileError(
        f"{repeatable.place(path)}: the file cannot be read",
        [f"{path}: {error.strerror}"],
        "Make it a file that this user may read.",
    )


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SqlFileError(
            f"not UTF-8 at byte {error.start}",
            [f"byte {error.start} is 0x{data[error.start]:02x}"],
            "Save the file as UTF-8.",
            line=line,
        ) from None
    if (nul := text.find("\0")) >= 0:
        line = text.count("\n", 0, nul) + 1
        raise SqlFileError(
            "a NUL byte, at which a server would stop reading",
            [f"byte {len(text[:nul].encode())} is 0x00"],
            "Take it out, or save the file as UTF-8 if it is UTF-16.",
            line=line,
        )
    return text.removeprefix("\ufeff")


def _check(
    statements: Iterable[Statement], transactional: bool
) -> tuple[Statement, ...]:
    """Refuse what must not run; return what the engine's transaction replaces.

    That is one BEGIN … COMMIT around everything else, and the statements that
    switch foreign keys around that, or around the file.
    """
    left_out: list[Statement] = []
    stage = _Stage.START
    switch: Statement | None = None  # what left foreign keys on, and not off
    for statement in statements:
        if statement.role is Role.FORBIDDEN:
            raise _refusal(statement)
        if not transactional:
            continue
        plain = statement.role is Role.ORDINARY
        if plain and switch and _KEYED.match(statement.text):
            raise _refusal(switch)
        if plain and (stage in (_Stage.BARE, _Stage.OPEN) or statement.words == _DEFER):
            continue  # as nearly all are
        if (stage, statement.role) not in _NEXT:
            raise _refusal(_culprit(statement, left_out))
        stage = _NEXT[stage, statement.role]
        if not plain:
            left_out.append(statement)
        if statement.role is Role.FOREIGN_KEYS:
            switch = None if _OFF.search(statement.text) else statement
    if stage in (_Stage.SWITCHED, _Stage.OPEN):
        raise _refusal(left_out[-1])
    return tuple(left_out)


def _culprit(statement: Statement, left_out: list[Statement]) -> Statement:
    """What to blame: an ordinary statement is only in the place of a COMMIT."""
    if statement.role is not Role.ORDINARY:
        return statement
    commits = [s for s in left_out if s.role is Role.COMMIT]
    return (commits or left_out)[-1]


def _refusal(statement: Statement) -> SqlFileError:
    problem, remedy = _REFUSALS[statement.role]
    return SqlFileError(
        f"{statement.title} {problem}",
        [excerpt(statement.line, statement.text)],
        remedy,
        line=statement.line,
        header=NO_TRANSACTION if NO_TRANSACTION in remedy else "",
    )
