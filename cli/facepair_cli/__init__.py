"""The command line. It is never part of a layer."""
