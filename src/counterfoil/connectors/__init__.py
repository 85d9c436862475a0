"""Connectors, one folder per vendor; found by folder, never imported by name."""
