"""Settings come from the environment, then from .env, and keep their secrets."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg2.extensions import parse_dsn

from conftest import Project, connected
from sqlpair.authoring import scaffold
from sqlpair.databases.driver import driver_of
from sqlpair.databases.postgresql.connection import open_connection, parse_address
from sqlpair.errors import ConnectError, SettingsError
from sqlpair.project.settings import Database, Settings, load

CANARY = "canary"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project without migrations, whose settings are read and nothing else."""
    scaffold.init(tmp_path / "project")
    return tmp_path / "project"


def read(root: Path, **environ: str) -> Settings:
    return load(root / "alembic.ini", environ)


def told(database: Database) -> dict[str, str]:
    """What libpq is told."""
    dsn, parameters = parse_address(database)
    known: dict[str, str] = parse_dsn(dsn) if dsn else {}
    return known | parameters


def replace(root: Path, *pairs: tuple[str, str]) -> None:
    ini = root / "alembic.ini"
    text = ini.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    ini.write_text(text)


# -- which environment ---------------------------------------------------------


def test_defaults_hold_in_development(root: Path) -> None:
    settings = read(root)

    assert settings.environment == "development"
    assert settings.database("postgres").embedded == root / "state" / "postgres"
    assert settings.database("sqlite").address == str(root / "state" / "local.db")
    assert not (root / "state").exists()


@pytest.mark.parametrize("environment", ["staging", "production", "anything-else"])
def test_missing_address_outside_development_names_its_variable(
    root: Path, environment: str
) -> None:
    (root / ".env").write_text("DATABASE_URL=postgresql:///never\nSQLITE_PATH=x.db\n")

    with pytest.raises(SettingsError, match=r"DATABASE_URL .* not set") as failure:
        read(root, APP_ENV=environment)
    assert f".env.{environment}" in str(failure.value)
    with pytest.raises(SettingsError, match="SQLITE_PATH is not set"):
        read(root, APP_ENV=environment, DATABASE_URL="postgresql:///x")


def test_environment_has_its_own_file(root: Path) -> None:
    (root / ".env").write_text("DATABASE_URL=postgresql:///dev\n")
    (root / ".env.staging").write_text(
        "DATABASE_URL=postgresql:///staging\nSQLITE_PATH=staging.db\n"
    )

    assert told(read(root).database("postgres"))["dbname"] == "dev"
    staging = read(root, APP_ENV="staging")
    assert told(staging.database("postgres"))["dbname"] == "staging"
    assert staging.database("sqlite").address == str(root / "staging.db")


def test_env_file_may_say_which_environment_a_server_is(root: Path) -> None:
    (root / ".env").write_text("APP_ENV=production\nSQLITE_PATH=x.db\n")

    with pytest.raises(SettingsError, match="configured for production"):
        read(root)
    assert read(root, APP_ENV="development").environment == "development"


def test_name_of_an_environment_is_no_path(root: Path) -> None:
    with pytest.raises(SettingsError, match="APP_ENV"):
        read(root, APP_ENV="../other")


def test_environment_wins_over_the_file_and_empty_is_unset(root: Path) -> None:
    (root / ".env").write_text("DATABASE_URL=postgresql:///file\n")

    both = read(root, DATABASE_URL="postgresql:///environment")
    assert told(both.database("postgres"))["dbname"] == "environment"
    assert told(read(root, DATABASE_URL="").database("postgres"))["dbname"] == "file"


# -- PostgreSQL's addresses ----------------------------------------------------


@pytest.mark.parametrize(
    "scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"]
)
def test_every_usual_scheme_is_understood(root: Path, scheme: str) -> None:
    settings = read(root, DATABASE_URL=f"{scheme}://me:pw@db.example:5433/app")

    assert told(settings.database("postgres")) == {
        "user": "me",
        "password": "pw",
        "host": "db.example",
        "port": "5433",
        "dbname": "app",
    }


@pytest.mark.parametrize("scheme", ["mysql", "sqlite", "https"])
def test_address_of_something_else_is_refused(root: Path, scheme: str) -> None:
    settings = read(root, DATABASE_URL=f"{scheme}://me:{CANARY}@host/app")

    with pytest.raises(SettingsError, match="is not a PostgreSQL address") as failure:
        told(settings.database("postgres"))
    assert CANARY not in str(failure.value)


def test_hosts_and_queries_are_left_to_libpq(root: Path) -> None:
    url = "postgres://me:p%40w@a:1,b:2/app?sslmode=verify-full&target_session_attrs=any"
    known = told(read(root, DATABASE_URL=url).database("postgres"))

    assert (known["host"], known["port"]) == ("a,b", "1,2")
    assert known["password"] == "p@w"
    assert known["sslmode"] == "verify-full"
    url = "postgresql:///app?host=/run/my%20socket&user=me@corp&password=a%3Fb"
    known = told(read(root, DATABASE_URL=url).database("postgres"))
    assert (known["host"], known["user"]) == ("/run/my socket", "me@corp")
    assert known["password"] == "a?b"


def test_keyword_string_is_understood(root: Path) -> None:
    words = "host=db dbname=app user=me password='a b'"

    assert told(read(root, DATABASE_URL=words).database("postgres")) == {
        "host": "db",
        "dbname": "app",
        "user": "me",
        "password": "a b",
    }


def test_pg_variables_work_from_environment_and_file(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / ".env").write_text("PGHOST=file\nPGPASSWORD=secret\nPGUSER=me\n")

    database = read(root, PGHOST="environment").database("postgres")

    # libpq reads the process's environment by itself.
    assert told(database) == {"password": "secret", "user": "me"}
    assert database.embedded is None
    assert read(root).database("postgres").parameters["host"] == "file"


def test_address_wins_over_pg_variables(root: Path) -> None:
    (root / ".env").write_text(
        "PGHOST=other\nPGHOSTADDR=10.0.0.1\nPGDATABASE=other\nPGUSER=other\n"
        "PGPASSWORD=other\nPGSSLMODE=require\n"
    )

    url = "postgresql://me:pw@db.example/app"
    assert told(read(root, DATABASE_URL=url).database("postgres")) == {
        "host": "db.example",
        "dbname": "app",
        "user": "me",
        "password": "pw",
        "sslmode": "require",
    }


def test_pg_user_alone_names_no_server_and_does_not_reach_the_own_one(
    root: Path,
) -> None:
    (root / ".env").write_text("PGUSER=me\nPGPASSWORD=secret\n")

    database = read(root).database("postgres")

    assert database.embedded
    assert database.parameters == {}


NASTY = [
    "p@ss:w/o#r%d?",
    "@", "a@b@c", ":", "a:b", "/", "a/b", "#", "a#b", "?", "a?b=c", "%", "100%",
    "a?b@c/d:e#f%g", "&=", "ä ö", "'\\\"", "$1", "a+b",
]  # fmt: skip


@pytest.fixture(scope="module")
def guarded(server: str) -> Iterator[str]:
    """The session's server, where the role ``guarded`` has to give its password."""
    data = Path(parse_dsn(server)["host"])
    rules = data / "pg_hba.conf"
    before = rules.read_text()
    with connected(server) as execute:
        execute("CREATE ROLE guarded LOGIN")
        rules.write_text("local all guarded scram-sha-256\n" + before)
        execute("SELECT pg_reload_conf()")
        yield server
        rules.write_text(before)
        execute("SELECT pg_reload_conf()")
        execute("DROP ROLE guarded")


def login(root: Path, url: str) -> str:
    database = read(root, DATABASE_URL=url).database("postgres")
    with contextlib.closing(open_connection(database, *parse_address(database))) as own:
        user: str = own.info.user
        return user


@pytest.mark.parametrize("password", NASTY)
def test_password_works_as_it_is_and_percent_encoded(
    root: Path, guarded: str, password: str
) -> None:
    with connected(guarded) as execute:
        literal = password.replace("'", "''")
        execute("SET standard_conforming_strings = on")
        execute(f"ALTER ROLE guarded PASSWORD '{literal}'")
    where = parse_dsn(guarded)
    query = f"app?host={quote(where['host'], safe='')}&port={where['port']}"

    assert login(root, f"postgres://guarded:{password}@/{query}") == "guarded"
    encoded = quote(password, safe="")
    assert login(root, f"postgresql://guarded:{encoded}@/{query}") == "guarded"
    with pytest.raises(ConnectError, match="password authentication failed") as failure:
        login(root, f"postgresql://guarded:{CANARY}{encoded}@/{query}")
    assert CANARY not in str(failure.value)


def test_wrong_password_is_said_without_it(project: Project, guarded: str) -> None:
    project.add("postgres", "001_t1", "CREATE TABLE t1 ();\n")
    with connected(guarded) as execute:
        execute("ALTER ROLE guarded PASSWORD 'right'")
    where = parse_dsn(project.dsn)
    for url in (
        f"postgresql://guarded:{CANARY}@/app?host={where['host']}&port={where['port']}",
        f"host={where['host']} user=guarded password={CANARY} dbname=app",
        f"postgresql:///app?host={where['host']}&user=guarded&password={CANARY}",
    ):
        failure = project.alembic("upgrade", "heads", expect=1, DATABASE_URL=url)

        assert "password authentication failed" in failure.stderr
        assert CANARY not in failure.stderr + failure.stdout
        assert CANARY not in repr(project.settings)
    assert CANARY not in "".join(
        path.read_text() for path in project.root.rglob("*.log")
    )


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://me:{CANARY}@localhost:port/app",
        f"postgresql://me:{CANARY}@[::1/app",
        f"postgresql://me:{CANARY}@host/app?password={CANARY}%zz",
        f"postgresql://me:{CANARY}@host/app?sslmod={CANARY}",
        f"host=x password=my {CANARY}",
        CANARY,
    ],
)
def test_faulty_address_is_refused_without_its_secrets(
    root: Path, address: str
) -> None:
    settings = read(root, DATABASE_URL=address)
    database = settings.database("postgres")

    with pytest.raises((SettingsError, ConnectError), match="DATABASE_URL") as failure:
        driver_of(database).connect(database, read_only=True, report=print)

    shown = f"{failure.value} {settings!r} {database!r} {settings.databases}"
    assert CANARY not in shown


def test_unknown_query_parameter_is_said(root: Path) -> None:
    settings = read(root, DATABASE_URL="postgresql://me:pw@host/app?sslmod=require")

    with pytest.raises(SettingsError, match="invalid URI query parameter"):
        told(settings.database("postgres"))


# -- SQLite's addresses --------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("a/b.db", "{root}/a/b.db"),
        ("./a.db", "{root}/a.db"),
        ("../a.db", "{parent}/a.db"),
        ("/abs/a.db", "/abs/a.db"),
        ("sqlite:///rel/a.db", "{root}/rel/a.db"),
        ("sqlite:////abs/a.db", "/abs/a.db"),
        ("sqlite+pysqlite:///a.db?timeout=5", "{root}/a.db"),
        ("~/a.db", "/home/me/a.db"),
        ("sqlite:///~/a.db", "/home/me/a.db"),
        ("100% mine?#.db", "{root}/100% mine?#.db"),
    ],
)
def test_path_counts_from_the_projects_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch, address: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    (root / "elsewhere").mkdir()
    monkeypatch.chdir(root / "elsewhere")

    database = read(root, SQLITE_PATH=address).database("sqlite")

    assert database.address == expected.format(root=root, parent=root.parent)


@pytest.mark.parametrize(
    "address",
    [":memory:", "sqlite://", "sqlite:///:memory:", "file:x.db?mode=ro", "mysql://x/y"],
)
def test_what_is_no_file_is_refused(root: Path, address: str) -> None:
    with pytest.raises(SettingsError, match="sqlite"):
        read(root, SQLITE_PATH=address)


# -- alembic.ini ---------------------------------------------------------------


def test_two_names_for_one_database_are_refused(root: Path) -> None:
    replace(
        root, ("databases = postgres, sqlite", "databases = postgres, sqlite, copy")
    )
    ini = root / "alembic.ini"
    ini.write_text(
        ini.read_text().replace(
            "versions/sqlite", "versions/sqlite\n    %(here)s/alembic/versions/copy"
        )
    )
    section = "\n[copy]\ndriver = {}\nvariable = COPY\n"
    text = ini.read_text()

    ini.write_text(text + section.format("sqlite"))
    (root / "link.db").symlink_to("state/local.db")
    for other in ("state/local.db", "./state/../state/local.db", "link.db"):
        with pytest.raises(SettingsError, match="sqlite and copy are one and the same"):
            read(root, COPY=other)

    (root / "state").mkdir(exist_ok=True)
    (root / "state/local.db").touch()
    (root / "hard.db").hardlink_to(root / "state/local.db")
    with pytest.raises(SettingsError, match="sqlite and copy are one and the same"):
        read(root, COPY="hard.db")

    ini.write_text(text + section.format("postgresql"))
    url = "postgresql://me:pw@host/app"
    for other in ("postgres://me:pw@host/app", "postgresql://you@host:5432/app"):
        with pytest.raises(SettingsError, match="postgres and copy are one"):
            read(root, DATABASE_URL=url, COPY=other)
    assert read(root, DATABASE_URL=url, COPY="postgresql://me:pw@host/other")
    sockets = "postgresql:///app?host=/a", "postgresql:///app?host=/b"
    assert read(root, DATABASE_URL=sockets[0], COPY=sockets[1])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("databases = postgres, sqlite", "databases =", "no databases are declared"),
        ("databases = postgres", "databases = Postgres", "'Postgres' cannot be"),
        ("databases = postgres", "databases = head", "'head' cannot be"),
        ("databases = postgres", f"databases = {'x' * 23}", "cannot be"),
        ("databases = postgres", "databases = other", r"no section \[other\]"),
        ("driver = sqlite", "driver = mysql", "driver = mysql"),
        ("transaction = deployment", "transaction = none", "transaction = none"),
        ("lock_wait = 300", "lock_wait = soon", "lock_wait = soon"),
        ("lock_timeout = 5", "lock_timeout = 0", "lock_timeout = 0"),
        ("lock_timeout = 5", "lock_timeout = nan", "lock_timeout = nan"),
        ("log_file = logs/", "log_file = %Y/", "cannot be read"),
        ("[sqlite]", "[postgres]", "cannot be read"),
        ("[alembic]", "[other]", r"no section \[alembic\]"),
        ("versions/sqlite", "versions/lite", "version_locations leaves"),
    ],
)
def test_wrong_key_of_the_ini_is_named(
    root: Path, old: str, new: str, message: str
) -> None:
    replace(root, (old, new))

    with pytest.raises(SettingsError, match=message):
        read(root)


def test_missing_ini_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"alembic\.ini is not there"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("separator", "between"),
    [("newline", "\n    "), ("os", os.pathsep), ("space", " "), ("", ", ")],
)
def test_version_locations_may_be_written_in_each_of_alembics_ways(
    root: Path, separator: str, between: str
) -> None:
    old = (
        "\n    %(here)s/alembic/versions/postgres\n    %(here)s/alembic/versions/sqlite"
    )
    new = " " + between.join(old.split())
    replace(
        root, (old, new), ("path_separator = newline", f"path_separator = {separator}")
    )
    if not separator:
        replace(root, ("path_separator = \n", ""))

    assert len(read(root).databases) == 2


def test_project_works_with_crlf_and_with_odd_signs_in_its_folder(
    tmp_path: Path, postgres: str
) -> None:
    project = Project(tmp_path / "(mine) ä, it's #1", postgres)
    project.add("postgres", "001_t1", "CREATE TABLE t1 ();\n", "DROP TABLE t1;\n")
    project.add("sqlite", "002_t2", "CREATE TABLE t2 (id);\n", "DROP TABLE t2;\n")
    ini = project.root / "alembic.ini"
    ini.write_bytes(ini.read_bytes().replace(b"\n", b"\r\n"))

    project.alembic("upgrade", "heads")

    assert project.alembic("current").stdout.splitlines() == [
        "postgres_001 (head)",
        "sqlite_002 (head)",
    ]


def test_percent_in_the_folders_name_is_no_interpolation(
    tmp_path: Path, postgres: str
) -> None:
    # Alembic's own %(here)s cannot; sqlpair's commands can.
    project = Project(tmp_path / "100% s %(here)s", postgres)
    project.add("sqlite", "001_t1", "CREATE TABLE t1 (id);\n", "DROP TABLE t1;\n")

    project.upgrade()

    assert project.settings.root == project.root
    assert project.applied("sqlite") == ["001_t1"]


def test_any_number_of_databases_of_either_kind_move_as_one(
    tmp_path: Path, new_database: object
) -> None:
    make = new_database
    assert callable(make)
    project = Project(tmp_path / "project", make())
    ini = project.root / "alembic.ini"
    text = ini.read_text().replace(
        "= postgres, sqlite", "= postgres, sqlite, audit, cache"
    )
    text = text.replace(
        "versions/sqlite\n",
        "versions/sqlite\n    %(here)s/alembic/versions/audit\n"
        "    %(here)s/alembic/versions/cache\n",
    )
    text += (
        "\n[audit]\ndriver = postgresql\nvariable = AUDIT_URL\nledger_schema = trail\n"
    )
    text += "\n[cache]\ndriver = sqlite\nvariable = CACHE_PATH\n"
    ini.write_text(text)
    audit = make()
    project.environ |= {"AUDIT_URL": audit, "CACHE_PATH": "state/cache.db"}
    names = ["postgres", "sqlite", "audit", "cache"]
    for number, name in enumerate(names * 2, start=1):
        (project.root / "sql" / name).mkdir(exist_ok=True)
        project.add(
            name,
            f"{number:03}_t{number}",
            f"CREATE TABLE t{number} (id int);\n",
            f"DROP TABLE t{number};\n",
        )
    with connected(audit) as execute:
        execute("CREATE SCHEMA trail")
    (project.root / "sql/cache/008_t8.sql").write_text("SELECT nope;\n")

    failure = project.alembic("upgrade", "heads", expect=1)
    assert "cache 008_t8.sql:1" in failure.stderr
    assert project.alembic("current").stdout == ""

    (project.root / "sql/cache/008_t8.sql").write_text("CREATE TABLE t8 (id int);\n")
    done = project.alembic("upgrade", "heads")
    assert "schema version 8" in done.stderr
    assert project.alembic("current").stdout.splitlines() == [
        f"{name}_{number:03} (head)" for number, name in enumerate(names, start=5)
    ]
    with connected(audit) as execute:
        assert execute("SELECT max(version) FROM trail.schema_version") == [(7,)]
    project.alembic("downgrade", "-1")
    assert project.applied("postgres") == ["001_t1"]


def test_server_that_is_down_and_database_that_is_not_there_are_said(
    project: Project,
) -> None:
    for url, message in [
        ("postgresql://me:canary@localhost:1/x", "cannot connect"),
        (project.dsn.replace("dbname=test_", "dbname=none_"), "does not exist"),
    ]:
        failure = project.alembic("current", expect=1, DATABASE_URL=url)
        assert message in failure.stderr
        assert "DATABASE_URL" in failure.stderr
        assert CANARY not in failure.stderr


# -- lines of .env that cannot be read --------------------------------------------

URL = f"postgresql://me:{CANARY}@db.example/app"


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        (f'DATABASE_URL="{URL}\n', 1, "its quote is not closed"),
        (f"# first\n\n\nDATABASE_URL='{URL}\nA=b\n", 4, "its quote is not closed"),
        (f'DATABASE_URL="{URL}\nSQLITE_PATH="x.db"\n', 1, "its quote is not closed"),
        (f'A="b\nDATABASE_URL={URL}"\n', 1, "closed behind the next setting"),
        (f'A="b\nexport DATABASE_URL="\n{URL}"\n', 3, "it has no ="),
        (f'DATABASE_URL="{URL}"x\n', 1, "its quote is not closed"),
        (f"A=b\r\n\r\nDATABASE_URL: {URL}\r\n", 3, "it is not KEY=value"),
        (f"DATABASE_URL {URL}\n", 1, "it is not KEY=value"),
        (f"={URL}\n", 1, "it is not KEY=value"),
        ("DATABASE_URL\n", 1, "it has no ="),
    ],
)
def test_a_line_of_env_that_cannot_be_read_is_an_error(
    root: Path, text: str, line: int, why: str
) -> None:
    (root / ".env").write_text(text, newline="")

    with pytest.raises(SettingsError) as failure:
        read(root)

    assert f".env:{line}: the line cannot be read: " in failure.value.what
    assert why in failure.value.what
    assert CANARY not in str(failure.value)


def test_what_an_env_file_may_hold_is_read(root: Path) -> None:
    (root / ".env").write_text(
        "\ufeff# a comment with \"one quote\n\nexport A=1\nexport HOME\nB = 'b c' # d\n"
        'KEY="-----BEGIN\nQUJD=\nQUJDRA==\n-----END"\nC=\nD= # none\nE=it\'s\n'
        '\'F\'=f\nJSON=\'{"a":\n "b=c"}\'\nG="a\\"b"\nURL=x?y=z'
    )

    assert {**read(root).env} == {
        "A": "1", "B": "b c", "C": "", "D": "", "E": "it's", "F": "f", "G": 'a"b',
        "KEY": "-----BEGIN\nQUJD=\nQUJDRA==\n-----END", "JSON": '{"a":\n "b=c"}',
        "URL": "x?y=z",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_an_env_that_is_no_file_is_an_error(root: Path, kind: str) -> None:
    path = root / ".env"
    {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to("nowhere"),
    }[kind]()

    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        read(root)


@pytest.mark.parametrize("name", ["schema", "ledger_schema"])
def test_the_ledger_has_its_schema_and_the_tables_go_where_their_sql_says(
    project: Project, name: str
) -> None:
    project.pg("CREATE SCHEMA trail")
    project.configure("postgres", **{name: "trail"})
    project.add("postgres", "001_t1", "CREATE TABLE t1 (id int);\n", "DROP TABLE t1;\n")

    told = project.sqlpair("migrate").stderr

    renamed = "schema is called ledger_schema now" in told
    assert renamed == (name == "schema")
    assert project.tables("postgres") == {"t1"}
    assert project.pg("SELECT version FROM trail.schema_version") == [(1,)]
    project.sqlpair("verify")
    assert (
        "Write: ledger_schema = trail" in project.alembic("check").stderr
    ) == renamed


def test_the_older_name_of_a_setting_does_not_contradict_the_newer(
    project: Project,
) -> None:
    # As every alembic.ini had it.
    project.configure("postgres", schema="public", ledger_schema="trail")
    assert project.settings.database("postgres").ledger_schema == "trail"
    assert not project.settings.database("postgres").notice

    project.configure("postgres", schema="other")
    with pytest.raises(SettingsError, match="schema = other, but ledger_schema = trai"):
        project.settings  # noqa: B018 - it is read anew each time


def test_a_ledger_schema_that_is_missing_is_named_with_its_setting(
    project: Project,
) -> None:
    project.configure("postgres", ledger_schema="nowhere")
    project.add("postgres", "001_t1", "CREATE TABLE t1 (id int);\n")

    told = project.sqlpair("migrate", expect=1).stderr

    assert 'schema "nowhere" does not exist' in told
    assert "correct ledger_schema in the section [postgres] of alembic.ini" in told
