"""No damaged copy is sent. `make damage` makes thousands of them for its table."""

import os

import pytest

from facepair.domain.picture import fit
from tests.pictures.damage import FORMATS, KINDS, REFUSED, SENT_DAMAGED, Result, outcome, results, table, whole

COPIES = int(os.environ.get("COPIES", "24"))
SEED = int(os.environ.get("SEED", "7"))


@pytest.mark.parametrize("picture_format", FORMATS)
def test_no_copy_with_a_cut_or_a_hole_is_sent_with_a_changed_face(picture_format: str) -> None:
    found = results(picture_format, COPIES, SEED)

    sent_damaged = [each for each in found if each.outcome == SENT_DAMAGED and each.kind != "flipped"]
    assert sent_damaged == [], f"seed {SEED}"
    assert any(each.outcome == REFUSED for each in found)


@pytest.mark.parametrize("picture_format", FORMATS)
def test_an_undamaged_picture_is_sent(picture_format: str) -> None:
    assert outcome(picture_format, whole(picture_format)) == "sent whole"
    assert fit(whole(picture_format)).sent_size == fit(whole(picture_format)).shown_size


def test_the_table_counts_each_outcome() -> None:
    found = [Result("PNG", kind, number, REFUSED) for number, kind in enumerate(KINDS)]

    [line] = [line for line in table(found).splitlines() if line.startswith("| PNG ")]

    assert line == "| PNG | 0 | 0 | 1 | 0 | 0 | 1 | 0 | 0 | 1 |"
