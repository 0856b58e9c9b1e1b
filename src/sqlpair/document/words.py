"""What every form of the book says in the same words."""

from __future__ import annotations

from sqlpair.document.book import Link, PartRow, TablePage
from sqlpair.document.diagram import Diagram

# The sections of a table's page, and what stands in each.
GROUPS = (
    ("Keys", ("primary key", "unique constraint", "foreign key")),
    ("Indexes", ("index",)),
    ("Checks", ("check constraint", "exclusion constraint")),
    ("Triggers and rules", ("trigger", "rule", "policy")),
)
_GROUPED = {kind for _, kinds in GROUPS for kind in kinds}
_DEFINED = ("definition", "expression", "body")


def groups(page: TablePage) -> list[tuple[str, tuple[PartRow, ...]]]:
    """The parts of a table by section; what belongs to none stands last."""
    found = [(title, page.of(*kinds)) for title, kinds in GROUPS]
    rest = tuple(part for part in page.parts if part.kind not in _GROUPED)
    return [(title, parts) for title, parts in (*found, ("Other", rest)) if parts]


def definition(part: PartRow) -> str:
    """What the part is, in SQL or close to it; may have several lines."""
    facts = dict(part.facts)
    for name in _DEFINED:
        if name in facts:
            return facts[name].strip("\n")
    return ", ".join(part.columns)


def remarks(part: PartRow) -> str:
    """What else there is to know of it."""
    told = []
    for name, text in part.facts:
        if name in _DEFINED or (name, text) == ("method", "btree"):
            continue
        told.append(name if text == "yes" else f"{name}: {text}")
    return "; ".join(told)


def action(link: Link) -> str:
    """What keeps a link, and what a deletion does."""
    if not link.kept:
        return "declared in pyproject.toml; sqlpair verify checks it"
    told = f"on delete {link.on_delete}"
    if link.on_update != "no action":
        told += f", on update {link.on_update}"
    return told


def caption(diagram: Diagram) -> str:
    """What a diagram leaves out; empty where it shows all."""
    if not diagram.left_out:
        return ""
    shown = len(diagram.boxes)
    if diagram.boxes and any(box.focus for box in diagram.boxes):
        return (
            f"{shown - 1} of {shown - 1 + diagram.left_out} neighbours are drawn; the"
            " others are in the lists below."
        )
    return (
        f"{shown} of {shown + diagram.left_out} tables: those with the most references."
        " Each table's page draws its neighbourhood."
    )
