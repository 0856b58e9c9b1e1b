"""sqlpair psql: open psql on the configured PostgreSQL."""

from __future__ import annotations

import sys

import click

from sqlpair.cli import members, options, output
from sqlpair.databases.psql import choose, psql
from sqlpair.project.settings import load

which = click.option(
    "--database",
    metavar="NAME",
    shell_complete=options.databases,
    help="Which one; else the first PostgreSQL.",
)


@click.command(
    "psql",
    cls=members.OfMember,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
@which
@click.pass_context
def command(context: click.Context, database: str | None) -> None:
    """Open psql on the configured PostgreSQL.

    Whatever follows goes to psql: sqlpair psql -c 'SELECT 1'. An embedded server is
    started for as long as psql runs.
    """
    chosen = choose(load(context.obj), database)
    sys.exit(psql(chosen, context.args, output.progress))
