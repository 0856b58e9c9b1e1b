"""What the rules make of a whole history, and of SQL that is hard to read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sqlpair.databases.sqlite.affinity import affinity
from sqlpair.errors import SettingsError, UsageError
from sqlpair.lint import Finding
from sqlpair.lint.types import narrower

from .conftest import Linted

KEYS = (
    "CREATE TABLE users (id bigint PRIMARY KEY);\n"
    "CREATE TABLE keys (id bigint PRIMARY KEY,\n"
    "  user_id bigint REFERENCES users (id) ON DELETE CASCADE{});\n"
)
OWN = {"table-without-primary-key", "id-without-foreign-key"}


def rules(found: list[Finding]) -> list[tuple[str, str, int]]:
    return [(f.path.rpartition("/")[2], f.rule, f.line) for f in found]


@pytest.mark.parametrize(
    "more",
    [
        ", UNIQUE (user_id)",
        ", UNIQUE (user_id, id)",
        "); CREATE INDEX i ON keys (user_id DESC, id",
        "); CREATE INDEX i ON keys (user_id) WHERE (user_id IS NOT NULL",
    ],
)
def test_what_leads_with_the_column_is_an_index_for_it(
    linted: Linted, more: str
) -> None:
    assert linted({"sqlite/001_k.sql": KEYS.format(more)}) == []


@pytest.mark.parametrize("file", ["sqlite/001_k.sql", "postgres/001_k.sql"])
def test_constraints_with_quoted_names_are_read(linted: Linted, file: str) -> None:
    more = {
        "postgres": 'ALTER TABLE keys ADD CONSTRAINT "keys_user" FOREIGN KEY'
        ' ("user_id") REFERENCES users;\n'
    }
    found = linted(
        {
            file: 'CREATE TABLE users (id bigint, CONSTRAINT "users_pkey" PRIMARY KEY'
            ' (id));\nCREATE TABLE keys ("user_id" bigint, CONSTRAINT "k" PRIMARY KEY'
            ' ("user_id"));\n' + more.get(file.partition("/")[0], "")
        }
    )
    rule = "foreign-key-without-on-delete"
    expected = [("001_k.sql", rule, 3)] if file.startswith("postgres") else []
    assert [item for item in rules(found) if item[1] in (OWN | {rule})] == expected


@pytest.mark.parametrize(
    "more",
    [
        ", UNIQUE (id, user_id)",
        "); CREATE INDEX i ON keys (abs(user_id)",
        "); CREATE INDEX i ON keys (user_id) WHERE (id > 5",
    ],
)
def test_what_does_not_lead_with_it_is_none(linted: Linted, more: str) -> None:
    found = linted({"sqlite/001_k.sql": KEYS.format(more)})

    assert rules(found) == [("001_k.sql", "foreign-key-without-index", 3)]


def test_only_the_named_migrations_are_spoken_of_with_all_history_read(
    linted: Linted,
) -> None:
    files = {
        "sqlite/001_k.sql": KEYS.format(""),
        "sqlite/002_i.sql": "CREATE INDEX i ON keys (user_id);\n",
        "sqlite/003_r.sql": "ALTER TABLE keys RENAME TO kinds;\n",
        "sqlite/004_d.sql": "DROP INDEX i;\n",
    }

    assert rules(linted(files, only=("sqlite/003_r.sql",))) == [
        ("003_r.sql", "rename", 1)
    ]
    assert rules(linted(files, only=("sqlite/004_d.sql",))) == [
        ("004_d.sql", "foreign-key-without-index", 1)
    ]


def test_older_migrations_are_read_and_not_spoken_of(linted: Linted) -> None:
    files = {
        "sqlite/001_t.sql": "CREATE TABLE t (a TEXT);\n",
        "sqlite/002_r.sql": "ALTER TABLE t RENAME COLUMN a TO b;\n",
    }

    assert rules(linted(files, "since = 2")) == [("002_r.sql", "rename", 1)]


def test_a_rebuild_by_renaming_the_old_table_away_is_a_rebuild(linted: Linted) -> None:
    files = {
        "sqlite/001_t.sql": "CREATE TABLE t (id INT PRIMARY KEY, a TEXT, b TEXT);\n",
        "sqlite/002_r.sql": "ALTER TABLE t RENAME TO old;\n"
        "CREATE TABLE t (id INT PRIMARY KEY, a TEXT NOT NULL);\n"
        "INSERT INTO t SELECT id, a FROM old;\nDROP TABLE old;\n",
    }

    found = linted(files)

    assert rules(found) == [("002_r.sql", "drop", 4)]
    assert found[0].message.startswith("column t.b is dropped")


def test_a_table_that_other_programs_made_can_be_altered(linted: Linted) -> None:
    files = {
        "postgres/001_a.sql": "ALTER TABLE theirs ADD COLUMN note text NOT NULL;\n",
        "sqlite/002_b.sql": "ALTER TABLE theirs DROP COLUMN note;\n",
    }

    assert rules(linted(files)) == [
        ("001_a.sql", "not-null-without-default", 1),
        ("002_b.sql", "drop", 1),
    ]


def test_what_a_file_makes_for_itself_it_may_drop(linted: Linted) -> None:
    sql = (
        "CREATE TEMP TABLE kept (a);\nDROP TABLE temp.kept;\n"
        "CREATE TABLE scratch (id INTEGER PRIMARY KEY, a TEXT);\n"
        "ALTER TABLE scratch RENAME COLUMN a TO b;\nDROP TABLE scratch;\n"
    )

    assert linted({"sqlite/001_s.sql": sql}) == []


def test_triggers_and_functions_are_no_riddle(linted: Linted) -> None:
    sql = (
        "CREATE TABLE t (id bigint PRIMARY KEY);\n"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$\n"
        "BEGIN DROP TABLE x; RETURN NEW; END $$;\n"
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();\n"
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY;\n"
    )

    assert linted({"postgres/001_t.sql": sql}) == []


def test_a_statement_that_is_not_read_says_where_the_parser_stopped(
    linted: Linted,
) -> None:
    sql = "SELECT 1;\nCREATE TABLE t (a TEXT PRIMARY KEY ON CONFLICT IGNOR);\n"

    found = linted({"sqlite/001_t.sql": sql})

    assert rules(found) == [("001_t.sql", "unparsed", 2)]
    assert "IGNOR" in found[0].message


FORBIDDEN = "[tool.sqlpair.lint.forbidden-names]\n"


@pytest.mark.parametrize(
    ("name", "is_found"),
    [
        *(("deribit_key", True), ("deribitKey", True), ("DERIBIT", True)),
        *(("old_deribit", True), ("deribitkey", False), ("deribits", False)),
        *(("paper_trading", True), ("isPaperTrading", True), ("paper", False)),
        *(("trading_paper", False), ("dev_eui", False), ("is_live", False)),
    ],
)
def test_a_forbidden_word_is_a_whole_word_of_a_name(
    linted: Linted, name: str, is_found: bool
) -> None:
    sql = f"CREATE TABLE t (id INTEGER PRIMARY KEY, {name} BOOLEAN);\n"
    table = f'{FORBIDDEN}deribit = "one broker"\npaper_trading = "one environment"\n'

    found = linted({"sqlite/001_t.sql": sql}, table)

    assert [f.rule for f in found] == ["forbidden-name"] * is_found
    assert all("one " in f.message for f in found)


def test_no_word_is_forbidden_without_configuration(linted: Linted) -> None:
    sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, dev_eui TEXT, is_prod BOOLEAN);\n"

    assert linted({"sqlite/001_t.sql": sql}) == []


def test_a_new_name_by_a_rename_is_new_too(linted: Linted) -> None:
    files = {
        "sqlite/001_t.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY, thor TEXT);\n",
        "sqlite/002_r.sql": "ALTER TABLE t RENAME COLUMN thor TO razor;\n"
        "ALTER TABLE t RENAME TO razor_t;\n",
    }

    found = linted(files, f'{FORBIDDEN}razor = "one strategy"\n')

    assert [item for item in rules(found) if item[1] == "forbidden-name"] == [
        ("002_r.sql", "forbidden-name", 1),
        ("002_r.sql", "forbidden-name", 2),
    ]


def test_a_file_of_no_migration_is_misuse(linted: Linted, root: Path) -> None:
    with pytest.raises(UsageError, match="belongs to no migration"):
        linted({}, only=("sqlite/009_none.sql",))


@pytest.mark.parametrize(
    "setting",
    [
        *("nonsense = 1", 'filtered = "status"', "since = true", "main-branch = 1"),
        *("forbidden-names = ['razor']", "forbidden-names.razor = ''"),
        *("forbidden-names.razor = 1", "forbidden-names._ = 'why'"),
    ],
)
def test_a_setting_that_is_none_is_named(linted: Linted, setting: str) -> None:
    with pytest.raises(SettingsError, match=setting.partition(" ")[0].split(".")[0]):
        linted({}, setting)


@pytest.mark.parametrize(
    ("before", "after", "is_narrower"),
    [
        ("bigint", "integer", True),
        ("int", "bigint", False),
        ("varchar(50)", "varchar(20)", True),
        ("varchar(50)", "text", False),
        ("text", "uuid", True),
        ("uuid", "text", False),
        ("decimal(12, 2)", "decimal(12, 4)", True),
        ("decimal(12, 2)", "decimal(14, 2)", False),
        ("timestamptz", "date", True),
        ("double precision", "real", True),
        ("decimal", "int", True),
        ("mood", "spirits", False),
    ],
)
def test_which_type_is_narrower(before: str, after: str, is_narrower: bool) -> None:
    assert narrower(before, after) is is_narrower


@pytest.mark.parametrize(
    "declared",
    [
        *("", "INT", "UUID", "STRING", "DATETIME", "VARCHAR(20)", "CLOB", "BLOB"),
        *("JSON", "DOUBLE PRECISION", "FLOATING POINT", "BOOLEAN", "DECIMAL(9, 2)"),
        "CHARINT",
    ],
)
def test_affinity_is_what_sqlite_says_it_is(declared: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE t (a {declared})")
        connection.execute("INSERT INTO t VALUES ('1'), (1.5), (x'01'), ('1.0')")
        kinds = [k for (k,) in connection.execute("SELECT typeof(a) FROM t")]
    connection.close()
    stored = {
        "INTEGER": ["integer", "real", "blob", "integer"],
        "NUMERIC": ["integer", "real", "blob", "integer"],
        "REAL": ["real", "real", "blob", "real"],
        "TEXT": ["text", "text", "blob", "text"],
        "BLOB": ["text", "real", "blob", "text"],
    }

    assert kinds == stored[affinity(declared)]
