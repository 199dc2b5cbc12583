"""Messages of the uploads queue."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facepair.domain.notification import CreatedObject, Malformed, created_notification, created_objects

REAL = {  # Amazon S3 User Guide, "Event message structure"
    "eventVersion": "2.1",
    "eventSource": "aws:s3",
    "awsRegion": "us-east-1",
    "eventTime": "2026-01-31T12:00:00.000Z",
    "eventName": "ObjectCreated:Put",
    "userIdentity": {"principalId": "AIDAJDPLRKLG7UEXAMPLE"},
    "requestParameters": {"sourceIPAddress": "127.0.0.1"},
    "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
    "s3": {
        "s3SchemaVersion": "1.0",
        "configurationId": "Uploads",
        "bucket": {
            "name": "images",
            "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
            "arn": "arn:aws:s3:::images",
        },
        "object": {"key": "anna/first.jpg", "size": 1024, "eTag": "d41d8c", "versionId": "096f", "sequencer": "0055"},
    },
}


def message(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": records})


def record(key: str, event_name: str = "ObjectCreated:Put") -> dict[str, Any]:
    return REAL | {"eventName": event_name, "s3": {"object": {"key": key}}}


def keys_of(body: str) -> list[str]:
    return [created.key for created in created_objects(body)]


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("anna/first.jpg", "anna/first.jpg"),
        ("anna+bell/first.jpg", "anna bell/first.jpg"),
        ("anna%2Bbell/first.jpg", "anna+bell/first.jpg"),
        ("100%25/first.jpg", "100%/first.jpg"),
        ("100%2525/first.jpg", "100%25/first.jpg"),
        ("%E5%AE%89%E5%A8%9C/FIRST.JPG", "安娜/FIRST.JPG"),
        ("anna%2Ffirst.jpg", "anna/first.jpg"),
    ],
)
def test_keys_arrive_url_encoded_and_are_decoded_once(encoded: str, key: str) -> None:
    assert keys_of(message(record(encoded))) == [key]


@pytest.mark.parametrize("how", ["Put", "Post", "Copy", "CompleteMultipartUpload", "Missed", "SomethingNew"])
def test_every_way_to_create_an_object_counts(how: str) -> None:
    assert keys_of(message(record("anna/first.jpg", f"ObjectCreated:{how}"))) == ["anna/first.jpg"]


@pytest.mark.parametrize(
    "event", ["ObjectRemoved:Delete", "ObjectRestore:Completed", "s3:ObjectCreated", "LifecycleExpiration:Delete", ""]
)
def test_an_event_that_creates_nothing_names_no_key(event: str) -> None:
    assert keys_of(message(record("anna/first.jpg", event))) == []


def test_one_message_may_contain_several_objects() -> None:
    body = message(record("a/first.jpg"), record("b/first.jpg", "ObjectRemoved:Delete"), record("a/second.jpg"))

    assert keys_of(body) == ["a/first.jpg", "a/second.jpg"]


def test_s3_s_test_event_names_no_key() -> None:
    body = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2026-01-31T12:00:00.000Z",
        "Bucket": "images",
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
    }

    assert keys_of(json.dumps(body)) == []


@pytest.mark.parametrize("address", ["s3.amazonaws.com", "AWS Internal", "", None, 17, ["::1"], "999.1.1.1"])
def test_a_malformed_source_address_is_ignored(address: object) -> None:
    odd = record("anna/first.jpg") | {"requestParameters": {"sourceIPAddress": address}}

    assert keys_of(message(odd)) == ["anna/first.jpg"]


@pytest.mark.parametrize(
    "body", ["{}", '{"Records": []}', '{"hello": "world"}', '{"Records": [{"eventSource": "aws:ses"}]}']
)
def test_a_message_about_something_else_names_no_key(body: str) -> None:
    assert keys_of(body) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "not JSON",
        "null",
        "[]",
        '"text"',
        "17",
        '{"Records": {}}',
        '{"Records": [17]}',
        '{"Records": null}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {}}}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": 17}}}]}',
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "%FF/first.jpg"}}}]}',
        '{"Records": [',
        "[" * 100_000,
        '{"Records":' * 10_000,
    ],
    ids=lambda body: body[:40],
)
def test_a_message_that_is_no_notification_is_malformed_and_described(body: str) -> None:
    with pytest.raises(Malformed, match="not an S3 notification") as malformed:
        keys_of(body)

    assert len(str(malformed.value)) < 500


@given(st.text())
def test_any_message_is_either_read_or_malformed(body: str) -> None:
    try:
        keys = keys_of(body)
    except Malformed:
        return
    assert all(isinstance(key, str) for key in keys)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_message_of_our_own_names_the_same_key_again(key: str) -> None:
    assert created_objects(created_notification(key, "etag-2")) == [CreatedObject(key, "etag-2")]


def test_a_message_of_our_own_differs_from_s3_s() -> None:
    body = json.loads(created_notification("anna/first.jpg", "etag"))

    assert body["Records"][0]["eventName"] == "ObjectCreated:Missed"


def test_a_message_has_the_uploaded_content_s_etag_if_known() -> None:
    body = {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "a/first.jpg", "eTag": "e-1"}}}]}

    assert created_objects(json.dumps(body)) == [CreatedObject("a/first.jpg", "e-1")]


@pytest.mark.parametrize("etag", [17, None, ["e"], {}])
def test_a_malformed_etag_does_not_fail_the_message(etag: object) -> None:
    body = {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "a/first.jpg", "eTag": etag}}}]}

    assert created_objects(json.dumps(body)) == [CreatedObject("a/first.jpg", None)]
