"""Ids of deployments, backups and restores."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

ID = re.compile(r"(\d{8}T\d{6}\.\d{3})Z-[0-9a-f]{6}")


def new_id() -> str:
    """Return the id of a deployment, backup or restore; ids sort by time."""
    now = datetime.now(UTC).isoformat("T", "milliseconds")
    return f"{re.sub('[-:]', '', now[:23])}Z-{os.urandom(3).hex()}"


def began(identifier: str) -> str:
    """Return the moment that an id was given, as the ledger writes it."""
    match = ID.fullmatch(identifier)
    assert match
    moment = datetime.strptime(match[1], "%Y%m%dT%H%M%S.%f")
    return moment.isoformat(" ", "milliseconds")
