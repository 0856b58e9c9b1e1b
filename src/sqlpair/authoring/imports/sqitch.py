"""Sqitch: ``sqitch.plan`` names the changes in their order, each has its scripts.

``deploy/NAME.sql`` goes up, ``revert/NAME.sql`` comes down. A change that was reworked
stands twice in the plan; the scripts of the earlier one are called ``NAME@TAG.sql``,
after a tag between the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from sqlpair.authoring.imports.foreign import (
    ForeignHistory,
    ForeignMigration,
    NotCarried,
    SqlPart,
    driver_for,
    text_of,
)
from sqlpair.errors import UsageError
from sqlpair.ledger.record_tables import counted
from sqlpair.project.presence import is_dir, is_file
from sqlpair.project.statement import Split

_LINE = re.compile(r"(?P<sign>[+@%-]?)\s*(?P<name>[^\s#\[]+)")
_SETTING = re.compile(r"\s*(?P<key>\w+)\s*=\s*(?P<value>[^#;]*)")


class _PlannedChange(NamedTuple):
    """A change of the plan, and the tags between it and the next of its name."""

    name: str
    tags: list[str] | None


def read(folder: Path, _split: Split) -> ForeignHistory | None:
    """Read a project's folder; None where it has no plan."""
    core = _core(folder / "sqitch.conf")
    top = folder / core.get("top_dir", ".")
    plan = folder / core["plan_file"] if "plan_file" in core else top / "sqitch.plan"
    if not is_file(plan):
        if is_file(folder.parent / "sqitch.plan"):
            raise UsageError(
                f"{folder} is a part of a Sqitch project",
                remedy="Name the folder with sqitch.plan. Nothing was written.",
            )
        return None
    driver = driver_for(core.get("engine", ""), folder / "sqitch.conf")
    project, changes = _plan(text_of(plan))
    deploy, revert, verify = (
        folder / core[key] if (key := f"{way}_dir") in core else top / way
        for way in ("deploy", "revert", "verify")
    )
    end = core.get("extension", "sql")
    migrations, left = [], []
    ids = counted(f"{project}:{change.name}" for change in changes)
    for id_, change in zip(ids, changes, strict=True):
        up = _script(deploy, change, end)
        down = _script(revert, change, end)
        if not is_file(up):
            left.append(
                NotCarried(up, "is missing; its pair does nothing until you write it")
            )
        migrations.append(
            ForeignMigration(id_, change.name, up, _part(up), _part(down))
        )
    verifying = sorted(verify.rglob(f"*.{end}")) if is_dir(verify) else []
    if verifying:
        left.append(
            NotCarried(
                verify,
                f"{len(verifying)} verify scripts: here each row that"
                " NNN_name_verify.sql returns is a problem",
                matters=False,
            )
        )
    return ForeignHistory("sqitch", tuple(migrations), tuple(left), driver)


def _core(conf: Path) -> Mapping[str, str]:
    """Return the settings of a section [core]."""
    found: dict[str, str] = {}
    section = ""
    lines = text_of(conf).splitlines() if is_file(conf) else []
    for line in lines:
        text = line.strip()
        if text.startswith("["):
            section = text
        elif section == "[core]" and (match := _SETTING.match(line)):
            found[match["key"]] = match["value"].strip().strip('"')
    return found


def _plan(text: str) -> tuple[str, list[_PlannedChange]]:
    """Return the project's name and its changes."""
    project = ""
    changes: list[_PlannedChange] = []
    last: dict[str, int] = {}
    tags: list[tuple[int, str]] = []
    for sign, name in _lines(text):
        if sign == "%":
            key, _, value = name.partition("=")
            project = value if key == "project" else project
        elif sign == "@":
            tags.append((len(changes), name))
        else:
            if name in last:
                between = [tag for at, tag in tags if at > last[name]]
                changes[last[name]] = _PlannedChange(name, between)
            last[name] = len(changes)
            changes.append(_PlannedChange(name, None))
    return project, changes


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if match := _LINE.match(line.strip()):
            yield match["sign"], match["name"]


def _script(folder: Path, change: _PlannedChange, end: str) -> Path:
    """Return the script of a change, which need not be there."""
    if change.tags is None:
        return folder / f"{change.name}.{end}"
    paths = [folder / f"{change.name}@{tag}.{end}" for tag in change.tags]
    there = (path for path in paths if is_file(path))
    return next(there, (paths or [folder / f"{change.name}@.{end}"])[0])


def _part(path: Path) -> SqlPart | None:
    return SqlPart(path.read_bytes()) if is_file(path) else None
