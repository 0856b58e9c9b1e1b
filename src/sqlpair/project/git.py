"""What is released: the files of the main branch, as git has them. Read only.

A migration on the main branch may have run in production; its file is not to change
any more. Where there is no git, no repository or no main branch, nothing is known.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from sqlpair.errors import SettingsError

_USUAL = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


class Released(NamedTuple):
    """The commit at which the checkout left the main branch.

    ``files`` are its files below the project's folder, and ``changed`` those of them
    that differ from it now or are gone; both relative to the project's folder.
    """

    branch: str
    commit: str
    files: frozenset[str]
    changed: frozenset[str]


def read(root: Path, branch: str = "") -> Released | None:
    """Ask git what of ``root`` is on the main branch; None where it cannot say.

    SettingsError when ``branch`` is named and is not there.
    """
    git = shutil.which("git")
    if git is None or not _git(git, root, "rev-parse", "--is-inside-work-tree"):
        return None
    for name in [branch] if branch else _USUAL:
        base = _git(git, root, "merge-base", "HEAD", name)
        if base:
            commit = base.strip()
            files = _names(git, root, "ls-tree", "-r", "--name-only", commit)
            changed = _names(
                git, root, "diff", "--name-only", "--no-renames", "--relative", commit
            )
            return Released(name, commit, files, changed & files)
    if branch:
        raise SettingsError(
            f"git knows no branch {branch!r} that this checkout comes from",
            remedy="Fetch it (a shallow clone has no history), or correct main-branch"
            " in pyproject.toml [tool.sqlpair.lint].",
        )
    return None


def _names(git: str, root: Path, command: str, *arguments: str) -> frozenset[str]:
    answer = _git(git, root, command, "-z", *arguments) or ""
    return frozenset(name for name in answer.split("\0") if name)


def _git(git: str, root: Path, *arguments: str) -> str | None:
    done = subprocess.run(
        [git, "-C", str(root), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.stdout.decode(errors="surrogateescape") if not done.returncode else None
