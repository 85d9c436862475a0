"""Stage 3: decide, and the durable engine that drives every stage (DBOS stands behind this package; nobody else names it)."""
