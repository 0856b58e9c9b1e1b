"""Findings as text for programs: JSON, and GitHub's annotations."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlpair.lint import Finding


def as_github(
    findings: Sequence[Finding], root: Path, environ: Mapping[str, str] = os.environ
) -> list[str]:
    """Return workflow commands that put each finding on its line of a pull request.

    GitHub wants a path from the repository's folder, which the project's may be
    below.
    """
    workspace = Path(environ.get("GITHUB_WORKSPACE") or root).resolve()
    below = root.resolve()
    prefix = below.relative_to(workspace) if below.is_relative_to(workspace) else Path()
    return [
        f"::error file={_property((prefix / item.path).as_posix())},line={item.line}"
        f",title={_property(item.rule)}::"
        + _data(f"{item.message}\nWrite instead:\n{item.instead}")
        for item in findings
    ]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
