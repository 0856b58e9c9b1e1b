"""Hands Alembic's context to sqlpair."""

from alembic import context

from sqlpair.environment import run

run(context)
