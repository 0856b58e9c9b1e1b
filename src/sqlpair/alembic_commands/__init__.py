"""What each of Alembic's own commands means on several databases."""
