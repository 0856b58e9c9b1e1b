"""Ids of deployments, backups and restores."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime


def new_id() -> str:
    """Return the id of a deployment, backup or restore; ids sort by time."""
    now = datetime.now(UTC).isoformat("T", "milliseconds")
    return f"{re.sub('[-:]', '', now[:23])}Z-{os.urandom(3).hex()}"
