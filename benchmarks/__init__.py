"""Benchmarks: each file measures one thing, by itself, on loopback, and prints ratios; ``python -m benchmarks`` runs them all."""
