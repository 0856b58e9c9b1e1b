"""A revision module names its pair; what else it does, it does in the same place."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import Project
from sqlpair.databases.embedded import find_binaries
from sqlpair.errors import HistoryError
from sqlpair.project.revisions import written

MORE = """
import sqlalchemy as sa
from alembic import op
from sqlpair.revision import pair

revision = "{database}_001"
down_revision = None
branch_labels = "{database}"
depends_on = None

up, down = pair("sql/{database}/001_t1.sql")


def upgrade():
    up()
    op.add_column("t1", sa.Column("more", sa.Text()))
    op.execute("INSERT INTO t1 (id, more) VALUES (1, '100%')")


def downgrade():
    op.drop_column("t1", "more")
    down()
"""


@pytest.mark.parametrize("below", [None, "postgres_001"])
def test_what_the_template_writes_is_read_as_python_reads_it(
    project: Project, below: str | None
) -> None:
    project.add("postgres", "001_t1", "SELECT 1;\n", "SELECT 1;\n")
    project.add("postgres", "002_t2", "SELECT 2;\n", "SELECT 2;\n")
    path = module(project, "postgres")
    if below:
        path = path.with_name("002_t2.py")
    source = path.read_bytes()
    compiled: dict[str, object] = {}
    exec(source, compiled)

    found = written(source)

    assert found is not None
    for name in ("revision", "down_revision", "branch_labels"):
        assert getattr(found, name) == compiled[name]
    assert found.down_revision == below
    assert found.sql == f"sql/postgres/{path.stem}.sql"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("depends_on = None", 'depends_on = "x"'),
        ("depends_on = None", "depends_on = None\nmore = 1"),
        ('= pair("', '= pair("" "'),
        ('revision = "postgres', 'revision = "\\x70ostgres'),
        ("import pair", "import pair as pair"),
        ('_t1.sql")\n', '_t1.sql")\nprint(1)\n'),
        ("\n", "\r\n"),
    ],
)
def test_any_other_module_is_left_to_python(
    project: Project, old: str, new: str
) -> None:
    project.add("postgres", "001_t1", "SELECT 1;\n", "SELECT 1;\n")
    source = module(project, "postgres").read_text()

    assert old in source
    assert written(source.replace(old, new).encode()) is None


@pytest.fixture(params=["postgres", "sqlite"])
def more(project: Project, request: pytest.FixtureRequest) -> tuple[Project, str]:
    """A project whose first module adds a column and a row to its pair's table."""
    database: str = request.param
    project.add(
        database,
        "001_t1",
        "CREATE TABLE t1 (id integer PRIMARY KEY);\n",
        "DROP TABLE t1;\n",
    )
    module(project, database).write_text(MORE.format(database=database))
    return project, database


def module(project: Project, database: str) -> Path:
    return project.root / "alembic" / "versions" / database / "001_t1.py"


def query(project: Project, database: str, sql: str) -> list[tuple[object, ...]]:
    return project.pg(sql) if database == "postgres" else project.lite(sql)


def test_module_may_do_more_than_its_pair(more: tuple[Project, str]) -> None:
    project, database = more

    project.alembic("upgrade", "heads")

    assert query(project, database, "SELECT id, more FROM t1") == [(1, "100%")]
    project.alembic("-x", "allow-data-loss=true", "downgrade", "base")
    assert project.tables(database) == set()


def test_what_a_module_does_more_is_undone_with_its_pair(
    more: tuple[Project, str],
) -> None:
    project, database = more
    path = module(project, database)
    path.write_text(path.read_text().replace("(id, more)", "(id, nope)"))

    failure = project.alembic("upgrade", "heads", expect=1)

    assert f"{database} 001_t1" in failure.stderr
    assert "nope" in failure.stderr
    assert project.tables(database) == set()
    assert project.alembic("current").stdout == ""


def test_script_holds_what_a_module_does_more(more: tuple[Project, str]) -> None:
    project, database = more
    script = project.root / "script.sql"
    script.write_text(project.alembic("upgrade", "heads", "--sql").stdout)
    if database == "postgres":
        program = [str(find_binaries() / "psql"), "-X", "-q", project.dsn]
        program += ["-v", "ON_ERROR_STOP=1", "-f", str(script)]
    else:
        project.file.parent.mkdir()
        program = ["sqlite3", "-bail", str(project.file)]

    with script.open() as stdin:
        subprocess.run(program, stdin=stdin, check=True, capture_output=True)

    assert query(project, database, "SELECT id, more FROM t1") == [(1, "100%")]
    assert project.applied(database) == ["001_t1"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("up()\n    op", "1\n    return\n    op", "runs no SQL pair"),
        ("    up()\n", "    up()\n    up()\n", "runs another SQL pair"),
        ("    up()\n", "    down()\n", "runs another SQL pair"),
        ("001_t1.sql", "001_t9.sql", "runs another SQL pair"),
        ("    up()\n", "    up()\n    1 / 0\n", "division by zero"),
        ('_001"', '_009"', "does not fit its place"),
        ("def upgrade", "def upgrade(", "cannot be loaded"),
        ("import sqlalchemy as sa", "import no_such_module as sa", "no_such_module"),
        ("revision = ", "x = 1 / 0\nrevision = ", "cannot be loaded"),
    ],
)
def test_module_that_does_something_else_is_refused(
    more: tuple[Project, str], old: str, new: str, message: str
) -> None:
    project, database = more
    path = module(project, database)
    path.write_text(path.read_text().replace(old, new))

    with pytest.raises(HistoryError, match=message):
        project.upgrade()

    assert project.tables(database) == set()
