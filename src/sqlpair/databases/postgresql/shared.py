"""What files say of what all databases of a PostgreSQL server share."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlpair.databases.quoting import identifier

_SHARED = re.compile(
    r"\b(?:create|alter|drop|comment\s+on)\s+(?:role|user(?!\s+mapping)|group|database"
    r"|tablespace|subscription)\b"
    r"|\balter\s+system\b|\b(?:drop|reassign)\s+owned\b|_replication_slot\b"
    r"|\b(?:grant|revoke)\b(?:(?!\bon\b)[^;])*?\b(?:to|from)\b",  # of a role
    re.IGNORECASE,
)
# ALTER DATABASE, and COMMENT or GRANT … ON DATABASE.
_OF_DATABASE = r"\b(?:alter|drop|on)\s+database\s+(?:if\s+exists\s+)?"
_MADE = re.compile(
    r"\bcreate\s+(?P<kind>role|user(?!\s+mapping)|group|schema)\s+"
    r'(?:if\s+not\s+exists\s+)?(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>\w+))',
    re.IGNORECASE,
)
# Put together in a DO block: any string may be the name.
_PUT_TOGETHER = re.compile(r"\bcreate\s+(?:role|user|group)\s+['%]", re.IGNORECASE)
_STRING = re.compile(r"'(\w+)'")


def made_by(texts: Iterable[str], *, schemas: bool = False) -> set[str]:
    """The roles that ``texts`` make, or the schemas."""
    made = set()
    for text in texts:
        for match in _MADE.finditer(text):
            if (match["kind"].lower() == "schema") == schemas:
                quoted = (match["quoted"] or "").replace('""', '"')
                made.add(quoted or match["plain"].lower())
        if not schemas and _PUT_TOGETHER.search(text):
            made.update(_STRING.findall(text))
    return made


def is_shared(text: str) -> bool:
    """See ``sqlpair.databases.interface.Driver``."""
    return _SHARED.search(text) is not None


def names_database(text: str, name: str) -> bool:
    """Say whether a statement is about the database ``name``, as written there."""
    forms = rf"(?:{re.escape(identifier(name))}|{re.escape(name)}\b)"
    found = re.search(f"{_OF_DATABASE}{forms}", text, re.IGNORECASE)
    return found is not None
