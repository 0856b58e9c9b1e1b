"""A PostgreSQL schema described again, where most of it is as it was.

A row of a system catalog is as it was if its place and the transaction that wrote it
(ctid and xmin) are the same; so the relations are found that have changed. Those alone
are described again, with what depends on their columns and constraints. The rest is
taken from a description before, of which a few are kept: after a rollback to a
savepoint, one from before it fits best.

Where anything else has changed (types, functions, schemas, roles), and where a relation
is gone or has another name, everything is described again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from sqlpair.databases.postgresql.catalog import (
    QUERIES,
    Facts,
    Fetch,
    configured,
    facts,
    read,
)
from sqlpair.databases.postgresql.catalog_relations import QUERIES as OF_RELATIONS
from sqlpair.databases.postgresql.catalog_relations import RELATION
from sqlpair.schema.model import ObjectKey, Schema, SchemaObject, without

_KEPT = 4  # of the last two migrations, before and after their rollbacks


class _Part(NamedTuple):
    """A catalog whose rows belong to relations.

    ``relation`` is the oid of a row's, ``seen`` which rows are seen where other
    relations are described, ``kind`` and ``described`` what query describes which rows.
    """

    relation: str
    kind: str = ""
    seen: str = "false"
    where: str = "true"
    described: str = "true"


_PARTS = {
    "pg_attribute": _Part("attrelid", "columns", "true", "attnum > 0"),
    "pg_attrdef": _Part("adrelid"),
    "pg_constraint": _Part("conrelid", "constraints", "true"),
    "pg_index": _Part("indrelid", "indexes"),
    "pg_inherits": _Part("inhrelid"),
    "pg_policy": _Part("polrelid", "policies"),
    "pg_rewrite": _Part("ev_class", "rules"),
    "pg_sequence": _Part("seqrelid", "sequences"),
    "pg_statistic_ext": _Part("stxrelid", "statistics"),
    "pg_trigger": _Part(
        "tgrelid", "triggers", "NOT tgisinternal", described="NOT tgisinternal"
    ),
}
_KINDS = {
    kind: 1 << place
    for place, kind in enumerate(
        ["comments", *(part.kind for part in _PARTS.values() if part.kind)]
    )
}
_WITH_OID = (
    "pg_attrdef", "pg_constraint", "pg_policy", "pg_rewrite", "pg_statistic_ext",
    "pg_trigger",
)  # fmt: skip
_OTHERS = (
    "pg_aggregate", "pg_am", "pg_amop", "pg_amproc", "pg_cast", "pg_collation",
    "pg_conversion", "pg_enum", "pg_event_trigger", "pg_extension",
    "pg_foreign_data_wrapper", "pg_foreign_server", "pg_foreign_table", "pg_language",
    "pg_namespace", "pg_opclass", "pg_operator", "pg_opfamily", "pg_proc",
    "pg_publication", "pg_publication_rel", "pg_range", "pg_transform", "pg_ts_config",
    "pg_ts_config_map", "pg_ts_dict", "pg_ts_parser", "pg_ts_template",
)  # fmt: skip

# Each relation with the one that it is described with: the table of an index, and of
# the column that a sequence is of. 0 stands for all that is no relation of a schema:
# composite types, what initdb made, and what is in other catalogs.
_FAMILIES = """
WITH families AS MATERIALIZED (
SELECT c.oid, CASE WHEN c.oid < 16384 OR c.relkind = 'c' THEN 0
    ELSE coalesce(x.indrelid, q.refobjid, c.oid) END AS family, {more}
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_class u ON u.oid = c.reltoastrelid
LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid
LEFT JOIN (SELECT s.seqrelid, d.refobjid FROM pg_catalog.pg_sequence s
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_class'::regclass
    AND d.objid = s.seqrelid AND d.refclassid = 'pg_class'::regclass
    AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')) q ON q.seqrelid = c.oid
WHERE c.relpersistence <> 't' AND c.relnamespace <> 'pg_toast'::regnamespace
UNION ALL SELECT 0, 0, NULL, NULL, NULL)"""


def _hash(row: str, alias: str) -> str:
    """Tell a row of a catalog from every other one; the catalog is in the seed."""
    return f"hash_record_extended(ROW({row}), {alias}.tableoid::bigint)"


def _row(alias: str) -> str:
    return _hash(f"{alias}.ctid, {alias}.xmin", alias)


def _each(texts: Iterable[str]) -> str:
    return "\nUNION ALL ".join(texts)


def _part(name: str) -> str:
    """Ask for the rows of a part: whose each is, if others show it, and its kind."""
    part = _PARTS[name]
    kind = f"CASE WHEN {part.described} THEN {_KINDS.get(part.kind, 0)} ELSE 0 END"
    return (
        f"SELECT p.{part.relation}, {_row('p')}, {part.seen}, {kind}"
        f" FROM pg_catalog.{name} p WHERE {part.where}"
    )


_CLASS = f"""{_hash("c.ctid, c.xmin, u.ctid, u.xmin", "c")} AS own,
    c.relkind = 'S' AS seen,
    CASE WHEN c.relkind NOT IN ('i', 'I')
    THEN {_hash("c.relname, c.relnamespace, c.relkind", "c")} END AS name"""
# Of each family: all its rows, those that are seen elsewhere, its name, and which kinds
# there are of its rows.
_MARKS = f"""{_FAMILIES.format(more=_CLASS)}
SELECT f.family, bit_xor(r.own), bit_xor(r.seen),
    bit_xor(f.name) FILTER (WHERE f.oid = f.family), bit_or(r.kinds)
FROM (SELECT oid, bit_xor(own) AS own, bit_xor(own) FILTER (WHERE seen) AS seen,
    bit_or(kind) AS kinds
FROM (
SELECT oid, own, seen, 0 AS kind FROM families
UNION ALL {_each(map(_part, _PARTS))}
UNION ALL SELECT 0, bit_xor({_row("t")}), false, 0 FROM pg_catalog.pg_type t
WHERE t.typtype <> 'c' AND t.typinput <> 'array_in'::regproc
UNION ALL SELECT 0, bit_xor({
    _hash("d.classid, d.objid, d.refobjid, d.deptype", "d")
}), false, 0 FROM pg_catalog.pg_depend d
WHERE d.refclassid IN ('pg_extension'::regclass, 'pg_publication'::regclass)
UNION ALL SELECT 0, bit_xor(hash_record_extended(ROW(oid, rolname), -1)), false, 0
FROM pg_catalog.pg_roles
UNION ALL SELECT CASE d.classoid WHEN 'pg_class'::regclass THEN d.objoid {
    " ".join(
        f"WHEN '{name}'::regclass THEN (SELECT p.{_PARTS[name].relation}"
        f" FROM pg_catalog.{name} p WHERE p.oid = d.objoid)"
        for name in _WITH_OID
    )
} ELSE 0 END, {_row("d")}, false, {_KINDS["comments"]}
FROM pg_catalog.pg_description d
WHERE d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass
) AS rows GROUP BY oid) AS r JOIN families f ON f.oid = r.oid
GROUP BY f.family
"""
# No row that initdb began with (xmin 1) comes again once it is gone.
_OTHER_ROWS = f"""
SELECT count(*), bit_xor({_row("o")}) FILTER (WHERE o.xmin <> '1') FROM (
{_each(f"SELECT tableoid, ctid, xmin FROM pg_catalog.{name}" for name in _OTHERS)}
) o
"""
# Whether these can be others than at the last look: which transaction it is, whether it
# has written none, if the server counts, and whether another transaction has committed.
# What was undone is counted, too.
_WRITTEN = f"""
SELECT now()::text, current_setting('track_counts')::boolean AND sum(
    pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
    + pg_stat_get_xact_tuples_deleted(oid)) = 0, pg_current_snapshot()::text, {{others}}
FROM unnest('{{{{{", ".join(_OTHERS)}}}}}'::regclass[]) AS oid
"""
# Of the transactions that had not ended by a snapshot, or had not begun.
_COMMITTED = """
EXISTS (SELECT FROM (
    SELECT pg_snapshot_xip('{snapshot}') UNION ALL SELECT x::text::xid8
    FROM generate_series(pg_snapshot_xmax('{snapshot}')::text::bigint,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1) AS x
) AS o (id) WHERE pg_xact_status(id) = 'committed')
"""
# The families of what depends on some families. Array types depend on row types.
_DEPENDENTS = f"""{_FAMILIES.format(more="NULL, NULL, NULL")},
objects AS MATERIALIZED (
SELECT 'pg_class'::regclass AS catalog, oid, family FROM families
UNION ALL SELECT 'pg_class'::regclass, c.reltoastrelid, f.family
FROM pg_catalog.pg_class c JOIN families f ON f.oid = c.oid AND c.reltoastrelid <> 0
UNION ALL SELECT 'pg_class'::regclass, x.indexrelid, f.family
FROM pg_catalog.pg_class c JOIN families f ON f.oid = c.oid
JOIN pg_catalog.pg_index x ON x.indrelid = c.reltoastrelid
UNION ALL SELECT 'pg_type'::regclass, t.oid, f.family FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_class c ON c.reltype = coalesce(NULLIF(t.typelem, 0), t.oid)
JOIN families f ON f.oid = c.oid
UNION ALL {
    _each(
        f"SELECT '{name}'::regclass, p.oid, f.family FROM pg_catalog.{name} p"
        f" JOIN families f ON f.oid = p.{_PARTS[name].relation}"
        for name in _WITH_OID
    )
})
SELECT DISTINCT coalesce(o.family, 0) FROM objects s
JOIN pg_catalog.pg_depend d ON d.refclassid = s.catalog AND d.refobjid = s.oid
LEFT JOIN objects o ON o.catalog = d.classid AND o.oid = d.objid
WHERE s.family IN"""


class _Marks(NamedTuple):
    """Of each family: what its rows are, those that others show, its name, and kinds.

    ``others`` is what is in the catalogs that have no rows of relations.
    """

    others: tuple[Any, ...]
    rows: dict[int, int]
    seen: dict[int, int]
    names: dict[int, int]
    kinds: dict[int, int]


class _Others(NamedTuple):
    """The last look at the other catalogs.

    When its transaction began, which other ones were over, and what was found.
    """

    began: str
    snapshot: str
    found: tuple[Any, ...]


class _Description(NamedTuple):
    marks: _Marks
    known: Facts
    families: Mapping[int, Mapping[ObjectKey, SchemaObject]]
    schema: Schema


class KeptCatalog:
    """Describes the schema of one database, again and again."""

    def __init__(self) -> None:
        self._kept: deque[_Description] = deque(maxlen=_KEPT)
        self._own: Collection[str] = ()
        self._only = ""
        self._last: _Others | None = None

    def catalog(
        self, fetch: Fetch, own: Collection[str] = (), only: str = ""
    ) -> Schema:
        """See ``catalog.catalog``."""
        if (own, only) != (self._own, self._only):
            self._kept.clear()
            self._own, self._only = own, only
        with configured(fetch):
            others = self._others(fetch)
            family, *marks = zip(*fetch(_MARKS), strict=True)
            each = [dict(zip(family, mark, strict=True)) for mark in marks]
            now = _Marks(others, *each)
            found = self._changed(fetch, now) or self._whole(fetch, now)
        self._kept.append(found)
        return found.schema

    def _others(self, fetch: Fetch) -> tuple[Any, ...]:
        """Look at the other catalogs, unless they must be as they were."""
        last = self._last
        asked = _COMMITTED.format(snapshot=last.snapshot) if last else "true"
        (now,) = fetch(_WRITTEN.format(others=asked))
        began, unwritten, snapshot, committed = now
        if last and last.began == began and unwritten and not committed:
            found = last.found
        else:
            (found,) = fetch(_OTHER_ROWS)
        self._last = _Others(began, snapshot, found)
        return found

    def _whole(self, fetch: Fetch, now: _Marks) -> _Description:
        known = facts(fetch)
        families = self._read(fetch, known, QUERIES, _KINDS["comments"])
        schema = {key: it for each in families.values() for key, it in each.items()}
        return _Description(now, known, families, schema)

    def _read(
        self, fetch: Fetch, known: Facts, queries: Iterable[str], kinds: int
    ) -> dict[int, dict[ObjectKey, SchemaObject]]:
        comments = bool(kinds & _KINDS["comments"])
        found = read(fetch, known, queries, self._only, comments=comments)
        return {family: without(each, self._own) for family, each in found.items()}

    def _changed(self, fetch: Fetch, now: _Marks) -> _Description | None:
        """Describe what is not as it was; None where that may be anything."""
        like = [
            ({family for family, _ in now.rows.items() - kept.marks.rows.items()}, kept)
            for kept in self._kept
            if kept.marks.others == now.others
            and kept.marks.names.items() <= now.names.items()
        ]
        if not like:
            return None
        changes, before = min(like, key=lambda pair: len(pair[0]))
        was = before.marks.seen
        if seen := [
            one for one in changes if was.get(one, now.seen[one]) != now.seen[one]
        ]:
            changes |= {row[0] for row in fetch(f"{_DEPENDENTS} ({_list(seen)})")}
        if 0 in changes:
            return None
        if not changes:
            return before
        kinds = reduce(or_, (now.kinds.get(family, 0) for family in changes))
        again = self._read(fetch, before.known, _queries(changes, kinds), kinds)
        families, schema = {**before.families}, {**before.schema}
        for family in changes:
            for key in families.pop(family, ()):
                del schema[key]
        for family, each in again.items():
            families[family] = each
            schema |= each
        return _Description(now, before.known, families, schema)


def _queries(families: Collection[int], kinds: int) -> list[str]:
    """Describe families; to plan a query takes longer than to run it for nothing."""
    return [
        f"{OF_RELATIONS[name]} AND {relation} IN ({_list(families)})"
        for name, relation in RELATION.items()
        if name not in _KINDS or kinds & _KINDS[name]
    ]


def _list(families: Iterable[int]) -> str:
    return ", ".join(map(str, families))
