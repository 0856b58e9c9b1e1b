"""Every example of docs/python.md runs, in a project that the wheel made."""

from __future__ import annotations

import inspect
import re
import subprocess
from pathlib import Path

import pytest

import sqlpair
from conftest import Project

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/python.md").read_text()
EXAMPLES = dict(
    re.findall(r"<!-- run: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
)
# What a server does with the module of an application, and what it then says.
SERVE = {
    "fastapi_app.py": """
import asyncio
from fastapi_app import app
async def main():
    async with app.router.lifespan_context(app):
        print(app.state.version)
asyncio.run(main())
""",
    "flask_app.py": """
from flask_app import create_app
print(create_app().config["SCHEMA_VERSION"])
""",
    "django_wsgi.py": """
from django.conf import settings
settings.configure(SECRET_KEY="x")
from django_wsgi import application
print(application.resolve_request and 2)
""",
}


@pytest.fixture
def shop(outside: Project) -> Project:
    """A project as a user begins it, with migrations 001 and 002."""
    project = outside
    for database, name in (("postgres", "users"), ("sqlite", "notes")):
        project.sqlpair("new", database, name)
        (path,) = (project.root / "sql" / database).glob(f"*_{name}.sql")
        path.write_text(f"CREATE TABLE {name} (id integer PRIMARY KEY);\n")
        path.with_stem(f"{path.stem}_rollback").write_text(f"DROP TABLE {name};\n")
    return project


def run(project: Project, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project.python, "-W", "error::DeprecationWarning:__main__", "-c", code],
        cwd=project.root,
        env=project.environ,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_example_runs(shop: Project, name: str) -> None:
    shop.sqlpair("migrate")
    (shop.root / name).write_text(EXAMPLES[name])

    done = run(shop, SERVE.get(name, EXAMPLES[name]))

    assert done.returncode == 0, done.stderr
    if name in SERVE:
        assert done.stdout == "2\n"


@pytest.mark.parametrize("name", sorted([*SERVE, "script.py"]))
def test_application_that_is_ahead_of_its_databases_says_so(
    shop: Project, name: str
) -> None:
    code = EXAMPLES[name].replace(", wait=60", "")
    (shop.root / name).write_text(code)

    done = run(shop, SERVE.get(name, code))

    told = "postgres: the database is at base, the code expects 001_users"
    assert told in done.stdout + done.stderr


def test_first_example_runs(shop: Project) -> None:
    first = PAGE.partition("```python\n")[2].partition("```")[0]

    done = run(shop, first)

    assert done.stdout == "2\n", done.stderr


def test_page_names_all_that_is_public() -> None:
    for name in sqlpair.__all__:
        assert re.search(rf"`(sqlpair\.)?{name}\b", PAGE), name


def test_page_shows_the_signatures() -> None:
    rows = re.findall(r"^\| `(\w+)\((.*?)\)` \| `(\w+)`", PAGE, re.MULTILINE)
    verbs = {name for name in vars(sqlpair.Project) if name[0] != "_"}
    assert {name for name, _, _ in rows} == verbs
    for name, shown, returned in rows:
        signature = inspect.signature(getattr(sqlpair.Project, name))
        _self, *parameters = signature.parameters.values()
        plain = signature.replace(
            parameters=[p.replace(annotation=p.empty) for p in parameters],
            return_annotation=signature.empty,
        )
        assert str(plain) == f"({shown})"
        assert signature.return_annotation == returned
