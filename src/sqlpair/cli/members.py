"""Commands in a project with fleets: which of them take one member, which take all.

A command itself knows of no fleet. With ``--member NAME`` it works on a project that
has this one database. Without it, one that goes over all members does so in
``over_members.py``; every other one works on the databases of one address.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sqlpair.cli import options, output
from sqlpair.project.settings import load, narrowing

if TYPE_CHECKING:
    from sqlpair.project.settings import Settings

MAKES = ("migrate",)  # the command that makes a member which is not there yet
MOVES = ("migrate", "rollback")
_COUNT = click.IntRange(min=1)


def _part(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> tuple[int, int]:
    if text is None:
        return (1, 1)
    number, _, of = text.partition("/")
    if number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of):
        return int(number), int(of)
    raise click.BadParameter("it is which part, and of how many: 1/4")


def _member() -> click.Option:
    return click.Option(
        ["--member"],
        metavar="NAME",
        help="Only this member of a fleet, as if it were the one database.",
    )


def _over() -> list[click.Option]:
    return [
        click.Option(
            ["--jobs"],
            metavar="N",
            type=_COUNT,
            help="Of a fleet: members at once; else as many as are worth it,"
            " at most one more than there are processors.",
        ),
        click.Option(
            ["--shard"],
            metavar="I/N",
            callback=_part,
            help="Of a fleet: the I-th of N parts, for a CI matrix.",
        ),
        click.Option(
            ["--scheduler"],
            metavar="URL",
            help="Of a fleet: let a Dask cluster do it, tcp://HOST:8786.",
        ),
    ]


def _moving() -> list[click.Option]:
    return [
        click.Option(
            ["--stop-after"],
            metavar="N",
            type=_COUNT,
            help="Of a fleet: begin no more members once N have failed.",
        ),
        click.Option(
            ["--canary"],
            metavar="N",
            type=_COUNT,
            help="Of a fleet: do the first N members, and go on if none fails.",
        ),
    ]


class OfMember(options.Command):
    """A command that works on the databases of one address, or on one member."""

    def __init__(self, *words: Any, **attributes: Any) -> None:
        super().__init__(*words, **attributes)
        self.added = self.more()
        self.params += self.added

    def more(self) -> list[click.Option]:
        """Return the options that it takes for members."""
        return [_member()]

    def invoke(self, context: click.Context) -> Any:
        """Run it on what the options say."""
        given = {str(o.name): context.params.pop(str(o.name)) for o in self.added}
        config: Path = context.obj
        if given["member"] is not None:
            with member(config, given["member"], making=self.name in MAKES):
                return super().invoke(context)
        settings = load(config)
        if not settings.fleets:
            return super().invoke(context)
        return self.without_member(context, settings, given)

    def without_member(
        self, context: click.Context, settings: Settings, given: dict[str, Any]
    ) -> Any:
        """Run it in a project with fleets; ``given`` are the options for members."""
        del given
        from sqlpair.fleet.members import singles

        part = singles(settings)
        names = ", ".join(fleet.name for fleet in settings.fleets)
        output.progress(f"{names}: left out; of a fleet it takes one: --member NAME")
        with narrowing(lambda _whole: part):
            return super().invoke(context)


class OverMembers(OfMember):
    """A command that goes over all members where it is told of none."""

    def more(self) -> list[click.Option]:
        """Return the options that it takes for members."""
        moving = _moving() if self.name in MOVES else []
        return [_member(), *_over(), *moving]

    def without_member(
        self, context: click.Context, settings: Settings, given: dict[str, Any]
    ) -> Any:
        """Run it over all members."""
        from sqlpair.cli import over_members

        named = context.params.get("database")
        if named is not None:
            settings.database(named)
        singles = [database.name for database in settings.singles]
        if self.name == "adopt" and singles and named in (None, *singles):
            with narrowing(lambda whole: whole.apart(*whole.singles)):
                super(OfMember, self).invoke(context)
            if named:
                return
        over_members.run(str(self.name), settings, given, context.params)


@contextmanager
def member(config: Path, name: str, *, making: bool = False) -> Iterator[None]:
    """Let what loads the project within the block get the one member of that name."""
    from sqlpair.fleet import members

    whole = load(config)
    with (
        members.one(whole, name, output.progress, making=making) as part,
        narrowing(lambda _whole: part),
    ):
        yield
