"""Fleets: databases that have members, each moved by itself, many at once."""
