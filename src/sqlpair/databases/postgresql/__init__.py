"""PostgreSQL: how it connects, locks, runs statements and describes itself."""
