"""`facepair review` without the permission to look up its function's URL."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from facepair_cli.cli import main
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
