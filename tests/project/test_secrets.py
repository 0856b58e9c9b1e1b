"""However malformed an address or a settings file is, no password is shown."""

from __future__ import annotations

import pytest

from conftest import CANARY, Project
from fault_injection import add

ADDRESSES = {
    "no host": "postgresql://app:{}",
    "no host, a name": "postgresql://app:{}/db",
    "no host, a query": "postgresql://app:{}?sslmode=disable",
    "no host, an @ in the password": "postgresql://app:p@{}",
    "no host, a query in the password": "postgresql://app:p?{}=1",
    "no host, an @ and a query in it": "postgresql://app:p@s?{}=1",
    "no user": "postgresql://:{}@127.0.0.1:x/db",
    "digits": "postgresql://app:{}:123456/db",
    "port": "postgresql://app:{}@127.0.0.1:port/db",
    "port out of range": "postgresql://app:{}@127.0.0.1:99999/db",
    "two ports": "postgresql://app:{}@127.0.0.1:1:2/db",
    "percent in the query": "postgresql://127.0.0.1:1/db?user=app&password={}%ZZ",
    "zero in the query": "postgresql://127.0.0.1:1/db?user=app&password={}%00",
    "misspelt parameter": "postgresql://127.0.0.1:1/db?pasword={}",
    "no value": "postgresql://127.0.0.1:1/db?{}",
    "two values": "postgresql://127.0.0.1:1/db?password=a={}",
    "unfinished bracket": "postgresql://app:{}@[::1/db",
    "in brackets": "postgresql://[app:{}]:1/db",
    "colon encoded": "postgresql://app%3A{}@/db?host={{host}}&port={{port}}",
    "slash for the colon": "postgresql://app/{}@/db?host={{host}}&port={{port}}",
    "@ for the colon": "postgresql://app@{}@/db?host={{host}}&port={{port}}",
    "one slash": "postgresql:/app:{}@127.0.0.1:1/db",
    "no slash": "postgresql:app:{}@127.0.0.1:1/db",
    "no scheme": "app:{}@127.0.0.1:1/db",
    "another scheme": "mysql://app:{}@127.0.0.1:1/db",
    "a scheme behind": "app:{}://127.0.0.1:1/db",
    "a scheme within": "host=127.0.0.1 port=1 password={}://a",
    "sslmode": "postgresql://app:x@127.0.0.1:1/db?sslmode={}",
    "keywords, no quotes": "host=127.0.0.1 port=1 user=app password=a {}",
    "keywords, open quote": "host=127.0.0.1 port=1 password='{}",
    "keywords, misspelt": "host=127.0.0.1 port=1 pasword={}",
    "keywords, port": "host=127.0.0.1 port={}",
    "keywords, user": "host={{host}} port={{port}} user=app:{}",
    "keywords, an address": "host={{host}} port={{port}} dbname=postgresql://app:{}@h/db",
    "keywords, timeout": "host=127.0.0.1 port=1 connect_timeout={}",
    "new line": "postgresql://app:a\n{}@127.0.0.1:1/db",
}
# Of the environment, an .env or a service file: no address says more.
VARIABLES = {
    "PGPORT": "{}",
    "PGUSER": "app:{}",
    "PGDATABASE": "postgresql://app:{}@127.0.0.1:1/db",
    "PGHOST": "app:{}@127.0.0.1",
    "PGSSLMODE": "{}",
    "PGCONNECT_TIMEOUT": "{}",
    "PGSERVICE": "app:{}",
}
SERVICE = {"PGPORT": "port", "PGUSER": "user", "PGDATABASE": "dbname", "PGHOST": "host"}
INI = {
    "the line of an address": "[alembic]\napp {} h\n",
    "percent": "[alembic]\nlog_file = postgresql://app:a%{}@h/db\n",
    "percent and bracket": "[alembic]\nlog_file = postgresql://app:%({})s@h/db\n",
    "no section": "postgresql://app:{}@h/db\n[alembic]\n",
    "variable": "variable = postgresql://app:{}@h/db\n",
    "scratch": "scratch = postgresql://app:{}@h/db\n",
    "default": "default = postgresql://app:{}@h/db\n",
}


def hidden(project: Project, *command: str, **environ: str) -> str:
    """Run a command that fails; return what it says, without the canary."""
    said = []
    for debug in ("", "1"):
        done = project.raw("sqlpair", *command, SQLPAIR_DEBUG=debug, **environ)
        assert done.returncode == 1, done.stderr
        assert CANARY not in done.stdout + done.stderr
        said.append(done.stderr)
    log = project.root / "logs" / "migration.log"
    assert not log.exists() or CANARY not in log.read_text()
    assert "Traceback" not in said[0]
    return said[0]


def at(project: Project, address: str) -> str:
    """Return an address whose host and port are those of the server."""
    words = dict(word.split("=", 1) for word in project.dsn.split())
    for key in ("host", "port"):
        value = words[key].replace("/", "%2F") if "://" in address else words[key]
        address = address.replace(f"{{{{{key}}}}}", value)
    return address.format(CANARY)


@pytest.mark.parametrize("kind", ADDRESSES)
def test_password_in_a_malformed_address_is_not_shown(
    project: Project, kind: str
) -> None:
    add(project, 1, 2)

    words = hidden(project, "migrate", DATABASE_URL=at(project, ADDRESSES[kind]))

    assert words.startswith("postgres: ")
    assert "DATABASE_URL" in words


@pytest.mark.parametrize("place", ["environment", ".env", "service file"])
@pytest.mark.parametrize("name", VARIABLES)
def test_password_in_a_malformed_variable_is_not_shown(
    project: Project, name: str, place: str
) -> None:
    add(project, 1, 2)
    words = dict(word.split("=", 1) for word in project.dsn.split())
    own = {"PGHOST": words["host"], "PGPORT": words["port"], "PGUSER": words["user"]}
    own |= {name: VARIABLES[name].format(CANARY), "DATABASE_URL": ""}
    if place == ".env":
        (project.root / ".env").write_text("".join(f"{k}='{own[k]}'\n" for k in own))
        own = dict.fromkeys(own, "")
    elif place == "service file":
        if name not in SERVICE:
            return
        keys = "".join(f"{SERVICE[key]}={own[key]}\n" for key in own if key in SERVICE)
        file = project.root / ".env.service"
        file.write_text(f"[here]\n{keys}")
        own = {"PGSERVICE": "here", "PGSERVICEFILE": str(file), "DATABASE_URL": ""}

    hidden(project, "migrate", **own)


@pytest.mark.parametrize("kind", ["no host", "misspelt parameter", "colon encoded"])
def test_password_in_a_malformed_scratch_address_is_not_shown(
    project: Project, kind: str
) -> None:
    add(project, 1, 2)
    project.sqlpair("migrate")

    words = hidden(project, "verify", SCRATCH_URL=at(project, ADDRESSES[kind]))

    assert "SCRATCH_URL" in words


@pytest.mark.parametrize("scheme", ["sqlite", "postgresql", f"app:{CANARY}"])
def test_address_of_a_server_is_no_sqlite_file(project: Project, scheme: str) -> None:
    url = f"{scheme}://app:{CANARY}@127.0.0.1/db"

    words = hidden(project, "status", SQLITE_PATH=url)

    assert "sqlite: the address of a SQLite database is a path" in words


@pytest.mark.parametrize("kind", ["no host", "port", "keywords, misspelt"])
def test_psql_is_not_given_a_malformed_address(project: Project, kind: str) -> None:
    hidden(project, "psql", DATABASE_URL=at(project, ADDRESSES[kind]))


@pytest.mark.parametrize("kind", INI)
def test_password_in_a_malformed_settings_file_is_not_shown(
    project: Project, kind: str
) -> None:
    add(project, 1)
    ini = project.root / "alembic.ini"
    before, text = ini.read_text(), INI[kind].format(CANARY)
    if "[alembic]" in text:
        ini.write_text(before.replace("[alembic]\n", text))
    else:
        ini.write_text(before.replace("[postgres]\n", f"[postgres]\n{text}", 1))

    try:
        words = hidden(project, "status", DATABASE_URL="")
    finally:
        ini.write_text(before)

    assert "alembic.ini" in words
