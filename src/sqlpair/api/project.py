"""A project from Python: what ``sqlpair.open`` returns.

Each verb is what the command of its name does, and reads alembic.ini, .env and the
environment again. No verb asks, prints, configures logging or handles a signal; where
the command asks first, ``agree`` has to say yes. Several threads may use a project at
once: deployments wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlpair import signals
from sqlpair.databases import kept_open
from sqlpair.errors import UsageError, of_system, printable
from sqlpair.progress import meter
from sqlpair.project.presence import is_dir
from sqlpair.project.settings import NONE, Settings, load

if TYPE_CHECKING:
    from logging import Logger

    from sqlpair.api.results import (
        Adopted,
        Backup,
        Deployed,
        Recognition,
        RecordedFile,
    )
    from sqlpair.backup.restore import Restored
    from sqlpair.databases.interface import Report
    from sqlpair.deploy.status import Status
    from sqlpair.plan.report import DryRun
    from sqlpair.verify import Verified

Shown = TypeVar("Shown")
# Whether to go on: yes, or no, or what answers once it was shown what will be done.
Agree = bool | Callable[[Shown], bool]
Progress = Callable[[str], None]


def open(  # noqa: A001 - sqlpair.open, as in sqlite3.connect
    config: str | os.PathLike[str] = "alembic.ini",
    *,
    addresses: Mapping[str, str] = NONE,
    member: str | None = None,
    progress: Progress | None = None,
) -> Project:
    """Return the project whose ``alembic.ini`` is ``config``.

    ``addresses`` are those of databases, by name; the environment and .env say the
    others. ``progress`` is given each line that says what is going on, maybe by another
    thread; without it they are logged, at the level INFO by the logger ``sqlpair``.
    ``member`` is the name of one member of a fleet, to work on that database alone;
    without it, fleets are left out. Raises SettingsError. Opens no database.
    """
    if progress is None:
        progress = _logger().info
    project = Project(Path(config).absolute(), dict(addresses), progress, member)
    project._settings()  # what is wrong is said here
    return project


class Project:
    """See above; ``sqlpair.open`` makes one."""

    def __init__(
        self,
        config: Path,
        addresses: Mapping[str, str],
        progress: Progress,
        member: str | None = None,
    ):
        self.member = member
        self.config = config
        self._addresses = addresses
        self._progress = progress

    def __repr__(self) -> str:
        """Name the project without its addresses."""
        return f"<Project {self.config}>"

    def migrate(
        self,
        to: int | None = None,
        databases: Iterable[str] | None = None,
        *,
        create: bool = False,
    ) -> Deployed:
        """Apply what is pending, up to version ``to``, in ``databases`` or in all.

        All commit together, or none does. Outside development a database that is not
        there, while others have a history, is made only with ``create``.
        """
        from sqlpair.api.results import deployed
        from sqlpair.deploy.deployment import deploy
        from sqlpair.deploy.targets import Destination, Version

        with self._work() as (settings, report):
            names = _names(settings, databases)
            heads = tuple(f"{name}@head" for name in names) or ("heads",)
            targets = (
                Destination(heads, "upgrade", report)
                if to is None
                else Version(to, names)
            )
            return deployed(deploy(settings, targets, report, create=create))

    def rollback(
        self,
        to: int | None = None,
        *,
        allow_data_loss: bool = False,
        recorded: bool = False,
        agree: Agree[tuple[RecordedFile, ...]] = False,
    ) -> Deployed:
        """Undo the last deployment, or all above version ``to``.

        DataLossError where rows or values would be lost, unless that is allowed. With
        ``recorded`` it runs the rollbacks that the ledger keeps, once ``agree`` says
        yes to them.
        """
        from sqlpair.api.results import deployed, recorded_files

        with self._work() as (settings, report):
            if not recorded:
                from sqlpair.deploy.rollback import rollback

                outcome = rollback(
                    settings, report, to, allow_data_loss=allow_data_loss
                )
                return deployed(outcome)
            from sqlpair.deploy import recorded as ledger

            found = ledger.read(settings, report, to)
            if found.steps or found.repeats:
                _ask(agree, recorded_files(found), "run the rollbacks of the ledger")
            outcome = ledger.rollback(
                settings, found, report, allow_data_loss=allow_data_loss
            )
            return deployed(outcome)

    def status(self) -> Status:
        """Say what is applied, what is pending, and what disagrees. Changes nothing."""
        from sqlpair.deploy.status import overview

        with self._work() as (settings, report):
            return overview(settings, report)

    def verify(self, databases: Iterable[str] | None = None) -> Verified:
        """Check that each of ``databases``, or all, is what its files say.

        Changes nothing.
        """
        from sqlpair.verify import verify

        with self._work() as (settings, report), meter() as note:
            return verify(settings, report, _names(settings, databases), note)

    def plan(self) -> DryRun:
        """Run what is pending, roll it back, and say what it did: a dry run."""
        from sqlpair.plan.checklist import checklist
        from sqlpair.plan.dry_run import dry_run

        with self._work() as (settings, report):
            found = dry_run(settings, report)
            return found._replace(
                checklist=checklist(settings, found, report),
                environment=settings.environment,
            )

    def adopt(
        self,
        databases: Iterable[str] | None = None,
        at: int | None = None,
        *,
        agree: Agree[tuple[Recognition, ...]] = False,
    ) -> Adopted:
        """Find out which version databases without records are, and record it.

        ``at`` is the version, where it is not the highest that fits. HistoryError where
        a database is none of them. No migration runs.
        """
        from sqlpair.api.results import Adopted, deployed, recognitions
        from sqlpair.deploy.adopt import adopt, choose
        from sqlpair.verify.recognise import examine, refuse_unlike

        with self._work() as (settings, report):
            found = examine(settings, report, _names(settings, databases), at)
            refuse_unlike(found)
            positions = choose(found, at)
            told = recognitions(found, positions)
            if not positions:
                return Adopted(told, None)
            _ask(agree, told, "record which version a database is")
            return Adopted(told, deployed(adopt(settings, found, positions, report)))

    def backup(self) -> Backup:
        """Copy every database, all at one schema version. Changes none of them."""
        from sqlpair.api.results import Backup
        from sqlpair.backup import manifest
        from sqlpair.backup.backup import backup

        with self._work() as (settings, report), meter("bytes") as note:
            folder = backup(settings, report, note)
            return Backup(folder, manifest.peek(folder) or manifest.read(folder))

    def restore(
        self, source: str | os.PathLike[str], *, agree: Agree[Backup] = False
    ) -> Restored:
        """Put every database back to a backup, all of them or none.

        ``source`` is its folder or its name. What was written since then is kept beside
        the databases, and no longer in them.
        """
        from sqlpair.api.results import Backup
        from sqlpair.backup import manifest
        from sqlpair.backup.restore import find, restore

        with self._work() as (settings, report):
            here = Path(source).absolute()  # and not from the project's folder
            given = os.fspath(source)
            folder = find(settings, str(here) if given and is_dir(here) else given)
            # Quick, to ask with; every byte is read before anything else happens.
            said = Backup(folder, manifest.peek(folder) or manifest.read(folder))
            _ask(agree, said, "put the databases back to a backup")
            with meter("bytes") as note:
                return restore(settings, str(folder), report, note)

    def _settings(self) -> Settings:
        return load(self.config, addresses=self._addresses)

    @contextmanager
    def _work(self) -> Iterator[tuple[Settings, Report]]:
        """The settings as they are now, and whom to tell what is going on."""
        try:
            with kept_open.to_the_end(), signals.apart():
                settings = self._settings()
                if not settings.fleets and self.member is None:
                    yield settings, self._report
                    return
                from sqlpair.fleet import members

                with members.one(settings, self.member, self._report) as part:
                    yield part, self._report
        except (OSError, RuntimeError, MemoryError) as error:
            raise of_system(error) or error from error

    def _report(self, line: str) -> None:
        """Tell it; a fault of the program that is told is no fault of a deployment."""
        try:
            self._progress(printable(line.expandtabs()))
        except Exception:  # noqa: BLE001 - it may raise anything
            _logger().exception("the progress callback has failed")


def _logger() -> Logger:
    import logging  # the command line needs none

    return logging.getLogger("sqlpair")


def _names(settings: Settings, databases: Iterable[str] | None) -> tuple[str, ...]:
    """Return which ones are meant, none for all; UsageError for an unknown one."""
    if databases is None:
        return ()
    if isinstance(databases, str):
        raise UsageError(
            "databases is a string", remedy=f"Give a list of names: [{databases!r}]"
        )
    names = tuple(dict.fromkeys(databases))
    for name in names:
        settings.database(name)
    if not names:
        raise UsageError("databases names none", remedy="Leave it out, for all.")
    return names


def _ask(agree: Agree[Shown], shown: Shown, what: str) -> None:
    """UsageError unless it is agreed to."""
    if not (agree(shown) if callable(agree) else agree):
        raise UsageError(
            f"nobody has agreed to {what}",
            remedy="Nothing was changed. To agree, or to be shown it first: agree=True,"
            " or a function.",
        )
