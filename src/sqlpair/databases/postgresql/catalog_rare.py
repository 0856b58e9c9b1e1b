"""What is asked of pg_catalog for kinds that few schemas hold.

The queries give the same columns as those of ``catalog_relations``. An operator, a
cast and the like have names with a signature, as functions do. User mappings and
subscriptions hold passwords, and a server's options name hosts: these belong to the
environment and are left out.
"""

from __future__ import annotations

QUERIES = {
    "collations": """
SELECT 'pg_collation', c.oid, 0, NULL, NULL, NULL, 'collation',
    json_build_array(n.nspname, c.collname)::text, NULL,
    json_build_object(
        'provider', CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc'
            ELSE 'builtin' END,
        'locale', coalesce(to_jsonb(c) ->> 'colllocale',
            to_jsonb(c) ->> 'colliculocale', c.collcollate),
        'rules', to_jsonb(c) ->> 'collicurules',
        'deterministic', c.collisdeterministic
    )::text
FROM pg_catalog.pg_collation c
JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "conversions": """
SELECT 'pg_conversion', c.oid, 0, NULL, NULL, NULL, 'conversion',
    json_build_array(n.nspname, c.conname)::text, NULL,
    json_build_object(
        'from', pg_catalog.pg_encoding_to_char(c.conforencoding),
        'to', pg_catalog.pg_encoding_to_char(c.contoencoding),
        'function', c.conproc::text,
        'default', c.condefault
    )::text
FROM pg_catalog.pg_conversion c
JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "transforms": """
SELECT 'pg_transform', t.oid, 0, NULL, NULL, NULL, 'transform',
    json_build_array(NULL, pg_catalog.format_type(t.trftype, NULL) || ' for '
        || l.lanname)::text, NULL,
    json_build_object(
        'from SQL', NULLIF(t.trffromsql, 0)::regprocedure::text,
        'to SQL', NULLIF(t.trftosql, 0)::regprocedure::text
    )::text
FROM pg_catalog.pg_transform t JOIN pg_catalog.pg_language l ON l.oid = t.trflang
""",
    # Not those that a range type makes for itself.
    "casts": """
SELECT 'pg_cast', c.oid, 0, NULL, NULL, NULL, 'cast',
    json_build_array(NULL, pg_catalog.format_type(c.castsource, NULL) || ' to '
        || pg_catalog.format_type(c.casttarget, NULL))::text, NULL,
    json_build_object(
        'function', NULLIF(c.castfunc, 0)::regprocedure::text,
        'method', CASE c.castmethod WHEN 'f' THEN 'function' WHEN 'i' THEN 'text'
            ELSE 'binary' END,
        'context', CASE c.castcontext WHEN 'e' THEN 'explicit'
            WHEN 'a' THEN 'assignment' ELSE 'implicit' END
    )::text
FROM pg_catalog.pg_cast c
WHERE c.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_cast'::regclass AND d.objid = c.oid AND d.deptype = 'i')
""",
    "operators": """
SELECT 'pg_operator', o.oid, 0, NULL, NULL, NULL, 'operator',
    json_build_array(n.nspname, concat(
        CASE WHEN n.nspname <> 'public' THEN '.' END, o.oprname, ' (',
        concat_ws(', ', NULLIF(o.oprleft, 0)::regtype, o.oprright::regtype), ')'
        ))::text, NULL,
    json_build_object(
        'function', o.oprcode::text,
        'result', o.oprresult::regtype::text,
        'commutator', NULLIF(o.oprcom, 0)::regoperator::text,
        'negator', NULLIF(o.oprnegate, 0)::regoperator::text,
        'restriction estimator', NULLIF(o.oprrest::text, '-'),
        'join estimator', NULLIF(o.oprjoin::text, '-'),
        'mergeable', o.oprcanmerge,
        'hashable', o.oprcanhash
    )::text
FROM pg_catalog.pg_operator o
JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
WHERE o.oprcode <> 0 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "operator classes": """
SELECT 'pg_opclass', o.oid, 0, NULL, NULL, NULL, 'operator class',
    json_build_array(n.nspname, o.opcname, ' using ' || m.amname)::text, NULL,
    json_build_object(
        'type', o.opcintype::regtype::text,
        'stored type', NULLIF(o.opckeytype, 0)::regtype::text,
        'default', o.opcdefault,
        'family', f.opfname
    )::text
FROM pg_catalog.pg_opclass o
JOIN pg_catalog.pg_opfamily f ON f.oid = o.opcfamily
JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "operator families": """
SELECT 'pg_opfamily', f.oid, 0, NULL, NULL, NULL, 'operator family',
    json_build_array(n.nspname, f.opfname, ' using ' || m.amname)::text, NULL,
    json_build_object(
        'operators', (SELECT json_agg(
                format('%s %s', o.amopstrategy, o.amopopr::regoperator)
                ORDER BY o.amopstrategy, o.amopopr::regoperator::text)
            FROM pg_catalog.pg_amop o WHERE o.amopfamily = f.oid),
        'functions', (SELECT json_agg(
                format('%s %s', p.amprocnum, p.amproc::regprocedure)
                ORDER BY p.amprocnum, p.amproc::regprocedure::text)
            FROM pg_catalog.pg_amproc p WHERE p.amprocfamily = f.oid)
    )::text
FROM pg_catalog.pg_opfamily f
JOIN pg_catalog.pg_am m ON m.oid = f.opfmethod
JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "text search templates": """
SELECT 'pg_ts_template', t.oid, 0, NULL, NULL, NULL, 'text search template',
    json_build_array(n.nspname, t.tmplname)::text, NULL,
    json_build_object('functions', json_build_array(t.tmplinit, t.tmpllexize))::text
FROM pg_catalog.pg_ts_template t
JOIN pg_catalog.pg_namespace n ON n.oid = t.tmplnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "text search parsers": """
SELECT 'pg_ts_parser', p.oid, 0, NULL, NULL, NULL, 'text search parser',
    json_build_array(n.nspname, p.prsname)::text, NULL,
    json_build_object('functions', json_build_array(
        p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype))::text
FROM pg_catalog.pg_ts_parser p
JOIN pg_catalog.pg_namespace n ON n.oid = p.prsnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "text search dictionaries": """
SELECT 'pg_ts_dict', d.oid, 0, NULL, NULL, NULL, 'text search dictionary',
    json_build_array(n.nspname, d.dictname)::text, NULL,
    json_build_object('template', t.tmplname, 'options', d.dictinitoption)::text
FROM pg_catalog.pg_ts_dict d
JOIN pg_catalog.pg_ts_template t ON t.oid = d.dicttemplate
JOIN pg_catalog.pg_namespace n ON n.oid = d.dictnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    "text search configurations": """
SELECT 'pg_ts_config', c.oid, 0, NULL, NULL, NULL, 'text search configuration',
    json_build_array(n.nspname, c.cfgname)::text, NULL,
    json_build_object(
        'parser', p.prsname,
        'mappings', (SELECT json_agg(t.alias || ' ' || m.mapdict::regdictionary
                ORDER BY t.alias, m.mapseqno)
            FROM pg_catalog.pg_ts_config_map m
            JOIN pg_catalog.ts_token_type(c.cfgparser) t ON t.tokid = m.maptokentype
            WHERE m.mapcfg = c.oid)
    )::text
FROM pg_catalog.pg_ts_config c
JOIN pg_catalog.pg_ts_parser p ON p.oid = c.cfgparser
JOIN pg_catalog.pg_namespace n ON n.oid = c.cfgnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
""",
    # Row filters, columns and schemas came with 15, sequences and tables that are
    # excepted with 19, so they are looked up by name.
    "publications": """
SELECT 'pg_publication', p.oid, 0, NULL, NULL, NULL, 'publication',
    json_build_array(NULL, p.pubname)::text, NULL,
    json_build_object(
        'tables', CASE WHEN p.puballtables THEN (
            SELECT to_json('{all}' || array_agg('except ' || r.prrelid::regclass
                ORDER BY r.prrelid::regclass::text) FILTER (WHERE r.prpubid = p.oid))
            FROM pg_catalog.pg_publication_rel r)
        ELSE (
            SELECT json_agg(concat_ws(' ', r.prrelid::regclass,
                    '(' || (SELECT string_agg(a.attname, ', ' ORDER BY a.attname)
                        FROM pg_catalog.pg_attribute a WHERE a.attrelid = r.prrelid
                        AND a.attnum = ANY (translate(
                            to_jsonb(r) ->> 'prattrs', '[]', '{}')::int[])) || ')',
                    'where ' || (SELECT to_jsonb(v) ->> 'rowfilter'
                        FROM pg_catalog.pg_publication_tables v
                        WHERE v.pubname = p.pubname
                        AND format('%I.%I', v.schemaname, v.tablename)::regclass
                            = r.prrelid)) ORDER BY r.prrelid::regclass::text)
            FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid) END,
        'schemas', (SELECT json_agg(n.nspname ORDER BY n.nspname)
            FROM pg_catalog.pg_depend d
            JOIN pg_catalog.pg_depend s ON (s.classid, s.objid) = (d.classid, d.objid)
                AND s.refclassid = 'pg_namespace'::regclass
            JOIN pg_catalog.pg_namespace n ON n.oid = s.refobjid
            WHERE d.refclassid = 'pg_publication'::regclass AND d.refobjid = p.oid),
        'sequences', CASE WHEN to_jsonb(p) ->> 'puballsequences' = 'true' THEN 'all'
            END,
        'operations', array_remove(ARRAY[CASE WHEN p.pubinsert THEN 'insert' END,
            CASE WHEN p.pubupdate THEN 'update' END,
            CASE WHEN p.pubdelete THEN 'delete' END,
            CASE WHEN p.pubtruncate THEN 'truncate' END], NULL),
        'published via the root', p.pubviaroot,
        'generated columns', CASE to_jsonb(p) ->> 'pubgencols'
            WHEN 's' THEN 'stored' END
    )::text
FROM pg_catalog.pg_publication p
""",
    "foreign servers": """
SELECT 'pg_foreign_server', s.oid, 0, NULL, NULL, NULL, 'foreign server',
    json_build_array(NULL, s.srvname)::text, NULL,
    json_build_object('type', s.srvtype, 'wrapper', w.fdwname)::text
FROM pg_catalog.pg_foreign_server s
JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw
""",
    "foreign data wrappers": """
SELECT 'pg_foreign_data_wrapper', w.oid, 0, NULL, NULL, NULL, 'foreign-data wrapper',
    json_build_array(NULL, w.fdwname)::text, NULL,
    json_build_object(
        'handler', NULLIF(w.fdwhandler, 0)::regproc::text,
        'validator', NULLIF(w.fdwvalidator, 0)::regproc::text,
        'connection',
            NULLIF(to_jsonb(w) ->> 'fdwconnection', '0')::oid::regproc::text
    )::text
FROM pg_catalog.pg_foreign_data_wrapper w
""",
    "access methods": """
SELECT 'pg_am', m.oid, 0, NULL, NULL, NULL, 'access method',
    json_build_array(NULL, m.amname)::text, NULL,
    json_build_object('handler', m.amhandler::text)::text
FROM pg_catalog.pg_am m WHERE m.oid >= 16384
""",
    "languages": """
SELECT 'pg_language', l.oid, 0, NULL, NULL, NULL, 'language',
    json_build_array(NULL, l.lanname)::text, NULL,
    json_build_object(
        'trusted', l.lanpltrusted,
        'handler', NULLIF(l.lanplcallfoid, 0)::regproc::text
    )::text
FROM pg_catalog.pg_language l WHERE l.oid >= 16384
""",
}
