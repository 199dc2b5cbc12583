"""Compares two face pictures with ADVANCE.AI: once, however often it is asked."""

__version__ = "0.2.0"
