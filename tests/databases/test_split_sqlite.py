"""Splitting for SQLite, held against SQLite itself."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sqlpair.databases.sqlite.split import split
from sqlpair.errors import SqlFileError
from sqlpair.project.statement import Role, Statement

# Everything that moves SQLite's own splitter from one state to another.
PIECES = st.sampled_from(
    [
        *";;;;'\"`[]-/*x1$é \n\t",
        *("--", "/*", "*/", "-- c;\n", "/* ; */", "/*/", "''", "it's", "\r\n"),
        *("';'", '";"', "`;`", "[;]", "e'\\'", "_", "(", "=", "->", "$$"),
        *(" explain ", " query ", " plan ", " create ", " temp ", " temporary "),
        *(" trigger ", " end ", "END", "CREATE", "TRIGGER", " table ", " select 1"),
        *("; end;", ";\nend ;", " create trigger t begin select 1", "endx", "temp"),
    ]
)
SCRIPTS = st.lists(PIECES, max_size=30).map("".join)


def gap(text: str, position: int) -> int:
    """Past white space and comments, one character at a time."""
    while position < len(text):
        if text[position] in " \t\r\n\f":
            position += 1
        elif text.startswith("--", position):
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        elif text.startswith("/*", position):
            end = text.find("*/", position + 2)
            if end < 0:
                return position
            position = end + 2
        else:
            break
    return position


def pieces_of_sqlite(text: str) -> Iterator[tuple[int, int]]:
    """Begin and end of what is complete when the text grows at each ``;``.

    The last one is the rest, which never became complete.
    """
    begin = 0
    for end, sign in enumerate(text, 1):
        if sign == ";" and sqlite3.complete_statement(text[begin:end]):
            start = gap(text, begin)
            if start < end - 1:
                yield start, end
            begin = end
    if (start := gap(text, begin)) < len(text):
        yield start, len(text)


@given(SCRIPTS)
@example("explain query plan create temp trigger t begin ; ; end /* */ ; end;")
@example("explain 'a' (b) create trigger t begin ; select 1; end; x")
@example("explain temp create trigger t begin ; select 1; end; x")
@example("create trigger t begin select 1; end; select 2; end; x")
@example("create temp /* ; */ temporary trigger x begin;end;;")
def test_cuts_are_those_of_complete_statement(script: str) -> None:
    expected = list(pieces_of_sqlite(script))
    found: list[Statement] = []
    try:
        found.extend(split(script))
    except SqlFileError:
        # Only the rest, which SQLite finds incomplete too, may be refused.
        assert not sqlite3.complete_statement(script[expected[-1][0] :])
        assert len(found) < len(expected)
        expected = expected[: len(found)]
    for statement, (start, end) in zip(found, expected, strict=True):
        assert statement.offset == start
        assert statement.line == script.count("\n", 0, start) + 1
        assert script.startswith(statement.text, start)
        if statement.text.endswith(";"):
            assert start + len(statement.text) == end
        else:
            assert gap(script, start + len(statement.text)) == end == len(script)


@given(SCRIPTS)
def test_what_is_refused_is_what_never_ends(script: str) -> None:
    try:
        rest = [s for s in split(script) if not s.text.endswith(";")]
    except SqlFileError:
        closes = product(("", "'", '"', "`", "]", "*/"), ("\n;", "\n;end;"))
        assert any(
            sqlite3.complete_statement(script + quote + end) for quote, end in closes
        ), "refused, though no quote, comment or trigger is open"
    else:
        assert len(rest) <= 1


def only(text: str) -> Statement:
    (statement,) = split(text)
    return statement


def test_a_trigger_is_one_statement_and_what_follows_another() -> None:
    trigger = (
        "CREATE TRIGGER log AFTER INSERT ON t BEGIN\n"
        "  INSERT INTO l VALUES ('a;b', CASE WHEN 1 THEN 2 END);\n"
        "  DELETE FROM l; -- END;\n"
        "END;"
    )
    first, second = split(f"-- header;\n\n{trigger}\nSELECT 1 -- tail;\n")
    assert first.text == trigger
    assert first.line == 3
    assert second.text == "SELECT 1"
    assert second.line == 7


def test_words_skip_comments_and_stop_at_the_first_sign() -> None:
    statement = only("/* a */ create -- b\n temp/**/trigger t1 on x begin ; end")
    assert statement.words == ("CREATE", "TEMP", "TRIGGER", "T1")
    assert only("values (1)").words == ("VALUES",)
    assert only("(select 1)").words == ()


@pytest.mark.parametrize("script", ["", " \n\t", ";;", "-- c", "/* c */;\n-- d\n;"])
def test_blank_pieces_and_comments_are_no_statements(script: str) -> None:
    assert list(split(script)) == []


@pytest.mark.parametrize(
    ("script", "line", "words"),
    [
        ("select 1;\nselect 'a\n;", 2, "string"),
        ('select 1;\n\nselect "a', 3, "identifier"),
        ("select [a", 1, "identifier"),
        ("select `a", 1, "identifier"),
        ("select 1;\n/* a\n;", 2, "comment"),
        ("select 1 /* a", 1, "comment"),
        ("\ncreate trigger t begin select 1;\nselect 2;\n", 2, "END"),
        ("select 1; -- a\rselect 2;\n", 1, "carriage return"),
        ("-- a\n-- b\rdrop table t;\n", 2, "carriage return"),
        ("select 1 -- a\r, 2;\n", 1, "carriage return"),
        ("select 1;\n.mode box\nselect 2;", 2, "sqlite3 shell"),
        ("-- a\n.read /etc/passwd", 2, "sqlite3 shell"),
        ("select 1;\n\ufeffcommit;", 2, "byte order mark"),
        ("select 1;\n/* a */\ufeffcommit;", 2, "byte order mark"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_line(
    script: str, line: int, words: str
) -> None:
    with pytest.raises(SqlFileError, match=words) as caught:
        list(split(script))
    assert caught.value.line == line
    assert caught.value.remedy


@pytest.mark.parametrize("script", ["select 1; -- a\r\n", "-- a\r", "-- a\r\r\n;"])
def test_a_carriage_return_that_swallows_nothing_passes(script: str) -> None:
    list(split(script))


def test_what_stands_before_a_fault_is_had_before_it() -> None:
    statements = split("select 1; select '")
    assert next(statements).text == "select 1;"
    with pytest.raises(SqlFileError):
        next(statements)


@pytest.mark.parametrize(
    ("script", "role", "title"),
    [
        ("begin", Role.BEGIN, "BEGIN"),
        ("Begin Immediate Transaction;", Role.BEGIN, "BEGIN"),
        ("/**/ commit transaction;", Role.COMMIT, "COMMIT"),
        ("end;", Role.COMMIT, "END"),
        ("rollback to x;", Role.CONTROL, "ROLLBACK"),
        ("savepoint x;", Role.CONTROL, "SAVEPOINT"),
        ("release x;", Role.CONTROL, "RELEASE"),
        ("attach 'x' as y;", Role.FORBIDDEN, "ATTACH"),
        ("detach y;", Role.FORBIDDEN, "DETACH"),
        ("vacuum;", Role.OUTSIDE, "VACUUM"),
        ("vacuum main;", Role.OUTSIDE, "VACUUM"),
        ("vacuum into 'x';", Role.FORBIDDEN, "VACUUM INTO"),
        ("vacuum/**/main into 'x';", Role.FORBIDDEN, "VACUUM INTO"),
        ('vacuum "into";', Role.OUTSIDE, "VACUUM"),
        ("pragma foreign_keys = off;", Role.FOREIGN_KEYS, "PRAGMA foreign_keys"),
        ("PRAGMA main.[Foreign_Keys](0);", Role.FOREIGN_KEYS, "PRAGMA foreign_keys"),
        ("pragma foreign_keys;", Role.ORDINARY, ""),
        ("pragma foreign_key_check;", Role.ORDINARY, ""),
        ("pragma defer_foreign_keys = on;", Role.ORDINARY, ""),
        ("pragma journal_mode;", Role.ORDINARY, ""),
        ("pragma 'journal_mode' /**/ = delete;", Role.OUTSIDE, "PRAGMA journal_mode"),
        ("pragma wal_checkpoint;", Role.OUTSIDE, "PRAGMA wal_checkpoint"),
        ("insert into t values ('commit');", Role.ORDINARY, ""),
        ("explain commit;", Role.ORDINARY, ""),
        ('"commit";', Role.ORDINARY, ""),
    ],
)
def test_each_statement_has_the_role_it_plays(
    script: str, role: Role, title: str
) -> None:
    statement = only(script)
    assert (statement.role, statement.title) == (role, title)


@pytest.mark.parametrize(
    "script",
    [
        "vacuum",
        "pragma synchronous = off",
        "pragma wal_checkpoint",
    ],
)
def test_sqlite_refuses_in_a_transaction_what_is_marked_outside(
    script: str, tmp_path: Path
) -> None:
    assert only(script).role is Role.OUTSIDE
    connection = sqlite3.connect(tmp_path / "db", isolation_level=None)
    connection.execute("begin immediate")
    connection.execute("create table t (a)")
    with pytest.raises(sqlite3.OperationalError):
        connection.execute(script).fetchall()
    connection.close()


def test_sqlite_leaves_the_journal_as_it_is_in_a_transaction(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "db", isolation_level=None)
    connection.execute("begin immediate")
    connection.execute("create table t (a)")
    assert connection.execute("pragma journal_mode = wal").fetchone() == ("delete",)
    connection.close()


def test_statements_one_by_one_make_what_the_sqlite3_shell_makes(
    tmp_path: Path,
) -> None:
    script = tmp_path / "script.sql"
    script.write_text(
        """-- a ; comment
        CREATE TABLE t (id INTEGER PRIMARY KEY, j TEXT, "odd;name" TEXT);
        /* ; */ INSERT INTO t (j) VALUES ('{"a:b": "%s ? :x ;"}'), ('it''s; -- no');;
        CREATE TEMP TRIGGER z AFTER INSERT ON t BEGIN SELECT 1; END;
        CREATE TRIGGER up AFTER UPDATE ON t BEGIN
          INSERT INTO t (j) VALUES (CASE WHEN new.j = ';' THEN 'END;' ELSE ';' END);
        END
        ;
        UPDATE t SET j = ';' WHERE id = 1;
        CREATE VIEW v AS SELECT j AS [a;b], `odd;name`, 1--2
          FROM t; UPDATE t SET "odd;name" = char(59) -- the end"""
    )
    shell, ours = tmp_path / "shell.db", tmp_path / "ours.db"
    subprocess.run(["sqlite3", "-bail", shell], input=script.read_bytes(), check=True)
    connection = sqlite3.connect(ours, isolation_level=None)
    for statement in split(script.read_text()):
        connection.execute(statement.text)
    connection.close()

    dumps = []
    for path in (shell, ours):
        connection = sqlite3.connect(path)
        dumps.append(list(connection.iterdump()))
        connection.close()
    assert dumps[0] == dumps[1]
    assert len(dumps[0]) > 8
