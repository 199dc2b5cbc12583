"""What a review needs of AWS, on the template's tables; the fakes behave the same."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Barrier, Thread
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import boto3
import pytest
import urllib3

from facepair.aws.clients import LINKING
from facepair.aws.decisions import ReviewDecisions, ReviewOpinions
from facepair.aws.erasable import ErasableRecords
from facepair.aws.reads import BatchedLastReads
from facepair.aws.review import ManualChecks, PictureLinks, ReviewLeases
from facepair.aws.verdicts import VerdictsTable
from facepair.domain import clock
from facepair.domain.backlog import Count
from facepair.domain.decision import Decision, Opinion, Review
from facepair.domain.opinions import Opinions
from facepair.domain.pair import Role
from facepair.domain.review_request import Queued
from facepair.domain.row import PictureRow, Row
from facepair.domain.verdict import Verdict
from facepair.use_cases.ports import Decisions, Verdicts
from facepair.use_cases.review import KnownOpinions, Leases
from tests.integration.test_verdicts_table import KEPT, renamed, state, table_of, written
from tests.support.resources import Resources
from tests.world import World

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
UNDECIDED = state(Verdict.MANUAL_CHECK, contents="A")


def decision(verdict: Verdict = Verdict.PASS, by: str = "rita") -> Decision:
    retake: tuple[Role, ...] | None = ("first",) if verdict is Verdict.RETAKE else None
    review = Review(by=f"arn:aws:iam::1:user/{by}", at=NOON, reason="seen", from_=Verdict.MANUAL_CHECK)
    return Decision(verdict=verdict, retake=retake, review=review)


@pytest.fixture
def verdicts(deployed: Resources) -> VerdictsTable:
    return table_of(deployed, KEPT)


def write(verdicts: VerdictsTable, row: Row) -> bool:
    return verdicts.write(row, None)


@pytest.fixture
def decisions(deployed: Resources) -> ReviewDecisions:
    names = {name: deployed.outputs[f"{name.capitalize()}Table"] for name in ("verdicts", "idempotency")}
    return ReviewDecisions(deployed.tables, **names)


# --- decisions -------------------------------------------------------------------------------------------------------


def test_a_decision_stands_in_the_row_and_is_found_by_its_contents(
    deployed: Resources, verdicts: VerdictsTable, decisions: ReviewDecisions, pair_id: str
) -> None:
    row = renamed(UNDECIDED, pair_id, fingerprint=uuid4().hex)
    write(verdicts, row)
    before = written(deployed, pair_id)

    assert decisions.of(str(row.fingerprint)) is None
    assert decisions.decide(Row.from_item(before), decision(Verdict.RETAKE))

    changed = {
        "verdict": "RETAKE",
        "retake": ["first"],
        "review": {"by": "arn:aws:iam::1:user/rita", "at": clock.iso(NOON), "reason": "seen", "from": "MANUAL_CHECK"},
        # The reviewer's time is earlier than the row's; the decision's write still comes later.
        "updated_at": clock.iso(clock.parse(before["updated_at"]) + timedelta(milliseconds=1)),
    }
    assert written(deployed, pair_id) == before | changed
    assert decisions.of(str(row.fingerprint)) == decision(Verdict.RETAKE)
    last_reads = BatchedLastReads(deployed.tables, idempotency=deployed.outputs["IdempotencyTable"])
    assert last_reads.after_call(str(row.fingerprint)).decision == decision(Verdict.RETAKE)
    assert last_reads.after_call("other contents").decision is None
    kept = deployed.table("IdempotencyTable").get_item(Key={"id": f"decision#{row.fingerprint}"})["Item"]
    assert kept["expiration"] == before["expires_at"]


@pytest.mark.parametrize(
    "now",
    [
        state(Verdict.PASS, contents="A"),
        state(Verdict.PENDING, contents="A"),
        state(Verdict.MANUAL_CHECK, contents="B"),
        UNDECIDED.as_decided(decision(Verdict.MANUAL_CHECK)),
        None,
    ],
)
def test_what_is_not_a_manual_check_of_these_contents_is_not_decided(
    deployed: Resources, verdicts: VerdictsTable, decisions: ReviewDecisions, pair_id: str, now: Row | None
) -> None:
    if now:
        write(verdicts, renamed(now, pair_id))

    assert not decisions.decide(renamed(UNDECIDED, pair_id), decision())

    assert (written(deployed, pair_id)["verdict"] if now else None) == (now.verdict if now else None)
    item = deployed.table("IdempotencyTable").get_item(Key={"id": "decision#A"})
    assert "Item" not in item


def test_of_many_who_decide_at_once_one_does(
    deployed: Resources, verdicts: VerdictsTable, decisions: ReviewDecisions, pair_id: str
) -> None:
    row = renamed(UNDECIDED, pair_id, fingerprint=uuid4().hex)
    write(verdicts, row)
    begin, done = Barrier(6), dict[str, bool]()

    def decide(by: str) -> None:
        begin.wait()
        done[by] = decisions.decide(row, decision(by=by))

    threads = [Thread(target=decide, args=(f"reviewer {number}",)) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    [first] = [by for by, decided in done.items() if decided]
    assert written(deployed, pair_id)["review"]["by"].endswith(first)
    kept = decisions.of(str(row.fingerprint))
    assert kept is not None
    assert kept.review.by.endswith(first)


def test_an_erasure_deletes_what_a_person_has_decided(
    deployed: Resources, verdicts: VerdictsTable, decisions: ReviewDecisions, pair_id: str
) -> None:
    row = renamed(UNDECIDED, pair_id, fingerprint=uuid4().hex)
    write(verdicts, row)
    decisions.decide(row, decision())

    ErasableRecords(deployed.tables, deployed.outputs["IdempotencyTable"]).take_review(str(row.fingerprint))

    assert decisions.of(str(row.fingerprint)) is None


def rows_of(verdicts: VerdictsTable, decisions: Decisions, pair_id: str) -> list[str]:
    """Return the pair's row after each of a worker's writes that follow a decision."""
    write(verdicts, renamed(UNDECIDED, pair_id))
    row = verdicts.row(pair_id)
    assert row is not None
    assert decisions.decide(row, decision(Verdict.REJECT))
    steps = [
        state(Verdict.MANUAL_CHECK, contents="A", uploaded=9, listed=10),
        state(Verdict.PENDING, contents="A", uploaded=9, listed=10),
        state(Verdict.UNDETERMINED, contents="A", uploaded=9, listed=10),
        state(Verdict.MANUAL_CHECK, contents="A", uploaded=9, listed=10).as_decided(decision(Verdict.REJECT)),
        state(Verdict.MANUAL_CHECK, contents="B", uploaded=20, listed=21),
        state(Verdict.MANUAL_CHECK, contents="A", uploaded=30, listed=31),
    ]
    said = []
    for step in steps:
        did = write(verdicts, renamed(step, pair_id))
        current = verdicts.row(pair_id)
        assert current is not None
        said.append(f"{did}: {current.verdict} of {current.fingerprint}{', decided' if current.review else ''}")
    return said


def test_no_verdict_replaces_a_decision_about_the_same_contents(
    verdicts: VerdictsTable, decisions: ReviewDecisions, pair_id: str
) -> None:
    fakes = World()

    said = rows_of(verdicts, decisions, pair_id)

    assert said == [
        "False: REJECT of A, decided",
        "False: REJECT of A, decided",
        "False: REJECT of A, decided",
        "True: REJECT of A, decided",
        "True: MANUAL_CHECK of B",
        "True: MANUAL_CHECK of A",
    ]
    assert rows_of(fakes.verdicts, fakes.decisions, pair_id) == said  # type: ignore[arg-type]


# --- opinions --------------------------------------------------------------------------------------------------------


def opinion(by: str = "rita") -> Opinion:
    return Opinion(by=f"arn:aws:iam::1:user/{by}", at=NOON, verdict=Verdict.PASS, reason="seen", saw_similarity=True)


@pytest.fixture
def opinions(deployed: Resources) -> ReviewOpinions:
    names = {name: deployed.outputs[f"{name.capitalize()}Table"] for name in ("verdicts", "idempotency")}
    return ReviewOpinions(deployed.tables, **names)


def kept(opinions: KnownOpinions, verdicts: Verdicts, decisions: Decisions, pair_id: str) -> list[object]:
    """Return what happens to opinions about a row that is finally decided."""
    row = renamed(UNDECIDED, pair_id, fingerprint=sha256(pair_id.encode()).hexdigest())
    contents = str(row.fingerprint)
    absent = opinions.change(row, Opinions().with_opinion(opinion()))
    verdicts.write(row, row.uploaded_at)
    first = Opinions().seen_by("rita").with_opinion(opinion())
    happened: list[object] = [
        absent,
        opinions.of(contents),
        opinions.change(row, Opinions().seen_by("rita")),
        opinions.change(row, Opinions().seen_by("bo")),
        opinions.change(row, first),
        opinions.of(contents) == first,
        opinions.of_many([contents, "other", contents]) == {contents: first},
        opinions.of_many([]),
        opinions.change(renamed(row, pair_id, fingerprint="other"), Opinions().seen_by("bo")),
        decisions.decide(row, decision(by="bo"), first.version - 1),
        decisions.decide(row, Decision.of(opinion("bo"), first.opinions), first.version),
        opinions.of(contents),
        opinions.change(row, Opinions().seen_by("late")),
    ]
    current = decisions.of(contents)
    assert current is not None
    return [*happened, current.review.also_by, current.opinions[1] == opinion()]


def test_opinions_are_kept_by_version_until_the_decision_is_final(
    verdicts: VerdictsTable, opinions: ReviewOpinions, decisions: ReviewDecisions, pair_id: str
) -> None:
    fakes, none = World(), Opinions()
    rita = ("arn:aws:iam::1:user/rita",)

    happened = kept(opinions, verdicts, decisions, pair_id)

    assert happened == [
        *(False, none, True, False, True, True, True, {}, False),
        *(False, True, none, False, rita, True),
    ]
    assert kept(fakes.opinions, fakes.verdicts, fakes.decisions, pair_id) == happened


def test_an_erasure_deletes_opinions(
    deployed: Resources, verdicts: VerdictsTable, opinions: ReviewOpinions, pair_id: str
) -> None:
    row = renamed(UNDECIDED, pair_id, fingerprint=uuid4().hex)
    write(verdicts, row)
    assert opinions.change(row, Opinions().with_opinion(opinion()))
    item = deployed.table("IdempotencyTable").get_item(Key={"id": f"opinions#{row.fingerprint}"})["Item"]

    ErasableRecords(deployed.tables, deployed.outputs["IdempotencyTable"]).take_review(str(row.fingerprint))

    assert opinions.of(str(row.fingerprint)) == Opinions()
    assert item["version"] == 1


# --- queue and leases -------------------------------------------------------------------------------------------------


def test_pairs_wait_in_the_order_in_which_their_rows_were_written(
    deployed: Resources, verdicts: VerdictsTable, pair_id: str
) -> None:
    queue = ManualChecks(deployed.table("VerdictsTable"))
    before = queue.waiting()
    mine = [f"{pair_id} {letter}" for letter in "zax"]
    for each in mine:
        write(verdicts, renamed(UNDECIDED, each))
    write(verdicts, renamed(state(Verdict.PASS), f"{pair_id} passed"))

    listed = list(queue.oldest_first())

    assert [each for each in listed if each.pair_id.startswith(pair_id)] == [
        Queued(each, str(UNDECIDED.fingerprint)) for each in mine
    ]
    assert queue.waiting() == Count(before.number + 3)


def leased(leases: Leases, pair_id: str, pass_time: Callable[[float], None]) -> list[bool]:
    """Return what happens to leases of two reviewers on one pair."""
    until = clock.now() + timedelta(seconds=60)
    told = [leases.take(pair_id, who, until) for who in ("rita", "rita", "bo")]
    leases.give_back(pair_id, "bo")
    told.append(leases.take(pair_id, "bo", until))
    leases.give_back(pair_id, "rita")
    leases.give_back(pair_id, "rita")
    told.append(leases.take(pair_id, "bo", until))
    pass_time(61)
    told.append(leases.take(pair_id, "rita", clock.now() + timedelta(seconds=60)))
    return told


def test_a_pair_is_one_reviewer_s_until_it_is_given_back_or_its_time_is_over(
    deployed: Resources, pair_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes = World()
    monkeypatch.setattr(clock, "now", fakes.time.now)

    told = leased(ReviewLeases(deployed.table("IdempotencyTable")), pair_id, fakes.time.passes)

    assert told == [True, True, False, False, True, True]
    assert leased(fakes.leases, pair_id, fakes.time.passes) == told


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_link_leads_to_the_version_that_was_compared_whatever_came_after_it(
    deployed: Resources, pair_id: str
) -> None:
    s3, bucket, key = deployed.client("s3"), deployed.outputs["ImagesBucket"], f"{pair_id}/first.jpg"
    version = s3.put_object(Bucket=bucket, Key=key, Body=b"compared")["VersionId"]
    s3.put_object(Bucket=bucket, Key=key, Body=b"came later")

    link = PictureLinks(s3, bucket).link(PictureRow(key=key, version_id=version, etag="e", size=8))

    assert link is not None
    assert urllib3.request("GET", link).data == b"compared"
    assert PictureLinks(s3, bucket).link(PictureRow(key=key, etag="e", size=8)) is None


def test_on_aws_a_link_lasts_a_minute_and_leads_to_the_bucket_s_own_region() -> None:
    s3 = boto3.client("s3", "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b", config=LINKING)

    link = PictureLinks(s3, "pictures").link(PictureRow(key="a/é.jpg", version_id="v1", etag="e", size=1))

    url = urlsplit(str(link))
    query = parse_qs(url.query)
    assert url.hostname == "pictures.s3.eu-central-1.amazonaws.com"
    assert (query["X-Amz-Expires"], query["versionId"]) == (["60"], ["v1"])


# --- damaged items ---------------------------------------------------------------------------------------------------


def test_a_damaged_decision_counts_as_none_and_is_logged(
    deployed: Resources, decisions: ReviewDecisions, caplog: pytest.LogCaptureFixture
) -> None:
    contents = uuid4().hex
    deployed.table("IdempotencyTable").put_item(Item={"id": f"decision#{contents}", "verdict": "PERHAPS"})
    last_reads = BatchedLastReads(deployed.tables, idempotency=deployed.outputs["IdempotencyTable"])

    assert decisions.of(contents) is None
    assert last_reads.after_call(contents).decision is None
    logged = [(each.levelname, getattr(each, "item", None)) for each in caplog.records]
    assert logged == [("ERROR", f"decision#{contents}")] * 2


def test_damaged_opinions_do_not_hide_those_about_other_pairs(
    deployed: Resources, opinions: ReviewOpinions, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, sound = uuid4().hex, uuid4().hex
    deployed.table("IdempotencyTable").put_item(Item={"id": f"opinions#{damaged}", "version": "one"})
    deployed.table("IdempotencyTable").put_item(Item={"id": f"opinions#{sound}", "version": 1, "saw": ["rita"]})

    assert opinions.of_many([damaged, sound]) == {sound: Opinions().seen_by("rita")}
    assert [getattr(each, "item", None) for each in caplog.records] == [f"opinions#{damaged}"]
    with pytest.raises(ValueError, match="version"):
        opinions.of(damaged)  # as none, they could be overwritten
