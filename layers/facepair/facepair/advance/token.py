"""The access token: kept in memory, shared through a store, renewed before it expires and when it is refused."""

import math
import random
from collections.abc import Callable, Iterator
from typing import Protocol

from pydantic import BaseModel, Field

from facepair.domain.clock import now


class Token(BaseModel, frozen=True, hide_input_in_errors=True):
    """An access token and when it expires, in epoch milliseconds. Never printed."""

    token: str = Field(repr=False, pattern=r"^[\x20-\x7e]+$")  # goes into a header
    expires_ms: int


class TokenStore(Protocol):
    """Where environments share a token. Neither method raises: without the store each environment has its own token."""

    def load(self) -> Token | None:
        """The shared token, if there is one."""

    def save(self, token: Token) -> None:
        """Share a token."""


MINTING_SECONDS = 1.0
"""About how long generate-token takes: the scale on which early renewals are spread."""
MARGIN_SECONDS = 5.0
"""A token this near its end may expire on its way, or be judged by a clock that is ahead."""


class TokenKeeper:
    """Finds a token that the API accepts, with as few new ones as possible."""

    def __init__(self, store: TokenStore, mint: Callable[[], Token]) -> None:
        self._store = store
        self._mint = mint
        self._kept: Token | None = None

    def tokens(self) -> Iterator[str]:
        """Tokens to try, each after the one before it was refused.

        First the one in memory or else in the store; then the store's, if another environment has renewed it; last a
        new one. A shared token may be refused here and accepted elsewhere (tokens can be tied to an IP address), so a
        new one is kept in memory whatever becomes of the store. Whatever `mint` raises comes through.
        """
        used = self._kept if self._kept and self._is_fresh(self._kept) else self._load()
        if used:
            yield used.token
            changed = self._load()
            if changed and changed.token != used.token:
                yield changed.token
        self._kept = self._mint()
        self._store.save(self._kept)
        yield self._kept.token

    def _load(self) -> Token | None:
        shared = self._store.load()
        if shared and self._is_fresh(shared):
            self._kept = shared
            return shared
        return None

    def _is_fresh(self, token: Token) -> bool:
        """Whether to go on with a token, decided by chance near its end, so that a fleet does not renew it all at once.

        XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015).
        """
        early = MARGIN_SECONDS + MINTING_SECONDS * -math.log(1 - random.random())
        return now().timestamp() + early < token.expires_ms / 1000
