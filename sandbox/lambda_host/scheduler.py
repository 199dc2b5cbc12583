"""Invoke functions on schedule."""

import json
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from sandbox.aws import ACCOUNT, REGION
from sandbox.lambda_host.fleet import HostClosed
from sandbox.stack import Schedule


class Scheduler:
    """Invokes once per interval, until closed. A run longer than the interval delays the next."""

    def __init__(self, schedule: Schedule, invoke: Callable[[bytes], object]) -> None:
        self._schedule = schedule
        self._invoke = invoke
        self._closed = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(self._schedule.every.total_seconds()):
            with suppress(HostClosed):
                self._invoke(json.dumps(_event(self._schedule)).encode())


def _event(schedule: Schedule) -> dict[str, object]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": REGION,
        "resources": [schedule.rule_arn],
        "detail": {},
    }
