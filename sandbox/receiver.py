"""A receiver of webhooks as users write one, which verifies signatures with the `standardwebhooks` package."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Literal

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from sandbox.lambda_host.server import Handler, Server


@dataclass(frozen=True)
class Delivery:
    """One POST: `at` is its arrival in epoch seconds, `status` the response."""

    at: float
    path: str
    headers: Mapping[str, str]
    body: bytes
    verified: bool
    status: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.body)
        return message


@dataclass(frozen=True)
class ReceiverReply:
    """What the receiver does instead of responding 204.

    Either a status with headers, after `delay` seconds, or it drops the connection before or after reading the message.
    """

    status: int = HTTPStatus.NO_CONTENT
    headers: Mapping[str, str] | None = None
    delay: float = 0
    drop: Literal["before", "after"] | None = None


class EmulatedReceiver:
    """Listens on loopback until closed; a message must be signed with one of the `secrets` (`whsec_…`).

    Responds 401 to anything else. Logs every message to `log_file`.
    """

    def __init__(self, *secrets: str, log_file: Path | None = None) -> None:
        self.secrets = list(secrets)
        self._log_file = log_file
        self._answers: list[ReceiverReply] = []
        self._always: ReceiverReply | None = None
        self._deliveries: list[Delivery] = []
        self._lock = threading.Lock()
        self._server = Server(_handler_for(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}/verdicts"

    def answer(self, *answers: ReceiverReply) -> None:
        """Set the responses to the next messages, one each."""
        with self._lock:
            self._answers += answers

    def always(self, answer: ReceiverReply | None) -> None:
        """Set the response to all messages; None restores the default."""
        with self._lock:
            self._always = answer
            self._answers.clear()

    @property
    def deliveries(self) -> list[Delivery]:
        """Every message received, accepted or not."""
        with self._lock:
            return list(self._deliveries)

    @property
    def taken(self) -> dict[str, Delivery]:
        """Accepted messages by id; of duplicates, the first."""
        taken = [each for each in self.deliveries if each.verified and 200 <= each.status < 300]
        return {each.id: each for each in reversed(taken)}

    def close(self) -> None:
        self._server.close()

    def next_answer(self) -> ReceiverReply:
        with self._lock:
            return self._answers.pop(0) if self._answers else self._always or ReceiverReply()

    def note(self, delivery: Delivery) -> None:
        with self._lock:
            self._deliveries.append(delivery)
            if self._log_file is not None:
                with self._log_file.open("a") as log:
                    verified = "verified" if delivery.verified else "NOT verified"
                    print(delivery.status, verified, delivery.body.decode(errors="replace"), file=log)

    def verified(self, headers: Mapping[str, str], body: bytes) -> bool:
        return any(_verifies(secret, headers, body) for secret in self.secrets)


def _verifies(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers))
    except WebhookVerificationError:
        return False
    return True


def _handler_for(receiver: EmulatedReceiver) -> type[BaseHTTPRequestHandler]:
    class WebhookHandler(Handler):
        def do_POST(self) -> None:
            at, answer = time.time(), receiver.next_answer()
            if answer.drop == "before":
                self.close_connection = True
                return
            body = self.body()
            headers = {name.lower(): value for name, value in self.headers.items()}
            verified = receiver.verified(headers, body)
            status = answer.status if verified else HTTPStatus.UNAUTHORIZED
            receiver.note(Delivery(at, self.path, headers, body, verified, 0 if answer.drop else status))
            time.sleep(answer.delay)
            if answer.drop:
                self.close_connection = True
                return
            self.answer(HTTPStatus(status), headers=dict(answer.headers or {}))

    return WebhookHandler
