"""The engine that drives every stage: claims, drains and their turns, the workers and their leases."""
