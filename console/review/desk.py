"""A reviewer's desk: the pairs that he has, the decision that he can still take back, and those on their way."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from console.review.pictures import LINK_SECONDS, Held, Unseen
from facepair.domain import clock
from facepair.domain.picture import Fitted

AHEAD = 4
"""Pairs that are kept for the page, the one that is looked at among them."""


class NotAnswered(Exception):
    """The stack has not done what it was asked; the message is a sentence with the remedy, and nothing is lost."""


class Stack(Protocol):
    """ReviewFunction, and S3."""

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer. Raises NotAnswered."""

    def renew(self) -> None:
        """Look for credentials anew: somebody may have signed in."""

    def fetch(self, link: str) -> tuple[int, bytes]:
        """Status and content of what is at a link. Raises Unseen."""


@dataclass(frozen=True)
class Decided:
    """A decision that was made at this desk."""

    pair_id: str
    fingerprint: str
    verdict: str
    retake: list[str]
    reason: str


class Desk:
    """What the page works with. Every method but `picture` answers with the desk's state, as plain JSON."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._name = secrets.token_urlsafe(12)
        self._held: dict[str, Held] = {}  # by pair id
        self._skipped: list[str] = []
        self._unsent: deque[Decided] = deque()
        self._pending: Decided | None = None
        self._said: dict[str, Any] = {"reviewer": None, "waiting": 0, "at_least": False}
        self._recorded = 0
        self._linked_at = 0.0
        self._notices: list[str] = []
        self._problem: str | None = None
        self._one_at_a_time = threading.RLock()

    def pairs(self) -> dict[str, Any]:
        """Send what is to be sent, and see what there is to do."""
        with self._one_at_a_time:
            self._problem = None
            self._send()
            if not self._problem:
                self._look()
            return self._state()

    def again(self) -> dict[str, Any]:
        """The same with credentials that are looked for anew."""
        with self._one_at_a_time:
            self._stack.renew()
            return self.pairs()

    def decide(self, decided: Decided) -> dict[str, Any]:
        """Keep a decision, so that it can be taken back, and send the one before it."""
        with self._one_at_a_time:
            held = self._held.get(decided.pair_id)
            if self._is_decided(decided.pair_id):
                return self._state()
            if held is None or held.said["fingerprint"] != decided.fingerprint:
                self._notices.append(f"Not recorded: {decided.pair_id} is not at this desk any more.")
                return self._state()
            self._end_pending()
            self._pending = decided
            return self.pairs()

    def take_back(self) -> dict[str, Any]:
        """Undo the decision that was not sent yet."""
        with self._one_at_a_time:
            taken, self._pending = self._pending, None
            return self._state() | {"taken_back": taken.pair_id if taken else None}

    def skip(self, pair_id: str) -> dict[str, Any]:
        """Leave a pair to others."""
        with self._one_at_a_time:
            if self._held.pop(pair_id, None):
                self._skipped.append(pair_id)
                self._try({"action": "give_back", "pair_ids": [pair_id]})
            return self.pairs()

    def send(self) -> dict[str, Any]:
        """The page is gone, perhaps to come back: nothing can be taken back any more."""
        with self._one_at_a_time:
            self._end_pending()
            self._send()
            return self._state()

    def close(self) -> list[Decided]:
        """Send what was decided, and let others have the rest. What could not be sent."""
        with self._one_at_a_time:
            self.send()
            if self._held:
                self._try({"action": "give_back", "pair_ids": list(self._held)})
            self._held.clear()
            return list(self._unsent)

    def picture(self, handle: str, role: str) -> Fitted:
        """A picture of a pair that this desk has. Raises Unseen."""
        with self._one_at_a_time:
            held = next((each for each in self._held.values() if each.handle == handle), None)
            if held is None or role not in held.pictures:
                raise Unseen("This pair is not at this desk any more.")
            if time.monotonic() > self._linked_at + LINK_SECONDS - 10:
                self._look()
        try:
            return held.pictures[role].shown(self._stack.fetch)
        except Unseen as unseen:
            if not unseen.again:
                raise
        with self._one_at_a_time:
            self._look()
        return held.pictures[role].shown(self._stack.fetch)

    @property
    def problem(self) -> str | None:
        """What keeps decisions from being sent, in a sentence."""
        return self._problem

    def _is_decided(self, pair_id: str) -> bool:
        return any(each.pair_id == pair_id for each in (*self._unsent, *([self._pending] if self._pending else [])))

    def _end_pending(self) -> None:
        """It cannot be taken back any more."""
        if self._pending:
            self._unsent.append(self._pending)
            self._pending = None

    def _send(self) -> None:
        """Send decisions in their order, until the stack does not answer."""
        while self._unsent:
            decided = self._unsent[0]
            answer = self._try({"action": "decide", **asdict(decided)})
            if answer is None:
                return
            self._unsent.popleft()
            self._held.pop(decided.pair_id, None)
            if answer["decided"]:
                self._recorded += 1
            else:
                self._notices.append(_refusal(decided, answer["stands"]))

    def _look(self) -> None:
        """Ask for pairs: those that are here keep being this reviewer's, and newer links come with them."""
        holding = list(self._held)
        decided = sum(map(self._is_decided, holding))
        answer = self._try(
            {"action": "pairs", "holding": holding, "skip": self._skipped[-1000:], "count": AHEAD + decided}
        )
        if answer is None:
            return
        self._linked_at = time.monotonic()
        self._said = {name: answer[name] for name in ("reviewer", "waiting", "at_least")}
        held = {}
        for said in answer["pairs"]:
            here = self._held.get(said["pair_id"])
            if here and here.is_about(said):
                here.renew(said)
            else:
                here = Held.of(said)
            held[here.pair_id] = here
        self._held = held

    def _try(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The stack's answer; None, and the problem known, if there is none."""
        try:
            return self._stack.ask({"desk": self._name, **request})
        except NotAnswered as error:
            self._problem = str(error)
            return None

    def _state(self) -> dict[str, Any]:
        notices, self._notices = self._notices, []
        return self._said | {
            "pairs": [each.for_the_page() for each in self._held.values() if not self._is_decided(each.pair_id)],
            "pending": self._pending and self._pending.pair_id,
            "unsent": len(self._unsent) + bool(self._pending),
            "recorded": self._recorded,
            "notices": notices,
            "problem": self._problem,
        }


def _refusal(decided: Decided, stands: Mapping[str, Any] | None) -> str:
    """Why a decision was not recorded, and what to do: nothing."""
    begins = f"Not recorded: {decided.pair_id} as {decided.verdict}."
    if stands is None:
        return f"{begins} Its row is gone: it was erased."
    review = stands.get("review")
    if review and stands.get("fingerprint") == decided.fingerprint:
        at = f"{clock.parse(review['at']).astimezone():%H:%M}"
        return f"{begins} {_person(review['by'])} decided before you, at {at}: {stands['verdict']}."
    return f"{begins} It was uploaded anew meanwhile; if it has to be looked at, it comes again."


def _person(arn: str) -> str:
    """The name at the end of an ARN: a user's, or that of a role's session."""
    return arn.rpartition("/")[2]
