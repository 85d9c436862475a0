"""Finance: postings as data and the pure functions that make, check and sum them."""
