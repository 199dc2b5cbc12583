"""One real, paid comparison from end to end, for `facepair doctor --pair`."""

import secrets
import time
from pathlib import Path

import click

from facepair.aws.clients import SLOW_UPLINK
from facepair.aws.uploads import ImagesBucket
from facepair.domain import clock
from facepair.domain.ledger import State
from facepair.domain.pair import Pair
from facepair.domain.row import Row
from facepair_cli.doctor.checks import Failed
from facepair_cli.stack import Stack
from facepair_cli.submit.pictures import LocalPictures
from facepair_cli.submit.submitter import SETTLED

PREFIX = "doctor/"
"""Sets these pairs apart from customers' in the ledger and on the invoice."""
PATIENCE_SECONDS = 180
PAUSE_SECONDS = 1


def check_pictures(files: tuple[Path, Path], max_upload_megabytes: int) -> None:
    """Raise ClickException for a picture that would not be sent to the API."""
    with LocalPictures(max_upload_megabytes) as pictures:
        for file in files:
            if problem := pictures.problem(file):
                raise click.ClickException(f"{file} would not be compared: {problem.message}. Name another picture.")


def compare(stack: Stack, files: tuple[Path, Path]) -> str:
    """Upload a new pair and return its verdict. Raises Failed with the pair's last state.

    Nothing is removed: the call stays in the ledger and will be on the invoice.
    """
    started = time.monotonic()
    pair = _upload(stack, f"{PREFIX}{clock.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}", files)
    row = _settled(stack, pair, started + PATIENCE_SECONDS)
    look = f"`facepair show {pair.pair_id}` says what happened"
    if row is None:
        last = _state(stack.verdicts.row(pair.pair_id))
        raise Failed(f"no verdict within {PATIENCE_SECONDS} s ({last}): {look}")
    if not any(call.state is State.ANSWERED for call in stack.calls.of_pair(pair.pair_id)):
        raise Failed(f"the API answered no call ({_state(row)}): {look}")
    return (
        f"{_state(row)} after {time.monotonic() - started:.1f} s, transaction {row.transaction_id}; "
        f"`facepair erase {pair.pair_id}` deletes the pictures and keeps the charge in the ledger"
    )


def _upload(stack: Stack, pair_id: str, files: tuple[Path, Path]) -> Pair:
    bucket = ImagesBucket(stack.client("s3", SLOW_UPLINK), stack.outputs["ImagesBucket"], stack.names)
    with LocalPictures(int(stack.parameters["MaxUploadMegabytes"])) as pictures:
        for file, stem in zip(files, (stack.names.first, stack.names.second), strict=True):
            bucket.upload(f"{pair_id}/{stem}{file.suffix}", file, pictures.content(file).sha256)
    return bucket.find(pair_id)


def _settled(stack: Stack, pair: Pair, deadline: float) -> Row | None:
    """Return the settled row of exactly these pictures, or None at the deadline."""
    while time.monotonic() < deadline:
        row = stack.verdicts.row(pair.pair_id)
        if row and row.covers(pair) and row.verdict in SETTLED:
            return row
        time.sleep(PAUSE_SECONDS)
    return None


def _state(row: Row | None) -> str:
    if row is None:
        return "no row"
    return f"{row.verdict}, {row.code}: {row.message}" if row.code else str(row.verdict)
