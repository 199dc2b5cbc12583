"""Decisions made on the page, and what is said about those not recorded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from facepair.domain import clock
from facepair.domain.opinions import is_same_person, person
from facepair.domain.verdict import Verdict

CANNOT_TELL = "CANNOT_TELL"


@dataclass(frozen=True)
class Decided:
    """A decision. The page chooses its `id`, so a repeated request is the same decision.

    The verdict CANNOT_TELL leaves the pair to another reviewer, with the reason as a note.
    """

    id: str
    pair_id: str
    fingerprint: str
    verdict: str
    retake: list[str]
    reason: str

    def request(self) -> dict[str, Any]:
        if self.verdict == CANNOT_TELL:
            about = {"pair_id": self.pair_id, "fingerprint": self.fingerprint}
            return {"action": "cannot_tell", "note": self.reason} | about
        return {"action": "decide"} | {name: value for name, value in asdict(self).items() if name != "id"}


@dataclass(frozen=True)
class Lost:
    """A decision that may not be recorded.

    `why` is the stack's reason, if it gave one. `is_under_way`: sent, but not answered.
    """

    decided: Decided
    why: str | None = None
    is_under_way: bool = False

    def __str__(self) -> str:
        about = f"{self.decided.pair_id} as {self.decided.verdict}"
        if self.is_under_way:
            return f"Perhaps not recorded: {about}, {self.decided.reason}. It was sent, but the stack has not answered."
        if self.why is None:
            return f"Not recorded: {about}, {self.decided.reason}."
        return f"Not recorded: {about}. {self.why}"


def refusal(decided: Decided, current: Mapping[str, Any] | None, reviewer: str | None) -> str:
    """Return why the decision was not recorded; `current` is the pair's current row, if any."""
    if current is None:
        return "Its row is gone: it was erased."
    review = current.get("review")
    if review and current.get("fingerprint") == decided.fingerprint:
        at = f"{clock.parse(review['at']).astimezone():%H:%M}"
        if reviewer and is_same_person(reviewer, review["by"]):
            return f"You decided it before in another window, at {at}: {current['verdict']}."
        return f"{person(review['by'])} decided before you, at {at}: {current['verdict']}."
    if current["verdict"] == Verdict.MANUAL_CHECK and current.get("fingerprint") == decided.fingerprint:
        return "Your earlier opinion stands; another reviewer decides."
    return "It was uploaded again; it comes back if it needs a review."
