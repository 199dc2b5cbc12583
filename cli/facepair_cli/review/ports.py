"""Ports of the desk: ReviewFunction and S3, and how they fail."""

from collections.abc import Mapping
from typing import Any, Protocol

from facepair_cli.review.pictures import Fetched


class NotAnswered(Exception):
    """The stack did not answer; the request is repeated later. The message includes the remedy."""


class Refused(Exception):
    """The stack refuses the request; repeating it is pointless. The message gives the reason."""


class Ending(Exception): ...


class ReviewBackend(Protocol):
    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return ReviewFunction's answer. Raises NotAnswered or Refused."""

    def renew(self) -> None:
        """Reload the credentials before the next request: the reviewer may have signed in again."""

    def fetch(self, link: str) -> Fetched:
        """Fetch a link. Raises Unseen."""
