"""Another tool's history becomes SQL pairs: the same bytes under other names."""

from __future__ import annotations

import os
import re
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from conftest import Project
from foreign_histories import PROJECTS, STEPS

TOOLS = [*PROJECTS]


def sql(project: Project, database: str = "postgres") -> dict[str, bytes]:
    """Return the SQL files of a database by name."""
    folder = project.root / "sql" / database
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.sql"))}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


def ids(project: Project, database: str = "postgres") -> dict[str, str]:
    """Return what imported.toml calls each migration."""
    path = project.root / "sql" / database / "imported.toml"
    found = tomllib.loads(path.read_text())["migrations"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("tool", TOOLS)
def test_a_history_becomes_pairs_that_move_up_and_down(
    project: Project, tmp_path: Path, tool: str
) -> None:
    foreign = PROJECTS[tool]
    folder = foreign.write(tmp_path / "theirs")
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    said = project.sqlpair("import", str(folder), "postgres").stdout

    stems = [f"{n:03}_{title}" for n, (title, _) in enumerate(STEPS, 1)]
    assert [*ids(project).items()] == [*zip(stems, foreign.ids, strict=True)]
    assert len(sql(project)) == 6
    assert f"Imported 3 migrations of {tool} into postgres: {stems[0]} to" in said
    assert {p: p.read_bytes() for p in before} == before
    project.sqlpair("migrate")
    assert project.tables("postgres") == {"users", "posts"}
    assert project.applied("postgres") == stems
    project.sqlpair("rollback", "--to", "0", "--allow-data-loss", "--yes")
    assert project.tables("postgres") == set()


@pytest.mark.parametrize("tool", ["golang-migrate", "diesel", "sqitch", "prisma"])
def test_files_go_over_byte_for_byte(
    project: Project, tmp_path: Path, tool: str
) -> None:
    foreign = PROJECTS[tool]
    odd = {
        name: text.replace("\n", "\r\n") + "-- Ünïcödé, no end of line"
        for name, text in foreign.files.items()
        if name.endswith(".sql")
    }
    write(foreign.write(tmp_path / "theirs"), odd)

    project.sqlpair("import", str(tmp_path / "theirs"), "postgres")

    there = sorted(text.encode() for name, text in odd.items() if "verify/" not in name)
    assert sorted(sql(project).values()) == there


@pytest.mark.parametrize(
    ("tool", "down"), [("goose", b"-- +goose Down"), ("dbmate", b"-- migrate:down")]
)
def test_no_byte_of_a_file_with_both_directions_is_lost(
    project: Project, tmp_path: Path, tool: str, down: bytes
) -> None:
    folder = PROJECTS[tool].write(tmp_path / "theirs")

    project.sqlpair("import", str(folder), "postgres")

    files = sql(project)
    for source, (title, _) in zip(sorted(folder.iterdir()), STEPS, strict=True):
        (stem,) = (name[:-4] for name in files if name.endswith(f"_{title}.sql"))
        up, back = files[f"{stem}.sql"], files[f"{stem}_rollback.sql"]
        assert up + back == source.read_bytes()
        assert back.startswith(down)


def test_what_a_tool_runs_outside_a_transaction_runs_so_here(
    project: Project, tmp_path: Path
) -> None:
    index = "CREATE INDEX CONCURRENTLY i ON t (id);\n"
    folder = write(
        tmp_path / "goose",
        {
            "1_t.sql": "-- +goose Up\nCREATE TABLE t (id int);\n-- +goose Down\n",
            "2_i.sql": f"-- +goose NO TRANSACTION\n-- +goose Up\n{index}"
            "-- +goose Down\nDROP INDEX CONCURRENTLY i;\n",
            "3_x.sql": "-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose Down\n",
        },
    )
    said = project.sqlpair("import", str(folder), "postgres").stdout

    assert "added to 002_i.sql: -- no-transaction" in said
    assert "added to 002_i_rollback.sql: -- no-transaction" in said
    assert sql(project)["002_i.sql"].startswith(b"-- no-transaction\n-- +goose NO")
    assert b"no-transaction" not in sql(project)["001_t.sql"]
    for stem in ("001_t_rollback", "003_x", "003_x_rollback"):  # that does nothing
        assert b"no-transaction" not in sql(project)[f"{stem}.sql"]
    project.sqlpair("migrate")


def test_dbmate_says_so_for_each_direction(project: Project, tmp_path: Path) -> None:
    text = (
        "-- migrate:up transaction:false\nSELECT 0;\n\n-- migrate:down\nSELECT 1;\n"
        "-- a comment\n"
    )
    folder = write(tmp_path / "dbmate", {"20260101_vacuum.sql": text})

    project.sqlpair("import", str(folder), "postgres")

    up, down = sql(project).values()
    assert up.startswith(b"-- no-transaction\n-- migrate:up transaction:false\n")
    assert down == b"-- migrate:down\nSELECT 1;\n-- a comment\n"


@pytest.mark.parametrize(
    ("files", "stem"),
    [
        ({"V1__a.sql": "VACUUM;", "V1__a.sql.conf": "executeInTransaction=false"}, "a"),
        (
            {
                "2026-01-01-000000_a/up.sql": "VACUUM;",
                "2026-01-01-000000_a/metadata.toml": "run_in_transaction = false\n",
            },
            "a",
        ),
        ({"1_a.up.sql": "VACUUM;", "1_a.down.sql": ""}, "a"),  # nowhere said: needed
    ],
)
def test_files_beside_a_migration_and_its_statements_say_so_too(
    project: Project, tmp_path: Path, files: dict[str, str], stem: str
) -> None:
    project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    assert sql(project)[f"001_{stem}.sql"] == b"-- no-transaction\nVACUUM;"
    project.sqlpair("migrate")


def test_a_block_of_gooses_that_ends_without_a_semicolon_gets_one(
    project: Project, tmp_path: Path
) -> None:
    block = (
        "-- +goose Up\n-- +goose StatementBegin\n"
        "CREATE FUNCTION é() RETURNS int LANGUAGE plpgsql AS $$\n"
        "BEGIN RETURN 1; END $$ -- as goose takes it\n-- +goose StatementEnd\n"
        "-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n"
    )
    folder = write(tmp_path / "goose", {"1_f.sql": block})

    said = project.sqlpair("import", str(folder), "postgres").stdout

    made = sql(project)["001_f.sql"].decode()
    assert made == block.replace("END $$ --", "END $$; --")
    assert "added to 001_f.sql: a ; behind what ended at StatementEnd" in said
    project.sqlpair("migrate")


def test_what_cannot_be_carried_over_is_named(project: Project, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "flyway",
        {
            "V1__t.sql": "CREATE TABLE t (id int);\n-- ${kept} is a comment\n",
            "V2__Seed.java": "class V2__Seed {}\n",
            "sub/V10__owner.sql": "SELECT 1;\nALTER TABLE t OWNER TO ${owner};\n",
            "afterMigrate.sql": "SELECT 1;\n",
            "U9__gone.sql": "SELECT 1;\n",
            "notes.sql": "SELECT 1;\n",
            "README.md": "text\n",
        },
    )
    said = project.sqlpair("import", str(folder), "postgres", expect=1).stdout

    for name, why in (
        (
            "V2__Seed.java",
            "a migration written in Java; its pair does nothing until you write",
        ),
        ("sub/V10__owner.sql", "line 2: ${owner} is replaced by nothing here"),
        ("afterMigrate.sql", "a callback"),
        ("U9__gone.sql", "undoes no migration"),
        ("notes.sql", "not read as a migration, and left out"),
    ):
        assert re.search(rf"{re.escape(name)}: {re.escape(why)}", said), said
    assert "kept" not in said
    assert "README" not in said
    assert "3 migrations without a rollback" in said
    assert [*ids(project)] == ["001_t", "002_Seed", "010_owner"]
    assert b"V2__Seed.java was not carried over" in sql(project)["002_Seed.sql"]


def test_repeatable_files_of_flyway_are_repeatable_files(
    project: Project, tmp_path: Path
) -> None:
    view = "CREATE OR REPLACE VIEW v AS SELECT id FROM t;\n"
    folder = write(
        tmp_path / "flyway",
        {"V1__t.sql": "CREATE TABLE t (id int);\n", "sub/R__All views.sql": view},
    )
    path = project.root / "sql" / "postgres" / "repeatable" / "All_views.sql"

    said = project.sqlpair("import", str(folder), "postgres").stdout

    assert path.read_text() == view
    assert "Imported 1 repeatable file: sqlpair migrate runs them" in said
    project.sqlpair("migrate")
    assert project.pg("SELECT count(*) FROM v") == [(0,)]
    project.sqlpair("verify")
    path.write_text("CREATE OR REPLACE VIEW v AS SELECT id FROM t WHERE id > 0;\n")
    again = project.sqlpair("import", str(folder), "postgres").stdout
    assert "Nothing to do" in again
    assert "R__All views.sql: another text than All_views.sql here" in again
    assert "WHERE" in path.read_text()
    path.write_text(view)
    write(folder, {"U1__t.sql": "DROP TABLE t;"})
    again = project.sqlpair("import", str(folder), "postgres").stdout
    assert "V1__t.sql: has a rollback since: copy it to 001_t_rollback.sql" in again
    assert "another text" not in again


def test_two_repeatable_files_of_one_name_are_refused(
    project: Project, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "flyway",
        {
            "V1__t.sql": "CREATE TABLE t (id int);\n",
            "R__a b.sql": "SELECT 1;\n",
            "R__a_b.sql": "SELECT 2;\n",
        },
    )

    said = project.sqlpair("import", str(folder), "postgres", expect=2).stderr

    assert "two repeatable files would be called a_b.sql" in said
    assert not sql(project)


def test_migrations_in_code_keep_their_place(project: Project, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "goose",
        {
            "00001_t.sql": "-- +goose Up\nCREATE TABLE t (id int);\n",
            "00002_seed.go": "package migrations\n",
            "00002_seed_test.go": "package migrations\n",
            "embed.go": "package migrations\n",
            "00003_u.sql": "-- +goose Up\nCREATE TABLE u (id int);\n",
        },
    )
    said = project.sqlpair("import", str(folder), "postgres", expect=1).stdout

    assert ids(project) == {"001_t": "1", "002_seed": "2", "003_u": "3"}
    assert said.count("a migration written in Go") == 1
    project.sqlpair("migrate")


def test_gooses_variables_are_named_where_they_are_on(
    project: Project, tmp_path: Path
) -> None:
    text = (
        "-- +goose Up\nSELECT '$NO';\n-- +goose ENVSUB ON\nSELECT '${ROLE:-app}';\n"
        "SELECT $body$x$body$, '$HOST';\n-- +goose ENVSUB OFF\nSELECT '${NOR}';\n"
    )
    folder = write(tmp_path / "goose", {"1_x.sql": text})

    said = project.sqlpair("import", str(folder), "postgres", expect=1).stdout

    assert "line 4: ${ROLE:-app} is replaced by nothing here" in said
    assert "line 5: $HOST is replaced by nothing here" in said
    assert said.count("is replaced by nothing") == 2


def test_a_second_import_takes_what_is_new(project: Project, tmp_path: Path) -> None:
    folder = PROJECTS["dbmate"].write(tmp_path / "theirs")
    project.sqlpair("import", str(folder), "postgres")
    project.add("postgres", "004_own", "SELECT 1;")
    before = sql(project)
    again = project.sqlpair("import", str(folder), "postgres").stdout
    assert again == "Nothing to do: all 3 migrations are imported.\n"
    assert sql(project) == before

    write(folder, {"20260201000000_new.sql": "-- migrate:up\nSELECT 2;\n"})
    project.sqlpair("import", str(folder), "postgres")

    assert sql(project).keys() - before.keys() == {"005_new.sql"}
    assert ids(project)["005_new"] == "20260201000000"
    project.sqlpair("migrate")


@pytest.mark.parametrize(
    ("own", "names", "stems"),
    [
        ([], ["1_a", "2_b", "40_c"], ["001_a", "002_b", "040_c"]),
        ([], ["0_a", "1234_b"], ["0000_a", "1234_b"]),
        ([], ["20260101120000_a", "20260102120000_b"], ["001_a", "002_b"]),
        (["007_own"], ["1_a", "8_b"], ["008_a", "009_b"]),
        (["007_own"], ["8_a", "11_b"], ["008_a", "011_b"]),
    ],
)
def test_numbers_stay_where_they_can(
    project: Project, tmp_path: Path, own: list[str], names: list[str], stems: list[str]
) -> None:
    for stem in own:
        project.add("sqlite", stem, "SELECT 1;")
    files = {f"{name}.up.sql": "SELECT 1;" for name in names}

    project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    assert [*ids(project)] == stems
    project.sqlpair("migrate")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("add rollback", "001_add_rollback-"),
        ("verify", "001_verify-"),
        ("café Ümlaut!", "001_cafe_Umlaut"),
        ("日本", "001_migration"),
        ("a" * 200, f"001_{'a' * 100}"),
        ("", "001_migration"),
    ],
)
def test_any_name_becomes_one_that_a_file_may_have(
    project: Project, tmp_path: Path, name: str, stem: str
) -> None:
    files = {f"1_{name}.up.sql": "SELECT 1;", f"1_{name}.down.sql": "SELECT 1;"}

    project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    assert [*sql(project)] == sorted([f"{stem}.sql", f"{stem}_rollback.sql"])
    project.sqlpair("migrate")
    project.sqlpair("rollback", "--to", "0")


@pytest.mark.parametrize(
    ("files", "arguments", "told"),
    [
        ({"1_a.up.sql": ""}, [], "it is not clear which database this history is for"),
        ({"1_a.up.sql": ""}, ["other"], "no database is called 'other'"),
        ({}, ["postgres"], "is the folder of sqlite's own migrations"),
        (
            {"a.sql": "", "../sqitch.plan": ""},
            ["postgres"],
            "a part of a Sqitch project",
        ),
        ({"a.txt": "", "db/1_a.sql": ""}, ["postgres"], "There is SQL in: "),
        ({"1_a.up.sql": "", "01_b.up.sql": ""}, ["postgres"], "have the version 1"),
        ({"V1__a.sql": "", "V1.0__b.sql": ""}, ["postgres"], "have the version 1"),
        (
            {"1/migration.sql": "", "migration_lock.toml": 'provider = "mysql"'},
            ["postgres"],
            "written for mysql",
        ),
        (
            {"1/migration.sql": "", "migration_lock.toml": 'provider = "sqlite"'},
            ["postgres"],
            "it is not clear which database this history (sqlite) is for",
        ),
    ],
)
def test_nothing_is_written_where_it_is_not_clear_what(
    project: Project,
    tmp_path: Path,
    files: dict[str, str],
    arguments: list[str],
    told: str,
) -> None:
    own = project.root / "sql" / "sqlite"
    folder = write(tmp_path / "x", files) if files else own

    failed = project.sqlpair("import", str(folder), *arguments, expect=2)

    assert told in failed.stderr
    assert sql(project) == {}
    assert not (project.root / "sql" / "postgres" / "imported.toml").exists()


def test_what_prisma_says_of_the_engine_chooses_the_database(
    project: Project, tmp_path: Path
) -> None:
    folder = PROJECTS["prisma"].write(tmp_path / "theirs")
    write(folder, {"migration_lock.toml": 'provider = "sqlite"\n'})

    project.sqlpair("import", str(folder))

    assert len(sql(project, "sqlite")) == 6


def test_a_database_takes_the_history_of_one_tool(
    project: Project, tmp_path: Path
) -> None:
    for tool, expect in (("goose", 0), ("flyway", 2)):
        folder = PROJECTS[tool].write(tmp_path / tool)
        done = project.sqlpair("import", str(folder), "postgres", expect=expect)

    assert "its history came from goose, not from flyway" in done.stderr
    assert len(sql(project)) == 6


def test_what_cannot_be_written_leaves_nothing(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = PROJECTS["goose"].write(tmp_path / "theirs")
    target = project.root / "sql" / "postgres"
    # Behind five files that are written, the sixth is there already.
    real = Path.open

    def full(path: Path, *arguments: object, **more: object) -> object:
        if path.name == "003_create_posts_rollback.sql":
            raise OSError(28, os.strerror(28), str(path))
        return real(path, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", full)

    failed = project.sqlpair("import", str(folder), "postgres", expect=2).stderr

    assert "No space left" in failed
    assert "Nothing was written." in failed
    assert [*target.iterdir()] == []


def test_files_that_nothing_helps_are_told_and_written(
    project: Project, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "x",
        {"1_a.up.sql": "\\i other.sql\n", "2_b.up.sql": "SELECT 'endless;\n"},
    )
    said = project.sqlpair("import", str(folder), "postgres", expect=1).stdout

    assert "postgres 001_a.sql:1: " in said
    assert "postgres 002_b.sql:1: a string that never ends" in said
    assert len(sql(project)) == 2


def test_a_reworked_change_of_sqitchs_has_the_script_of_its_time(
    project: Project, tmp_path: Path
) -> None:
    plan = (
        "%syntax-version=1.0.0\n%project=flipr\n\n"
        "f 2026-01-01T00:00:00Z A <a@x.org> # f\n"
        "@v1 2026-01-02T00:00:00Z A <a@x.org> # 1\n"
        "g [f] 2026-01-02T00:00:00Z A <a@x.org> # g\n"
        "@v2 2026-01-03T00:00:00Z A <a@x.org> # 2\n\n"
        "# a comment\n"
        "f [f@v2] 2026-01-04T00:00:00Z A <a@x.org> # again\n"
    )
    folder = write(
        tmp_path / "flipr",
        {
            "sqitch.conf": '[core]\n\ttop_dir = db\n[engine "pg"]\n\ttarget = x\n',
            "db/sqitch.plan": plan,
            "db/deploy/f@v2.sql": "SELECT 1;",
            "db/deploy/g.sql": "SELECT 2;",
            "db/deploy/f.sql": "SELECT 3;",
            "db/revert/f@v2.sql": "SELECT -1;",
            "db/revert/f.sql": "SELECT -3;",
            "db/verify/f.sql": "SELECT 0;",
        },
    )
    said = project.sqlpair("import", str(folder), "postgres").stdout

    assert ids(project) == {
        "001_f": "flipr:f",
        "002_g": "flipr:g",
        "003_f": "flipr:f#2",
    }
    assert sql(project) == {
        "001_f.sql": b"SELECT 1;",
        "001_f_rollback.sql": b"SELECT -1;",
        "002_g.sql": b"SELECT 2;",
        "003_f.sql": b"SELECT 3;",
        "003_f_rollback.sql": b"SELECT -3;",
    }
    assert "verify: 1 verify script" in said


ALEMBIC = '''
import sqlalchemy as sa
from alembic import op
revision: str = "{0}"
down_revision = {1}
SQL = """
CREATE TABLE t{0} (at text DEFAULT '12\\\\:30', pct text DEFAULT '5 %')
"""

def upgrade():
    """Go up."""
{2}

def downgrade():
    pass
'''


def revision(id_: str, below: object, *lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return ALEMBIC.format(id_, repr(below), body)


def test_sql_in_op_execute_is_read_in_the_order_of_down_revision(
    project: Project, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "alembic",
        {
            "versions/z_first.py": revision("z", None, "op.execute(SQL)"),
            "versions/b_left.py": revision("b", "z", 'op.execute(sa.text("SELECT 1"))'),
            "versions/a_right.py": revision("a", "z", "op.execute('SELECT ' '2;')"),
            "versions/m_merge.py": revision("m", ("a", "b"), "pass"),
            "versions/c_index.py": revision(
                "c",
                "m",
                "with op.get_context().autocommit_block():",
                "    op.execute('CREATE INDEX CONCURRENTLY i ON tz (at) -- x')",
            ),
        },
    )
    project.sqlpair("import", str(folder), "postgres")

    assert [*ids(project).values()] == ["z", "a", "b", "m", "c"]
    files = sql(project)
    assert files["001_first.sql"].decode() == (
        "\nCREATE TABLE tz (at text DEFAULT '12:30', pct text DEFAULT '5 %');\n\n"
    )
    assert files["002_right.sql"] == b"SELECT 2;\n"
    assert files["003_left.sql"] == b"SELECT 1;\n"
    assert files["005_index.sql"] == (
        b"-- no-transaction\nCREATE INDEX CONCURRENTLY i ON tz (at); -- x\n"
    )
    project.sqlpair("migrate")
    assert project.pg(
        "SELECT column_default FROM information_schema.columns"
        " WHERE table_name = 'tz' ORDER BY 1"
    ) == [("'12:30'::text",), ("'5 %'::text",)]


def test_what_is_no_sql_in_a_revision_is_written_by_alembic(
    project: Project, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "alembic",
        {
            "1_a.py": revision(
                "a",
                None,
                "print('some', op.get_context().dialect.name)",
                "op.create_table('t', sa.Column('id', sa.Integer, primary_key=True),",
                "    sa.Column('pct', sa.Text, server_default='5 %'))",
            ),
            "2_b.py": revision("b", "a", "op.execute(f'SELECT {1}')"),
            "3_c.py": revision(
                "c",
                "b",
                "with op.get_context().autocommit_block():",
                "    for name in ('id', 'pct'):",
                "        op.create_index(f'i_{name}', 't', [name])",
            ),
            "4_d.py": revision(
                "d",
                "c",
                "from alembic import context",
                "with context.begin_transaction():",
                "    op.execute(\"INSERT INTO t VALUES (1, 'tab\\t %')\")",
                "    columns = sa.column('id', sa.Integer), sa.column('pct', sa.Text)",
                "    table = sa.table('t', *columns)",
                "    op.bulk_insert(table, [{'id': 2, 'pct': \"'\"}])",
            ),
            "5_e.py": revision(
                "e", "d", "op.get_bind().commit()", "op.execute(f'ANALYZE {\"t\"}')"
            ),
        },
    )
    said = project.sqlpair("import", str(folder), "postgres").stdout

    assert "added to 001_1_a.sql: all of it, as Alembic writes what the" in said
    assert "added to 003_3_c.sql: -- no-transaction" in said
    assert "added to 004_4_d.sql: -- no-transaction" not in said
    assert "added to 005_5_e.sql: -- no-transaction" in said
    files = sql(project)
    assert files["002_2_b.sql"] == b"SELECT 1;\n"
    project.sqlpair("migrate")
    assert project.pg("SELECT * FROM t ORDER BY id") == [(1, "tab\t %"), (2, "'")]
    assert project.pg(
        "SELECT indexname FROM pg_indexes WHERE tablename = 't' ORDER BY 1"
    ) == [("i_id",), ("i_pct",), ("t_pkey",)]
    assert project.pg(
        "SELECT column_default FROM information_schema.columns"
        " WHERE table_name = 't' ORDER BY 1 LIMIT 1"
    ) == [("'5 %'::text",)]


BATCH = {
    "versions/1_a.py": revision(
        "a",
        None,
        "op.create_table('p', sa.Column('id', sa.Integer, primary_key=True))",
        "op.create_table('t', sa.Column('id', sa.Integer, primary_key=True),",
        "    sa.Column('p', sa.Integer, sa.ForeignKey('p.id')),",
        "    sa.Column('a', sa.Text))",
        "op.create_table('u', sa.Column('t', sa.Integer, sa.ForeignKey('t.id')))",
        "op.execute('CREATE TRIGGER tr AFTER INSERT ON p BEGIN INSERT INTO u'",
        "    ' VALUES (new.id); END')",
        "op.create_index('i', 't', ['a'])",
    ),
    "versions/2_b.py": revision(
        "b",
        "a",
        "op.execute('INSERT INTO p VALUES (1)')",
        "with op.batch_alter_table('t') as batch:",
        "    batch.alter_column('a', type_=sa.String(20), nullable=False)",
        "    batch.add_column(sa.Column('b', sa.Integer, server_default='7'))",
        "if 'b' in {c['name'] for c in sa.inspect(op.get_bind()).get_columns('t')}:",
        "    table = sa.table('t', sa.column('a', sa.Text))",
        "    op.get_bind().execute(table.insert(), [{'a': \"it's\"}, {'a': ':x %s'}])",
    )
    + "\ndef downgrade():\n    with op.batch_alter_table('t') as batch:\n"
    "        batch.drop_column('b')\n",
    "versions/3_c.py": revision(
        "c", "b", "op.execute('CREATE VIEW v AS SELECT a FROM t')"
    )
    + "\ndef downgrade():\n    op.execute('DROP VIEW v')\n",
}


ENV = """
import sqlalchemy as sa
from alembic import context
engine = sa.create_engine("sqlite:///theirs.db", poolclass=sa.pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def test_batches_of_sqlite_do_what_they_do_in_alembic(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "alembic", BATCH | {"env.py": ENV})
    config = Config()
    config.set_main_option("script_location", str(folder))
    said = project.sqlpair("import", str(folder), "sqlite").stdout
    assert "added to 002_2_b.sql: all of it, what the revision does where" in said

    def same() -> None:
        with closing(sqlite3.connect("theirs.db")) as theirs:
            expected = [line for line in theirs.iterdump() if "alembic_" not in line]
        with closing(sqlite3.connect(project.file)) as ours:
            own = ("alembic_", "schema_")
            found = [
                line for line in ours.iterdump() if not any(n in line for n in own)
            ]
        assert found == expected

    command.upgrade(config, "head")
    project.sqlpair("migrate")
    same()
    assert project.lite("SELECT a, b, p FROM t ORDER BY id") == [
        ("it's", 7, None),
        (":x %s", 7, None),
    ]
    for _ in range(2):
        command.downgrade(config, "-1")
        project.alembic("-x", "allow-data-loss=true", "downgrade", "sqlite@-1")
        same()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "op.get_bind().scalar(sa.text('SELECT max(id) FROM p'))",
            "it reads rows: SELECT max(id) FROM p",
        ),
        (
            "op.get_bind().execute(sa.text('DELETE FROM p RETURNING id')).all()",
            "it reads rows: DELETE FROM p RETURNING id",
        ),
        (
            "op.get_bind().connection.cursor().execute('CREATE TABLE x (a)')",
            "it runs SQL beside SQLAlchemy: CREATE TABLE x (a)",
        ),
    ],
)
def test_above_what_depends_on_rows_no_batch_is_carried_over(
    project: Project, tmp_path: Path, line: str, told: str
) -> None:
    files = {
        "versions/1_a.py": BATCH["versions/1_a.py"],
        "versions/2_r.py": revision("r", "a", line, "sa.inspect(op.get_bind())"),
        "versions/3_b.py": BATCH["versions/2_b.py"].replace("'a'", "'r'", 1),
    }
    folder = write(tmp_path / "alembic", files)
    said = project.sqlpair("import", str(folder), "sqlite", expect=1).stdout

    said = " ".join(said.split())
    assert f"(ValueError: {told})" in said
    assert "; 2_r.py below it was not carried over)" in said


ASKING = {
    "versions/1_a.py": revision(
        "a",
        None,
        "op.create_table('t', sa.Column('id', sa.Integer, primary_key=True),",
        "    sa.Column('n', sa.Text))",
        "op.create_index('ix_n', 't', ['n'])",
    ),
    "versions/2_b.py": revision(
        "b",
        "a",
        "inspector = sa.inspect(op.get_bind())",
        "if 'm' not in {c['name'] for c in inspector.get_columns('t')}:",
        "    op.add_column('t', sa.Column('m', sa.Text, server_default='50%'))",
        "for index in inspector.get_indexes('t'):",
        "    op.drop_index(index['name'], table_name='t')",
        "sa.Enum('sad', 'ok', name='mood').create(op.get_bind(), checkfirst=True)",
        "op.get_bind().execute(sa.text('INSERT INTO t VALUES (:i, :n)'),",
        "    [{'i': 1, 'n': \"it's %s\"}, {'i': 2, 'n': None}])",
    )
    + "\ndef downgrade():\n    if sa.inspect(op.get_bind()).has_table('t'):\n"
    "        op.drop_column('t', 'm')\n        op.execute('DROP TYPE mood')\n",
    "versions/3_c.py": revision("c", "b", "op.execute('CREATE VIEW v AS TABLE t')"),
    "versions/4_d.py": revision(
        "d",
        "c",
        'there = op.get_bind().scalar(sa.text("SELECT 1 FROM information_schema.views'
        " WHERE table_name = 'v'\"))",
        "op.execute('DROP VIEW v' if there else 'DROP TABLE t')",
    ),
}


def test_revisions_that_ask_postgresql_do_what_they_do_in_alembic(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = project.environ["DATABASE_URL"]
    env = ENV.replace('"sqlite:///theirs.db"', "__import__('os').environ['THEIRS']")
    folder = write(tmp_path / "alembic", ASKING | {"env.py": env})
    config = Config()
    config.set_main_option("script_location", str(folder))
    url = url.replace("postgresql://", "postgresql+psycopg2://")
    monkeypatch.setenv("THEIRS", url)
    said = project.sqlpair("import", str(folder), "postgres").stdout
    assert "added to 002_2_b.sql: all of it, what the revision does where" in said
    assert project.tables("postgres") == set()

    command.upgrade(config, "head")

    theirs = project.pg("TABLE t")
    project.sqlpair("adopt", "postgres", "--yes")
    project.sqlpair("verify", "postgres")
    assert sql(project)["004_4_d.sql"] == b"DROP VIEW v;\n"
    project.pg("DROP TABLE t, alembic_version, schema_version; DROP TYPE mood")
    project.pg("DROP TABLE schema_history")
    project.sqlpair("migrate")
    assert project.pg("TABLE t") == theirs == [(1, "it's %s", "50%"), (2, None, "50%")]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["bind.scalar(sa.text('SELECT max(id) FROM t'))"],
            "it reads rows: SELECT max",
        ),
        (["bind.execute(sa.text('DELETE FROM t RETURNING id'))"], "it reads rows: DEL"),
        (
            ["bind.connection.cursor().copy_expert('COPY t FROM stdin', None)"],
            "it copie",
        ),
        (["op.execute('SELECT 1 FROM pg_class')", "bind.commit()"], "it commits"),
        (
            [
                "save = bind.begin_nested()",
                "op.execute('DROP TABLE t')",
                "save.rollback()",
            ],
            "it rolls back what it ran",
        ),
    ],
)
def test_what_cannot_be_replayed_on_postgresql_is_named(
    project: Project, tmp_path: Path, lines: list[str], told: str
) -> None:
    own = ["bind = op.get_bind()", "sa.inspect(bind)", *lines]
    files = {
        "versions/1_a.py": ASKING["versions/1_a.py"],
        "versions/2_r.py": revision("r", "a", *own),
        "versions/3_b.py": ASKING["versions/2_b.py"].replace("'a'", "'r'", 1),
    }
    folder = write(tmp_path / "alembic", files)

    said = project.sqlpair("import", str(folder), "postgres", expect=1).stdout

    said = " ".join(said.split())
    assert f"(ValueError: {told}" in said
    assert "; 2_r.py below it was not carried over)" in said


def test_without_a_scratch_server_what_asks_postgresql_is_named(
    project: Project, tmp_path: Path
) -> None:
    project.environ["SCRATCH_URL"] = f"postgresql:///nobody?host={tmp_path}"
    folder = write(tmp_path / "alembic", ASKING)

    said = project.sqlpair("import", str(folder), "postgres", expect=1).stdout

    said = " ".join(said.split())
    assert "2_b.py" in said
    assert "; postgres: cannot connect" in said


def test_what_alembic_cannot_write_without_a_database_is_named(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_URL", "postgresql://x")
    folder = write(
        tmp_path / "alembic",
        {
            "1_a.py": revision("a", None, "op.get_bind().scalar(sa.text('SELECT 1'))"),
            "2_b.py": revision("b", "a", "import os", "os.environ['SHOP_URL']"),
            "3_c.py": "import nowhere\n" + revision("c", "b", "op.drop_table('t')"),
            "4_d.py": revision("d", "c", "raise SystemExit('stop')"),
            "5_e.py": revision("e", "d", "op.drop_table()"),
            "6_f.py": revision("f", "e", "op.execute('SELECT 1')"),
            "7_g.py": revision("g", "f", "for _ in op.get_bind().execute(SQL): pass"),
            "8_h.py": revision(
                "h", "g", "op.get_bind().execute(sa.text('SELECT :y'), {'y': 2})"
            ),
            "9_i.py": revision(
                "i",
                "h",
                "table = sa.table('t', sa.column('id', sa.Integer))",
                "op.get_bind().execute(table.insert(), [{'id': 2}])",
            ),
            "9_j.py": revision(
                "j",
                "i",
                "from alembic import context",
                "if not context.is_offline_mode(): op.execute('SELECT 1')",
            ),
        },
    )
    said = project.sqlpair("import", str(folder), "postgres", expect=1).stdout

    said = " ".join(said.split())
    cannot = "is not SQL in op.execute, and Alembic cannot write it offline"
    reads = "(ValueError: it reads rows: SELECT 1)"
    assert f"1_a.py: upgrade: line 12 {cannot} {reads}" in said
    assert (
        f"2_b.py: upgrade: line 12 {cannot} (KeyError: 'SHOP_URL'; 1_a.py below" in said
    )
    assert f"3_c.py: upgrade: line 13 {cannot} (ModuleNotFoundError:" in said
    assert f"4_d.py: upgrade: line 12 {cannot} (SystemExit: stop; " in said
    for name in ("5_e", "7_g", "8_h", "9_i"):
        assert re.search(rf"{name}.py(, \S+)*: upgrade: line \d+ {cannot}", said), name
    assert "its file does nothing until you write it" in said
    assert b"1_a.py was not carried over" in sql(project)["001_1_a.sql"]
    assert sql(project)["006_6_f.sql"] == b"SELECT 1;\n"


@pytest.mark.parametrize(
    "beside",
    [
        "SQL = SQL.replace('ta', 'tb')",
        "SQL += '; CREATE TABLE tb ()'",
        "for SQL in ('CREATE TABLE tb ()',): pass",
        "from os.path import sep as SQL\nSQL = 'CREATE TABLE tb ()'",
        "if 1:\n    def upgrade(): op.execute('CREATE TABLE tb ()')",
        "upgrade = lambda: op.execute('CREATE TABLE tb ()')",
        "before = upgrade\ndef twice(f): return lambda: (f(),"
        " op.execute('CREATE TABLE tb ()'))\n@twice\ndef upgrade(): pass",
        "del upgrade\nfrom _others import *",
    ],
)
def test_a_name_that_is_bound_twice_is_what_python_makes_of_it(
    project: Project, tmp_path: Path, beside: str
) -> None:
    files = {
        "_others.py": "from alembic import op\n"
        "def upgrade():\n    op.execute('CREATE TABLE tb ()')\n",
        "1_a.py": revision("a", None, "op.execute(SQL)") + beside + "\n",
    }
    folder = write(tmp_path / "alembic", files)
    project.sqlpair("import", str(folder), "postgres")

    assert b"tb" in sql(project)["001_1_a.sql"]


@pytest.mark.parametrize(
    ("below", "told"),
    [("x", "stands on x, which is no file here"), ("b", "in a circle")],
)
def test_revisions_without_an_order_are_refused(
    project: Project, tmp_path: Path, below: str, told: str
) -> None:
    folder = write(
        tmp_path / "alembic",
        {"a.py": revision("a", below, "pass"), "b.py": revision("b", "a", "pass")},
    )
    failed = project.sqlpair("import", str(folder), "postgres", expect=2).stderr

    assert told in failed


def test_a_renumbered_migration_is_still_known(
    project: Project, tmp_path: Path
) -> None:
    folder = PROJECTS["goose"].write(tmp_path / "theirs")
    project.sqlpair("import", str(folder), "postgres")

    project.sqlpair("renumber", "sql/postgres/002_add_email.sql")

    assert ids(project) == {
        "001_create_users": "1",
        "004_add_email": "2",
        "003_create_posts": "3",
    }


def test_numbers_of_folders_are_numbers(project: Project, tmp_path: Path) -> None:
    files = {
        f"{name}/up.sql": "SELECT 1;"
        for name in (
            *("10-later", "9-first", "2026-01-02-030405-0000_third"),
            *("2026-01-02-0305-fourth", "2026-01-03-040506_last"),
        )
    }

    project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    assert ids(project) == {
        "001_first": "9first",
        "002_later": "10later",
        "003_third": "202601020304050000",
        "004_fourth": "202601020305fourth",
        "005_last": "20260103040506",
    }


def test_a_file_that_runs_by_hand_alone_runs_so(
    project: Project, tmp_path: Path
) -> None:
    middle = "CREATE TABLE t (id);\nPRAGMA foreign_keys = OFF;\nDROP TABLE t;\n"
    files = {"1_a.up.sql": middle, "2_b.up..sql": "SELECT 1;", "3_b.go": "package x\n"}

    said = project.sqlpair(
        "import", str(write(tmp_path / "x", files)), "sqlite", expect=1
    ).stdout

    assert "added to 001_a.sql: -- no-transaction" in said
    assert "3_b.go: code beside the migrations, and left out" in said
    assert [*ids(project, "sqlite")] == ["001_a", "002_b"]
    project.sqlpair("migrate")


def test_what_commits_in_a_body_runs_by_itself(
    project: Project, tmp_path: Path
) -> None:
    procedure = "CREATE OR REPLACE {} LANGUAGE plpgsql AS $x$\nBEGIN\n  {}\nEND $x$;\n"
    files = {
        "1_a.sql": procedure.format("PROCEDURE public.fill()", "PERFORM 1; COMMIT;"),
        "2_b.sql": procedure.format("PROCEDURE calm(a int)", "-- ; COMMIT;")
        + "CALL calm(1);\n",
        "3_c.sql": "CREATE TABLE t (id int);\nCALL Fill ();\n",
        "4_d.sql": "DO $$\nBEGIN\n  INSERT INTO t VALUES (1);\n  COMMIT;\nEND $$;\n",
        "5_e.sql": "-- CALL fill();\nSELECT 'CALL fill()';\n",
    }

    said = project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    assert re.findall("added to (.*)", said.stdout) == [
        "003_c.sql: -- no-transaction",
        "004_d.sql: -- no-transaction",
    ]
    project.sqlpair("migrate")


def test_what_a_revision_depends_on_runs_before_it(
    project: Project, tmp_path: Path
) -> None:
    other = revision("a", None, "pass") + 'depends_on = "z"\n'
    files = {"a.py": other, "z.py": revision("z", None, "pass")}

    project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    assert [*ids(project).values()] == ["z", "a"]


def test_files_of_another_tools_in_the_projects_folder_are_told_of_import(
    project: Project,
) -> None:
    write(project.root / "sql" / "postgres", {"1_a.up.sql": ""})

    assert "sqlpair import FOLDER" in project.sqlpair("status", expect=1).stderr


def test_a_name_is_the_text_that_it_was_given_last(
    project: Project, tmp_path: Path
) -> None:
    lines = (
        "conn = op.get_bind()",
        "sql = 'SELECT 1'",
        "conn.execute(sa.text(sql))",
        "sql = 'SELECT 2'",
        "op.execute(sql)",
    )
    files = {"a_x.py": revision("a", None, *lines)}

    project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    assert sql(project)["001_x.sql"] == b"SELECT 1;\nSELECT 2;\n"


def test_many_files_with_one_fault_are_named_together(
    project: Project, tmp_path: Path
) -> None:
    files = {f"{n}_x.go": "package x\n" for n in range(1, 31)}
    files["31_a.sql"] = "-- +goose Up\nSELECT 1;\n"

    said = project.sqlpair(
        "import", str(write(tmp_path / "x", files)), "postgres", expect=1
    ).stdout

    assert said.count("a migration written in Go") == 1
    assert "… (30 in all): a migration written in Go" in said


MARKS = {
    "sql-migrate": ("-- +migrate Up\n", "-- +migrate Down\n"),
    "node-pg-migrate": ("-- Up Migration\n", "-- Down Migration\r\n"),
    "tern": ("", "---- create above / drop below ----\n"),
    "MyBatis": ("-- // create users\n", "-- //@UNDO\n"),
    "Play": ("-- !Ups\n", "-- !Downs\n"),
    "rambler": ("-- rambler up\n", "-- rambler down\n"),
    "shmig": ("-- Migration: a\n-- ====  UP  ====\n", "-- ==== DOWN ====\n"),
    "somebody's own": ("-- up:\n", "-- rollback\n"),
}


@pytest.mark.parametrize("tool", MARKS)
def test_what_stands_below_a_mark_for_the_way_down_is_the_rollback(
    project: Project, tmp_path: Path, tool: str
) -> None:
    up, down = MARKS[tool]
    files = {
        "1_a.sql": f"{up}CREATE TABLE a (id int);\n{down}DROP TABLE a;\n",
        "2_b.sql": f"{up}CREATE TABLE b (id int);\n",
    }

    said = project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    assert sql(project) == {
        "001_a.sql": f"{up}CREATE TABLE a (id int);\n".encode(),
        "001_a_rollback.sql": f"{down}DROP TABLE a;\n".encode(),
        "002_b.sql": f"{up}CREATE TABLE b (id int);\n".encode(),
    }
    assert "1_a.sql: what is below its mark for the way down is its rollback" in (
        said.stdout
    )


def test_a_mark_may_say_that_its_way_runs_in_no_transaction(
    project: Project, tmp_path: Path
) -> None:
    up = "-- +migrate Up notransaction\nSELECT 1;\n"
    down = "-- +migrate Down notransaction\nSELECT 2;\n"
    folder = write(tmp_path / "x", {"1_a.sql": up + down})

    project.sqlpair("import", str(folder), "postgres")

    assert sql(project) == {
        "001_a.sql": f"-- no-transaction\n{up}".encode(),
        "001_a_rollback.sql": f"-- no-transaction\n{down}".encode(),
    }


def test_a_comment_that_only_speaks_of_going_down_parts_no_file(
    project: Project, tmp_path: Path
) -> None:
    text = "-- Down is the last one.\nSELECT 1;\n-- down\nSELECT 2;\n"
    folder = write(tmp_path / "x", {"1_a.sql": text})

    project.sqlpair("import", str(folder), "postgres")

    assert sql(project) == {"001_a.sql": text.encode()}


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("1.do.a.sql", "1.undo.a.sql"),
        ("1_up_a.sql", "1_down_a.sql"),
        ("1_a.sql", "1_a-undo.SQL"),
    ],
)
def test_the_way_may_stand_at_either_end_of_a_name(
    project: Project, tmp_path: Path, up: str, down: str
) -> None:
    files = {up: "SELECT 1;", down: "SELECT 2;", "2_down_payment.sql": "SELECT 3;"}

    project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    assert sql(project) == {
        "001_a.sql": b"SELECT 1;",
        "001_a_rollback.sql": b"SELECT 2;",
        "002_down_payment.sql": b"SELECT 3;",
    }


def test_numbered_files_with_and_without_a_direction_are_one_history(
    project: Project, tmp_path: Path
) -> None:
    files = {"1_a.up.sql": "SELECT 1;", "1_a.down.sql": "", "2_b.sql": "SELECT 2;"}
    files |= {"10_c.up.sql": "SELECT 3;"}

    project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    assert ids(project) == {"001_a": "1_a", "002_b": "2_b", "010_c": "10_c"}


def test_a_numbered_file_that_is_left_out_is_a_fault(
    project: Project, tmp_path: Path
) -> None:
    dbmate = {"1_a.sql": "-- migrate:up\nSELECT 1;", "2_b.sql": "SELECT 2;"}
    alone = {"1_a.sql": "SELECT 1;", "2_cool_down.sql": "SELECT 2;"}
    golang = {"1_a.up.sql": "SELECT 1;", "1_a.sql": "SELECT 2;"}

    for name, files, told in (
        ("dbmate", dbmate, "2_b.sql: not read as a migration, and left out"),
        ("alone", alone, "2_cool_down.sql: undoes no migration"),
        ("golang", golang, "1_a.sql: not read as a migration, and left out"),
    ):
        folder = write(tmp_path / name, files)
        project.sqlpair("init", name)
        said = project.sqlpair("import", str(folder), "sqlite", within=name, expect=1)
        assert told in said.stdout


def test_two_files_that_are_one_migration_are_refused(
    project: Project, tmp_path: Path
) -> None:
    files = {"1_a.sql": "SELECT 1;", "1_a_up.sql": "SELECT 2;"}

    said = project.sqlpair(
        "import", str(write(tmp_path / "x", files)), "postgres", expect=2
    ).stderr

    assert "two files are migration 1_a" in said
    assert not sql(project)


def test_a_date_is_no_part_of_a_name(project: Project, tmp_path: Path) -> None:
    files = {"2015-06-05-add-user.sql": "", "2015-07-01.sql": "", "2016-1-2fa.sql": ""}

    project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    assert [*ids(project)] == ["001_add-user", "002_migration", "003_2fa"]


def test_what_the_tool_does_not_run_is_told_and_no_fault(
    project: Project, tmp_path: Path
) -> None:
    files = {"1_a.up.sql": "SELECT 1;", "2_b.down.sql": "", "schema.sql": "SELECT 1;"}

    said = project.sqlpair("import", str(write(tmp_path / "x", files)), "sqlite").stdout

    assert "2_b.down.sql: a down without its up" in said
    assert "schema.sql: not read as a migration, and left out" in said


def test_a_migration_that_comes_late_is_told_to_run_behind(
    project: Project, tmp_path: Path
) -> None:
    folder = PROJECTS["goose"].write(tmp_path / "theirs")
    late = (folder / "00002_add_email.sql").rename(tmp_path / "late.sql")
    assert "behind" not in project.sqlpair("import", str(folder), "postgres").stdout
    late.rename(folder / "00002_add_email.sql")

    said = project.sqlpair("import", str(folder), "postgres").stdout

    assert said.count("is older than what was imported before, and runs behind") == 1
    assert ids(project)["004_add_email"] == "2"


def test_a_squashed_import_is_still_adopted_by_the_tools_record(
    project: Project, tmp_path: Path
) -> None:
    tables = {f"00{n}_t{n}": f"CREATE TABLE t{n} (id int);\n" for n in (1, 2, 3)}
    folder = write(
        tmp_path / "migrate", {f"{n}.up.sql": text for n, text in tables.items()}
    )
    for text in tables.values():
        project.pg(text)
    project.pg("CREATE TABLE schema_migrations (version bigint, dirty boolean)")
    project.pg("INSERT INTO schema_migrations VALUES (3, false)")
    project.sqlpair("import", str(folder), "postgres")
    project.sqlpair("squash", "--to", "2", "--yes")

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "postgres: is 003_t3, as schema_migrations says" in said
    assert [*ids(project)] == ["002_squashed", "003_t3"]
    project.sqlpair("verify")


def test_a_block_of_sql_migrates_that_ends_without_a_semicolon_gets_one(
    project: Project, tmp_path: Path
) -> None:
    begin, end = "-- +migrate StatementBegin\n", "-- +migrate StatementEnd\n"
    body = (
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END $$"
    )
    up = f"-- +migrate Up\n{begin}{body}\n{end}CREATE TABLE a (id int);\n"
    down = f"-- +migrate Down\n{begin}DROP TABLE a\n{end}DROP FUNCTION f();\n"
    folder = write(tmp_path / "x", {"1_a.sql": up + down})

    project.sqlpair("import", str(folder), "postgres")
    project.sqlpair("migrate")
    project.sqlpair("rollback", "--yes")

    assert sql(project) == {
        "001_a.sql": up.replace("$$\n", "$$;\n").encode(),
        "001_a_rollback.sql": down.replace("a\n--", "a;\n--").encode(),
    }


def test_a_changelog_of_liquibases_is_refused_by_name(
    project: Project, tmp_path: Path
) -> None:
    text = (
        "--liquibase formatted sql\n\n--changeset ann:1 dbms:mysql\n"
        "ALTER TABLE a ADD b int;\n--rollback ALTER TABLE a DROP b;\n"
    )
    files = {"1.sql": "SELECT 1;\n", "2.sql": "\ufeff" + text}
    folder = write(tmp_path / "x", files)

    said = project.sqlpair("import", str(folder), "postgres", expect=2).stderr

    assert "changelogs of Liquibase" in said
    assert "2.sql" in said
    assert "000_baseline.sql" in said
    assert not sql(project)


@pytest.mark.parametrize("mark", ["-- atlas:txmode none", "-- transactional: false"])
def test_a_line_of_atlas_or_yoyos_asks_for_no_transaction(
    project: Project, tmp_path: Path, mark: str
) -> None:
    text = f"{mark}\n\nSELECT 1;\n"
    folder = write(tmp_path / "x", {"1_a.sql": text, "2_b.sql": "SELECT 2;\n"})

    project.sqlpair("import", str(folder), "postgres")

    assert sql(project)["001_a.sql"] == f"-- no-transaction\n{text}".encode()
    assert sql(project)["002_b.sql"] == b"SELECT 2;\n"


def test_a_delimiter_of_atlas_is_named(project: Project, tmp_path: Path) -> None:
    text = "-- atlas:delimiter -- end\nSELECT 1\n-- end\nSELECT 2\n"
    folder = write(tmp_path / "x", {"1_a.sql": text})

    said = project.sqlpair("import", str(folder), "postgres", expect=1).stdout

    assert "1_a.sql: atlas:delimiter: end its statements with a ;" in said


@pytest.mark.parametrize("ending", [".up.sql", ".sql"])
def test_what_a_program_fills_in_is_named_outside_of_texts(
    project: Project, tmp_path: Path, ending: str
) -> None:
    named = 'CREATE TABLE {{ index .Options "Namespace" }}.a (id int);\n' * 2
    text = (
        "INSERT INTO mail VALUES ('Dear {{ name }}'); -- {{ it's no SQL }}\n"
        "SELECT '{{1,2},{3,4}}'::int[], $x$ ${y} $x$;\n"
    )
    files = {f"1_a{ending}": named, f"2_b{ending}": text, f"3_c{ending}": "DROP ${T};"}

    said = project.sqlpair(
        "import", str(write(tmp_path / "x", files)), "postgres", expect=1
    ).stdout

    template = '{{ index .Options "Namespace" }} is replaced by nothing here'
    assert said.count(template) == 1
    assert f"3_c{ending}: ${{T}} is replaced by nothing here" in said
    assert said.count("is replaced by nothing") == 2


def test_files_of_several_engines_are_told_to_be_parted(
    project: Project, tmp_path: Path
) -> None:
    files = {f"1_a.{engine}.up.sql": "" for engine in ("mysql", "postgres", "sqlite3")}
    folder = write(tmp_path / "x", files)

    said = project.sqlpair("import", str(folder), "postgres", expect=2).stderr

    assert "Each engine has files of its own: copy those of one" in said
    assert "never ran" not in said


def test_a_file_runs_behind_those_that_it_depends_on(
    project: Project, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "x",
        {
            "0001.a.sql": "-- Why.\n-- depends: 0003.c\n\nALTER TABLE c ADD b int;\n",
            "0001.a.rollback.sql": "ALTER TABLE c DROP b;\n",
            "0002.b.sql": "SELECT 1;\n-- depends: 0004.d\n",
            "0003.c.sql": "-- depends:\nCREATE TABLE c (id int);\n",
            "0004.d.sql": "-- depends: 0001.a 0002.b\nALTER TABLE c DROP id;\n",
        },
    )

    project.sqlpair("import", str(folder), "postgres")

    assert [*ids(project).values()] == ["0002.b", "0003.c", "0001.a", "0004.d"]
    project.sqlpair("migrate")


def test_what_a_file_depends_on_and_is_not_here_is_named(
    project: Project, tmp_path: Path
) -> None:
    folder = write(tmp_path / "x", {"2.b.sql": "-- depends: 1.a\nSELECT 1;\n"})

    said = project.sqlpair("import", str(folder), "postgres").stdout

    assert "2.b.sql: depends on 1.a, which no SQL file here is called" in " ".join(
        said.split()
    )


def test_files_that_depend_on_each_other_are_refused(
    project: Project, tmp_path: Path
) -> None:
    names = {"a": "b", "b": "a"}
    files = {f"{it}.sql": f"-- depends: {o}\nSELECT 1;\n" for it, o in names.items()}
    folder = write(tmp_path / "x", files)

    said = project.sqlpair("import", str(folder), "postgres", expect=2).stderr

    assert "depend on each other in a circle" in said
    assert not sql(project)


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("db/migrate/20200101000000_create_users.rb", "Ruby"),
        ("20200101_users.js", "JavaScript"),
        ("0001_initial.py", "Python"),
        ("20200101000000_users.php", "PHP"),
        ("db.changelog-master.xml", "Liquibase's own format"),
    ],
)
def test_a_history_without_sql_is_refused_with_what_to_begin_with(
    project: Project, tmp_path: Path, name: str, language: str
) -> None:
    folder = write(tmp_path / "x", {name: "class Migration:\n    pass\n"})

    said = project.sqlpair("import", str(folder), "postgres", expect=2).stderr

    assert f"holds migrations in {language}, which only their tool can run" in said
    assert "000_baseline.sql" in said


@pytest.mark.parametrize("tool", TOOLS)
def test_a_byte_order_mark_hides_no_mark_of_a_tool(
    project: Project, tmp_path: Path, tool: str
) -> None:
    foreign = PROJECTS[tool]
    marked = {
        name: text if name.endswith(".py") else "\ufeff" + text.replace("\n", "\r\n")
        for name, text in foreign.files.items()
    }
    folder = write(tmp_path / "theirs", marked)

    said = project.sqlpair("import", str(folder), "postgres").stdout

    assert f"Imported 3 migrations of {tool} into postgres" in said
    assert len(sql(project)) == 6
    project.sqlpair("migrate")
    assert project.tables("postgres") == {"users", "posts"}
    project.sqlpair("rollback", "--to", "0", "--allow-data-loss", "--yes")
    assert project.tables("postgres") == set()


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("-- +migrate Up", "-- +migrate Down"),
        ("-- Up Migration", "-- Down Migration"),
        ("-- !Ups", "-- !Downs"),
    ],
)
def test_nor_one_that_a_plain_file_begins_with(
    project: Project, tmp_path: Path, up: str, down: str
) -> None:
    text = f"\ufeff{up}\nCREATE TABLE a (id int);\n{down}\nDROP TABLE a;\n"
    folder = write(tmp_path / "x", {"1_a.sql": text})

    project.sqlpair("import", str(folder), "postgres")

    assert sql(project)["001_a_rollback.sql"].startswith(down.encode())


@pytest.mark.parametrize("below", [False, True])
def test_a_baseline_of_flyways_begins_a_history_whose_beginning_is_gone(
    project: Project, tmp_path: Path, below: bool
) -> None:
    files = {
        "B1__old.sql": "CREATE TABLE a ();\n",
        "B3_1__base.sql": "CREATE TABLE a (id int, n int);\n",
        "V4__b.sql": "ALTER TABLE a ADD b int;\n",
    }
    if below:
        files["V1__a.sql"] = "CREATE TABLE a (id int);\n"
        files["V3.1__n.sql"] = "ALTER TABLE a ADD n int;\n"
    folder = write(tmp_path / "x", files)

    said = project.sqlpair("import", str(folder), "postgres").stdout

    assert [*ids(project).values()] == (["1", "3.1", "4"] if below else ["3.1", "4"])
    told = next(line for line in said.splitlines() if "a baseline for new" in line)
    assert "B1__old.sql" in told
    assert ("B3_1__base.sql" in told) == below
    project.sqlpair("migrate")
    assert len(project.pg("SELECT id, n, b FROM a")) == 0


def test_a_database_that_began_with_a_baseline_of_flyways_is_adopted(
    project: Project, tmp_path: Path
) -> None:
    files = {
        "B3__base.sql": "CREATE TABLE a (id int);\n",
        "V4__b.sql": "ALTER TABLE a ADD b int;\n",
        "V5__c.sql": "SELECT 1;\n",
    }
    project.pg("CREATE TABLE a (id int); ALTER TABLE a ADD b int")
    project.pg(
        "CREATE TABLE flyway_schema_history (installed_rank int, version varchar(50),"
        " type varchar(20), script varchar(1000), success boolean)"
    )
    project.pg(
        "INSERT INTO flyway_schema_history VALUES"
        " (1, '3', 'SQL_BASELINE', 'B3__base.sql', true),"
        " (2, NULL, 'SQL', 'R__v.sql', true), (3, '4', 'SQL', 'V4__b.sql', true)"
    )
    project.sqlpair("import", str(write(tmp_path / "x", files)), "postgres")

    said = project.sqlpair("adopt", "postgres", "--yes").stdout

    assert "is 004_b, as flyway_schema_history says" in said


def test_a_folder_of_folders_is_named_and_one_of_them_refused(
    project: Project, tmp_path: Path
) -> None:
    folder = write(
        tmp_path / "x",
        {
            "default/1_a/up.sql": "CREATE TABLE a (id int);\n",
            "default/1_a/down.sql": "DROP TABLE a;\n",
            "default/2_b/up.sql": "SELECT 1;\n",
        },
    )

    above = project.sqlpair("import", str(folder), "postgres", expect=2).stderr
    inner = str(folder / "default" / "1_a")
    below = project.sqlpair("import", inner, "postgres", expect=2).stderr

    assert f"There is SQL in: {folder / 'default'}\n" in above
    assert "is one migration's folder" in below
    assert not sql(project)


def test_a_mark_of_gooses_parts_a_file_that_goose_does_not_run(
    project: Project, tmp_path: Path
) -> None:
    text = "-- +goose Up\nCREATE TABLE a (id int);\n-- +goose Down\nDROP TABLE a;\n"
    folder = write(tmp_path / "x", {"init.sql": text, "seeds/1.sql": "SELECT 1;\n"})

    said = project.sqlpair("import", str(folder), "postgres").stdout

    assert sql(project)["001_init_rollback.sql"].startswith(b"-- +goose Down")
    assert "seeds: 1 SQL file in a folder below, not read" in " ".join(said.split())


@pytest.mark.parametrize("database", ["postgres", "sqlite"])
def test_a_revision_that_finds_nothing_to_do_is_named(
    project: Project, tmp_path: Path, database: str
) -> None:
    lines = ["if 't' in sa.inspect(op.get_bind()).get_table_names():"]
    lines += ["    op.add_column('t', sa.Column('a', sa.Text))"]
    folder = write(
        tmp_path / "alembic", {"versions/1_a.py": revision("a", None, *lines)}
    )

    said = project.sqlpair("import", str(folder), database).stdout

    told = "1_a.py: upgrade: does nothing on a database that the ones below it made"
    assert told in " ".join(said.split())
    assert sql(project, database)["001_1_a.sql"].strip() == b""


def test_a_file_of_psqls_gets_the_headers_that_it_needs(
    project: Project, tmp_path: Path
) -> None:
    text = "CREATE TABLE t (n text DEFAULT :'A');\nVACUUM t;\n"
    folder = write(tmp_path / "x", {"1_a.sql": text, "2_b.sql": "SELECT :'B';\n"})

    said = project.sqlpair("import", str(folder), "postgres").stdout

    assert "added to 001_a.sql: -- no-transaction" in said
    assert "added to 001_a.sql: -- variables: A" in said
    assert "added to 002_b.sql: -- variables: B" in said
    assert "added to 002_b.sql: -- no-transaction" not in said
    project.sqlpair("migrate", A="it's", B="x")
