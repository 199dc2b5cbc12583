"""`facepair submit`: what is checked, sent, and waited for."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from facepair.domain.outcome import Outcome
from facepair.domain.pair import Pair
from facepair.domain.retry import Unavailable
from facepair.domain.verdict import Verdict
from facepair.use_cases.compare import Deferred
from facepair_cli.cli import main
from facepair_cli.pair_ids import LONGEST_KEY
from facepair_cli.submit import plan_text, submission
from facepair_cli.submit.pairs import from_folder
from facepair_cli.submit.pictures import problem
from facepair_cli.submit.submission import Considered, Content, LeftOut, Plan, Problem, Submission, lookalikes
from facepair_cli.submit.submitter import LONGEST_PAUSE_SECONDS, REPLACED, Followed, Submitter
from tests.fakes import NAMES, picture
from tests.world import MAX_UPLOAD_MEGABYTES, World


class InThisProcess:
    """Checks pictures without subprocesses; `checked` lists them."""

    def __init__(self) -> None:
        self.checked: list[Path] = []

    def content(self, file: Path) -> Content:
        content = file.read_bytes()
        return Content(hashlib.sha256(content).hexdigest(), len(content))

    def problem(self, file: Path) -> Problem | None:
        self.checked.append(file)
        return problem(file, MAX_UPLOAD_MEGABYTES)


class Desk:
    """A local folder of pairs and the stack that it is submitted to."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.pictures = InThisProcess()
        self.submitter = Submitter(world.bucket, self.pictures)

    def pair(self, pair_id: str, first: bytes | int = 1, second: bytes | int = 2) -> None:
        """Write two pictures: bytes, or a shade of grey."""
        folder = self.folder / pair_id
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (("first.png", first), ("second.png", second)):
            (folder / name).write_bytes(content if isinstance(content, bytes) else picture(content))

    def plan(self) -> Plan:
        plan = Plan()
        for pair in from_folder(self.folder, NAMES).pairs:
            plan.add(pair if isinstance(pair, LeftOut) else self.submitter.consider(pair))
        return plan

    def submit(self) -> Mapping[str, Pair | LeftOut]:
        """Send the missing pictures; return each pair's state in the bucket, or its error."""
        plan = self.plan()
        return {pair.pair_id: pair.in_bucket for pair in plan.there} | {
            pair.pair_id: self.submitter.send(pair) for pair in plan.new
        }

    def considered(self, pair_id: str = "anna") -> Considered:
        [found] = [pair for pair in self.plan().pairs if pair.pair_id == pair_id]
        return found

    def sent(self) -> int:
        """Return the number of uploads so far."""
        return len(self.world.happened("bucket.upload"))


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    return Desk(world, tmp_path)


def in_bucket(submitted: Mapping[str, Pair | LeftOut]) -> list[Pair]:
    return [pair for pair in submitted.values() if isinstance(pair, Pair)]


def compare(world: World, pair_id: str = "anna") -> None:
    """Compare the pair, as CompareFunction does."""
    world.comparer().compare(pair_id, world.attempt(created=world.created(f"{pair_id}/first.png", shade=1)))


# --- uploads ---------------------------------------------------------------------------------------------------------


def test_both_pictures_of_a_new_pair_are_sent(world: World, desk: Desk) -> None:
    desk.pair("anna")

    submitted = desk.submit()

    assert submitted == {"anna": world.bucket.find("anna")}
    assert [world.bucket.read(each)[0] for each in world.bucket.find("anna").uploads.values()] == [
        picture(1),
        picture(2),
    ]


def test_pictures_already_in_the_bucket_are_neither_sent_nor_checked_again(desk: Desk) -> None:
    desk.pair("anna")
    desk.submit()
    desk.pictures.checked.clear()

    plan = desk.plan()

    assert [pair.pair_id for pair in plan.there] == ["anna"]
    assert (plan.new, plan.calls, plan.bytes_to_send) == ([], 0, 0)
    assert desk.pictures.checked == []


def test_an_interrupted_submission_resumes_with_the_second_picture(world: World, desk: Desk) -> None:
    desk.pair("anna")
    world.bucket.at("upload", lambda: None, Unavailable("the line is down"))
    with pytest.raises(Unavailable):
        desk.submit()

    plan = desk.plan()
    desk.submit()

    assert [pair.to_send for pair in plan.new] == [["second"]]
    assert (plan.calls, plan.bytes_to_send) == (1, len(picture(2)))
    assert desk.sent() == 3


@pytest.mark.parametrize("name", ["first.png", "first.jpg", "FIRST"])
def test_a_picture_in_the_bucket_counts_under_any_name_of_its_role(world: World, desk: Desk, name: str) -> None:
    desk.pair("anna")
    desk.submit()
    world.time.passes(1)
    world.bucket.upload(f"anna/{name}", desk.folder / "anna" / "first.png", hashlib.sha256(picture(1)).hexdigest())

    assert desk.considered().to_send == []


def test_a_picture_that_was_replaced_in_the_bucket_is_sent_again(world: World, desk: Desk) -> None:
    desk.pair("anna")
    desk.submit()
    world.time.passes(1)
    world.bucket.put("anna/first.jpg", picture(3))
    world.time.passes(1)

    submitted = desk.submit()

    assert submitted["anna"] == world.bucket.find("anna")
    assert world.bucket.find("anna").uploads["first"].key == "anna/first.png"


def test_other_contents_of_the_same_length_are_sent(world: World, desk: Desk) -> None:
    desk.pair("anna", b"one", b"two")
    desk.submit()
    world.time.passes(1)
    desk.pair("anna", b"uno", b"two")

    assert desk.considered().to_send == ["first"]


def test_s3_is_not_asked_for_the_contents_of_a_picture_of_another_length(world: World, desk: Desk) -> None:
    desk.pair("anna", b"one", b"two")
    desk.submit()
    world.time.passes(1)
    desk.pair("anna", b"three", b"four")

    desk.plan()

    assert world.happened("bucket.holds") == []


def test_an_upload_without_a_known_content_hash_is_sent_again(world: World, desk: Desk) -> None:
    desk.pair("anna")
    world.bucket.put("anna/first.png", picture(1))

    assert desk.considered().to_send == ["first", "second"]


def test_a_file_that_changes_after_its_check_is_not_sent(desk: Desk) -> None:
    desk.pair("anna")
    considered = desk.considered()
    desk.pair("anna", first=3)

    left_out = desk.submitter.send(considered)

    assert left_out == LeftOut("anna", f"{desk.folder}/anna/first.png changed after it was checked: run it again")
    assert desk.sent() == 0


def test_a_pair_that_another_client_uploads_meanwhile_is_reported(world: World, desk: Desk) -> None:
    desk.pair("anna")
    considered = desk.considered()

    def somebody_uploads() -> None:
        world.time.passes(1)
        world.bucket.put("anna/second.png", picture(7))

    world.bucket.at("find", somebody_uploads)

    assert desk.submitter.send(considered) == LeftOut("anna", REPLACED)


@pytest.mark.parametrize("when", ["considered", "sent"])
def test_a_missing_file_is_reported(desk: Desk, when: str) -> None:
    desk.pair("anna")
    considered, [pair] = desk.considered(), from_folder(desk.folder, NAMES).pairs
    (desk.folder / "anna" / "second.png").unlink()
    assert isinstance(pair, Submission)

    left_out = desk.submitter.consider(pair) if when == "considered" else desk.submitter.send(considered)

    assert left_out == LeftOut("anna", f"{desk.folder}/anna/second.png cannot be read: No such file or directory")


def test_a_name_that_cannot_be_a_key_is_reported(desk: Desk) -> None:
    deep = "/".join(["é" * 100] * 5) + "/and deeper"
    desk.pair(deep)
    desk.pair("latin \udce9")

    plan = desk.plan()

    assert {pair.pair_id: pair.why for pair in plan.left_out} == {
        deep: "its key would have 1025 bytes, 1024 are the limit: shorten its name",
        "latin \udce9": "its name is not UTF-8: rename it",
    }


def test_a_picture_too_large_for_one_upload_is_reported(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.pair("anna")
    monkeypatch.setattr("facepair_cli.submit.submitter.LARGEST_OBJECT", len(picture(1)) - 1)

    assert desk.plan().left_out == [LeftOut("anna", "a picture of more than 5 GiB cannot be uploaded")]


# --- the plan --------------------------------------------------------------------------------------------------------


def test_pictures_are_checked_by_the_fleet_s_rules_and_match_its_rows(world: World, desk: Desk) -> None:
    desk.pair("small", b"hello")
    desk.pair("large", bytes(MAX_UPLOAD_MEGABYTES * 1_000_000 + 1), b"")

    plan = desk.plan()
    desk.submit()

    assert {code: [pair.pair_id for pair in pairs] for code, pairs in plan.unfit.items()} == {
        "IMAGE_INVALID_SIZE": ["large"],
        "IMAGE_INVALID_FORMAT": ["small"],
    }
    for pair in plan.new:
        compare(world, pair.pair_id)
        row = world.stored(pair.pair_id)
        messages = "; ".join(f"{role} picture: {each.message}" for role, each in pair.problems.items())
        assert (row.verdict, row.code, row.message) == (
            Verdict.RETAKE,
            next(iter(pair.problems.values())).code,
            messages,
        )
    assert (plan.calls, world.api.posts) == (0, 0)


def test_the_plan_predicts_the_number_of_calls(world: World, desk: Desk) -> None:
    desk.pair("anna", 1, 2)
    desk.pair("ben", 2, 1)
    desk.pair("cleo", 1, b"hello")

    plan = desk.plan()
    for pair_id in desk.submit():
        compare(world, pair_id)

    assert plan.calls == world.api.posts == 2


def test_the_same_two_pictures_under_several_pair_ids_are_reported_in_any_order(desk: Desk) -> None:
    desk.pair("anna", 1, 2)
    desk.pair("ben", 2, 1)
    desk.pair("cleo", 1, 3)
    desk.pair("dora", 3, 3)
    desk.pair("unfit", b"", b"")
    desk.pair("unfit too", b"", b"")

    plan = desk.plan()

    assert plan.duplicates == [["anna", "ben"]]
    assert plan.selfsame == ["dora"]


def test_pair_ids_that_look_the_same_but_differ_are_found() -> None:
    composed, decomposed = "\N{LATIN SMALL LETTER E WITH ACUTE}/1", "e\N{COMBINING ACUTE ACCENT}/1"

    assert lookalikes([composed, "e/1", decomposed, "a"]) == [[composed, decomposed]]


def test_the_plan_gives_reasons_and_shortens_long_lists(desk: Desk) -> None:
    for number in range(12):
        desk.pair(f"text/{number:02}", b"hello", 1)
    desk.pair("anna", 1, 2)
    desk.pair("ben", 1, 2)
    (desk.folder / "ben" / "notes.txt").touch()
    (desk.folder / "lone").mkdir()
    (desk.folder / "lone" / "first").touch()

    lines = list(plan_text.lines(from_folder(desk.folder, NAMES), desk.plan()))

    reason = "5 bytes, beginning with b'hello', are not a picture that can be read; upload a JPEG, PNG or HEIC"
    assert lines == [
        "15 pairs (ignored: other names 1)",
        "1 pair cannot be sent:",
        "    lone: the second picture is missing",
        lines[3],
        "12 pairs of them will be RETAKE without a call, IMAGE_INVALID_FORMAT:",
        *(f"    text/{number:02}: first picture: {reason}" for number in range(10)),
        "    and 2 more",
        "The same two pictures under several pair ids, each a call of its own:",
        "    anna = ben",
        "That makes 2 calls of the comparison API at most; your contract with ADVANCE says what a call costs.",
    ]
    assert lines[3].startswith("14 pairs to be sent, ")


def test_a_plan_without_new_pairs_says_so(desk: Desk) -> None:
    desk.pair("anna")
    desk.submit()

    assert list(plan_text.lines(from_folder(desk.folder, NAMES), desk.plan())) == [
        "1 pair",
        "1 pair in the bucket already, with these contents",
        "Nothing is new, so nothing has to be sent.",
    ]


# --- waiting for verdicts --------------------------------------------------------------------------------------------


def test_a_pair_is_waited_for_until_these_contents_have_a_verdict(world: World, desk: Desk) -> None:
    desk.pair("anna", 1, 2)
    desk.submit()
    compare(world)
    world.time.passes(60)
    desk.pair("anna", 1, 3)
    followed = Followed(world.verdicts, in_bucket(desk.submit()))

    before = followed.look()
    compare(world)
    [verdicted] = followed.look()

    assert before == []
    assert verdicted.row == world.stored()
    assert followed.settled == {"anna": verdicted}
    assert followed.waiting == 0


def test_a_pending_pair_is_waited_for_and_reported(world: World, desk: Desk) -> None:
    desk.pair("anna")
    followed = Followed(world.verdicts, in_bucket(desk.submit()))
    world.api.answers(Outcome(code="SERVICE_BUSY", message="busy", pricing_strategy="FREE"))
    with pytest.raises(Deferred):
        compare(world)

    assert followed.look() == []
    assert followed.states == {(Verdict.PENDING, "SERVICE_BUSY"): 1}
    assert followed.next_try == world.stored().retry_at


def test_an_older_row_is_not_reported(world: World, desk: Desk) -> None:
    desk.pair("anna")
    desk.submit()
    world.api.answers(Outcome(code="SERVICE_BUSY", message="busy", pricing_strategy="FREE"))
    with pytest.raises(Deferred):
        compare(world)
    world.time.passes(1)
    desk.pair("anna", 3, 4)
    followed = Followed(world.verdicts, in_bucket(desk.submit()))

    followed.look()

    assert (followed.states, followed.next_try, followed.waiting) == ({}, None, 1)


def test_an_undetermined_pair_is_not_waited_for(world: World, desk: Desk) -> None:
    desk.pair("anna")
    followed = Followed(world.verdicts, in_bucket(desk.submit()))
    world.api.answers(Outcome(code="OUTCOME_UNKNOWN", message="no answer"))
    compare(world)

    [verdicted] = followed.look()

    assert verdicted.row is not None
    assert verdicted.row.verdict is Verdict.UNDETERMINED


def test_a_pair_whose_pictures_were_replaced_has_no_verdict_on_these_contents(world: World, desk: Desk) -> None:
    desk.pair("anna")
    followed = Followed(world.verdicts, in_bucket(desk.submit()))
    world.time.passes(60)
    world.bucket.put("anna/first.jpg", picture(9))
    compare(world)

    [verdicted] = followed.look()

    assert verdicted.row is None


def test_the_polling_interval_grows_without_results_and_with_the_number_of_rows(world: World, desk: Desk) -> None:
    desk.pair("anna")
    pair = in_bucket(desk.submit())[0]
    many = [Pair(f"{number}", pair.first, pair.second, pair.listed_at) for number in range(20_000)]
    followed = Followed(world.verdicts, [pair])

    pauses = []
    for _ in range(12):
        followed.look()
        pauses.append(followed.pause)
    compare(world)
    followed.look()

    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1] == LONGEST_PAUSE_SECONDS
    assert followed.pause == 1
    assert Followed(world.verdicts, many).pause == 40


def test_the_assumed_s3_quota_is_the_documented_one() -> None:
    assert (LONGEST_KEY, submission.LARGEST_OBJECT) == (1024, 5_368_709_120)


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["nowhere"], "'nowhere' does not exist"),
        ([".", "--dry-run", "--wait"], "--dry-run uploads nothing"),
        ([".", "--output", "nowhere/x.csv"], "there is no folder"),
    ],
)
def test_wrong_use_is_reported_at_once(arguments: list[str], remedy: str) -> None:
    used = CliRunner().invoke(main, ["submit", *arguments])

    assert used.exit_code == 2
    assert remedy in used.stderr


def test_the_help_has_an_example() -> None:
    assert "Example: facepair submit photos/ --dry-run" in CliRunner().invoke(main, ["submit", "--help"]).stdout
