"""Composition root: settings, discovery, wiring of stages, the demo. Everything below is pure or told what to use; this knows."""
