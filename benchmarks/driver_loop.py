"""The least a Python program can do: one driver, one loop, one ledger.

python driver_loop.py postgresql|sqlite DSN up|down COUNT
"""

import os
import sys
from typing import Any


def main() -> None:
    engine, dsn, direction, count = sys.argv[1:]
    connection: Any
    run: Any
    if engine == "sqlite":
        import sqlite3

        connection = sqlite3.connect(dsn, isolation_level=None)
        run = connection.execute
        begin = "BEGIN IMMEDIATE"
    else:
        import psycopg2

        connection = psycopg2.connect(dsn)
        connection.autocommit = True
        cursor = connection.cursor()
        begin = "BEGIN"

        def execute(sql: str) -> Any:
            cursor.execute(sql)
            return cursor

        run = execute
    run("CREATE TABLE IF NOT EXISTS ledger (n integer PRIMARY KEY)")
    done = {row[0] for row in run("SELECT n FROM ledger").fetchall()}
    names = sorted(name for name in os.listdir(".") if name.endswith(".up.sql"))
    if direction == "up":
        steps = [name for name in names if int(name[:5]) not in done]
    else:
        steps = [f"{number:05}.down.sql" for number in sorted(done, reverse=True)][
            : int(count)
        ]
    for name in steps:
        with open(name, encoding="utf-8") as file:
            text = file.read()
        run(begin)
        if engine == "sqlite":
            for statement in text.splitlines():
                run(statement)
        else:
            run(text)
        if direction == "up":
            run(f"INSERT INTO ledger VALUES ({int(name[:5])})")
        else:
            run(f"DELETE FROM ledger WHERE n = {int(name[:5])}")
        run("COMMIT")


main()
