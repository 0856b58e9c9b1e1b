"""The proof of prove: what it compares notices a rollback with one thing wrong."""

from __future__ import annotations

import pytest

from conftest import Project
from mutants import mutated
from sqlpair.prove import compare
from sqlpair.schema.model import Change, Schema, difference
from test_prove import MINIATURES, prove, write


@pytest.mark.parametrize("database", MINIATURES)
def test_every_mutant_of_every_rollback_is_noticed(
    project: Project, database: str
) -> None:
    write(project, database, MINIATURES[database])

    counts = mutated(project.settings, database)

    assert list(counts) == list(MINIATURES[database])
    for count in counts.values():
        assert count.missed == ()
        assert count.caught > 0


def test_every_mutant_of_this_projects_own_rollbacks_is_noticed(
    tradebaas: Project,
) -> None:
    counts = {
        (database, stem): (count.caught, count.without_effect, count.missed)
        for database in ("postgres", "sqlite")
        for stem, count in mutated(tradebaas.settings, database).items()
    }

    assert counts == {
        ("postgres", "000_baseline"): (3, 2, ()),
        ("postgres", "001_create_user_strategies"): (4, 0, ()),
        ("sqlite", "000_baseline"): (4, 1, ()),
        ("sqlite", "002_extend_trades_table"): (5, 0, ()),
    }


def test_a_mutant_that_the_description_does_not_see_is_missed_by_name(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("postgres", "001_t", "CREATE TABLE t (id int);", "DROP TABLE t;")
    project.add(
        "postgres",
        "002_index",
        "CREATE INDEX t_id ON t (id);\n",
        "LOCK TABLE t;\nDROP INDEX t_id;\n",
    )

    def blind(expected: Schema, actual: Schema) -> tuple[Change, ...]:
        found = difference(expected, actual)
        return tuple(change for change in found if change.kind != "index")

    monkeypatch.setattr(compare, "difference", blind)
    count = mutated(project.settings, "postgres")["002_index"]

    assert "line 2: without DROP INDEX t_id;" in count.missed
    assert count.without_effect == 1  # LOCK TABLE


def test_what_a_rebuild_in_a_rollback_drops_along_is_not_missed(
    project: Project,
) -> None:
    table = "CREATE TABLE {} (id integer PRIMARY KEY, a text{});\n"
    move = "INSERT INTO {} SELECT id, a FROM t;\nDROP TABLE t;\n"
    project.add("sqlite", "001_t", table.format("t", ""), "DROP TABLE t;\n")
    seed = "INSERT INTO t VALUES (1, 'x');\n"
    (project.root / "sql" / "sqlite" / "seed.sql").write_text(seed)
    project.add(
        "sqlite",
        "002_rebuild",
        table.format("n", " NOT NULL")
        + move.format("n")
        + "ALTER TABLE n RENAME TO t;\n",
        table.format("o", "") + move.format("o") + "ALTER TABLE o RENAME TO t;\n",
    )

    count = mutated(project.settings, "sqlite")["002_rebuild"]

    assert count.missed == ()
    assert count.without_effect == 2
    assert prove(project, "sqlite")["002_rebuild"].problems == ()
