"""What of a PostgreSQL column's values is hashed, and how a new value is cast back.

By its type's own hash function where that is the same for the same values alone; all
others as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from sqlpair.databases.postgresql.session import PostgreSQLSession

LARGE_OBJECTS = 2613  # the oid of pg_largeobject
# Equal hashes mean equal values. Not so: text under some collations, intervals (a month
# is 30 days), and what extensions bring.
HASHED = frozenset(
    {"int2", "int4", "int8", "oid", "bool", "uuid", "date", "time", "timestamp"}
    | {"timestamptz", "numeric", "float4", "float8", "bytea", "jsonb"}
)
ZONED = frozenset({"date", "time", "timestamp", "timestamptz"})
# A nondeterministic collation takes different texts for the same.
_COLLATED = '::text COLLATE "C"'
# A domain counts as what it is made from. Casts: see pg_cast, those alone. Where a
# value is stored, and as what: in a table of the heap (2), where a row says which
# transaction wrote it, and of a type from which no ALTER TYPE takes an attribute.
_COLUMNS = """
WITH RECURSIVE base AS (
    SELECT oid AS type, oid AS base FROM pg_catalog.pg_type WHERE typtype <> 'd'
    UNION ALL
    SELECT d.oid, base.base FROM pg_catalog.pg_type d
    JOIN base ON d.typbasetype = base.type WHERE d.typtype = 'd'
)
SELECT a.attrelid AS oid, a.attnum AS number, quote_ident(a.attname) AS name,
    a.attgenerated <> '' AS generated,
    CASE WHEN k.relam = 2 AND (
        t.typnamespace = 'pg_catalog'::regnamespace OR t.typtype = 'e'
        OR (t.typtype = 'b' AND (t.typelem = 0 OR e.typtype IN ('b', 'e')))
    ) THEN concat_ws('/', k.relfilenode, a.atttypid, a.atttypmod, (
        SELECT string_agg(v.oid || v.enumlabel, '/' ORDER BY v.oid)
        FROM pg_catalog.pg_enum v WHERE v.enumtypid IN (t.oid, e.oid)
    )) END AS stored,
    CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname END AS type,
    (SELECT json_agg(p.typname) FROM pg_catalog.pg_cast c
     JOIN pg_catalog.pg_type p ON p.oid = c.casttarget
     WHERE c.castsource = t.oid) AS casts,
    coalesce(a.attnum = ANY (i.indkey::int2[]), false) AS key
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class k ON k.oid = a.attrelid
JOIN base ON base.type = a.atttypid
JOIN pg_catalog.pg_type t ON t.oid = base.base
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE a.attrelid = ANY ({oids}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""


class ComparedColumn(NamedTuple):
    """``type`` is empty for one that is not built in.

    While ``stored`` is the same, a row that nobody has written holds the same value;
    it is empty where that is not sure.
    """

    name: str
    type: str
    casts: frozenset[str]
    key: bool
    generated: bool
    stored: str = ""

    def value(self) -> str:
        """Return what is hashed for a value."""
        return self.name if self.type in HASHED else _text(self.name)

    def cast(self, new: ComparedColumn) -> str:
        """Return the same for the value of ``new``, cast back to this type."""
        if self.type not in HASHED:
            return _text(new.name)
        if new.type == self.type:
            return new.name
        between = "" if self.type in new.casts else "::text"
        return f'{new.name}{between}::pg_catalog."{self.type}"'


# The columns of each table, by their numbers.
Described: TypeAlias = dict[int, dict[int, ComparedColumn]]


def describe(session: PostgreSQLSession, oids: Iterable[int]) -> Described:
    """Return the columns of each table."""
    described: Described = {oid: {} for oid in oids}
    wanted = f"'{{{','.join(map(str, described))}}}'::oid[]"
    for row in session.rows(_COLUMNS.format(oids=wanted)):
        described[row["oid"]][row["number"]] = _column(row)
    if LARGE_OBJECTS in described:
        described[LARGE_OBJECTS] = {
            1: ComparedColumn("loid", "oid", frozenset(), key=True, generated=False),
            2: ComparedColumn("data", "bytea", frozenset(), key=False, generated=False),
        }
    return described


def _text(value: str) -> str:
    return f"{value}{_COLLATED}"


def hashed(value: str) -> str:
    """Return the hash of a value, or NULL where it is NULL."""
    if value.endswith(_COLLATED):
        return f"hashtextextended({value}, 0)"
    return (
        f"CASE WHEN {value} IS NOT NULL THEN hash_record_extended(ROW({value}), 0) END"
    )


def checksum(values: Sequence[str]) -> str:
    # A record's hash is a sum of its values' hashes: values that change places between
    # rows would not show, but for the hash of the whole.
    if not values:
        return "0"
    record = f"hash_record_extended(ROW({', '.join(values)}), 0)"
    return f"coalesce(sum(hashint8extended({record}, 0)), 0)"


def _column(row: Mapping[str, Any]) -> ComparedColumn:
    return ComparedColumn(
        row["name"],
        row["type"] or "",
        frozenset(row["casts"] or ()),
        row["key"],
        row["generated"],
        row["stored"] or "",
    )
