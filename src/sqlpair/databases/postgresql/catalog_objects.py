"""What is asked of pg_catalog for what stands beside the tables.

The queries give the same columns as those of ``catalog_relations``, and suit every
server from 14 on.
"""

from __future__ import annotations

QUERIES = {
    "schemas": """
SELECT 'pg_namespace', n.oid, 0, NULL, NULL, NULL, 'schema',
    json_build_array(NULL, n.nspname)::text, NULL, '{}'
FROM pg_catalog.pg_namespace n
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    # The version that the server installs unasked is no property of the schema: the
    # same CREATE EXTENSION gives pgcrypto 1.3 on PostgreSQL 15 and 1.4 on 18.
    "extensions": """
SELECT 'pg_extension', e.oid, 0, NULL, NULL, NULL, 'extension',
    json_build_array(NULL, e.extname)::text, NULL,
    json_build_object(
        'version', CASE WHEN e.extversion = a.default_version
            THEN 'the server''s default' ELSE e.extversion END,
        'schema', n.nspname
    )::text
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
LEFT JOIN pg_catalog.pg_available_extensions() a ON a.name = e.extname
""",
    # Not the row types of tables, nor the array and multirange types that come along.
    "types": """
SELECT 'pg_type', t.oid, 0, NULL, NULL, NULL,
    CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN
        'range type' WHEN 'c' THEN 'composite type' ELSE 'base type' END,
    json_build_array(n.nspname, t.typname)::text, NULL,
    json_build_object(
        'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder)
            FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid),
        'type', CASE t.typtype
            WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
        'nullable', CASE t.typtype WHEN 'd' THEN NOT t.typnotnull END,
        'default', CASE t.typtype WHEN 'd' THEN
            coalesce(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault) END,
        'collation', CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation
            THEN t.typcollation::regcollation::text END,
        'attributes', (SELECT json_agg(concat_ws(' ', a.attname,
                pg_catalog.format_type(a.atttypid, a.atttypmod),
                'collate ' || CASE WHEN a.attcollation <> at.typcollation
                    THEN a.attcollation::regcollation::text END) ORDER BY a.attnum)
            FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_type at ON at.oid = a.atttypid
            WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
        'subtype', r.rngsubtype::regtype::text,
        'operator class', (SELECT o.opcname FROM pg_catalog.pg_opclass o
            WHERE o.oid = r.rngsubopc AND NOT o.opcdefault),
        'subtype collation', (SELECT NULLIF(r.rngcollation, s.typcollation)
            ::regcollation::text FROM pg_catalog.pg_type s WHERE s.oid = r.rngsubtype),
        'canonical function', NULLIF(r.rngcanonical::text, '-'),
        'difference function', NULLIF(r.rngsubdiff::text, '-'),
        'multirange type', r.rngmultitypid::regtype::text,
        'functions', CASE t.typtype WHEN 'b' THEN json_build_array(
            t.typinput::text, t.typoutput::text, t.typreceive::text,
            t.typsend::text, t.typmodin::text, t.typmodout::text) END
    )::text
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
WHERE t.typisdefined AND t.typtype IN ('e', 'd', 'r', 'c', 'b')
    AND (c.oid IS NULL OR c.relkind = 'c')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "domain constraints": """
SELECT 'pg_constraint', o.oid, 0, 'pg_type', t.oid, 0, 'check constraint',
    json_build_array(n.nspname, t.typname, o.conname)::text, NULL,
    json_build_object(
        'definition', regexp_replace(
            pg_catalog.pg_get_constraintdef(o.oid), ' NOT VALID$', ''),
        'valid', o.convalidated
    )::text
FROM pg_catalog.pg_constraint o
JOIN pg_catalog.pg_type t ON t.oid = o.contypid
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE o.contype = 'c' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    # Not those that a range type makes for itself.
    "functions": """
SELECT 'pg_proc', p.oid, 0, NULL, NULL, NULL,
    CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'
        WHEN 'w' THEN 'window function' ELSE 'function' END,
    json_build_array(n.nspname, p.proname,
        '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')')::text, NULL,
    json_build_object(
        'arguments', NULLIF(pg_catalog.pg_get_function_arguments(p.oid), ''),
        'result', pg_catalog.pg_get_function_result(p.oid),
        'language', l.lanname,
        'body', CASE WHEN g.aggfnoid IS NULL THEN p.prosrc END,
        'SQL body', pg_catalog.pg_get_function_sqlbody(p.oid),
        'library', p.probin,
        'volatility', CASE p.provolatile WHEN 'i' THEN 'immutable'
            WHEN 's' THEN 'stable' ELSE 'volatile' END,
        'parallel mode', CASE p.proparallel WHEN 's' THEN 'safe'
            WHEN 'r' THEN 'restricted' ELSE 'unsafe' END,
        'strict', p.proisstrict,
        'security definer', p.prosecdef,
        'leakproof', p.proleakproof,
        'cost', CASE WHEN p.procost <> CASE WHEN l.lanname IN ('c', 'internal')
            THEN 1 ELSE 100 END AND g.aggfnoid IS NULL THEN p.procost::text END,
        'rows', CASE WHEN p.proretset AND p.prorows <> 1000 THEN p.prorows::text END,
        'support function', NULLIF(p.prosupport::text, '-'),
        'settings', (SELECT json_agg(o ORDER BY o) FROM unnest(p.proconfig) o),
        'aggregation', CASE WHEN g.aggfnoid IS NOT NULL THEN array_remove(ARRAY[
            'state ' || g.aggtranstype::regtype,
            'state size ' || NULLIF(g.aggtransspace, 0),
            'start ' || g.agginitval,
            'transition ' || g.aggtransfn,
            'final ' || NULLIF(g.aggfinalfn::text, '-'),
            CASE WHEN g.aggfinalextra THEN 'final extra' END,
            'final modify ' || NULLIF(g.aggfinalmodify::text, 'r'),
            'combine ' || NULLIF(g.aggcombinefn::text, '-'),
            'serialize ' || NULLIF(g.aggserialfn::text, '-'),
            'deserialize ' || NULLIF(g.aggdeserialfn::text, '-'),
            'moving state ' || NULLIF(g.aggmtranstype, 0)::regtype,
            'moving state size ' || NULLIF(g.aggmtransspace, 0),
            'moving start ' || g.aggminitval,
            'moving transition ' || NULLIF(g.aggmtransfn::text, '-'),
            'moving inverse ' || NULLIF(g.aggminvtransfn::text, '-'),
            'moving final ' || NULLIF(g.aggmfinalfn::text, '-'),
            CASE WHEN g.aggmfinalextra THEN 'moving final extra' END,
            'moving final modify ' || NULLIF(g.aggmfinalmodify::text, 'r'),
            'kind ' || NULLIF(g.aggkind::text, 'n'),
            'sort operator ' || NULLIF(g.aggsortop, 0)::regoperator], NULL) END
    )::text
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
LEFT JOIN pg_catalog.pg_aggregate g ON g.aggfnoid = p.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
            AND d.deptype = 'i')
""",
    "event triggers": """
SELECT 'pg_event_trigger', e.oid, 0, NULL, NULL, NULL, 'event trigger',
    json_build_array(NULL, e.evtname)::text, NULL,
    json_build_object(
        'event', e.evtevent,
        'function', e.evtfoid::regprocedure::text,
        'tags', (SELECT json_agg(t ORDER BY t) FROM unnest(e.evttags) t),
        'firing mode', CASE e.evtenabled WHEN 'D' THEN 'disabled'
            WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' ELSE 'enabled' END
    )::text
FROM pg_catalog.pg_event_trigger e
""",
}

# What an extension brought along, by address.
EXTENSION_MEMBERS = """
SELECT d.classid::regclass::text, d.objid
FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
"""

# Below 16384 are the objects that initdb made: of these only the schema public is told,
# which has no such comment where it was made again. An extension's comment comes with
# it. A composite type's attributes are commented at the type's hidden relation, the
# index of a constraint is told with the constraint.
COMMENTS = """
SELECT CASE WHEN o.oid IS NOT NULL THEN 'pg_constraint'
        WHEN c.relkind = 'c' THEN 'pg_type' ELSE d.classoid::regclass::text END,
    CASE WHEN o.oid IS NOT NULL THEN o.oid
        WHEN c.relkind = 'c' THEN c.reltype ELSE d.objoid END,
    CASE WHEN o.oid IS NOT NULL THEN -1 ELSE d.objsubid END,
    CASE WHEN o.oid IS NOT NULL THEN 'its index' ELSE a.attname END,
    d.description
FROM pg_catalog.pg_description d
LEFT JOIN pg_catalog.pg_class c
    ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid
LEFT JOIN pg_catalog.pg_attribute a
    ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
LEFT JOIN pg_catalog.pg_constraint o
    ON o.conindid = c.oid AND o.contype IN ('p', 'u', 'x')
WHERE d.classoid <> 'pg_extension'::regclass AND (d.objoid >= 16384
    OR d.classoid = 'pg_namespace'::regclass AND d.objoid = to_regnamespace('public')
    AND d.description <> 'standard public schema')
"""
