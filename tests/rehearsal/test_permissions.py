"""Unit tests of comparing grants with decisions."""

from pathlib import Path

from tests.rehearsal.permissions import Decision, excuses, granted, unused

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/verdicts"
ROLE = "arn:aws:sts::123456789012:assumed-role/compare/session"
POLICY = {
    "Statement": [
        {"Sid": "Rows", "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"], "Resource": TABLE},
        {"Sid": "Pictures", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::pictures/*"},
        {"Sid": "TlsOnly", "Effect": "Deny", "Action": "s3:*", "Resource": "*"},
    ]
}


def unused_after(*decisions: Decision) -> set[tuple[str, str]]:
    return {(grant.sid, grant.action) for grant in unused(granted("CompareRole", POLICY, ["compare"]), decisions)}


def test_a_permission_is_needed_by_what_it_allowed() -> None:
    got = Decision(ROLE, "dynamodb:GetItem", TABLE, allowed=True)
    read = Decision(ROLE, "s3:GetObject", "arn:aws:s3:::pictures/a pair/first.jpg", allowed=True)

    assert unused_after(got, read) == {("Rows", "dynamodb:PutItem")}


def test_other_principals_resources_and_denials_are_no_need() -> None:
    everything = {("Rows", "dynamodb:GetItem"), ("Rows", "dynamodb:PutItem"), ("Pictures", "s3:GetObject")}
    others = [
        Decision("arn:aws:iam::123456789012:user/administrator", "dynamodb:GetItem", TABLE, allowed=True),
        Decision(ROLE, "dynamodb:GetItem", f"{TABLE}/index/by_verdict", allowed=True),
        Decision(ROLE, "dynamodb:GetItem", TABLE, allowed=False),
    ]

    assert unused_after(*others) == everything


def test_a_queues_policy_grants_to_the_service_that_it_names() -> None:
    queue = "arn:aws:sqs:us-east-1:123456789012:uploads"
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    [grant] = granted("UploadsQueue", {"Statement": statement | {"Resource": queue}})

    assert grant.covers(Decision("s3.amazonaws.com", "sqs:SendMessage", queue, allowed=True))
    assert not grant.covers(Decision("sns.amazonaws.com", "sqs:SendMessage", queue, allowed=True))


def test_an_excuse_is_a_comment_in_its_statement(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text("""
Policies:
  - Statement:
      - Sid: KeepRows # not rehearsed: dynamodb:GetItem: after a lost answer
        Action: [dynamodb:GetItem, dynamodb:PutItem]
        # not rehearsed: dynamodb:PutItem: only in leap years
        Resource: !GetAtt Table.Arn
      - Sid: ReadPictures
        Action: s3:GetObject
""")

    assert excuses(template) == {
        ("KeepRows", "dynamodb:GetItem"): "after a lost answer",
        ("KeepRows", "dynamodb:PutItem"): "only in leap years",
    }
