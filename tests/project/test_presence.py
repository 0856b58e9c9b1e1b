"""What cannot be looked at is neither there nor missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fault_injection import become_nobody, forked_to_the_end
from sqlpair.project.presence import below, exists, is_dir, is_file

ASKING = pytest.mark.parametrize("ask", [exists, is_file, is_dir])
Ask = Callable[[Path], bool]


@ASKING
def test_what_lies_in_a_closed_folder_cannot_be_told(tmp_path: Path, ask: Ask) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "file").touch()
    closed.chmod(0)

    def look() -> None:
        become_nobody(closed)
        with pytest.raises(PermissionError):
            ask(closed / "file")

    forked_to_the_end(look)
    closed.chmod(0o700)


@ASKING
def test_what_no_path_leads_to_is_missing(tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")

    for name in ("none", "none/none", "file/none", "circle", "a\0b"):
        assert not ask(tmp_path / name)


def test_a_link_is_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "to_file").symlink_to("file")
    (tmp_path / "to_folder").symlink_to(tmp_path)

    assert [
        (exists(path), is_file(path), is_dir(path))
        for path in (tmp_path / "to_file", tmp_path / "to_folder")
    ] == [(True, True, False), (True, False, True)]


def test_a_closed_folder_is_not_left_out(tmp_path: Path) -> None:
    closed = tmp_path / "a" / "closed"
    closed.mkdir(parents=True)
    (tmp_path / "file").touch()
    (closed / "file").touch()
    assert {*below(tmp_path)} == {tmp_path / "file", closed / "file"}
    closed.chmod(0)

    def look() -> None:
        become_nobody(closed)
        with pytest.raises(PermissionError):
            list(below(tmp_path))

    tmp_path.chmod(0o755)
    forked_to_the_end(look)
    closed.chmod(0o700)
