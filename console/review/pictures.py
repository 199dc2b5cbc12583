"""A picture on its way to the page: fetched by its link, upright, as ADVANCE was sent it; never on disk."""

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from facepair.domain.picture import Fitted, Unusable, fit

LINK_SECONDS = 60
"""How long a link leads to its picture."""


class Unseen(Exception):
    """The picture cannot be shown; the message is a sentence for the reviewer, who can do without `again` or not."""

    def __init__(self, sentence: str, *, again: bool = False) -> None:
        super().__init__(sentence)
        self.again = again


type Fetch = Callable[[str], tuple[int, bytes]]
"""GETs a link: status and content. Raises Unseen if nothing is there that answers."""


@dataclass
class Picture:
    """One picture of a pair; `url` is its newest link."""

    url: str | None
    _fitted: Fitted | None = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def shown(self, fetch: Fetch) -> Fitted:
        """What the page shows: what ADVANCE was sent, made by the same code. Raises Unseen."""
        with self._one_at_a_time:
            if self._fitted is None:
                self._fitted = self._fit(fetch)
            return self._fitted

    def _fit(self, fetch: Fetch) -> Fitted:
        if self.url is None:
            raise Unseen("Its row does not say which version of the picture was compared, so none can be shown.")
        status, content = fetch(self.url)
        if status in (404, 410):
            raise Unseen("This picture is not in the bucket any more. Press T to have it taken again, or S to skip.")
        if status != 200:
            raise Unseen(f"S3 does not give this picture (HTTP {status}). Press A to try again.", again=True)
        try:
            return fit(content)
        except Unusable as unusable:
            raise Unseen(
                f"This picture cannot be shown: {unusable.message}. Press T to have it taken again, or S to skip."
            ) from unusable


@dataclass
class Held:
    """A pair that this page has: what the function says of it, and its pictures, under an address nobody can guess."""

    said: Mapping[str, Any]
    pictures: Mapping[str, Picture]
    handle: str = field(default_factory=lambda: secrets.token_urlsafe(12))

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Held":
        return cls(said, {role: Picture(said[role]["url"]) for role in ("first", "second")})

    @property
    def pair_id(self) -> str:
        return str(self.said["pair_id"])

    def is_about(self, said: Mapping[str, Any]) -> bool:
        """Whether it is this pair with these contents."""
        return (self.said["pair_id"], self.said["fingerprint"]) == (said["pair_id"], said["fingerprint"])

    def renew(self, said: Mapping[str, Any]) -> None:
        """Newer links to the same pictures."""
        for role, picture in self.pictures.items():
            picture.url = said[role]["url"]

    def for_the_page(self) -> dict[str, Any]:
        """All that is said, without the links: the page never has them."""
        address = f"/pictures/{self.handle}"
        roles = {
            role: {name: value for name, value in self.said[role].items() if name != "url"}
            | {"address": f"{address}/{role}"}
            for role in self.pictures
        }
        return {**self.said, **roles, "address": address}
