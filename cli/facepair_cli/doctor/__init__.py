"""`facepair doctor`."""
