"""Decisions that were made on the page, and what is said of those that were not recorded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from facepair.domain import clock


@dataclass(frozen=True)
class Decided:
    """A decision that was made on the page, which chooses the `id`: a repeated request is the same decision."""

    id: str
    pair_id: str
    fingerprint: str
    verdict: str
    retake: list[str]
    reason: str

    def request(self) -> dict[str, Any]:
        """Return the request to ReviewFunction."""
        return {"action": "decide"} | {name: value for name, value in asdict(self).items() if name != "id"}


@dataclass(frozen=True)
class Lost:
    """A decision that is not known to be recorded. `why` is the stack's reason, if it gave one; `is_under_way` if the
    decision was sent and not answered."""

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


def refusal(decided: Decided, stands: Mapping[str, Any] | None) -> str:
    """Return why ReviewFunction did not record a decision, from what `stands` for the pair."""
    if stands is None:
        return "Its row is gone: it was erased."
    review = stands.get("review")
    if review and stands.get("fingerprint") == decided.fingerprint:
        at = f"{clock.parse(review['at']).astimezone():%H:%M}"
        return f"{_person(review['by'])} decided before you, at {at}: {stands['verdict']}."
    return "It was uploaded again meanwhile; if it has to be looked at, it comes back."


def _person(arn: str) -> str:
    """Return the end of an ARN: the name of a user, or of a role's session."""
    return arn.rpartition("/")[2]
