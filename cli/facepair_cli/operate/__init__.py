"""Approve retries, and publish or deliver again."""
