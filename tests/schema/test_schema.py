"""The difference of two described schemas, and the words for it."""

from __future__ import annotations

import json

from sqlpair.schema.model import (
    BEFORE,
    Change,
    ObjectKey,
    Schema,
    SchemaObject,
    describe,
    difference,
    without,
)

TRADES = ObjectKey("table", "trades")
NOTE = ObjectKey("column", "trades.note")
INDEX = ObjectKey("index", "idx_note")


def schema(**note: str | bool | list[str] | None) -> dict[ObjectKey, SchemaObject]:
    return {
        TRADES: SchemaObject({}),
        NOTE: SchemaObject(note, TRADES, 1),
        INDEX: SchemaObject({"columns": ["note"]}, TRADES),
    }


def sentences(expected: Schema, actual: Schema, *ignore: str) -> list[str]:
    return [describe(change) for change in difference(expected, actual, ignore)]


def test_equal_schemas_do_not_differ() -> None:
    assert difference(schema(type="text"), schema(type="text")) == ()


def test_absent_none_false_and_empty_are_the_same() -> None:
    bare = schema()

    for nothing in (None, False, "", []):
        assert difference(schema(default=nothing), bare) == ()
        assert difference(bare, schema(default=nothing)) == ()


def test_the_position_of_a_column_is_no_difference() -> None:
    moved = schema() | {NOTE: SchemaObject({}, TRADES, 7)}

    assert difference(schema(), moved) == ()


def test_an_attribute_that_differs_is_told_from_both_sides() -> None:
    assert sentences(schema(default="0"), schema(default="1")) == [
        "column trades.note has default 1, the migrations say 0"
    ]
    assert sentences(schema(default="0"), schema()) == [
        "column trades.note has no default, the migrations say 0"
    ]
    assert sentences(schema(), schema(default="1")) == [
        "column trades.note has default 1, the migrations say none"
    ]


def test_a_flag_is_told_as_being_or_not_being() -> None:
    assert sentences(schema(nullable=True), schema()) == [
        "column trades.note is not nullable, the migrations say nullable"
    ]
    assert sentences(schema(), schema(nullable=True)) == [
        "column trades.note is nullable, the migrations say not nullable"
    ]


def test_a_list_is_told_item_by_item_and_its_order_counts() -> None:
    assert sentences(schema(labels=["a", "b"]), schema(labels=["b", "a"])) == [
        "column trades.note has labels b, a, the migrations say a, b"
    ]


def test_a_long_text_is_told_as_the_lines_that_differ() -> None:
    before = "BEGIN\n  x := 1;\n  RETURN x;\nEND"
    after = before.replace("x := 1", "x := 2")

    assert sentences(schema(body=before), schema(body=after)) == [
        "column trades.note has another body (- the migrations say):\n"
        "  -   x := 1;\n"
        "  +   x := 2;"
    ]


def test_a_name_that_spans_lines_is_told_in_one_line() -> None:
    key = ObjectKey("check constraint", "t (a <> 'p\nq\x1b[2J')")

    (change,) = difference({key: SchemaObject({})}, {})

    assert describe(change) == ("check constraint t (a <> 'p\\nq\\x1b[2J') is missing")


def test_an_object_is_missing_or_too_many() -> None:
    less = schema()
    del less[INDEX]

    assert sentences(schema(), less) == ["index idx_note is missing"]
    assert sentences(less, schema()) == ["index idx_note is not in the migrations"]


def test_the_parts_of_a_missing_table_are_not_told_beside_it() -> None:
    assert sentences(schema(), {}) == ["table trades is missing"]
    assert sentences({}, schema()) == ["table trades is not in the migrations"]


def test_a_part_is_told_when_its_owner_is_on_both_sides() -> None:
    assert sentences({TRADES: SchemaObject({})}, schema()) == [
        "column trades.note is not in the migrations",
        "index idx_note is not in the migrations",
    ]


def test_words_for_before_and_after() -> None:
    changes = difference(schema(default="0"), schema(default="1"))
    extra = difference({TRADES: SchemaObject({})}, schema())

    assert describe(changes[0], BEFORE) == (
        "column trades.note has default 1, before it was 0"
    )
    assert describe(extra[1], BEFORE) == "index idx_note was added"


def test_a_pattern_ignores_an_object_with_its_parts() -> None:
    assert sentences({}, schema(), "table tra*") == []
    assert sentences(schema(default="0"), schema(default="1"), "table trades") == []
    assert sentences({TRADES: SchemaObject({})}, schema(), "index *") == [
        "column trades.note is not in the migrations"
    ]
    assert sentences({}, schema(), "table TRA*", "trades", "column *") == [
        "table trades is not in the migrations"
    ]


def test_objects_are_left_out_by_name_with_their_parts() -> None:
    assert without(schema(), {"trades"}) == {}
    assert without(schema(), {"idx_note"}).keys() == {TRADES, NOTE}


def test_changes_are_told_table_by_table() -> None:
    users = ObjectKey("table", "users")
    expected: Schema = {
        ObjectKey("index", "a_users"): SchemaObject({}, users),
        users: SchemaObject({}),
        TRADES: SchemaObject({}),
    }
    actual: Schema = {
        users: SchemaObject({"unlogged": True}),
        TRADES: SchemaObject({"unlogged": True}),
        ObjectKey("index", "z_trades"): SchemaObject({}, TRADES),
    }

    assert sentences(expected, actual) == [
        "table trades is unlogged, the migrations say not unlogged",
        "index z_trades is not in the migrations",
        "table users is unlogged, the migrations say not unlogged",
        "index a_users is missing",
    ]


def test_a_change_is_json() -> None:
    (change,) = difference(schema(labels=["a"]), schema(labels=["b"]))

    told = json.loads(json.dumps(change._asdict()))

    assert Change(**told) == change
    assert told["attribute"] == "labels"
