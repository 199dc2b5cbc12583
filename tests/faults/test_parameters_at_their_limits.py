"""Parameters at the ends of their ranges."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from facepair.domain import clock
from facepair.domain.picture import MAX_JPEG_MEGAPIXELS, MAX_MEGAPIXELS
from sandbox import portraits
from sandbox.template import read_template
from tests.support import ROOT
from tests.support.deployed import plain
from tests.support.faulty_cloud import FaultyCloud, Pair, Worker

TEMPLATE = read_template(ROOT / "template.yaml")
IMAGE_RETENTION = timedelta(days=TEMPLATE["Parameters"]["ImageRetentionDays"]["Default"])
A_DAY = "1"


def of_megapixels(megapixels: int, form: str, **options: Any) -> bytes:
    """Return the largest upright portrait within these megapixels."""
    width = int((megapixels * 1_000_000 * 3 / 4) ** 0.5)
    content = BytesIO()
    drawn = portraits.portrait(1, width=450, height=600)
    drawn.resize((width, width * 4 // 3), Image.Resampling.NEAREST).save(content, form, **options)
    return content.getvalue()


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_two_pictures_at_the_limits_are_compared_with_the_longest_deadline(cloud: FaultyCloud) -> None:
    pair = Pair(
        "limits/largest",
        of_megapixels(MAX_JPEG_MEGAPIXELS, "JPEG", quality=80),
        of_megapixels(MAX_MEGAPIXELS, "PNG", compress_level=1),
    )
    longest = TEMPLATE["Parameters"]["ApiDeadlineSeconds"]["MaxValue"]
    timeout = TEMPLATE["Resources"]["CompareFunction"]["Properties"]["Timeout"]
    with cloud.worker(Worker, {"API_DEADLINE_SECONDS": str(longest)}, timeout=timeout) as worker, cloud.held():
        cloud.put(pair)
        events = cloud.received(pair)
        cloud.delete(*events)
        worker.start(events[0]).result(timeout)

        row = cloud.row(pair.pair_id)

    assert row is not None
    assert row["verdict"] == "PASS"
    assert all("reduced from" in str(row[role]["adjusted"]) for role in ("first", "second"))
    assert cloud.states(pair) == ["ANSWERED"]


def test_nothing_that_would_be_paid_for_again_is_forgotten_before_the_pictures(cloud: FaultyCloud) -> None:
    pair = cloud.pair("limits/forgetful")
    with (
        cloud.worker(Worker, {"VERDICT_RETENTION_DAYS": A_DAY, "LEDGER_RETENTION_DAYS": A_DAY}) as worker,
        cloud.held(),
    ):
        cloud.put(pair)
        events = cloud.received(pair)
        cloud.delete(*events)
        worker.start(events[0]).result(20)

    row = cloud.settled(pair.pair_id)
    [call] = cloud.calls(pair.pair_id)
    [record] = [
        plain(item)
        for item in cloud.sandbox.aws("dynamodb").scan(TableName=cloud.sandbox.outputs["IdempotencyTable"])["Items"]
        if pair.idempotency_key in item["id"]["S"]
    ]

    pictures_end = (clock.parse(row["uploaded_at"]) + IMAGE_RETENTION).timestamp()
    assert row["expires_at"] > pictures_end
    assert call["expires_at"] > pictures_end
    assert record["expiration"] > pictures_end
