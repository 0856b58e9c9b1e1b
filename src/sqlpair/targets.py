"""Where a command wants the databases: its words turned into positions.

A command without a database's name means each database, the way it would mean the
only one: ``downgrade -1`` is one step back on each.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlpair.branch import resolve
from sqlpair.deployment import Place, Places
from sqlpair.drivers import Report
from sqlpair.errors import HistoryError, UsageError


class Destination:
    """Alembic's destination arguments (``heads``, ``-1``, ``sqlite@base``, …)."""

    def __init__(self, arguments: tuple[str, ...], command: str, report: Report):
        self.arguments = arguments
        self.command = command  # upgrade, downgrade or stamp
        self._report = report
        self._skipped: set[str] = set()

    def __call__(self, places: Places) -> Mapping[str, int]:
        """Return the position each database concerned is to go to.

        Raises UsageError for an unknown database, HistoryError for an unknown
        revision, a step off the branch, or when every database is at the end.
        """
        targets: dict[str, int] = {}
        for argument in self.arguments:
            named, separator, rest = argument.rpartition("@")
            if separator and named not in places:
                raise UsageError(
                    f"{argument}: no database is called {named!r}",
                    [f"databases: {', '.join(places)}"],
                )
            concerned = [named] if separator else list(places)
            found = {
                name: position
                for name in concerned
                if (position := self._position(argument, places[name])) is not None
            }
            if not found:
                self._refuse(argument, rest, concerned)
            if rest[:1] in "+-":
                self._say_skipped(
                    rest, [name for name in concerned if name not in found]
                )
            targets |= found
        return targets

    def _position(self, argument: str, place: Place) -> int | None:
        position = resolve(
            argument, place.branch, place.position, upgrade=self.command != "downgrade"
        )
        if position is None:
            return None
        if self.command == "downgrade" and position > place.position:
            raise HistoryError(
                f"{place.branch.name}: {argument} is not below where the database is",
                [f"it is at {place.head}"],
                "To go up, use upgrade. Nothing was changed.",
            )
        if self.command == "upgrade":
            # As Alembic has it: what lies below is applied already.
            return max(position, place.position)
        return position

    def _refuse(self, argument: str, rest: str, concerned: list[str]) -> None:
        if rest[:1] in ("+", "-"):
            end = "base" if self.command == "downgrade" else "head"
            raise HistoryError(
                f"{self.command} {argument}: {' and '.join(concerned)}"
                f" {'is' if len(concerned) == 1 else 'are'} at {end} already",
                remedy="Nothing was changed.",
            )
        raise HistoryError(
            f"no revision is called {argument!r}",
            remedy="Revisions are listed by: alembic history",
        )

    def _say_skipped(self, rest: str, names: list[str]) -> None:
        end = "base" if rest.startswith("-") else "head"
        for name in names:
            if name not in self._skipped:
                self._skipped.add(name)
                self._report(f"{name}: at {end} already, skipped")
