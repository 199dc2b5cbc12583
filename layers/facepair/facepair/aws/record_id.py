"""How Powertools names its records; apart from Powertools, which is in Lambda alone."""

import hashlib
import json

PREFIX = "compare"
"""Of the records' ids."""


def record_id(fingerprint: str) -> str:
    """The id of the record of two contents, as Powertools makes it of the key."""
    return f"{PREFIX}#{hashlib.sha256(json.dumps(fingerprint).encode()).hexdigest()}"
