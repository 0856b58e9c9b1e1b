"""Data folders for servers of the tests' own; nothing of them is left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlpair.databases import embedded


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty private folder, in memory where there is a place for that."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    yield folder
    for noted in folder.rglob("postmaster.pid"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(noted.read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def initialized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that has been used once, to copy: quicker than initdb."""
    data = tmp_path_factory.mktemp("initialized") / "postgres"
    with embedded.server(data):
        pass
    return data


@pytest.fixture
def data(place: Path, initialized: Path) -> Path:
    """A data folder without a server."""
    folder = place / "state" / "postgres"
    folder.parent.mkdir()
    subprocess.run(["cp", "-a", initialized, folder], check=True)
    return folder
