"""Publishing again, by a function that has time for so much and says from where to go on."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from facepair.domain.retry import Unavailable
from facepair.use_cases.resend import PAIRS_AT_ONCE, resend_pairs, resend_since

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Function:
    """Answers in turn; remembers what it was asked."""

    def __init__(self, *answers: Mapping[str, Any]) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self._answers = list(answers)

    def republish(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(wanted)
        return self._answers.pop(0)


def published(number: int, since: str | None = None) -> dict[str, Any]:
    return {"published": number, "missing": [], "unreadable": [], "since": since}


def test_it_goes_on_from_where_the_function_ran_out_of_time() -> None:
    function = Function(published(7, "2026-01-31T13:00:00.000Z"), published(3))

    done = list(resend_since(function, NOON))

    assert function.asked == [{"since": "2026-01-31T12:00:00.000Z"}, {"since": "2026-01-31T13:00:00.000Z"}]
    assert [each.published for each in done] == [7, 3]


def test_a_function_that_comes_no_further_is_not_asked_for_ever() -> None:
    function = Function(*[published(0, "2026-01-31T12:00:00.000Z")] * 2)

    with pytest.raises(Unavailable, match=r"no further than 2026-01-31T12:00:00\.000Z: its log says why"):
        list(resend_since(function, NOON))


def test_pairs_are_named_once_each_and_in_requests_that_it_has_time_for() -> None:
    pair_ids = [f"pair {number}" for number in range(PAIRS_AT_ONCE + 1)]
    function = Function(published(PAIRS_AT_ONCE), published(1))

    done = list(resend_pairs(function, [*pair_ids, *pair_ids]))

    assert [each for wanted in function.asked for each in wanted["pair_ids"]] == pair_ids
    assert [each.published for each in done] == [PAIRS_AT_ONCE, 1]
