"""Why files that are to say which version a database is do not build anything.

A history that came from another tool may have files that were not carried over, or none
for what was there before its first one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlpair.errors import StatementError, several
from sqlpair.project import imported
from sqlpair.project.branches import Branch
from sqlpair.project.migrations import Migration
from sqlpair.project.repeatable import shown
from sqlpair.project.revisions import module_path

_MISSING = re.compile(
    r'(?:relation|schema|type|table) "([^"]+)" does not exist|no such table: (\S+)'
)


REMEDY = (
    "sqlpair import could not carry them over. Write as SQL what each did, and adopt"
    " again."
)


def explain(branch: Branch, error: StatementError) -> None:
    """Add to the error of a file what the files before it lack, and the next move."""
    failed = [f" {item.up.name}:" in error.what for item in branch.migrations]
    before = branch.migrations[: failed.index(True)] if True in failed else ()
    remedies = []
    if evidence := stubs(before):
        error.add(evidence)
        remedies.append(REMEDY)
    missing = _MISSING.search(error.what)
    if missing and tell_later(branch, error):
        return
    if missing and not _makes(branch, missing[1] or missing[2]):
        begins = "this history begins on a schema that was there before"
        none = "one of these does, or " if evidence else ""
        error.add(f"no file makes {missing[1] or missing[2]}: {none}{begins}")
        remedies.append(_beginning(branch))
    error.remedy = "\nOr: ".join(remedies) or error.remedy


def tell_later(branch: Branch, error: StatementError) -> bool:
    """Add to the error that a repeatable file makes what is missing; say if it does."""
    missing = _MISSING.search(error.what)
    name = (missing[1] or missing[2]).rpartition(".")[2] if missing else ""
    makes = re.compile(
        r"(?is)\bcreate\s+(?:or\s+replace\s+)?(?:\w+\s+){1,3}(?:if\s+not\s+exists\s+)?"
        rf'(?:"?\w+"?\.)?"?{re.escape(name)}(?!\w)'
    )
    for path in branch.files[len(branch.migrations) :] if name else ():
        if makes.search(path.read_text(errors="replace")):
            error.add(f"{shown(path)} makes {name}, and runs later")
            error.remedy = (
                "Let a migration make it, or, for another repeatable file, give this"
                " one a name that\nsorts before."
            )
            return True
    return False


def _beginning(branch: Branch) -> str:
    first = branch.migrations[0]
    before = f"Save what was there before {first.stem} (a dump of it)"
    if not first.number:
        return (
            f"{before} as the first file of the other tool's folder,\ndelete"
            f" {first.folder} and {branch.database.versions},\nthen import and adopt."
        )
    name = f"{0:0{len(first.stem.partition('_')[0])}}_baseline.sql"
    return (
        f"{before} as {first.folder / name},\ndelete {module_path(branch, first)}, and"
        " run: sqlpair revisions\nThen adopt again."
    )


def stubs(migrations: Sequence[Migration]) -> str:
    """Name those that import could not carry over; "" where there are none."""
    names = [item.up.name for item in migrations if imported.is_stub(_text(item))]
    return f"these files do nothing yet: {several(names)}" if names else ""


def _text(item: Migration) -> str:
    return item.up.read_text(errors="replace")


def _makes(branch: Branch, name: str) -> bool:
    last = re.escape(name.rpartition(".")[2])
    makes = re.compile(rf"(?is)\b(?:create|rename)\b[^;(]*\b{last}\b")
    return any(makes.search(_text(item)) for item in branch.migrations)
