"""The header of a SQL file: the comment above its first statement, for a reader.

Its first sentence says what the file does. What follows begins with a label each:
``Why:``, ``Locks:``, ``Rollback loses:``, in a rollback ``Loses:``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LABEL = re.compile(r"([A-Z][A-Za-z]*(?: [a-z]+)?): *(.*)")
_SETTING = re.compile(r"no-transaction\b|lint:")


class Header(NamedTuple):
    """What the file does, and its labels with their texts, in the file's order."""

    summary: str
    labels: tuple[tuple[str, str], ...]


def read(text: str) -> Header:
    """Read the comment lines that ``text`` begins with."""
    summary: list[str] = []
    labels: list[tuple[str, list[str]]] = []
    for line in text.removeprefix("\ufeff").splitlines():
        stripped = line.strip()
        if not stripped:
            if summary or labels:
                break
            continue
        if not stripped.startswith("--"):
            break
        words = stripped.lstrip("-").strip()
        label = _LABEL.match(words)
        if _SETTING.match(words):
            continue
        if label:
            labels.append((label[1], [label[2]]))
        elif labels:
            labels[-1][1].append(words)
        else:
            summary.append(words)
    return Header(
        " ".join(summary).strip(),
        tuple((name, " ".join(lines).strip()) for name, lines in labels),
    )
