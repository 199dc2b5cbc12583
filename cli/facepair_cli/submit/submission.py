"""Local pairs to upload: what happens to each, and the cost."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facepair.domain.pair import ROLES, Pair, Role
from facepair_cli.pair_ids import LONGEST_KEY

LARGEST_OBJECT = 5 * 1024**3
"""In bytes, by PutObject (S3 quota)."""


@dataclass(frozen=True, slots=True)
class File:
    """A local picture and its key in the bucket."""

    path: Path
    key: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A pair that is not submitted, and why."""

    pair_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A complete local pair."""

    pair_id: str
    files: Mapping[Role, File]

    def impossible(self) -> str | None:
        """Return why S3 cannot store the pair under this name, or None."""
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
    """A file's SHA-256 (hex) and size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a picture cannot be used; `code` is that of the pair's future row."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Considered:
    """A checked pair.

    `in_bucket`: the pair in the bucket at that time. `there`: roles whose content is in the bucket already. `problems`:
    unusable pictures, if anything has to be sent.
    """

    submission: Submission
    contents: Mapping[Role, Content]
    in_bucket: Pair
    there: frozenset[Role]
    problems: Mapping[Role, Problem]

    @property
    def pair_id(self) -> str:
        return self.submission.pair_id

    @property
    def to_send(self) -> list[Role]:
        """The roles that the bucket lacks."""
        return [role for role in ROLES if role not in self.there]

    @property
    def bytes_to_send(self) -> int:
        return sum(self.contents[role].size for role in self.to_send)

    @property
    def shown(self) -> tuple[str, ...]:
        """Identify the two contents regardless of their order."""
        return tuple(sorted(content.sha256 for content in self.contents.values()))


@dataclass
class Plan:
    """What submitting will do, in input order."""

    pairs: list[Considered] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def add(self, pair: Considered | LeftOut) -> None:
        if isinstance(pair, LeftOut):
            self.left_out.append(pair)
        else:
            self.pairs.append(pair)

    @property
    def there(self) -> list[Considered]:
        """Pairs with nothing to send."""
        return [pair for pair in self.pairs if not pair.to_send]

    @property
    def new(self) -> list[Considered]:
        """Pairs with something to send."""
        return [pair for pair in self.pairs if pair.to_send]

    @property
    def calls(self) -> int:
        """The most calls needed; contents compared before under the same pair id cost none."""
        return sum(not pair.problems for pair in self.new)

    @property
    def bytes_to_send(self) -> int:
        return sum(pair.bytes_to_send for pair in self.new)

    @property
    def unfit(self) -> Mapping[str, list[Considered]]:
        """Pairs without a call, as their pictures are unusable, by their row's future code."""
        found: dict[str, list[Considered]] = defaultdict(list)
        for pair in self.new:
            if pair.problems:
                found[next(iter(pair.problems.values())).code].append(pair)
        return found

    @property
    def duplicates(self) -> list[list[str]]:
        """Groups of pair ids with the same two pictures, in any order; each pair costs a call."""
        found: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for pair in self.pairs:
            if not pair.problems:
                found[pair.shown].append(pair.pair_id)
        return [pair_ids for pair_ids in found.values() if len(pair_ids) > 1]

    @property
    def selfsame(self) -> list[str]:
        """Pairs whose two pictures are the same file, so that PASS means nothing."""
        return [pair.pair_id for pair in self.pairs if len(set(pair.shown)) == 1 and not pair.problems]


def lookalikes(pair_ids: Iterable[str]) -> list[list[str]]:
    """Return groups of pair ids that differ only in NFC and NFD.

    S3 and DynamoDB treat them as different.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for pair_id in pair_ids:
        found[unicodedata.normalize("NFC", pair_id)].append(pair_id)
    return [alike for alike in found.values() if len(alike) > 1]
