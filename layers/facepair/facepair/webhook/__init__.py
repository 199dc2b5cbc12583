"""Sign and send webhooks (Standard Webhooks). Imports nothing of AWS."""

from facepair.webhook.sender import ReceiversKeys, Sender
from facepair.webhook.signature import key, signature

__all__ = ["ReceiversKeys", "Sender", "key", "signature"]
