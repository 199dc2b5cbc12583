"""Pictures for the page: fetched by link, shown upright as sent to ADVANCE, never stored on disk."""

import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from facepair.domain.fitted import Fitted, Unusable
from facepair.domain.picture import fit

LINK_SECONDS = 60
"""Lifetime of a link."""
SHOWN = ("file", "adjusted", "face")
"""Fields that the page gets; the link is not one of them."""
DECODER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decoder")
"""One thread for all pictures: decoding takes up to 1 GB, and each thread that has decoded keeps its memory."""


def stop_decoding() -> None:
    """Drop queued pictures: the process waits for its decoder at exit."""
    DECODER.shutdown(wait=False, cancel_futures=True)


class Unseen(Exception):
    """The picture cannot be shown. The message is for the page; `again` if a retry may help."""

    def __init__(self, sentence: str, *, again: bool = False) -> None:
        super().__init__(sentence)
        self.again = again


class Expired(Unseen):
    """S3 refuses the link; a newer one may work."""


class Fetched(NamedTuple):
    """The response to a link. `uploaded_at` is S3's Last-Modified header."""

    status: int
    content: bytes
    uploaded_at: str | None = None


class Shown(NamedTuple):
    fitted: Fitted
    uploaded_at: str | None


type Fetch = Callable[[str], Fetched]
"""GETs a link. Raises Unseen if there is no response."""


@dataclass
class PagePicture:
    """One picture of a pair; `url` is its newest link."""

    url: str | None
    _shown: Shown | None = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def shown(self, fetch: Fetch) -> Shown:
        """Return the picture as sent to ADVANCE. Raises Unseen."""
        with self._one_at_a_time:
            if self._shown is None:
                self._shown = self._fit(fetch)
            return self._shown

    def _fit(self, fetch: Fetch) -> Shown:
        if self.url is None:
            raise Unseen("Its row does not say which version of the picture was compared, so none can be shown.")
        status, content, uploaded_at = fetch(self.url)
        if status in (404, 410):
            raise Unseen("This picture is not in the bucket any more. Press T to have it taken again, or S to skip.")
        if status != 200:
            refused = Expired if status == 403 else Unseen
            raise refused(f"S3 refused this picture (HTTP {status}). Press A to try again.", again=True)
        try:
            return Shown(DECODER.submit(fit, content).result(), uploaded_at)
        except (CancelledError, RuntimeError):
            raise Unseen("facepair review is ending.") from None
        except Unusable as unusable:
            raise Unseen(
                f"This picture cannot be shown: {unusable.message}. Press T to have it taken again, or S to skip."
            ) from unusable


@dataclass
class Held:
    """A pair on the desk: ReviewFunction's data about it, and its pictures at an unguessable address."""

    said: Mapping[str, Any]
    pictures: Mapping[str, PagePicture]
    handle: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Held":
        return cls(said, {role: PagePicture(said[role]["url"]) for role in ("first", "second")})

    @property
    def is_revealed(self) -> bool:
        return "similarity" in self.said

    def reveal(self, similarity: float | None) -> None:
        self.said = {**self.said, "similarity": similarity}

    @property
    def pair_id(self) -> str:
        return str(self.said["pair_id"])

    def is_about(self, said: Mapping[str, Any]) -> bool:
        """Return whether it is this pair with these contents."""
        return (self.said["pair_id"], self.said["fingerprint"]) == (said["pair_id"], said["fingerprint"])

    def renew(self, said: Mapping[str, Any]) -> None:
        """Use newer links to the same pictures."""
        for role, picture in self.pictures.items():
            picture.url = said[role]["url"]

    def for_the_page(self) -> dict[str, Any]:
        """Return the pair without its links."""
        address = f"/pictures/{self.handle}"
        pictures = {
            role: {name: self.said[role].get(name) for name in SHOWN} | {"address": f"{address}/{role}"}
            for role in self.pictures
        }
        return {**self.said, **pictures, "address": address}
