"""Local pairs that are about to be uploaded: what happens to each, and the cost."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facepair.domain.pair import ROLES, Pair, Role

LONGEST_KEY = 1024
"""Bytes of a key in UTF-8 (quota of S3)."""
LARGEST_OBJECT = 5 * 1024**3
"""Bytes that one PutObject takes (quota of S3)."""


@dataclass(frozen=True, slots=True)
class File:
    """A picture on this machine, and the key that it gets in the bucket."""

    path: Path
    key: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A pair that is not submitted as asked, and why."""

    pair_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A complete pair on this machine."""

    pair_id: str
    files: Mapping[Role, File]

    def impossible(self) -> str | None:
        """Why it cannot be in a bucket under this name; None if it can. Names are taken as they are, in NFC or NFD."""
        for file in self.files.values():
            try:
                length = len(file.key.encode())
            except UnicodeEncodeError:
                return "its name is not UTF-8: rename it"
            if length > LONGEST_KEY:
                return f"its key would have {length} bytes, {LONGEST_KEY} are the limit: shorten its name"
        return None


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: its SHA-256 in hex, and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a picture cannot be used, under the code that the pair's row will have."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Considered:
    """A pair as it was looked at: its contents, the bucket's pair at that time, which of the contents count in it
    already, and which pictures cannot be used (of a pair that has to be sent)."""

    submission: Submission
    contents: Mapping[Role, Content]
    standing: Pair
    there: frozenset[Role]
    problems: Mapping[Role, Problem]

    @property
    def pair_id(self) -> str:
        return self.submission.pair_id

    @property
    def to_send(self) -> list[Role]:
        """The pictures that the bucket lacks."""
        return [role for role in ROLES if role not in self.there]

    @property
    def bytes_to_send(self) -> int:
        return sum(self.contents[role].size for role in self.to_send)

    @property
    def shown(self) -> tuple[str, ...]:
        """What identifies its two contents, whichever is the first: faces have no order."""
        return tuple(sorted(content.sha256 for content in self.contents.values()))


@dataclass
class Plan:
    """What submitting would do, pair by pair in the order of the input."""

    pairs: list[Considered] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def add(self, pair: Considered | LeftOut) -> None:
        if isinstance(pair, LeftOut):
            self.left_out.append(pair)
        else:
            self.pairs.append(pair)

    @property
    def there(self) -> list[Considered]:
        """Pairs of which nothing has to be sent."""
        return [pair for pair in self.pairs if not pair.to_send]

    @property
    def new(self) -> list[Considered]:
        """Pairs of which something has to be sent."""
        return [pair for pair in self.pairs if pair.to_send]

    @property
    def calls(self) -> int:
        """Calls to the comparison API, at most: contents that were compared under the same pair id before cost none."""
        return sum(not pair.problems for pair in self.new)

    @property
    def bytes_to_send(self) -> int:
        return sum(pair.bytes_to_send for pair in self.new)

    @property
    def unfit(self) -> Mapping[str, list[Considered]]:
        """Pairs that will have no call, for their pictures cannot be used, by the code that their row will have."""
        found: dict[str, list[Considered]] = defaultdict(list)
        for pair in self.new:
            if pair.problems:
                found[next(iter(pair.problems.values())).code].append(pair)
        return found

    @property
    def duplicates(self) -> list[list[str]]:
        """Pair ids that show the same two pictures, in whatever order; each pair is compared by a call of its own."""
        found: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for pair in self.pairs:
            if not pair.problems:
                found[pair.shown].append(pair.pair_id)
        return [pair_ids for pair_ids in found.values() if len(pair_ids) > 1]

    @property
    def selfsame(self) -> list[str]:
        """Pairs of which both pictures are one and the same file: they pass, and that says nothing."""
        return [pair.pair_id for pair in self.pairs if len(set(pair.shown)) == 1 and not pair.problems]


def lookalikes(pair_ids: Iterable[str]) -> list[list[str]]:
    """Pair ids that look the same: one in composed form (NFC), the other decomposed (NFD).

    S3 and DynamoDB treat them as different, and nothing normalizes them.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for pair_id in pair_ids:
        found[unicodedata.normalize("NFC", pair_id)].append(pair_id)
    return [alike for alike in found.values() if len(alike) > 1]
