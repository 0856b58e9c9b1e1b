"""A fleet: a declared database that has members, many of one kind and one branch.

Its section says where the members are found, instead of one address. Each member is a
database of its own, with its own ledger, lock and version table; the fleet itself is no
database, and nothing connects to it.

    members = state/tenants/*/app.db      SQLite files, by a pattern
    members = env:TENANT_URLS             addresses in a variable
    members = tenants.txt                 a file of addresses, one a line
    schemas = tenant_%                    schemas of one PostgreSQL database
    members_query = SELECT name, ...      rows of the database that members_from names
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from configparser import SectionProxy
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from sqlpair import ids
from sqlpair.errors import SettingsError, UsageError

KEYS = ("members", "schemas", "members_query")
# What SQLite and sqlpair put beside a database's file, and what a restore put aside.
BESIDE = re.compile(rf"(?:-wal|-shm|-journal|\.lock|\.before-{ids.ID.pattern})$")
FILE_NAME = 200  # of the 255 that file systems take
_WILD = re.compile(r"[*?\[]")
_QUERY = re.compile(r"(?:SELECT|WITH|TABLE|VALUES)\b", re.IGNORECASE)


class SourceKind(Enum):
    """How a fleet's members are found."""

    PATTERN = "pattern"
    VARIABLE = "variable"
    FILE = "file"
    SCHEMAS = "schemas"
    QUERY = "query"


class MemberSource(NamedTuple):
    """Where a fleet's members are found: what its section says of that.

    ``text`` is the pattern, the variable's name, the file or the query; ``addresses``
    is what the variable holds. ``database`` answers the query; ``root`` is what paths
    are relative to. ``shared`` are schemas behind the member's own in the search path.
    """

    kind: SourceKind
    text: str
    told: str
    root: Path
    addresses: str = ""
    database: str = ""
    shared: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Say what the section says, and no address."""
        return f"<MemberSource {self.told}>"


def declared(section: SectionProxy, address: str) -> bool:
    """Say whether a section is of a fleet.

    With an ``address`` of its own, which a program gives, it is of one database: of a
    member, unless it is where schemas are.
    """
    return any(_said(section, key) for key in (("schemas",) if address else KEYS))


def _said(section: SectionProxy, key: str) -> str:
    """Return what a section says; a % of SQL may stand as it is, or twice."""
    value = section.get(key, "", raw=key != "members").strip()
    return value if key == "members" else value.replace("%%", "%")


def source(
    ini: Path, root: Path, section: SectionProxy, values: Mapping[str, str]
) -> MemberSource:
    """Read where the members are; SettingsError where that cannot be.

    ``values`` are the variables of ``.env`` and the environment.
    """
    where = f"{ini.name} [{section.name}]"
    said = [key for key in KEYS if _said(section, key)]
    if len(said) > 1:
        raise SettingsError(
            f"{where}: {' and '.join(said)} both say where the members are",
            remedy="Leave one of them.",
        )
    (key,) = said
    _refuse_of_one(where, section, key)
    text = _said(section, key)
    told = f"{key} in [{section.name}] of {ini.name}"
    if key == "schemas":
        return _schemas(where, root, section, text, told)
    if key == "members_query":
        return _query(where, root, section, text, told)
    name = text.removeprefix("env:")
    if name != text:
        name = name.strip()
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise SettingsError(
                f"{where}: env: is not followed by a variable's name",
                remedy="Write, for example: members = env:TENANT_URLS",
            )
        addresses = values.get(name, "")
        if not addresses.strip():
            raise SettingsError(
                f"{where}: {name}, which names the members, is not set",
                remedy=f"Let {name} hold their addresses, with spaces or new lines"
                " between them.",
            )
        return MemberSource(SourceKind.VARIABLE, name, name, root, addresses)
    if "://" in text:
        raise SettingsError(  # not shown: an address may have a password
            f"{where}: members is an address",
            remedy="Put addresses into a variable (members = env:TENANT_URLS), or into"
            " a file that is not in Git (members = state/tenants.txt).",
        )
    kind = SourceKind.FILE
    if _WILD.search(text):
        kind = SourceKind.PATTERN
        if section.get("driver", "").strip() != "sqlite":
            raise SettingsError(
                f"{where}: members = {text} is a pattern of files",
                remedy="That is for driver = sqlite. Of PostgreSQL name addresses"
                " (members = env:TENANT_URLS), or schemas = tenant_%.",
            )
    return MemberSource(kind, os.path.expanduser(text), told, root)  # noqa: PTH111


def _refuse_of_one(where: str, section: SectionProxy, key: str) -> None:
    """SettingsError for what a database of one address has, and a fleet cannot."""
    of_one = ["ledger_schema", "schema"] if key == "schemas" else ["variable"]
    if key != "schemas":
        of_one.append("default")
    for name in of_one:
        if section.get(name, "").strip():
            raise SettingsError(
                f"{where}: {name} beside {key}",
                remedy="Each schema has its own ledger: take it out."
                if key == "schemas"
                else f"Each member has its own address: take {name} out.",
            )
    needs = {"members_from": "members_query", "shared_schemas": "schemas"}
    for name, other in needs.items():
        if section.get(name, "").strip() and key != other:
            raise SettingsError(
                f"{where}: {name} is nothing without {other}",
                remedy=f"Take it out, or declare {other}.",
            )


def _schemas(
    where: str, root: Path, section: SectionProxy, text: str, told: str
) -> MemberSource:
    if section.get("driver", "").strip() != "postgresql":
        raise SettingsError(
            f"{where}: schemas is of PostgreSQL alone",
            remedy="Name SQLite's files: members = state/tenants/*.db",
        )
    if "%" not in text or not text.strip("%"):
        raise SettingsError(
            f"{where}: schemas = {text}",
            remedy="It is what the schemas' names have in common, and % for what they"
            " have not, for example: schemas = tenant_%",
        )
    shared = section.get("shared_schemas", "").replace(",", " ").split()
    return MemberSource(SourceKind.SCHEMAS, text, told, root, shared=tuple(shared))


def _query(
    where: str, root: Path, section: SectionProxy, text: str, told: str
) -> MemberSource:
    database = section.get("members_from", "").strip()
    if not database:
        raise SettingsError(
            f"{where}: nothing says which database answers members_query",
            remedy="Name it, for example: members_from = postgres",
        )
    if not _QUERY.match(text):
        raise SettingsError(
            f"{where}: members_query is not a query",
            [text.partition("\n")[0][:100]],
            "It returns a row a member, with the columns name and address, for"
            " example:\nmembers_query = SELECT name, path AS address FROM tenants",
        )
    return MemberSource(SourceKind.QUERY, text, told, root, database=database)


def file_name(name: str) -> str:
    """Return a name that is a file's, another for each ``name``, and not too long."""
    whole = quote(os.fsencode(name), safe=" +,=@").replace(
        ".", "%2E", name.startswith(".")
    )
    if len(whole) <= FILE_NAME:
        return whole
    # In no name that is quoted does a % stand before anything but digits.
    return f"{whole[: FILE_NAME // 2]}%-{sha256(os.fsencode(name)).hexdigest()}"


def matched(text: str, name: str) -> bool:
    """Say whether a schema's name is one of a pattern's: ``%`` stands for anything."""
    parts = map(re.escape, text.split("%"))
    return re.fullmatch(".+".join(parts), name, re.DOTALL) is not None


def refuse(name: str, source: MemberSource | None) -> None:
    """UsageError where the database ``name`` is a fleet: its members can be reached."""
    if source is not None:
        raise UsageError(
            f"{name} is a fleet, and no database of its own",
            [f"its members: {source.told}"],
            "Name one of them: --member NAME",
        )
