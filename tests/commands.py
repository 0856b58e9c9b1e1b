"""Run alembic and sqlpair without their imports, which are most of what they cost.

``Commands`` starts this file once. It imports what they import, and then forks a
process for each command, which ends as any interpreter does, up to where one frees
each object. What concerns the start of an interpreter (imports, options of Python)
needs a new one: ``Project.run``.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import runpy
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

# The exit code of a command that is over.
ended: list[int] = []


@atexit.register
def leave() -> None:
    """End a command. To free what is shared with the process that forks would copy it.

    Registered before anything is imported, and so called last.
    """
    if ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended[0])


import sqlpair  # noqa: E402

IMPORTED = (
    *("alembic.config", "psycopg2.extras", "sqlite3", "unicodedata"),
    *("sqlalchemy.dialects.postgresql.psycopg2", "sqlalchemy.dialects.sqlite"),
)


class Commands:
    """The process that forks, from the first command until it is closed.

    ``environ`` is what it starts in, where that decides how an interpreter encodes;
    ``python`` is the interpreter, whose sqlpair runs.
    """

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self._environ = environ
        self._python = python
        self._turn = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def run(
        self, module: str, *arguments: str, cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m module`` to its end, with nothing to read."""
        with tempfile.TemporaryDirectory() as folder, self._turn:
            streams = Path(folder, "out"), Path(folder, "err")
            # As bytes, for the other end may decode them in another way.
            words = [os.fsencode(word) for word in (module, cwd, *streams, *arguments)]
            pairs = [os.fsencode(f"{name}={value}") for name, value in env.items()]
            parts = [[part.hex() for part in parts] for parts in (words, pairs)]
            code = int(self._answer(json.dumps(parts)))
            out, err = (path.read_text() for path in streams)
        return subprocess.CompletedProcess([module, *arguments], code, out, err)

    def _answer(self, line: str) -> str:
        if self._process is None:
            self._process = subprocess.Popen(
                [self._python, __file__],
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdin
        assert self._process.stdout
        print(line, file=self._process.stdin, flush=True)
        return self._process.stdout.readline()

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.communicate()
            self._process = None


def main() -> None:
    """Fork for each line that is read; the child goes on as its command."""
    ours = [name for _, name, _ in pkgutil.walk_packages(sqlpair.__path__, "sqlpair.")]
    for name in (*IMPORTED, *ours):
        if not name.endswith("__main__"):
            import_module(name)
    gc.collect()
    gc.freeze()
    while line := sys.stdin.readline():
        if (child := os.fork()) == 0:
            words, pairs = (
                [os.fsdecode(bytes.fromhex(part)) for part in parts]
                for parts in json.loads(line)
            )
            become(*words, env=dict(pair.split("=", 1) for pair in pairs))
            return
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def become(
    module: str, cwd: str, out: str, err: str, *arguments: str, env: dict[str, str]
) -> None:
    """Run a module as ``python -m`` would in that folder and environment."""
    made = os.O_WRONLY | os.O_CREAT
    for number, path in enumerate([os.devnull, out, err]):
        opened = os.open(path, made if number else os.O_RDONLY, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    sys.path[0] = cwd
    sys.argv[1:] = arguments
    ended.append(1)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        ended[:] = [0]
    except SystemExit as left:
        ended[:] = [
            left.code if isinstance(left.code, int) else int(left.code is not None)
        ]
        raise


if __name__ == "__main__":
    main()
