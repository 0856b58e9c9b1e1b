"""Small histories in other tools' formats, and databases as these tools leave them.

Each makes the same two tables, ``users`` and ``posts``, in three steps.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

Execute = Callable[[str], object]

STEPS = (
    ("create_users", "CREATE TABLE users (id integer PRIMARY KEY);\n"),
    ("add_email", "ALTER TABLE users ADD COLUMN email varchar(200);\n"),
    ("create_posts", "CREATE TABLE posts (id integer PRIMARY KEY, body text);\n"),
)
UNDO = (
    "DROP TABLE users;\n",
    "ALTER TABLE users DROP COLUMN email;\n",
    "DROP TABLE posts;\n",
)


class ForeignProject(NamedTuple):
    """A tool's folder: its files, the ids of its steps, and the table it records in.

    ``rows`` are INSERTs, one for each step; ``engines`` those it can be tried on here.
    """

    tool: str
    files: dict[str, str]
    ids: tuple[str, ...]
    table: str
    rows: tuple[str, ...]
    engines: tuple[str, ...] = ("postgres", "sqlite")

    def write(self, folder: Path) -> Path:
        """Write its files below ``folder``."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        return folder

    def migrate(self, execute: Execute, steps: int = 3) -> None:
        """Leave a database as the tool does after so many steps."""
        for statement in filter(str.strip, self.table.split(";")):
            execute(statement)
        for (_, sql), row in list(zip(STEPS, self.rows, strict=True))[:steps]:
            execute(sql)
            execute(row)


def _pairs(name: str, up: str = "", down: str = "") -> dict[str, str]:
    """Files for each step, ``{n}`` and ``{name}`` filled in."""
    files = {}
    for n, ((title, sql), undo) in enumerate(zip(STEPS, UNDO, strict=True), 1):
        files[name.format(n=n, name=title) + up] = sql
        files[name.format(n=n, name=title) + down] = undo
    return files


def _halves(name: str, up: str, down: str) -> dict[str, str]:
    """One file for each step, with both halves."""
    return {
        name.format(n=n, name=title): f"{up}\n{sql}\n{down}\n{undo}"
        for n, ((title, sql), undo) in enumerate(zip(STEPS, UNDO, strict=True), 1)
    }


def _sqitch() -> dict[str, str]:
    files = {
        "sqitch.conf": "[core]\n\tengine = pg\n\t# plan_file = sqitch.plan\n",
        "sqitch.plan": "%syntax-version=1.0.0\n%project=shop\n%uri=https://x.org/\n\n"
        + "".join(
            f"{title} {'[users] ' * (title == 'x')}2026-01-0{n}T10:00:00Z"
            f" Ann <ann@example.com> # Step {n}\n"
            for n, (title, _) in enumerate(STEPS, 1)
        )
        + "@v1.0.0 2026-01-09T10:00:00Z Ann <ann@example.com> # First release\n",
    }
    for (title, sql), undo in zip(STEPS, UNDO, strict=True):
        for way, text in (("deploy", sql), ("revert", undo)):
            files[f"{way}/{title}.sql"] = (
                f"-- {way} {title}\n\nBEGIN;\n\n{text}\nCOMMIT;\n"
            )
        files[f"verify/{title}.sql"] = "BEGIN;\nSELECT 1;\nROLLBACK;\n"
    return files


def _alembic() -> dict[str, str]:
    files = {"env.py": "raise SystemExit('never run')\n"}
    below = None
    for n, ((title, sql), undo) in enumerate(zip(STEPS, UNDO, strict=True), 1):
        revision = f"{n}a1b2c3d4e5f"
        files[f"versions/{revision}_{title}.py"] = (
            f'"""{title}"""\nfrom alembic import op\n\nrevision = "{revision}"\n'
            f"down_revision = {below!r}\nbranch_labels = None\n\n\n"
            f'def upgrade() -> None:\n    op.execute("{sql.strip()}")\n\n\n'
            f"def downgrade() -> None:\n    op.execute({undo.strip().rstrip(';')!r})\n"
        )
        below = revision
    return files


PROJECTS = {
    project.tool: project
    for project in (
        ForeignProject(
            "golang-migrate",
            _pairs("00000{n}_{name}", ".up.sql", ".down.sql"),
            ("1", "2", "3"),
            "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY,"
            " dirty boolean NOT NULL);"
            "INSERT INTO schema_migrations VALUES (-1, false)",
            tuple(f"UPDATE schema_migrations SET version = {n}" for n in (1, 2, 3)),
        ),
        ForeignProject(
            "dbmate",
            _halves("2026010{n}120000_{name}.sql", "-- migrate:up", "-- migrate:down"),
            tuple(f"2026010{n}120000" for n in (1, 2, 3)),
            "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY)",
            tuple(
                f"INSERT INTO schema_migrations VALUES ('2026010{n}120000')"
                for n in (1, 2, 3)
            ),
        ),
        ForeignProject(
            "goose",
            _halves("0000{n}_{name}.sql", "-- +goose Up", "-- +goose Down"),
            ("1", "2", "3"),
            "CREATE TABLE goose_db_version (id integer PRIMARY KEY,"
            " version_id bigint NOT NULL, is_applied boolean NOT NULL,"
            " tstamp timestamp DEFAULT CURRENT_TIMESTAMP);"
            "INSERT INTO goose_db_version (id, version_id, is_applied)"
            " VALUES (1, 0, true)",
            tuple(
                "INSERT INTO goose_db_version (id, version_id, is_applied)"
                f" VALUES ({n + 1}, {n}, true)"
                for n in (1, 2, 3)
            ),
        ),
        ForeignProject(
            "flyway",
            {
                name: text
                for n, ((title, sql), undo) in enumerate(
                    zip(STEPS, UNDO, strict=True), 1
                )
                for name, text in (
                    (f"V1_{n}__{title}.sql", sql),
                    (f"U1.{n}__{title}.sql", undo),
                )
            },
            ("1.1", "1.2", "1.3"),
            "CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY,"
            " version varchar(50), description varchar(200) NOT NULL,"
            " type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum int,"
            " installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL"
            " DEFAULT CURRENT_TIMESTAMP, execution_time int NOT NULL,"
            " success boolean NOT NULL);"
            "CREATE INDEX flyway_schema_history_s_idx"
            " ON flyway_schema_history (success)",
            tuple(
                "INSERT INTO flyway_schema_history (installed_rank, version,"
                " description, type, script, checksum, installed_by, execution_time,"
                f" success) VALUES ({n}, '1.{n}', 'x', 'SQL', 'V1_{n}__x.sql', 1,"
                " 'ann', 5, true)"
                for n in (1, 2, 3)
            ),
        ),
        ForeignProject(
            "diesel",
            _pairs("2026-01-0{n}-120000_{name}", "/up.sql", "/down.sql"),
            tuple(f"2026010{n}120000" for n in (1, 2, 3)),
            "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY"
            " NOT NULL, run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP)",
            tuple(
                "INSERT INTO __diesel_schema_migrations (version)"
                f" VALUES ('2026010{n}120000')"
                for n in (1, 2, 3)
            ),
        ),
        ForeignProject(
            "prisma",
            {
                f"2026010{n}120000_{title}/migration.sql": sql
                for n, (title, sql) in enumerate(STEPS, 1)
            }
            | {
                f"2026010{n}120000_{title}/down.sql": undo
                for n, ((title, _), undo) in enumerate(zip(STEPS, UNDO, strict=True), 1)
            },
            tuple(f"2026010{n}120000_{title}" for n, (title, _) in enumerate(STEPS, 1)),
            "CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY NOT NULL,"
            " checksum varchar(64) NOT NULL, finished_at timestamp,"
            " migration_name varchar(255) NOT NULL, logs text,"
            " rolled_back_at timestamp, started_at timestamp NOT NULL,"
            " applied_steps_count integer NOT NULL DEFAULT 0)",
            tuple(
                "INSERT INTO _prisma_migrations (id, checksum, finished_at,"
                " migration_name, started_at, applied_steps_count) VALUES"
                f" ('{n}', 'x', '2026-02-0{n}', '2026010{n}120000_{title}',"
                f" '2026-02-0{n}', 1)"
                for n, (title, _) in enumerate(STEPS, 1)
            ),
        ),
        ForeignProject(
            "sqitch",
            _sqitch(),
            tuple(f"shop:{title}" for title, _ in STEPS),
            "CREATE SCHEMA sqitch;"
            "CREATE TABLE sqitch.projects (project text PRIMARY KEY, uri text);"
            "CREATE TABLE sqitch.changes (change_id text PRIMARY KEY, change text"
            " NOT NULL, project text NOT NULL REFERENCES sqitch.projects (project),"
            " committed_at timestamptz NOT NULL DEFAULT clock_timestamp());"
            "COMMENT ON TABLE sqitch.changes IS 'Tracks the changes';"
            "INSERT INTO sqitch.projects VALUES ('shop', NULL)",
            tuple(
                "INSERT INTO sqitch.changes (change_id, change, project)"
                f" VALUES ('{n}', '{title}', 'shop')"
                for n, (title, _) in enumerate(STEPS, 1)
            ),
            ("postgres",),
        ),
        ForeignProject(
            "alembic",
            _alembic(),
            tuple(f"{n}a1b2c3d4e5f" for n in (1, 2, 3)),
            "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL,"
            " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
            (
                "INSERT INTO alembic_version VALUES ('1a1b2c3d4e5f')",
                *(
                    f"UPDATE alembic_version SET version_num = '{n}a1b2c3d4e5f'"
                    for n in (2, 3)
                ),
            ),
        ),
        ForeignProject(
            "plain SQL",
            _pairs("{n}-{name}", ".sql", "_down.sql"),
            tuple(f"{n}-{title}" for n, (title, _) in enumerate(STEPS, 1)),
            "",
            ("SELECT 1",) * 3,
        ),
    )
}
RECORDING = [name for name in PROJECTS if name != "plain SQL"]
