"""Begin, number and document migrations: what writes files of a project."""
