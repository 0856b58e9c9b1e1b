r"""What of a psql script the server never sees: psql's own commands, and COPY's rows.

``\restrict``, which pg_dump writes, changes nothing in the database: it is passed over.
The rows of ``COPY … FROM stdin`` stand below it, up to the line ``\.``:
https://www.postgresql.org/docs/current/app-psql.html and sql-copy.html
"""

from __future__ import annotations

import re

from sqlpair.databases.postgresql.transaction_control import client_copy
from sqlpair.errors import SqlFileError
from sqlpair.project.statement import fault

_PASSED_OVER = re.compile(r"\\(?:un)?restrict[ \t]+\S+[ \t]*(?=[\r\n]|\Z)")
_COMMAND = re.compile(r"\\([A-Za-z]+\+?|.|\Z)", re.DOTALL)
_REST_OF_LINE = re.compile(r"[ \t]*(?:--[^\r\n]*)?(?=\r?\n)")
_END_OF_ROWS = re.compile(r"^\\\.\r?$", re.MULTILINE)

_DISPLAY = "Take it out: it changes what psql shows, and nothing in the database."
_BRANCH = (
    "Take it out. What depends on the environment belongs into the application; what"
    " depends\non the database can be asked in SQL: DO $$ BEGIN IF … END IF; END $$;"
)
_REMEDIES = {
    "i": "Put the text of that file in this place, or make it a migration of its own.",
    "copy": "Write COPY … FROM stdin, the rows below it, and a line \\. at their end.",
    "c": "Take it out: what concerns another database belongs into that one's folder."
    " A dump is made\nwithout --create.",
    "set": "Take it out, and write the value in its places. A value of the environment"
    " is declared\nabove the first statement: -- variables: NAME",
    "gexec": "Run it in one block: DO $$ … EXECUTE format(…) … $$;",
    "g": "End the statement with ; instead: its result is not shown.",
    "!": "Take it out: a migration runs no program.",
    "password": "Take it out: no password belongs into a migration.",
    "encoding": "Take it out: a file is UTF-8.",
    "if": _BRANCH,
    "echo": "Write RAISE NOTICE in a DO block: it is shown, and logged.",
    "timing": _DISPLAY,
}
_SAME = {
    "i": ("include", "ir", "include_relative"),
    "c": ("connect",),
    "set": ("unset", "gset", "prompt", "getenv", "setenv", "bind", "bind_named"),
    "g": ("gx", "gdesc", "watch", ";"),
    "if": ("elif", "else", "endif", "q"),
    "echo": ("qecho", "warn"),
    "timing": (
        *("pset", "a", "C", "f", "H", "o", "out", "r", "s", "t", "T", "x", "z"),
        *("errverbose", "p", "print", "html", "conninfo", "crosstabview", "h", "help"),
    ),
}
for _word, _others in _SAME.items():
    _REMEDIES |= dict.fromkeys(_others, _REMEDIES[_word])


def past_restrict(text: str, position: int) -> int:
    """Return the position past the command there; SqlFileError for any other."""
    match = _PASSED_OVER.match(text, position)
    if match is None:
        raise refusal(text, position)
    return match.end()


def refusal(text: str, position: int) -> SqlFileError:
    """Return the error for the psql command at ``position``."""
    match = _COMMAND.match(text, position)
    name = match[1].rstrip("+") if match else ""
    plain = "Take the line out: a migration runs without psql."
    remedy = _REMEDIES.get(name) or (_DISPLAY if name[:1] in ("d", "l") else plain)
    return fault(text, position, "a psql command, not SQL", remedy)


def rows(text: str, start: int, end: int) -> str:
    r"""Return what stands behind the ``;`` of a COPY from the client, up to the ``\.``.

    It is empty for any other statement. ``start`` and ``end`` are the statement's.
    SqlFileError where no rows follow, and for a COPY to the client.
    """
    direction = client_copy(text[start:end])
    if not direction:
        return ""
    if direction == "TO":
        raise fault(
            text,
            start,
            "COPY to the client, which changes nothing in the database",
            "Take it out; a check belongs into the _verify.sql beside it.",
        )
    rest = _REST_OF_LINE.match(text, end)
    last = _END_OF_ROWS.search(text, rest.end() + 1) if rest else None
    if rest is None or last is None:
        raise fault(
            text,
            start,
            "COPY from the client without rows that end",
            "Write the rows from the next line on, and a line \\. at their end.",
        )
    return text[end : last.start()]


def past_rows(text: str, position: int) -> int:
    r"""Return the position past the ``\.`` at ``position``."""
    match = _END_OF_ROWS.match(text, position)
    return match.end() if match else position
