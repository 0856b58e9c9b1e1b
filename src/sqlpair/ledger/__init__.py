"""What is recorded of migrations: in each database, and in the log."""
