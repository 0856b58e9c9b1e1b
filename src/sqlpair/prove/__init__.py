"""Proof that each migration can be undone: tried on rows, where nothing is lost.

table      what a row of a table has to be, read by the drivers
rows       rows for every table, or the project's own seed
lane       a scratch database, migrations run in it, and its state
proof      up, down, up; the same from a restored dump, and on rows made above
mutate     a rollback's statements, each with one thing wrong
mutants    the proof of the proof: is each of these noticed?
"""
