"""A restore brings both databases back, or leaves both as they were."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from conftest import Project, connected
from saving import (
    bring_back,
    databases,
    drop_kept,
    fill,
    live_name,
    make,
    quiet,
    running,
    stop_at,
)
from sqlpair.backup import backup, manifest, restore
from sqlpair.databases.postgresql.dump import only_odd_setting
from sqlpair.errors import (
    BackupError,
    ConnectError,
    LockError,
    SqlpairError,
    UsageError,
)

Content = tuple[list[tuple[object, ...]], ...]


@pytest.fixture
def filled(project: Project) -> Iterator[Project]:
    """One migration and some rows on each database; SQLite in WAL mode."""
    (project.root / ".env").write_text("SCHEMA_VERSION=0  # kept\n")
    fill(project)
    yield project
    drop_kept(project)


def go_on(project: Project) -> None:
    """Migrate and write on: what a restore is to take back."""
    project.add("postgres", "003_more", "ALTER TABLE users ADD COLUMN email text;\n")
    project.add("sqlite", "004_more", "ALTER TABLE trades ADD COLUMN pnl real;\n")
    project.upgrade()
    project.pg("INSERT INTO users VALUES (1000, 'a@b')")
    project.lite("DELETE FROM trades WHERE id = 2")


def content(project: Project) -> Content:
    return (
        project.pg("SELECT * FROM users ORDER BY id"),
        project.lite("SELECT * FROM trades ORDER BY id"),
        [(project.heads("postgres"), project.applied("postgres"))],
        [(project.heads("sqlite"), project.applied("sqlite"))],
    )


def untouched(project: Project) -> None:
    assert databases(project) == [live_name(project)]
    backups = project.settings.backups.folder
    assert [path.name for path in backups.iterdir() if path.name[0] == "."] == []
    assert not list(project.file.parent.glob("*.before-*"))


def test_restore_brings_both_databases_back_to_the_manifests_version(
    filled: Project,
) -> None:
    before = content(filled)
    folder = make(filled)
    go_on(filled)

    done = bring_back(filled, folder)

    assert content(filled) == before
    assert filled.pg("SELECT attname FROM pg_stats WHERE tablename = 'users'") == [
        ("id",)
    ]
    assert done.manifest.schema_version == 2
    assert (filled.root / ".env").read_text() == "SCHEMA_VERSION=2  # kept\n"
    assert f"outcome=restored deployment={done.id} " in filled.log
    assert f" folder={folder.name} version=" in filled.log
    for rows in (filled.pg, filled.lite):
        last = rows("SELECT action, deployment FROM schema_history ORDER BY id DESC")[0]
        assert last == ("restore", done.id)
    assert filled.upgrade().version == 4  # and it goes on from there


def test_what_was_live_is_kept_and_each_removal_works(filled: Project) -> None:
    folder = make(filled)
    go_on(filled)

    done = bring_back(filled, folder.name)

    kept, file = done.kept
    assert databases(filled) == [live_name(filled), kept]
    with connected(filled.dsn.replace(live_name(filled), kept)) as old:
        assert old("SELECT email FROM users WHERE id = 1000") == [("a@b",)]
    with closing(sqlite3.connect(file)) as old_file:
        assert old_file.execute("SELECT pnl FROM trades").fetchall() == [(None,)] * 2
    assert Path(file).stat().st_mode & 0o777 == 0o600
    filled.pg(done.kept[kept])
    subprocess.run(done.kept[file], shell=True, check=True)
    untouched(filled)


def test_restore_over_a_wal_database_leaves_no_stale_wal(filled: Project) -> None:
    before = content(filled)
    folder = make(filled)
    go_on(filled)
    # A writer that dies with its rows in the -wal.
    writer = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('INSERT INTO trades (id) VALUES (77)')\n"
        "os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", writer, str(filled.file)], check=False)
    wal = filled.file.with_name(f"{filled.file.name}-wal")
    assert wal.stat().st_size > 0

    done = bring_back(filled, folder)

    assert not wal.exists()
    assert filled.lite("PRAGMA journal_mode") == [("wal",)]
    assert filled.lite("PRAGMA integrity_check") == [("ok",)]
    assert content(filled) == before
    with closing(sqlite3.connect([*done.kept][1])) as old:
        assert (77,) in old.execute("SELECT id FROM trades").fetchall()


@pytest.mark.parametrize(
    "harm",
    ["flip", "cut", "gone"],
)
@pytest.mark.parametrize(
    "name", ["postgres.dump", "sqlite.db", "manifest.json", "SHA256SUMS"]
)
def test_truncated_or_altered_backup_is_refused(
    filled: Project, name: str, harm: str
) -> None:
    folder = make(filled)
    go_on(filled)
    before = content(filled)
    path = folder / name
    data = bytearray(path.read_bytes())
    if harm == "flip":
        place = random.randrange(len(data))
        data[place] ^= 1 << random.randrange(8)
    elif harm == "cut":
        del data[-1]
    path.write_bytes(data)
    if harm == "gone":
        path.unlink()

    with pytest.raises(BackupError, match="not what was written") as failure:
        bring_back(filled, folder)

    assert "No database was touched" in str(failure.value)
    assert content(filled) == before
    untouched(filled)


def test_manifest_altered_to_another_format_counts_as_altered(
    filled: Project,
) -> None:
    folder = make(filled)
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 4'))

    with pytest.raises(BackupError, match="not what was written"):
        bring_back(filled, folder)


def reword(folder: Path, old: str, new: str) -> None:
    """Change a manifest and its checksum, as only a hand would."""
    path = folder / "manifest.json"
    sums = folder / "SHA256SUMS"
    text = path.read_text()
    assert old in text
    was = manifest.checksum(path)
    path.write_text(text.replace(old, new))
    sums.write_text(sums.read_text().replace(was, manifest.checksum(path)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"sqlite.db"', '"../../local.db"', "not a valid name of a dump"),
        ('"sqlite.db"', '"/etc/passwd"', "not a valid name of a dump"),
        ('"name": "sqlite"', '"name": "other"', "other databases"),
        ('"driver": "sqlite"', '"driver": "postgresql"', "other databases"),
        ('"development"', '"production"', "the backup is of production"),
        ('"format": 2', '"format": 3', "of format 3"),
        ('"schema_version": 2', '"schema_version": "2"', "schema_version is '2'"),
        ("sqlite_002", "sqlite_009", "not where the manifest says"),
        ('"number": 2', '"number": 4', "ahead of this checkout"),
    ],
)
def test_manifest_that_says_something_else_is_refused(
    filled: Project, old: str, new: str, said: str
) -> None:
    folder = make(filled)
    before = content(filled)
    reword(folder, old, new)

    with pytest.raises(BackupError, match=said):
        bring_back(filled, folder)

    assert content(filled) == before
    untouched(filled)


def test_dump_that_is_a_link_out_of_the_backup_is_refused(
    filled: Project, tmp_path: Path
) -> None:
    folder = make(filled)
    outside = tmp_path / "outside.db"
    shutil.move(folder / "sqlite.db", outside)
    (folder / "sqlite.db").symlink_to(outside)

    with pytest.raises(BackupError, match="the file is not there"):
        bring_back(filled, folder)


def test_unknown_backup_is_answered_with_those_there_are(filled: Project) -> None:
    folder = make(filled)

    with pytest.raises(UsageError, match=folder.name):
        bring_back(filled, "20200101T000000.000Z-aaaaaa")


def test_restore_is_refused_while_others_are_connected_to_postgresql(
    filled: Project,
) -> None:
    folder = make(filled)
    go_on(filled)
    before = content(filled)
    app = psycopg2.connect(filled.dsn, application_name="trading-backend")

    with closing(app), pytest.raises(LockError, match="trading-backend") as failure:
        bring_back(filled, folder)

    assert f"pid {app.info.backend_pid}" in str(failure.value) if not app.closed else 1
    assert content(filled) == before
    untouched(filled)


def test_restore_is_refused_while_a_prepared_transaction_of_others_is_open(
    filled: Project,
) -> None:
    folder = make(filled)
    with closing(psycopg2.connect(filled.dsn)) as app, app.cursor() as cursor:
        cursor.execute("CREATE TABLE theirs (); PREPARE TRANSACTION 'their''s'")
    try:
        with pytest.raises(LockError) as failure:
            bring_back(filled, folder)
    finally:
        filled.pg("ROLLBACK PREPARED 'their''s'")

    assert "the prepared transaction 'their''s' of postgres" in str(failure.value)
    untouched(filled)


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_restore_is_refused_while_others_use_the_sqlite_file(
    filled: Project, mode: str
) -> None:
    filled.lite(f"PRAGMA journal_mode = {mode}")
    folder = make(filled)
    before = content(filled)
    for name in ("postgres", "sqlite"):
        filled.configure(name, lock_timeout="0.5")
    app = sqlite3.connect(filled.file, isolation_level=None)
    app.execute("SELECT count(*) FROM trades").fetchall()
    if mode == "DELETE":
        app.execute("BEGIN IMMEDIATE")

    with closing(app), pytest.raises(LockError, match="sqlite: the database is in use"):
        bring_back(filled, folder)

    assert content(filled) == before
    untouched(filled)


def test_idle_connection_of_a_rollback_journal_database_sees_the_restored_rows(
    filled: Project,
) -> None:
    filled.lite("PRAGMA journal_mode = DELETE")
    folder = make(filled)
    app = sqlite3.connect(filled.file, isolation_level=None)
    with closing(app):
        app.execute("DELETE FROM trades")
        assert app.execute("SELECT id FROM trades").fetchall() == []

        bring_back(filled, folder)

        # The file is the same one, so it reads, and writes, what is there now.
        assert app.execute("SELECT id FROM trades").fetchall() == [(1,), (2,), (3,)]
        app.execute("INSERT INTO trades VALUES (4)")
    assert filled.lite("SELECT max(id) FROM trades") == [(4,)]


def test_somebody_who_connects_at_the_last_moment_stops_the_restore(
    filled: Project,
) -> None:
    folder = make(filled)
    go_on(filled)
    before = content(filled)
    late: list[psycopg2.extensions.connection] = []

    def report(line: str) -> None:
        if line.startswith("Restoring postgres"):
            late.append(psycopg2.connect(filled.dsn, application_name="late"))

    try:
        with pytest.raises(LockError, match="late"):
            restore.restore(filled.settings, str(folder), report)
    finally:
        for app in late:
            app.close()

    assert content(filled) == before
    untouched(filled)


def test_settings_grants_owner_and_comment_of_the_database_survive(
    filled: Project,
) -> None:
    name = live_name(filled)
    filled.pg("DROP ROLE IF EXISTS keeper")
    filled.pg("DROP ROLE IF EXISTS reader")
    filled.pg("CREATE ROLE keeper")
    filled.pg("CREATE ROLE reader")
    try:
        for statement in (
            f"ALTER DATABASE {name} OWNER TO keeper",
            f"ALTER DATABASE {name} CONNECTION LIMIT 50",
            f"ALTER DATABASE {name} SET search_path TO \"$user\", public, 'Odd, Name'",
            f"ALTER DATABASE {name} SET statement_timeout TO '90s'",
            f"ALTER DATABASE {name} SET my.setting TO 'it''s = so'",
            f"ALTER ROLE reader IN DATABASE {name} SET work_mem TO '8MB'",
            f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {name} TO reader WITH GRANT OPTION",
            f"COMMENT ON DATABASE {name} IS 'it''s the money'",
            f"ALTER DATABASE {name} SET default_transaction_read_only TO on",
        ):
            filled.pg(statement)
        before = properties(filled)
        folder = make(filled)

        bring_back(filled, folder)

        assert properties(filled) == before
    finally:
        admin = filled.dsn.replace(f"dbname={name}", "dbname=postgres")
        with connected(admin) as pg:
            for other in databases(filled):
                pg(f'ALTER DATABASE "{other}" RESET ALL')
                pg(f'ALTER DATABASE "{other}" OWNER TO postgres')
                pg(f'REVOKE ALL ON DATABASE "{other}" FROM keeper, reader')
                pg(f'ALTER ROLE reader IN DATABASE "{other}" RESET ALL')
            pg("DROP ROLE keeper")
            pg("DROP ROLE reader")


def properties(project: Project) -> list[tuple[object, ...]]:
    return project.pg(
        "SELECT pg_get_userbyid(datdba), encoding, datcollate, datctype, datconnlimit,"
        " ARRAY(SELECT a::text FROM unnest(datacl) a ORDER BY a::text),"
        " shobj_description(d.oid, 'pg_database'),"
        " ARRAY(SELECT setrole::regrole::text || array_to_string(setconfig, '|')"
        " FROM pg_db_role_setting WHERE setdatabase = d.oid ORDER BY setrole)"
        " FROM pg_database d WHERE datname = current_database()"
    )


def test_role_that_may_not_create_databases_is_told_so(filled: Project) -> None:
    folder = make(filled)
    filled.pg("DROP ROLE IF EXISTS poor")
    filled.pg("CREATE ROLE poor LOGIN")
    filled.pg("GRANT ALL ON ALL TABLES IN SCHEMA public TO poor")
    try:
        filled.environ["DATABASE_URL"] = filled.dsn.replace(
            "user=postgres", "user=poor"
        )
        with pytest.raises(BackupError, match="poor may not create databases"):
            bring_back(filled, folder)
    finally:
        filled.environ["DATABASE_URL"] = filled.dsn
        filled.pg("DROP OWNED BY poor")
        filled.pg("DROP ROLE poor")
    untouched(filled)


def test_dump_that_does_not_restore_leaves_both_databases(filled: Project) -> None:
    filled.pg("DROP ROLE IF EXISTS leaver")
    filled.pg("CREATE ROLE leaver")
    filled.pg("ALTER TABLE users OWNER TO leaver")
    folder = make(filled)
    filled.pg("ALTER TABLE users OWNER TO postgres")
    filled.pg("DROP ROLE leaver")
    go_on(filled)
    before = content(filled)

    with pytest.raises(BackupError, match='role "leaver" does not exist'):
        bring_back(filled, folder)

    assert content(filled) == before
    untouched(filled)


def test_restore_into_new_empty_databases(filled: Project) -> None:
    before = content(filled)
    folder = make(filled)
    inode = filled.file.stat().st_ino
    for path in filled.file.parent.glob("local.db*"):
        path.rename(path.with_name(f"lost-{path.name}"))
    name = live_name(filled)
    with connected(filled.dsn.replace(f"dbname={name}", "dbname=postgres")) as pg:
        pg(f"DROP DATABASE {name}")
        pg(f"CREATE DATABASE {name} TEMPLATE template0")

    bring_back(filled, folder)

    assert content(filled) == before
    assert filled.file.stat().st_ino != inode


def test_sqlite_file_that_is_no_database_is_not_overwritten(filled: Project) -> None:
    folder = make(filled)
    filled.file.write_bytes(b"garbage" * 1000)

    with pytest.raises(ConnectError, match="sqlite: cannot open"):
        bring_back(filled, folder)

    assert filled.file.read_bytes() == b"garbage" * 1000
    assert databases(filled) == [live_name(filled)]


def test_damaged_sqlite_database_can_be_restored(filled: Project) -> None:
    filled.lite("CREATE TABLE ballast (bytes BLOB)")
    filled.lite("INSERT INTO ballast VALUES (randomblob(100000))")
    before = content(filled)
    folder = make(filled)
    with closing(sqlite3.connect(filled.file)) as lite:
        lite.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(filled.file.read_bytes())
    data[8192:40000] = bytes(40000 - 8192)
    filled.file.write_bytes(data)

    bring_back(filled, folder)

    assert content(filled) == before
    assert filled.lite("PRAGMA integrity_check") == [("ok",)]


def test_restore_keeps_the_file_its_mode_and_its_owner(filled: Project) -> None:
    folder = make(filled)
    filled.file.chmod(0o640)
    before = filled.file.stat()

    bring_back(filled, folder)

    after = filled.file.stat()
    assert (after.st_ino, after.st_mode, after.st_uid, after.st_gid) == (
        before.st_ino,
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_live_file_with_another_page_size(filled: Project, mode: str) -> None:
    before = content(filled)
    folder = make(filled)
    filled.lite("PRAGMA journal_mode = DELETE")
    with closing(sqlite3.connect(filled.file, isolation_level=None)) as lite:
        lite.execute("PRAGMA page_size = 8192")
        lite.execute("VACUUM")
        lite.execute(f"PRAGMA journal_mode = {mode}")

    if mode == "WAL":
        with pytest.raises(BackupError, match="another page size"):
            bring_back(filled, folder)
        untouched(filled)
    else:
        bring_back(filled, folder)
        assert content(filled) == before


def test_only_a_setting_that_older_servers_do_not_know_may_fail() -> None:
    odd = (
        "pg_restore: error: could not execute query: ERROR:  unrecognized"
        ' configuration parameter "transaction_timeout"\n'
        "Command was: SET transaction_timeout = 0;\n"
        "pg_restore: warning: errors ignored on restore: 1\n"
    )

    assert only_odd_setting(odd)
    assert not only_odd_setting(odd + "pg_restore: error: disk full\n")
    assert not only_odd_setting(odd.replace("transaction", "statement"))
    assert not only_odd_setting("")


# -- death ---------------------------------------------------------------------


def test_killed_restore_is_finished_or_taken_back_by_the_next_command(
    filled: Project,
) -> None:
    filled.lite("CREATE TABLE ballast (bytes BLOB)")
    filled.lite("INSERT INTO ballast VALUES (randomblob(8000000))")
    old = content(filled)
    folder = make(filled)
    go_on(filled)
    new = content(filled)
    began = time.monotonic()
    bring_back(filled, folder)
    whole = time.monotonic() - began + 0.3
    filled.upgrade()
    filled.pg("INSERT INTO users VALUES (1000, 'a@b')")
    filled.lite("DELETE FROM trades WHERE id = 2")
    assert content(filled) == new

    seen = set()
    for attempt in range(10):
        with running(filled, folder) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(whole * attempt / 10)
            process.send_signal(signal.SIGKILL)
        # Any command that changes something: here there is nothing else to do.
        backup.backup(filled.settings, quiet)

        found = content(filled)
        assert found in (old, new)
        seen.add(found == new)
        assert not list(filled.settings.backups.folder.glob(".*"))
        assert not [name for name in databases(filled) if "_restore_" in name]
        if found == old:
            filled.upgrade()
            filled.pg("INSERT INTO users VALUES (1000, 'a@b')")
            filled.lite("DELETE FROM trades WHERE id = 2")


def test_restore_killed_between_the_two_databases_is_finished(
    filled: Project,
) -> None:
    before = content(filled)
    folder = make(filled)
    go_on(filled)
    newer = content(filled)
    stop_at(filled, folder, "Putting the copy of postgres")
    assert filled.lite("SELECT id FROM trades") == [(1,), (2,), (3,)]
    assert filled.pg("SELECT count(*) FROM users") == [(101,)]
    said: list[str] = []

    backup.backup(filled.settings, said.append)

    assert any("Finished an interrupted restore" in line for line in said)
    assert content(filled) == before != newer
    assert (filled.root / ".env").read_text() == "SCHEMA_VERSION=2  # kept\n"
    assert "outcome=restored" in filled.log
    assert len(databases(filled)) == 2


def test_restore_killed_before_the_first_database_is_taken_back(
    filled: Project,
) -> None:
    folder = make(filled)
    go_on(filled)
    before = content(filled)
    stop_at(filled, folder, "Putting the copy of sqlite")
    said: list[str] = []

    deploy_nothing(filled, said)

    assert any("Undid an interrupted restore" in line for line in said)
    assert content(filled) == before
    untouched(filled)


def deploy_nothing(project: Project, said: list[str]) -> None:
    from sqlpair.deploy import deployment
    from sqlpair.deploy.targets import Destination

    target = Destination(("heads",), "upgrade", said.append)
    deployment.deploy(project.settings, target, said.append)


@pytest.mark.parametrize(
    "line",
    [
        "Restoring postgres",
        "Restoring sqlite",
        "Putting the copy of sqlite",
    ],
)
def test_interrupted_restore_takes_itself_back(filled: Project, line: str) -> None:
    folder = make(filled)
    go_on(filled)
    before = content(filled)

    stop_at(filled, folder, line, signal.SIGINT)

    assert content(filled) == before
    untouched(filled)


def test_restore_interrupted_between_the_two_databases_ends_first(
    filled: Project,
) -> None:
    before = content(filled)
    folder = make(filled)
    go_on(filled)

    stop_at(filled, folder, "Putting the copy of postgres", signal.SIGINT)

    assert content(filled) == before
    assert not list(filled.settings.backups.folder.glob(".*"))


def _cut_the_copy(project: Project) -> None:
    (work,) = project.settings.backups.folder.glob(".restore-*")
    os.truncate(work / "sqlite.db", 100)


def _replace_the_file(project: Project) -> None:
    moved = project.file.rename(project.file.with_name("moved.db"))
    shutil.copyfile(moved, project.file)


@pytest.mark.parametrize(
    ("happens", "kind", "message"),
    [
        (_cut_the_copy, BackupError, "sqlite: SQLite refused a step"),
        (_replace_the_file, LockError, "sqlite: the database's file was moved"),
    ],
)
def test_sqlite_that_fails_at_the_last_step_takes_postgresql_back(
    filled: Project,
    happens: Callable[[Project], None],
    kind: type[SqlpairError],
    message: str,
) -> None:
    folder = make(filled)
    go_on(filled)
    before = content(filled)

    def report(line: str) -> None:
        if line == "Putting the copy of sqlite in place":
            happens(filled)

    with pytest.raises(kind, match=message):
        restore.restore(filled.settings, str(folder), report)

    assert content(filled) == before
    untouched(filled)


def test_backup_of_a_checkout_that_was_behind_is_restored_at_its_version(
    filled: Project,
) -> None:
    go_on(filled)
    newer = [*filled.root.glob("sql/*/00[34]_*"), *filled.root.glob("**/00[34]_*.py")]
    away = {path: path.read_bytes() for path in newer}
    for path in newer:
        path.unlink()
    folder = make(filled)
    for path, data in away.items():
        path.write_bytes(data)

    done = bring_back(filled, folder)

    assert done.manifest.schema_version == 4
    assert "SCHEMA_VERSION=4" in (filled.root / ".env").read_text()
    assert "agree" in filled.sqlpair("version").stdout
