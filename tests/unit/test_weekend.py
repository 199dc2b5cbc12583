"""A long weekend in virtual time: every message of a pair against the real Comparer, without an API."""

import heapq
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import pytest
from PIL import Image

from facepair.domain import clock
from facepair.domain.gate import Gate
from facepair.domain.notification import CreatedObject
from facepair.domain.outcome import Policy
from facepair.domain.pair import Pair, Upload
from facepair.domain.picture import fit
from facepair.domain.reads import FirstRead
from facepair.domain.retry import Backoff, Closed, Later, RetryReason
from facepair.domain.row import PairItem, Row
from facepair.use_cases import compare
from facepair.use_cases.ask import Question
from facepair.use_cases.compare import Attempt, Comparer, Deferred
from sandbox.template import read_template
from tests.fakes import FakeParallel

TEMPLATE = read_template(Path(__file__).parents[2] / "template.yaml")
MAX_RECEIVES: int = TEMPLATE["Resources"]["UploadsQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
BLOCKED_RETRY_SECONDS: int = TEMPLATE["Parameters"]["BlockedRetrySeconds"]["Default"]
FRIDAY = datetime(2026, 1, 30, 18, tzinfo=UTC)
WEEKEND_SECONDS = 72 * 3600
BUSY = Later("busy", code="SERVICE_BUSY")
HANGING = Later("cannot reach it", code="NETWORK_ERROR")
BLOCKED = Closed("INSUFFICIENT_BALANCE", "top up", seconds=BLOCKED_RETRY_SECONDS)


def picture() -> bytes:
    content = BytesIO()
    Image.linear_gradient("L").save(content, "PNG")
    return content.getvalue()


class Weekend:
    """The collaborators of a Comparer, with a clock that only calls advance, by `call_seconds`."""

    def __init__(self, reason: RetryReason, call_seconds: float) -> None:
        self._reason = reason
        self._call_seconds = call_seconds
        self._picture = picture()
        self._busy_until = FRIDAY
        self.now = FRIDAY
        self.calls = 0

    def find(self, pair_id: str) -> Pair:
        first, second = (Upload(f"{pair_id}/{role}", role, len(self._picture), FRIDAY) for role in ("first", "second"))
        return Pair(pair_id, first, second, self.now)

    def read(self, upload: Upload) -> tuple[bytes, None]:
        return self._picture, None

    def of(self, pair_id: str) -> FirstRead:
        return FirstRead(Gate(), PairItem())

    def is_new(self, pair_id: str) -> bool:
        return True

    def look(self, seen: Gate) -> None:
        return None

    def begin(self, objects: str, alive_until: datetime) -> int:
        return 1

    def defer(self, objects: str, until: datetime) -> None:
        pass

    def write(self, row: Row, erased_at: datetime | None) -> bool:
        return True

    def ask(self, question: Question) -> NoReturn:
        if self.now < self._busy_until:
            raise Later("another worker is asking")
        self.calls += 1
        self._busy_until = self.now = self.now + timedelta(seconds=self._call_seconds)
        raise self._reason


@pytest.fixture(scope="module", autouse=True)
def _reproducible_jitter() -> Iterator[None]:
    state = random.getstate()
    yield
    random.setstate(state)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("messages", [2, 4])
@pytest.mark.parametrize(
    ("reason", "call_seconds"),
    [
        pytest.param(BUSY, 0.5, id="busy"),
        pytest.param(BLOCKED, 0.5, id="blocked"),
        pytest.param(HANGING, 15, id="hanging"),
    ],
)
def test_no_message_is_dead_lettered_over_a_long_weekend(
    reason: RetryReason, call_seconds: float, messages: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random.seed(seed)
    weekend = Weekend(reason, call_seconds)
    monkeypatch.setattr(clock, "now", lambda: weekend.now)
    monkeypatch.setattr(compare, "fit", cache(fit))  # each picture a thousand times, which would take most of the time
    policy = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
    house: Any = weekend
    comparer = Comparer(
        first_reads=house,
        uploads=house,
        verdicts=house,
        decisions=house,
        in_flight=house,
        gate=house,
        asker=house,
        parallel=FakeParallel(),
        policy=policy,
        max_upload_megabytes=25,
        backoff=Backoff(),
    )
    due = [(float(number), number) for number in range(messages)]
    receives = [0] * messages

    while due[0][0] < WEEKEND_SECONDS:
        arrives, message = heapq.heappop(due)
        receives[message] += 1
        weekend.now = FRIDAY + timedelta(seconds=arrives)
        with pytest.raises(Deferred) as deferred:
            comparer.compare("anna", Attempt(CreatedObject("anna/first"), receives[message], lambda: 60))
        comes_back = (weekend.now - FRIDAY).total_seconds() + deferred.value.seconds
        heapq.heappush(due, (comes_back, message))

    assert max(receives) < 0.8 * MAX_RECEIVES
    assert weekend.calls < MAX_RECEIVES * messages
