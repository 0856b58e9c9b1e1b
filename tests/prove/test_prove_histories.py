"""sqlpair prove on histories: correct migrations pass, wrong ones stop nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from conftest import Project, connected
from sqlpair import progress
from sqlpair.project.branches import branches
from sqlpair.prove import record
from sqlpair.prove.proof import Selection
from sqlpair.prove.proof import prove as prove_all
from sqlpair.prove.trial import Reason
from test_prove import MINIATURES, nobody, prove, write

Pairs = dict[str, tuple[str, str]]


def proved(project: Project, database: str) -> dict[str, bool]:
    return {stem: v.proved for stem, v in prove(project, database).items()}


def seed(project: Project, database: str, text: str) -> None:
    (project.root / "sql" / database / "seed.sql").write_text(text)


# -- correct migrations -------------------------------------------------------------

ROLES = ("prove_test_app", "prove_test_reader", "prove_test_do")
PRIVILEGES: Pairs = {
    "001_roles": (
        "CREATE ROLE prove_test_app;\nCREATE ROLE prove_test_reader;\n"
        "GRANT prove_test_reader TO prove_test_app;\n",
        "DROP ROLE prove_test_reader;\nDROP ROLE prove_test_app;\n",
    ),
    "002_role_in_a_block": (
        "DO $$ BEGIN CREATE ROLE prove_test_do; END $$;\n",
        "DROP ROLE prove_test_do;\n",
    ),
    "003_default_privileges": (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO prove_test_reader;\n",
        "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM prove_test_reader;\n",
    ),
    "004_table": (
        "CREATE TABLE t (id int PRIMARY KEY, a text);\nGRANT INSERT ON t TO PUBLIC;\n",
        "DROP TABLE t;\n",
    ),
    "005_owner": (
        "ALTER TABLE t OWNER TO prove_test_app;\n",
        "ALTER TABLE t OWNER TO CURRENT_USER;\n",
    ),
    "006_grant": (
        "GRANT SELECT (a) ON t TO prove_test_do;\n",
        "REVOKE SELECT (a) ON t FROM prove_test_do;\n",
    ),
    "007_column": ("ALTER TABLE t ADD b int;\n", "ALTER TABLE t DROP b;\n"),
}


@pytest.fixture
def no_roles(server: str) -> Iterator[None]:
    yield
    with connected(server) as execute:
        for role in ROLES:
            execute(f"DROP ROLE IF EXISTS {role}")


def test_roles_owners_and_privileges_are_named_as_not_compared(
    project: Project, server: str, no_roles: None
) -> None:
    write(project, "postgres", PRIVILEGES)

    for _ in range(2):  # what the first proof made on the server is gone
        verdicts = prove(project, "postgres")
        assert [v.problems for v in verdicts.values()] == [()] * len(PRIVILEGES)

    without_effect = [stem for stem, v in verdicts.items() if not v.effect]
    assert without_effect == [
        "001_roles",
        "002_role_in_a_block",
        "003_default_privileges",
        "005_owner",
        "006_grant",
    ]
    assert verdicts["001_roles"].notes == ("not compared: privileges, roles",)
    assert verdicts["005_owner"].notes == ("not compared: owners",)
    assert verdicts["007_column"].notes == ()
    with connected(server) as execute:
        left = execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^prove_test_'")
    assert left == []


def test_statements_of_a_proof_count_as_statements_and_not_as_migrations(
    project: Project,
) -> None:
    write(project, "postgres", {"001_t": ("CREATE TABLE t (a int);", "DROP TABLE t;")})

    with progress.watched(), progress.task("outer", 1, "migration") as outer:
        prove(project, "postgres")

    assert outer.done == 0


def test_a_rollback_that_drops_what_is_not_there_is_told_of_no_extension(
    project: Project,
) -> None:
    pairs = {"001_t": ("CREATE TABLE t (a int);", "DROP TABLE t;\nDROP INDEX i;")}
    write(project, "postgres", pairs)

    (problem,) = prove(project, "postgres")["001_t"].problems

    assert 'index "i" does not exist' in problem
    assert "EXTENSION" not in problem


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_a_row_that_a_trigger_changes_where_another_is_added_is_not_missing(
    project: Project, database: str
) -> None:
    body = "UPDATE parent SET children = coalesce(children, 0) + 1"
    trigger = f"CREATE TRIGGER t AFTER INSERT ON child BEGIN {body}; END;\n"
    if database == "postgres":
        trigger = (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {body}; RETURN new; END $$;\n"
            "CREATE TRIGGER t AFTER INSERT ON child FOR EACH ROW EXECUTE FUNCTION f();"
        )
    undone = "DROP TABLE child;\nDROP TABLE parent;\n"
    if database == "postgres":
        undone = "DROP TABLE child;\nDROP FUNCTION f();\nDROP TABLE parent;\n"
    made = "CREATE TABLE parent (id integer PRIMARY KEY, children integer);\n"
    made += "CREATE TABLE child (id integer PRIMARY KEY, parent integer NOT NULL"
    made += " REFERENCES parent (id));\n"
    pairs = {
        "001_made": (made + trigger, undone),
        "002_other": ("CREATE TABLE other (id integer);", "DROP TABLE other;"),
        "003_lost": (
            "CREATE TABLE more (id integer);",
            "DELETE FROM child WHERE EXISTS (SELECT * FROM more);\n"
            "DELETE FROM parent WHERE EXISTS (SELECT * FROM more);\n"
            "DROP TABLE more;\n",
        ),
    }
    write(project, database, pairs)

    verdicts = prove(project, database)

    assert verdicts["001_made"].problems == ()
    assert verdicts["002_other"].problems == ()
    lost = verdicts["003_lost"].problems
    assert any(re.search(r"parent.*: 3 of 3 rows are missing", line) for line in lost)


def test_a_materialized_view_is_proved_and_so_is_what_comes_beside_it(
    project: Project,
) -> None:
    pairs = {
        "001_t": ("CREATE TABLE t (a text);", "DROP TABLE t;"),
        "002_views": (
            "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM t;\n"
            "CREATE MATERIALIZED VIEW empty AS SELECT 1 AS a WITH NO DATA;\n",
            "DROP MATERIALIZED VIEW empty;\nDROP MATERIALIZED VIEW counted;\n",
        ),
        "003_u": ("CREATE TABLE u (a text);", "DROP TABLE u;"),
        "004_again": (
            "DROP MATERIALIZED VIEW counted;\n"
            "CREATE MATERIALIZED VIEW counted AS SELECT max(a) FROM t;\n",
            "DROP MATERIALIZED VIEW counted;\n"
            "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM t;\n",
        ),
        "005_forgotten": (
            "CREATE MATERIALIZED VIEW left_over AS SELECT 1 AS a;",
            "-- nothing",
        ),
    }
    write(project, "postgres", pairs)

    verdicts = prove(project, "postgres")

    assert [v.problems for v in verdicts.values()][:4] == [()] * 4
    assert verdicts["005_forgotten"].problems[0] == (
        "down: materialized view left_over was added"
    )


VIRTUAL = {
    "external content": (
        "CREATE VIRTUAL TABLE found USING fts5(body, content='docs');\n"
        "CREATE TRIGGER docs_added AFTER INSERT ON docs BEGIN\n"
        "    INSERT INTO found (rowid, body) VALUES (new.id, new.body);\nEND;\n"
        "CREATE TRIGGER docs_gone AFTER DELETE ON docs BEGIN\n"
        "    INSERT INTO found (found, rowid, body)"
        " VALUES ('delete', old.id, old.body);\nEND;\n"
        "INSERT INTO found (found) VALUES ('rebuild');\n",
        "DROP TRIGGER docs_gone;\nDROP TRIGGER docs_added;\nDROP TABLE found;\n",
    ),
    "own content": (
        "CREATE VIRTUAL TABLE found USING fts5(a, b);\n"
        "INSERT INTO found VALUES ('one', 'two');\n",
        "DROP TABLE found;\n",
    ),
    "no content": (
        "CREATE VIRTUAL TABLE found USING fts5(a, content='');\n",
        "DROP TABLE found;\n",
    ),
    "version 4": (
        "CREATE VIRTUAL TABLE found USING fts4(a);\n",
        "DROP TABLE found;\n",
    ),
    "rtree": (
        "CREATE VIRTUAL TABLE found USING rtree(id, low, high);\n"
        "INSERT INTO found VALUES (1, 0, 2);\n",
        "DROP TABLE found;\n",
    ),
}


@pytest.mark.parametrize("kind", VIRTUAL)
def test_a_virtual_table_is_proved_and_so_is_what_comes_above_it(
    project: Project, kind: str
) -> None:
    docs = "CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT NOT NULL);"
    project.add("sqlite", "001_docs", docs, "DROP TABLE docs;")
    project.add("sqlite", "002_found", *VIRTUAL[kind])
    project.add("sqlite", "003_t", "CREATE TABLE t (a TEXT);", "DROP TABLE t;")

    verdicts = prove(project, "sqlite")

    assert [v.problems for v in verdicts.values()] == [(), (), ()]


KEYS = {
    "postgres": [
        "serial PRIMARY KEY",
        "int GENERATED ALWAYS AS IDENTITY UNIQUE",
        "smallint PRIMARY KEY",
    ],
    "sqlite": [
        "INTEGER PRIMARY KEY",
        "INTEGER PRIMARY KEY AUTOINCREMENT",
        "INT UNIQUE",
    ],
}


@pytest.mark.parametrize("database", KEYS)
def test_rows_that_migrations_insert_themselves_do_not_collide_with_generated_ones(
    project: Project, database: str
) -> None:
    overriding = "OVERRIDING SYSTEM VALUE " if database == "postgres" else ""
    values = ", ".join(f"({number}, 'own')" for number in range(1, 101))
    for number, key in enumerate(KEYS[database]):
        name = f"kinds{number}"
        make = f"CREATE TABLE {name} (id {key}, name text);"
        project.add(database, f"{2 * number + 1:03}_make", make, f"DROP TABLE {name};")
        project.add(
            database,
            f"{2 * number + 2:03}_rows",
            f"INSERT INTO {name} (id, name) {overriding}VALUES {values};",
            f"DELETE FROM {name} WHERE id <= 100;",
        )

    verdicts = prove(project, database)

    assert [v.problems for v in verdicts.values()] == [()] * 6


ODD = ["a'b", 'a"b', "a b", "a%b", "Order", "select", "ü", "a\\b", "a--b", "a;b", "{a}"]


@pytest.mark.parametrize("database", MINIATURES)
def test_whatever_tables_and_columns_are_called_they_are_proved(
    project: Project, database: str
) -> None:
    for number, name in enumerate(ODD, start=1):
        table, child, key, data = (
            '"' + text.replace('"', '""') + '"'
            for text in (name, f"{name} child", f"{name} id", f"{name} json")
        )
        project.add(
            database,
            f"{number:03}_odd",
            f"CREATE TABLE {table} ({key} integer PRIMARY KEY,"
            f" {table} text NOT NULL UNIQUE, {data} json);\n"
            f"CREATE TABLE {child} ({table} integer CHECK ({table} > 0)"
            f" REFERENCES {table} ({key}) ON DELETE CASCADE);\n",
            f"DROP TABLE {child};\nDROP TABLE {table};\n",
        )

    verdicts = prove(project, database)

    assert [(v.problems, v.notes) for v in verdicts.values()] == [((), ())] * len(ODD)


def test_a_table_whose_trigger_rolls_everything_back_is_named_and_proved(
    project: Project,
) -> None:
    project.add(
        "sqlite",
        "001_t",
        "CREATE TABLE other (a TEXT);\nCREATE TABLE t (a TEXT);\n"
        "CREATE TRIGGER closed BEFORE INSERT ON t BEGIN"
        " SELECT RAISE(ROLLBACK, 'closed'); END;\n",
        "DROP TABLE t;\nDROP TABLE other;\n",
    )
    project.add("sqlite", "002_u", "CREATE TABLE u (a TEXT);", "DROP TABLE u;")

    verdicts = prove(project, "sqlite")

    assert [v.problems for v in verdicts.values()] == [(), ()]
    assert verdicts["001_t"].notes == ('"t" accepts no generated row: closed',)
    assert verdicts["002_u"].notes == ()  # said once
    assert verdicts["002_u"].rows == 7  # 3 in other and one more, 3 in u


def test_a_table_that_a_trigger_makes_for_a_row_is_not_the_rollbacks_fault(
    project: Project,
) -> None:
    pairs = {
        "001_teams": (
            "CREATE TABLE teams (id serial PRIMARY KEY);\n"
            "CREATE FUNCTION make_table() RETURNS trigger LANGUAGE plpgsql AS $$\n"
            "BEGIN EXECUTE format('CREATE TABLE team_%s (a int)', NEW.id);\n"
            "RETURN NEW; END $$;\n"
            "CREATE TRIGGER make_table AFTER INSERT ON teams\n"
            "    FOR EACH ROW EXECUTE FUNCTION make_table();\n",
            "DROP TABLE teams;\nDROP FUNCTION make_table();\n",
        ),
        "002_t": ("CREATE TABLE t (a int);", "DROP TABLE t;"),
        "003_forgets": ("CREATE TABLE u (a int);", "-- nothing"),
    }
    write(project, "postgres", pairs)

    verdicts = prove(project, "postgres")

    assert [v.reason for v in verdicts.values()] == [None, None, Reason.DOWN_DIFFERS]


# -- rows that a migration does not accept ------------------------------------------


@pytest.mark.parametrize("database", MINIATURES)
def test_a_migration_that_fails_on_generated_rows_names_the_seed_that_proves_it(
    project: Project, database: str
) -> None:
    project.add(database, "001_t", "CREATE TABLE t (a text);", "DROP TABLE t;")
    project.add(
        database,
        "002_strict",
        "CREATE TABLE s (a text NOT NULL);\nINSERT INTO s SELECT a FROM t;\n",
        "DROP TABLE s;\n",
    )
    project.add(database, "003_u", "CREATE TABLE u (a text);", "DROP TABLE u;")

    verdicts = prove(project, database)

    assert [v.proved for v in verdicts.values()] == [True, False, True]
    strict = verdicts["002_strict"]
    assert strict.reason is Reason.UP_ON_ROWS
    assert len(strict.problems) == 1  # all else was tried, and is in order
    assert strict.problems[0].startswith("up, on generated rows: ")
    printed = project.sqlpair("prove", database, expect=1).stdout
    assert f"Put rows that it accepts into sql/{database}/seed.sql." in printed

    seed(project, database, "INSERT INTO t VALUES ('own');\n")
    assert proved(project, database) == dict.fromkeys(verdicts, True)


@pytest.mark.parametrize("database", MINIATURES)
def test_what_fails_without_rows_is_not_told_to_want_other_rows(
    project: Project, database: str
) -> None:
    project.add(database, "001_t", "CREATE TABLE t (a text);", "DROP TABLE t;")
    project.add(database, "002_typo", "CREATE TABEL s (a text);", "-- nothing\n")
    (project.root / "sql" / database / "002_typo_rollback.sql").unlink()

    printed = project.sqlpair("prove", database, expect=1).stdout

    assert "up: " in printed
    assert "syntax error" in printed
    assert "rollback.sql: the file is missing" in printed
    assert "generated rows" not in printed
    assert "seed.sql" not in printed


def test_each_statement_of_the_seed_runs_at_the_first_version_it_fits(
    project: Project,
) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (a TEXT);", "DROP TABLE t;")
    project.add("sqlite", "002_u", "CREATE TABLE u (a TEXT);", "DROP TABLE u;")
    seed(
        project, "sqlite", "INSERT INTO t VALUES ('x');\nINSERT INTO u VALUES ('y');\n"
    )

    verdicts = prove(project, "sqlite")

    assert [v.problems for v in verdicts.values()] == [(), ()]
    assert [v.rows for v in verdicts.values()] == [1, 2]


# -- going on -----------------------------------------------------------------------

WRONG: dict[str, tuple[str, str, Reason]] = {
    "002_down_fails": ("CREATE TABLE b (a int);", "DROP TABLE nope;", Reason.DOWN),
    "003_down_forgets": (
        "CREATE TABLE c (a int);",
        "-- nothing",
        Reason.DOWN_DIFFERS,
    ),
    "004_up_fails": ("CREATE TABLE a (a int);", "-- nothing", Reason.UP),
    "005_unreadable": ("SELECT 'open;", "-- nothing", Reason.UP),
    "006_down_unreadable": ("CREATE TABLE d (a int);", "BEGIN;", Reason.FILES),
    "007_half_done": (
        "-- no-transaction\nCREATE TABLE e (a int);\nSELECT nope;\n",
        "-- nothing",
        Reason.UP,
    ),
}


@pytest.mark.parametrize("database", MINIATURES)
def test_whatever_fails_the_rest_is_tried(project: Project, database: str) -> None:
    project.add(database, "001_a", "CREATE TABLE a (a int);", "DROP TABLE a;")
    write(
        project, database, {stem: (up, down) for stem, (up, down, _) in WRONG.items()}
    )
    project.add(database, "008_one_way", "CREATE TABLE f (a int);")
    (project.root / "sql" / database / "008_one_way_rollback.sql").unlink()
    project.add(database, "009_last", "CREATE TABLE z (a int);", "DROP TABLE z;")

    verdicts = prove(project, database)

    reasons = {stem: verdict.reason for stem, verdict in verdicts.items()}
    assert reasons == {
        "001_a": None,
        **{stem: reason for stem, (_, _, reason) in WRONG.items()},
        "008_one_way": Reason.FILES,
        "009_last": None,
    }


def test_the_command_says_how_many_were_tried_and_why_some_are_not_proved(
    project: Project,
) -> None:
    project.add("sqlite", "001_a", "CREATE TABLE a (a int);", "DROP TABLE a;")
    project.add("sqlite", "002_b", "CREATE TABLE b (a int);", "DROP TABLE nope;")
    project.add("sqlite", "003_c", "CREATE TABLE c (a int);", "DROP TABLE nope;")
    project.add("sqlite", "004_d", "CREATE TABLE d (a int);", "-- nothing")
    project.add("sqlite", "005_e", "-- nothing", "-- nothing")

    printed = project.sqlpair("prove", expect=1).stdout

    assert printed.partition("\n\n")[2] == (
        "Proved: 2 migrations, up, down and up on rows.\n"
        "  1 of them changes neither the schema nor a row\n"
        "Not proved: 3 of 5 migrations.\n"
        "  2  the rollback fails\n"
        "  1  the rollback does not restore the schema or the rows\n"
    )

    printed = project.sqlpair("prove", "--only", "2", "--json", expect=1).stdout
    (found,) = json.loads(printed)["migrations"]
    assert found["proved"] is False
    assert found["reason"] == "the rollback fails"


def test_a_migration_that_ends_its_connection_ends_nothing_else(
    project: Project,
) -> None:
    kill = "SELECT pg_terminate_backend(pg_backend_pid());"
    project.add("postgres", "001_t", "CREATE TABLE t (a int);", "DROP TABLE t;")
    project.add("postgres", "002_up", kill, "-- nothing")
    project.add("postgres", "003_down", "CREATE TABLE u (a int);", kill)
    project.add("postgres", "004_v", "CREATE TABLE v (a int);", "DROP TABLE v;")

    assert proved(project, "postgres") == {
        "001_t": True,
        "002_up": False,
        "003_down": False,
        "004_v": True,
    }


@pytest.mark.parametrize("database", MINIATURES)
def test_what_a_module_does_with_alembics_op_is_done_where_its_file_runs(
    project: Project, database: str
) -> None:
    stems = ["001_t", "002_u", "003_v"]
    for stem in stems:
        table = stem[-1]
        project.add(
            database, stem, f"CREATE TABLE {table} (a int);", f"DROP TABLE {table};"
        )
        module = project.root / "alembic" / "versions" / database / f"{stem}.py"
        module.write_text(
            f"from alembic import op\n{module.read_text()}\n_upgrade = upgrade\n\n\n"
            "def upgrade():\n    _upgrade()\n"
            f"    op.execute('INSERT INTO {table} VALUES (1)')\n"
        )

    assert proved(project, database) == dict.fromkeys(stems, True)


def test_a_backup_that_cannot_be_restored_is_the_fault_of_one_migration(
    project: Project,
) -> None:
    body = "SELECT x IS NULL OR EXISTS (SELECT FROM known WHERE known.x = $1)"
    pairs = {
        "001_known": ("CREATE TABLE known (x int);", "DROP TABLE known;"),
        "002_checked": (
            f"CREATE FUNCTION is_known(x int) RETURNS bool LANGUAGE sql AS '{body}';\n"
            "CREATE TABLE checked (x int CHECK (is_known(x)));\n"
            "INSERT INTO known VALUES (-1);\nINSERT INTO checked VALUES (-1);\n",
            "DROP TABLE checked;\nDROP FUNCTION is_known(int);\n"
            "DELETE FROM known WHERE x = -1;\n",
        ),
        "003_t": ("CREATE TABLE t (a int);", "DROP TABLE t;"),
        "004_forgets": ("CREATE TABLE u (a int);", "-- nothing"),
        "005_v": ("CREATE TABLE v (a int);", "DROP TABLE v;"),
    }
    write(project, "postgres", pairs)

    verdicts = prove(project, "postgres")

    assert [v.reason for v in verdicts.values()] == [
        None,
        Reason.RESTORE,
        None,
        Reason.DOWN_DIFFERS,
        None,
    ]


# -- declared losses ----------------------------------------------------------------

LOSSES = {
    "-- Rollback loses: the old notes.\n": "the old notes.",
    "/* Change notes.\n   Rollback loses: the old notes. */\n": "the old notes.",
    "-- Rollback loses: nothing but the old notes.\n": "nothing but the old notes.",
    "-- Rollback loses: nothing.\n": "",
    "-- Rollback loses: none\n": "",
    "-- Rollback loses:\n": "",
    "": "",
}


@pytest.mark.parametrize("header", LOSSES)
def test_rows_that_a_rollback_loses_are_accepted_where_its_header_says_so(
    project: Project, header: str
) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (note TEXT);", "DROP TABLE t;")
    project.add("sqlite", "002_lose", f"{header}UPDATE t SET note = 'x';", "-- no way")
    project.add("sqlite", "003_u", "CREATE TABLE u (a TEXT);", "DROP TABLE u;")

    verdicts = prove(project, "sqlite")

    lossy = verdicts["002_lose"]
    assert lossy.proved == bool(LOSSES[header])
    assert lossy.declared == LOSSES[header]
    told = lossy.losses or lossy.problems
    assert "3 of 3 rows have changed" in told[0]
    assert verdicts["003_u"].proved


def test_a_declared_loss_is_listed_and_excuses_no_schema(project: Project) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (a TEXT, b TEXT);", "DROP TABLE t;")
    header = "-- Drop b.\n-- Rollback loses: every b.\n"
    drop = f"{header}ALTER TABLE t DROP COLUMN b;"
    project.add("sqlite", "002_drop", drop, "ALTER TABLE t ADD COLUMN b TEXT;")

    printed = project.sqlpair("prove").stdout
    assert "  declared: Rollback loses: every b.\n    table" in printed
    assert "  1 of them with a rollback that loses what it declares\n" in printed

    project.add("sqlite", "002_drop", drop, "ALTER TABLE t ADD COLUMN b INT;")
    assert prove(project, "sqlite")["002_drop"].reason is Reason.DOWN_DIFFERS


# -- a selection --------------------------------------------------------------------


def test_only_and_since_select_by_number(project: Project) -> None:
    for number in range(1, 5):
        database = "postgres" if number % 2 else "sqlite"
        make = f"CREATE TABLE t{number} (a int);"
        project.add(database, f"{number:03}_t", make, f"DROP TABLE t{number};")
    seen: list[tuple[str, int, int]] = []

    def selected(selection: Selection) -> list[str]:
        found = prove_all(
            project.settings,
            [],
            nobody,
            nobody,
            selection=selection,
            watch=lambda *told: seen.append(told),
        )
        assert all(verdict.proved for verdict in found)
        return [f"{verdict.database} {verdict.migration}" for verdict in found]

    assert selected(Selection(since=3)) == ["postgres 003_t", "sqlite 004_t"]
    assert [told for told in seen if "building" not in told[0]] == [
        ("postgres 003_t", 0, 2),
        ("sqlite 004_t", 1, 2),
    ]
    assert selected(Selection(only=(1, 4))) == ["postgres 001_t", "sqlite 004_t"]

    printed = project.sqlpair("prove", "--only", "004").stdout
    assert "Tried: 1 of 4 migrations.\nProved: 1 migration, up" in printed
    for wrong in (("--only", "5"), ("--since", "5"), ("postgres", "--only", "2")):
        failure = project.sqlpair("prove", *wrong, expect=2)
        assert "no migration" in failure.stderr


def test_what_fails_on_the_rows_of_a_selection_below_is_applied_without_them(
    project: Project,
) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (a TEXT);", "DROP TABLE t;")
    strict = "CREATE TABLE s (a TEXT NOT NULL);\nINSERT INTO s SELECT a FROM t;\n"
    project.add("sqlite", "002_strict", strict, "DROP TABLE s;")
    project.add("sqlite", "003_s", "ALTER TABLE s ADD b TEXT;", "ALTER TABLE s DROP b;")

    found = prove_all(
        project.settings, ["sqlite"], nobody, nobody, selection=Selection(only=(1, 3))
    )

    assert [(v.migration, v.proved) for v in found] == [
        ("001_t", True),
        ("003_s", True),
    ]


def test_a_proof_is_recorded_for_its_own_database_only(project: Project) -> None:
    project.add("postgres", "001_same", "CREATE TABLE t (a int);", "DROP TABLE t;")
    project.add("sqlite", "001_same", "CREATE TABLE t (a int);", "-- nothing")

    prove_all(project.settings, [], nobody, nobody)

    recorded = {
        branch.name: record.proved(project.settings, branch.migrations[0]) is not None
        for branch in branches(project.settings)
    }
    assert recorded == {"postgres": True, "sqlite": False}


def test_a_record_that_cannot_be_written_is_said_and_fails_nothing(
    project: Project,
) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (a int);", "DROP TABLE t;")
    (project.root / "state" / "proved.json").mkdir(parents=True)

    done = project.sqlpair("prove", "sqlite")

    assert "What is proved could not be recorded: " in done.stderr
    assert "Proved: 1 migration," in done.stdout
