"""Powertools' record ids, without importing Powertools, which only Lambda has."""

import hashlib
import json

PREFIX = "compare"


def record_id(fingerprint: str) -> str:
    """Return the record id that Powertools derives for two contents."""
    return f"{PREFIX}#{hashlib.sha256(json.dumps(fingerprint).encode()).hexdigest()}"
