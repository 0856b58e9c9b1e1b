"""Ids of deployments, backups and restores."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

ID = re.compile(r"(\d{8}T\d{6}\.\d{3})Z-[0-9a-f]{6}")


def new_id(after: Iterable[str] = ()) -> str:
    """Return the id of a deployment, backup or restore; ids sort by time.

    It sorts behind the ids ``after``, also where another clock was ahead of this one.
    """
    now = datetime.now(UTC)
    last = max((known for known in after if ID.fullmatch(known)), default="")
    if last:
        then = datetime.fromisoformat(began(last)).replace(tzinfo=UTC)
        now = max(now, then + timedelta(milliseconds=1))
    moment = now.isoformat("T", "milliseconds")
    return f"{re.sub('[-:]', '', moment[:23])}Z-{os.urandom(3).hex()}"


def began(identifier: str) -> str:
    """Return the moment that an id was given, as the ledger writes it."""
    match = ID.fullmatch(identifier)
    assert match
    moment = datetime.strptime(match[1], "%Y%m%dT%H%M%S.%f")
    return moment.isoformat(" ", "milliseconds")
