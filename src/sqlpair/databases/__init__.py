"""The interface to a database, and what implements it for each engine."""
