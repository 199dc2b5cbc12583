"""Function URLs: the sandbox identifies the caller, and the command line's client signs its calls."""

import json
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import uuid4

import boto3
import click
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoRegionError

from facepair.domain.erasure import Erasure
from facepair_cli.erase.remote_eraser import RemoteEraser
from facepair_cli.function_url import FunctionUrl
from sandbox.aws import ACCOUNT, KEY, REGION, LocalAws
from sandbox.deploy import deploy
from sandbox.lambda_host.invoke_api import InvokeApi
from sandbox.lambda_host.runtime_api import InvocationResult
from sandbox.lambda_host.server import Handler, Server

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Echo:
    Type: AWS::Serverless::Function
    Properties:
      {Runtime: python3.13, Handler: app.handler, CodeUri: code, FunctionUrlConfig: {AuthType: AWS_IAM}}
  Callers:
    Type: AWS::IAM::ManagedPolicy
    Properties: {PolicyDocument: {Version: "2012-10-17", Statement: []}}
Outputs:
  EchoUrl: {Value: !GetAtt EchoUrl.FunctionUrl}
"""


def echo(payload: bytes) -> InvocationResult:
    """A function that returns its event or, if its body says so, refuses or fails."""
    event = json.loads(payload)
    match event["body"]:
        case '{"fail": true}':
            return InvocationResult(b'{"errorMessage": "oh"}', failed=True)
        case '{"refuse": true}':
            refusal = {"statusCode": 400, "body": '{"message": "say what"}'}
            return InvocationResult(json.dumps(refusal).encode())
        case _:
            return InvocationResult(payload)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    invoke_api = InvokeApi(lambda name: echo)
    with LocalAws(invoke_api.url, tmp_path_factory.mktemp("aws") / "aws.log") as aws:
        yield aws
    invoke_api.close()


@pytest.fixture(scope="module")
def url(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("stack")
    (folder / "code").mkdir()
    (folder / "template.yaml").write_text(TEMPLATE)
    return deploy(aws, folder / "template.yaml", f"urls-{uuid4().hex[:8]}", {}).outputs["EchoUrl"]


def session(access_key: str, secret: str, token: str | None = None) -> boto3.Session:
    return boto3.Session(access_key, secret, token, region_name=REGION)


def own() -> boto3.Session:
    return session(KEY, KEY)


def function(url: str, by: boto3.Session | None = None) -> FunctionUrl:
    return FunctionUrl(by or own(), url, "CallerPolicy")


def arn(url: str, by: boto3.Session) -> str:
    """Return the caller as the function sees it."""
    event = function(url, by).post({"who": "am I"})
    return str(event["requestContext"]["authorizer"]["iam"]["userArn"])


def user(aws: LocalAws) -> tuple[str, boto3.Session]:
    name = f"ann-{uuid4().hex[:6]}"
    aws.client("iam").create_user(UserName=name)
    key = aws.client("iam").create_access_key(UserName=name)["AccessKey"]
    return name, session(key["AccessKeyId"], key["SecretAccessKey"])


def test_a_function_receives_what_was_posted(url: str) -> None:
    event = function(url).post({"pair_ids": ["é"]})

    assert (event["version"], event["rawPath"], event["requestContext"]["http"]["method"]) == ("2.0", "/", "POST")
    assert (json.loads(event["body"]), event["isBase64Encoded"]) == ({"pair_ids": ["é"]}, False)


def test_the_sandboxs_own_user_is_who_sts_says(aws: LocalAws, url: str) -> None:
    assert arn(url, own()) == aws.client("sts").get_caller_identity()["Arn"]


def test_an_iam_user_is_identified_by_the_access_key(aws: LocalAws, url: str) -> None:
    name, ann = user(aws)

    assert arn(url, ann) == f"arn:aws:iam::{ACCOUNT}:user/{name}"


def test_an_assumed_role_is_identified_with_its_session(aws: LocalAws, url: str) -> None:
    role = aws.client("iam").create_role(RoleName=f"ops-{uuid4().hex[:6]}", AssumeRolePolicyDocument="{}")["Role"]
    taken = aws.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="ann@example.com")["Credentials"]
    by = session(taken["AccessKeyId"], taken["SecretAccessKey"], taken["SessionToken"])

    assert arn(url, by) == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role['RoleName']}/ann@example.com"
    with pytest.raises(click.ClickException):
        arn(url, session(taken["AccessKeyId"], taken["SecretAccessKey"], "another token"))


def test_an_unknown_caller_or_wrong_secret_is_refused_with_the_needed_policy(aws: LocalAws, url: str) -> None:
    _, ann = user(aws)
    key = ann.get_credentials()
    assert key is not None

    for by in (session("AKIAUNKNOWN", "x"), session(key.access_key, "another secret")):
        with pytest.raises(click.ClickException, match=r"needs the stack's managed policy CallerPolicy.*Forbidden"):
            function(url, by).post({})


def test_a_request_that_was_changed_after_it_was_signed_is_refused(url: str) -> None:
    request = AWSRequest("POST", url, {"Content-Type": "application/json"}, b'{"a": 1}')
    key = own().get_credentials()
    assert key is not None
    SigV4Auth(key, "lambda", REGION).add_auth(request)
    signed = dict(request.prepare().headers)

    def status(body: bytes, headers: dict[str, str]) -> int:
        return urllib3.request("POST", url, body=body, headers=headers).status

    assert status(b'{"a": 1}', signed) == 200
    assert status(b'{"a": 2}', signed) == 403
    assert status(b'{"a": 1}', {"Content-Type": "application/json"}) == 403


def test_a_refusal_is_reported_in_the_function_s_words(url: str) -> None:
    with pytest.raises(click.ClickException, match=r"^say what$"):
        function(url).post({"refuse": True})


def test_a_failing_function_is_reported_with_where_to_look(url: str) -> None:
    with pytest.raises(click.ClickException, match=r"HTTP 502\); its log says why: Internal Server Error"):
        function(url).post({"fail": True})


def test_without_a_region_nothing_is_signed_and_that_is_said(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)

    with pytest.raises(NoRegionError, match="specify a region"):
        function(url, boto3.Session(KEY, KEY)).post({})


def test_a_redirect_is_not_followed() -> None:
    asked: list[str] = []

    class Redirects(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = Server(Redirects)
    try:
        with pytest.raises(click.ClickException, match="HTTP 307"):
            function(f"http://127.0.0.1:{server.server_port}/").post({})
    finally:
        server.close()

    assert asked == ["/"]


def test_an_erasure_whose_connection_is_closed_without_an_answer_is_asked_for_again() -> None:
    asked: list[Any] = []

    class ClosesOnce(Handler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.body()))
            if len(asked) == 2:  # on the connection of the first request
                self.close_connection = True
                return
            self.answer(
                HTTPStatus.OK, Erasure(pair_id=asked[-1]["pair_id"], erased_by="arn:rita").model_dump_json().encode()
            )

    server, erased = Server(ClosesOnce), list[Erasure]()
    try:
        eraser = RemoteEraser(function(f"http://127.0.0.1:{server.server_port}/"), at_once=1)
        eraser.erase(["anna", "ben"], 2, erased.append)
    finally:
        server.close()

    assert [each["pair_id"] for each in asked] == ["anna", "ben", "ben"]
    assert [each.pair_id for each in erased] == ["anna", "ben"]


def test_many_requests_in_a_row_share_a_connection_which_is_closed_after_them() -> None:
    connections: list[tuple[str, int]] = []
    closed = threading.Event()

    class Answers(Handler):
        def do_POST(self) -> None:
            self.body()
            connections.append(self.client_address)
            self.answer(HTTPStatus.OK, b"{}")

        def finish(self) -> None:
            super().finish()
            closed.set()

    server = Server(Answers)
    try:
        with function(f"http://127.0.0.1:{server.server_port}/").kept_open() as post:
            answers = [post({}), post({})]
            assert not closed.is_set()
        assert closed.wait(10)
        function(f"http://127.0.0.1:{server.server_port}/").post({})
    finally:
        server.close()

    assert answers == [{}, {}]
    assert connections[0] == connections[1] != connections[2]
