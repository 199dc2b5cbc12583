"""Compare two face pictures with ADVANCE.AI, and pay only once."""

__version__ = "0.2.0"
