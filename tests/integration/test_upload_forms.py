"""The sandbox refuses forms like S3: missing or wrong signature, changed policy, fields not in the policy."""

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import urllib3

from facepair.aws.clients import LINKING
from sandbox.aws import LocalAws, offline_session

type Form = dict[str, Any]


@pytest.fixture
def form(local_aws: LocalAws) -> Form:
    bucket = f"forms-{uuid4().hex}"
    local_aws.client("s3").create_bucket(Bucket=bucket)
    s3 = offline_session().client("s3", endpoint_url=local_aws.url, config=LINKING)
    limits = [["content-length-range", 1, 100]]
    signed: Form = s3.generate_presigned_post(bucket, "a pair/first.jpg", Conditions=limits, ExpiresIn=60)
    return signed


def post(form: Form, **changed: str | None) -> tuple[int, str]:
    fields = {name: value for name, value in (form["fields"] | changed).items() if value is not None}
    answer = urllib3.request("POST", form["url"], fields=fields | {"file": ("x.jpg", b"\xff\xd8 a picture")})
    return answer.status, answer.data.decode()


def test_a_form_as_it_was_signed_is_taken_byte_for_byte(form: Form, local_aws: LocalAws) -> None:
    assert post(form)[0] == 204

    bucket = form["url"].rpartition("/")[2]
    stored = local_aws.client("s3").get_object(Bucket=bucket, Key="a pair/first.jpg")["Body"].read()
    assert stored == b"\xff\xd8 a picture"


def _later(form: Form) -> str:
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    return base64.b64encode(json.dumps(policy | {"expiration": "2999-01-01T00:00:00Z"}).encode()).decode()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda form: {"policy": None}, "AccessDenied"),
        (lambda form: {"policy": _later(form)}, "SignatureDoesNotMatch"),
        (lambda form: {"x-amz-signature": "0" * 64}, "SignatureDoesNotMatch"),
        (lambda form: {"x-amz-credential": "AKIAUNKNOWN/20260101/us-east-1/s3/aws4_request"}, "InvalidAccessKeyId"),
        (lambda form: {"acl": "public-read"}, "Extra input fields: acl"),
        (lambda form: {"key": "a pair/second.jpg"}, "Policy Condition failed"),
    ],
)
def test_a_form_that_was_changed_is_refused(form: Form, change: Callable[[Form], dict[str, Any]], code: str) -> None:
    status, answer = post(form, **change(form))

    assert status == 403
    assert code in answer
