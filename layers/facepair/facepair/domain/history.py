"""What can be found out of a pair beside its row and its calls."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from facepair.domain.pair import Names, Pair, Role, Upload


@dataclass(frozen=True)
class Version:
    """One version of an object in a pair's folder: an upload, or, if `deleted`, the mark that S3 left of a deletion.

    `latest` is what readers of the bucket see now. `role` is None for what is no picture of a pair.
    """

    upload: Upload
    version_id: str
    role: Role | None
    latest: bool
    deleted: bool = False


@dataclass(frozen=True)
class Mark:
    """A message about a pair's two objects is in flight: `due` is when it is back at the latest.

    While `alive_until` lies ahead a worker may be at it; `begun` workers have begun without coming to an end.
    """

    due: datetime
    begun: int = 0
    alive_until: datetime | None = None


def pair_among(pair_id: str, versions: Iterable[Version], names: Names, listed_at: datetime) -> Pair:
    """The pair as workers see it: the objects that are there now."""
    uploads = (each.upload for each in versions if each.latest and not each.deleted)
    return Pair.among(pair_id, uploads, names, listed_at)
