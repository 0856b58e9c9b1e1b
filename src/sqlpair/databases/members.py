"""What a driver knows of the members of a fleet: how their addresses are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from sqlpair.project.settings import Database

Rows = Callable[[str], list[dict[str, Any]]]


class MemberAddress(NamedTuple):
    """What one address says.

    ``name`` is the short one that messages use, ``full`` the one that no other member
    has; neither holds a password. ``host`` is the machine that has the file, where the
    address names one.
    """

    name: str
    full: str
    address: str
    host: str = ""

    def __repr__(self) -> str:
        """Name it without its address."""
        return f"<MemberAddress {self.full}>"


class Membership(Protocol):
    """A driver's part in it."""

    def member(self, database: Database, address: str, root: Path) -> MemberAddress:
        """Read the address of a member; paths are relative to ``root``.

        SettingsError, without the address, where it is none.
        """

    def is_there(self, database: Database) -> bool:
        """Say whether a member's file or schema is; a database says so itself."""

    def schemas(self, rows: Rows) -> Sequence[str]:
        """Return the names of all schemas, which ``rows`` queries; of one engine."""

    def new_schema(
        self, database: Database, report: Callable[[str], None]
    ) -> AbstractContextManager[None]:
        """Make the schema of a new member; it goes where the block fails."""
