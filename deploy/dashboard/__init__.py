"""The stack's dashboard: edit dashboard.json, then run `make dashboard`."""
