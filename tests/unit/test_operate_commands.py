"""`facepair retry`, `resend` and `redrive`: requests are repeated until everything is done."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from facepair_cli.cli import main
from facepair_cli.function_url import FunctionUrl
from facepair_cli.stack import Stack

OUTPUTS = dict.fromkeys(("ImagesBucket", "VerdictsTable", "CallsTable", "OperateUrl"), "there")


class Requests:
    """What OperateFunction was asked, and what it answers in turn."""

    def __init__(self, *answers: Mapping[str, Any]) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self._answers = list(answers)

    def post(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(question)
        return self._answers.pop(0)


def run(monkeypatch: pytest.MonkeyPatch, requests: Requests, *arguments: str, outputs: Any = OUTPUTS) -> Result:
    queue = SimpleNamespace(backlog=lambda: SimpleNamespace(waiting=12))
    monkeypatch.setattr(Stack, "outputs", outputs)
    monkeypatch.setattr(Stack, "session", None)
    monkeypatch.setattr(Stack, "queue", lambda stack, output: queue)
    monkeypatch.setattr(FunctionUrl, "post", lambda url, question: requests.post(question))
    return CliRunner().invoke(main, [*arguments, "--yes"])


def resent(published: int, since: str | None = None, missing: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"published": published, "missing": list(missing), "unreadable": [], "since": since}


def redriven(sent: int, *unreadable: str, more: bool) -> dict[str, Any]:
    return {"sent": sent, "unreadable": list(unreadable), "shown": dict.fromkeys(unreadable, "rubbish"), "more": more}


def test_resending_goes_on_from_where_a_request_ran_out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(resent(7, "2026-01-31T13:00:00.000Z"), resent(3))

    done = run(monkeypatch, requests, "resend", "--since", "2026-01-31T12:00:00Z", "--json")

    assert [each["since"] for each in requests.asked] == ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z"]
    assert (done.exit_code, json.loads(done.stdout)["published"]) == (0, 10)
    assert "7 published; going on from 2026-01-31T13:00:00.000Z" in done.stderr


def test_resending_that_comes_no_further_ends_with_where_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(*[resent(0, "2026-01-31T12:00:00.000Z")] * 2)

    done = run(monkeypatch, requests, "resend", "--since", "2026-01-31T12:00:00Z")

    assert (done.exit_code, len(requests.asked)) == (1, 1)
    assert "facepair resend --since 2026-01-31T12:00:00.000Z" in done.stderr


def test_named_pairs_are_resent_once_each_in_bounded_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    pair_ids = [f"pair {number}" for number in range(101)]
    requests = Requests(resent(100), resent(0, missing=("pair 100",)))

    done = run(monkeypatch, requests, "resend", *pair_ids, *pair_ids)

    assert [each for asked in requests.asked for each in asked["pair_ids"]] == pair_ids
    assert (done.exit_code, "pair 100 has no row" in done.stderr) == (1, True)


def test_redriving_goes_on_until_the_queue_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(redriven(9, more=True), redriven(2, "m1", more=False))

    done = run(monkeypatch, requests, "redrive", "--webhooks")

    assert requests.asked == [{"action": "redrive", "queue": "webhooks"}] * 2
    assert "11 messages moved to WebhookQueue" in done.stdout
    assert (done.exit_code, "Cannot be read: m1: rubbish" in done.stderr) == (1, True)


def test_redriving_ends_when_only_unreadable_messages_come_round(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = Requests(redriven(0, "m1", "m2", more=True), redriven(0, "m2", more=True))

    done = run(monkeypatch, requests, "redrive")

    assert (done.exit_code, len(requests.asked)) == (1, 2)
    assert "2 messages in DeadLetterQueue cannot be read" in done.stderr


@pytest.mark.parametrize("command", [("retry", "anna"), ("resend", "anna"), ("redrive",)], ids=lambda each: each[0])
def test_a_stack_of_an_earlier_release_is_to_be_updated(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    earlier = {name: value for name, value in OUTPUTS.items() if name != "OperateUrl"} | {"PermitUrl": "there"}

    done = run(monkeypatch, requests := Requests(), *command, outputs=earlier)

    assert (done.exit_code, requests.asked) == (1, [])
    assert "has no OperateUrl: it was deployed by an earlier release. Update the stack (make deploy)" in done.stderr


@pytest.mark.parametrize("last", ["x" * 1025, "é" * 513])
def test_a_pair_id_that_is_too_long_is_an_error_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, last: str
) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text("\n".join([*(f"pair {number}" for number in range(150)), "", last]), encoding="utf-8")
    requests = Requests()

    in_file = run(monkeypatch, requests, "retry", "--from", str(file))
    named = [run(monkeypatch, requests, command, "anna", last) for command in ("retry", "resend")]

    assert requests.asked == []
    assert (in_file.exit_code, [each.exit_code for each in named]) == (1, [2, 2])
    assert f"{file}, line 152: {last[:40]}… has" in in_file.stderr
    for each in (in_file, *named):
        assert "a pair id has at most 1,024" in " ".join(each.stderr.split())
        assert "unexpectedly" not in each.stderr


def test_an_empty_file_of_pair_ids_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("\n")

    done = run(monkeypatch, requests := Requests(), "retry", "--json", "--from", str(tmp_path / "pairs.txt"))

    assert (done.exit_code, done.stderr, json.loads(done.stdout)) == (0, "0 pairs: nothing to approve.\n", [])
    assert requests.asked == []
