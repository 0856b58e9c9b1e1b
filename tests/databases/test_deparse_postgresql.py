"""Texts of PostgreSQL that differ by version or history, and mean the same."""

from __future__ import annotations

import pytest

from sqlpair.databases.postgresql.column_aliases import trimmed
from sqlpair.databases.postgresql.deparse import canonical, split
from sqlpair.databases.postgresql.viewdef import unqualified

# As the server first writes it, and as it writes it after a dump and restore.
RESTORED = [
    (
        "((s)::text = ANY ((ARRAY['a'::varchar, 'b'::bpchar])::text[]))",
        "((s)::text = ANY (ARRAY[('a'::varchar)::text, ('b'::bpchar)::text]))",
    ),
    (
        "(ARRAY['x]'::character varying, f(a, ARRAY[1, 2])])::character varying(9)[]",
        "ARRAY[('x]'::character varying)::character varying(9), "
        "(f(a, ARRAY[1, 2]))::character varying(9)]",
    ),
    (
        "(ARRAY[ARRAY['a'::varchar], ARRAY['b'::varchar]])::audit.\"Odd Type\"[]",
        "ARRAY[ARRAY[('a'::varchar)::audit.\"Odd Type\"], "
        "ARRAY[('b'::varchar)::audit.\"Odd Type\"]]",
    ),
    ("(((n >= 1) AND (n <= 5)) AND (i > 0))", "((n >= 1) AND (n <= 5) AND (i > 0))"),
    ("((((a OR b) OR c) OR d) AND e)", "((a OR b OR c OR d) AND e)"),
]

# As servers up to 15 write a view, and as those from 16 on do.
VERSIONS = [
    (" SELECT users.id\n   FROM public.users;", " SELECT id\n   FROM public.users;"),
    (
        " SELECT u.a, (u.b).c, u.*::public.users AS w\n   FROM ONLY public.users u\n"
        "  ORDER BY u.a;",
        " SELECT a, (b).c, u.*::public.users AS w\n   FROM ONLY public.users u\n"
        "  ORDER BY a;",
    ),
    (
        ' SELECT "T x".a,\n    "T x"."B"\n   FROM s."T x" TABLESAMPLE system (1);',
        ' SELECT a,\n    "B"\n   FROM s."T x" TABLESAMPLE system (1);',
    ),
    (
        " SELECT s.a FROM ( SELECT t.a FROM t WHERE (t.b = 1)) s WHERE (s.a > 1);",
        " SELECT a FROM ( SELECT t.a FROM t WHERE (t.b = 1)) s WHERE (a > 1);",
    ),
    (
        " SELECT t.a FROM t WHERE (EXISTS ( SELECT 1 FROM u WHERE (u.a = t.a)));",
        " SELECT a FROM t WHERE (EXISTS ( SELECT 1 FROM u WHERE (u.a = t.a)));",
    ),
    (
        " SELECT rank() WITHIN GROUP (ORDER BY t.a) AS rank FROM t GROUP BY t.b;",
        " SELECT rank() WITHIN GROUP (ORDER BY a) AS rank FROM t GROUP BY b;",
    ),
    (
        " SELECT xmltable.i FROM XMLTABLE(('/a'::text) PASSING (x) COLUMNS i integer);",
        " SELECT i FROM XMLTABLE(('/a'::text) PASSING (x) COLUMNS i integer);",
    ),
    (
        " SELECT s.f(s.a), s.a::s.t, s.a COLLATE s.c FROM public.t s;",
        " SELECT s.f(a), a::s.t, a COLLATE s.c FROM public.t s;",
    ),
]

# Texts that must stay as they are: what they name differs, or means something.
KEPT = [
    " SELECT a.id FROM (a JOIN b ON ((a.id = b.id)));",
    " SELECT a.id FROM a, b;",
    " SELECT a.id FROM ((( SELECT 1 AS id) a JOIN b ON (true)) JOIN c ON (true));",
    " SELECT a.id FROM a UNION SELECT b.id FROM b;",
    " SELECT 'users.id' AS id FROM public.users;",
    " SELECT 1;",
    "VALUES (1), (2);",
    " SELECT n FROM few;",
]


# A FROM clause before and after the type that s.f() returns got another column.
ALIASES = [
    (" SELECT a FROM s.f() x(a);", " SELECT a FROM s.f() x(a, b);"),
    (
        " SELECT a AS b FROM s.f('f() x(a)') f(a);",
        " SELECT a AS b FROM s.f('f() x(a)') f(a, b);",
    ),
    (
        " SELECT x.a, t.b FROM t, s.f(1) x(a)",
        " SELECT x.a, t.b FROM t, s.f(1) x(a, b, c)",
    ),
    ("(b = (SELECT f.a FROM s.f() f(a)))", "(b = (SELECT f.a FROM s.f() f(a, b)))"),
    (
        " SELECT x.*::s.t AS x FROM s.f() x(a);",
        " SELECT x.*::s.t AS x FROM s.f() x(a, b);",
    ),
    (
        " SELECT 1 FROM s.f() x(a), s.f() y(a)",
        " SELECT 1 FROM s.f() x(a, b), s.f() y(a, b)",
    ),
    (
        '("B" = (SELECT x."A" FROM s.f() x("A")))',
        '("B" = (SELECT x."A" FROM s.f() x("A", "B")))',
    ),
]

# Where the last column is meant, or may be; and what is no such list.
IN_USE = [
    " SELECT b FROM s.f() x(a, b);",
    " SELECT lower(b) FROM s.f() x(a, b);",
    " SELECT a FROM s.f() x(a, b) ORDER BY b;",
    "(SELECT x.b FROM s.f() x(a, b))",
    "(SELECT f.a FROM s.f() f(a, b) WHERE (EXISTS (SELECT 1 WHERE f.b)))",
    " SELECT a FROM s.g() x(a, b);",
    " SELECT n, a FROM s.f() WITH ORDINALITY x(a, n, ordinality);",
    " SELECT g FROM ROWS FROM(s.f(), g(1)) r(a, g, b);",
    " SELECT a FROM s.f() AS (a integer, b text);",
    "s.f() x(a, 10)",
    "s.f() x(",
]


@pytest.mark.parametrize(("before", "after"), ALIASES)
def test_a_column_that_a_function_got_later_is_not_in_the_text(
    before: str, after: str
) -> None:
    assert trimmed(before, {"s.f"}) == trimmed(after, {"s.f"})


@pytest.mark.parametrize("text", IN_USE)
def test_a_column_alias_that_is_referred_to_is_kept(text: str) -> None:
    assert trimmed(text, {"s.f"}) == text


@pytest.mark.parametrize(("first", "restored"), RESTORED)
def test_a_text_and_its_restored_form_are_one(first: str, restored: str) -> None:
    assert canonical(first) == restored
    assert canonical(restored) == restored


@pytest.mark.parametrize(("older", "newer"), VERSIONS)
def test_a_view_is_written_in_the_newer_way(older: str, newer: str) -> None:
    assert unqualified(older) == newer
    assert unqualified(newer) == newer


@pytest.mark.parametrize("text", KEPT)
def test_a_view_on_several_tables_keeps_their_names(text: str) -> None:
    assert unqualified(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "((a AND b) OR c)",
        "(a AND (b AND c))",
        "((a OR b) AND (c OR d))",
        "(f(a) AND b)",
        "(('x AND y'::text) AND b)",
        "(a)::text[]",
        "(ARRAY[1, 2] || 3)",
    ],
)
def test_an_expression_of_another_shape_is_kept(text: str) -> None:
    assert canonical(text) == text


def test_quotes_go_where_no_version_needs_them() -> None:
    assert canonical('("order" > "a b" AND "Up" = \'"x"\')') == (
        '(order > "a b" AND "Up" = \'"x"\')'
    )
    assert canonical("""'it''s "x"' || "x\"\"y" """) == """'it''s "x"' || "x\"\"y" """


def test_items_are_divided_outside_brackets_and_strings() -> None:
    assert split("a, f(b, c), ARRAY[1, 2], 'x, y', \"p, q\"") == [
        "a",
        "f(b, c)",
        "ARRAY[1, 2]",
        "'x, y'",
        '"p, q"',
    ]
