"""`facepair erase PREFIX/` while EraseFunction fails for some pairs, or for all."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from facepair.domain import clock
from facepair.domain.erasure import Erasure
from facepair_cli.cli import main
from facepair_cli.parallel import FAILURES_IN_A_ROW
from facepair_cli.stack import Stack
from sandbox.lambda_host.server import Handler, Server

OUTPUTS = dict.fromkeys(("ImagesBucket", "VerdictsTable", "CallsTable"), "there")
PARAMETERS = {"VerdictRetentionDays": "30", "ImageRetentionDays": "30", "LogRetentionDays": "30"}
FAILED = (HTTPStatus.BAD_GATEWAY, {"Message": "Internal Server Error"})
DENIED = (HTTPStatus.FORBIDDEN, {"Message": "Forbidden"})

type Refusal = tuple[HTTPStatus, dict[str, str]]
type Refuse = Callable[[str, str], Refusal | None]
"""Return the error for an action and a pair, or None."""


@contextmanager
def erase_function(monkeypatch: pytest.MonkeyPatch, pair_ids: list[str], refuse: Refuse) -> Iterator[list[str]]:
    """Serve EraseFunction's protocol. Yields the pairs it is asked to erase."""
    asked: list[str] = []

    class Function(Handler):
        def do_POST(self) -> None:
            self.answer(*self._answered(json.loads(self.body())))

        def _answered(self, question: dict[str, Any]) -> tuple[HTTPStatus, bytes]:
            if question["action"] == "list":
                return HTTPStatus.OK, json.dumps({"pair_ids": pair_ids, "cursor": None}).encode()
            if question["action"] == "erase":
                asked.append(question["pair_id"])
            if refusal := refuse(question["action"], question["pair_id"]):
                return refusal[0], json.dumps(refusal[1]).encode()
            erasure = Erasure(
                pair_id=question["pair_id"], erased_by="arn:eva", erased_at=clock.now(), known=True, versions=1,
                complete=question["action"] == "confirm",
            )  # fmt: skip
            return HTTPStatus.OK, erasure.model_dump_json().encode()

    server = Server(Function)
    monkeypatch.setattr(Stack, "outputs", OUTPUTS | {"EraseUrl": f"http://127.0.0.1:{server.server_port}/"})
    monkeypatch.setattr(Stack, "parameters", PARAMETERS)
    monkeypatch.setattr(Stack, "arn", "arn:stack")
    monkeypatch.setattr(Stack, "session", boto3.Session("key", "secret", region_name="eu-central-1"))
    try:
        yield asked
    finally:
        server.close()


def erase(receipt: Path, what: str = "c/") -> Result:
    return CliRunner().invoke(main, ["erase", what, "--yes", "--receipt", str(receipt)])


PAIRS = [f"c/{number:03}" for number in range(100)]


@pytest.mark.parametrize("action", ["erase", "confirm"])
def test_a_pair_that_fails_is_named_and_the_others_are_erased(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, action: str
) -> None:
    def refuse(asked: str, pair_id: str) -> Refusal | None:
        return FAILED if asked == action and pair_id == "c/007" else None

    with erase_function(monkeypatch, PAIRS, refuse):
        done = erase(tmp_path / "receipt.json")

    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert done.exit_code == 1
    assert done.stderr.count("c/007: The function behind http://127.0.0.1") == 1
    assert "The erasure of 1 pair, such as c/007, is not confirmed: run the same command again" in done.stderr
    assert (receipt["unconfirmed"], receipt["complete"]) == (["c/007"], False)
    assert {*PAIRS} - {*receipt["pair_ids"]} <= {"c/007"}

    with erase_function(monkeypatch, PAIRS, lambda asked, pair_id: None):
        again = erase(tmp_path / "receipt.json")

    assert (again.exit_code, json.loads((tmp_path / "receipt.json").read_text())["complete"]) == (0, True)


def test_of_many_failing_pairs_five_are_named_and_all_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(asked: str, pair_id: str) -> Refusal | None:
        return FAILED if asked == "erase" and int(pair_id[-3:]) % 10 == 3 else None

    with erase_function(monkeypatch, PAIRS, refuse):
        done = erase(tmp_path / "receipt.json")

    assert (done.exit_code, done.stderr.count("(HTTP 502)")) == (1, 5)
    assert "The erasure of 10 pairs, such as c/003, is not confirmed" in done.stderr
    assert "Erased 90 pairs" in done.stdout


def test_a_single_pair_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with erase_function(monkeypatch, [], lambda asked, pair_id: FAILED):
        done = erase(tmp_path / "receipt.json", "anna")

    assert (done.exit_code, done.stdout) == (1, "")
    assert "anna: The function behind http://127.0.0.1" in done.stderr
    assert "Nothing is stored" not in done.stderr
    assert json.loads((tmp_path / "receipt.json").read_text())["unconfirmed"] == ["anna"]


def test_a_function_that_always_fails_ends_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with erase_function(monkeypatch, PAIRS, lambda asked, pair_id: FAILED) as asked:
        done = erase(tmp_path / "receipt.json")

    assert (done.exit_code, len(asked) < len(PAIRS)) == (1, True)
    assert f"{FAILURES_IN_A_ROW} pairs in a row failed. The function behind" in done.stderr
    assert json.loads((tmp_path / "receipt.json").read_text())["unconfirmed"] == PAIRS


def test_a_denied_request_ends_the_run_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with erase_function(monkeypatch, PAIRS, lambda asked, pair_id: DENIED) as asked:
        done = erase(tmp_path / "receipt.json")

    assert (done.exit_code, len(asked) < FAILURES_IN_A_ROW) == (1, True)
    assert "needs the stack's managed policy EraserPolicy" in done.stderr


def test_an_interrupt_keeps_the_receipt_of_what_was_erased_and_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(asked: str, pair_id: str) -> Refusal | None:
        if pair_id == "c/050":
            os.kill(os.getpid(), signal.SIGINT)
        return FAILED if pair_id == "c/003" else None

    with erase_function(monkeypatch, PAIRS, refuse) as asked:
        done = erase(tmp_path / "receipt.json")

    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert (done.exit_code, len(asked) < len(PAIRS)) == (130, True)
    assert "The erasure of 100 pairs is not confirmed; run the same command again." in done.stderr
    assert {*asked} - {*receipt["pair_ids"]} == {"c/003"}
    assert receipt["unconfirmed"] == PAIRS


@pytest.mark.parametrize("ends", [KeyboardInterrupt, DENIED])
def test_a_receipt_on_stdout_is_written_however_the_command_ends(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], ends: object
) -> None:
    def refuse(asked: str, pair_id: str) -> Refusal | None:
        if pair_id != "c/050":
            return None
        if ends is DENIED:
            return DENIED
        os.kill(os.getpid(), signal.SIGINT)
        return None

    with erase_function(monkeypatch, PAIRS, refuse) as asked:
        done = CliRunner().invoke(main, ["erase", "c/", "--yes", "--receipt", "-"])

    receipt = json.loads(capfd.readouterr().out)
    assert done.exit_code == (1 if ends is DENIED else 130)
    assert {*asked} - {*receipt["pair_ids"]} == ({"c/050"} if ends is DENIED else set())
    assert receipt["unconfirmed"] == PAIRS


def test_an_interrupt_after_the_last_confirmation_says_that_all_is_confirmed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(asked: str, pair_id: str) -> Refusal | None:
        if asked == "confirm":
            os.kill(os.getpid(), signal.SIGINT)
        return None

    with erase_function(monkeypatch, [], refuse):
        done = erase(tmp_path / "receipt.json", "anna")

    assert (done.exit_code, done.stderr.splitlines()[-1]) == (130, "Error: Interrupted. The erasure is confirmed.")
    assert json.loads((tmp_path / "receipt.json").read_text())["complete"]
