"""Backups of all databases at one version, and their restore."""
