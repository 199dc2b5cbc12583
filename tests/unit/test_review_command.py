"""`facepair review` without the permission to look up its function's URL."""

import signal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from facepair_cli.cli import main
from facepair_cli.review import server
from facepair_cli.review.decisions import Decided, Lost
from facepair_cli.stack import Stack


class DeniedCloudFormation:
    def describe_stacks(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeStacks")


def test_a_reviewer_who_cannot_look_up_the_url_is_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "client", lambda stack, service: DeniedCloudFormation())

    done = CliRunner().invoke(main, ["--region", "eu-central-1", "review"])

    assert done.exit_code == 1
    assert "Pass --url with the stack's output ReviewUrl" in done.stderr
    assert "attach it to your role" not in done.stderr


def test_ctrl_c_just_after_the_page_has_ended_hides_no_lost_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(*_: object, **__: object) -> server.Ended:
        signal.raise_signal(signal.SIGINT)
        return server.Ended([Lost(Decided("1", "anna", "f", "PASS", [], "seen"))], None, is_interrupted=False)

    monkeypatch.setattr(server, "serve", serve)

    done = CliRunner().invoke(main, ["--region", "eu-central-1", "review", "--url", "http://127.0.0.1:1/"])

    assert done.exit_code == 1
    assert "Not recorded: anna as PASS, seen." in done.stderr
