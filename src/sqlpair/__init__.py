"""Plain SQL files as the source of truth for several databases at once."""
