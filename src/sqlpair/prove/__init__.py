"""Proof that migrations can be undone: tried on rows, in scratch databases.

proof         which migrations to prove, and the record of what is proved
branch_proof  the migrations of one database, one after the other
trial         one migration: up, down, up, and again with rows added above it
database      a scratch database, the migrations run in it, its state
compare       the difference of two states
rows, table   generated rows for every table
seed          the project's own rows
record        what was proved on this machine
"""
