"""`facepair submit` and `facepair link`."""
