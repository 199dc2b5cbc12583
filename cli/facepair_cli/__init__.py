"""The operator's command line, never part of a layer."""
