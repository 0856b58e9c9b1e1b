"""The members of a fleet: found, in an order that is the same every time.

A member is a ``Database`` with its own address, or its own schema, and the name, the
folders and the branch of its fleet. What is done with one is done with the settings of
a project that has this one database: nothing below knows of fleets.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from sqlpair.databases.driver import driver_of, reading
from sqlpair.errors import SettingsError, UsageError, printable, several
from sqlpair.fleet import pattern
from sqlpair.fleet.addresses import listed
from sqlpair.project.fleet import MemberSource, SourceKind, matched
from sqlpair.project.identity import location

if TYPE_CHECKING:
    from sqlpair.databases.interface import Report
    from sqlpair.databases.members import MemberAddress
    from sqlpair.project.settings import Database, Settings


class Member(NamedTuple):
    """One member; ``host`` is the machine that has its file, where that was said.

    ``found``: its file or schema was there.
    """

    name: str
    database: Database
    host: str = ""
    found: bool = False

    @property
    def title(self) -> str:
        """What messages call it: the fleet's name and its own."""
        return f"{self.database.name}/{self.name}"

    def is_there(self) -> bool:
        """Say whether its file or its schema is there."""
        return driver_of(self.database).is_there(self.database)


@contextmanager
def one(
    settings: Settings, name: str | None, report: Report, *, making: bool = False
) -> Iterator[Settings]:
    """Yield the settings of the member called ``name``, as a project of its own.

    None: those of the databases of one address. With ``making``, a member that is not
    there yet is made, and goes where the block fails. UsageError for an empty name.
    """
    if name is None:
        yield singles(settings)
        return
    if not name.strip():
        # Of a variable that is not set: it does not mean no member, or all of them.
        raise UsageError("the member's name is empty", remedy="Name one.")
    with ExitStack() as resources:
        found = choose(settings, name, report, resources)
        refuse_elsewhere(found)
        database = found.database
        if making and not found.found and database.search_path:
            made = driver_of(database).new_schema(database, report)
            resources.enter_context(made)
        part = settings.apart(database, member=found.name)
        yield part._replace(log_file=settings.log_file)


def singles(settings: Settings) -> Settings:
    """Return the settings of the databases of one address; UsageError without any."""
    if not settings.singles:
        names = ", ".join(fleet.name for fleet in settings.fleets)
        raise UsageError(
            f"{names}: a fleet, of which this takes one member",
            remedy="Name it: --member NAME; of Alembic's commands: -x member=NAME",
        )
    return settings.apart(*settings.singles)


def refuse_elsewhere(member: Member) -> None:
    """UsageError for a member whose file another machine has: it is not made here."""
    if member.host not in ("", "localhost", os.uname().nodename):
        raise UsageError(
            f"{member.title} is on the host {member.host}",
            remedy="Run the command there, or let a worker there do it with all:"
            " --scheduler tcp://HOST:8786",
        )


def find(
    settings: Settings,
    fleet: Database,
    report: Report,
    resources: ExitStack,
    closed: list[SettingsError] | None = None,
    known: dict[object, str] | None = None,
) -> tuple[Member, ...]:
    """Find a fleet's members, by name in order; ``closed`` as in ``pattern.files``.

    SettingsError for what is not an address, or is there twice: here, or among those
    ``known`` of other fleets, to which these are added. Where they are in a
    server that runs only while it is used, it runs until ``resources`` closes.
    """
    assert fleet.fleet is not None
    source = fleet.fleet
    if source.kind is SourceKind.SCHEMAS:
        found = list(_schemas(fleet, source, report, resources))
    elif source.kind is SourceKind.PATTERN:
        files = pattern.files(source, closed)
        found = [_file(fleet, source, name, path, found=True) for name, path in files]
    elif source.kind is SourceKind.QUERY:
        found = list(_queried(settings, fleet, source, report))
    else:
        lines = listed(source)
        found = _named(fleet, [(at, _address(fleet, text, at)) for at, text in lines])
    found.sort(key=lambda member: member.name)
    places = {} if known is None else known
    places.update(
        (_place(each), f"the database {each.name}") for each in settings.singles
    )
    _refuse_twice(fleet, found, places)
    return tuple(found)


def choose(
    settings: Settings, name: str, report: Report, resources: ExitStack
) -> Member:
    """Return the member called ``name``, ``fleet/name`` or by its address.

    One that is not there yet is made by what migrates it, where the name tells what
    its address is. UsageError where there is none.
    """
    if not settings.fleets:
        raise UsageError(
            "no database has members",
            [f"--member {printable(name)}"],
            "A section of alembic.ini declares them, for example:"
            " members = state/tenants/*.db",
        )
    known: list[str] = []
    hits = []
    # Of each fleet, why there may be more of its members than were found.
    unseen: dict[str, list[SettingsError]] = {}
    places: dict[object, str] = {}
    for fleet in settings.fleets:
        own = name.removeprefix(f"{fleet.name}/")
        why = unseen.setdefault(fleet.name, [])
        try:
            members = find(settings, fleet, report, resources, why, places)
        except SettingsError as error:
            why.append(error)
            continue
        hits += [
            m for m in members if m.name in (own, name) or _reaches(m, settings, name)
        ]
        known += [m.title for m in members]
    hits = [member for member in hits if member.title == name] or hits
    for other, reasons in unseen.items():
        # No folder of a fleet has a second member of that name; another fleet may.
        found = [m for m in hits if m.database.name == other or name == m.title]
        if reasons and not found:
            raise reasons[0]
    if not hits:
        hits = [
            member
            for fleet in settings.fleets
            for member in _new(fleet, name.removeprefix(f"{fleet.name}/"))
        ]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise UsageError(
            f"{len(hits)} members are called {printable(name)}",
            [member.title for member in hits],
            "Name its fleet, too.",
        )
    near = get_close_matches(name, [*known, *(k.partition("/")[2] for k in known)])
    raise UsageError(
        f"no member is called {printable(name)}",
        [f"close to it: {', '.join(near)}"] if near else [several(known) or "none is"],
        "They are listed by: sqlpair status --json",
    )


def shard(members: Iterable[Member], number: int, of: int) -> tuple[Member, ...]:
    """Return the part ``number`` (from 1) of ``of`` parts; by name, not by place.

    So that a member that comes or goes between two of them moves no other.
    """
    return tuple(
        member
        for member in members
        if zlib.crc32(os.fsencode(member.name)) % of == number - 1
    )


def _reaches(member: Member, settings: Settings, name: str) -> bool:
    database = member.database
    if database.search_path or database.driver == "postgresql" or "/" not in name:
        return False
    return database.address == os.path.realpath(settings.root / name)


def _schemas(
    fleet: Database, source: MemberSource, report: Report, resources: ExitStack
) -> Iterator[Member]:
    driver = driver_of(fleet)
    whole = fleet._replace(fleet=None)
    session = resources.enter_context(reading(whole, report))
    if session is None:
        return
    for name in driver.schemas(session.rows):
        if matched(source.text, name):
            yield _schema(fleet, name, found=True)


def _schema(fleet: Database, name: str, *, found: bool = False) -> Member:
    assert fleet.fleet is not None
    path = (name, *fleet.fleet.shared)
    database = fleet._replace(
        fleet=None, member=name, ledger_schema=name, search_path=path
    )
    return Member(name, database, found=found)


def _file(
    fleet: Database, source: MemberSource, name: str, path: str, *, found: bool = False
) -> Member:
    address = os.path.realpath(source.root / path)
    variable = source.told
    database = fleet._replace(
        fleet=None, member=name, address=address, variable=variable
    )
    return Member(name, database, found=found)


def _new(fleet: Database, name: str) -> Iterator[Member]:
    """Yield the member that is not there yet, where its name says what it would be."""
    source = fleet.fleet
    assert source is not None
    if source.kind is SourceKind.SCHEMAS and matched(source.text, name):
        yield _schema(fleet, name)
    if source.kind is SourceKind.PATTERN and (path := pattern.new_file(source, name)):
        yield _file(fleet, source, name, path)


def _address(fleet: Database, text: str, where: str) -> MemberAddress:
    assert fleet.fleet is not None
    named = fleet._replace(variable=where)
    try:
        return driver_of(fleet).member(named, text, fleet.fleet.root)
    except SettingsError as error:
        if where not in error.what:
            error.add(where)
        raise


def _named(
    fleet: Database, listed: Sequence[tuple[str, MemberAddress]]
) -> list[Member]:
    """Give each its short name, or its full one where the short is another's, too."""
    counts = Counter(item.name for _, item in listed)
    members = []
    for where, item in listed:
        name = item.name if counts[item.name] == 1 else item.full
        database = fleet._replace(
            fleet=None, member=name, address=item.address, variable=where
        )
        members.append(Member(name, database, item.host))
    return members


def _queried(
    settings: Settings, fleet: Database, source: MemberSource, report: Report
) -> Iterator[Member]:
    """Ask the database that has the table of members; it only reads."""
    asked = settings.database(source.database)
    with reading(asked, report) as session:
        if session is None:
            return
        try:
            rows = session.rows(source.text)
        except Exception as error:
            raise SettingsError(
                f"{fleet.name}: its members could not be asked for",
                [f"{source.told}, in {asked.name}", *str(error).splitlines()[:3]],
                "It has one row a member, with the columns name and address.",
            ) from error
    listed, names = [], []
    for number, row in enumerate(rows, start=1):
        where = f"row {number} of {source.told}"
        text = row.get("address", next(iter(row.values())) if len(row) == 1 else None)
        called = str(row.get("name") or "")
        # What stands around it would be a part of the path, or of what to type.
        if not isinstance(text, str) or not text.strip():
            raise SettingsError(
                f"{fleet.name}: a row of members_query names no address",
                [f"{where}: its columns are {several(list(row))}"],
                "Let it return the columns name and address, both filled, and text.",
            )
        if text != text.strip() or called != called.strip():
            raise SettingsError(
                f"{fleet.name}: a row of members_query has spaces around what it names",
                [where],
                "Let it return them without: trim(name) AS name, trim(address) AS"
                " address",
            )
        listed.append((where, _address(fleet, text, where)))
        names.append(called)
    for name, member in zip(names, _named(fleet, listed), strict=True):
        called = name or member.name
        database = member.database._replace(member=called, variable=source.told)
        yield member._replace(name=called, database=database)


def _refuse_twice(
    fleet: Database, members: Sequence[Member], places: dict[object, str]
) -> None:
    """Two names for one database would be two runs in it; SettingsError."""
    names: set[str] = set()
    for member in members:
        place = _place(member.database, member.host)
        called = f"{member.title} ({member.database.variable})"
        if place in places:
            raise SettingsError(
                f"{fleet.name}: one and the same database has two names",
                [f"{places[place]} and {called}"],
                "Name it once.",
            )
        if member.name in names:
            raise SettingsError(
                f"{fleet.name}: two members are called {printable(member.name)}",
                remedy="Give each its own name.",
            )
        names.add(member.name)
        places[place] = called


def _place(database: Database, host: str = "") -> tuple[object, ...]:
    return (*location(database, here=not host), host, database.search_path[:1])
