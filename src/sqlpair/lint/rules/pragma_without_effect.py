"""A PRAGMA in a migration has no lasting effect."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlpair.lint.subject import RuleMatch, Subject

_SETS = re.compile(r"PRAGMA\s+(?:\w+\.)?(\w+)\s*[=(]", re.IGNORECASE)
# These are stored in the database, or serve the transaction they are in.
_LASTING = frozenset(
    [
        "user_version",
        "application_id",
        "defer_foreign_keys",
        "foreign_keys",
        "legacy_alter_table",
        "writable_schema",
        "schema_version",
        "journal_mode",
        "foreign_key_check",
        "integrity_check",
        "quick_check",
        "table_info",
        "table_xinfo",
        "index_list",
        "index_info",
        "index_xinfo",
        "foreign_key_list",
        "optimize",
        "incremental_vacuum",
        "wal_checkpoint",
    ]
)
_NEED_VACUUM = frozenset({"page_size", "auto_vacuum", "encoding"})


def check(subject: Subject) -> Iterator[RuleMatch]:
    """Look for settings of the connection, and for those that need a VACUUM."""
    if subject.database.driver != "sqlite":
        return
    for script in subject.scripts:
        for parsed in script.statements:
            found = _SETS.match(parsed.statement.text)
            name = found[1].lower() if found else ""
            if not name or name in _LASTING:
                continue
            if name in _NEED_VACUUM:
                why = "has no effect in a database that has tables, until a VACUUM"
                instead = (
                    f"-- no-transaction\n{parsed.statement.text.rstrip(';')};\nVACUUM;"
                )
                if not script.transactional and _vacuums(subject, parsed.line):
                    continue
            else:
                why = "is a setting of the connection, which ends with the migration"
                instead = f"Set {name} where the application connects, not here."
            yield RuleMatch(script, parsed.line, f"PRAGMA {name} {why}", instead)


def _vacuums(subject: Subject, line: int) -> bool:
    return any(
        parsed.line > line and parsed.statement.words[:1] == ("VACUUM",)
        for script in subject.scripts
        for parsed in script.statements
    )
