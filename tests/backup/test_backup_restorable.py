"""What a backup saves can be restored, by the role that made it, where it was made."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from conftest import Project, connected, with_canary
from saving import bring_back, drop_kept, fill, left, live_name, make, quiet
from sqlpair.backup import backup, restore, retention
from sqlpair.errors import BackupError


@pytest.fixture
def filled(project: Project) -> Iterator[Project]:
    """One migration and some rows on each database."""
    fill(project)
    yield project
    drop_kept(project)


@contextmanager
def role(project: Project, name: str, rights: str) -> Iterator[None]:
    """Let the project connect as a new role, to whom its database belongs."""
    live = live_name(project)
    with connected(project.dsn.replace(f"dbname={live}", "dbname=postgres")) as pg:
        pg(f"DROP ROLE IF EXISTS {name}")
        pg(f"CREATE ROLE {name} LOGIN {rights}")
        pg(f"ALTER DATABASE {live} OWNER TO {name}")
        with connected(project.dsn) as own:
            own(f"GRANT ALL ON SCHEMA public TO {name}")
        own_dsn = project.dsn.replace("user=postgres", f"user={name}")
        before = project.environ["DATABASE_URL"]
        project.environ["DATABASE_URL"] = with_canary(own_dsn)
        try:
            yield
        finally:
            project.environ["DATABASE_URL"] = before
            drop_kept(project)
            pg(f"ALTER DATABASE {live} OWNER TO postgres")
            with connected(project.dsn) as own:
                own(f"REASSIGN OWNED BY {name} TO postgres")
                own(f"DROP OWNED BY {name}")
            pg(f"DROP ROLE {name}")


def test_owner_with_createdb_who_is_no_superuser_restores_what_he_saved(
    project: Project,
) -> None:
    with role(project, "plain_owner", "CREATEDB"):
        fill(project)
        folder = make(project)
        project.pg("DELETE FROM users")
        project.lite("DELETE FROM trades")

        bring_back(project, folder)

        assert project.pg("SELECT count(*) FROM users") == [(100,)]
        assert project.lite("SELECT count(*) FROM trades") == [(3,)]
        assert project.pg(
            "SELECT pg_get_userbyid(datdba) FROM pg_database"
            " WHERE datname = current_database()"
        ) == [("plain_owner",)]


def test_a_backup_tells_what_a_restore_by_its_role_could_not_do(
    project: Project,
) -> None:
    with role(project, "plain_owner", "CREATEDB"):
        fill(project)
        assert "another role" not in project.sqlpair("backup").stderr
        live = live_name(project)
        project.pg("CREATE ROLE other")
        project.pg(f"ALTER ROLE other IN DATABASE {live} SET search_path = a, b")

        told = project.sqlpair("backup").stderr

        assert "a restore needs another role, for plain_owner may not do all" in told
        folder = str(project.settings.backups.folder / left(project)[-1])
        refused = project.sqlpair("restore", folder, "--yes", expect=1)
        project.pg(f"ALTER ROLE other IN DATABASE {live} RESET ALL")
        project.pg("DROP ROLE other")
        assert "permission denied" in refused.stderr
        assert project.pg("SELECT count(*) FROM users") == [(100,)]


SETTINGS = {
    "client_encoding": "LATIN1",
    "idle_session_timeout": "'500ms'",
    "statement_timeout": "'5s'",
    "lock_timeout": "'1ms'",
    "idle_in_transaction_session_timeout": "'500ms'",
    "search_path": "nowhere",
    "row_security": "off",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "datestyle": "'German'",
    "intervalstyle": "sql_standard",
    "standard_conforming_strings": "off",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_backup_and_restore_cope_with_what_is_set_for_the_role(
    project: Project, setting: str, server_version: int
) -> None:
    if setting == "standard_conforming_strings" and server_version >= 19_00_00:
        with pytest.raises(psycopg2.Error, match="not supported"):
            project.pg(f"SET {setting} = {SETTINGS[setting]}")
        return
    with role(project, "with_settings", "CREATEDB"):
        fill(project)
        project.pg("CREATE TABLE odd (text text, at timestamptz, span interval)")
        project.pg("ALTER TABLE odd OWNER TO with_settings")
        project.pg(
            "INSERT INTO odd VALUES ('€ \\ 漢', '2026-02-01 10:00+00', '-1 mon +2 d')"
        )
        project.pg(f"ALTER ROLE with_settings SET {setting} = {SETTINGS[setting]}")
        before = project.pg("SELECT text, at::text, span::text FROM odd")
        idle = Idle()

        folder = backup.backup(project.settings, quiet, idle)
        project.pg("DELETE FROM odd")
        restore.restore(project.settings, str(folder), quiet, idle)

        assert project.pg("SELECT text, at::text, span::text FROM odd") == before


class Idle:
    """Progress that takes its time, once for each thing that is shown."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, name: str, _done: int, _total: int | None) -> None:
        if name not in self.seen:
            self.seen.add(name)
            time.sleep(0.8)


def test_deployment_goes_on_after_a_backup_that_took_longer_than_the_idle_timeout(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with role(project, "with_settings", "CREATEDB"):
        fill(project)
        project.pg("ALTER ROLE with_settings SET idle_session_timeout = '500ms'")
        project.add("postgres", "003_more", "CREATE TABLE more (id int);\n")
        project.environ["BACKUP"] = "1"
        monkeypatch.setattr(retention, "retain", lambda *_: time.sleep(0.8))

        assert project.upgrade().version == 3


def test_table_whose_rows_row_security_hides_from_the_role_is_named(
    project: Project,
) -> None:
    with role(project, "half_blind", "CREATEDB"):
        fill(project)
        project.pg("CREATE TABLE notes (id int, owner text)")
        project.pg("ALTER TABLE notes OWNER TO half_blind")
        project.pg("ALTER TABLE notes ENABLE ROW LEVEL SECURITY")
        make(project)  # it does not bind its owner
        project.pg("ALTER TABLE notes FORCE ROW LEVEL SECURITY")

        with pytest.raises(BackupError, match="row security") as failure:
            make(project)

        assert "notes" in str(failure.value)
        assert "BYPASSRLS" in str(failure.value)
        assert len(left(project)) == 1


READS_BY_BARE_NAME = """
CREATE TABLE limits (most int);
INSERT INTO limits VALUES (10);
CREATE FUNCTION within(int) RETURNS boolean LANGUAGE sql
    AS 'SELECT $1 <= (SELECT max(most) FROM limits)';
CREATE TABLE amounts (amount int CHECK (within(amount)));
INSERT INTO amounts VALUES (3);
"""


def test_check_that_calls_a_function_with_bare_names_makes_no_backup(
    filled: Project,
) -> None:
    filled.pg(READS_BY_BARE_NAME)

    with pytest.raises(BackupError, match="cannot be restored") as failure:
        make(filled)

    assert 'relation "limits" does not exist' in str(failure.value)
    assert "amounts_amount_check" in str(failure.value)
    assert "ALTER FUNCTION" in str(failure.value)
    assert left(filled) == []
    filled.pg("ALTER FUNCTION within SET search_path = public")
    bring_back(filled, make(filled))
    assert filled.pg("SELECT amount FROM amounts") == [(3,)]


def test_check_that_reads_a_table_whose_rows_come_later_makes_no_backup(
    filled: Project,
) -> None:
    filled.pg(
        "CREATE TABLE public.zones (name text);"
        "INSERT INTO zones VALUES ('a');"
        "CREATE FUNCTION known(text) RETURNS boolean LANGUAGE plpgsql AS"
        " 'BEGIN RETURN EXISTS (SELECT FROM public.zones WHERE name = $1); END';"
        "CREATE TABLE areas (zone text CHECK (known(zone)));"
        "INSERT INTO areas VALUES ('a');"
    )

    with pytest.raises(BackupError, match="cannot be restored") as failure:
        make(filled)

    assert "areas_zone_check" in str(failure.value)


@pytest.mark.parametrize(
    "sql",
    [
        # Valid when it was written, not when it is restored.
        "CREATE TABLE due (at timestamptz CHECK (at > now()));"
        "INSERT INTO due VALUES (now() + interval '1 second'); SELECT pg_sleep(1)",
        READS_BY_BARE_NAME + "CREATE DOMAIN amount AS int CHECK (within(VALUE));"
        "ALTER TABLE amounts DROP CONSTRAINT amounts_amount_check;"
        "ALTER TABLE amounts ALTER amount TYPE amount",
        "CREATE TABLE rates (rate int); INSERT INTO rates VALUES (2);"
        "CREATE FUNCTION times(int) RETURNS int IMMUTABLE LANGUAGE plpgsql"
        " AS 'BEGIN RETURN (SELECT $1 * max(rate) FROM rates); END';"
        "CREATE TABLE orders (n int, total int GENERATED ALWAYS AS (times(n)) STORED);"
        "INSERT INTO orders VALUES (3)",
        "CREATE TABLE rates (rate int); INSERT INTO rates VALUES (2);"
        "CREATE FUNCTION times(int) RETURNS int LANGUAGE plpgsql AS"
        " 'BEGIN RETURN $1 * (SELECT max(rate) FROM public.rates); END';"
        "CREATE MATERIALIZED VIEW totals AS SELECT times(4); DROP TABLE rates",
    ],
    ids=["now", "domain", "generated column", "materialized view"],
)
def test_rows_that_depend_on_a_function_are_restored_on_trial(
    filled: Project, sql: str
) -> None:
    filled.pg(sql)

    with pytest.raises(BackupError, match="the backup cannot be restored"):
        make(filled)


def test_trial_restore_finds_what_the_role_may_not_make(project: Project) -> None:
    with role(project, "no_member", "CREATEDB"):
        fill(project)
        project.pg("CREATE TABLE foreign_owned (id int)")
        project.pg("GRANT SELECT ON foreign_owned TO no_member")

        with pytest.raises(BackupError, match="cannot be restored") as failure:
            make(project)

        assert "postgres" in str(failure.value)
        assert left(project) == []


def test_role_that_may_not_create_databases_is_told_that_nothing_was_tried(
    project: Project,
) -> None:
    with role(project, "no_creator", ""):
        fill(project)

        done = project.sqlpair("backup")

        assert "no_creator may not create databases" in done.stderr
        folder = Path(done.stdout.splitlines()[-1])
        assert '"proven": ""' in (folder / "manifest.json").read_text()


@pytest.mark.parametrize(
    ("proof", "made"), [("auto", False), ("always", False), ("never", True)]
)
def test_backup_proof_says_how_much_is_restored_on_trial(
    filled: Project, proof: str, made: bool
) -> None:
    filled.pg(READS_BY_BARE_NAME)
    filled.configure("alembic", backup_proof=proof)

    filled.sqlpair("backup", expect=0 if made else 1)

    assert len(left(filled)) == made


def test_rows_that_break_a_foreign_key_are_found_when_all_rows_are_restored(
    filled: Project,
) -> None:
    filled.pg(
        "CREATE TABLE child (id int REFERENCES users (id));"
        "SET session_replication_role = replica; INSERT INTO child VALUES (-1)"
    )
    make(filled)
    filled.configure("alembic", backup_proof="always")

    with pytest.raises(BackupError, match="cannot be restored") as failure:
        make(filled)

    assert "child_id_fkey" in str(failure.value)


def test_trial_restore_leaves_no_database(filled: Project) -> None:
    scratch = "SELECT datname FROM pg_database WHERE datname LIKE 'sqlpair_scratch_%'"
    before = filled.pg(scratch)
    filled.configure("alembic", backup_proof="always")

    make(filled)
    filled.pg(READS_BY_BARE_NAME)
    with pytest.raises(BackupError):
        make(filled)

    assert filled.pg(scratch) == before
