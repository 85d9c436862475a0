"""Policies: decide(event, view, rules) -> decision; one module per kind of fact."""
