"""What pytest loads: options, fixtures, and a test for each migration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sqlpair.testing.copies import DatabaseCopies, Templates

_FOLDER = pytest.StashKey[Path]()
_SERVER = pytest.StashKey[str]()
_AT_END = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what docs/testing.md names."""
    parser.addini(
        "sqlpair_config",
        "the project's alembic.ini, from the folder of pytest's configuration",
        default="alembic.ini",
    )
    parser.getgroup("sqlpair").addoption(
        "--sqlpair-prove",
        action="store_true",
        help="prove each migration, up, down and up on rows, as a test of its own",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the session's folder; under pytest-xdist the controller's."""
    given = getattr(config, "workerinput", {}).get("sqlpair_folder")
    if given:
        config.stash[_FOLDER] = Path(given)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist the session's folder."""
    node.workerinput["sqlpair_folder"] = str(_folder(node.config))


def _folder(config: pytest.Config) -> Path:
    if _FOLDER not in config.stash:
        from sqlpair.testing.session import new_folder

        config.stash[_FOLDER] = new_folder()
    return config.stash[_FOLDER]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the server; for a worker of pytest-xdist is not waited any longer."""
    if _AT_END in session.config.stash:
        session.config.stash[_AT_END].close()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the session has made, once the workers have ended."""
    if _FOLDER in config.stash and not hasattr(config, "workerinput"):
        from sqlpair.testing.server import remove

        remove(config.stash[_FOLDER])


@pytest.hookimpl(tryfirst=True)  # -k and -m choose among them, too
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add a test for each migration where they are asked for."""
    if not config.getoption("--sqlpair-prove"):
        return
    from sqlpair.errors import SqlpairError
    from sqlpair.testing import proof

    try:
        templates = _templates(config, _config(config))
        items += proof.items(session, templates)
    except SqlpairError as error:
        raise pytest.UsageError(str(error)) from error


def _config(config: pytest.Config) -> Path:
    return config.rootpath / str(config.getini("sqlpair_config"))


def _templates(config: pytest.Config, file: Path) -> Templates:
    from sqlpair.project.settings import load
    from sqlpair.testing.copies import Templates

    templates = Templates(file, _folder(config), partial(_own_server, config))
    if not templates.drivers:
        load(file)  # which says what is wrong with it
    return templates


def _own_server(config: pytest.Config, binaries: Path | None) -> str:
    """Start the session's server with the first who needs it, or find it started."""
    if _SERVER not in config.stash:
        from sqlpair.testing.server import started

        at_end = config.stash.setdefault(_AT_END, ExitStack())
        server = started(_folder(config), binaries)
        config.stash[_SERVER] = at_end.enter_context(server)
    return config.stash[_SERVER]


@pytest.fixture(scope="session")
def sqlpair_config(pytestconfig: pytest.Config) -> Path:
    """The project's alembic.ini. Override it where it is not at the usual place."""
    return _config(pytestconfig)


@pytest.fixture(scope="session")
def _sqlpair_templates(pytestconfig: pytest.Config, sqlpair_config: Path) -> Templates:
    return _templates(pytestconfig, sqlpair_config)


@pytest.fixture
def sqlpair_databases(
    _sqlpair_templates: Templates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DatabaseCopies]:
    """Copies of the project's databases, all migrations applied, for one test alone."""
    from sqlpair.testing.copies import DatabaseCopies

    copies = DatabaseCopies(_sqlpair_templates, tmp_path_factory.mktemp("sqlpair"))
    try:
        yield copies
    finally:
        copies.close()
