"""A reader who follows these pages step by step, in a new folder, gets there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conftest import Project
from pages import follow

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def project(outside: Project) -> Project:
    return outside


@pytest.fixture
def environ(project: Project, installed: Path) -> dict[str, str]:
    """What a reader's shell has: programs with the wheel, and the databases."""
    programs = f"{installed}{os.pathsep}{os.environ['PATH']}"
    return {**project.environ, "PATH": programs}


def test_models(project: Project, environ: dict[str, str]) -> None:
    ran = follow(DOCS / "models.md", project.root, environ)

    assert len(ran) == 6


def test_coming_from_plain_alembic_and_going_back(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()

    ran = follow(DOCS / "from-alembic.md", folder, environ)

    assert len(ran) > 25


REVISION = '''"""create customers"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "a1", None


def upgrade():
    op.create_table(
        "customers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("share", sa.Text, server_default="100% of; all"),
    )
    op.create_index("customers_share", "customers", ["share"])


def downgrade():
    op.drop_table("customers")
'''
URL = """
import os
config.set_main_option("sqlalchemy.url", os.environ["PLAIN_URL"].replace("%", "%%"))
"""


def test_the_scripts_of_the_page_serve_postgresql_too(
    tmp_path: Path, project: Project, environ: dict[str, str]
) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    page = (DOCS / "from-alembic.md").read_text()
    for name in ("convert.py", "sql_files.py"):
        _, _, rest = page.partition(f"```python {name}\n")
        (folder / name).write_text(rest.partition("```")[0])
    url = project.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:")

    def run(command: str) -> None:
        subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env=environ | {"PLAIN_URL": url},
            check=True,
        )

    def configured(env: Path) -> None:
        text = env.read_text()
        env.write_text(
            text.replace(
                "config = context.config", f"config = context.config\n{URL}", 1
            )
        )

    run("alembic init migrations")
    configured(folder / "migrations" / "env.py")
    (folder / "migrations" / "versions" / "a1.py").write_text(REVISION)
    run("alembic upgrade head && mv alembic.ini plain.ini && sqlpair init .")
    run("python convert.py plain.ini postgres && sqlpair revisions")
    run("sqlpair adopt --yes && sqlpair verify postgres")
    run("alembic downgrade postgres@base && alembic upgrade heads")
    assert project.heads("postgres") == ["postgres_001"]
    schema = project.schema("postgres")

    run("alembic -c back.ini init back")
    run("cp alembic/versions/postgres/*.py back/versions")
    run("sed -i s/sqlpair.revision/sql_files/ back/versions/*.py")
    configured(folder / "back" / "env.py")
    run("alembic -c back.ini downgrade base && alembic -c back.ini upgrade head")
    assert project.heads("postgres") == ["postgres_001"]
    assert project.schema("postgres") == schema
