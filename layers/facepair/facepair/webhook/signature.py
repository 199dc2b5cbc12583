"""Signatures of the Standard Webhooks specification, version 1."""

import base64
import hashlib
import hmac
from collections.abc import Sequence


def key(value: str) -> bytes:
    """The key of a secret's value: what a receiver is given behind `whsec_`. Raises ValueError if it is not base64."""
    try:
        decoded = base64.b64decode(value.strip(), validate=True)
    except ValueError:  # binascii.Error is one
        decoded = b""
    if not decoded:
        raise ValueError("it is not base64; 32 letters and digits are")
    return decoded


def signature(keys: Sequence[bytes], webhook_id: str, timestamp: int, content: bytes) -> str:
    """The header `webhook-signature`: one signature for each key, so that either satisfies a receiver.

    Over id, time of the attempt in epoch seconds, and body, joined by dots.
    """
    signed = f"{webhook_id}.{timestamp}.".encode() + content
    return " ".join(f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}" for key in keys)
