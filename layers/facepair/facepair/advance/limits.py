"""What the Face Comparison API accepts, from its Image Quality Requirements."""

MAX_BYTES = 2_000_000
""""Below 2 MB", read as the decimal megabyte, the stricter of its two meanings: 5 % fewer bytes cost less than a call
that fails."""
MIN_SIDE = 256
"""Pixels."""
MAX_SIDE = 4096
"""Pixels."""
