"""The proof on a live system: sources and books read by clients of their own and joined document by document."""
