"""`make demo`: upload sample pairs to the sandbox's bucket and show their verdicts as they arrive."""

import argparse
import math
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from PIL import Image
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from facepair.domain.row import Row
from facepair_cli.verdict_table import entry, heading
from sandbox import photographs
from sandbox.advance_api.environment import NotInstalled
from sandbox.cloud import Sandbox
from sandbox.left_out import left_out
from sandbox.portraits import NEEDS_A_LOOK, PASSES, blank, blurred, jpeg, portrait

ROOT = Path(__file__).parents[1]
PATIENCE = 45
"""Seconds after the last upload within which every pair must have its verdict."""
FINAL = ("PASS", "MANUAL_CHECK", "REJECT", "RETAKE", "UNDETERMINED")
BY_HAND = """
To try it by hand, run `make sandbox`: it keeps this cloud running and prints
commands for another terminal."""


@dataclass
class Sample:
    """A pair of the demo: its uploads in order, the fault to script, and the expected verdict."""

    pair_id: str
    note: str
    uploads: list[tuple[str, bytes]]
    expected: str
    trouble: Mapping[str, Any] = field(default_factory=dict)
    at_once: bool = False
    uploaded_at: float = 0
    row: Row | None = None
    seconds: float | None = None

    @property
    def done(self) -> bool:
        return self.row is not None and self.row.verdict == self.expected


@dataclass
class DemoPictures:
    """One person on two days, a look-alike and another person."""

    ada: Image.Image
    later: Image.Image
    alike: Image.Image
    bob: Image.Image


def drawn() -> DemoPictures:
    """Return drawn portraits, compared by likeness."""
    later, alike = (portrait(1, variation=variation) for variation in (PASSES / 2, NEEDS_A_LOOK))
    return DemoPictures(portrait(1), later, alike, portrait(2))


def photographed() -> DemoPictures:
    """Return photographs, compared by faces."""
    hopper = photographs.hopper()
    alike = photographs.overlaid(photographs.BETWEEN)
    return DemoPictures(hopper, photographs.another_day(hopper), alike, photographs.collins())


def samples(pictures: DemoPictures) -> dict[str, list[Sample]]:
    """Return the demo's pairs by heading: everyday uploads, then faults of the API, one at a time."""
    ada = jpeg(pictures.ada)
    first, second = ("first.jpg", ada), ("second.jpg", ada)
    close, alike, other = (("second.jpg", jpeg(each)) for each in (pictures.later, pictures.alike, pictures.bob))
    blurry, wall = ("first.jpg", jpeg(blurred(pictures.ada))), ("second.jpg", jpeg(blank()))
    phone = ("first.jpg", _phone_picture(pictures.ada))
    lost, busy = {"drop": "after_reading"}, {"code": "SERVICE_BUSY", "retry_after": "3s"}
    everyday = [
        Sample("same person", "two pictures of one person", [first, close], "PASS"),
        Sample("look-alike", "close, not close enough", [first, alike], "MANUAL_CHECK"),
        Sample("two people", "two different people", [first, other], "REJECT"),
        Sample("wall", "a picture of a wall", [first, wall], "RETAKE"),
        Sample("out of focus", "the first one is blurred", [blurry, second], "RETAKE"),
        Sample("not a picture", "a text by the name of second.jpg", [first, ("second.jpg", b"hello")], "RETAKE"),
        Sample("phone", "16 megapixels, lying on its side", [phone, second], "PASS"),
        Sample("backwards", "the second one came first", [second, first], "PASS"),
        Sample("at once", "both in the same instant", [first, second], "PASS", at_once=True),
        Sample("twice", "everything was uploaded twice", [first, second] * 2, "PASS"),
        Sample("équipe 東京/№ 7 + 50%", "a key that needs encoding", [first, second], "PASS"),
        Sample("lonely", "the second one never comes", [first], "WAITING"),
    ]
    faults = [
        Sample("busy", "SERVICE_BUSY at first, Retry-After: 3s", [first, second], "PASS", busy),
        Sample("answer lost", "ADVANCE takes the call, the line drops", [first, second], "UNDETERMINED", lost),
    ]
    return {"Every kind of upload": everyday, "When the API fails": faults}


def main() -> int:
    """Return the exit status: 0 if every verdict is as expected and the ledger matches the emulator's charges."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--faces", action="store_true", help="use photographs, and an emulator that recognises faces")
    parser.add_argument("--verbose", action="store_true", help="list what the sandbox leaves out of the template")
    arguments = parser.parse_args()
    console = Console(highlight=False)
    acts = samples(photographed() if arguments.faces else drawn())
    with Sandbox(ROOT, faces=arguments.faces, report=console.print) as sandbox:
        for heading, pairs in acts.items():
            console.print(f"\n[bold]{heading}[/]")
            watch(console, sandbox, pairs)
        status = _sum_up(console, sandbox, [pair for pairs in acts.values() for pair in pairs])
        console.print("\n" + "\n".join(left_out(sandbox.stack, verbose=arguments.verbose)), style="dim", soft_wrap=True)
        console.print(BY_HAND)
        return status


def watch(console: Console, sandbox: Sandbox, pairs: list[Sample]) -> None:
    """Upload the pairs and print each once it has its verdict; a terminal shows the others below.

    After PATIENCE the rest are printed as they are.
    """
    console.print(heading())
    with Live(console=console, get_renderable=lambda: _under_way(pairs), refresh_per_second=8, transient=True):
        for sample in pairs:
            _upload(sandbox, sample)
            _look(console, sandbox, pairs)
        last = time.monotonic()
        while not all(sample.done for sample in pairs) and time.monotonic() < last + PATIENCE:
            _look(console, sandbox, pairs)
            time.sleep(0.1)
    for sample in pairs:
        if sample.row and not sample.done:
            console.print(_entry(sample, sample.row))


def _upload(sandbox: Sandbox, sample: Sample) -> None:
    """Upload a pair; wait for its call if a fault is scripted, so that no other pair meets it."""
    asked = len(sandbox.advance.control.calls("check"))
    if sample.trouble:
        sandbox.advance.control.script(**sample.trouble)

    def put(upload: tuple[str, bytes]) -> None:
        name, content = upload
        sandbox.aws("s3").put_object(
            Bucket=sandbox.outputs["ImagesBucket"], Key=f"{sample.pair_id}/{name}", Body=content
        )

    with ThreadPoolExecutor(max_workers=2 if sample.at_once else 1) as uploaders:
        list(uploaders.map(put, sample.uploads))
    sample.uploaded_at = time.monotonic()
    while sample.trouble and len(sandbox.advance.control.calls("check")) == asked:
        if time.monotonic() > sample.uploaded_at + PATIENCE:
            break
        time.sleep(0.05)


def _look(console: Console, sandbox: Sandbox, pairs: list[Sample]) -> None:
    """Read the rows as a user would; print those with the expected verdict."""
    for sample in pairs:
        if sample.uploaded_at and not sample.done:
            sample.row = _row(sandbox, sample.pair_id)
            if sample.row and sample.done:
                sample.seconds = time.monotonic() - sample.uploaded_at
                console.print(_entry(sample, sample.row))


def _row(sandbox: Sandbox, pair_id: str) -> Row | None:
    key = {"pair_id": {"S": pair_id}}
    answer = sandbox.aws("dynamodb").get_item(TableName=sandbox.outputs["VerdictsTable"], Key=key, ConsistentRead=True)
    deserialize = TypeDeserializer().deserialize
    item = {name: deserialize(value) for name, value in answer.get("Item", {}).items()}
    return Row.from_item(item) if item else None


def _under_way(pairs: list[Sample]) -> Group:
    """Return the pairs without a verdict; those without a row last."""
    waiting = [sample for sample in pairs if sample.uploaded_at and not sample.done]
    unread = ", ".join(sample.pair_id for sample in waiting if not sample.row)
    entries = [_entry(sample, sample.row) for sample in waiting if sample.row]
    return Group(*entries, *([Text(f"uploaded: {unread}", style="dim")] if unread else []))


def _entry(sample: Sample, row: Row) -> RenderableType:
    return entry(row.item(), note=sample.note, seconds=sample.seconds)


def _sum_up(console: Console, sandbox: Sandbox, pairs: list[Sample]) -> int:
    calls = sandbox.advance.control.calls("check")
    charged = sandbox.advance.control.charges()
    ledger = sandbox.aws("dynamodb").scan(TableName=sandbox.outputs["CallsTable"], ConsistentRead=True)["Items"]
    booked = [row for row in ledger if row["charged"]["BOOL"]]
    wrong = [sample for sample in pairs if not sample.done]
    console.print(
        f"\n{len(pairs)} pairs, {len(calls)} calls to the comparison API. ADVANCE charged {len(charged)} of them; "
        f"CallsTable has {len(booked)} that were or may have been charged."
    )
    delivered = _delivered(console, sandbox, pairs)
    for sample in wrong:
        got = sample.row.verdict if sample.row else "no row"
        console.print(Text(f"{sample.pair_id}: {got} instead of {sample.expected}", style="red"))
    if wrong:
        console.print(f"The logs are in {sandbox.logs}", soft_wrap=True)
    return 1 if wrong or len(booked) != len(charged) or not delivered else 0


def _delivered(console: Console, sandbox: Sandbox, pairs: list[Sample]) -> bool:
    """Print what reached the webhook's receiver. Return whether it has every final verdict, verified."""
    expected = {sample.pair_id for sample in pairs if sample.expected in FINAL}
    waited = time.monotonic()
    while (missing := expected - _receivers_view(sandbox).keys()) and time.monotonic() < waited + PATIENCE:
        time.sleep(0.1)
    seconds = sorted(_receivers_view(sandbox).values())
    refused = [delivery for delivery in sandbox.receiver.deliveries if not delivery.verified]
    if seconds:
        verified = "verified every signature" if not refused else f"[red]refused {len(refused)} signatures[/]"
        console.print(
            f"{len(seconds)} verdicts were delivered by webhook, {median(seconds):.1f} s after their row was written "
            f"(the slowest {seconds[-1]:.1f} s). The receiver {verified}."
        )
    if missing:
        console.print(f"[red]Not delivered: {', '.join(sorted(missing))}[/]; see {sandbox.logs}")
    return not missing and not refused


def _receivers_view(sandbox: Sandbox) -> dict[str, float]:
    """Return the seconds from a row's writing to its verified delivery, by pair id."""
    told = [(delivery.at, delivery.message["data"]) for delivery in sandbox.receiver.taken.values()]
    return {data["pair_id"]: at - datetime.fromisoformat(data["updated_at"]).timestamp() for at, data in told}


def _phone_picture(upright: Image.Image) -> bytes:
    """Return a picture as phones store it: the sensor's pixels, and an EXIF tag with the rotation."""
    scale = math.sqrt(16_000_000 / (upright.width * upright.height))
    enlarged = upright.resize((round(upright.width * scale), round(upright.height * scale)))
    return jpeg(enlarged.transpose(Image.Transpose.ROTATE_90), exif_orientation=6)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotInstalled as error:
        sys.exit(str(error))
