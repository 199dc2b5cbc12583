"""What a desk needs of the outside: ReviewFunction and S3, and how they fail."""

from collections.abc import Mapping
from typing import Any, Protocol

from facepair_cli.review.pictures import Fetched


class NotAnswered(Exception):
    """The stack did not answer. The message is a sentence with the remedy; the request is repeated later."""


class Refused(Exception):
    """The stack refused the request and would refuse it again. The message is a sentence with the reason."""


class Ending(Exception):
    """The desk takes no more decisions."""


class ReviewBackend(Protocol):
    """ReviewFunction, and S3."""

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the function's answer. Raises NotAnswered and Refused."""

    def renew(self) -> None:
        """Read the credentials again before the next request: the reviewer may have signed in."""

    def fetch(self, link: str) -> Fetched:
        """Return what is at a link. Raises Unseen."""
