"""Run migrations in open transactions, and commit several databases as one."""
