"""Adopt by another tool's record of what it ran; the schema has to agree."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Project
from foreign_histories import PROJECTS, RECORDING, STEPS

BOTH = [(tool, engine) for tool in RECORDING for engine in PROJECTS[tool].engines]


def execute(project: Project, engine: str) -> Callable[[str], object]:
    return project.pg if engine == "postgres" else project.lite


def taken_over(
    project: Project,
    tmp_path: Path,
    tool: str,
    engine: str = "postgres",
    steps: int = 3,
) -> None:
    """Import a history whose tool took the database so many steps."""
    project.file.parent.mkdir(exist_ok=True)
    PROJECTS[tool].migrate(execute(project, engine), steps)
    folder = PROJECTS[tool].write(tmp_path / "theirs")
    project.sqlpair("import", str(folder), engine)


@pytest.mark.parametrize(("tool", "engine"), BOTH)
def test_the_record_says_which_version_it_is_and_stays(
    project: Project, tmp_path: Path, tool: str, engine: str
) -> None:
    taken_over(project, tmp_path, tool, engine, steps=2)
    query = execute(project, engine)
    table = "sqitch.changes" if tool == "sqitch" else PROJECTS[tool].table.split()[2]
    before = query(f"SELECT * FROM {table}")
    told = project.sqlpair("verify", engine, expect=1).stdout
    assert f"sqlpair adopt {engine}" in told

    said = project.sqlpair("adopt", engine, "--yes").stdout

    assert f"{engine}: is 002_add_email, as {table} says" in said
    assert project.applied(engine) == ["001_create_users", "002_add_email"]
    project.sqlpair("verify", engine)
    project.sqlpair("migrate")
    assert project.tables(engine) >= {"users", "posts"}
    project.sqlpair("verify")
    if tool != "alembic":  # whose table is the version table here, too
        assert query(f"SELECT * FROM {table}") == before


def test_no_guess_is_needed_where_migrations_leave_no_trace(
    project: Project, tmp_path: Path
) -> None:
    rows = {f"{n}_rows.sql": "-- +goose Up\nDELETE FROM users;\n" for n in range(4, 9)}
    taken_over(project, tmp_path, "goose")
    for name, text in rows.items():
        (tmp_path / "theirs" / name).write_text(text)
    project.sqlpair("import", str(tmp_path / "theirs"), "postgres")
    project.pg("INSERT INTO goose_db_version VALUES (9, 4, true), (10, 5, true)")

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "is 005_rows, as goose_db_version says" in said
    assert "--at" not in said


FAILED = {
    "golang-migrate": (
        "UPDATE schema_migrations SET dirty = true",
        "version 3 is dirty",
    ),
    "flyway": (
        "UPDATE flyway_schema_history SET success = false WHERE installed_rank = 3",
        "version 1.3 (V1_3__x.sql) failed",
    ),
    "prisma": (
        "UPDATE _prisma_migrations SET finished_at = NULL WHERE id = '3'",
        "20260103120000_create_posts began and did not finish",
    ),
}


@pytest.mark.parametrize("tool", FAILED)
def test_a_migration_that_failed_is_refused_by_name(
    project: Project, tmp_path: Path, tool: str
) -> None:
    taken_over(project, tmp_path, tool)
    sql, row = FAILED[tool]
    project.pg(sql)

    failed = project.sqlpair("adopt", "postgres", "--yes", expect=1).stderr

    assert "records what did not end well" in failed
    assert row in failed
    assert "sqlpair adopt postgres --at N" in failed
    # Who knows better says so.
    said = project.sqlpair("adopt", "postgres", "--at", "3", "--yes").stdout
    assert "is 003_create_posts\n" in said


def test_a_repeatable_file_that_failed_is_refused_by_name(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "flyway")
    project.pg(
        "INSERT INTO flyway_schema_history SELECT 4, NULL, 'v', 'SQL', 'R__v.sql', 1,"
        " 'ann', now(), 5, false"
    )

    failed = project.sqlpair("adopt", "postgres", "--yes", expect=1).stderr

    assert "R__v.sql failed" in failed


UNDONE = {
    "flyway": "INSERT INTO flyway_schema_history SELECT 4, '1.3', 'x', 'UNDO_SQL',"
    " 'U1_3__x.sql', 1, 'ann', now(), 5, true",
    "prisma": "UPDATE _prisma_migrations SET rolled_back_at = now(),"
    " finished_at = NULL WHERE id = '3'",
    "goose": "INSERT INTO goose_db_version VALUES (5, 3, false)",
}


@pytest.mark.parametrize("tool", UNDONE)
def test_what_was_undone_is_not_applied(
    project: Project, tmp_path: Path, tool: str
) -> None:
    taken_over(project, tmp_path, tool)
    project.pg(UNDONE[tool])
    project.pg("DROP TABLE posts")

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "is 002_add_email" in said


def test_a_baseline_of_flyways_stands_for_what_is_below_it(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "flyway")
    project.pg("DELETE FROM flyway_schema_history WHERE installed_rank < 3")
    project.pg(
        "INSERT INTO flyway_schema_history SELECT 1, '1.02', 'x', 'BASELINE', 'x',"
        " NULL, 'ann', now(), 0, true"
    )

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "is 003_create_posts, as flyway_schema_history says" in said


def test_a_migration_left_out_before_the_last_is_refused_by_name(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "dbmate")
    project.pg("DELETE FROM schema_migrations WHERE version = '20260102120000'")

    failed = project.sqlpair("adopt", "postgres", "--yes", expect=1).stderr

    assert "schema_migrations leaves out migrations before the last" in failed
    assert "002_add_email (20260102120000) has not run" in failed


@pytest.mark.parametrize(
    ("tool", "sql"),
    [
        ("goose", "INSERT INTO goose_db_version VALUES (5, 4, true)"),
        ("golang-migrate", "UPDATE schema_migrations SET version = 4"),
        ("alembic", "UPDATE alembic_version SET version_num = '4'"),
    ],
)
def test_a_record_that_is_ahead_of_the_files_is_refused(
    project: Project, tmp_path: Path, tool: str, sql: str
) -> None:
    taken_over(project, tmp_path, tool)
    project.pg(sql)

    failed = project.sqlpair("adopt", "postgres", "--yes", expect=1).stderr

    assert "is ahead of the files here" in failed
    assert "it names 4, and no migration here is that" in failed


def test_what_was_squashed_before_is_told_and_in_nobodys_way(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "diesel")
    project.pg(
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('20250101000000')"
    )

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "also names 20250101000000, which no migration here is" in said
    assert project.heads("postgres") == ["postgres_003"]


def test_a_schema_that_is_not_what_the_record_says_is_refused(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "goose")
    project.pg("ALTER TABLE users DROP COLUMN email")

    failed = project.sqlpair("adopt", "postgres", "--yes", expect=1).stderr

    assert "it is not what the files build at 003_create_posts" in failed
    assert "goose_db_version says that it is that" in failed
    assert "column users.email is missing" in failed


def test_without_rows_or_table_the_schema_decides(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "goose")
    project.pg("DELETE FROM goose_db_version")

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "postgres: is 003_create_posts\n" in said


def test_a_table_called_otherwise_is_named_in_imported_toml(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "goose", steps=2)
    project.pg("CREATE SCHEMA ops")
    project.pg("ALTER TABLE goose_db_version SET SCHEMA ops")
    project.pg("ALTER TABLE ops.goose_db_version RENAME TO versions")
    path = project.root / "sql" / "postgres" / "imported.toml"
    text = path.read_text()
    path.write_text(text.replace('"goose_db_version"', '"ops.versions"'))

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "is 002_add_email, as ops.versions says" in said


def test_a_table_in_the_schema_of_a_search_path_is_found(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "goose", steps=2)
    project.pg("CREATE SCHEMA ops")
    project.pg("ALTER TABLE goose_db_version SET SCHEMA ops")

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "is 002_add_email, as ops.goose_db_version says" in said


def test_a_table_of_that_name_that_is_another_programs_is_refused(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "golang-migrate")
    project.pg("ALTER TABLE schema_migrations RENAME dirty TO clean")

    failed = project.sqlpair("adopt", "postgres", "--yes", expect=1).stderr

    assert "schema_migrations is not a record of golang-migrate's" in failed
    assert "it has no dirty" in failed


@pytest.mark.parametrize(
    "text",
    ["tool = 5", "tool = 'goose'\nmigrations = 3", "tool = 'a'\nparents = 3", "["],
)
def test_a_damaged_imported_toml_is_named(
    project: Project, tmp_path: Path, text: str
) -> None:
    taken_over(project, tmp_path, "goose")
    (project.root / "sql" / "postgres" / "imported.toml").write_text(text)

    failed = project.sqlpair("adopt", "postgres", "--yes", expect=1).stderr

    assert "postgres: imported.toml cannot be read" in failed


def test_alembics_own_row_is_replaced_and_kept_in_the_history(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "alembic")

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "is 003_create_posts, as alembic_version says" in said
    assert project.heads("postgres") == ["postgres_003"]
    assert "alembic_version 3a1b2c3d4e5f" in project.sqlpair("history").stdout


@pytest.mark.parametrize(
    ("heads", "said"),
    [
        (["1"], "is 001_one, as alembic_version says"),
        (["2"], "is 002_two, as alembic_version says"),
        (["2", "3"], "is 003_three, as alembic_version says"),
        (["4"], "is 004_four, as alembic_version says"),
        (["3"], "002_two (2) has not run"),
    ],
)
def test_a_branch_of_alembics_that_only_changes_rows_is_not_taken_for_applied(
    project: Project, tmp_path: Path, heads: list[str], said: str
) -> None:
    for name, below in {
        "one": None,
        "two": "1",
        "three": "1",
        "four": ("2", "3"),
    }.items():
        number = ["one", "two", "three", "four"].index(name) + 1
        sql = "CREATE TABLE t (x int)" if name == "one" else "INSERT INTO t VALUES (1)"
        (tmp_path / f"{number}_{name}.py").write_text(
            f"from alembic import op\nrevision = '{number}'\n"
            f"down_revision = {below!r}\n"
            f"def upgrade():\n    op.execute({sql!r})\n"
            "def downgrade():\n    op.execute('DELETE FROM t')\n"
        )
    project.pg("CREATE TABLE t (x int)")
    project.pg("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    for head in heads:
        project.pg(f"INSERT INTO alembic_version VALUES ('{head}')")
    project.sqlpair("import", str(tmp_path), "postgres")

    fits = "as alembic_version says" in said
    done = project.sqlpair("adopt", "postgres", "--yes", expect=0 if fits else 1)

    assert said in done.stdout + done.stderr


def test_alembics_own_row_stays_where_ours_are_in_another_schema(
    project: Project, tmp_path: Path
) -> None:
    project.pg("CREATE SCHEMA ledger")
    project.configure("postgres", ledger_schema="ledger")
    taken_over(project, tmp_path, "alembic", steps=2)

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "is 002_add_email, as alembic_version says" in said
    assert project.heads("postgres") == ["2a1b2c3d4e5f"]
    project.sqlpair("verify", "postgres")


def test_a_migration_of_ones_own_before_the_import_counts_too(
    project: Project, tmp_path: Path
) -> None:
    project.add("postgres", "001_own", "CREATE TABLE own (id int);", "DROP TABLE own;")
    project.pg("CREATE TABLE own (id int)")
    taken_over(project, tmp_path, "goose", steps=2)

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "is 003_add_email, as goose_db_version says" in said


def test_migrate_points_to_adopt(project: Project, tmp_path: Path) -> None:
    taken_over(project, tmp_path, "prisma")

    failed = project.sqlpair("migrate", expect=1).stderr

    assert "sqlpair adopt postgres" in failed


def test_the_steps_are_three() -> None:
    assert all(len(p.rows) == len(p.ids) == len(STEPS) for p in PROJECTS.values())


def test_plain_files_are_adopted_by_the_schema(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "plain SQL")

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "postgres: is 003_create_posts\n" in said


@pytest.mark.parametrize(
    "table",
    [
        "pgmigrations",
        "changelog",
        '"SequelizeMeta"',
        "flyway_schema_history",
        "schemaversion",
        "drizzle.__drizzle_migrations",
        "knex_migrations_lock",
    ],
)
def test_the_record_of_a_tool_that_ran_plain_files_is_passed_over(
    project: Project, tmp_path: Path, table: str
) -> None:
    taken_over(project, tmp_path, "plain SQL")
    project.pg("CREATE SCHEMA drizzle") if "." in table else None
    project.pg(f"CREATE TABLE {table} (id serial PRIMARY KEY, name text UNIQUE)")

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert f"no version makes: {'schema' if '.' in table else 'table'} " in said
    assert "no problems found" in project.sqlpair("verify").stdout


def test_what_is_not_called_as_a_record_or_is_made_by_a_file_is_compared(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "x").mkdir()
    made = "CREATE SCHEMA s;\nCREATE TABLE s.migrations (id int);\n"
    (tmp_path / "x" / "1_a.sql").write_text(made)
    project.sqlpair("import", str(tmp_path / "x"), "postgres")
    project.pg("CREATE SCHEMA s")
    project.pg("CREATE TABLE s.migrations (id int)")
    project.sqlpair("adopt", "postgres", "--yes")
    project.pg("ALTER TABLE s.migrations ADD COLUMN x int")
    project.pg("CREATE TABLE migration_of_birds (id int)")
    project.pg("CREATE TABLE user_migrations (id int)")

    said = project.sqlpair("verify", expect=1).stdout

    assert "column s.migrations.x is not in the migrations" in said
    assert "table s.migrations" not in said
    assert "table migration_of_birds is not in the migrations" in said
    assert "table user_migrations is not in the migrations" in said


def test_a_record_beside_that_of_a_known_tool_is_compared(
    project: Project, tmp_path: Path
) -> None:
    taken_over(project, tmp_path, "goose")
    project.sqlpair("adopt", "postgres", "--yes")
    project.pg("CREATE TABLE pgmigrations (id int)")

    said = project.sqlpair("verify", expect=1).stdout

    assert "table pgmigrations is not in the migrations" in said


@pytest.mark.parametrize("tool", ["golang-migrate", "plain SQL"])
def test_the_record_of_sqlx_whose_files_look_alike_is_read(
    project: Project, tmp_path: Path, tool: str
) -> None:
    project.pg(
        "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text"
        " NOT NULL, installed_on timestamptz NOT NULL DEFAULT now(), success boolean"
        " NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL)"
    )
    for n, (title, sql) in enumerate(STEPS[:2], 1):
        project.pg(sql)
        project.pg(
            "INSERT INTO _sqlx_migrations VALUES"
            f" ({n}, '{title}', now(), {n < 2}, '', 1)"
        )
    folder = PROJECTS[tool].write(tmp_path / "theirs")
    project.sqlpair("import", str(folder), "postgres")
    failed = project.sqlpair("adopt", "postgres", "--yes", expect=1).stderr
    assert "version 2 failed" in failed
    assert "let sqlx record that" in failed
    project.pg("UPDATE _sqlx_migrations SET success = true")

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "is 002_add_email, as _sqlx_migrations says" in said
    project.sqlpair("verify", "postgres")


@pytest.mark.parametrize("engine", ["postgres", "sqlite"])
def test_the_record_of_refinery_whose_files_are_called_as_flyways_is_read(
    project: Project, tmp_path: Path, engine: str
) -> None:
    query = execute(project, engine)
    project.file.parent.mkdir(exist_ok=True)
    query(
        "CREATE TABLE refinery_schema_history (version int PRIMARY KEY, name"
        " varchar(255), applied_on varchar(255), checksum varchar(255))"
    )
    for n, (title, sql) in enumerate(STEPS[:2], 1):
        query(sql)
        query(f"INSERT INTO refinery_schema_history VALUES ({n}, '{title}', '', '')")
    folder = tmp_path / "theirs"
    folder.mkdir()
    for n, (title, sql) in enumerate(STEPS, 1):
        (folder / f"V{n}__{title}.sql").write_text(sql)
    project.sqlpair("import", str(folder), engine)

    said = project.sqlpair("adopt", engine, "--yes").stdout

    assert "is 002_add_email, as refinery_schema_history says" in said
    project.sqlpair("verify", engine)


NAMED = [(tool, engine) for tool, engine in BOTH if tool not in ("sqitch", "alembic")]


@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize(("tool", "engine"), NAMED)
def test_a_file_may_name_the_tools_table_which_then_is_made_by_it(
    project: Project, tmp_path: Path, tool: str, engine: str, is_live: bool
) -> None:
    foreign, second = PROJECTS[tool], STEPS[1][1]
    table = foreign.table.split()[2]
    more = f"{second}DELETE FROM {table} WHERE 1 = 0;\n"
    for name, text in foreign.files.items():
        path = tmp_path / "theirs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(second, f"BEGIN;\n-- It\n{more}COMMIT;\n"))
    project.file.parent.mkdir(exist_ok=True)
    if is_live:
        foreign.migrate(execute(project, engine))

    said = project.sqlpair("import", str(tmp_path / "theirs"), engine).stdout

    assert (
        f"added to 002_add_email.sql: CREATE TABLE IF NOT EXISTS {table}, which"
        f" {tool} makes itself" in said
    )
    assert "no-transaction" not in said
    if is_live:
        project.sqlpair("adopt", engine, "--yes")
    project.sqlpair("migrate")
    project.sqlpair("verify", engine)
    text = (project.root / "sql" / engine / "002_add_email.sql").read_text()
    assert text.count("CREATE TABLE IF NOT EXISTS") == 1


def test_a_table_that_a_file_makes_is_made_by_no_other(
    project: Project, tmp_path: Path
) -> None:
    foreign = PROJECTS["goose"]
    folder = foreign.write(tmp_path / "theirs")
    (folder / "00004_it.sql").write_text(
        f"-- +goose Up\n{foreign.table.partition(';')[0]};\n"
        "-- goose_db_version\nSELECT * FROM goose_db_version;\n"
    )

    assert "added to" not in project.sqlpair("import", str(folder), "postgres").stdout


COPIED = """\
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
ALTER TABLE public.alembic_version OWNER TO CURRENT_USER;
CREATE TABLE public.users (id integer NOT NULL);
COPY public.alembic_version (version_num) FROM stdin;
ab12
\\.


COPY public.users (id) FROM stdin;
1
\\.

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
GRANT SELECT ON TABLE public.alembic_version TO PUBLIC;
"""
INSERTED = (
    "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"
    "CREATE TABLE alembic_version (\n\tversion_num VARCHAR(32) NOT NULL\n);\n"
    "INSERT INTO alembic_version VALUES('ab12');\n"
    "CREATE TABLE users (id integer NOT NULL);\nCOMMIT;\n"
)


@pytest.mark.parametrize(
    ("engine", "dump"), [("postgres", COPIED), ("sqlite", INSERTED)]
)
def test_a_dump_of_a_database_of_alembics_is_a_baseline(
    project: Project, tmp_path: Path, engine: str, dump: str
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "000_baseline.sql").write_text(dump)
    project.file.parent.mkdir(exist_ok=True)
    for sql in (
        "CREATE TABLE users (id integer NOT NULL)",
        PROJECTS["alembic"].table,
        "INSERT INTO alembic_version VALUES ('ab12')",
    ):
        execute(project, engine)(sql)

    said = project.sqlpair("import", str(folder), engine).stdout

    assert "-- before statements on alembic_version, which the project has" in said
    text = (project.root / "sql" / engine / "000_baseline.sql").read_text()
    assert [line.removeprefix("-- ") for line in text.splitlines()] == (
        dump.splitlines()
    )
    assert "\n-- ab12\n-- \\.\n" in text or "-- INSERT INTO alembic_version" in text
    project.sqlpair("adopt", engine, "--yes")
    project.sqlpair("verify", engine)


def test_rows_of_another_history_are_no_record_of_a_dump(
    project: Project, tmp_path: Path
) -> None:
    """The dump of a database that sqlx migrated makes sqlx's table, too."""
    table = (
        "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, success boolean);\n"
    )
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "000_baseline.sql").write_text(f"{table}CREATE TABLE t (id int);\n")
    project.pg(f"{table}CREATE TABLE t (id int)")
    project.pg("INSERT INTO _sqlx_migrations VALUES (20260101120000, true)")
    project.sqlpair("import", str(folder), "postgres")

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "postgres: is 000_baseline\n" in said
    project.sqlpair("verify", "postgres")


@pytest.mark.parametrize("engine", ["postgres", "sqlite"])
@pytest.mark.parametrize("number", [0, 1])
def test_adopt_says_where_a_history_has_no_beginning_and_what_gives_it_one(
    project: Project, tmp_path: Path, engine: str, number: int
) -> None:
    project.file.parent.mkdir(exist_ok=True)
    execute(project, engine)("CREATE TABLE users (id integer, email text)")
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / f"{number}_email.up.sql").write_text(
        "ALTER TABLE users ADD email text;\n"
    )
    project.sqlpair("import", str(folder), engine)

    failed = project.sqlpair("adopt", engine, "--yes", expect=1).stderr

    assert f"{engine} 00{number}_email.sql:1: " in failed
    assert "no file makes users: this history begins on a schema" in failed
    made = "CREATE TABLE users (id integer);\n"
    own = project.root / "sql" / engine
    modules = project.root / "alembic" / "versions" / engine
    if number:
        assert f"as {own}/000_baseline.sql" in failed
        assert f"delete {modules}/001_email.py, and run: sqlpair revisions" in failed
        (own / "000_baseline.sql").write_text(made)
        (modules / "001_email.py").unlink()
        project.sqlpair("revisions")
    else:
        assert f"delete {own} and {modules},\n" in failed
        for path in (own, modules):
            shutil.rmtree(path)
        (folder / "0_email.up.sql").rename(folder / "2_email.up.sql")
        (folder / "1_users.up.sql").write_text(made)
        project.sqlpair("import", str(folder), engine)
    project.sqlpair("adopt", engine, "--yes")
    project.sqlpair("verify", engine)


def test_adopt_names_the_files_that_import_could_not_carry_over(
    project: Project, tmp_path: Path
) -> None:
    foreign = PROJECTS["goose"]
    foreign.migrate(project.pg)
    folder = foreign.write(tmp_path / "theirs")
    (folder / "00001_create_users.sql").rename(folder / "00001_create_users.go")
    (folder / "00009_last.go").write_text("package x\n")
    project.sqlpair("import", str(folder), "postgres", expect=1)

    failed = project.sqlpair("adopt", "postgres", "--yes", expect=1).stderr

    assert 'postgres 002_add_email.sql:2: relation "users" does not exist' in failed
    assert "  these files do nothing yet: 001_create_users.sql\n" in failed
    assert "Write as SQL what each did, and adopt again" in failed
    assert "no file makes users: one of these does, or this history begins" in failed
    assert (
        "  Or: Save what was there before 001_create_users (a dump of it) as" in failed
    )
    own = project.root / "sql" / "postgres"
    (own / "001_create_users.sql").write_text(STEPS[0][1])
    (own / "002_add_email.sql").rename(own / "kept")
    (own / "002_add_email.sql").write_bytes((own / "009_last.sql").read_bytes())
    project.pg("INSERT INTO goose_db_version VALUES (5, 9, true)")
    left = "these files do nothing yet: 002_add_email.sql, 009_last.sql"
    project.pg("ALTER TABLE users ALTER id TYPE bigint")
    failed = project.sqlpair("adopt", "postgres", "--yes", expect=1).stderr
    assert f"  {left}\n  sqlpair import could not carry them over" in failed
    project.pg("ALTER TABLE users ALTER id TYPE integer")
    adopted = project.sqlpair("adopt", "postgres", "--yes")
    assert "no version makes: column users.email" in adopted.stdout
    assert f"postgres: {left}; what no version makes may be theirs" in adopted.stderr
