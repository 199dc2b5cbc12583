"""Delete a pair and everything stored about it."""
