"""What comparing the rows costs that a guarded rollback touches.

    python benchmarks/data_loss.py [--rows 1000000] [--rounds 3]

One table with eight columns, of which a rollback updates one row: to the same value
(nothing is lost), or to another (refused). Prints, for each engine, the median of
seconds beside two ways to read the table once: counting what is in each column, and
fetching every row as the engine's own program would write it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sqlpair.authoring import scaffold
from sqlpair.databases import embedded
from sqlpair.databases.interface import Session
from sqlpair.project import settings
from sqlpair.runner import data_loss
from sqlpair.runner.two_phase import lock

COLUMNS = ("id", "owner", "name", "price", "moment", "rate", "active", "note")
TABLE = {
    "postgres": """
CREATE TABLE t (id bigint PRIMARY KEY, owner uuid, name text, price numeric(20, 8),
    moment timestamptz, rate float8, active boolean, note text);
INSERT INTO t SELECT n, gen_random_uuid(), 'name ' || n, (n * 1.37)::numeric(20, 8),
    now() + n * interval '1 second', n / 7.0, n % 3 = 0,
    CASE WHEN n % 2 = 0 THEN 'note of ' || n END FROM generate_series(1, {rows}) AS n;
""",
    "sqlite": """
CREATE TABLE t (id INTEGER PRIMARY KEY, owner TEXT, name TEXT, price REAL,
    moment INTEGER, rate REAL, active INTEGER, note TEXT);
WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows})
INSERT INTO t SELECT n, hex(randomblob(16)), 'name ' || n, n * 1.37, n * 1000, n / 7.0,
    n % 3 = 0, CASE WHEN n % 2 = 0 THEN 'note of ' || n END FROM s;
""",
}
COUNT = f"SELECT {', '.join(f'count({c}) AS {c}' for c in COLUMNS)} FROM t"
WRITE = {
    "postgres": "SELECT sum(length(t::text)) FROM t",
    "sqlite": "SELECT sum(length("
    + " || ".join(f"quote({c})" for c in COLUMNS)
    + ")) FROM t",
}
SAME = "UPDATE t SET name = name WHERE id = 1"
OTHER = "UPDATE t SET name = '' WHERE id = 1"


def nobody(_line: str) -> None:
    pass


def measured(session: Session, action: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        session.begin()
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
        session.rollback()
    return statistics.median(taken)


def guarded(session: Session, sql: str) -> None:
    name = session.database.name
    losses = data_loss.measure([session], [(name, sql)], lambda: session.execute(sql))
    assert bool(losses) == (sql == OTHER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as resources:
        root = Path(folder)
        server = resources.enter_context(embedded.server(root / "postgres"))
        words = dict(word.split("=", 1) for word in server.dsn.split())
        address = (
            f"postgresql://{words['user']}@/{words['dbname']}"
            f"?host={words['host']}&port={words['port']}"
        )
        scaffold.init(root / "project")
        made = settings.load(root / "project/alembic.ini", {"DATABASE_URL": address})
        print(
            "engine    count  write  guarded  / count  / write  rows a second  refused"
        )
        for name, session in lock(made.databases, nobody, resources).items():
            session.execute(TABLE[name].format(rows=options.rows))
            if name == "postgres":
                session.execute("VACUUM ANALYZE t")
            count, write, same, other = (
                measured(session, action, options.rounds)
                for action in (
                    lambda s=session: s.rows(COUNT),
                    lambda s=session, n=name: s.rows(WRITE[n]),
                    lambda s=session: guarded(s, SAME),
                    lambda s=session: guarded(s, OTHER),
                )
            )
            print(
                f"{name:8}  {count:5.2f}  {write:5.2f}  {same:7.2f}"
                f"  {same / count:7.1f}  {same / write:7.1f}"
                f"  {options.rows / same:13,.0f}  {other:7.2f}"
            )


if __name__ == "__main__":
    main()
