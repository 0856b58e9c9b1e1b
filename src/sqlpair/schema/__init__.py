"""The description of a schema, and the difference of two."""
