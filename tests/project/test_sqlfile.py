"""Reading one SQL file: what runs, what is left out, what is refused and why."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

import pytest

from sqlpair.databases.postgresql.split import split as split_postgresql
from sqlpair.databases.sqlite.split import split as split_sqlite
from sqlpair.errors import SqlFileError
from sqlpair.project import sql_file
from sqlpair.project.sql_file import SqlFile
from sqlpair.project.statement import Split

Read: TypeAlias = Callable[..., SqlFile]

BOTH = pytest.mark.parametrize(
    "split",
    [
        pytest.param(split_postgresql, id="postgresql"),
        pytest.param(split_sqlite, id="sqlite"),
    ],
)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a file of the database ``main`` and read it."""
    (tmp_path / "main").mkdir()

    def read(content: str | bytes, split: Split = split_postgresql) -> SqlFile:
        path = tmp_path / "main" / "003_add.sql"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return sql_file.read(path, split)

    return read


def texts(file: SqlFile) -> list[str]:
    return [statement.text for statement in sql_file.statements(file)]


def refusal(read: Read, content: str | bytes, split: Split) -> SqlFileError:
    with pytest.raises(SqlFileError) as caught:
        read(content, split)
    error = caught.value
    assert error.what.startswith(f"main 003_add.sql:{error.line}: ")
    assert error.evidence
    assert error.remedy
    return error


@BOTH
def test_an_ordinary_file_runs_as_it_stands(read: Read, split: Split) -> None:
    file = read("-- why\nSELECT ':name ? %s';\r\nSELECT 2", split)
    assert file.transactional
    assert texts(file) == ["SELECT ':name ? %s';", "SELECT 2"]
    assert [s.line for s in sql_file.statements(file)] == [2, 3]
    assert sql_file.body(file) == "-- why\nSELECT ':name ? %s';\r\nSELECT 2\n;\n"


@BOTH
@pytest.mark.parametrize("content", ["", "\n\n", "-- nothing\n", "/* nothing */;"])
def test_a_file_without_a_statement_does_nothing(
    read: Read, split: Split, content: str
) -> None:
    file = read(content, split)
    assert texts(file) == []
    assert sql_file.body(file) == content


# --- The outer pair ---------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("begin", "commit"),
    [("BEGIN;", "COMMIT;"), ("begin\ntransaction;", "end"), ("Begin;", "commit;;")],
)
def test_one_outer_pair_is_left_to_the_engine(
    read: Read, split: Split, begin: str, commit: str
) -> None:
    file = read(f"-- a\n{begin}\nSELECT 1;\nSELECT 2;\n{commit}\n-- z", split)
    assert texts(file) == ["SELECT 1;", "SELECT 2;"]
    lines = begin.count("\n")
    assert [s.line for s in sql_file.statements(file)] == [3 + lines, 4 + lines]
    end = ";" * (commit.count(";") - 1)
    left = "\n" * (lines + 1)
    assert sql_file.body(file) == f"-- a\n{left}SELECT 1;\nSELECT 2;\n{end}\n-- z"


def test_the_pair_of_sqlites_own_recipe_for_a_rebuild_is_left_out(read: Read) -> None:
    file = read(
        "PRAGMA foreign_keys=OFF;\nBEGIN;\nCREATE TABLE n (a);\n"
        "PRAGMA foreign_key_check;\nCOMMIT;\nPRAGMA foreign_keys=ON;\n",
        split_sqlite,
    )
    assert texts(file) == ["CREATE TABLE n (a);", "PRAGMA foreign_key_check;"]
    assert sql_file.body(file) == (
        "\n\nCREATE TABLE n (a);\nPRAGMA foreign_key_check;\n\n\n"
    )


@BOTH
@pytest.mark.parametrize(
    ("content", "line", "title"),
    [
        ("SELECT 1;\nCOMMIT;", 2, "COMMIT"),
        ("SELECT 1;\nBEGIN;\nSELECT 2;\nCOMMIT;", 2, "BEGIN"),
        ("BEGIN;\nSELECT 1;", 1, "BEGIN"),
        ("\nBEGIN;", 2, "BEGIN"),
        ("BEGIN;\nCOMMIT;\nSELECT 1;", 2, "COMMIT"),
        ("BEGIN;\nCOMMIT;\nBEGIN;\nCOMMIT;", 3, "BEGIN"),
        ("BEGIN;\nBEGIN;\nCOMMIT;", 2, "BEGIN"),
        ("BEGIN;\nSELECT 1;\nROLLBACK;", 3, "ROLLBACK"),
        ("SELECT 1;\nSAVEPOINT a;\nRELEASE a;", 2, "SAVEPOINT"),
        ("RELEASE a;", 1, "RELEASE"),
        ("COMMIT;", 1, "COMMIT"),
        ("SELECT 1;\n/*\n*/ END", 3, "END"),
    ],
)
def test_other_transaction_control_is_refused_with_its_line(
    read: Read, split: Split, content: str, line: int, title: str
) -> None:
    error = refusal(read, content, split)
    assert error.line == line
    assert f": {title} would break the transaction" in error.what
    assert error.evidence[0].startswith(f"{line} | {title}")
    assert "-- no-transaction" in error.remedy


@pytest.mark.parametrize("title", ["ABORT", "PREPARE TRANSACTION", "COMMIT PREPARED"])
def test_the_control_that_only_postgresql_has_is_refused_too(
    read: Read, title: str
) -> None:
    error = refusal(read, f"SELECT 1;\n{title} 'x';", split_postgresql)
    assert f":2: {title} would break" in error.what


# --- no-transaction ---------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "header",
    [
        "-- no-transaction\n",
        "\n-- why\n--no-transaction  \r\n\n/* more */",
        "\ufeff-- no-transaction\n",
        "/* -- */ -- no-transaction\n",
    ],
)
def test_a_marked_file_runs_every_statement_as_it_stands(
    read: Read, split: Split, header: str
) -> None:
    file = read(header + "CREATE TABLE a (a int);BEGIN;SELECT 1;COMMIT;VACUUM", split)
    assert not file.transactional
    assert texts(file) == [
        "CREATE TABLE a (a int);",
        "BEGIN;",
        "SELECT 1;",
        "COMMIT;",
        "VACUUM",
    ]
    assert sql_file.body(file).endswith(";SELECT 1;COMMIT;VACUUM\n;\n")


@BOTH
@pytest.mark.parametrize(
    "header",
    [
        "SELECT 1; -- no-transaction\n",
        "-- this needs no-transaction\n",
        "-- no-transaction is not needed\n",
        "/*\n-- no-transaction\n*/",
    ],
)
def test_a_mark_counts_only_as_a_line_of_the_header(
    read: Read, split: Split, header: str
) -> None:
    assert read(header, split).transactional
    refusal(read, header + "VACUUM;", split)


@pytest.mark.parametrize(
    ("split", "content", "title"),
    [
        (split_postgresql, "CREATE INDEX CONCURRENTLY i ON t (a);", "CREATE INDEX"),
        (split_postgresql, "VACUUM t;", "VACUUM"),
        (split_postgresql, "BEGIN;VACUUM t;COMMIT;", "VACUUM"),
        (split_sqlite, "VACUUM;", "VACUUM"),
        (split_sqlite, "PRAGMA journal_mode = WAL;", "PRAGMA journal_mode"),
    ],
)
def test_what_no_transaction_can_hold_is_told_to_be_marked(
    read: Read, split: Split, content: str, title: str
) -> None:
    error = refusal(read, content, split)
    assert f"1: {title}" in error.what
    assert "-- no-transaction" in error.remedy
    assert texts(read("-- no-transaction\n" + content, split))


# --- What SQLite may not do -------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("PRAGMA foreign_keys = ON;\nDELETE FROM t;", 1),
        ("PRAGMA foreign_keys=0;\nPRAGMA foreign_keys=1;\nDELETE FROM t;", 2),
        ("PRAGMA foreign_keys=1;\nBEGIN;\nSELECT 1;\nDROP  TABLE t;\nCOMMIT;", 1),
        ("PRAGMA foreign_keys=1;\nINSERT OR REPLACE INTO t VALUES (1);", 1),
        ("PRAGMA foreign_keys=1;\nINSERT INTO t VALUES (1);\nUPDATE t SET a = 2;", 1),
        ("DROP TABLE t;\nPRAGMA foreign_keys(1);\nDROP TABLE u;", 2),
        ("BEGIN;\nPRAGMA foreign_keys = OFF;\nCOMMIT;", 2),
        ("\nPRAGMA foreign_keys = OFF;\n", 2),
    ],
)
def test_switching_foreign_keys_in_a_transaction_is_refused(
    read: Read, content: str, line: int
) -> None:
    error = refusal(read, content, split_sqlite)
    assert error.line == line
    assert "does nothing inside" in error.what
    assert "checked before it commits" in error.remedy


@pytest.mark.parametrize("off", ["= OFF", "=0", "(no)", " = false"])
def test_foreign_keys_off_before_and_on_after_the_file_are_left_out(
    read: Read, off: str
) -> None:
    before, after = f"PRAGMA foreign_keys{off};", "PRAGMA foreign_keys = ON;"
    for first, last in ((before, after), (before, ""), ("", after)):
        file = read(f"{first}\nDROP TABLE t;\nDROP TABLE u;\n{last}\n", split_sqlite)
        assert texts(file) == ["DROP TABLE t;", "DROP TABLE u;"]
        assert sql_file.body(file) == "\nDROP TABLE t;\nDROP TABLE u;\n\n"


def test_prismas_pragmas_around_a_rebuild_are_no_reason_to_leave_the_transaction(
    read: Read,
) -> None:
    file = read(
        "PRAGMA defer_foreign_keys=ON;\nPRAGMA foreign_keys=OFF;\nDROP TABLE t;\n"
        "PRAGMA foreign_keys=ON;\nPRAGMA defer_foreign_keys=OFF;\n",
        split_sqlite,
    )
    assert file.transactional
    assert texts(file) == [
        "PRAGMA defer_foreign_keys=ON;",
        "DROP TABLE t;",
        "PRAGMA defer_foreign_keys=OFF;",
    ]


@pytest.mark.parametrize("pair", ["{}", "BEGIN;\n{}COMMIT;\n"])
def test_foreign_keys_on_before_a_file_that_they_change_nothing_in_are_left_out(
    read: Read, pair: str
) -> None:
    body = (
        "CREATE TABLE t (a REFERENCES u (b) ON DELETE CASCADE ON UPDATE CASCADE);\n"
        "INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);\n"
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM v; END;\n"
    )
    file = read("PRAGMA foreign_keys = ON;\n" + pair.format(body), split_sqlite)

    assert file.transactional
    assert "".join(f"{text}\n" for text in texts(file)) == body


def test_what_follows_the_outer_pair_is_blamed_on_its_commit(read: Read) -> None:
    content = "BEGIN;\nCOMMIT;\nPRAGMA foreign_keys = ON;\nSELECT 1;"
    assert "003_add.sql:2: COMMIT" in refusal(read, content, split_sqlite).what


@pytest.mark.parametrize("mark", ["", "-- no-transaction\n"])
@pytest.mark.parametrize("statement", ["ATTACH 'x' AS y", "VACUUM INTO 'x'"])
def test_attach_is_refused_marked_or_not(read: Read, mark: str, statement: str) -> None:
    error = refusal(read, f"{mark}SELECT 1;\n{statement};", split_sqlite)
    assert error.line == 2 + mark.count("\n")
    assert "reaches beyond" in error.what


@BOTH
def test_evidence_carries_nothing_that_a_terminal_or_a_log_obeys(
    read: Read, split: Split
) -> None:
    error = refusal(read, "COMMIT /* \x1b[2J\r\u2028forged */;\n", split)
    assert error.evidence == (r"1 | COMMIT /* \x1b[2J\r\u2028forged */;",)
    error = refusal(read, "SELECT 1, '\x1b[2J", split)
    assert error.evidence == (r"1 | SELECT 1, '\x1b[2J",)


# --- Bytes ------------------------------------------------------------------------


def test_a_byte_order_mark_is_no_part_of_the_text(read: Read) -> None:
    file = read(b"\xef\xbb\xbfSELECT 'a';\r\n")
    assert file.text == "SELECT 'a';\r\n"


def test_line_ends_and_a_byte_order_mark_change_no_checksum(read: Read) -> None:
    unix = "-- é\nSELECT '\n';\n".encode()
    assert read(unix).checksum == sha256(unix).hexdigest()
    assert read(unix.replace(b"\n", b"\r\n")).checksum == read(unix).checksum
    assert sql_file.checksum(unix.replace(b"\n", b"\r")) == sql_file.checksum(unix)
    assert sql_file.checksum(b"\xef\xbb\xbf" + unix) == sql_file.checksum(unix)
    assert sql_file.checksum(unix + b" ") != sql_file.checksum(unix)


def test_what_is_not_utf8_is_refused_with_its_byte(read: Read) -> None:
    error = refusal(read, b"\xef\xbb\xbfSELECT 1;\n-- caf\xe9\n", split_postgresql)
    assert error.line == 2
    assert "byte 19" in error.what
    assert "0xe9" in error.evidence[0]


@BOTH
def test_a_nul_byte_is_refused_with_its_line(read: Read, split: Split) -> None:
    error = refusal(read, "SELECT 'é';\n-- \0\nDROP TABLE t;", split)
    assert error.line == 2
    assert "byte 16" in error.evidence[0]
    assert refusal(read, "SELECT 1;".encode("utf-16-le"), split).line == 1


@BOTH
@pytest.mark.parametrize("content", ["SELECT 1;\n'", '"', "/*", "VALUES (1, '"])
def test_what_never_ends_is_refused(read: Read, split: Split, content: str) -> None:
    assert "never ends" in refusal(read, content, split).what


@pytest.mark.parametrize("name", ["003_add_rollback.sql", "003_add.sql"])
def test_a_missing_file_is_named_with_what_to_write(tmp_path: Path, name: str) -> None:
    with pytest.raises(SqlFileError, match=name) as caught:
        sql_file.read(tmp_path / "main" / name, split_sqlite)
    assert "missing" in caught.value.what
    assert "comment" in caught.value.remedy


def test_a_link_or_a_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside.sql").write_text("SELECT 1;")
    (tmp_path / "001_a.sql").symlink_to(tmp_path / "outside.sql")
    (tmp_path / "002_b.sql").mkdir()
    for name in ("001_a.sql", "002_b.sql"):
        with pytest.raises(SqlFileError, match=name):
            sql_file.read(tmp_path / name, split_sqlite)


# --- Whole ------------------------------------------------------------------------


def test_a_body_runs_as_a_script_of_its_own(read: Read) -> None:
    file = read(
        "BEGIN;\nCREATE TABLE t (a);\nCREATE TRIGGER r AFTER INSERT ON t BEGIN\n"
        "  DELETE FROM t WHERE a = '\r\n; END;'; END;\nINSERT INTO t VALUES (1);\nEND",
        split_sqlite,
    )
    connection = sqlite3.connect(":memory:")
    connection.executescript(f"BEGIN; {sql_file.body(file)} COMMIT;")
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_every_file_of_this_project_reads(database: str) -> None:
    split = split_postgresql if database == "postgres" else split_sqlite
    folder = Path(__file__).parents[2] / "sql" / database
    files = [sql_file.read(path, split) for path in sorted(folder.glob("*.sql"))]
    assert len(files) >= 6
