"""A pair's history besides its row and calls."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from facepair.domain.pair import Names, Pair, Role, Upload


@dataclass(frozen=True)
class Version:
    """One version of an object in a pair's folder: an upload, or, if `deleted`, a delete marker.

    `latest`: the version readers see now. `role` is None for objects that are not pictures of the pair.
    """

    upload: Upload
    version_id: str
    role: Role | None
    latest: bool
    deleted: bool = False


@dataclass(frozen=True)
class Mark:
    """A message about the pair's two objects is in flight and comes back by `due`.

    Until `alive_until` a worker may be processing it; `begun` workers started and did not finish.
    """

    due: datetime
    begun: int = 0
    alive_until: datetime | None = None


def pair_among(pair_id: str, versions: Iterable[Version], names: Names, listed_at: datetime) -> Pair:
    """Return the pair as workers see it: from the latest versions."""
    uploads = (each.upload for each in versions if each.latest and not each.deleted)
    return Pair.among(pair_id, uploads, names, listed_at)
