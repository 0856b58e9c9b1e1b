"""A backup is whole, consistent and private, or it is not there."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from unittest import mock

import psycopg2
import pytest

from conftest import Project
from fault_injection import dying, until
from saving import child, drop_kept, fill, left, make, running
from sqlpair.backup import backup, directory, manifest, restore
from sqlpair.databases.postgresql import client_programs
from sqlpair.databases.postgresql.session import PostgreSQLSession
from sqlpair.databases.sqlite.backup_proof import check
from sqlpair.databases.sqlite.dump import transfer
from sqlpair.databases.sqlite.session import SQLiteSession
from sqlpair.errors import BackupError, LockError, SettingsError

WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
number = 0
while True:
    number += 1
    connection.execute("INSERT INTO ticks VALUES (?)", [number])
    if number == 100:  # no more: nobody reads on, and a full pipe would end the writing
        print(number, flush=True)
"""


@pytest.fixture
def filled(project: Project) -> Project:
    """One migration and some rows on each database; SQLite in WAL mode."""
    fill(project)
    return project


def looks_whole(project: Project) -> list[str]:
    return [name for name in left(project) if not name.startswith(".")]


@contextmanager
def locked_table(project: Project) -> Iterator[None]:
    """Hold users against everybody, so that pg_dump waits."""
    raw = psycopg2.connect(project.dsn)
    with closing(raw), raw.cursor() as cursor:
        cursor.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        yield


def children(pid: int) -> list[int]:
    """The child processes of a process whose threads come and go meanwhile."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def pg_dump_of(process: subprocess.Popen[str]) -> int:
    """Wait until pg_dump is at work, and return its process id."""

    def found() -> list[int]:
        pids = []
        for pid in children(process.pid):
            with suppress(FileNotFoundError, ProcessLookupError):
                if b"--dbname" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    pids.append(pid)
        return pids

    return until(found, "pg_dump is at work")[0]


def test_backup_holds_both_databases_and_says_where_they_were(
    filled: Project,
) -> None:
    folder = make(filled)

    said = json.loads((folder / "manifest.json").read_text())
    assert said["schema_version"] == 2
    assert said["environment"] == "development"
    assert [entry["revisions"] for entry in said["databases"]] == [
        ["postgres_001"],
        ["sqlite_002"],
    ]
    assert said["project"] == filled.root.name
    assert said["interrupted"] == ""
    for entry, number in zip(said["databases"], (1, 2), strict=True):
        (row,) = entry["applied"]
        file = filled.root / "sql" / entry["name"] / f"{row['name']}.sql"
        assert row["number"] == number
        assert row["checksum"] == manifest.checksum(file)
    assert [entry["proven"] for entry in said["databases"]] == ["schema", "rows"]
    assert said["databases"][0]["tool"].startswith("pg_dump (PostgreSQL)")
    for entry in said["databases"]:
        assert (folder / entry["file"]).stat().st_size == entry["size"] > 0
    with closing(sqlite3.connect(folder / "sqlite.db")) as copy:
        assert copy.execute("SELECT count(*) FROM trades").fetchall() == [(3,)]
    assert (
        manifest.read(folder).databases
        == directory.backups(filled.settings)[folder].databases
    )


def test_backup_can_be_checked_without_this_program(filled: Project) -> None:
    folder = make(filled)

    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True
    )

    assert done.returncode == 0


def test_backup_files_are_0600_in_0700_folders_whatever_the_umask(
    filled: Project,
) -> None:
    before = os.umask(0)
    try:
        folder = make(filled)
    finally:
        os.umask(before)

    assert sorted(path.name for path in folder.iterdir()) == [
        "SHA256SUMS",
        "manifest.json",
        "postgres.dump",
        "sqlite.db",
    ]
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    for path in (folder, folder.parent):
        assert path.stat().st_mode & 0o777 == 0o700


def test_wal_database_is_backed_up_whole_while_a_writer_commits(
    filled: Project,
) -> None:
    filled.lite("CREATE TABLE ticks (number INTEGER PRIMARY KEY)")
    filled.lite("CREATE TABLE ballast (bytes BLOB)")
    filled.lite(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 3000) INSERT INTO ballast SELECT randomblob(8000) FROM n"
    )
    during = [0]

    def newest() -> int:
        number = filled.lite("SELECT max(number) FROM ticks")[0][0]
        assert isinstance(number, int)
        return number

    def watch(name: str, _done: int, _total: int | None) -> None:
        """Let the copy go on only when something was committed since."""
        if name == "sqlite":
            until(lambda: newest() > during[-1], "the writer commits")
            during.append(newest())
            assert len(during) < 1000, "the copy begins again at each commit"

    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(filled.file)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        try:
            assert writer.stdout.readline() == b"100\n"
            folder = backup.backup(filled.settings, lambda _line: None, watch)
        finally:
            writer.kill()

    with closing(sqlite3.connect(folder / "sqlite.db")) as copy:
        numbers = [row[0] for row in copy.execute("SELECT number FROM ticks")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 100
    assert during[-1] > len(numbers)  # the copy is of one moment before
    assert list(folder.glob("sqlite.db-*")) == []


def test_progress_goes_up_to_a_total_that_is_known_from_the_start(
    filled: Project,
) -> None:
    filled.pg("INSERT INTO users SELECT generate_series(101, 300000)")
    filled.lite("CREATE TABLE ballast (bytes BLOB)")
    filled.lite("INSERT INTO ballast VALUES (randomblob(4000000))")
    filled.configure("alembic", backup_proof="always")
    seen: dict[str, list[tuple[int, int | None]]] = {}

    def show(what: str, done: int, total: int | None) -> None:
        seen.setdefault(what, []).append((done, total))

    folder = backup.backup(filled.settings, lambda _line: None, show)
    restore.restore(filled.settings, str(folder), lambda _line: None, show)

    assert {*seen} == {"postgres", "postgres: trial restore", "sqlite"}
    for steps in seen.values():
        assert all(total for _, total in steps)
        assert all(done <= (total or 0) for done, total in steps)
        done, total = steps[-1]
        assert done == total
    drop_kept(filled)


@pytest.mark.parametrize("found", ["missing", "older"])
def test_pg_dump_missing_or_older_than_the_server_makes_no_backup(
    filled: Project, tmp_path: Path, found: str
) -> None:
    binaries = tmp_path / "binaries"
    binaries.mkdir()
    if found == "older":
        program = binaries / "pg_dump"
        program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
        program.chmod(0o755)
    filled.configure("postgres", binaries=str(binaries))

    with pytest.raises(BackupError, match="no pg_dump of PostgreSQL") as failure:
        make(filled)

    assert ("9.6.24" in str(failure.value)) == (found == "older")
    assert "set binaries in the section [postgres]" in str(failure.value)
    assert left(filled) == []
    assert "outcome=failed" in filled.log


ON_FULL_DISK = {
    True: "mount -t tmpfs -o size=200k tmpfs state/backups",
    False: "ulimit -f 400",
}


def backup_on_full_disk(project: Project) -> str:
    """Run a backup where there is too little room; return what it said.

    A small disk of its own where this user may mount one. Elsewhere the kernel is
    told to refuse at that size.
    """
    (project.root / "state" / "backups").mkdir(mode=0o700)
    namespace = ["unshare", "--mount"]
    if os.geteuid() != 0:
        namespace += ["--user", "--map-root-user"]
    probe = "mount -t tmpfs tmpfs state/backups"
    can = subprocess.run([*namespace, "sh", "-c", probe], cwd=project.root).returncode
    script = f"""
        {ON_FULL_DISK[can == 0]}
        "$@" >output 2>&1
        echo exit $?
        ls -A state/backups"""
    done = subprocess.run(
        [
            *(namespace if can == 0 else ()),
            *("sh", "-c", script, "sh", *child()),
        ],
        cwd=project.root,
        env=project.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["exit", "1"], done.stderr
    return (project.root / "output").read_text()


def test_full_disk_leaves_no_backup(filled: Project) -> None:
    filled.pg(
        "CREATE TABLE noise AS SELECT md5(random()::text || i) AS text"
        " FROM generate_series(1, 20000) i"
    )

    said = backup_on_full_disk(filled)

    assert "No space left on device" in said or "File too large" in said
    assert "Nothing of it was kept" in said
    assert "Traceback" not in said


def test_full_disk_under_the_sqlite_copy_leaves_no_backup(filled: Project) -> None:
    filled.lite("CREATE TABLE ballast (bytes BLOB)")
    filled.lite("INSERT INTO ballast VALUES (randomblob(1000000))")

    said = backup_on_full_disk(filled)

    assert "database or disk is full" in said or "disk I/O error" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("suffix", [".db", ".dump"])
def test_copy_that_does_not_reach_the_disk_leaves_no_backup(
    filled: Project, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = directory.sync

    def failing(path: Path) -> None:
        if path.suffix == suffix:
            raise OSError(errno.EIO, "Input/output error", str(path))
        sync(path)

    monkeypatch.setattr(directory, "sync", failing)

    with pytest.raises(BackupError, match="could not be written"):
        make(filled)

    assert left(filled) == []


def test_pg_dump_is_stopped_at_the_deadline(filled: Project) -> None:
    filled.configure("alembic", backup_timeout="0.5")

    with locked_table(filled), pytest.raises(BackupError, match="did not end in time"):
        make(filled)

    assert left(filled) == []
    until(
        lambda: (
            filled.pg(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            == [(0,)]
        ),
        "the server notices that pg_dump is gone",
    )


def test_sqlite_copy_is_stopped_at_the_deadline(filled: Project) -> None:
    (database,) = (d for d in filled.settings.databases if d.driver == "sqlite")
    copy = filled.root / "copy.db"
    shutil.copyfile(filled.file, copy)
    shown: list[tuple[int, int | None]] = []

    with pytest.raises(BackupError, match="did not end in time"):
        check(database, copy, time.monotonic() - 1)
    with (
        closing(sqlite3.connect(filled.file)) as source,
        closing(sqlite3.connect(copy)) as target,
        pytest.raises(BackupError, match="did not end in time"),
    ):
        transfer(
            database, source, target, time.monotonic() - 1, lambda *a: shown.append(a)
        )

    assert len(shown) == 1


def test_killed_backup_leaves_nothing_that_looks_like_one(filled: Project) -> None:
    with locked_table(filled), running(filled) as process:
        pg_dump = pg_dump_of(process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert looks_whole(filled) == []
    assert len(left(filled)) == 1
    # It has a pipe to nobody now.
    until(lambda: not Path(f"/proc/{pg_dump}").exists(), "pg_dump ends")

    folder = make(filled)

    assert left(filled) == [folder.name]


def test_backup_killed_at_any_moment_is_whole_or_not_there(filled: Project) -> None:
    filled.lite("CREATE TABLE ballast (bytes BLOB)")
    filled.lite("INSERT INTO ballast VALUES (randomblob(4000000))")
    for attempt in range(8):
        with running(filled) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(attempt * 0.03)
            process.kill()

    for name in looks_whole(filled):
        manifest.read(store_folder(filled) / name)
    newest = make(filled)
    assert [path.name for path in store_folder(filled).glob(".*")] == []
    assert manifest.read(newest).schema_version == 2
    # A kill in the restore on trial leaves its database, which goes after an hour.
    trials = "SELECT datname FROM pg_database WHERE datname LIKE 'sqlpair_scratch_%'"
    for (name,) in filled.pg(trials):
        filled.pg(f"DROP DATABASE {name} WITH (FORCE)")


def store_folder(project: Project) -> Path:
    return project.settings.backups.folder


def test_interrupted_backup_leaves_nothing(filled: Project) -> None:
    with locked_table(filled), running(filled) as process:
        pg_dump_of(process)
        process.send_signal(signal.SIGINT)
        process.wait()

    assert left(filled) == []


def test_password_is_in_no_argument_message_or_log(filled: Project) -> None:
    canary = "canary-@:/#%-8471"
    words = dict(word.split("=", 1) for word in filled.dsn.split())
    url = f"postgresql://{words['user']}:{canary}@/{words['dbname']}"
    url += f"?host={words['host']}&port={words['port']}"
    seen = []
    with locked_table(filled), running(filled, DATABASE_URL=url) as process:
        pg_dump = pg_dump_of(process)
        seen = [
            Path(f"/proc/{pid}/cmdline").read_text() for pid in (process.pid, pg_dump)
        ]
        environ = Path(f"/proc/{pg_dump}/environ").read_text()
        os.kill(pg_dump, signal.SIGTERM)
        output = "".join(process.communicate())
    assert process.returncode == 1
    assert f"PGPASSWORD={canary}" in environ
    for text in (*seen, output, filled.log):
        assert canary not in text


def test_service_and_password_file_reach_pg_dump(
    filled: Project, tmp_path: Path
) -> None:
    words = "\n".join(filled.dsn.split())
    (tmp_path / "services").write_text(f"[trading]\n{words}\n")
    filled.environ |= {"PGSERVICEFILE": str(tmp_path / "services")}
    os.environ["PGSERVICEFILE"] = str(tmp_path / "services")
    filled.environ["DATABASE_URL"] = "service=trading"
    try:
        folder = make(filled)
    finally:
        del os.environ["PGSERVICEFILE"]

    assert manifest.read(folder).databases[0].revisions == ("postgres_001",)


def test_damaged_sqlite_database_makes_no_backup(filled: Project) -> None:
    filled.lite("PRAGMA journal_mode = DELETE")
    filled.lite("CREATE TABLE damaged (number INTEGER PRIMARY KEY, bytes BLOB)")
    filled.lite(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 100) INSERT INTO damaged SELECT i, randomblob(500) FROM n"
    )
    content = bytearray(filled.file.read_bytes())
    content[-8192:] = bytes(8192)
    filled.file.write_bytes(content)

    with pytest.raises(BackupError, match="sqlite: the database is damaged"):
        make(filled)

    assert left(filled) == []


def test_backup_of_a_database_that_is_not_there_creates_nothing(
    project: Project,
) -> None:
    project.add("sqlite", "001_a", "CREATE TABLE a (x text);\n")

    with pytest.raises(BackupError, match="sqlite: there is no database to back up"):
        make(project)

    assert not project.file.exists()
    assert left(project) == []


def test_oldest_backups_go_and_only_after_a_new_good_one(filled: Project) -> None:
    filled.configure("alembic", backup_keep="4")
    folder = filled.settings.backups.folder
    made = [make(filled).name for _ in range(4)]
    assert set(left(filled)) == set(made)
    (folder / "notes.txt").write_text("mine")
    stranger = folder / "20200101T000000.000Z-aaaaaa"
    stranger.mkdir()
    (stranger / "manifest.json").write_text("{}")
    half = folder / "20200102T000000.000Z-aaaaaa"
    shutil.copytree(folder / made[0], half)
    os.truncate(half / "sqlite.db", 4096)
    staging = folder / "20200103T000000.000Z-aaaaaa"
    shutil.copytree(folder / made[0], staging)
    rewrite(staging, environment="staging")
    linked = folder / "20200104T000000.000Z-aaaaaa"
    linked.symlink_to(folder / made[0])
    others = {path.name for path in (stranger, half, staging, linked)} | {"notes.txt"}

    ini = (filled.root / "alembic.ini").read_text()
    filled.configure("alembic", backup_timeout="0.3")
    with locked_table(filled), pytest.raises(BackupError):
        make(filled)
    assert set(left(filled)) == {*made, *others}

    (filled.root / "alembic.ini").write_text(ini)
    newest = make(filled).name
    assert set(left(filled)) == {*sorted(made)[1:], newest, *others}


def rewrite(folder: Path, **values: str) -> None:
    """Change a manifest as its author would."""
    changed = manifest.read(folder)._replace(**values)  # type: ignore[arg-type]
    (folder / "manifest.json").unlink()
    (folder / "SHA256SUMS").unlink()
    manifest.write(folder, changed)


def test_the_backup_just_made_stays_though_the_clock_went_back(
    filled: Project,
) -> None:
    filled.configure("alembic", backup_keep="1")
    later = make(filled)
    later.rename(later.with_name("29990101T000000.000Z-aaaaaa"))

    newest = make(filled)

    assert left(filled) == [newest.name]


@pytest.mark.parametrize(
    ("said", "major"),
    [
        ("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15),
        ("9.6.24", 9),
        ("pg_dump (PostgreSQL) 19beta1", 19),
        ("20devel", 20),
    ],
)
def test_major_version_is_read_from_what_programs_and_servers_say(
    said: str, major: int
) -> None:
    assert client_programs.major(said) == major


def test_pg_dump_is_of_the_lowest_version_that_fits_the_server(
    filled: Project,
) -> None:
    copy = manifest.read(make(filled)).databases[0]
    database = filled.settings.databases[0]

    chosen = client_programs.major(copy.tool)
    assert chosen >= client_programs.major(copy.server)
    if chosen > client_programs.major(
        copy.server
    ):  # then this machine has no nearer one
        assert client_programs.find(
            "pg_dump", database, client_programs.major(copy.server)
        ).major == (chosen)


def test_programs_after_one_of_the_servers_own_version_are_not_started(
    filled: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in (19, 18, 17):
        program = tmp_path / str(version) / "pg_dump"
        program.parent.mkdir()
        asked = f"touch '{program}.asked'"
        program.write_text(f"#!/bin/sh\n{asked}\necho pg_dump {version}.1\n")
        program.chmod(0o755)
    folders = [tmp_path / str(version) for version in (19, 18, 17)]
    monkeypatch.setattr(client_programs, "places", lambda: folders)
    database = filled.settings.databases[0]._replace(binaries=None)

    found = client_programs.find("pg_dump", database, 18)

    assert found.path == tmp_path / "18" / "pg_dump"
    assert not (tmp_path / "17" / "pg_dump.asked").exists()


def test_no_migration_runs_between_the_two_copies(filled: Project) -> None:
    filled.add("postgres", "003_more", "ALTER TABLE users ADD COLUMN email text;\n")
    filled.add("sqlite", "004_more", "ALTER TABLE trades ADD COLUMN pnl real;\n")
    deployments: list[subprocess.Popen[str]] = []

    def watch(name: str, _done: int, _total: int | None) -> None:
        if name != "postgres" or deployments:
            return
        process = subprocess.Popen(
            [sys.executable, "-m", "alembic", "upgrade", "heads"],
            cwd=filled.root,
            env=filled.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        deployments.append(process)
        assert process.stderr is not None
        line = process.stderr.readline()
        while "waiting for" not in line:
            assert line
            line = process.stderr.readline()

    folder = backup.backup(filled.settings, lambda _line: None, watch)

    with deployments[0] as process:
        process.communicate()
    assert process.returncode == 0
    assert manifest.read(folder).schema_version == 2
    with closing(sqlite3.connect(folder / "sqlite.db")) as copy:
        copy.execute("SELECT id FROM trades")
        with pytest.raises(sqlite3.OperationalError, match="no such column: pnl"):
            copy.execute("SELECT pnl FROM trades")
    assert filled.applied("sqlite") == ["002_trades", "004_more"]


@pytest.fixture
def pending(filled: Project) -> Project:
    """As filled, with one more migration to run, in production."""
    filled.add("postgres", "003_more", "ALTER TABLE users ADD COLUMN email text;\n")
    filled.environ |= {"APP_ENV": "production", "SQLITE_PATH": str(filled.file)}
    return filled


def test_deployment_in_production_begins_with_a_backup_of_both_databases(
    pending: Project,
) -> None:
    pending.upgrade("postgres@head")

    (folder,) = left(pending)
    said = manifest.read(store_folder(pending) / folder)
    assert [copy.name for copy in said.databases] == ["postgres", "sqlite"]
    assert said.schema_version == 2  # from before it
    lines = [line.split()[1] for line in pending.log.splitlines()[-3:]]
    assert lines == ["outcome=backed-up", "outcome=ran", "outcome=committed"]


def test_deployment_with_nothing_to_run_makes_no_backup(pending: Project) -> None:
    pending.environ["BACKUP"] = "0"
    pending.upgrade()
    assert left(pending) == []
    del pending.environ["BACKUP"]

    pending.upgrade()

    assert left(pending) == []


def test_of_deployments_at_once_only_the_one_that_runs_backs_up(
    pending: Project,
) -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "heads"]
    runs = [
        subprocess.Popen(command, cwd=pending.root, env=pending.environ)
        for _ in range(3)
    ]

    assert [run.wait() for run in runs] == [0, 0, 0]
    assert len(left(pending)) == 1


@pytest.mark.parametrize(
    ("environment", "option", "once", "made"),
    [
        ("production", "auto", "", 1),
        ("staging", "auto", "", 1),
        ("development", "auto", "", 0),
        ("development", "always", "", 1),
        ("production", "never", "", 0),
        ("production", "always", "0", 0),
        ("development", "never", "1", 1),
    ],
)
def test_backup_before_a_deployment_is_as_the_settings_say(
    pending: Project, environment: str, option: str, once: str, made: int
) -> None:
    pending.configure("alembic", backup=option)
    pending.environ |= {"APP_ENV": environment, "BACKUP": once}

    pending.alembic("upgrade", "heads")

    assert len(left(pending)) == made


def test_failed_backup_means_no_migration(pending: Project, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    pending.configure("postgres", binaries=str(tmp_path / "empty"))

    done = pending.alembic("upgrade", "heads", expect=1)

    assert "no pg_dump of PostgreSQL" in done.stderr
    assert "No migration has run; with BACKUP=0" in done.stderr
    assert pending.applied("postgres") == ["001_users"]
    assert left(pending) == []
    assert "outcome=failed" in pending.log.splitlines()[-1]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("backup = sometimes", "backup = sometimes"),
        ("backup_keep = 0", "backup_keep = 0"),
        ("backup_timeout = soon", "backup_timeout = soon"),
    ],
)
def test_wrong_setting_is_named(filled: Project, line: str, key: str) -> None:
    key, value = line.split(" = ")
    filled.configure("alembic", **{key: value})

    with pytest.raises(SettingsError, match=key):
        make(filled)


def test_two_backups_at_once_in_one_folder_are_refused(filled: Project) -> None:
    folder = filled.settings.backups.folder

    with directory.working(folder), pytest.raises(LockError, match="at work"):
        make(filled)

    assert left(filled) == []


def test_backup_of_a_half_done_deployment_says_so_in_its_manifest(
    filled: Project,
) -> None:
    filled.add("postgres", "003_t3", "CREATE TABLE t3 (id int);\n")
    filled.add("sqlite", "004_t4", "CREATE TABLE t4 (id int);\n")
    # As on a server with max_prepared_transactions = 0, where PostgreSQL commits first.
    with mock.patch.object(PostgreSQLSession, "prepare", return_value=False):
        dying(filled, PostgreSQLSession, "commit", "after")
    assert filled.applied("postgres") == ["001_users", "003_t3"]
    assert filled.applied("sqlite") == ["002_trades"]

    done = filled.sqlpair("backup")

    folder = Path(done.stdout.splitlines()[-1])
    said = json.loads((folder / "manifest.json").read_text())["interrupted"]
    assert "has reached postgres, but not sqlite" in said
    assert "has reached postgres, but not sqlite" in done.stderr
    asked = filled.sqlpair("restore", folder.name, expect=2)
    assert "has reached postgres, but not sqlite" in asked.stderr
    filled.upgrade()
    assert manifest.read(make(filled)).interrupted == ""


def test_backup_resolves_a_deployment_in_doubt_first(filled: Project) -> None:
    filled.add("postgres", "003_t3", "CREATE TABLE t3 (id int);\n")
    filled.add("sqlite", "004_t4", "CREATE TABLE t4 (id int);\n")
    dying(filled, SQLiteSession, "commit", "after")
    assert filled.applied("postgres") == ["001_users"]

    said = manifest.read(make(filled))

    assert said.interrupted == ""
    assert said.schema_version == 4
    assert filled.applied("postgres") == ["001_users", "003_t3"]


def test_failing_copy_stops_the_others(filled: Project) -> None:
    filled.configure("sqlite", lock_timeout="0.3")
    filled.lite("PRAGMA journal_mode = DELETE")

    def damage(line: str) -> None:
        if line == "Backing up sqlite":
            with filled.file.open("r+b") as file:
                file.write(bytes(4096))

    began = time.monotonic()
    with locked_table(filled), pytest.raises(BackupError, match="sqlite"):
        backup.backup(filled.settings, damage)

    assert (
        time.monotonic() - began < 60
    )  # pg_dump waits for as long as the lock is held
    assert left(filled) == []
