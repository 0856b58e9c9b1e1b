"""What happens at a terminal: questions and their answers, Ctrl-C, narrow windows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from conftest import Project, connected
from fault_injection import at_rest
from sqlpair.verify import verify


class Terminal:
    """A command at a terminal: what it shows, and what is typed."""

    def __init__(
        self,
        project: Project,
        *arguments: str,
        columns: int = 80,
        module: str = "sqlpair",
        stdout: int | None = None,
        **environ: str,
    ):
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(ours, (24, columns))
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=project.root,
            env=project.environ | {"TERM": "xterm", "COLUMNS": ""} | environ,
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            # Its own session: what is typed is for it, and Ctrl-C too.
            preexec_fn=_lead,
        )
        os.close(theirs)
        self._file = ours
        self.drawn = ""  # with its styles
        self.shown = ""

    def wait_for(self, text: str, then: str = "") -> None:
        """Wait for a text; ``then`` is a pattern of what comes next."""
        pattern = re.compile(re.escape(text) + then)
        while not pattern.search(self.shown):
            if not self._read():
                raise AssertionError(f"{text!r} was never shown:\n{self.shown}")

    def type(self, keys: str) -> None:
        os.write(self._file, keys.encode())

    def end(self) -> int:
        while self._read():
            pass
        return self.process.wait(timeout=60)

    def hang_up(self) -> None:
        """Close it: whose terminal it was is sent SIGHUP, and can write no more."""
        os.close(self._file)
        self._file = -1

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self.process.kill()
        self.process.wait()

    def _read(self) -> bool:
        ready, _, _ = select.select([self._file], [], [], 60)
        try:
            read = os.read(self._file, 10_000) if ready else b""
        except OSError:  # the other end is closed
            read = b""
        text = read.decode().replace("\r\n", "\n")
        self.drawn += text
        self.shown += re.sub(r"\x1b\[[0-9;]*m", "", text)
        return bool(read)


def _lead() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


SECONDS = "0:0[1-9]"  # a slow machine may pass over one


@pytest.fixture
def terminal(project: Project) -> Iterator[type[Terminal]]:
    project.add("postgres", "001_t1", "CREATE TABLE t1 (id int);\n")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id int);\n")
    opened: list[Terminal] = []

    class Opened(Terminal):
        def __init__(self, *arguments: str, columns: int = 80, **others: str):
            super().__init__(project, *arguments, columns=columns, **others)
            opened.append(self)

    yield Opened
    for each in opened:
        each.close()


def test_force_version_asks_and_does_it_after_a_yes(project, terminal) -> None:
    screen = terminal("force-version", "1")
    screen.wait_for("Force version 1? [y/N]")
    screen.type("y\n")

    assert screen.end() == 0
    assert project.applied("postgres") == ["001_t1"]


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_force_version_changes_nothing_after_a_no(project, terminal, answer) -> None:
    screen = terminal("force-version", "1")
    screen.wait_for("Force version 1? [y/N]")
    screen.type(answer)

    assert screen.end() == 1
    assert "Nothing was changed." in screen.shown
    assert not project.file.exists()


def test_ctrl_c_at_the_question_changes_nothing(project, terminal) -> None:
    screen = terminal("force-version", "1")
    screen.wait_for("Force version 1? [y/N]")
    # Until it ends: one that comes just before the read for the answer waits for a
    # key, one that comes after another ends the process as the kernel does.
    while screen.process.poll() is None:
        os.killpg(screen.process.pid, signal.SIGINT)
        time.sleep(1)

    assert screen.end() in (130, -signal.SIGINT)
    assert "Traceback" not in screen.shown
    assert not project.file.exists()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_an_interrupted_migrate_changes_nothing(project, terminal, number, code):
    project.add(
        "postgres", "003_slow", "CREATE TABLE half (id int);\nSELECT pg_sleep(600);\n"
    )

    screen = terminal("migrate")
    asleep = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
    asleep += " AND datname = current_database()"
    while not project.pg(asleep):
        assert screen.process.poll() is None
        time.sleep(0.05)
    screen.wait_for("postgres 003_slow: upgrade begins")
    os.killpg(screen.process.pid, number)

    assert screen.end() == code
    assert "Traceback" not in screen.shown
    assert project.tables("postgres") == project.tables("sqlite") == set()
    at_rest(project)


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_a_recorded_rollback_is_shown_and_asked_for(
    project, terminal, answer, code
) -> None:
    project.upgrade()

    screen = terminal("rollback", "--recorded")
    screen.wait_for("Run these rollbacks? [y/N]")
    assert "postgres 001_t1, its rollback as recorded:\n    -- nothing" in screen.shown
    screen.type(answer)

    assert screen.end() == code
    assert project.applied("postgres") == ([] if code == 0 else ["001_t1"])


@pytest.mark.parametrize("command", ["status", "history"])
@pytest.mark.parametrize("columns", [40, 60, 80])
def test_a_narrow_terminal_shows_every_column(
    project, terminal, command, columns
) -> None:
    project.upgrade()

    screen = terminal(command, columns=columns)

    assert screen.end() == 0
    lines = screen.shown.splitlines()
    assert "…" not in screen.shown
    if columns > 40:  # where a deployment's name alone needs no more
        assert max(map(len, lines)) <= columns
    (row,) = (index for index, line in enumerate(lines) if "002_t2" in line)
    folded = "".join(lines[row - 2 : row + 4])
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", folded)
    assert re.search(r"\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{6}", folded)
    assert re.search(r"\w+@\S+", folded)


@pytest.mark.parametrize("command", ["status", "version", "force-version 9"])
def test_a_terminal_shows_what_a_pipe_gets_with_styles(
    project, terminal, command
) -> None:
    project.upgrade()
    (project.root / "sql" / "sqlite" / "002_t2.sql").write_text("-- edited\n")

    screen = terminal(*command.split(), columns=200)
    code = screen.end()
    piped = project.run("-m", "sqlpair", *command.split(), expect=code)

    assert screen.shown == piped.stdout + piped.stderr
    assert "\x1b[" not in piped.stdout + piped.stderr
    assert re.search(r"\x1b\[[0-9;]*3[1-3]m", screen.drawn)  # red to yellow


def test_what_is_to_be_copied_is_one_line_in_a_narrow_terminal(
    project, terminal
) -> None:
    """Two would be two commands, pasted: rm, and the path behind it."""
    terminal("migrate").end()
    terminal("backup").end()
    (backup,) = (project.root / "state" / "backups").iterdir()

    screen = terminal("restore", "--yes", backup.name, columns=40)

    assert screen.end() == 0
    (kept,) = project.file.parent.glob(f"{project.file.name}.before-*")
    assert f"  rm {kept}\n" in screen.shown


def test_no_color_at_a_terminal_is_honoured(project, terminal) -> None:
    screen = terminal("version", NO_COLOR="1")

    assert screen.end() == 1
    assert "1 migration pending" in screen.drawn
    assert not re.search(r"\x1b\[[0-9;]*[34][0-9]m", screen.drawn)


def test_force_color_styles_a_pipe_and_breaks_no_line(project: Project) -> None:
    name = f"001_{'long_' * 30}name"
    project.add("sqlite", name, "SELECT 1;\n")

    done = project.run("-m", "sqlpair", "status", FORCE_COLOR="1", TERM="xterm")

    (row,) = (line for line in done.stdout.splitlines() if name in line)
    assert "\x1b[33mpending" in row


def test_a_migration_has_one_live_line_of_which_nothing_stays(
    project, terminal
) -> None:
    project.add("postgres", "003_slow", "SELECT 1;\nSELECT pg_sleep(3);\n")

    screen = terminal("migrate")
    screen.wait_for("migration 3 of 3; postgres 003_slow, statement 2 of 2, ", SECONDS)

    assert screen.end() == 0
    left = re.sub(r"[^\r\n]*\r\x1b\[2K", "", screen.shown)  # what was cleared again
    assert "migration 3 of 3" not in left
    assert "postgres 003_slow: upgrade begins, 2 statements\n" in left
    assert re.search(r"postgres 003_slow: upgrade done in \d+\.\d s\n", left)
    assert "Schema version 3." in left


def test_messages_of_the_server_stand_above_the_live_line(project, terminal) -> None:
    project.add(
        "postgres",
        "003_says",
        "DO $$ BEGIN FOR i IN 1..3 LOOP RAISE NOTICE 'part %', i;"
        " PERFORM pg_sleep(0.5); END LOOP; END $$;\n",
    )

    screen = terminal("migrate")

    assert screen.end() == 0
    for part in (1, 2, 3):
        line = f"postgres 003_says.sql:1: NOTICE: part {part}\n"
        assert re.search(rf"(^|\n|\x1b\[2K){re.escape(line)}", screen.shown)


def test_the_live_line_fits_a_narrow_terminal(project, terminal) -> None:
    project.add("postgres", f"003_{'long_' * 20}name", "SELECT pg_sleep(3);\n")

    screen = terminal("migrate", columns=40)

    assert screen.end() == 0
    drawn = re.findall(r"\x1b\[2K([^\r\n]*)(?=\r\x1b\[2K)", screen.shown)
    assert any(line.startswith("migration 3 of 3; postgres") for line in drawn)
    assert max(map(len, drawn)) < 40


def test_the_live_line_fits_where_stdout_leads_elsewhere(project, terminal) -> None:
    project.add("postgres", f"003_{'long_' * 20}name", "SELECT pg_sleep(1);\n")

    with (project.root / "out").open("w") as out:
        screen = terminal("migrate", columns=40, stdout=out.fileno())

        assert screen.end() == 0
    drawn = re.findall(r"\x1b\[2K([^\r\n]*)(?=\r\x1b\[2K)", screen.shown)
    assert any(line.startswith("migration 3 of 3; postgres") for line in drawn)
    assert max(map(len, drawn)) < 40


def test_alembic_has_the_live_line_too(project, terminal) -> None:
    project.add("postgres", "003_slow", "SELECT pg_sleep(600);\n")

    screen = terminal("upgrade", "heads", module="alembic")
    screen.wait_for("migration 3 of 3; postgres 003_slow, statement 1 of 1, ", SECONDS)
    os.killpg(screen.process.pid, signal.SIGINT)

    assert screen.end() == 130
    assert "Traceback" not in screen.shown


@pytest.mark.parametrize("words", [["status"], ["migrate"]])
def test_ctrl_c_while_the_command_is_imported_is_no_traceback(project, words) -> None:
    project.upgrade()
    script = (
        "import os, signal, sys\n"
        "from sqlpair.__main__ import main\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name in ('sqlpair.cli', 'sqlpair.deploy.nothing_to_do'):\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"sys.argv[1:] = {words}\n"
        "main()\n"
    )

    done = project.run("-c", script, expect=130)

    assert done.stderr == "interrupted by SIGINT\n"


@pytest.mark.parametrize(
    "words", [("sqlpair", "migrate"), ("alembic", "upgrade", "heads")]
)
def test_a_terminal_that_is_closed_ends_the_statement(project, terminal, words) -> None:
    """Else the server works on, with its locks, and no log says what became of it."""
    project.add("postgres", "003_slow", "SELECT pg_sleep(600);\n")
    module, *rest = words
    screen = terminal(*rest, module=module)
    screen.wait_for("migration 3 of 3; postgres 003_slow, statement 1 of 1, ", SECONDS)

    screen.hang_up()

    assert screen.process.wait(timeout=60) == 129
    assert "outcome=failed" in project.log
    assert "interrupted by SIGHUP" in project.log
    assert project.tables("postgres") | project.tables("sqlite") == set()


@pytest.mark.parametrize("words", [("verify",), ("snapshot",), ("adopt",)])
def test_what_builds_a_schema_shows_which_migration(project, terminal, words) -> None:
    project.upgrade()
    project.add("postgres", "003_slow", "SELECT pg_sleep(600);\n")
    if words == ("adopt",):
        project.pg("DROP TABLE alembic_version, schema_version, schema_history")
    else:
        project.sqlpair("force-version", "3", "--yes")

    screen = terminal(*words)
    screen.wait_for(
        "postgres: building the schema, migration 2 of 2; 003_slow, statement 1 of 1"
    )
    os.killpg(screen.process.pid, signal.SIGTERM)

    assert screen.end() == 143


def test_verify_tells_how_far_it_is_with_references(project, terminal) -> None:
    project.upgrade()
    project.lite("INSERT INTO t2 VALUES (1), (2), (2)")
    project.pg("INSERT INTO t1 VALUES (1), (2)")
    (project.root / "pyproject.toml").write_text(
        '[tool.sqlpair.references]\n"sqlite.t2.id" = "postgres.t1.id"\n'
    )
    told = []

    verify(project.settings, print, ("sqlite",), lambda *far: told.append(far))

    assert told[-1] == ("sqlite.t2.id -> postgres.t1.id", 3, 3)


def test_backup_that_waits_shows_each_second_that_it_is_still_there(
    project: Project, terminal: type[Terminal]
) -> None:
    terminal("migrate").end()
    with connected(project.dsn) as hold:
        hold("BEGIN; LOCK TABLE t1 IN ACCESS EXCLUSIVE MODE")
        command = terminal("backup", columns=200)
        for second in ("0:01", "0:02"):
            command.wait_for(second)
    assert command.end() == 0
