"""Processes: what takes weeks and several steps. The state of one is a record like any other; its steps are pure."""
