"""Stage 3: decide, and the engine that drives every stage."""
