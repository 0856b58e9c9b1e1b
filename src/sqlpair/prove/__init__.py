"""Proof that migrations can be undone: tried on rows, in scratch databases.

proof         which migrations to prove, and the record of what is proved
branch_proof  the migrations of one database, one after the other
trial         one migration: up, down, up, and again with rows added above it
repeatable    each repeatable file, run twice
database      a scratch database, the migrations run in it, its state
compare       the difference of two states
rows          generated rows for every table; ``values``, what stands in them
seed          the project's own rows
record        what was proved on this machine
"""
