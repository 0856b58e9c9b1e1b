"""Files that a command writes for people to read, and that may be stale."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import NamedTuple


class GeneratedFile(NamedTuple):
    """A file that is to hold ``wanted``, or to go where that is None.

    ``found`` is what it holds, None where there is no file.
    """

    path: Path
    wanted: str | None
    found: str | None

    @property
    def stale(self) -> bool:
        """Whether it is not what it is to be."""
        return self.wanted != self.found

    def diff(self, folder: Path, of: str) -> str:
        """Return how it would change: in ``folder``, to a description ``of`` what."""
        name = self.path.relative_to(folder).as_posix()
        return "".join(
            difflib.unified_diff(
                (self.found or "").splitlines(keepends=True),
                (self.wanted or "").splitlines(keepends=True),
                f"{name} (as it is)",
                f"{name} (of {of})",
            )
        )
