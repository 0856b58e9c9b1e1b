"""The proof of each migration as a test: up, down and up, on rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sqlpair.errors import SqlpairError
from sqlpair.project.branches import branches
from sqlpair.project.migrations import Migration
from sqlpair.project.presence import exists
from sqlpair.testing.copies import Templates
from sqlpair.testing.session import settings_of, turn


class ProofError(Exception):
    """A migration is not proved."""


class ProofItem(pytest.Item):
    """One migration; the first of a database in a session proves them all."""

    def __init__(
        self,
        *,
        migration: Migration,
        templates: Templates,
        **given: Any,
    ):
        super().__init__(**given)
        self.migration = migration
        self._templates = templates

    def runtest(self) -> None:
        """Fail with what speaks against it."""
        told = self._verdicts()[self.migration.stem]
        for note in told["notes"]:
            self.add_report_section("call", "sqlpair", note)
        if told["problems"]:
            raise ProofError("\n".join(told["problems"]))

    def _verdicts(self) -> dict[str, Any]:
        """Return what was found of each migration of the database."""
        folder, name = self._templates.folder, self.migration.database
        file = folder / f"{name}.proved"
        with turn(folder, f"{name}.proof"):
            if not exists(file):
                file.write_text(json.dumps(self._prove()))
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def _prove(self) -> dict[str, Any]:
        from sqlpair.prove.proof import Selection, prove

        name = self.migration.database
        address = str(self._templates.folder / f"{name}.none")
        if self._templates.driver(name) == "postgresql":
            address = self._templates.server(name)
        config, folder = self._templates.config, self._templates.folder
        wanted = [
            item.migration.number
            for item in self.session.items
            if isinstance(item, ProofItem) and item.migration.database == name
        ]
        verdicts = prove(
            settings_of(config, name, address, folder),
            [name],
            lambda _line: None,
            lambda _verdict: None,
            selection=Selection(only=wanted),
        )
        return {
            verdict.migration: {"notes": verdict.notes, "problems": verdict.problems}
            for verdict in verdicts
        }

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> Any:
        """Show what was found, and no traceback."""
        if isinstance(excinfo.value, ProofError | SqlpairError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Say which file it is about."""
        return self.migration.up, 0, self.name


def items(session: pytest.Session, templates: Templates) -> Iterator[ProofItem]:
    """Return a test for each migration."""
    for migration in _migrations(templates):
        yield ProofItem.from_parent(
            session,
            name=f"prove[{migration.database}-{migration.stem}]",
            migration=migration,
            templates=templates,
        )


def _migrations(templates: Templates) -> Sequence[Migration]:
    found: list[Migration] = []
    for name in templates.drivers:
        settings = settings_of(templates.config, name, "x", templates.folder)
        for branch in branches(settings):
            found += branch.migrations
    return found
