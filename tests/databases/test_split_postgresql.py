"""Splitting for PostgreSQL, held against psql and a real server."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pg_dump import comparable
from sqlpair.databases.embedded import find_binaries
from sqlpair.databases.postgresql.split import split
from sqlpair.errors import SqlFileError
from sqlpair.project.statement import Role, Statement

PROGRAMS = find_binaries()
Psql: TypeAlias = Callable[[list[str]], list[list[str]]]

# psql reads line by line, and so overlooks that E'a' goes on after a line feed; the
# server and this splitter do not. A carriage return is a line end to all three.
CODE = [
    *";;;;;'\"$()/*-x1é \r\t_&@",
    *("--", "/*", "*/", "-- c;\r", "/* ; */", "/*/", "/**/", "''", "it's", "\r\r"),
    *("E'", "e'\\'", " U&'", 'u&"', " N'", " B'", "1e'", "xE'", "'\r'", "'--\r'"),
    *("E'a'\r'\\'", "E'a' -- '\r\r'", "E''''", "\\'", "\\\\'"),
    *("$$", "$a$", "$b$", "$1", "$1$", "a$a$", "$é$", "$a", "(;)", "((", "))"),
    *(" select 1", " case ", " end ", " begin atomic ", "begin", " or "),
]
ROUTINE = [
    " create function f() ",
    "; create or replace procedure p() ",
    "; create/* ; */or -- ;\n replace function f()",
    " begin atomic ",
    "\nBEGIN/**/Atomic ",
    *(" case ", " end ", " End;", " select case when a then b end", "endx", "case$"),
    *(";;;;'\"$()", " (;case)", "\n", "-- end\n", "/* begin */", "x", "$$", "E'"),
]
PSQL = settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)


def scripts(pieces: list[str]) -> st.SearchStrategy[list[str]]:
    one = st.lists(st.sampled_from(pieces), max_size=25).map("".join)
    return st.lists(one, min_size=10, max_size=40)


@pytest.fixture
def psql(postgres: str, tmp_path: Path) -> Psql:
    """What psql sends to the server for each of several files."""

    def run(scripts: list[str]) -> list[list[str]]:
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        command = [PROGRAMS / "psql", "-XqL", log, "-d", postgres]
        for number, script in enumerate(scripts):
            path = tmp_path / f"{number}.sql"
            path.write_bytes(script.encode())
            command += ["-f", path, "-c", "select 'next file'"]
        subprocess.run(command, check=False, capture_output=True)
        queries = re.findall(
            r"^/\*{8} QUERY \*{9}/\n(.*?)\n/\*{24}/$",
            log.read_bytes().decode(),
            re.DOTALL | re.MULTILINE,
        )
        files: list[list[str]] = [[]]
        for query in queries:
            if query == "select 'next file'":
                files.append([])
            else:
                files[-1].append(query)
        assert len(files) == len(scripts) + 1
        return files[:-1]

    return run


def held_against_psql(scripts: list[str], psql: Psql) -> None:
    cuts: dict[str, tuple[list[Statement], bool]] = {}
    for script in scripts:
        found: list[Statement] = []
        refused = False
        try:
            found.extend(split(script))
        except SqlFileError as error:
            if "psql" in error.what:
                continue
            refused = True
        cuts[script] = found, refused
    for (script, (statements, refused)), sent in zip(
        cuts.items(), psql(list(cuts)), strict=True
    ):
        # psql sends what holds nothing but a comment, too.
        queries = [query for query in sent if gap(query) < len(query)]
        if refused:
            assert len(statements) < len(queries), script
        else:
            assert len(statements) == len(queries), script
        for statement, query in zip(statements, queries, strict=False):
            # psql leaves blank lines out; only a last statement has comments after it.
            text, whole = squeeze(statement.text), squeeze(query[gap(query) :])
            rest = whole.removeprefix(text)
            assert whole == text + rest, script
            assert rest[:2] in {"", "--", "/*"}, script
            assert script.startswith(statement.text, statement.offset)
            assert statement.line == script.count("\n", 0, statement.offset) + 1


def begins_with_words(script: str) -> bool:
    """Whether each statement begins as SQL does.

    psql looks for CREATE FUNCTION past quotes and signs too, where SQL has none.
    """
    end = 0
    try:
        for statement in split(script):
            end = statement.offset + len(statement.text)
            if not statement.words:
                return False
    except SqlFileError:
        pass
    rest = script[gap(script, end) :]
    return re.match(r"(?i)(?!e')[a-z]|$", rest) is not None


def squeeze(text: str) -> str:
    return re.sub(r"\s+", "", text)


def gap(text: str, position: int = 0) -> int:
    """Past white space, comments and empty statements, sign by sign."""
    while position < len(text):
        if text[position] in "; \t\r\n\f\v":
            position += 1
        elif text.startswith("--", position):
            while position < len(text) and text[position] not in "\r\n":
                position += 1
        elif text.startswith("/*", position) and (end := comment_end(text, position)):
            position = end
        else:
            break
    return position


def comment_end(text: str, position: int) -> int | None:
    depth = 0
    while position < len(text) - 1:
        pair = text[position : position + 2]
        depth += {"/*": 1, "*/": -1}.get(pair, 0)
        position += 2 if pair in {"/*", "*/"} else 1
        if depth == 0:
            return position
    return None


@PSQL
@given(scripts(CODE))
def test_cuts_are_those_of_psql(psql: Psql, scripts: list[str]) -> None:
    held_against_psql(scripts, psql)


@PSQL
@given(scripts(ROUTINE))
def test_cuts_in_routines_are_those_of_psql(psql: Psql, scripts: list[str]) -> None:
    held_against_psql([*filter(begins_with_words, scripts)], psql)


def only(text: str) -> Statement:
    (statement,) = split(text)
    return statement


def test_statements_one_by_one_make_what_psql_makes(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    by_psql, by_us = new_database(), new_database()
    script = tmp_path / "script.sql"
    script.write_text(TRICKY)
    psql = [PROGRAMS / "psql", "-Xqd", by_psql, "-v", "ON_ERROR_STOP=1", "-f", script]
    subprocess.run(psql, check=True, capture_output=True)
    execute(by_us, *(statement.text for statement in split(TRICKY)))

    made = comparable(by_us, "--inserts")
    assert made == comparable(by_psql, "--inserts")
    assert sum(line.startswith("INSERT") for line in made) == 7


def execute(dsn: str, *statements: str) -> None:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


TRICKY = r"""-- a ; comment /* not a comment
CREATE TABLE t (id int, j text, "odd;""name" text, p int); /* a /* nested ; */ ; */
INSERT INTO t VALUES (1, '{"a": "%s ? :x ;"}', 'it''s; -- no', 10 % 3);;
INSERT INTO t VALUES (2, E'\'; \\', U&'\0441;', 7), (3, E'a'
  'b;' -- continued
  '', $$;'$$, 8);
CREATE FUNCTION tick() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
  NEW.j := $$a;$$ || '%' || E'\n'; -- $fn;
  RETURN NEW;
END $fn$;
CREATE TRIGGER tick BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION tick();
UPDATE t SET p = p - -1 WHERE id=1;
CREATE RULE r AS ON DELETE TO t DO ALSO (
  INSERT INTO t (id, j) VALUES (4, 'ruled;'); INSERT INTO t (id) VALUES (5));
DELETE FROM t WHERE id = 3;
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql
BEGIN ATOMIC
  SELECT 1; -- end;
  SELECT CASE WHEN n > 0 THEN n * 2 ELSE 0 END AS "end;";
END;
CREATE OR REPLACE /* ; */ PROCEDURE add(a int, "case" text)
BEGIN ATOMIC INSERT INTO t (id, j) VALUES (a, "case"); END; CALL add(6, 'x;y');
DO $do$ BEGIN EXECUTE 'INSERT INTO t (id) VALUES (7)'; END $do$;
PREPARE q AS SELECT $1::text || $2; EXECUTE q('a;', 'b');
INSERT INTO t (id, j) SELECT 8, a$b FROM (SELECT '$b$;' AS a$b) AS s /* the end */
"""


def test_letters_behind_a_number_open_no_string_of_their_own() -> None:
    first, second = split("SELECT 1e'\\'; SELECT 2")

    assert (first.text, second.text) == ("SELECT 1e'\\';", "SELECT 2")


def test_a_string_goes_on_after_a_line_end_as_the_server_reads_it(
    server: str,
) -> None:
    (statement,) = split("SELECT E'a' -- b\n  '\\';' || 'c'\n'\\'")
    connection = psycopg2.connect(server)
    with connection.cursor() as cursor:
        cursor.execute(statement.text)
        assert cursor.fetchall() == [("a';c\\",)]
    connection.close()


def test_a_statement_knows_its_place_and_its_first_words() -> None:
    first, second = split("\n-- a\n/* ; */ create/**/Or -- b\nreplace\n view v as;\n x")
    assert (first.line, first.offset) == (3, 14)
    assert first.text.startswith("create/**/Or")
    assert first.words == ("CREATE", "OR", "REPLACE", "VIEW")
    assert (second.line, second.text) == (6, "x")
    assert only("insert into t values (1)").words == ("INSERT", "INTO", "T", "VALUES")
    assert only("(select 1)").words == ()


OFF = "SET standard_conforming_strings = off"


@pytest.mark.parametrize("script", ["", " \n\t", ";;", "-- c", "/* /* */ */;\n--\r;"])
def test_blank_pieces_and_comments_are_no_statements(script: str) -> None:
    assert list(split(script)) == []


@pytest.mark.parametrize(
    ("script", "line", "words"),
    [
        ("select 1;\nselect 'a\n;", 2, "string"),
        ("select 1;\nselect E'a\\';", 2, "string"),
        ("select E'a'\n'b\\';", 1, "string"),
        ("select 1,\n$a$ ; $b$", 2, r"\$a\$ string"),
        ('select 1;\n\nselect "a', 3, "identifier"),
        ("select 1;\n/* a /* */\n;", 2, "comment"),
        ("select 1 /* a", 1, "comment"),
        ("select\n(1;\nselect (2);", 2, "parenthesis"),
        ("create function f() returns int\nbegin atomic\nselect 1;", 2, "END"),
        ("select 1;\n\\connect other", 2, "psql command"),
        ("\\restrict\nselect 1;", 1, "psql command"),
        ("\\restricted a\nselect 1;", 1, "psql command"),
        ("select 1 \\restrict a\n;", 1, "psql command"),
        ("select 1 \\gset\n", 1, "psql command"),
        ("select 1 \\; select 2;", 1, "psql command"),
        ("select 1;\nCOPY t FROM stdin;\n1\t'a\n", 2, "without rows that end"),
        ("COPY t FROM stdin;\n1\n \\.\n", 1, "without rows that end"),
        ("COPY t FROM stdin; select 1;\n1\n\\.\n", 1, "without rows that end"),
        ('copy "x" (a, b) /**/ from\nSTDIN with csv;', 1, "COPY"),
        ("copy (select 1) to stdout;", 1, "COPY"),
        (f"{OFF};\nselect 'it\\'s; so';", 2, "standard_conforming_strings"),
        (f"{OFF};\nselect 'a', 'b\\\\c';", 2, "standard_conforming_strings"),
        ("set local standard_conforming_strings to 'off';\n\nselect '\\d';", 3, "SET"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_line(
    script: str, line: int, words: str
) -> None:
    with pytest.raises(SqlFileError, match=words) as caught:
        list(split(script))
    assert caught.value.line == line
    assert caught.value.evidence[0].startswith(f"{line} | ")
    assert caught.value.remedy


@pytest.mark.parametrize(
    "script",
    [
        "copy t from '/x';",
        "copy (select * from stdin) to '/x';",
        "copy t from program 'cat' -- from stdin",
        "select '\\', E'\\\\', $$\\d$$ /* \\d */ -- \\d",
    ],
)
def test_what_only_looks_like_psql_passes(script: str) -> None:
    assert only(script)


@pytest.mark.parametrize(
    "script",
    [
        "select 'a;''b;', \"c;\"\"d;\", U&'\\0441;', U&\"d;\", B'1;', X'f;', N'n;';",
        "select e'\\';', E'a''\\\\', E'\\\\' ';';",
        "select '\\';",
        "select $$;'$$, $a$;$b$;$$;$a$, $é1$;$é1$;",
        "select a$x$, $1, $2;",
        "select a$b$, é$é$, _1$1$;",
        "select 1 /* ; /* ; */ ' ; */ - - 2 -- ;\n;",
        "select a+-/**/b, a/-b, c->>'d;', e::text, f[1:2];",
        "create rule r as on insert to t do also (select 1; select (2); select 3);",
    ],
)
def test_no_semicolon_inside_anything_cuts(script: str) -> None:
    first, second = split(f"{script}\nselect 2")
    assert (first.text, second.text) == (script, "select 2")


def test_the_rows_of_a_copy_are_below_it_up_to_a_backslash_and_a_dot() -> None:
    copy, empty, last = split(
        'COPY public.t (a, "b;") FROM stdin; -- two\n'
        "1\t'a;\n\\N\t$$\\.\n\\.\n\n"
        "copy t from\nSTDIN with (format csv);\r\n\\.\r\n"
        "select 3"
    )
    assert (copy.line, copy.text) == (1, 'COPY public.t (a, "b;") FROM stdin;')
    assert copy.rows == " -- two\n1\t'a;\n\\N\t$$\\.\n"
    assert (empty.line, empty.rows) == (6, "\r\n")
    assert (last.line, last.text, last.rows) == (9, "select 3", "")


def test_restrict_lines_of_pg_dump_are_passed_over() -> None:
    script = "--\n-- dump\n--\n\n\\restrict x9Y\n\nselect 1;\n\n\\unrestrict x9Y\n\n"
    assert [(s.line, s.text) for s in split(script)] == [(7, "select 1;")]


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        ("\\i more.sql", "a migration of its own"),
        ("\\ir more.sql", "a migration of its own"),
        ("\\copy t from x.csv", "COPY … FROM stdin"),
        ("\\connect other", "folder"),
        ("\\set role 'app'", "write the value"),
        ("select 1 \\gset", "write the value"),
        ("select 'x' \\gexec", "EXECUTE format"),
        ("\\echo done", "RAISE NOTICE"),
        ("\\if :x", "IF"),
        ("\\pset pager off", "what psql shows"),
        ("\\dt+ *.*", "what psql shows"),
        ("\\! rm -rf x", "runs no program"),
        ("\\frobnicate", "without psql"),
        ("\\", "without psql"),
    ],
)
def test_each_psql_command_has_its_own_next_move(command: str, remedy: str) -> None:
    with pytest.raises(SqlFileError, match="psql command") as caught:
        list(split(f"select 1;\n{command}\n"))
    assert caught.value.line == 2
    assert remedy in caught.value.remedy


def test_backslashes_that_escape_in_no_setting_pass_behind_one() -> None:
    rest = "select E'a\\'', $$ \\d $$, $x$ '\\' $x$, \"'\\\" -- '\\\n, 'b';"
    assert len([*split(f"{OFF};\n{rest}")]) == 2
    assert len([*split("SET standard_conforming_strings = on; select '\\d';")]) == 2


def test_an_end_in_parentheses_ends_no_body() -> None:
    body = "BEGIN ATOMIC SELECT (SELECT 1 AS end); SELECT 2; END;"
    first, second = split(f"CREATE FUNCTION f(a int) RETURNS int {body} SELECT 3;")
    assert first.text.endswith(body)
    assert second.text == "SELECT 3;"


def test_a_function_may_be_named_begin() -> None:
    first, second = split("create function begin() returns int return 1; select 2")
    assert (first.role, second.text) == (Role.ORDINARY, "select 2")


@pytest.mark.parametrize(
    ("script", "role", "title"),
    [
        ("begin", Role.BEGIN, "BEGIN"),
        ("Begin /* ; */ Work;", Role.BEGIN, "BEGIN"),
        ("start transaction;", Role.BEGIN, "START TRANSACTION"),
        ("begin isolation level serializable;", Role.CONTROL, "BEGIN"),
        ("start transaction read only;", Role.CONTROL, "START TRANSACTION"),
        ("commit", Role.COMMIT, "COMMIT"),
        ("end transaction;", Role.COMMIT, "END TRANSACTION"),
        ("commit and no chain;", Role.COMMIT, "COMMIT"),
        ("commit and chain;", Role.CONTROL, "COMMIT"),
        ("commit prepared 'x';", Role.CONTROL, "COMMIT PREPARED"),
        ("rollback;", Role.CONTROL, "ROLLBACK"),
        ("rollback prepared 'x';", Role.CONTROL, "ROLLBACK PREPARED"),
        ("abort;", Role.CONTROL, "ABORT"),
        ("savepoint x;", Role.CONTROL, "SAVEPOINT"),
        ("release savepoint x;", Role.CONTROL, "RELEASE"),
        ("prepare transaction 'x';", Role.CONTROL, "PREPARE TRANSACTION"),
        ("prepare/* /* */ */ transaction 'x';", Role.CONTROL, "PREPARE TRANSACTION"),
        (
            "prepare -- a\n/*/**/*/ --b\n transaction;",
            Role.CONTROL,
            "PREPARE TRANSACTION",
        ),
        ("prepare q as select 1;", Role.ORDINARY, ""),
        ('"commit";', Role.ORDINARY, ""),
        ("insert into t values ('; commit;');", Role.ORDINARY, ""),
    ],
)
def test_transaction_control_is_told_apart(script: str, role: Role, title: str) -> None:
    statement = only(script)
    assert (statement.role, statement.title) == (role, title)


OUTSIDE = [
    ("vacuum;", "VACUUM"),
    ("vacuum (analyze) t;", "VACUUM"),
    ("create database x;", "CREATE DATABASE"),
    ("drop database if exists x;", "DROP DATABASE"),
    ('alter database "x" set tablespace y;', "ALTER DATABASE … SET TABLESPACE"),
    ("create tablespace x location '/x';", "CREATE TABLESPACE"),
    ("drop tablespace if exists x;", "DROP TABLESPACE"),
    ("alter system set work_mem = '1MB';", "ALTER SYSTEM"),
    ("discard all;", "DISCARD ALL"),
    ("cluster;", "CLUSTER of every table"),
    ("cluster (verbose);", "CLUSTER of every table"),
    ("repack;", "REPACK of every table"),
    ("repack (verbose) using index;", "REPACK of every table"),
    ("repack (verbose, concurrently) t;", "REPACK CONCURRENTLY"),
    ("repack (analyze) t;", "REPACK CONCURRENTLY"),
    ("create index/**/concurrently on t (a);", "CREATE INDEX CONCURRENTLY"),
    ("create unique index concurrently i on t (a);", "CREATE INDEX CONCURRENTLY"),
    ("drop index concurrently i;", "DROP INDEX CONCURRENTLY"),
    ("reindex index concurrently i;", "REINDEX CONCURRENTLY"),
    ("reindex (verbose) table concurrently t;", "REINDEX CONCURRENTLY"),
    ("reindex (verbose, concurrently) table t;", "REINDEX CONCURRENTLY"),
    ("reindex schema public;", "REINDEX of more than a table"),
    ("reindex (verbose) database;", "REINDEX of more than a table"),
    (
        'alter table "p" detach partition q concurrently;',
        "DETACH PARTITION CONCURRENTLY",
    ),
    (
        "create subscription s connection 'x' publication p;",
        "CREATE SUBSCRIPTION with a slot",
    ),
]
# Older servers cannot read it.
NEWER = ("cluster (verbose);", "reindex (verbose) database;", "repack")
ENDING = [
    "do $$ begin commit; end $$;",
    "do language plpgsql $x$begin\nfor i in 1..2 loop\n  commit; end loop; end $x$;",
    "do $$ begin perform 1;\n--\nrollback and chain; end $$;",
    "do $$ begin if true then /**/ commit; end if; end $$;",
]


@pytest.mark.parametrize(("script", "title"), OUTSIDE)
def test_the_server_refuses_in_a_transaction_what_is_marked_outside(
    script: str, title: str, server: str
) -> None:
    statement = only(script)
    assert (statement.role, statement.title) == (Role.OUTSIDE, title)
    refused = refusal(server, script)
    unread = script.startswith(NEWER) and "syntax" in refused
    assert "transaction block" in refused or unread


@pytest.mark.parametrize("script", ENDING)
def test_the_server_refuses_in_a_transaction_a_block_that_ends_it(
    script: str, server: str
) -> None:
    statement = only(script)
    assert (statement.role, statement.title) == (
        Role.OUTSIDE,
        "DO with COMMIT or ROLLBACK",
    )
    assert "invalid transaction termination" in refusal(server, script)


@pytest.mark.parametrize(
    "script",
    [
        "analyze t;",
        "do $$ begin perform 'a; commit;'; /* ; commit; */ end $$;",
        "do $$ begin execute $q$ select 1; commit; $q$; end $$;",
        "do $$ begin perform 1 as commit; end $$;",
        "cluster t using i;",
        "repack t using index i;",
        "repack (verbose, concurrently off) t;",
        "create index concurrently_ on t (a);",
        'create index "concurrently" on t (a); -- concurrently',
        "reindex table t;",
        "reindex (concurrently false) table t;",
        "reindex table system;",
        "refresh materialized view concurrently m;",
        "alter table p detach partition q;",
        "create subscription s connection 'x' publication p with (connect = false);",
        "alter type e add value 'x';",
        "alter database x set work_mem = '1MB';",
        "comment on table t is 'vacuum';",
    ],
)
def test_the_server_takes_in_a_transaction_what_is_not(
    script: str, server: str
) -> None:
    assert only(script).role is Role.ORDINARY
    assert "transaction block" not in refusal(server, script)


def refusal(server: str, script: str) -> str:
    """What the server says against a statement in a transaction."""
    connection = psycopg2.connect(server)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.execute(script)
    except psycopg2.Error as error:
        return str(error)
    finally:
        connection.close()
    return ""
