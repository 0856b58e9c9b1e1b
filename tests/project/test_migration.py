"""Finding SQL pairs, and reading one file so that it can be run."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlpair.errors import SqlFileError
from sqlpair.project import migrations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "postgres"
    folder.mkdir()
    return folder


def lay(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("SELECT 1;\n")


def find_error(folder: Path) -> str:
    with pytest.raises(SqlFileError) as caught:
        migrations.find(folder, "postgres")
    return str(caught.value)


def test_migrations_come_in_the_order_of_their_numbers(folder):
    lay(folder, "010_c.sql", "002_b.sql", "0003_x-y.sql", "000_baseline.sql")
    lay(folder, "002_b_rollback.sql", "002_b_verify.sql", "schema.sql", "seed.sql")
    (folder / "README.md").write_text("not SQL")

    found = migrations.find(folder, "postgres")

    assert [m.number for m in found] == [0, 2, 3, 10]
    assert [m.revision for m in found][1:3] == ["postgres_002", "postgres_0003"]
    assert found[1].name == "b"
    assert found[1].up == folder / "002_b.sql"
    assert found[1].down == folder / "002_b_rollback.sql"
    assert found[1].verify == folder / "002_b_verify.sql"


def test_a_missing_folder_has_no_migrations(tmp_path):
    assert migrations.find(tmp_path / "nowhere", "postgres") == ()


def test_two_files_with_one_number_are_both_named(folder):
    lay(folder, "003_a.sql", "0003_b.sql")
    message = find_error(folder)
    assert "003_a.sql" in message
    assert "0003_b.sql" in message
    assert "sqlpair renumber sql/postgres/NNN_name.sql" in message


@pytest.mark.parametrize("name", ["003_a_rollback.sql", "003_a_verify.sql"])
def test_a_file_that_belongs_to_no_migration_is_named(folder, name):
    lay(folder, "001_b.sql", name)
    assert name in find_error(folder)


@pytest.mark.parametrize(
    "name",
    [
        "01_short.sql",
        "1234567890_long.sql",
        "003.sql",
        "003_.sql",
        "003_rollback.sql",
        "003_verify.sql",
        "003_with space.sql",
        "003_ünlaut.sql",
        "003_new\nline.sql",
        "003_upper.SQL",
        "V3__flyway.sql",
        "٠٠٣_digits.sql",
    ],
)
def test_a_name_that_does_not_fit_is_refused_on_one_line(folder, name):
    lay(folder, name)
    message = find_error(folder)
    assert ascii(name) in message
    assert message.isascii() or "…" in message


def test_links_and_folders_are_not_followed(folder, tmp_path):
    (tmp_path / "outside.sql").write_text("SELECT 1;")
    (folder / "001_link.sql").symlink_to(tmp_path / "outside.sql")
    assert "001_link.sql" in find_error(folder)
    (folder / "001_link.sql").unlink()
    (folder / "001_folder.sql").mkdir()
    assert "001_folder.sql" in find_error(folder)
    (folder / "001_folder.sql").rmdir()
    (tmp_path / "link").symlink_to(folder)
    assert "link" in find_error(tmp_path / "link")
