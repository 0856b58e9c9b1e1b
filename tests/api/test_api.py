"""sqlpair from Python: what it returns, what it refuses, what it leaves alone."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from unittest import mock

import pytest

import sqlpair
from conftest import CANARY, Project
from sqlpair import errors, signals
from sqlpair.databases import kept_open

PUBLIC = """
Adopted Backup BackupError CommitError ConnectError DataLossError DatabaseHead Deployed
DryRun HistoryError LockError MigrationRun Problem Project Recognition RecordedFile
Restored SettingsError SqlFileError SqlpairError StatementError Status UsageError
Verified check open
"""
VERBS = (
    "migrate",
    "rollback",
    "status",
    "verify",
    "adopt",
    "plan",
    "backup",
    "restore",
)


@pytest.fixture(autouse=True)
def addresses(project: Project) -> Iterator[None]:
    """Let the project's addresses be those of this process."""
    with mock.patch.dict("os.environ", project.environ):
        yield


@pytest.fixture
def filled(project: Project) -> Project:
    """A project with one migration in each database, pending."""
    project.add("postgres", "001_users", "CREATE TABLE users (id int);\n")
    project.add("sqlite", "002_notes", "CREATE TABLE notes (id);\n")
    drop = "DROP TABLE notes;\n"
    (project.root / "sql/sqlite/002_notes_rollback.sql").write_text(drop)
    (project.root / "sql/postgres/001_users_rollback.sql").write_text(
        "DROP TABLE users;\n"
    )
    return project


def opened(project: Project, lines: list[str] | None = None) -> sqlpair.Project:
    said = [] if lines is None else lines
    return sqlpair.open(project.root / "alembic.ini", progress=said.append)


def as_read(value: object) -> object:
    """Return it as a program reads what was printed of it."""
    return json.loads(json.dumps(value))


# -- what there is -------------------------------------------------------------------


def test_public_names_are_these_and_no_others() -> None:
    assert sorted(sqlpair.__all__) == sorted(PUBLIC.split())
    assert dir(sqlpair) == sqlpair.__all__
    for name in sqlpair.__all__:
        assert getattr(sqlpair, name).__module__.startswith("sqlpair.")
    with pytest.raises(AttributeError, match="no attribute 'anything'"):
        _ = sqlpair.anything


def test_public_methods_are_the_verbs() -> None:
    assert {name for name in vars(sqlpair.Project) if name[0] != "_"} == {*VERBS}


def test_every_error_of_the_tree_is_public() -> None:
    tree = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.SqlpairError)
    }
    assert tree == {name for name in sqlpair.__all__ if name.endswith("Error")}


def test_import_of_sqlpair_imports_nothing_of_it(project: Project) -> None:
    names = project.run("-c", "import sys, sqlpair; print(*sys.modules)").stdout.split()

    assert [name for name in names if name.startswith("sqlpair")] == ["sqlpair"]
    assert not {"alembic", "sqlalchemy", "psycopg2", "click", "logging"} & {*names}


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_has_all_it_does_from_the_public_api(verb: str) -> None:
    path = Path(sqlpair.__file__).parent / "cli" / f"{verb}.py"
    # What prints and words it, beside values and their types.
    showing = ("sqlpair.cli", "sqlpair.errors", "sqlpair.schema.model")
    showing += ("sqlpair.document.ticket",)
    modules = set()
    for node in ast.parse(path.read_text()).body:  # not, what only names types
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if node.module.startswith("sqlpair") and not node.module.startswith(showing):
            found = import_module(node.module)
            for alias in node.names:
                assert not inspect.isfunction(getattr(found, alias.name)), alias.name

    assert "sqlpair" in modules


# -- the verbs -----------------------------------------------------------------------


def test_migrate_and_rollback_say_what_ran_and_where_databases_are(
    filled: Project,
) -> None:
    lines: list[str] = []
    project = opened(filled, lines)

    done = project.migrate()

    assert [run[:3] for run in done.migrations] == [
        ("postgres", "001_users", "upgrade"),
        ("sqlite", "002_notes", "upgrade"),
    ]
    assert done.databases == (("postgres", "001_users", 1), ("sqlite", "002_notes", 2))
    assert done.version == 2
    assert any("001_users: upgrade begins" in line for line in lines)
    assert as_read(done.to_json()) == {
        "deployment": done.deployment,
        "migrations": [run._asdict() for run in done.migrations],
        "databases": {
            "postgres": {"head": "001_users", "version": 1},
            "sqlite": {"head": "002_notes", "version": 2},
        },
        "version": 2,
    }
    again = project.migrate()
    assert (again.deployment, again.migrations, again.version) == ("", (), 2)
    undone = project.rollback()
    assert [run.direction for run in undone.migrations] == ["downgrade"] * 2
    assert undone.databases[0] == ("postgres", "base", 0)


def test_migrate_goes_up_to_a_version_and_in_the_databases_that_are_named(
    filled: Project,
) -> None:
    project = opened(filled)

    one = project.migrate(databases=["sqlite"])
    with pytest.raises(sqlpair.HistoryError, match="sqlite is at 002_notes"):
        project.migrate(to=1, databases=["sqlite"])
    other = project.migrate(to=1)

    assert [run.migration for run in one.migrations] == ["002_notes"]
    assert [run.migration for run in other.migrations] == ["001_users"]


@pytest.mark.parametrize(
    ("databases", "told"),
    [("sqlite", "is a string"), ([], "names none"), (["nosuch"], "called 'nosuch'")],
)
def test_databases_that_cannot_be_meant_are_refused(
    filled: Project, databases: list[str], told: str
) -> None:
    for verb in (opened(filled).migrate, opened(filled).verify, opened(filled).adopt):
        with pytest.raises(sqlpair.UsageError, match=told):
            verb(databases=databases)
    assert filled.tables("sqlite") == set()


def test_json_is_what_the_commands_print(filled: Project) -> None:
    project = opened(filled)
    planned = as_read(project.plan().to_json())
    printed = json.loads(filled.sqlpair("plan", "--json").stdout)
    for one in (planned, printed):
        for item in one["migrations"]:
            for timed in (item, *item["statements"]):
                timed["milliseconds"] = 0
        one["held"] = []
    assert planned == printed
    project.migrate()

    for verb in (project.status, project.verify):
        told = json.loads(filled.sqlpair(verb.__name__, "--json").stdout)
        assert as_read(verb().to_json()) == told


def test_rollback_that_would_lose_rows_is_refused_unless_allowed(
    filled: Project,
) -> None:
    project = opened(filled)
    project.migrate()
    filled.lite("INSERT INTO notes VALUES (1)")

    with pytest.raises(sqlpair.DataLossError, match="notes"):
        project.rollback()

    assert filled.tables("sqlite") == {"notes"}
    project.rollback(allow_data_loss=True)
    assert filled.tables("sqlite") == set()


def refused(verb: Callable[..., object], *arguments: object, **more: object) -> object:
    """Say no when asked, and return what was shown; without an answer it is no, too."""
    with pytest.raises(sqlpair.UsageError, match="nobody has agreed"):
        verb(*arguments, **more)
    shown: list[object] = []
    with pytest.raises(sqlpair.UsageError, match="Nothing was changed"):
        verb(*arguments, **more, agree=lambda found: bool(shown.append(found)))
    return shown[0]


def test_recorded_rollback_runs_only_what_was_agreed_to(filled: Project) -> None:
    project = opened(filled)
    project.migrate()

    shown = refused(project.rollback, recorded=True)

    assert shown == (
        ("sqlite", "002_notes", "DROP TABLE notes;\n"),
        ("postgres", "001_users", "DROP TABLE users;\n"),
    )
    assert filled.tables("postgres") == {"users"}
    project.rollback(recorded=True, agree=True)
    assert filled.tables("postgres") == set()


def test_adopt_records_only_what_was_agreed_to(filled: Project) -> None:
    project = opened(filled)
    filled.pg("CREATE TABLE users (id int); CREATE TABLE other ()")

    shown = refused(project.adopt, ["postgres"])

    (found,) = shown
    assert found[:6] == ("postgres", "001_users", "", (), (), ("table other",))
    done = project.adopt(agree=True)
    assert done.deployed
    assert done.deployed.databases[0].migration == "001_users"
    assert [item.why for item in done.found][1].startswith("holds nothing")
    again = project.adopt()
    assert again.deployed is None
    assert as_read(again.to_json())["adopted"] is None  # type: ignore[index]


def test_restore_puts_back_only_what_was_agreed_to(filled: Project) -> None:
    project = opened(filled)
    project.migrate()
    saved = project.backup()
    filled.lite("INSERT INTO notes VALUES (1)")

    shown = refused(project.restore, saved.folder)

    assert shown == saved
    assert filled.lite("SELECT * FROM notes") == [(1,)]
    done = project.restore(saved.folder.name, agree=True)
    assert filled.lite("SELECT * FROM notes") == []
    assert done.manifest == saved.manifest
    assert as_read(done.to_json())["restore"] == done.id  # type: ignore[index]
    kept = json.loads((saved.folder / "manifest.json").read_text())
    assert as_read(saved.to_json()) == {"folder": str(saved.folder)} | kept


def test_a_project_sees_what_has_changed_since_it_was_opened(filled: Project) -> None:
    env = filled.root / ".env"
    env.write_text("SCHEMA_VERSION=0\n")
    project = opened(filled)

    project.migrate()

    assert "SCHEMA_VERSION=2" in env.read_text()
    assert project.status().expected == 2
    filled.add("sqlite", "003_more", "CREATE TABLE more (id);\n")
    assert [item.stem for item in project.status().pending] == ["003_more"]


def test_addresses_come_before_the_environment(
    filled: Project, new_database: Callable[[], str], tmp_path: Path
) -> None:
    other = new_database()
    given = {"postgres": other, "sqlite": f"sqlite:///{tmp_path / 'other.db'}"}
    config = filled.root / "alembic.ini"

    sqlpair.open(str(config), addresses=given).migrate()

    assert (tmp_path / "other.db").exists()
    assert filled.tables("postgres") == set()
    with pytest.raises(sqlpair.SettingsError, match="'nosuch'"):
        sqlpair.open(config, addresses={"nosuch": "x"})


def test_what_is_wrong_is_an_error_of_the_tree(filled: Project, tmp_path: Path) -> None:
    with pytest.raises(sqlpair.SettingsError, match="is not there"):
        sqlpair.open(tmp_path / "nowhere.ini")
    unreadable = filled.root / "sql/sqlite/002_notes.sql"
    unreadable.write_text("nonsense;\n")
    with pytest.raises(sqlpair.StatementError) as failed:
        opened(filled).migrate()
    assert failed.value.line == 1
    assert filled.tables("postgres") == set()
    with (
        mock.patch("sqlpair.deploy.status.overview", side_effect=OSError(2, "x", "f")),
        pytest.raises(sqlpair.SqlpairError, match="f: x"),
    ):
        opened(filled).status()


def test_no_value_shows_a_password(filled: Project) -> None:
    project = opened(filled)
    project.migrate()
    values = (project, project.status(), project.verify(), project.plan())

    assert CANARY not in "".join(map(repr, values))


# -- in a program of its own ---------------------------------------------------------


def test_progress_that_fails_stops_no_deployment(
    filled: Project, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_line: str) -> None:
        raise ZeroDivisionError

    config = filled.root / "alembic.ini"
    done = sqlpair.open(config, progress=broken).migrate()

    assert done.version == 2
    assert "progress callback" in caplog.text


def test_without_a_callback_progress_is_logged(
    filled: Project, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sqlpair")

    sqlpair.open(filled.root / "alembic.ini").migrate()

    assert "postgres 001_users: upgrade begins, 1 statement" in caplog.text


def test_handlers_and_logging_of_the_program_stay_its_own(filled: Project) -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    loggers = [logging.getLogger(), logging.getLogger("sqlpair")]
    configured = [(one.level, [*one.handlers]) for one in loggers]
    during: list[object] = []

    def progress(_line: str) -> None:
        during.append(signal.getsignal(signal.SIGTERM))
        if len(during) == 1:
            signal.raise_signal(signal.SIGTERM)

    try:
        own = signal.getsignal(signal.SIGTERM)
        project = sqlpair.open(filled.root / "alembic.ini", progress=progress)
        project.migrate()
        project.backup()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [signal.SIGTERM]
    assert {*during} == {own}
    assert configured == [(one.level, [*one.handlers]) for one in loggers]


def test_threads_that_migrate_at_once_wait_for_each_other(filled: Project) -> None:
    project = opened(filled)
    start = threading.Barrier(4)

    def run(_number: int) -> sqlpair.Deployed:
        start.wait()
        return project.migrate()

    with ThreadPoolExecutor(4) as threads:
        done = [*threads.map(run, range(4))]

    assert sorted(len(each.migrations) for each in done) == [0, 0, 0, 2]
    assert {each.version for each in done} == {2}


def test_verbs_run_beside_an_event_loop(filled: Project) -> None:
    project = opened(filled)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def main() -> sqlpair.Verified:
        ticking = asyncio.create_task(tick())
        await asyncio.to_thread(project.migrate)
        found = await asyncio.to_thread(project.verify)
        ticking.cancel()
        return found

    found = asyncio.run(main())

    assert found.problems == ()
    assert ticks > 10


def test_what_a_verb_keeps_is_its_own_and_goes_with_the_outermost() -> None:
    ended: list[str] = []
    both = threading.Barrier(2)

    @contextmanager
    def use(name: str) -> Iterator[None]:
        yield
        ended.append(name)

    def work(name: str) -> None:
        with kept_open.to_the_end():
            both.wait()
            with kept_open.to_the_end():
                kept_open.keep("server", lambda: use(name))
                kept_open.keep("server", lambda: use("again"))
            both.wait()
            assert ended == []
            both.wait()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(work, name) for name in ("one", "two")]:
            done.result()

    assert sorted(ended) == ["one", "two"]


def test_what_one_thread_stops_runs_on_in_another() -> None:
    stopped: list[str] = []
    inside, go_on = threading.Event(), threading.Event()

    def other() -> None:
        with signals.apart(), signals.cancelling(lambda: stopped.append("other")):
            inside.set()
            go_on.wait()

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    with signals.apart(), signals.cancelling(lambda: stopped.append("own")):
        signals.cancel()
    go_on.set()
    thread.join()

    assert stopped == ["own"]
