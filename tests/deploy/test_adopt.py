"""Adopt: which version a database without records is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from conftest import Project
from sqlpair.deploy import adopt
from sqlpair.errors import HistoryError, StatementError, UsageError
from sqlpair.project.migrations import find
from sqlpair.verify import recognise, verify
from sqlpair.verify.recognise import Found, Recognised, Unlike, Untouched

HERE = Path(__file__).parents[1]
OWN = ("alembic_version", "schema_version", "schema_history")
OLD_TRADES = "CREATE TABLE trades (id INTEGER PRIMARY KEY, symbol TEXT, qty REAL)"


def nothing(_line: str) -> None:
    pass


def examine(project: Project, *names: str) -> dict[str, Found]:
    found = recognise.examine(project.settings, nothing, names)
    return {item.branch.name: item for item in found}


def take(project: Project, *names: str, at: int | None = None) -> int:
    found = recognise.examine(project.settings, nothing, names)
    recognise.refuse_unlike(found)
    positions = adopt.choose(found, at)
    return adopt.adopt(project.settings, found, positions, nothing).version


def by_hand(project: Project, database: str, *stems: str) -> None:
    """Run SQL files outside the engine, as somebody did."""
    for stem in stems:
        text = (project.root / "sql" / database / f"{stem}.sql").read_text()
        if database == "postgres":
            project.pg(text)
        else:
            project.file.parent.mkdir(exist_ok=True)
            with sqlite3.connect(project.file) as raw:
                raw.executescript(text)
            raw.close()


def own_tables(project: Project) -> list[tuple[str]]:
    names = ", ".join(f"'{name}'" for name in OWN)
    return project.lite(f"SELECT name FROM sqlite_master WHERE name IN ({names})")


def heads(found: Found) -> tuple[str, ...]:
    assert isinstance(found, Recognised)
    return found.heads


@pytest.fixture
def four(project: Project) -> Project:
    """001 and 003 on PostgreSQL, 002 and 004 on SQLite; nothing is applied."""
    for number, database in enumerate(["postgres", "sqlite"] * 2, start=1):
        project.add(
            database,
            f"{number:03}_t{number}",
            f"CREATE TABLE t{number} (id integer PRIMARY KEY, note text);\n",
            f"DROP TABLE t{number};\n",
        )
    return project


# -- which version it is --------------------------------------------------------------


def test_trades_without_user_id_are_version_0(tradebaas: Project) -> None:
    by_hand(tradebaas, "sqlite", "000_baseline")

    assert heads(examine(tradebaas, "sqlite")["sqlite"]) == ("000_baseline",)


def test_trades_with_user_id_are_version_2(tradebaas: Project) -> None:
    by_hand(tradebaas, "sqlite", "000_baseline", "002_extend_trades_table")

    assert heads(examine(tradebaas, "sqlite")["sqlite"]) == ("002_extend_trades_table",)


def test_a_trades_file_of_the_field_is_version_2(tradebaas: Project) -> None:
    tradebaas.file.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(tradebaas.file)) as raw:
        raw.executescript((HERE / "field_sqlite.sql").read_text())

    assert heads(examine(tradebaas, "sqlite")["sqlite"]) == ("002_extend_trades_table",)
    assert take(tradebaas, "sqlite") == 0  # PostgreSQL is not adopted yet
    assert tradebaas.applied("sqlite") == ["000_baseline", "002_extend_trades_table"]


FIELD = {
    "column user_strategies.broker has default 'deribit'::character varying,"
    " the migrations say none": "ALTER TABLE user_strategies ALTER broker DROP DEFAULT",
    "index idx_user_strategies_broker is missing": "CREATE INDEX"
    " idx_user_strategies_broker ON user_strategies (broker)",
    "index idx_user_strategies_created_at is missing": "CREATE INDEX"
    " idx_user_strategies_created_at ON user_strategies (created_at)",
    "index idx_user_strategies_environment is missing": "CREATE INDEX"
    " idx_user_strategies_environment ON user_strategies (environment)",
}


def test_a_postgresql_of_the_field_lacks_what_the_page_adds(tradebaas: Project) -> None:
    by_hand(tradebaas, "postgres", "000_baseline")
    tradebaas.pg((HERE / "field_postgres.sql").read_text())

    found = examine(tradebaas, "postgres")["postgres"]

    assert isinstance(found, Unlike)
    assert found.nearest == "001_create_user_strategies"
    assert sorted(found.differences) == sorted(FIELD)
    page = (HERE.parent / "docs" / "adopt.md").read_text()
    for statement in FIELD.values():
        assert f"{statement};" in page
        tradebaas.pg(statement)
    found = examine(tradebaas, "postgres")["postgres"]
    assert heads(found) == ("001_create_user_strategies",)


def test_the_production_postgresql_is_version_0_or_1(tradebaas: Project) -> None:
    by_hand(tradebaas, "postgres", "000_baseline")
    assert heads(examine(tradebaas)["postgres"]) == ("000_baseline",)

    by_hand(tradebaas, "postgres", "001_create_user_strategies")
    assert heads(examine(tradebaas)["postgres"]) == ("001_create_user_strategies",)


def test_quite_another_trades_table_is_refused_with_the_differences(
    tradebaas: Project,
) -> None:
    tradebaas.file.parent.mkdir(exist_ok=True)
    tradebaas.lite(OLD_TRADES)
    tradebaas.lite("CREATE TABLE theirs (id int)")

    found = examine(tradebaas, "sqlite")["sqlite"]

    assert isinstance(found, Unlike)
    assert found.nearest == "000_baseline"
    assert "column trades.strategyName is missing" in found.differences
    assert "column trades.symbol is not in the migrations" in found.differences
    assert "index idx_trades_status is missing" in found.differences
    assert not any("theirs" in line for line in found.differences)
    with pytest.raises(HistoryError) as refusal:
        take(tradebaas)
    assert refusal.value.what == (
        "sqlite: it is not what the files build at any version"
    )
    assert "  column trades.strategyName is missing" in refusal.value.evidence
    assert "Nothing was changed" in refusal.value.remedy
    assert tradebaas.tables("sqlite") == {"trades", "theirs"}
    assert (
        tradebaas.lite("SELECT name FROM sqlite_master WHERE name LIKE 'alembic%'")
        == []
    )


def test_an_index_less_is_refused_naming_it(four: Project) -> None:
    four.add(
        "sqlite",
        "005_index",
        "CREATE INDEX i ON t2 (note); CREATE VIEW v AS SELECT 1 AS x;",
    )
    by_hand(four, "sqlite", "002_t2", "004_t4", "005_index")
    four.lite("DROP INDEX i")

    found = examine(four)["sqlite"]

    assert found == Unlike(found.branch, "005_index", ("index i is missing",))


def test_what_a_later_version_makes_is_too_much_for_an_earlier_one(
    four: Project,
) -> None:
    by_hand(four, "sqlite", "004_t4")

    found = examine(four)["sqlite"]

    assert found == Unlike(found.branch, "004_t4", ("table t2 is missing",))


def test_what_an_earlier_version_made_is_too_much_for_a_later_one(
    four: Project,
) -> None:
    four.add("sqlite", "005_drop", "DROP TABLE t2;\n")
    by_hand(four, "sqlite", "002_t2", "004_t4")

    assert heads(examine(four)["sqlite"]) == ("004_t4",)


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_foreign_objects_are_told_and_count_for_nothing(
    four: Project, database: str
) -> None:
    stem, table = ("001_t1", "t1") if database == "postgres" else ("002_t2", "t2")
    by_hand(four, database, stem)
    run = four.pg if database == "postgres" else four.lite
    run("CREATE TABLE theirs (id integer PRIMARY KEY, n text)")
    run("CREATE INDEX theirs_n ON theirs (n)")
    run(f"ALTER TABLE {table} ADD COLUMN extra text")

    found = examine(four)[database]

    assert heads(found) == (stem,)
    assert isinstance(found, Recognised)
    assert found.others == (f"column {table}.extra", "table theirs")


def test_what_is_ignored_by_pattern_is_not_missed(four: Project) -> None:
    by_hand(four, "sqlite", "002_t2", "004_t4")
    four.lite("ALTER TABLE t4 DROP COLUMN note")
    assert isinstance(examine(four)["sqlite"], Unlike)

    (four.root / "pyproject.toml").write_text(
        '[tool.sqlpair]\nignore = ["column t4.note"]\n'
    )

    assert heads(examine(four)["sqlite"]) == ("004_t4",)


def test_an_empty_database_has_nothing_to_adopt(four: Project) -> None:
    found = examine(four)

    assert [item.why for item in found.values() if isinstance(item, Untouched)] == [
        "holds nothing that the migrations make"
    ] * 2
    assert not four.file.exists()


def test_a_recorded_database_has_nothing_to_adopt(four: Project) -> None:
    four.upgrade()

    found = examine(four, "sqlite")["sqlite"]

    assert found == Untouched(found.branch, "is recorded as 004_t4 already")


def test_examining_writes_nothing(four: Project) -> None:
    by_hand(four, "sqlite", "002_t2")
    before = four.file.read_bytes()

    examine(four)

    assert four.file.read_bytes() == before
    assert four.tables("postgres") == set()


# -- recording it ---------------------------------------------------------------------


def test_an_adopted_project_is_migrated_verified_and_rolled_back(
    tradebaas: Project,
) -> None:
    by_hand(tradebaas, "sqlite", "000_baseline", "002_extend_trades_table")
    by_hand(tradebaas, "postgres", "000_baseline")
    (tradebaas.root / ".env").write_text("SCHEMA_VERSION=0\n")

    assert take(tradebaas) == 0
    assert tradebaas.applied("postgres") == ["000_baseline"]
    assert tradebaas.applied("sqlite") == ["000_baseline", "002_extend_trades_table"]
    assert tradebaas.heads("sqlite") == ["sqlite_002"]
    rows = tradebaas.lite("SELECT method, length(checksum) FROM schema_version")
    assert rows == [("adopt", 64)] * 2
    history = tradebaas.lite("SELECT action, migration_name FROM schema_history")
    assert history == [("adopt", "002_extend_trades_table")]

    tradebaas.upgrade()
    assert tradebaas.applied("postgres")[-1] == "001_create_user_strategies"
    assert (tradebaas.root / ".env").read_text() == "SCHEMA_VERSION=2\n"
    assert verify(tradebaas.settings, nothing).problems == ()
    tradebaas.downgrade("sqlite@-1")
    assert tradebaas.applied("sqlite") == ["000_baseline"]


def test_tables_decide_what_version_table_and_ledger_disagree_about(
    four: Project,
) -> None:
    four.upgrade()
    four.lite("DELETE FROM schema_version WHERE version = 4")

    assert heads(examine(four)["sqlite"]) == ("004_t4",)
    take(four)

    assert four.applied("sqlite") == ["002_t2", "004_t4"]
    assert verify(four.settings, nothing).problems == ()


def test_of_versions_with_one_schema_the_highest_is_taken_and_all_are_told(
    four: Project,
) -> None:
    four.add("sqlite", "005_fill", "UPDATE t2 SET note = 'x';\n")
    by_hand(four, "sqlite", "002_t2", "004_t4")

    assert heads(examine(four)["sqlite"]) == ("004_t4", "005_fill")
    asked = four.sqlpair("adopt", "sqlite", expect=2)
    assert asked.stdout == (
        "sqlite: is 005_fill\n"
        "  has the same schema as 004_t4; if what came after 004_t4 did not run:\n"
        "  sqlpair adopt sqlite --at 4\n"
    )
    with pytest.raises(UsageError, match="it is not at version 3"):
        take(four, at=3)
    assert four.tables("sqlite") == {"t2", "t4"}

    four.sqlpair("adopt", "sqlite", "--yes")

    assert four.applied("sqlite") == ["002_t2", "004_t4", "005_fill"]


def test_a_person_may_say_that_it_is_a_lower_version_that_fits(four: Project) -> None:
    four.add("sqlite", "005_fill", "UPDATE t2 SET note = 'x';\n")
    by_hand(four, "sqlite", "002_t2", "004_t4")

    assert four.sqlpair("adopt", "sqlite", "--yes", "--at", "4").stdout == (
        "sqlite: is 004_t4\nAdopted: schema version 0.\n"
    )
    assert four.applied("sqlite") == ["002_t2", "004_t4"]


@pytest.fixture
def forty(project: Project) -> Project:
    """Tables t1 to t40 on SQLite, of which 20 is made twice and gone for a while."""
    for number in range(1, 41):
        project.add("sqlite", f"{number:03}_t{number}", f"CREATE TABLE t{number} (id);")
    project.add("sqlite", "041_gone", "DROP TABLE t20;")
    project.add("sqlite", "042_fill", "UPDATE t1 SET id = 1;")
    project.add("sqlite", "043_back", "CREATE TABLE t20 (id);")
    for number in range(44, 81):
        project.add("sqlite", f"{number:03}_t{number}", f"CREATE TABLE t{number} (id);")
    return project


def _stems(project: Project) -> list[str]:
    return [item.stem for item in find(project.root / "sql/sqlite", "sqlite")]


@pytest.mark.parametrize("at", [*range(1, 80, 6), 40, 41, 42, 43, 79, 80])
def test_every_version_of_a_long_history_is_recognised(forty: Project, at: int) -> None:
    stems = _stems(forty)
    by_hand(forty, "sqlite", *stems[:at])

    # 40 and 43, 41 and 42 have one schema.
    last = {40: 43, 41: 42}.get(at, at)
    assert heads(examine(forty)["sqlite"])[-1] == stems[last - 1]


def test_what_is_made_and_dropped_on_the_way_is_too_much_at_the_end(
    forty: Project,
) -> None:
    folder = forty.root / "sql/sqlite"
    (folder / "017_t17.sql").write_text("CREATE TABLE brief (id);")
    (folder / "018_t18.sql").write_text("DROP TABLE brief;")
    by_hand(forty, "sqlite", *_stems(forty))
    assert heads(examine(forty)["sqlite"]) == ("080_t80",)

    forty.lite("CREATE TABLE brief (id)")

    found = examine(forty)["sqlite"]
    assert isinstance(found, Unlike)
    assert found.differences == ("table brief is not in the migrations",)


# -- other programs' records ---------------------------------------------------------


@pytest.fixture
def of_alembic(four: Project) -> Project:
    """Databases that another Alembic project has migrated; 001 and 002 are there."""
    by_hand(four, "postgres", "001_t1")
    by_hand(four, "sqlite", "002_t2")
    stamp = (
        "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('ae1027a6acf')",
    )
    for sql in stamp:
        four.pg(sql)
        four.lite(sql)
    return four


@pytest.mark.parametrize("command", [["migrate"], ["status"], ["rollback"], ["plan"]])
def test_the_stamp_of_another_alembic_project_is_named(
    of_alembic: Project, command: list[str]
) -> None:
    done = of_alembic.sqlpair(*command, expect=1)

    told = done.stdout + done.stderr
    assert "postgres: its alembic_version is another Alembic project's" in told
    assert "it says ae1027a6acf, which no file here is" in told
    assert "sqlpair adopt postgres" in told
    assert "in [postgres] of alembic.ini: ledger_schema = NAME" in told
    assert "ahead" not in told
    assert of_alembic.pg("SELECT * FROM alembic_version") == [("ae1027a6acf",)]


def test_adopt_names_the_stamp_it_replaces_and_the_history_keeps_it(
    of_alembic: Project,
) -> None:
    asked = of_alembic.sqlpair("adopt", "sqlite", expect=2).stdout
    assert (
        "sqlite: is 002_t2\n"
        "  alembic_version says ae1027a6acf, which no file here is; it is"
        " replaced, and kept in the history\n"
    ) in asked
    assert of_alembic.lite("SELECT * FROM alembic_version") == [("ae1027a6acf",)]

    of_alembic.sqlpair("adopt", "--yes")

    for rows in (of_alembic.pg, of_alembic.lite):
        kept = rows(
            "SELECT action, version, migration_name FROM schema_history ORDER BY id"
        )
        assert kept[0] == ("adopt", None, "alembic_version ae1027a6acf")
        assert kept[1][:2] in {("adopt", 1), ("adopt", 2)}
    assert "alembic_version ae1027a6acf" in of_alembic.sqlpair("history").stdout
    of_alembic.sqlpair("migrate")
    of_alembic.sqlpair("verify")


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
@pytest.mark.parametrize(
    "table", ["schema_version", "schema_history", "alembic_version"]
)
def test_a_table_of_another_program_with_the_name_of_a_bookkeeping_table_is_named(
    four: Project, database: str, table: str
) -> None:
    rows = four.pg if database == "postgres" else four.lite
    four.file.parent.mkdir(exist_ok=True)
    rows(f"CREATE TABLE {table} (version int)")

    for command in ("migrate", "verify", "version", "adopt", "history"):
        told = four.sqlpair(command, expect=1)
        assert (
            f"{database}: the table {table} is another program's\n"
            "  its columns: version\n"
        ) in told.stdout + told.stderr, command
    assert rows(f"SELECT * FROM {table}") == []
    assert four.tables("postgres") | four.tables("sqlite") == set()


def test_a_database_ahead_of_the_checkout_keeps_its_records(four: Project) -> None:
    """Of a newer checkout's migrations nothing is left to find out by the tables."""
    four.upgrade()
    for file in [*four.root.glob("sql/*/003*"), *four.root.glob("alembic/*/*/003*")]:
        file.unlink()

    for command in (["adopt", "--yes"], ["force-version", "2", "--yes"]):
        failure = four.sqlpair(*command, expect=1)

        assert (
            "postgres: the database is ahead of this checkout\n"
            "  applied, and not here: 003_t3\n"
        ) in failure.stderr
    assert four.applied("postgres") == ["001_t1", "003_t3"]
    assert four.heads("postgres") == ["postgres_003"]
    assert four.sqlpair("version", expect=1).stdout.splitlines()[1].split() == (
        ["postgres", "3", "003_t3", "001_t1"]
    )


def test_a_database_that_was_renamed_is_not_ahead(four: Project) -> None:
    """Its ledger names what is here; what the version table says, no file is."""
    four.upgrade()
    for folder in ("sql", "alembic/versions"):
        (four.root / folder / "sqlite").rename(four.root / folder / "trades")
    for module in four.root.glob("alembic/versions/trades/*.py"):
        module.unlink()
    ini = four.root / "alembic.ini"
    text = ini.read_text().replace("[sqlite]", "[trades]")
    ini.write_text(text.replace("versions/sqlite", "versions/trades"))
    four.configure("alembic", databases="postgres, trades")
    four.sqlpair("revisions")

    for command in (["status"], ["migrate"], ["repair", "--yes"]):
        told = four.sqlpair(*command, expect=1)
        assert (
            "trades: alembic_version and schema_version disagree\n"
        ) in told.stdout + told.stderr
    four.sqlpair("adopt", "trades", "--yes")
    four.sqlpair("repair", "--yes")

    assert four.heads("sqlite") == ["trades_004"]
    four.sqlpair("status", "--exit-code")


def test_records_made_meanwhile_are_not_overwritten(four: Project) -> None:
    by_hand(four, "sqlite", "002_t2")
    found = recognise.examine(four.settings, nothing, ["sqlite"])
    take(four, "sqlite")

    with pytest.raises(HistoryError, match="its records changed while you were asked"):
        adopt.adopt(four.settings, found, adopt.choose(found), nothing)


# -- the way there --------------------------------------------------------------------


def test_migrating_unrecorded_tables_points_to_adopt(tradebaas: Project) -> None:
    by_hand(tradebaas, "sqlite", "000_baseline", "002_extend_trades_table")

    with pytest.raises(StatementError) as failure:
        tradebaas.upgrade()

    assert "duplicate column name: user_id" in failure.value.what
    assert failure.value.evidence[-1] == (
        "sqlite held tables before, and no record of a migration"
    )
    assert failure.value.remedy.endswith("sqlpair adopt sqlite")
    assert tradebaas.tables("postgres") == set()
    assert tradebaas.tables("sqlite") == {"trades"}


def test_migrating_another_trades_table_points_to_adopt(tradebaas: Project) -> None:
    tradebaas.file.parent.mkdir(exist_ok=True)
    tradebaas.lite(OLD_TRADES)

    with pytest.raises(StatementError, match="no such column: strategyName") as failure:
        tradebaas.upgrade()

    assert failure.value.remedy.endswith("sqlpair adopt sqlite")


def test_migrating_unrecorded_postgresql_tables_points_to_adopt(four: Project) -> None:
    by_hand(four, "postgres", "001_t1")

    with pytest.raises(StatementError, match='"t1" already exists') as failure:
        four.upgrade()

    assert failure.value.remedy.endswith("sqlpair adopt postgres")


def test_a_clash_in_a_recorded_or_an_empty_database_does_not(four: Project) -> None:
    four.add("sqlite", "005_again", "CREATE TABLE t2 (id int);\n")
    with pytest.raises(StatementError, match="already exists") as failure:
        four.upgrade()
    assert "adopt" not in str(failure.value)

    four.upgrade("sqlite_004")
    with pytest.raises(StatementError, match="already exists") as failure:
        four.upgrade()
    assert "adopt" not in str(failure.value)


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_migrations_that_commit_one_by_one_begin_none_on_unrecorded_tables(
    four: Project, database: str
) -> None:
    four.configure("alembic", transaction="migration")
    stem = "003_t3" if database == "postgres" else "004_t4"
    by_hand(four, database, stem)  # the clash would come after two commits

    with pytest.raises(HistoryError) as failure:
        four.upgrade()

    assert failure.value.what == (
        f"{database}: it is not what the files build at any version"
    )
    assert four.tables("postgres") | four.tables("sqlite") == {stem[4:]}

    by_hand(four, database, "001_t1" if database == "postgres" else "002_t2")
    with pytest.raises(HistoryError) as failure:
        four.upgrade()

    assert failure.value.what == (
        f"{database}: it holds tables, and no record of any migration"
    )
    assert failure.value.evidence[0] == f"it is {stem}"
    assert f"sqlpair adopt {database}" in failure.value.remedy
    take(four, database)
    four.upgrade()
    assert verify(four.settings, nothing).problems == ()


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_what_the_first_migration_makes_is_left_to_it(
    four: Project, database: str
) -> None:
    four.configure("alembic", transaction="migration")
    stem = "001_t1" if database == "postgres" else "002_t2"
    by_hand(four, database, stem)

    with pytest.raises(StatementError, match="already exists") as failure:
        four.upgrade()

    assert failure.value.remedy.endswith(f"sqlpair adopt {database}")
    file = four.root / "sql" / database / f"{stem}.sql"
    file.write_text(file.read_text().replace("TABLE", "TABLE IF NOT EXISTS"))
    four.upgrade()
    assert verify(four.settings, nothing).problems == ()


def test_a_recorded_database_is_not_looked_at(four: Project) -> None:
    four.configure("alembic", transaction="migration")
    four.upgrade()
    four.downgrade("base")
    four.pg("CREATE TABLE theirs (id int)")
    four.environ["SCRATCH_URL"] = "postgresql://nobody@127.0.0.1:1/none"

    four.upgrade()

    assert four.applied("postgres") == ["001_t1", "003_t3"]


def test_another_programs_tables_are_in_nobodys_way(four: Project) -> None:
    four.configure("alembic", transaction="migration")
    four.pg("CREATE TABLE theirs (id int)")
    four.file.parent.mkdir(exist_ok=True)
    four.lite("CREATE TABLE theirs (id int)")

    four.upgrade()

    assert four.applied("sqlite") == ["002_t2", "004_t4"]


def test_production_tables_of_the_baseline_migrate_without_adopt(
    tradebaas: Project,
) -> None:
    by_hand(tradebaas, "postgres", "000_baseline")
    by_hand(tradebaas, "sqlite", "000_baseline")

    tradebaas.upgrade()

    assert tradebaas.applied("postgres")[-1] == "001_create_user_strategies"
    assert verify(tradebaas.settings, nothing).problems == ()


# -- the command ----------------------------------------------------------------------


def test_the_command_says_what_each_is_and_asks(four: Project) -> None:
    by_hand(four, "sqlite", "002_t2")
    four.lite("CREATE TABLE theirs (id int)")

    asked = four.sqlpair("adopt", expect=2)
    assert "sqlite: is 002_t2\n  no version makes: table theirs\n" in asked.stdout
    assert "postgres: holds nothing that the migrations make\n" in asked.stdout
    assert four.tables("sqlite") == {"t2", "theirs"}

    done = four.sqlpair("adopt", "--yes")
    assert done.stdout.splitlines()[-1] == "Adopted: schema version 0."
    assert four.applied("sqlite") == ["002_t2"]

    again = four.sqlpair("adopt", "sqlite", "--yes")
    assert again.stdout.splitlines() == [
        "sqlite: is recorded as 002_t2 already",
        "Nothing to adopt.",
    ]


def test_the_command_refuses_what_is_no_version(tradebaas: Project) -> None:
    tradebaas.file.parent.mkdir(exist_ok=True)
    tradebaas.lite(OLD_TRADES)

    done = tradebaas.sqlpair("adopt", "--yes", expect=1)

    assert "nearest is 000_baseline, from which it differs:" in done.stderr
    assert "    column trades.strategyName is missing\n" in done.stderr


def test_a_number_in_the_header_that_no_file_sets_is_told(four: Project) -> None:
    by_hand(four, "sqlite", "002_t2", "004_t4")
    four.lite("PRAGMA application_id = 99")

    said = four.sqlpair("adopt", "sqlite", "--yes").stdout

    told = "sqlite: pragma application_id has value 99, the migrations say 0"
    assert f"{told.removeprefix('sqlite: ')}\n" in said
    assert "sqlpair verify tells that" in said
    assert told in four.sqlpair("verify", "sqlite", expect=1).stdout


def test_a_number_in_the_header_tells_versions_with_one_schema_apart(
    four: Project,
) -> None:
    four.add("sqlite", "005_a", "PRAGMA user_version = 5;\n")
    four.add("sqlite", "006_b", "PRAGMA user_version = 6;\n")
    by_hand(four, "sqlite", "002_t2", "004_t4", "005_a")

    said = four.sqlpair("adopt", "sqlite", "--yes").stdout

    assert "sqlite: is 005_a" in said
    assert "has the same schema" not in said
    four.sqlpair("verify", "sqlite")


def test_privileges_that_are_compared_are_told(four: Project) -> None:
    (four.root / "pyproject.toml").write_text("[tool.sqlpair]\nprivileges = true\n")
    by_hand(four, "postgres", "001_t1", "003_t3")
    four.pg("GRANT SELECT ON t1 TO PUBLIC")

    said = four.sqlpair("adopt", "postgres", "--yes").stdout

    assert "postgres: is 003_t3" in said
    assert "table t1 has privileges public: select, the owner:" in said


def test_a_dump_does_not_say_what_is_in_the_header(
    project: Project, tmp_path: Path
) -> None:
    project.file.parent.mkdir()
    project.lite("CREATE TABLE a (id INTEGER PRIMARY KEY)")
    project.lite("PRAGMA user_version = 7")
    with closing(sqlite3.connect(project.file)) as raw:
        dump = "\n".join(raw.iterdump())
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "000_baseline.sql").write_text(dump)
    project.sqlpair("import", str(tmp_path / "dump"), "sqlite")

    said = project.sqlpair("adopt", "sqlite", "--yes").stdout

    assert "no version makes: pragma user_version" in said
    project.sqlpair("verify", "sqlite")
