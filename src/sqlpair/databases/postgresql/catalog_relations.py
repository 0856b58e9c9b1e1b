"""What is asked of pg_catalog for tables, views, sequences and their parts.

Every query gives the same columns: the object's address in pg_depend (catalog, oid,
sub-id), the address of what it is part of (catalog, oid, sub-id, or nulls), its kind,
its name's parts as a JSON array (schema first; null for an object outside schemas),
its position, and its attributes as a JSON object in which null stands for "as usual".
The attributes' names are the words of the sentences that ``sqlpair.schema.model``
makes.

The queries suit every server from 14 on. NOT NULL is a column's property: from 18 on
it is also a constraint, but under a name that nobody chose.
"""

from __future__ import annotations

QUERIES = {
    # A foreign key is enforced by triggers of both its tables, a deferrable unique
    # constraint by one of its own; ``DISABLE TRIGGER ALL`` switches these off, too.
    # Partitions and children repeat their parents' columns; each is described in full,
    # because a default or NOT NULL may differ from one to the next.
    "relations": """
SELECT 'pg_class', c.oid, 0, NULL, NULL, NULL,
    CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
        WHEN 'f' THEN 'foreign table' ELSE 'table' END,
    json_build_array(n.nspname, c.relname)::text, NULL,
    json_build_object(
        'unlogged', c.relpersistence = 'u',
        'populated', c.relkind = 'm' AND c.relispopulated,
        'definition', CASE WHEN c.relkind IN ('v', 'm')
            THEN pg_catalog.pg_get_viewdef(c.oid) END,
        'column defaults', CASE c.relkind WHEN 'v' THEN (SELECT json_agg(
                a.attname || ' ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid)
                ORDER BY a.attname)
            FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a
            ON a.attrelid = d.adrelid AND a.attnum = d.adnum
            WHERE d.adrelid = c.oid) END,
        'row type', NULLIF(c.reloftype, 0)::regtype::text,
        'partition key', CASE c.relkind
            WHEN 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END,
        'partition bounds', pg_catalog.pg_get_expr(c.relpartbound, c.oid),
        CASE WHEN c.relispartition THEN 'partitioned parent' ELSE 'parents' END,
        (SELECT json_agg(concat_ws(' ', i.inhparent::regclass,
                CASE WHEN i.inhdetachpending THEN '(detach pending)' END)
                ORDER BY i.inhseqno)
            FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid),
        'constraint triggers', CASE WHEN c.relhastriggers THEN (
            SELECT json_agg(DISTINCT concat_ws(' ', o.conname,
                CASE g.tgenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica'
                    ELSE 'always' END, 'on ' || NULLIF(o.conrelid, c.oid)::regclass))
            FROM pg_catalog.pg_trigger g
            JOIN pg_catalog.pg_constraint o ON o.oid = g.tgconstraint
            WHERE g.tgrelid = c.oid AND g.tgisinternal AND g.tgenabled <> 'O') END,
        'row security', CASE
            WHEN c.relrowsecurity AND c.relforcerowsecurity
            THEN 'enabled, also for the owner'
            WHEN c.relrowsecurity THEN 'enabled'
            WHEN c.relforcerowsecurity THEN 'disabled (forced once enabled)' END,
        'replica identity', CASE WHEN c.relkind IN ('r', 'p') THEN CASE c.relreplident
            WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing'
            WHEN 'i' THEN (SELECT 'index ' || x.indexrelid::regclass
                FROM pg_catalog.pg_index x
                WHERE x.indrelid = c.oid AND x.indisreplident) END END,
        'clustering index', CASE WHEN c.relhasindex THEN (
            SELECT x.indexrelid::regclass::text FROM pg_catalog.pg_index x
            WHERE x.indrelid = c.oid AND x.indisclustered) END,
        'access method', (SELECT NULLIF(m.amname, 'heap')
            FROM pg_catalog.pg_am m WHERE m.oid = c.relam),
        'server', CASE c.relkind WHEN 'f' THEN (
            SELECT s.srvname FROM pg_catalog.pg_foreign_table f
            JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
            WHERE f.ftrelid = c.oid) END,
        'options', CASE c.relkind WHEN 'f' THEN (
            SELECT json_agg(o ORDER BY o) FROM pg_catalog.pg_foreign_table f,
            unnest(f.ftoptions) o WHERE f.ftrelid = c.oid) END,
        'storage parameters', CASE WHEN c.reloptions IS NOT NULL
            OR u.reloptions IS NOT NULL THEN (SELECT json_agg(o ORDER BY o) FROM (
            SELECT unnest(c.reloptions)
            UNION ALL SELECT 'toast.' || unnest(u.reloptions)) p(o)) END
    )::text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class u ON u.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    # An identity column's sequence is told with the column: its name means nothing. A
    # partition has its parent's identity, and says so only from 17 on.
    # Options called pg_… are the server's notes (pg_attver), others in each database.
    "columns": """
SELECT 'pg_class', c.oid, a.attnum, 'pg_class', c.oid, 0, 'column',
    json_build_array(n.nspname, c.relname, a.attname)::text, a.attnum,
    json_build_object(
        'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
        'nullable', NOT a.attnotnull,
        'not null constraint', concat_ws(', ',
            CASE WHEN NOT o.convalidated THEN 'not valid' END,
            CASE WHEN o.connoinherit THEN 'no inherit' END),
        'default', CASE a.attgenerated
            WHEN '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
        'generation', CASE WHEN a.attgenerated <> '' THEN
            'always as ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid)
            || CASE a.attgenerated WHEN 's' THEN ' stored' ELSE ' virtual' END END,
        'identity', CASE WHEN NOT c.relispartition THEN CASE a.attidentity
            WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END END,
        'identity sequence', CASE
            WHEN NOT c.relispartition AND a.attidentity <> '' THEN (
            SELECT format('from %s by %s, %s to %s, cache %s%s', q.seqstart,
                q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
                CASE WHEN q.seqcycle THEN ', cycling' END)
            FROM pg_catalog.pg_depend e
            JOIN pg_catalog.pg_sequence q ON q.seqrelid = e.objid
            WHERE e.refclassid = 'pg_class'::regclass AND e.refobjid = c.oid
                AND e.refobjsubid = a.attnum AND e.deptype = 'i') END,
        'collation', CASE WHEN a.attcollation <> t.typcollation
            THEN a.attcollation::regcollation::text END,
        'storage', CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage
            WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external'
            WHEN 'm' THEN 'main' ELSE 'extended' END END,
        'compression', CASE a.attcompression
            WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END,
        'statistics target', NULLIF(a.attstattarget, -1)::text,
        'options', CASE WHEN a.attoptions IS NOT NULL OR a.attfdwoptions IS NOT NULL
            THEN (SELECT json_agg(o ORDER BY o) FROM (
                SELECT o FROM unnest(a.attoptions) p(o) WHERE o !~ '^pg_'
                UNION ALL SELECT unnest(a.attfdwoptions)) p(o)) END
    )::text
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_constraint o
    ON o.contype = 'n' AND o.conrelid = c.oid AND o.conkey = ARRAY[a.attnum]
WHERE c.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    # What a parent hands down is told once, with the parent: a dump and restore turns
    # inherited constraints into local ones, and the copies' names differ by version.
    "constraints": """
SELECT 'pg_constraint', o.oid, 0, 'pg_class', c.oid, 0,
    CASE o.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique constraint'
        WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'check constraint'
        ELSE 'exclusion constraint' END,
    json_build_array(n.nspname, c.relname, o.conname)::text, NULL,
    json_build_object(
        'definition', regexp_replace(
            pg_catalog.pg_get_constraintdef(o.oid), ' NOT VALID$', ''),
        'valid', o.convalidated,
        'index state', CASE x.indisvalid AND x.indisready AND x.indislive
            WHEN true THEN 'valid' WHEN false THEN 'invalid' END,
        'storage parameters', (SELECT json_agg(p ORDER BY p)
            FROM pg_catalog.pg_class i, unnest(i.reloptions) p
            WHERE i.oid = x.indexrelid)
    )::text
FROM pg_catalog.pg_constraint o
JOIN pg_catalog.pg_class c ON c.oid = o.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = o.conindid AND o.contype <> 'f'
WHERE o.contype IN ('p', 'u', 'f', 'c', 'x')
    AND o.conparentid = 0 AND (o.contype <> 'c' OR o.coninhcount = 0)
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    # Indexes of constraints are told with the constraint, a partition's part of an
    # index with the whole. What the definition says of the columns, catalog.py cuts
    # out of it.
    "indexes": """
SELECT 'pg_class', c.oid, 0, 'pg_class', x.indrelid, 0, 'index',
    json_build_array(n.nspname, c.relname)::text, NULL,
    json_build_object(
        'table', x.indrelid::regclass::text,
        'unique', x.indisunique,
        'valid', x.indisvalid AND x.indisready AND x.indislive,
        'method', m.amname,
        'columns', pg_catalog.pg_get_indexdef(c.oid),
        'predicate', pg_catalog.pg_get_expr(x.indpred, x.indrelid),
        'statistics targets', (SELECT json_agg(
                'column ' || a.attnum || ' ' || a.attstattarget ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute a
            WHERE a.attrelid = c.oid AND a.attstattarget >= 0),
        'storage parameters', (SELECT json_agg(o ORDER BY o)
            FROM unnest(c.reloptions) o)
    )::text
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = c.relam
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE NOT c.relispartition
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o
        WHERE o.conindid = c.oid AND o.contype IN ('p', 'u', 'x'))
""",
    "sequences": """
SELECT 'pg_class', c.oid, 0,
    CASE WHEN d.objid IS NOT NULL THEN 'pg_class' END, d.refobjid, d.refobjsubid,
    'sequence', json_build_array(n.nspname, c.relname)::text, NULL,
    json_build_object(
        'type', s.seqtypid::regtype::text,
        'start', s.seqstart::text, 'increment', s.seqincrement::text,
        'minimum', s.seqmin::text, 'maximum', s.seqmax::text,
        'cache', s.seqcache::text, 'cycling', s.seqcycle,
        'unlogged', c.relpersistence = 'u',
        'owning column', d.refobjid::regclass || '.' || a.attname
    )::text
FROM pg_catalog.pg_sequence s
JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_class'::regclass
    AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
    AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_attribute a
    ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.deptype IS DISTINCT FROM 'i'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    # A partition's copy of its parent's trigger counts only where it is switched
    # differently.
    "triggers": """
SELECT 'pg_trigger', t.oid, 0, 'pg_class', c.oid, 0, 'trigger',
    json_build_array(n.nspname, c.relname, t.tgname)::text, NULL,
    json_build_object(
        'definition', pg_catalog.pg_get_triggerdef(t.oid),
        'firing mode', CASE t.tgenabled WHEN 'D' THEN 'disabled'
            WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' ELSE 'enabled' END
    )::text
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_trigger parent ON parent.oid = t.tgparentid
WHERE NOT t.tgisinternal AND t.tgenabled IS DISTINCT FROM parent.tgenabled
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "rules": """
SELECT 'pg_rewrite', r.oid, 0, 'pg_class', c.oid, 0, 'rule',
    json_build_array(n.nspname, c.relname, r.rulename)::text, NULL,
    json_build_object(
        'definition', pg_catalog.pg_get_ruledef(r.oid),
        'firing mode', CASE r.ev_enabled WHEN 'D' THEN 'disabled'
            WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' ELSE 'enabled' END
    )::text
FROM pg_catalog.pg_rewrite r
JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "policies": """
SELECT 'pg_policy', p.oid, 0, 'pg_class', c.oid, 0, 'policy',
    json_build_array(n.nspname, c.relname, p.polname)::text, NULL,
    json_build_object(
        'command', CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert'
            WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
        'restrictive', NOT p.polpermissive,
        'roles', (SELECT json_agg(coalesce(u.rolname, 'public') ORDER BY u.rolname)
            FROM unnest(p.polroles) r
            LEFT JOIN pg_catalog.pg_roles u ON u.oid = r),
        'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
        'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
    )::text
FROM pg_catalog.pg_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.polrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "statistics": """
SELECT 'pg_statistic_ext', s.oid, 0, 'pg_class', s.stxrelid, 0, 'statistics object',
    json_build_array(n.nspname, s.stxname)::text, NULL,
    json_build_object(
        'definition', pg_catalog.pg_get_statisticsobjdef(s.oid),
        'statistics target', NULLIF(s.stxstattarget, -1)::text
    )::text
FROM pg_catalog.pg_statistic_ext s
JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
}

# In each of these queries: the relation that the object belongs to.
RELATION = {
    "relations": "c.oid",
    "columns": "a.attrelid",
    "constraints": "o.conrelid",
    "indexes": "x.indrelid",
    "sequences": "coalesce(d.refobjid, c.oid)",
    "triggers": "t.tgrelid",
    "rules": "r.ev_class",
    "policies": "p.polrelid",
    "statistics": "s.stxrelid",
}
