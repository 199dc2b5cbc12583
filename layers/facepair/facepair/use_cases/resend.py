"""Rows are published again, however many: PublishFunction does as much as it has time for, and is asked to go on."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import batched
from typing import Any, Protocol

from facepair.domain import clock
from facepair.domain.retry import Unavailable
from facepair.use_cases.publish import Republished

PAIRS_AT_ONCE = 500
"""Of named pairs, which it deals with without looking at the clock: one read and a tenth of a request each."""


class Republishes(Protocol):
    """PublishFunction."""

    def republish(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields of Republished, for those of a Republish."""


def resend_since(function: Republishes, since: datetime) -> Iterator[Republished]:
    """Publish all rows again that were written at a time or later; what came of each invocation."""
    begin: str | None = clock.iso(since)
    while begin:
        done = Republished(**function.republish({"since": begin}))
        yield done
        if done.since == begin:
            raise Unavailable(f"PublishFunction came no further than {begin}: its log says why")
        begin = done.since


def resend_pairs(function: Republishes, pair_ids: Sequence[str]) -> Iterator[Republished]:
    """Publish the rows of pairs again; what came of each invocation."""
    for batch in batched(dict.fromkeys(pair_ids), PAIRS_AT_ONCE, strict=False):
        yield Republished(**function.republish({"pair_ids": batch}))
