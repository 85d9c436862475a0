"""The proof: what sources and books each say, read by clients of their own, side by side. Pure."""
