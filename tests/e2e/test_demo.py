"""The demo's output in a log; `make demo` has more pairs."""

import io

import pytest
from rich.console import Console

from sandbox import demo
from sandbox.demo import Sample, watch
from tests.support.deployed import ANNA, BEN, Deployed, picture


def watched(deployed: Deployed, *pairs: Sample) -> str:
    file = io.StringIO()
    watch(Console(file=file, width=80), deployed.sandbox, list(pairs))
    return file.getvalue()


def sample(pair_id: str, first: str, second: str, expected: str) -> Sample:
    uploads = [
        (f"{role}.jpg", picture(who, f"{pair_id}, {role}")) for role, who in (("first", first), ("second", second))
    ]
    return Sample(pair_id, f"{expected} is expected", uploads, expected)


def test_a_log_has_every_pair_once_with_its_verdict_and_no_control_codes(deployed: Deployed) -> None:
    pairs = [sample("demo same", ANNA, ANNA, "PASS"), sample("demo two", ANNA, BEN, "REJECT")]

    log = watched(deployed, *pairs)

    assert [character for character in set(log) if character < " "] == ["\n"]
    assert log.count("Verdict") == log.count("demo same") == log.count("demo two") == 1
    [passed] = [line for line in log.splitlines() if "demo same" in line]
    [rejected] = [line for line in log.splitlines() if "demo two" in line]
    assert passed.startswith("PASS ")
    assert rejected.startswith("REJECT ")
    assert all(pair.done and pair.seconds for pair in pairs)


def test_a_pair_that_does_not_get_its_verdict_in_time_is_shown_as_it_is(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "PATIENCE", 0)
    pair = sample("demo wrong", ANNA, BEN, "PASS")
    for name, content in pair.uploads:
        deployed.upload(f"{pair.pair_id}/{name}", content)
    deployed.row_with(pair.pair_id, "REJECT")

    log = watched(deployed, pair)

    assert not pair.done
    assert [line for line in log.splitlines() if line.startswith("REJECT") and "demo wrong" in line]
