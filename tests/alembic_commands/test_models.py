"""Models: compared with the live schema, and written as SQL pairs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conftest import Project

MODELS = """
from sqlalchemy import (
    CheckConstraint, Column, DateTime, ForeignKey, Index, Integer, MetaData, Numeric,
    String, Table, Text, UniqueConstraint, func,
)

metadata = MetaData()
Table(
    "accounts", metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", String(100), nullable=False),
    Column("note", Text, server_default="100%\\tsure"),
    UniqueConstraint("owner", name="unique_owner"),
)
Table(
    "payments", metadata,
    Column("id", Integer, primary_key=True),
    Column("account", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("amount", Numeric(12, 2), nullable=False),
    CheckConstraint("amount > 0", name="amount_positive"),
    Index("payments_account", "account"),
)
"""
DATABASES = ("postgres", "sqlite")


@pytest.fixture
def models(project: Project) -> Project:
    """A project whose databases are both described by ``models.py``."""
    (project.root / "models.py").write_text(MODELS)
    for name in DATABASES:
        project.configure(name, target_metadata="models:metadata")
    return project


def change(project: Project, old: str, new: str) -> None:
    path = project.root / "models.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    # Python takes a text of the same length and second for the one it has compiled.
    shutil.rmtree(project.root / "__pycache__", ignore_errors=True)


def generate(project: Project, database: str, message: str = "change it") -> str:
    project.alembic(
        *("revision", "--autogenerate", "-m", message, "--head", f"{database}@head")
    )
    return newest(project, database).read_text()


def newest(project: Project, database: str) -> Path:
    found = project.root.glob(f"sql/{database}/*.sql")
    return max(path for path in found if not path.stem.endswith("_rollback"))


@pytest.mark.parametrize("database", DATABASES)
def test_a_generated_pair_makes_the_schema_that_the_models_describe(
    models: Project, database: str
) -> None:
    models.upgrade()

    text = generate(models, database, "accounts and payments")
    assert text.startswith("-- Accounts and payments.\n-- Why: ")
    assert "CREATE TABLE accounts (\n    id " in text
    assert "'100%\tsure'" in text
    assert "TODO" not in text
    models.upgrade()

    other = DATABASES[database == "postgres"]
    models.configure(other, target_metadata="")
    assert models.alembic("check").stdout.startswith("No new upgrade operations")
    before = models.schema(database)
    models.downgrade(f"{database}@base")
    assert models.tables(database) == set()
    models.upgrade()
    assert models.schema(database) == before


@pytest.mark.parametrize("database", DATABASES)
def test_a_percent_sign_in_an_expression_stays_one(
    models: Project, database: str
) -> None:
    change(models, "Text, UniqueConstraint, func", "Text, UniqueConstraint, func, text")
    change(models, "amount > 0", "amount > 0 AND 'a%b' LIKE 'a%'")
    change(
        models,
        'Index("payments_account", "account")',
        'Index("payments_account", text("(account % 7)")),\n'
        '    Column("share", Text, server_default=text("(\'5%\')"))',
    )

    text = generate(models, database)

    assert "%%" not in text
    assert "'a%b' LIKE 'a%'" in text
    assert "'5%'" in text
    # Alembic leaves expressions out of SQLite's indexes, and says so.
    assert ("account % 7" in text) is (database == "postgres")
    models.upgrade()


@pytest.mark.parametrize("database", DATABASES)
def test_a_change_of_the_models_goes_up_and_down(
    models: Project, database: str
) -> None:
    generate(models, database)
    models.upgrade()
    before = models.schema(database)
    change(models, "String(100), nullable=False", "String(200), nullable=True")
    change(models, 'UniqueConstraint("owner", name="unique_owner"),', "")
    change(models, "Numeric(12, 2)", "Numeric(14, 2)")
    change(models, '    Index("pay', '    Column("at", DateTime),\n    Index("pay')

    text = generate(models, database)
    assert "TODO" not in text
    models.upgrade()

    again = generate(models, database)
    assert again == text, "there is nothing more to write"
    models.downgrade(f"{database}@-1")
    assert models.schema(database) == before


def test_check_names_what_differs_from_the_models_and_fails(models: Project) -> None:
    for database in DATABASES:
        generate(models, database)
    models.upgrade()
    models.alembic("check")
    change(models, 'Column("owner"', 'Column("email", Text), Column("owner"')
    models.pg("ALTER TABLE payments ALTER amount TYPE numeric(10, 2)")

    failure = models.alembic("check", expect=1)

    said = failure.stderr
    assert "postgres: the schema is not what its models say" in said
    assert "to do: add column accounts.email" in said
    assert "to do: modify type of payments.amount: NUMERIC(10, 2) is to be" in said
    assert "alembic revision --autogenerate --head postgres@head -m MESSAGE" in said
    assert "sqlite: the schema is not what its models say" in said
    assert "schema_" not in said
    assert "alembic_version" not in said


def test_check_says_which_of_the_two_it_compared_with(models: Project) -> None:
    generate(models, "postgres")
    models.configure("sqlite", target_metadata="")
    models.add("sqlite", "002_t", "CREATE TABLE t (id integer PRIMARY KEY);\n")
    models.upgrade()

    said = models.alembic("check").stderr
    assert "postgres: compared with its models, models:metadata" in said
    assert "sqlite: compared with what its files build" in said

    models.lite("CREATE TABLE by_hand (x)")
    failure = models.alembic("check", expect=1)
    assert "by_hand" in failure.stderr


def test_check_names_the_database_that_is_behind_first(models: Project) -> None:
    models.add("postgres", "001_t", "CREATE TABLE t ();\n")

    done = models.raw("alembic", "check")

    assert done.returncode not in (0, 2)
    assert "postgres: Target database is not up to date." in done.stdout


def test_a_program_that_checks_gets_alembics_own_error(models: Project) -> None:
    script = (
        "from alembic import command, util\nfrom alembic.config import Config\n"
        "try:\n    command.check(Config('alembic.ini'))\n"
        "except util.AutogenerateDiffsDetected as error:\n"
        "    print([diff[0] for diff in error.diffs])\n"
    )

    done = models.run("-c", script)

    assert done.stdout.count("add_table") == 4


def test_nothing_is_written_where_nothing_differs(models: Project) -> None:
    generate(models, "postgres")
    models.upgrade()
    before = sorted(models.root.rglob("*.*"))

    done = models.alembic(
        *("revision", "--autogenerate", "-m", "again", "--head", "postgres@head")
    )

    assert "nothing to write" in done.stderr
    after = [path for path in sorted(models.root.rglob("*.*")) if path not in before]
    assert all("__pycache__" in path.parts for path in after)


def test_pending_migrations_are_applied_before_models_are_compared(
    models: Project,
) -> None:
    models.add("postgres", "001_t", "CREATE TABLE t ();\n")

    failure = models.alembic(
        *("revision", "--autogenerate", "-m", "x", "--head", "postgres@head"), expect=1
    )

    assert "sqlpair migrate" in failure.stderr
    assert not (models.root / "sql/postgres/002_x.sql").exists()


def test_env_py_may_hand_the_models_over_with_alembics_options(
    project: Project,
) -> None:
    (project.root / "models.py").write_text(MODELS)
    env = project.root / "alembic" / "env.py"
    env.write_text(
        "import sys\nfrom pathlib import Path\nfrom alembic import context\n"
        "sys.path.insert(0, str(Path(__file__).parents[1]))\n"
        "from models import metadata\nfrom sqlpair.environment import run\n"
        "def include(name, kind, parents):\n    return name != 'by_hand'\n"
        "run(context, target_metadata={'postgres': metadata}, include_name=include)\n"
    )
    generate(project, "postgres")
    project.upgrade()
    project.pg("CREATE TABLE by_hand (x int)")

    assert "its models, env.py" in project.alembic("check").stderr
    env.write_text(env.read_text().replace("'postgres'", "'mysql'"))
    assert "'mysql'" in project.alembic("check", expect=2).stderr
    env.write_text(
        env.read_text().replace("'mysql'", "'postgres'").replace("include_n", "xn")
    )
    assert "run() takes no xname" in project.alembic("check", expect=2).stderr


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("models", "It is MODULE:NAME"),
        ("nowhere:metadata", "No module named 'nowhere'"),
        ("models:nothing", "has no attribute 'nothing'"),
        ("models:func", "has no MetaData"),
    ],
)
def test_models_that_cannot_be_had_are_named(
    models: Project, value: str, message: str
) -> None:
    models.configure("postgres", target_metadata=value)

    failure = models.alembic("check", expect=1)

    assert "target_metadata" in failure.stderr
    assert message in failure.stderr
    if ":" in value:
        models.alembic("upgrade", "heads")  # which asks for no models


def test_a_database_without_models_generates_nothing(project: Project) -> None:
    failure = project.alembic(
        *("revision", "--autogenerate", "-m", "x", "--head", "sqlite@head"), expect=2
    )

    assert "target_metadata = myapp.models:Base.metadata" in failure.stderr


def test_the_first_migration_is_generated_where_there_is_no_database(
    models: Project,
) -> None:
    models.configure("postgres", default="state/none")

    for database in DATABASES:
        models.alembic(
            *("revision", "--autogenerate", "-m", "begin"),
            *("--head", f"{database}@head"),
            DATABASE_URL="",
        )

    assert "SERIAL" in newest(models, "postgres").read_text()
    assert not models.file.exists()
    assert not (models.root / "state" / "none").exists()


def test_what_cannot_be_written_as_sql_is_a_comment(models: Project) -> None:
    generate(models, "postgres")
    models.upgrade()
    env = models.root / "alembic" / "env.py"
    env.write_text(
        env.read_text().replace(
            "run(context)",
            "from alembic.operations import ops\n"
            "def more(context, revision, directives):\n"
            "    for way in directives[0].upgrade_ops, directives[0].downgrade_ops:\n"
            "        way.ops += [ops.ExecuteSQLOp('UPDATE accounts SET owner = 1')]\n"
            "        way.ops.append(ops.DropConstraintOp(None, 'accounts'))\n"
            "run(context, process_revision_directives=more)\n",
        )
    )

    text = generate(models, "postgres")

    assert "\nUPDATE accounts SET owner = 1;\n" in text
    assert "-- TODO: not written as SQL, for it cannot be run as such (" in text
    assert "--   op.drop_constraint(None, 'accounts')" in text


def test_a_table_built_again_says_what_it_loses(models: Project) -> None:
    models.add(
        "sqlite",
        "001_accounts",
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY NOT NULL, owner VARCHAR(100)"
        " NOT NULL CHECK (owner <> ''), note TEXT DEFAULT '100%\tsure',"
        " CONSTRAINT unique_owner UNIQUE (owner));\n"
        "CREATE TRIGGER keep BEFORE DELETE ON accounts"
        " BEGIN SELECT raise(ABORT, 'no'); END;\n",
        "DROP TABLE accounts;\n",
    )
    models.upgrade()
    change(models, "String(100), nullable=False", "String(200), nullable=True")

    text = generate(models, "sqlite")

    assert "-- What it changes, in a scratch database:" in text
    assert "--   trigger accounts.keep is missing" in text
    assert "--   check constraint accounts (owner <> '') is missing" in text
    assert "CREATE TABLE _alembic_tmp_accounts" in text


ENTITIES = """
from alembic_utils.pg_function import PGFunction
from alembic_utils.pg_view import PGView
from alembic_utils.replaceable_entity import register_entities

double = PGFunction(
    schema="public", signature="double(x integer)",
    definition="RETURNS int LANGUAGE sql AS $$\\n\\tSELECT x * 2 -- 100%% sure\\n$$",
)
owners = PGView(
    schema="public", signature="owners", definition="SELECT owner FROM accounts"
)
register_entities([double, owners])
"""

SOURCE = "SELECT prosrc FROM pg_proc WHERE proname = 'double'"


def test_alembic_utils_entities_are_generated_compared_and_replaced(
    models: Project,
) -> None:
    models.configure("sqlite", target_metadata="")
    generate(models, "postgres")
    models.upgrade()
    change(models, "metadata = MetaData()", f"metadata = MetaData()\n{ENTITIES}")

    text = generate(models, "postgres")
    assert "\tSELECT x * 2 -- 100%% sure\n" in text
    models.upgrade()
    models.alembic("check")
    assert models.pg("SELECT double(4)") == [(8,)]

    change(models, "x * 2", "x + x")
    failure = models.alembic("check", expect=1)
    assert "replace or revert entity" in failure.stderr
    generate(models, "postgres")
    models.upgrade()
    assert (
        "x + x" in models.pg("SELECT prosrc FROM pg_proc WHERE proname='double'")[0][0]
    )
    models.downgrade("postgres@-1")
    assert (
        "x * 2" in models.pg("SELECT prosrc FROM pg_proc WHERE proname='double'")[0][0]
    )
    models.downgrade("postgres@-1")
    assert models.pg(SOURCE) == []
    models.upgrade()
    models.alembic("check")


def test_alembic_postgresql_enum_makes_enums_and_adds_values(models: Project) -> None:
    models.configure("sqlite", target_metadata="")
    generate(models, "postgres")
    models.upgrade()
    change(
        models,
        "metadata = MetaData()",
        "import alembic_postgresql_enum\nfrom sqlalchemy import Enum\n"
        "metadata = MetaData()\n",
    )
    change(
        models,
        'Column("owner"',
        "Column('state', Enum('new', 'paid', name='state')), Column(\"owner\"",
    )

    text = generate(models, "postgres")
    assert text.count("CREATE TYPE") == 1
    models.upgrade()
    models.alembic("check")
    change(models, "'new', 'paid'", "'new', 'paid', 'lost'")
    assert "(new, paid, lost)" in models.alembic("check", expect=1).stderr
    generate(models, "postgres")
    models.upgrade()
    models.alembic("check")
    assert models.pg("SELECT 'lost'::state")
    models.downgrade("postgres@-2")
    assert models.pg("SELECT 1 FROM pg_type WHERE typname = 'state'") == []


def test_what_extends_autogenerate_and_fails_is_named(models: Project) -> None:
    path = models.root / "models.py"
    path.write_text(
        path.read_text() + "\nfrom alembic.autogenerate import comparators\n"
        "@comparators.dispatch_for('schema')\ndef fails(*_):\n    raise KeyError('x')\n"
    )

    for command in (["check"], ["revision", "--autogenerate", "-m", "x", "--head"]):
        head = ["sqlite@head"] if "--head" in command else []
        failure = models.alembic(*command, *head, expect=1)
        assert ": autogenerate failed\n  KeyError: 'x'" in failure.stderr


def test_bookkeeping_tables_of_another_schema_are_left_out(models: Project) -> None:
    models.pg("CREATE SCHEMA trail")
    models.configure("postgres", ledger_schema="trail")
    env = models.root / "alembic" / "env.py"
    text = env.read_text().replace("run(context)", "run(context, include_schemas=True)")
    env.write_text(text)
    generate(models, "postgres")
    models.configure("sqlite", target_metadata="")
    models.upgrade()

    models.alembic("check")
    models.pg(
        "CREATE TABLE schema_version (mine int); CREATE TABLE trail.other (x int)"
    )
    said = models.alembic("check", expect=1).stderr
    assert "to do: remove table schema_version" in said
    assert "to do: remove table other" in said
    assert said.count("remove table") == 2
