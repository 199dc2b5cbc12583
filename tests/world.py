"""The use cases wired to fakes. A changed collaborator needs changes to its fake and here, but not to tests."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from facepair.domain.ledger import OnUnknownOutcome
from facepair.domain.notification import CreatedObject, created_notification
from facepair.domain.opinions import SecondReview
from facepair.domain.outcome import Policy
from facepair.domain.retry import Backoff
from facepair.domain.row import Row
from facepair.use_cases.approve import Approver
from facepair.use_cases.ask import Asker
from facepair.use_cases.compare import Asks, Attempt, Comparer
from facepair.use_cases.erase import Eraser
from facepair.use_cases.missed import MissedPairs
from facepair.use_cases.ports import Parallel
from facepair.use_cases.receive import ComesBack, Compares, Receiver
from facepair.use_cases.review import Reviewing
from tests.fakes import (
    NAMES,
    FakeApi,
    FakeBucket,
    FakeCursor,
    FakeDecisions,
    FakeEarlierErasures,
    FakeErasableLedger,
    FakeErasableRecords,
    FakeErasableRows,
    FakeFirstReads,
    FakeGate,
    FakeIdempotency,
    FakeInFlight,
    FakeLastReads,
    FakeLeases,
    FakeLedger,
    FakeLinks,
    FakeMetrics,
    FakeOpinions,
    FakeParallel,
    FakePictures,
    FakeQueue,
    FakeRefusals,
    FakeReviewQueue,
    FakeTokens,
    FakeVerdicts,
    Time,
    picture,
)

POLICY = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
MAX_UPLOAD_MEGABYTES = 1
IMAGES_RETENTION = timedelta(days=30)


@dataclass(frozen=True)
class Longest(Backoff):
    """A back-off with maximal jitter."""

    def jitter(self, ceiling: float) -> float:
        return ceiling


class World:
    """Everything that the use cases touch, and the use cases.

    `diary` has every operation in order, as `<fake>.<operation>`.
    """

    make_api = FakeApi
    make_idempotency = FakeIdempotency

    def __init__(self, time: Time | None = None) -> None:
        self.time = time or Time()
        self.diary: list[str] = []
        self.bucket = FakeBucket(self.time, self.diary)
        self.earlier_erasures = FakeEarlierErasures(self.time, self.diary)
        self.verdicts = FakeVerdicts(self.time, self.diary)
        self.opinions = FakeOpinions(self.time, self.diary, self.verdicts)
        self.decisions = FakeDecisions(self.time, self.diary, self.verdicts, self.opinions)
        self.leases = FakeLeases(self.time, self.diary)
        self.ledger = FakeLedger(self.time, self.diary)
        self.refusals = FakeRefusals(self.time, self.diary)
        self.api = self.make_api(self.time, self.diary)
        self.tokens = FakeTokens(self.time, self.diary)
        self.idempotency = self.make_idempotency(self.time, self.diary)
        self.gate = FakeGate(self.time, self.diary)
        self.in_flight = FakeInFlight(self.time, self.diary)
        self.queue = FakeQueue(self.time, self.diary)
        self.cursor = FakeCursor(self.time, self.diary)
        self.metrics = FakeMetrics()
        self.parallel: Parallel = FakeParallel()
        self.pictures = FakePictures(self.time, self.diary, self.bucket)
        self.erasable_rows = FakeErasableRows(self.time, self.diary, self.verdicts)
        self.erasable_ledger = FakeErasableLedger(self.time, self.diary, self.ledger)
        self.erasable_records = FakeErasableRecords(
            self.time, self.diary, self.idempotency, self.in_flight, self.decisions, self.opinions
        )
        self.log_keys: list[dict[str, str]] = []

    def asker(self, on_unknown: OnUnknownOutcome = "hold") -> Asker:
        return Asker(
            api=self.api,
            tokens=self.tokens,
            ledger=self.ledger,
            refusals=self.refusals,
            idempotency=self.idempotency,
            gate=self.gate,
            last_reads=FakeLastReads(self.gate, self.decisions),
            parallel=self.parallel,
            metrics=self.metrics,
            on_unknown=on_unknown,
            sleep=self.time.passes,
        )

    def comparer(self, asker: Asks | None = None) -> Comparer:
        return Comparer(
            first_reads=FakeFirstReads(self.gate, self.verdicts, self.earlier_erasures),
            uploads=self.bucket,
            verdicts=self.verdicts,
            decisions=self.decisions,
            in_flight=self.in_flight,
            gate=self.gate,
            asker=asker or self.asker(),
            parallel=self.parallel,
            policy=POLICY,
            max_upload_megabytes=MAX_UPLOAD_MEGABYTES,
            backoff=Longest(),
        )

    def receiver(self, comparer: Compares | None = None) -> Receiver:
        return Receiver(
            names=NAMES,
            comparer=comparer or self.comparer(),
            queue=self.queue,
            backoff=Longest(),
            metrics=self.metrics,
            add_log_keys=lambda **keys: self.log_keys.append(keys),
        )

    def missed_pairs(self, after: timedelta = timedelta(0)) -> MissedPairs:
        return MissedPairs(
            uploads=self.bucket,
            names=NAMES,
            verdicts=self.verdicts,
            in_flight=self.in_flight,
            queue=self.queue,
            cursor=self.cursor,
            parallel=self.parallel,
            after=after,
            images_retention=IMAGES_RETENTION,
        )

    def eraser(self) -> Eraser:
        return Eraser(
            pictures=self.pictures,
            rows=self.erasable_rows,
            ledger=self.erasable_ledger,
            records=self.erasable_records,
            names=NAMES,
        )

    def approver(self) -> Approver:
        return Approver(verdicts=self.verdicts, ledger=self.ledger, queue=self.queue)

    def reviewing(self, second_review: SecondReview = SecondReview.NONE) -> Reviewing:
        return Reviewing(
            queue=FakeReviewQueue(self.time, self.diary, self.verdicts),
            leases=self.leases,
            links=FakeLinks(),
            verdicts=self.verdicts,
            decisions=self.decisions,
            opinions=self.opinions,
            metrics=self.metrics,
            second_review=second_review,
        )

    # --- people and AWS -----------------------------------------------------------------------------------------------

    def upload(self, *keys: str, shade: int = 0) -> None:
        """Upload pictures and notify the queue."""
        for key in keys:
            self.bucket.put(key, picture(shade))
            self.queue.send([created_notification(key, hashlib.md5(picture(shade)).hexdigest())])

    def upload_pair(self, pair_id: str = "anna") -> None:
        self.upload(f"{pair_id}/first.jpg", f"{pair_id}/second.jpg")

    def attempt(self, receive_count: int = 1, created: CreatedObject | None = None) -> Attempt:
        """Return the attempt of a fresh worker, by default about anna's first picture."""
        self.time.new_worker()
        return Attempt(created or self.created("anna/first.jpg"), receive_count, self.time.left)

    def created(self, key: str, shade: int = 0) -> CreatedObject:
        """Return a message's content about an uploaded picture."""
        return CreatedObject(key, hashlib.md5(picture(shade)).hexdigest())

    def work(self, receiver: Receiver | None = None) -> None:
        """Process messages like Lambda until none is due."""
        receiver = receiver or self.receiver()
        while message := self.queue.receive():
            self.time.new_worker()
            try:
                receiver.receive(message, self.time.left)
            except ComesBack:
                continue
            self.queue.delete(message.receipt_handle)

    def item(self, pair_id: str = "anna") -> dict[str, Any]:
        """Return the pair's stored row."""
        return self.verdicts.items[pair_id]

    def stored(self, pair_id: str = "anna") -> Row:
        return Row.from_item(self.item(pair_id))

    def happened(self, *operations: str) -> list[str]:
        """Return those operations that happened, in order."""
        return [each for each in self.diary if each in operations]
