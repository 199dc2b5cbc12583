"""Pairs whose workers died are given up, whatever their row said before. With real tables."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

from facepair.aws.decisions import ReviewDecisions
from facepair.aws.gate import GateItem
from facepair.aws.in_flight import InFlightMarkers
from facepair.aws.reads import BatchedFirstReads
from facepair.aws.uploads import ImagesBucket
from facepair.aws.verdicts import VerdictsTable
from facepair.domain import clock
from facepair.domain.gate import Rules
from facepair.domain.notification import CreatedObject
from facepair.domain.outcome import Policy
from facepair.domain.pair import Names
from facepair.domain.retention import Retention
from facepair.domain.retry import Backoff, Later
from facepair.domain.verdict import Verdict
from facepair.threads import Threads
from facepair.use_cases.ask import Concluded, Question
from facepair.use_cases.compare import MOST_DEATHS, Attempt, Comparer, Deferred
from sandbox.portraits import jpeg, portrait
from tests.support.resources import Resources

NAMES = Names("first", "second")
ANNA = jpeg(portrait(1, width=300, height=400))


@dataclass
class BusyAsker:
    """The API is busy."""

    def is_new(self, pair_id: str) -> bool:
        return True

    def ask(self, question: Question) -> Concluded:
        raise Later("busy", code="SERVICE_BUSY", retry_after=0)


@pytest.fixture
def uploads(deployed: Resources) -> ImagesBucket:
    return ImagesBucket(deployed.client("s3"), deployed.outputs["ImagesBucket"], NAMES)


@pytest.fixture
def verdicts(deployed: Resources) -> VerdictsTable:
    retention, name = Retention(own=timedelta(days=30), images=timedelta(days=30)), deployed.outputs["VerdictsTable"]
    return VerdictsTable(deployed.tables, name, retention=retention)


@pytest.fixture
def marks(deployed: Resources) -> InFlightMarkers:
    return InFlightMarkers(deployed.table("IdempotencyTable"), comes_back=timedelta(minutes=12))


@pytest.fixture
def comparer(deployed: Resources, uploads: ImagesBucket, verdicts: VerdictsTable, marks: InFlightMarkers) -> Comparer:
    return Comparer(
        first_reads=BatchedFirstReads(
            deployed.tables,
            verdicts=deployed.outputs["VerdictsTable"],
            idempotency=deployed.outputs["IdempotencyTable"],
        ),
        uploads=uploads,
        verdicts=verdicts,
        decisions=ReviewDecisions(
            deployed.tables,
            verdicts=deployed.outputs["VerdictsTable"],
            idempotency=deployed.outputs["IdempotencyTable"],
        ),
        in_flight=marks,
        gate=GateItem(deployed.table("IdempotencyTable"), Rules(per_second=0, stop_after_unknown=5, pause=600)),
        asker=BusyAsker(),
        parallel=Threads(),
        policy=Policy(pass_above=Decimal(70), reject_below=Decimal(55)),
        max_upload_megabytes=1,
        backoff=Backoff(),
    )


@pytest.mark.parametrize("pending_before", [True, False])
def test_a_pair_is_given_up_whatever_its_row_said_before(
    deployed: Resources,
    comparer: Comparer,
    uploads: ImagesBucket,
    verdicts: VerdictsTable,
    marks: InFlightMarkers,
    pair_id: str,
    pending_before: bool,
) -> None:
    for name in ("first", "second"):
        deployed.client("s3").put_object(
            Bucket=deployed.outputs["ImagesBucket"], Key=f"{pair_id}/{name}.jpg", Body=ANNA
        )
    attempt = Attempt(CreatedObject(f"{pair_id}/first.jpg"), 1, lambda: 60.0)
    if pending_before:
        with pytest.raises(Deferred):
            comparer.compare(pair_id, attempt)
    before = verdicts.row(pair_id)

    for _ in range(MOST_DEATHS):
        marks.begin(uploads.find(pair_id).objects, alive_until=clock.now() - timedelta(seconds=1))
    comparer.compare(pair_id, attempt)

    row = verdicts.row(pair_id)
    assert (before.verdict if before else None) == (Verdict.PENDING if pending_before else None)
    assert row is not None
    assert (row.verdict, row.code) == (Verdict.UNDETERMINED, "WORKER_DIED")
    if before:
        assert (row.fingerprint, row.first) == (before.fingerprint, before.first)
