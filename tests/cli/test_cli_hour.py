"""A newcomer's first hour: version, folders, how far to go, exit codes, completion."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from conftest import Project
from sqlpair.databases import embedded

PROGRAM = Path(sys.executable).with_name("sqlpair")


@pytest.fixture
def three(project: Project) -> Project:
    project.add("postgres", "001_t1", "CREATE TABLE t1 (id int);\n")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id int);\n")
    project.add("postgres", "003_t3", "CREATE TABLE t3 (id int);\n")
    return project


def test_version_of_the_program_is_told_without_a_project(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "--version"], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 0
    assert done.stdout.startswith("sqlpair 0.")


# -- the project's folder ----------------------------------------------------------


def test_a_project_is_found_from_any_folder_in_it(three: Project) -> None:
    done = three.sqlpair("migrate", within="sql/postgres")

    assert "Schema version 3." in done.stdout
    assert three.tables("postgres") == {"t1", "t3"}


def test_an_alembic_ini_without_databases_is_passed_over(three: Project) -> None:
    other = three.root / "services" / "web"
    other.mkdir(parents=True)
    (other / "alembic.ini").write_text("[alembic]\nscript_location = alembic\n")

    done = three.sqlpair("status", within="services/web")

    assert "3 migrations pending" in done.stdout


def test_the_file_that_is_named_wins_over_the_one_around(
    three: Project, tmp_path: Path
) -> None:
    empty = Project(tmp_path / "empty", "")

    done = three.sqlpair("-c", str(empty.root / "alembic.ini"), "revisions")

    assert "Nothing to do" in done.stdout


def test_paths_are_told_as_they_are_reached_from_here(three: Project) -> None:
    done = three.sqlpair("new", "sqlite", "add_more", within="sql/postgres")

    for line in done.stdout.splitlines():
        assert (three.root / "sql" / "postgres" / line).is_file()
    assert "../sqlite/004_add_more.sql" in done.stdout.splitlines()


def test_a_missing_project_says_where_it_was_looked_for(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "status"], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert f"looked for {tmp_path}/alembic.ini" in done.stderr
    assert "or below it, or name the file with -c" in done.stderr


# -- how far -----------------------------------------------------------------------


def test_migrate_to_a_version_leaves_what_is_above_it_pending(three: Project) -> None:
    done = three.sqlpair("migrate", "--to", "2")

    assert three.applied("postgres") == ["001_t1"]
    assert three.applied("sqlite") == ["002_t2"]
    assert "Schema version 2." in done.stdout
    again = three.sqlpair("migrate", "--to", "2")
    assert "every migration up to version 2 is applied" in again.stdout


def test_migrate_to_a_version_below_is_refused_with_the_way_down(
    three: Project,
) -> None:
    three.upgrade()

    failure = three.sqlpair("migrate", "--to", "1", expect=1)

    assert "version 1 lies below" in failure.stderr
    assert "sqlpair rollback --to 1" in failure.stderr
    assert three.applied("postgres") == ["001_t1", "003_t3"]


@pytest.mark.parametrize("version", ["9", "-1", "two"])
def test_migrate_to_a_version_that_is_none_is_misuse(three: Project, version) -> None:
    failure = three.sqlpair("migrate", "--to", version, expect=2)

    assert "version" in failure.stderr or "no migration" in failure.stderr
    assert three.tables("postgres") == set()


def test_many_pending_names_are_shortened_with_their_number(project: Project) -> None:
    for number in range(1, 13):
        project.add("sqlite", f"{number:03}_t", "SELECT 1;\n")

    version = project.sqlpair("version", expect=1)
    verify = project.sqlpair("verify", "sqlite")

    names = "001_t, 002_t, 003_t, 004_t, 005_t, … (12 in all)"
    assert f"sqlite: 12 migrations pending: {names}" in version.stdout
    assert "12 pending: 001_t, 002_t, 003_t, … (12 in all)" in verify.stdout


def test_one_version_is_not_told_as_several(project: Project) -> None:
    project.add("sqlite", "001_t", "CREATE TABLE t (id int);\n")
    project.file.parent.mkdir()
    project.lite("CREATE TABLE t (id int)")

    done = project.sqlpair("adopt", "sqlite", "--yes")

    assert "sqlite: comparing with what the files build at 1 version\n" in done.stderr


# -- exit codes --------------------------------------------------------------------


def test_status_exits_with_1_for_pending_migrations_only_when_asked(
    three: Project,
) -> None:
    three.sqlpair("status")
    three.sqlpair("status", "--exit-code", expect=1)
    three.upgrade()
    three.sqlpair("status", "--exit-code")


def test_status_with_exit_code_finds_a_schema_that_has_drifted(three: Project) -> None:
    three.upgrade()
    three.pg("ALTER TABLE t1 ADD COLUMN by_hand int")

    found = three.sqlpair("status", "--exit-code", expect=1)

    assert "by_hand" in found.stdout
    three.sqlpair("status")


def test_status_with_exit_code_finds_a_transaction_in_doubt(three: Project) -> None:
    three.upgrade()
    name = three.pg("SELECT current_database()")[0][0]
    with psycopg2.connect(three.dsn) as other:
        other.autocommit = True
        gid = f"sqlpair:{name}.public:20260101T000000.000Z-00ff00/1"
        other.cursor().execute(f"BEGIN; SELECT 1; PREPARE TRANSACTION '{gid}'")
    try:
        found = three.sqlpair("status", "--exit-code", expect=1)
    finally:
        three.pg(f"ROLLBACK PREPARED '{gid}'")

    assert "20260101T000000.000Z-00ff00" in found.stdout


# -- completion --------------------------------------------------------------------


def completed(project: Project, shell: str, *words: str) -> list[str]:
    """Return what a shell would be given for the last of ``words``."""
    environ = {
        "_SQLPAIR_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": words[-1] if shell == "fish" else str(len(words) - 1),
    }
    done = subprocess.run(
        [PROGRAM],
        cwd=project.root / "sql",
        env=project.environ | environ,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    if shell == "zsh":  # a type, a value and its help, each on a line
        return lines[1::3]
    return [re.split(r"[,\t]", line)[1] for line in lines if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_databases_and_templates(three, shell) -> None:
    assert "migrate" in completed(three, shell, "sqlpair", "mig")
    assert "postgres" in completed(three, shell, "sqlpair", "verify", "po")
    assert "sqlite" in completed(three, shell, "sqlpair", "new", "")
    words = ("sqlpair", "new", "postgres", "name", "--template", "")
    assert "backfill" in completed(three, shell, *words)
    assert "rebuild" not in completed(three, shell, *words)
    words = ("sqlpair", "new", "sqlite", "name", "--template", "re")
    assert "rebuild" in completed(three, shell, *words)
    # A folder or a file, which the shell itself completes: not where nothing comes.
    for words in (("restore", "state/b"), ("renumber", "sql/p"), ("import", "../")):
        assert completed(three, shell, "sqlpair", *words) == [words[-1]]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(three: Project, shell: str) -> None:
    done = three.sqlpair("completion", shell)

    assert f"_SQLPAIR_COMPLETE={shell}_complete" in done.stdout


def test_bash_completes_with_the_script_that_is_printed(three: Project) -> None:
    script = (
        'eval "$(sqlpair completion bash)"\n'
        "COMP_WORDS=(sqlpair verify sq) COMP_CWORD=2; _sqlpair_completion sqlpair\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=three.root,
        env=three.environ | {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )

    assert done.stdout == "sqlite\n", done.stderr


def test_completion_offers_nothing_where_there_is_no_project(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM],
        cwd=tmp_path,
        env=os.environ
        | {
            "_SQLPAIR_COMPLETE": "bash_complete",
            "COMP_WORDS": "sqlpair verify ",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
    )

    assert (done.stdout + done.stderr).strip() == ""


# -- the embedded server -----------------------------------------------------------


def test_db_start_prints_a_url_that_programs_connect_with(tmp_path: Path) -> None:
    made = Project(tmp_path / "a project", "")
    del made.environ["DATABASE_URL"]
    try:
        url = made.sqlpair("db-start").stdout.strip()

        assert url.startswith("postgresql://")
        assert "%2F" in url
        psycopg2.connect(url).close()
        binaries = embedded.find_binaries()
        psql = [binaries / "psql", url, "-AtXc", "SELECT current_database()"]
        done = subprocess.run(psql, capture_output=True, text=True)
        assert done.stdout == "app\n", done.stderr
        made.sqlpair("status", DATABASE_URL=url)
    finally:
        made.sqlpair("db-stop")


@pytest.mark.parametrize(
    "command",
    ["sqlpair status --exit-code", "sqlpair force-version 1 -y", "alembic stamp heads"],
)
def test_the_embedded_server_is_started_once_and_its_end_is_no_news(
    tmp_path: Path, command: str
) -> None:
    made = Project(tmp_path / "own", "")
    del made.environ["DATABASE_URL"]
    made.add("postgres", "001_t1", "CREATE TABLE t1 (id int);\n")
    made.run("-m", "sqlpair", "migrate")

    done = made.run("-m", *command.split())

    assert done.stderr.count("Starting PostgreSQL") == 1
    assert done.stderr.count("PostgreSQL") == 1
    data = made.settings.database("postgres").embedded
    assert data is not None
    assert embedded.running(data) is None


# -- what Alembic's configuration asks for -----------------------------------------

HOOK = """\
import pathlib, sys
path = pathlib.Path(sys.argv[1])
path.write_text(path.read_text() + "# hooked\\n")
print("the hook says so")
"""


@pytest.mark.parametrize(
    "command",
    [
        "sqlpair new sqlite add_more",
        "sqlpair revisions",
        "alembic revision -m more --head sqlite@head",
    ],
)
def test_a_post_write_hook_runs_on_every_new_module(
    three: Project, command: str
) -> None:
    (three.root / "hook.py").write_text(HOOK)
    three.configure(
        "post_write_hooks",
        hooks="mark",
        **{
            "mark.type": "exec",
            "mark.executable": sys.executable,
            "mark.options": f"{three.root}/hook.py REVISION_SCRIPT_FILENAME",
        },
    )
    for name in ("004_more.sql", "004_more_rollback.sql"):
        if command == "sqlpair revisions":
            (three.root / "sql" / "sqlite" / name).write_text("-- nothing\n")

    three.run("-m", *command.split())

    (module,) = (three.root / "alembic" / "versions" / "sqlite").glob("004_*.py")
    assert module.read_text().count("# hooked") == 1


def test_a_post_write_hook_that_fails_names_what_is_written(three: Project) -> None:
    three.configure("post_write_hooks", hooks="mark")

    failure = three.sqlpair("new", "sqlite", "add_more", expect=1)

    assert "a post write hook failed" in failure.stderr
    assert "alembic/versions/sqlite/004_add_more.py" in failure.stderr


CONFIGURED = """\
from logging.config import fileConfig

from alembic import context

{before}
fileConfig(context.config.config_file_name{keep})
{after}
run(context)
"""
IMPORT = "from sqlpair.environment import run"
LOGGING = """
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = generic
[logger_root]
level = WARNING
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = generic
[formatter_generic]
format = logged: %(message)s
"""


@pytest.mark.parametrize(
    ("before", "after"), [(IMPORT, ""), ("", IMPORT)], ids=["before", "after"]
)
@pytest.mark.parametrize("keep", ["", ", disable_existing_loggers=False"])
def test_an_env_py_that_configures_logging_gets_each_line_once(
    three: Project, before: str, after: str, keep: str
) -> None:
    text = CONFIGURED.format(before=before, after=after, keep=keep)
    (three.root / "alembic" / "env.py").write_text(text)
    with (three.root / "alembic.ini").open("a") as ini:
        ini.write(LOGGING)

    done = three.alembic("upgrade", "heads")

    begins = "postgres 001_t1: upgrade begins, 1 statement"
    assert done.stderr.splitlines().count(f"logged: {begins}") == 1
    assert done.stderr.count(begins) == 1
    failure = three.alembic("upgrade", "nowhere", expect=1)
    assert failure.stderr.count("no revision is called 'nowhere'") == 1


@pytest.mark.parametrize(
    "words", ["--help", "--version", "migrate --help", "completion bash", "status"]
)
def test_a_full_disk_under_stdout_is_said_without_a_traceback(
    three: Project, words: str
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAM, *words.split()],
            cwd=three.root,
            env=three.environ,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert done.returncode == (0 if words == "status" else 1)
    assert done.stderr.startswith("stdout cannot be written (")
    assert "Traceback" not in done.stderr
