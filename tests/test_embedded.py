"""The embedded server: real servers, started, shared, killed and stopped."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest

from sqlpair import embedded


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "state" / "postgres"


def test_a_server_runs_while_it_is_used_and_no_longer(data: Path) -> None:
    with embedded.server(data) as server:
        connection = psycopg2.connect(server.dsn)
        connection.close()
        assert server.started
        assert embedded.running(data) == server._replace(started=False)

    assert embedded.running(data) is None
