"""The pytest plugin, in the tests of a project made outside this repository."""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path

import pytest

from conftest import Project

PAGE = (Path(__file__).parents[2] / "docs/testing.md").read_text()
EXAMPLES = dict(
    re.findall(r"<!-- run: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
)
TESTS = """
import pytest
import sqlpair


@pytest.mark.parametrize("round", range(3))
def test_databases_are_at_head_and_ones_own(sqlpair_databases, round):
    with sqlpair_databases.connect("postgres") as connection:
        cursor = connection.cursor()
        cursor.execute("INSERT INTO users VALUES (1)")
        cursor.execute("SELECT count(*) FROM users")
        assert cursor.fetchone() == (1,)
    with sqlpair_databases.connect("sqlite") as connection:
        connection.execute("INSERT INTO notes VALUES (1)")
        assert connection.execute("SELECT * FROM notes").fetchall() == [(1,)]


def test_memory_is_a_copy_too(sqlpair_databases):
    memory = sqlpair_databases.memory("sqlite")
    memory.execute("INSERT INTO notes VALUES (1)")
    file = sqlpair_databases.connect("sqlite")
    assert file.execute("SELECT * FROM notes").fetchall() == []


def test_addresses_are_for_the_application(sqlpair_databases, monkeypatch):
    urls = sqlpair_databases.urls
    assert sqlpair_databases.url("sqlite") == urls["sqlite"]
    assert sqlpair_databases.environ == {
        "DATABASE_URL": urls["postgres"], "SQLITE_PATH": urls["sqlite"]
    }
    assert sqlpair.check(addresses=urls) == 2
    for name, value in sqlpair_databases.environ.items():
        monkeypatch.setenv(name, value)
    assert sqlpair.open().status().pending == ()


def test_what_is_not_there_is_refused(sqlpair_databases):
    with pytest.raises(sqlpair.UsageError, match="databases: postgres, sqlite"):
        sqlpair_databases.url("nosuch")
    with pytest.raises(sqlpair.UsageError, match="not a SQLite"):
        sqlpair_databases.memory("postgres")
"""


@pytest.fixture
def shop(outside: Project, tmp_path: Path) -> Project:
    """A project with tests of its own; a file notes each time its first SQL runs."""
    project = outside
    ran = tmp_path / "ran"
    note = f"COPY (SELECT 1) TO PROGRAM 'cat >> {ran}';\n"
    # Slow, so that another worker comes while it runs.
    up = f"CREATE TABLE users (id integer PRIMARY KEY);\n{note}SELECT pg_sleep(1);\n"
    project.add("postgres", "001_users", up, "DROP TABLE users;\n")
    project.add(
        "sqlite",
        "002_notes",
        "CREATE TABLE notes (id integer PRIMARY KEY);\n",
        "DROP TABLE notes;\n",
    )
    ran.touch()
    ran.chmod(0o666)
    (project.root / "tests").mkdir()
    (project.root / "tests/test_shop.py").write_text(TESTS)
    (project.root / ".env").write_text("SCHEMA_VERSION=0\nAPP_ENV=production\n")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    project.environ |= {"TMPDIR": str(temporary)}
    # A live database is nothing that a test may come near.
    project.environ["DATABASE_URL"] = "postgresql://live@nowhere.invalid/live"
    return project


def add(project: Project, stem: str, up: str, down: str) -> None:
    """Add a migration of SQLite, though production is not configured."""
    env = project.root / ".env"
    said = env.read_text()
    env.unlink()
    project.add("sqlite", stem, up, down)
    env.write_text(said)


def run(
    project: Project, *arguments: str, plugins: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run the project's tests as its developer does, with pytest-alembic or without."""
    without = [] if plugins else ["-p", "no:pytest_alembic"]
    return subprocess.run(
        [project.python, "-m", "pytest", *without, *arguments],
        cwd=project.root,
        env=project.environ,
        capture_output=True,
        text=True,
        check=False,
    )


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    last = done.stdout.strip().splitlines()[-1]
    return {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last)}


def servers(folder: Path) -> list[bytes]:
    """Return what runs with its data in ``folder``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return [words for words in found if bytes(folder) in words]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_databases_are_migrated_once_and_copied_for_each_test(
    shop: Project, tmp_path: Path, workers: str
) -> None:
    databases = shop.pg("SELECT datname FROM pg_database")
    before = {p: p.read_bytes() for p in shop.root.rglob("*.*") if p.is_file()}

    done = run(shop, "-n", workers)

    assert outcomes(done).get("passed") == 6, done.stdout
    assert done.returncode == 0
    assert (tmp_path / "ran").read_text() == "1\n"
    assert shop.pg("SELECT datname FROM pg_database") == databases
    assert [*(tmp_path / "temporary").glob("sqlpair*")] == []
    assert {p: p.read_bytes() for p in before} == before
    assert not (shop.root / "logs").exists()
    assert not (shop.root / "state").exists()


def test_without_a_server_the_session_starts_one(shop: Project, tmp_path: Path) -> None:
    shop.environ["SCRATCH_URL"] = ""
    (tmp_path / "ran").parent.chmod(0o755)

    done = run(shop, "-n", "2")

    assert outcomes(done).get("passed") == 6, done.stdout
    assert [*(tmp_path / "temporary").glob("sqlpair*")] == []
    assert servers(tmp_path) == []


def test_each_migration_is_proved_by_a_test_of_its_own(shop: Project) -> None:
    add(shop, "003_more", "CREATE TABLE more (id);\n", "SELECT 1;\n")

    done = run(shop, "--sqlpair-prove", "-n", "2", "-k", "prove")

    assert (outcomes(done)["failed"], outcomes(done)["passed"]) == (1, 2)
    assert done.returncode == 1
    assert "prove[sqlite-003_more]" in done.stdout
    assert "table more" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (shop.root / "state").exists()


def test_one_migration_can_be_proved_alone(shop: Project, tmp_path: Path) -> None:
    done = run(shop, "--sqlpair-prove", "-k", "prove and sqlite")

    assert outcomes(done).get("passed") == 1, done.stdout
    assert (tmp_path / "ran").read_text() == ""


def test_a_migration_that_fails_is_named(shop: Project) -> None:
    add(shop, "003_broken", "CREATE TABLE ok (id);\nSELECT nope;\n", "")

    done = run(shop)

    assert "003_broken.sql:2" in done.stdout
    assert outcomes(done).get("failed", 0) >= 4


def test_a_folder_without_a_project_is_said(shop: Project) -> None:
    (shop.root / "alembic.ini").rename(shop.root / "other.ini")

    for arguments in ([], ["--sqlpair-prove"]):
        done = run(shop, *arguments)
        assert "alembic.ini is not there" in done.stdout + done.stderr
    named = run(shop, "-o", "sqlpair_config=other.ini", "-k", "memory")
    assert outcomes(named).get("passed") == 1, named.stdout


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_example_of_the_page_runs(shop: Project, name: str) -> None:
    (shop.root / name).write_text(EXAMPLES[name])

    done = run(shop, name, plugins=True)

    assert done.returncode == 0, done.stdout
    expected = len(re.findall(r"^def test_", EXAMPLES[name], re.MULTILINE)) or 2 * 4
    assert outcomes(done)["passed"] == expected


def test_the_plugin_imports_nothing_before_it_is_asked(project: Project) -> None:
    code = "import sys, sqlpair.testing.plugin; print(*sys.modules)"
    names = project.run("-c", code).stdout.split()

    own = {name for name in names if name.startswith("sqlpair")}
    assert own == {"sqlpair", "sqlpair.testing", "sqlpair.testing.plugin"}


OF_FLEETS = """
import sqlpair


def test_a_fleet_is_one_database(sqlpair_databases):
    for name, driver in (("tenants", "sqlite"), ("shops", "postgresql")):
        cursor = sqlpair_databases.connect(name).cursor()
        cursor.execute("INSERT INTO orders VALUES (1)")
        assert driver in sqlpair_databases.url(name)
    memory = sqlpair_databases.memory("tenants")
    assert memory.execute("SELECT * FROM orders").fetchall() == []


def test_the_database_that_schemas_are_in_is_itself(sqlpair_databases):
    found, urls = sqlpair_databases.environ, sqlpair_databases.urls
    assert found["DATABASE_URL"] == urls["postgres"] != urls["shops"]


def test_the_application_has_one(sqlpair_databases):
    addresses = {"tenants": sqlpair_databases.url("tenants")}
    found = sqlpair.open(addresses=addresses).status().databases
    assert [(item.name, item.head) for item in found][2:] == [("tenants", "001_orders")]
"""


def test_a_fleet_is_one_database_to_tests(project: Project) -> None:
    names = ("postgres", "sqlite", "tenants", "shops")
    locations = "".join(f"\n    %(here)s/alembic/versions/{name}" for name in names)
    project.configure("alembic", databases=" ".join(names), version_locations=locations)
    project.configure("tenants", driver="sqlite", members="env:TENANT_FILES")
    project.configure(
        "shops", driver="postgresql", schemas="shop_%%", variable="DATABASE_URL"
    )
    project.environ["TENANT_FILES"] = "a.db"
    for name in names[2:]:
        for folder in (f"sql/{name}", f"alembic/versions/{name}"):
            (project.root / folder).mkdir()
        up = "CREATE TABLE orders (id integer PRIMARY KEY);"
        project.add(name, f"00{1 + (name == 'shops')}_orders", up, "DROP TABLE orders;")
    (project.root / "tests").mkdir()
    (project.root / "tests/test_fleets.py").write_text(OF_FLEETS)
    del project.environ["TENANT_FILES"]

    done = run(project, "--sqlpair-prove", "--rootdir", ".", "-p", "no:randomly")

    assert outcomes(done) == {"passed": 5}, done.stdout
