"""One attempt to deliver a webhook."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from facepair import http
from facepair.domain import clock
from facepair.domain.webhook import Undelivered, Webhook
from facepair.webhook.signature import signature

DEADLINE_SECONDS = 10
"""From the look-up of the receiver's name to the status and headers of its answer."""


class ReceiversKeys(Protocol):
    """The keys by which the receiver knows us."""

    def load(self) -> Sequence[bytes]:
        """The current key, and the one before it as long as there is one. Raises Undelivered where there is none."""


@dataclass(frozen=True)
class Sender:
    """A facepair.use_cases.ports.Receiver: POSTs to one URL."""

    url: str
    keys: ReceiversKeys
    deadline: float = DEADLINE_SECONDS
    proxy: http.Proxy | None = None

    def take(self, webhook: Webhook) -> None:
        """Deliver it. Any 2xx will do, whatever its body; everything else, a redirect too, raises Undelivered."""
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
