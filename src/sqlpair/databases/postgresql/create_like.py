"""What a PostgreSQL database has besides its contents, as SQL that gives it to another.

Encoding, locale, owner, tablespace, connection limit, settings, grants and comment:
what ``pg_dump --create`` would write down. They are taken from the live database, for
they belong to the server it is on, and a restore is not to change them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlpair.databases.quoting import identifier, quote

Rows = Callable[[str], list[dict[str, Any]]]

# Lists of names, whose text is not one quoted value.
LISTS = frozenset(
    {
        "search_path",
        "temp_tablespaces",
        "local_preload_libraries",
        "session_preload_libraries",
    }
)
PROVIDERS = {"i": ("icu", "ICU_LOCALE"), "b": ("builtin", "BUILTIN_LOCALE")}


def create(rows: Rows, like: str, name: str) -> str:
    """Return the statement that creates ``name``, empty, as ``like`` was created."""
    found = rows(
        "SELECT d.*, pg_catalog.pg_get_userbyid(d.datdba) AS owner, t.spcname,"
        " d.dattablespace = t0.dattablespace AS usual,"
        " pg_catalog.pg_encoding_to_char(d.encoding) AS encoding_name"
        " FROM pg_catalog.pg_database d"
        " JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace"
        " JOIN pg_catalog.pg_database t0 ON t0.datname = 'template0'"
        f" WHERE d.datname = {quote(like)}"
    )[0]
    # To name a tablespace takes a right on it, though it is the template's own.
    tablespace = "" if found["usual"] else f" TABLESPACE {identifier(found['spcname'])}"
    sql = (
        f"CREATE DATABASE {identifier(name)} TEMPLATE template0"
        f" OWNER {identifier(found['owner'])}{tablespace}"
        f" ENCODING {quote(found['encoding_name'])}"
        f" LC_COLLATE {quote(found['datcollate'])} LC_CTYPE {quote(found['datctype'])}"
    )
    # PostgreSQL 15 brought other providers, 17 another name for their locale.
    if provider := PROVIDERS.get(found.get("datlocprovider", "c")):
        kind, option = provider
        locale = found.get("datlocale") or found.get("daticulocale") or ""
        sql += f" LOCALE_PROVIDER {kind} {option} {quote(locale)}"
        if rules := found.get("daticurules"):
            sql += f" ICU_RULES {quote(rules)}"
    return sql


def rest(rows: Rows, like: str, name: str) -> list[str]:
    """Return the statements that give ``name`` what else ``like`` has.

    They come last: a setting may make the database read only.
    """
    return [
        *settings(rows, like, name),
        *_grants(rows, like, name),
        *_limit_and_comment(rows, like, name),
    ]


def settings(rows: Rows, like: str, name: str) -> list[str]:
    """Return the statements that give ``name`` the settings of ``like``."""
    found = rows(
        "SELECT r.rolname, unnest(s.setconfig) AS setting"
        " FROM pg_catalog.pg_db_role_setting s"
        " JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase"
        " LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole"
        f" WHERE d.datname = {quote(like)} AND (s.setrole = 0 OR r.oid IS NOT NULL)"
    )
    statements = []
    for row in found:
        key, _, value = row["setting"].partition("=")
        of = f"DATABASE {identifier(name)}"
        if row["rolname"] is not None:
            of = f"ROLE {identifier(row['rolname'])} IN {of}"
        if key in LISTS:
            statements += [
                f"SELECT pg_catalog.set_config({quote(key)}, {quote(value)}, false)",
                f"ALTER {of} SET {identifier(key)} FROM CURRENT",
                f"RESET {identifier(key)}",
            ]
        else:
            statements.append(f"ALTER {of} SET {identifier(key)} TO {quote(value)}")
    return statements


def _grants(rows: Rows, like: str, name: str) -> list[str]:
    found = rows(
        "SELECT pg_catalog.pg_get_userbyid(d.datdba) AS owner, a.grantee,"
        " pg_catalog.pg_get_userbyid(a.grantee) AS role,"
        " a.privilege_type, a.is_grantable"
        " FROM pg_catalog.pg_database d,"
        " LATERAL pg_catalog.aclexplode(d.datacl) a"
        f" WHERE d.datname = {quote(like)}"
    )
    if not found:  # as a new database has them
        return []
    on = f"ON DATABASE {identifier(name)}"
    statements = [f"REVOKE ALL {on} FROM PUBLIC, {identifier(found[0]['owner'])}"]
    for row in found:
        role = identifier(row["role"]) if row["grantee"] else "PUBLIC"
        option = " WITH GRANT OPTION" if row["is_grantable"] else ""
        statements.append(f"GRANT {row['privilege_type']} {on} TO {role}{option}")
    return statements


def _limit_and_comment(rows: Rows, like: str, name: str) -> list[str]:
    found = rows(
        "SELECT datconnlimit,"
        " pg_catalog.shobj_description(oid, 'pg_database') AS comment"
        f" FROM pg_catalog.pg_database WHERE datname = {quote(like)}"
    )[0]
    limit = f"CONNECTION LIMIT {found['datconnlimit']}"
    statements = [f"ALTER DATABASE {identifier(name)} {limit}"]
    if found["comment"] is not None:
        statements.append(
            f"COMMENT ON DATABASE {identifier(name)} IS {quote(found['comment'])}"
        )
    return statements
