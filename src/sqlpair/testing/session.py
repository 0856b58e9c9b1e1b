"""What the processes of one test session share: a folder, and turns in it.

Under pytest-xdist several workers are one session. Its folder is the controller's,
which removes it at the end.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlpair.project.database import DEVELOPMENT, Database
from sqlpair.project.settings import Settings, load_without_addresses


def new_folder() -> Path:
    """Return the name of a folder that nobody has; it is made when it is needed."""
    return Path(tempfile.gettempdir()) / f"sqlpair-{os.getpid()}-{secrets.token_hex(4)}"


@contextmanager
def turn(folder: Path, name: str) -> Iterator[None]:
    """Let one process of the session at a time be in the block of that name."""
    folder.mkdir(mode=0o700, exist_ok=True)
    file = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def settings_of(config: Path, name: str, address: str, folder: Path) -> Settings:
    """Return the project's settings, for one database and at ``address``.

    The environment and .env say nothing, and what a deployment writes beside the
    database goes to ``folder``: the project's own files stay as they are.
    """
    found = load_without_addresses(config, {}, {name: address})
    own = found.database(name)._replace(
        fleet=None, parameters={}, scratch="", scratch_variable="", scratch_beside=True
    )
    return found._replace(
        root=folder,
        environment=DEVELOPMENT,
        env_file=folder / ".env",
        env={},
        databases=(own,),
        log_file=folder / "migration.log",
        backups=found.backups._replace(folder=folder / "backups", first=False),
    )


def database_of(config: Path, name: str) -> Database:
    """Return what the environment and .env say of a database, but for its address."""
    return load_without_addresses(config).database(name)
