"""What alembic.ini and the environment say of backups."""

from __future__ import annotations

from collections.abc import Mapping
from configparser import SectionProxy
from pathlib import Path
from typing import NamedTuple

from sqlpair.errors import SettingsError
from sqlpair.project.database import DEVELOPMENT, seconds


class Backups(NamedTuple):
    """Where backups go, whether each deployment begins with one, how many stay.

    ``proof`` says how much of one is restored on trial. ``timeout`` is in seconds, for
    one backup of all databases or one restore.
    """

    folder: Path
    first: bool
    proof: str
    keep: int
    timeout: float


def backups(
    ini: Path,
    root: Path,
    environment: str,
    section: SectionProxy,
    environ: Mapping[str, str],
) -> Backups:
    """Read the settings of backups; SettingsError names the one that is wrong."""
    when = _choice(ini, section, "backup", "outside development")
    proof = _choice(ini, section, "backup_proof", "the schema, and rows where needed")
    first = when == "always" or (when == "auto" and environment != DEVELOPMENT)
    once = environ.get("BACKUP", "").strip()
    if once not in ("", "0", "1"):
        raise SettingsError(f"BACKUP is {once!r}", remedy="It is 0 or 1.")
    keep = section.get("backup_keep", "10").strip()
    if not keep.isdecimal() or not 0 < int(keep) < 10_000:
        raise SettingsError(
            f"{ini.name}: backup_keep = {keep}",
            remedy="It is how many backups stay, for example: backup_keep = 10",
        )
    return Backups(
        folder=root / "state" / "backups",
        first=once == "1" if once else first,
        proof=proof,
        keep=int(keep),
        timeout=seconds(ini, section, "backup_timeout", 3600),
    )


def _choice(ini: Path, section: SectionProxy, key: str, auto: str) -> str:
    value = section.get(key, "auto").strip()
    if value not in ("auto", "always", "never"):
        raise SettingsError(
            f"{ini.name}: {key} = {value}",
            remedy=f"It is auto ({auto}), always or never.",
        )
    return value
