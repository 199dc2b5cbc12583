"""The emulator's state: issued tokens, the script, received calls."""

import base64
import collections
import json
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field

from sandbox.advance_api.models import ApiRequest, Endpoint, Step


class IssuedTokens:
    """Access tokens shaped like the documented sample, a signed JSON Web Token."""

    def __init__(self) -> None:
        self._expiry: dict[str, float] = {}  # epoch seconds
        self._lock = threading.Lock()

    def issue(self, valid_seconds: int, peer: str) -> tuple[str, int]:
        """Return a new token and its expiry in epoch milliseconds."""
        now = time.time()
        expiry = now + valid_seconds
        subject = {"customerId": 55000282, "accountId": 55000284, "realIp": peer}
        claims = {
            "iss": "sandbox",
            "sub": json.dumps(subject, separators=(",", ":")),
            "aud": "WEB",
            "iat": int(now),
            "exp": int(expiry),
            "jti": uuid.uuid4().hex,
        }
        token = ".".join(
            (
                _base64url(b'{"alg":"HS512"}'),
                _base64url(json.dumps(claims).encode()),
                _base64url(secrets.token_bytes(64)),
            )
        )
        with self._lock:
            self._expiry[token] = expiry
        return token, int(expiry * 1000)

    def accepts(self, token: str | None) -> bool:
        with self._lock:
            return token is not None and time.time() < self._expiry.get(token, 0)

    def revoke(self) -> None:
        with self._lock:
            self._expiry.clear()


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class _Queued:
    step: Step
    taken: int = 0
    recent: collections.deque[float] = field(default_factory=collections.deque)  # calls within the rate

    def is_met_by(self, token: str | None, first_sha256: str | None) -> bool:
        if self.step.token not in (None, token) or self.step.first_sha256 not in (None, first_sha256):
            return False
        return self.step.above_per_second is None or self._exceeds(self.step.above_per_second)

    def _exceeds(self, per_second: int) -> bool:
        now = time.monotonic()
        while self.recent and now - self.recent[0] >= 1:
            self.recent.popleft()
        if len(self.recent) >= per_second:
            return True
        self.recent.append(now)
        return False


class Script:
    """Waiting steps, first in, first out per endpoint."""

    def __init__(self) -> None:
        self._queue: list[_Queued] = []
        self._lock = threading.Lock()

    def add(self, step: Step) -> None:
        with self._lock:
            self._queue.append(_Queued(step))

    @property
    def selects_by_picture(self) -> bool:
        with self._lock:
            return any(queued.step.first_sha256 is not None for queued in self._queue)

    def take(self, endpoint: Endpoint, token: str | None, first_sha256: str | None) -> Step:
        """Return the step for an incoming call; an empty one by default."""
        with self._lock:
            for queued in self._queue:
                if queued.step.endpoint == endpoint and queued.is_met_by(token, first_sha256):
                    queued.taken += 1
                    if queued.taken == queued.step.times:
                        self._queue.remove(queued)
                    return queued.step
        return Step(endpoint=endpoint)

    def clear(self) -> None:
        with self._lock:
            self._queue.clear()


class Journal:
    """Every call, in order."""

    def __init__(self) -> None:
        self._calls: list[ApiRequest] = []
        self._lock = threading.Lock()

    def add(self, call: ApiRequest) -> None:
        with self._lock:
            self._calls.append(call)

    def calls(self) -> list[ApiRequest]:
        with self._lock:
            return list(self._calls)

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()


@dataclass(frozen=True)
class Customer:
    """A customer's credentials and state."""

    access_key: str
    secret_key: str
    tokens: IssuedTokens = field(default_factory=IssuedTokens)
    script: Script = field(default_factory=Script)
    journal: Journal = field(default_factory=Journal)
