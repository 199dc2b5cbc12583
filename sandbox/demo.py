"""`make demo`: sample pairs go into the bucket of the sandbox, and their verdicts are watched as they come."""

import argparse
import math
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from PIL import Image
from rich import box
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from sandbox import photographs
from sandbox.advance_api.environment import NotInstalled
from sandbox.cloud import Sandbox
from sandbox.portraits import NEEDS_A_LOOK, PASSES, blank, blurred, jpeg, portrait

ROOT = Path(__file__).parents[1]
PATIENCE = 45
"""Seconds after the last upload in which every pair must have its verdict."""
ROLES = ("first", "second")
BY_HAND = """
To do it by hand, keep the sandbox up in one terminal and paste its `export` lines and commands into another:
  make sandbox
  aws s3 cp <a picture> s3://<ImagesBucket>/my-pair/first.jpg     (and another one as second.jpg)
  aws dynamodb get-item --table-name <VerdictsTable> --key '{"pair_id": {"S": "my-pair"}}'"""
COLOURS = {"PASS": "green", "REJECT": "red", "MANUAL_CHECK": "yellow", "RETAKE": "magenta", "PENDING": "cyan"}


@dataclass
class Sample:
    """One pair of the demo: its uploads in order, what ADVANCE is made to do, and the verdict that it should get."""

    pair_id: str
    note: str
    uploads: list[tuple[str, bytes]]
    expected: str
    trouble: Mapping[str, Any] = field(default_factory=dict)
    at_once: bool = False
    uploaded_at: float = 0
    row: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None

    @property
    def verdict(self) -> str:
        return str(self.row.get("verdict", ""))

    @property
    def done(self) -> bool:
        return self.verdict == self.expected


@dataclass
class Pictures:
    """What the pairs of the demo are made of: one person on two days, one hardly to be told from her, another."""

    ada: Image.Image
    later: Image.Image
    alike: Image.Image
    bob: Image.Image


def drawn() -> Pictures:
    """To be told apart by their likeness."""
    later, alike = (portrait(1, variation=variation) for variation in (PASSES / 2, NEEDS_A_LOOK))
    return Pictures(portrait(1), later, alike, portrait(2))


def photographed() -> Pictures:
    """To be told apart by their faces."""
    hopper = photographs.hopper()
    alike = photographs.overlaid(photographs.BETWEEN)
    return Pictures(hopper, photographs.another_day(hopper), alike, photographs.collins())


def samples(pictures: Pictures) -> list[Sample]:
    """Every verdict, and the ways in which pictures arrive. Those with trouble come first, one at a time."""
    ada = jpeg(pictures.ada)
    first, second = ("first.jpg", ada), ("second.jpg", ada)
    close, alike, other = (("second.jpg", jpeg(each)) for each in (pictures.later, pictures.alike, pictures.bob))
    blurry, wall = ("first.jpg", jpeg(blurred(pictures.ada))), ("second.jpg", jpeg(blank()))
    phone = ("first.jpg", _phone_picture(pictures.ada))
    lost, busy = {"drop": "after_reading"}, {"code": "SERVICE_BUSY", "retry_after": "3s"}
    return [
        Sample("answer lost", "ADVANCE takes the call, the line drops", [first, second], "UNDETERMINED", lost),
        Sample("busy", "SERVICE_BUSY at first, Retry-After: 3s", [first, second], "PASS", busy),
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


def main() -> int:
    """The exit status: 0 if every pair got the verdict that it should, and the ledger says what ADVANCE charged."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--faces", action="store_true", help="photographs, and an emulator that recognises faces")
    faces = parser.parse_args().faces
    console = Console()
    console.print("Starting AWS, ADVANCE and the functions on this machine …")
    pairs = samples(photographed() if faces else drawn())
    with Sandbox(ROOT, faces=faces) as sandbox:
        console.print(
            f"template.yaml is deployed as the stack [bold]{sandbox.stack.name}[/]. Left out, or without effect here:"
        )
        for thing, reason in sandbox.stack.left_out.items():
            console.print(f"  [dim]{thing}: {reason}[/]")
        with Live(console=console, get_renderable=lambda: _table(pairs), refresh_per_second=8):
            for sample in pairs:
                _upload(sandbox, sample)
                _look(sandbox, pairs)
            last = time.monotonic()
            while not all(sample.done for sample in pairs) and time.monotonic() < last + PATIENCE:
                _look(sandbox, pairs)
                time.sleep(0.1)
        return _sum_up(console, sandbox, pairs)


def _upload(sandbox: Sandbox, sample: Sample) -> None:
    """Upload a pair; a pair with trouble alone, so that it is the one that meets it."""
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


def _look(sandbox: Sandbox, pairs: list[Sample]) -> None:
    """Read the rows of the verdicts table, as a user would."""
    table = sandbox.aws("dynamodb")
    for sample in pairs:
        if sample.uploaded_at and not sample.done:
            key = {"pair_id": {"S": sample.pair_id}}
            item = table.get_item(TableName=sandbox.outputs["VerdictsTable"], Key=key, ConsistentRead=True).get(
                "Item", {}
            )
            sample.row = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
            if sample.done:
                sample.seconds = time.monotonic() - sample.uploaded_at


def _table(pairs: list[Sample]) -> Table:
    table = Table("Pair", "What happens", "Verdict", "Similarity", "Why", "Seconds", box=box.SIMPLE_HEAD)
    for sample in pairs:
        if sample.uploaded_at:
            table.add_row(
                sample.pair_id,
                sample.note,
                f"[{COLOURS.get(sample.verdict, 'white')}]{sample.verdict}[/]",
                str(sample.row.get("similarity", "")),
                escape(_why(sample.row)),
                "" if sample.seconds is None else f"{sample.seconds:.1f}",
            )
    return table


def _why(row: Mapping[str, Any]) -> str:
    adjusted = [f"{role}: {', '.join(row[role]['adjusted'])}" for role in ROLES if row.get(role, {}).get("adjusted")]
    code = row.get("code", "SUCCESS")
    problems = [] if code == "SUCCESS" else [f"{code}: {row['message']}"]
    waiting = [f"waiting for {row['waiting_for']}"] if "waiting_for" in row else []
    return "; ".join([*problems, *waiting, *adjusted])


def _sum_up(console: Console, sandbox: Sandbox, pairs: list[Sample]) -> int:
    calls = sandbox.advance.control.calls("check")
    charged = sandbox.advance.control.charges()
    ledger = sandbox.aws("dynamodb").scan(TableName=sandbox.outputs["CallsTable"], ConsistentRead=True)["Items"]
    booked = [row for row in ledger if row["state"]["S"] in ("ANSWERED", "UNKNOWN")]
    wrong = [sample for sample in pairs if not sample.done]
    console.print(
        f"\n{len(pairs)} pairs, {len(calls)} calls to the comparison API. ADVANCE charged {len(charged)} of them; "
        f"CallsTable has {len(booked)} that were or may have been charged."
    )
    for sample in wrong:
        console.print(
            f"[red]{sample.pair_id}: {sample.verdict or 'no row'} instead of {sample.expected}[/]; see {sandbox.logs}"
        )
    console.print(BY_HAND)
    return 1 if wrong or len(booked) != len(charged) else 0


def _phone_picture(upright: Image.Image) -> bytes:
    """As phones store it: the sensor's pixels, and an EXIF tag that says how to turn them."""
    scale = math.sqrt(16_000_000 / (upright.width * upright.height))
    enlarged = upright.resize((round(upright.width * scale), round(upright.height * scale)))
    return jpeg(enlarged.transpose(Image.Transpose.ROTATE_90), exif_orientation=6)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotInstalled as error:
        sys.exit(str(error))
