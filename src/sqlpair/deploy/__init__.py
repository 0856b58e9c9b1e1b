"""Deployments: move all databases or none, and say where they are."""
