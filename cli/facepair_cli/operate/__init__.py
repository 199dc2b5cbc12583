"""Approve retries, resend events, redrive dead letters."""
