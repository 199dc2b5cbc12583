"""One attempt to deliver a webhook."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from facepair import http
from facepair.domain import clock
from facepair.domain.webhook import Undelivered, Webhook
from facepair.webhook.signature import signature

DEADLINE_SECONDS = 10
"""From the DNS look-up to the response's status and headers."""


class ReceiversKeys(Protocol):
    def load(self) -> Sequence[bytes]:
        """Return the current key and, if any, the previous one. Raises Undelivered if there is none."""


@dataclass(frozen=True)
class Sender:
    """The `WebhookReceiver` port over HTTP: POSTs to one URL."""

    url: str
    keys: ReceiversKeys
    deadline: float = DEADLINE_SECONDS
    proxy: http.Proxy | None = None

    def take(self, webhook: Webhook) -> None:
        """Deliver a webhook. Raises Undelivered for anything but a 2xx status, redirects included."""
        keys = self.keys.load()
        content, timestamp = webhook.content(), int(clock.now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": webhook.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(keys, webhook.id, timestamp, content),
        }
        try:
            reply = http.post_for_status(self.url, content, headers, self.deadline, proxy=self.proxy)
        except http.PostFailed as failed:
            raise Undelivered(failed.message) from failed
        if not 200 <= reply.status < 300:
            retry_after = http.retry_after_seconds(reply.headers.get("Retry-After"), clock.now())
            raise Undelivered(f"the receiver answered HTTP {reply.status}", retry_after=retry_after)
