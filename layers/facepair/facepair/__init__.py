"""Compares two face pictures with ADVANCE.AI: once, however often it is asked."""
