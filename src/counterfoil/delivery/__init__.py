"""Stage 4: commands go out in batches, intent first, and each ends done, refused or unknown."""
