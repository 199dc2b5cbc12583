"""Signatures of the Standard Webhooks specification, version 1."""

import base64
import hashlib
import hmac
from collections.abc import Sequence


def key(value: str) -> bytes:
    """Return the key in a secret's value (what follows `whsec_`). Raises ValueError unless it is base64."""
    try:
        decoded = base64.b64decode(value.strip(), validate=True)
    except ValueError:  # includes binascii.Error
        decoded = b""
    if not decoded:
        raise ValueError("it is not base64; 32 letters and digits are")
    return decoded


def signature(keys: Sequence[bytes], webhook_id: str, timestamp: int, content: bytes) -> str:
    """Return the header `webhook-signature`: one signature per key, so that receivers may have either.

    Signs id, time of the attempt (epoch seconds) and body, joined by dots.
    """
    signed = f"{webhook_id}.{timestamp}.".encode() + content
    return " ".join(f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}" for key in keys)
