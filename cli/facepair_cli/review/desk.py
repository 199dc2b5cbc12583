"""A reviewer's desk: the pairs on it, the decision that can be undone, and decisions being sent.

The desk does no I/O. The page's requests return at once; a courier (courier.py) asks for the next request to the stack
and returns the answer. So a slow stack delays neither the page nor an undo.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from facepair.domain.review_request import COUNTED, MOST_AT_ONCE
from facepair_cli.review.decisions import Decided, Lost, refusal
from facepair_cli.review.pictures import LINK_SECONDS, Expired, Fetch, Held, Shown, Unseen
from facepair_cli.review.ports import Ending

AHEAD = 4
"""Pairs kept for the page, including the one it shows."""
UNDO_SECONDS = 30.0
"""A decision is sent after this time, or earlier by the next decision or the end of the page."""
PAUSES = (1.0, 2.0, 5.0, 10.0, 20.0)
"""Seconds between attempts while the stack does not answer; the last one repeats."""
LAST_TRIES = 3
"""Consecutive failures at the end before the desk gives up."""
LINKS_WITHIN = 60.0
"""Seconds that a picture waits for new links."""


class Desk:
    """What the page works with.

    Every request of the page returns the desk's state as plain JSON. `version` grows with each change, so that the page
    can ignore late states. Times are in seconds of `now`. With `shows_similarity`, the desk asks for every pair's
    similarity, otherwise only for revealed ones.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, *, shows_similarity: bool = False) -> None:
        self._now = now
        self._shows_similarity = shows_similarity
        self._name = secrets.token_urlsafe(12)
        self._changed = threading.Condition()
        self._version = 0
        self._held: dict[str, Held] = {}  # by pair id
        self._skipped: list[str] = []
        self._revealed: set[str] = set()  # pair ids
        self._looks = self._look_asked = self._looked = 0  # the page's looks: made, sent, answered
        self._returned: list[str] = []  # pair ids to give back to other reviewers
        self._unsent: deque[Decided] = deque()
        self._pending: Decided | None = None
        self._undo_until = 0.0
        self._known: dict[str, Decided] = {}  # all decisions received, by id
        self._undone: set[str] = set()  # ids
        self._lost: list[Lost] = []
        self._said: dict[str, Any] = {"reviewer": None, "waiting": 0, "at_least": False}
        self._recorded = 0
        self._wants_pairs = True
        self._linked_at = 0.0
        self._problem: str | None = None
        self._failures = 0  # in a row
        self._retry_at = 0.0
        self._asked: Mapping[str, Any] | None = None  # the request being carried
        self._ending = self._ended = False

    @property
    def version(self) -> int:
        return self._version

    def state(self) -> dict[str, Any]:
        with self._changed:
            return self._said | {
                "version": self._version,
                "pairs": [each.for_the_page() for each in self._held.values() if not self._is_decided(each.pair_id)],
                "pending": self._pending and self._pending.id,
                "unsent": [each.id for each in self._on_the_way()],
                "recorded": self._recorded,
                "notices": [str(each) for each in self._lost],
                "looking": self._wants_pairs,
                "looks": self._looks,
                "looked": self._looked,
                "shows_similarity": self._shows_similarity,
                "problem": self._problem,
                "ending": self._ending,
                "ended": self._ended,
            }

    def look(self) -> dict[str, Any]:
        """Ask for pairs, which also renews the leases of those on the desk."""
        with self._changed:
            self._wants_pairs = True
            self._looks += 1
            return self._now_changed()

    def retry(self) -> dict[str, Any]:
        """Repeat the unanswered request now."""
        with self._changed:
            self._retry_at = self._now()
            return self.look()

    def decide(self, decided: Decided) -> dict[str, Any]:
        """Hold a decision for undo and send the previous one. Idempotent. Raises Ending."""
        with self._changed:
            if decided.id in self._known:
                return self.state()
            if self._ending:
                raise Ending(f"facepair review is ending. Not recorded: {decided.pair_id} as {decided.verdict}.")
            self._known[decided.id] = decided
            held = self._held.get(decided.pair_id)
            if held is None or held.said["fingerprint"] != decided.fingerprint or self._is_decided(decided.pair_id):
                self._lost.append(Lost(decided, "The pair is not on this desk any more."))
                return self._now_changed()
            self._end_pending()
            self._pending, self._undo_until = decided, self._now() + UNDO_SECONDS
            return self.look()

    def undo(self, decision_id: str) -> dict[str, Any]:
        """Undo a decision that is not being sent yet. `undone` is its pair id, or null. Idempotent."""
        with self._changed:
            if self._pending and self._pending.id == decision_id:
                self._pending = None
                self._undone.add(decision_id)
                self._now_changed()
            undone = self._known[decision_id].pair_id if decision_id in self._undone else None
            return self.state() | {"undone": undone}

    def skip(self, pair_id: str) -> dict[str, Any]:
        """Leave a pair to other reviewers. It returns when no other pair is left."""
        with self._changed:
            if not self._is_decided(pair_id) and pair_id in self._held:
                del self._held[pair_id]
                self._skipped.append(pair_id)
                self._returned.append(pair_id)
            return self.look()

    def reveal(self, pair_id: str) -> dict[str, Any]:
        """Ask for a pair's similarity; the stack records that the reviewer sees it."""
        with self._changed:
            self._revealed.add(pair_id)
            return self._now_changed()

    def picture(self, handle: str, role: str, fetch: Fetch) -> Shown:
        """Return a picture of a pair on this desk, waiting for new links if they expired. Raises Unseen."""
        with self._changed:
            held = next((each for each in self._held.values() if each.handle == handle), None)
            if held is None or role not in held.pictures:
                raise Unseen("This pair is not on this desk any more.")
            if self._now() > self._linked_at + LINK_SECONDS - 10:
                self._renew_links()
        try:
            return held.pictures[role].shown(fetch)
        except Expired:
            self._renew_links()
            return held.pictures[role].shown(fetch)

    def next_request(self) -> Mapping[str, Any] | None:
        """Wait for the next request to the stack and return it; None once the desk has ended."""
        with self._changed:
            while not self._ended:
                if request := self.due():
                    return request
                if self._ending and self._has_nothing_to_send():
                    self._end_now()
                else:
                    self._changed.wait(self._pause())
            return None

    def due(self) -> Mapping[str, Any] | None:
        """Return the request that is due, if any."""
        with self._changed:
            now = self._now()
            if self._pending and now >= self._undo_until:
                self._end_pending()
                self._now_changed()
            self._asked = None if now < self._retry_at or self._gives_up() else self._request()
            return self._asked and {"desk": self._name, **self._asked}

    def answered(self, answer: Mapping[str, Any]) -> None:
        """Handle the stack's answer to the current request."""
        with self._changed:
            self._problem, self._failures = None, 0
            match self._asked:
                case {"action": "decide" | "cannot_tell"} if not self._ended:
                    self._sent(answer["decided"], answer["stands"])
                case {"action": "pairs", "skip": skipped}:
                    self._found(answer, set(skipped))
                case {"action": "reveal", "pair_id": pair_id, "fingerprint": fingerprint}:
                    self._reveal(pair_id, fingerprint, answer["similarity"])
                case {"action": "give_back", "pair_ids": pair_ids}:
                    self._returned = [each for each in self._returned if each not in pair_ids]
            self._asked = None
            self._now_changed()

    def refused(self, reason: str) -> None:
        """Handle a refusal of the current request. It is not repeated if others wait behind it."""
        with self._changed:
            match self._asked:
                case {"action": "decide" | "cannot_tell"} if not self._ended:
                    self._lost.append(Lost(self._unsent.popleft(), reason))
                case {"action": "reveal", "pair_id": pair_id, "fingerprint": fingerprint}:
                    self._reveal(pair_id, fingerprint, None)
                case _:
                    return self.not_answered(reason)
            self._asked = None
            self._now_changed()

    def not_answered(self, problem: str) -> None:
        """Repeat the current request after a pause."""
        with self._changed:
            pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
            self._failures += 1
            self._problem, self._retry_at, self._asked = problem, self._now() + pause, None
            self._now_changed()

    def end(self) -> None:
        """Take no more decisions; send those made and give the pairs back.

        The desk has ended when that is done, or after LAST_TRIES failures in a row.
        """
        with self._changed:
            self._ending, self._failures, self._retry_at = True, 0, self._now()
            self._end_pending()
            self._now_changed()

    def stop(self) -> list[Lost]:
        """End now. Return every decision that may not be recorded."""
        with self._changed:
            self._end_now()
            return self._lost

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def problem(self) -> str | None:
        """Why decisions cannot be sent, as a sentence."""
        return self._problem

    @property
    def unsent(self) -> int:
        return len(self._unsent)

    def _end_now(self) -> None:
        """Freeze the desk, whatever the courier still brings."""
        if self._ended:
            return
        self._end_pending()
        for decided in self._unsent:
            is_under_way = bool(self._asked and self._asked.get("pair_id") == decided.pair_id)
            self._lost.append(Lost(decided, is_under_way=is_under_way))
        self._ending = self._ended = True
        self._now_changed()

    # --- internals; all hold the lock ---------------------------------------------------------------------------------

    def _now_changed(self) -> dict[str, Any]:
        self._version += 1
        self._changed.notify_all()
        return self.state()

    def _is_decided(self, pair_id: str) -> bool:
        return any(each.pair_id == pair_id for each in self._on_the_way())

    def _on_the_way(self) -> list[Decided]:
        return [*self._unsent, *([self._pending] if self._pending else [])]

    def _end_pending(self) -> None:
        """The pending decision can no longer be undone."""
        if self._pending:
            self._unsent.append(self._pending)
            self._pending = None

    def _request(self) -> Mapping[str, Any] | None:
        """Return the next request to the stack, if any; decisions come first."""
        if self._unsent:
            return self._unsent[0].request()
        if self._returned or (self._ending and self._held):
            if self._ending:
                self._returned.extend(self._held)
                self._held.clear()
            return {"action": "give_back", "pair_ids": self._returned[:MOST_AT_ONCE]}
        if (held := self._to_reveal()) and not self._ending:
            return {"action": "reveal", "pair_id": held.pair_id, "fingerprint": held.said["fingerprint"]}
        if self._wants_pairs and not self._ending:
            self._look_asked = self._looks
            holding = list(self._held)
            count = min(AHEAD + sum(map(self._is_decided, holding)), MOST_AT_ONCE)
            return {"action": "pairs", "holding": holding, "skip": self._skipped[-COUNTED:], "count": count}
        return None

    def _sent(self, is_recorded: bool, current: Mapping[str, Any] | None) -> None:
        """The first unsent decision has been answered."""
        decided = self._unsent.popleft()
        self._held.pop(decided.pair_id, None)
        if is_recorded:
            self._recorded += 1
        else:
            self._lost.append(Lost(decided, refusal(decided, current, self._said["reviewer"])))

    def _found(self, answer: Mapping[str, Any], skipped: set[str]) -> None:
        """Put pairs on the desk. Those already there keep their pictures and get new links."""
        held = {}
        for said in answer["pairs"]:
            here = self._held.get(said["pair_id"])
            if said["pair_id"] in self._skipped and said["pair_id"] not in skipped:
                continue  # skipped while the stack was answering
            if here and here.is_about(said):
                here.renew(said)
            else:
                here = Held.of(said)
            held[here.pair_id] = here
        self._held = held
        self._said = {name: answer[name] for name in ("reviewer", "waiting", "at_least")}
        self._linked_at = self._now()
        self._looked = self._look_asked
        self._wants_pairs = self._looks > self._looked
        if self._skipped and skipped and all(map(self._is_decided, held)):
            self._skipped.clear()  # only these are left
            self._wants_pairs = True

    def _reveal(self, pair_id: str, fingerprint: str, similarity: float | None) -> None:
        held = self._held.get(pair_id)
        if held and held.said["fingerprint"] == fingerprint:
            held.reveal(similarity)

    def _to_reveal(self) -> Held | None:
        """Return the first pair that needs its similarity."""
        wanted = (each for each in self._held.values() if self._shows_similarity or each.pair_id in self._revealed)
        return next((each for each in wanted if not each.is_revealed and not self._is_decided(each.pair_id)), None)

    def _renew_links(self) -> None:
        with self._changed:
            before = self._linked_at
            self.look()
            self._changed.wait_for(lambda: self._linked_at > before or self._problem or self._ending, LINKS_WITHIN)

    def _has_nothing_to_send(self) -> bool:
        return self._gives_up() or not (self._unsent or self._returned or self._held)

    def _gives_up(self) -> bool:
        return self._ending and self._failures >= LAST_TRIES

    def _pause(self) -> float | None:
        """Return the seconds until something is due; None if that depends on the page."""
        times = [self._undo_until] if self._pending else []
        waits = self._unsent or self._returned or self._wants_pairs or self._ending or self._to_reveal()
        if self._retry_at > self._now() and waits:
            times.append(self._retry_at)
        return max(0.0, min(times) - self._now()) if times else None
