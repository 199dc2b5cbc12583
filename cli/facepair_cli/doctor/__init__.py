"""Check a deployment."""
