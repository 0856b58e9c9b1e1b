"""Where the time of a run goes, file by file.

    python benchmarks/where.py

Profiles a run with nothing to do and one that applies 1,000 migrations to each engine,
in this process, and prints the time spent in each source file, callees left out.
"""

from __future__ import annotations

import os
import pstats
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import sqlpair
from sqlpair.authoring import scaffold
from sqlpair.databases import embedded
from sqlpair.project import settings

OWN = Path(sqlpair.__file__).parent
SHOWN = 12
PROGRAM = """\
import cProfile, sys
profile = cProfile.Profile()
profile.enable()
from pathlib import Path
from sqlpair.deploy import deployment
from sqlpair.deploy.targets import Destination
from sqlpair.project import settings
known = settings.load(Path("alembic.ini"))
deployment.deploy(known, Destination(("heads",), "upgrade", str), str)
profile.disable()
profile.dump_stats(sys.argv[1])
"""


def where(file: str) -> str:
    """Name a source file as the table does."""
    if file == "~":
        return "built into Python"
    path = Path(file)
    if path.is_relative_to(OWN):
        return f"`{path.relative_to(OWN)}`"
    if "importlib" in file:
        return "importing"
    return f"{path.parent.name}/{path.name} (a library)"


def table(name: str, stats: pstats.Stats) -> None:
    """Print the files that take the most time; what talks to a database by name."""
    spent: Counter[str] = Counter()
    for (file, _, function), row in stats.stats.items():  # type: ignore[attr-defined]
        seconds = row[2]
        if "psycopg2" in function or "select.poll" in function:
            spent["PostgreSQL, and the way there"] += seconds
        elif "sqlite3" in function:
            spent["SQLite"] += seconds
        elif "marshal" in function or "_imp." in function:
            spent["importing"] += seconds
        else:
            spent[where(file)] += seconds
    total = sum(spent.values())
    print(f"\n{name}: {total:.3f} s under the profiler\n")
    print("| where | share |\n|---|---|")
    for place, seconds in spent.most_common(SHOWN):
        print(f"| {place} | {100 * seconds / total:.1f} % |")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sqlpair-bench-") as name:
        folder = Path(name)
        with embedded.server(folder / "server") as server:
            for engine in ("postgres", "sqlite"):
                project = folder / engine
                scaffold.init(project)
                ini = project / "alembic.ini"
                ini.write_text(ini.read_text().replace("postgres, sqlite", engine))
                for number in range(1, 1001):
                    stem = project / "sql" / engine / f"{number:05}_t{number}"
                    stem.with_suffix(".sql").write_text(
                        f"CREATE TABLE t{number} (id integer PRIMARY KEY, name text);\n"
                    )
                    Path(f"{stem}_rollback.sql").write_text(f"DROP TABLE t{number};\n")
                environ = {**os.environ, "DATABASE_URL": server.dsn}
                scaffold.write_revisions(settings.load(ini, environ))
                for what in ("1,000 to apply", "nothing to do"):
                    found = folder / "profile"
                    subprocess.run(
                        [sys.executable, "-c", PROGRAM, str(found)],
                        cwd=project,
                        env=environ,
                        check=True,
                    )
                    table(f"{engine}, {what}", pstats.Stats(str(found)))


if __name__ == "__main__":
    main()
