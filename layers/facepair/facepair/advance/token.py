"""The access token: kept in memory, shared through a store, renewed before it expires or when refused."""

import math
import random
from collections.abc import Callable, Iterator
from typing import Protocol

from pydantic import BaseModel, Field

from facepair.domain.clock import now


class Token(BaseModel, frozen=True, hide_input_in_errors=True):
    """An access token; expires at `expires_ms` (epoch milliseconds). Never printed."""

    token: str = Field(repr=False, pattern=r"^[\x20-\x7e]+$")  # sent as a header
    expires_ms: int


class TokenStore(Protocol):
    """Shares the token among execution environments. Methods never raise: without the store each uses its own."""

    def load(self) -> Token | None:
        """Return the shared token, if any."""

    def save(self, token: Token) -> None: ...


MINTING_SECONDS = 1.0
"""About how long generate-token takes; scales how early renewals start."""
MARGIN_SECONDS = 5.0
"""A token this close to its end may expire in transit, or by a clock that is ahead."""


class TokenKeeper:
    """The `Tokens` port over a `TokenStore`. It mints as few tokens as possible."""

    def __init__(self, store: TokenStore, mint: Callable[[], Token]) -> None:
        self._store = store
        self._mint = mint
        self._kept: Token | None = None

    def tokens(self) -> Iterator[str]:
        """Yield tokens to try, each after the API refused the one before.

        First the one in memory or in the store, then the store's if another environment renewed it, then a new one. A
        shared token may be refused here and accepted elsewhere (tokens can be tied to an IP address), so a new one
        stays in memory whatever happens to the store. Errors of `mint` propagate.
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
        """Decide by chance near its end whether to keep a token, so that a fleet does not renew it all at once.

        XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015).
        """
        early = MARGIN_SECONDS + MINTING_SECONDS * -math.log(1 - random.random())
        return now().timestamp() + early < token.expires_ms / 1000
