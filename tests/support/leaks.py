"""Find secrets and pictures in logs, metrics and rows, where they must never be."""

import json
import re
from collections.abc import Iterator

from sandbox.cloud import CREDENTIALS, Sandbox
from tests.support.deployed import Deployed

TABLES = ("VerdictsTable", "CallsTable", "IdempotencyTable")
TRACES = {
    "a picture": re.compile(r"/9j/|xff\\+xd8|ftypheic|JFIF"),  # as base64, as Python bytes, as text
    "a body": re.compile(r"form-data|periodSecond|expiredTime"),
    "a header with a token or a signature": re.compile(
        r"x-access-token|webhook-signature|v1,[\w+/]{43}=", re.IGNORECASE
    ),
}


def leaks(deployed: Deployed) -> list[str]:
    """Return what was found where; empty if all is well."""
    secrets = {name: re.compile("|".join(map(re.escape, values))) for name, values in _secrets(deployed.sandbox)}
    return [
        f"{name} in {where}: …{text[max(0, found.start() - 120) : found.end() + 40]}…"
        for where, text in _written(deployed)
        for name, pattern in (secrets | TRACES).items()
        if (found := pattern.search(text))
    ]


def _secrets(sandbox: Sandbox) -> Iterator[tuple[str, list[str]]]:
    yield "a key of the account", list(CREDENTIALS.values())
    # A token's last part is its signature; searching for it also finds partial tokens.
    tokens = {call.token for call in sandbox.advance.control.calls() if call.token}
    yield "a token", [token.rpartition(".")[2] for token in tokens]
    yield "the webhook's secret", [secret.removeprefix("whsec_") for secret in sandbox.receiver.secrets]


def _written(deployed: Deployed) -> Iterator[tuple[str, str]]:
    for function in deployed.sandbox.stack.functions:
        yield f"{function}'s log", "\n".join(deployed.lines(function))
    dynamodb = deployed.sandbox.aws("dynamodb")
    for table in TABLES:
        pages = dynamodb.get_paginator("scan").paginate(TableName=deployed.sandbox.outputs[table])
        yield table, "\n".join(json.dumps(item, default=str) for page in pages for item in page["Items"])
