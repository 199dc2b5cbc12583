"""A picture on its way to the page: fetched by its link, upright, as it was sent to ADVANCE; never on disk."""

import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from facepair.domain.picture import Fitted, Unusable, fit

LINK_SECONDS = 60
"""How long a link leads to its picture."""
SHOWN = ("file", "adjusted", "face")
"""What the page gets of a picture. The link is not among it."""
DECODER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decoder")
"""Decoding takes up to 1 GB, and the page asks for several pictures at once. One thread for all: each thread that has
decoded keeps memory of its own."""


def stop_decoding() -> None:
    """Leave pictures that wait to be decoded: a process waits for its decoder before it exits."""
    DECODER.shutdown(wait=False, cancel_futures=True)


class Unseen(Exception):
    """The picture cannot be shown. The message is a sentence for the page; `again` if another attempt may help."""

    def __init__(self, sentence: str, *, again: bool = False) -> None:
        super().__init__(sentence)
        self.again = again


class Expired(Unseen):
    """S3 refuses the link; a newer one may lead to the picture."""


class Fetched(NamedTuple):
    """What is at a link. `uploaded_at` is the time that S3 names, in HTTP's format."""

    status: int
    content: bytes
    uploaded_at: str | None = None


class Shown(NamedTuple):
    """A picture as the page shows it, and when it was uploaded."""

    fitted: Fitted
    uploaded_at: str | None


type Fetch = Callable[[str], Fetched]
"""GETs a link. Raises Unseen where nothing answers."""


@dataclass
class PagePicture:
    """One picture of a pair; `url` is its newest link."""

    url: str | None
    _shown: Shown | None = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def shown(self, fetch: Fetch) -> Shown:
        """Return what was sent to ADVANCE, made by the same code. Raises Unseen."""
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
            raise refused(f"S3 does not give this picture (HTTP {status}). Press A to try again.", again=True)
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
    """A pair on the desk: what the function says of it, and its pictures, under an address that cannot be guessed."""

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
        """Let the page show the similarity."""
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
        """Return what the page shows. It never gets a link."""
        address = f"/pictures/{self.handle}"
        pictures = {
            role: {name: self.said[role].get(name) for name in SHOWN} | {"address": f"{address}/{role}"}
            for role in self.pictures
        }
        return {**self.said, **pictures, "address": address}
