"""Print the way of one migration: each module and function that it enters, in order.

A project with one pending migration on PostgreSQL and one on SQLite is made, and
``sqlpair migrate`` is run on it. What is printed is the first entry into each function
of the engine, under the module that it is in. Run: make walk
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import FrameType

import sqlpair
from sqlpair.authoring import scaffold
from sqlpair.databases import embedded
from sqlpair.project import settings

ENGINE = Path(sqlpair.__file__).parent
FILES = {
    "postgres/001_users.sql": "CREATE TABLE users (id integer PRIMARY KEY);\n",
    "postgres/001_users_rollback.sql": "DROP TABLE users;\n",
    "sqlite/002_items.sql": "CREATE TABLE items (id INTEGER PRIMARY KEY);\n",
    "sqlite/002_items_rollback.sql": "DROP TABLE items;\n",
}


def main() -> None:
    """Walk, and print the way."""
    with tempfile.TemporaryDirectory() as name:
        for module, functions in walk(Path(name)).items():
            print(module)
            for function in functions:
                print(f"    {function}")


def walk(folder: Path) -> dict[str, list[str]]:
    """Run one deployment in ``folder``; map each module entered to its functions."""
    with embedded.server(folder / "server") as server:
        root = folder / "project"
        scaffold.init(root)
        for path, text in FILES.items():
            (root / "sql" / path).write_text(text)
        words = dict(word.split("=", 1) for word in server.dsn.split())
        host = words["host"].replace("/", "%2F")
        url = f"postgresql://{words['user']}@{host}:{words['port']}/{words['dbname']}"
        os.environ["DATABASE_URL"] = url
        scaffold.write_revisions(settings.load(root / "alembic.ini"))
        return _traced(["-c", str(root / "alembic.ini"), "migrate"])


def _traced(arguments: list[str]) -> dict[str, list[str]]:
    from sqlpair.__main__ import main as sqlpair_main

    entered: dict[str, list[str]] = {}

    def enter(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event != "call" or ENGINE not in path.parents:
            return
        name = frame.f_code.co_qualname.replace(".<locals>", "")
        if "<" in name or not frame.f_code.co_flags & CO_OPTIMIZED:
            return  # a comprehension, or the body of a module or class
        functions = entered.setdefault(str(path.relative_to(ENGINE)), [])
        if name not in functions:
            functions.append(name)

    sys.argv = ["sqlpair", *arguments]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        sys.setprofile(enter)
        try:
            sqlpair_main()
        except SystemExit as end:
            if end.code:
                raise
        finally:
            sys.setprofile(None)
    return entered


if __name__ == "__main__":
    main()
