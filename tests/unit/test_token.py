"""Which token is used when, and when a new one is minted."""

import random
from collections.abc import Iterator
from itertools import count

import pytest

from facepair.advance.token import MARGIN_SECONDS, Token, TokenKeeper
from facepair.domain.clock import now


class Store:
    """The store where environments share a token; `down` makes it fail as if SSM were down."""

    def __init__(self, shared: Token | None = None, *, down: bool = False) -> None:
        self.shared = shared
        self.down = down
        self.loads = 0

    def load(self) -> Token | None:
        self.loads += 1
        return None if self.down else self.shared

    def save(self, token: Token) -> None:
        if not self.down:
            self.shared = token


class Mint:
    """A mint that issues `new 1`, `new 2`, …"""

    def __init__(self, seconds: float = 3600) -> None:
        self.minted: list[str] = []
        self._seconds = seconds
        self._names = (f"new {number}" for number in count(1))

    def __call__(self) -> Token:
        token = valid(next(self._names), self._seconds)
        self.minted.append(token.token)
        return token


def valid(token: str, seconds: float = 3600) -> Token:
    return Token(token=token, expires_ms=int((now().timestamp() + seconds) * 1000))


def tried(keeper: TokenKeeper, accepted: set[str]) -> list[str]:
    """Return the tokens that are tried until one is accepted."""
    attempts: list[str] = []
    for token in keeper.tokens():
        attempts.append(token)
        if token in accepted:
            break
    return attempts


@pytest.fixture(autouse=True)
def _the_same_chance_in_every_run() -> Iterator[None]:
    state = random.getstate()
    random.seed(1)
    yield
    random.setstate(state)


def test_the_first_environment_mints_a_token_and_shares_it() -> None:
    store, mint = Store(), Mint()

    assert tried(TokenKeeper(store, mint), {"new 1"}) == ["new 1"]
    assert store.shared is not None
    assert store.shared.token == "new 1"


def test_a_token_in_memory_needs_neither_store_nor_mint() -> None:
    store, mint = Store(), Mint()
    keeper = TokenKeeper(store, mint)
    tried(keeper, {"new 1"})
    store.loads = 0

    assert [tried(keeper, {"new 1"}) for _ in range(3)] == [["new 1"]] * 3
    assert (mint.minted, store.loads) == (["new 1"], 0)


def test_a_new_environment_takes_the_shared_token() -> None:
    mint = Mint()

    assert tried(TokenKeeper(Store(valid("shared")), mint), {"shared"}) == ["shared"]
    assert mint.minted == []


def test_no_token_is_minted_before_the_existing_ones_were_refused() -> None:
    mint = Mint()
    tokens = TokenKeeper(Store(valid("shared")), mint).tokens()

    next(tokens)

    assert mint.minted == []


def test_an_expired_shared_token_is_not_tried() -> None:
    assert tried(TokenKeeper(Store(valid("old", -1)), Mint()), {"new 1"}) == ["new 1"]


def test_a_token_about_to_expire_is_not_used() -> None:
    for _ in range(100):
        assert tried(TokenKeeper(Store(valid("old", MARGIN_SECONDS - 1)), Mint()), {"new 1"}) == ["new 1"]


def test_an_expired_token_in_memory_is_replaced_by_a_shared_newer_one() -> None:
    store, mint = Store(), Mint(seconds=1)
    keeper = TokenKeeper(store, mint)
    tried(keeper, {"new 1"})
    store.shared = valid("renewed elsewhere")

    assert tried(keeper, {"renewed elsewhere"}) == ["renewed elsewhere"]
    assert mint.minted == ["new 1"]


def test_expired_tokens_in_memory_and_store_are_replaced_by_a_new_one() -> None:
    store, mint = Store(), Mint(seconds=1)
    keeper = TokenKeeper(store, mint)
    tried(keeper, {"new 1"})

    assert tried(keeper, {"new 2"}) == ["new 2"]


def test_a_refused_token_is_replaced_by_the_one_another_environment_renewed() -> None:
    store, mint = Store(), Mint()
    keeper = TokenKeeper(store, mint)
    tried(keeper, {"new 1"})
    store.shared = valid("renewed elsewhere")

    assert tried(keeper, {"renewed elsewhere"}) == ["new 1", "renewed elsewhere"]
    assert tried(keeper, {"renewed elsewhere"}) == ["renewed elsewhere"]
    assert mint.minted == ["new 1"]


def test_a_refused_token_is_not_tried_twice() -> None:
    assert tried(TokenKeeper(Store(valid("revoked")), Mint()), {"new 1"}) == ["revoked", "new 1"]


def test_after_three_refusals_one_token_was_minted_and_no_other_is_tried() -> None:
    store, mint = Store(valid("refused")), Mint()
    tokens = TokenKeeper(store, mint).tokens()

    first = next(tokens)
    store.shared = valid("refused too")

    assert [first, *tokens] == ["refused", "refused too", "new 1"]
    assert mint.minted == ["new 1"]


def test_an_environment_that_is_refused_the_shared_token_uses_its_own() -> None:
    store = Store()
    here, there = TokenKeeper(store, Mint()), TokenKeeper(store, lambda: valid("theirs"))
    tried(there, {"theirs"})

    assert tried(here, {"new 1"}) == ["theirs", "new 1"]
    store.shared = valid("theirs")  # where it is accepted, it is shared again

    assert tried(here, {"new 1"}) == ["new 1"]
    assert tried(there, {"theirs"}) == ["theirs"]


def test_a_failing_store_costs_each_environment_one_token_and_no_comparison() -> None:
    mint = Mint()
    keeper = TokenKeeper(Store(valid("shared"), down=True), mint)

    assert [tried(keeper, {"new 1"}) for _ in range(3)] == [["new 1"]] * 3
    assert mint.minted == ["new 1"]


def test_an_error_of_the_mint_is_raised_and_the_next_try_mints_again() -> None:
    def failing() -> Token:
        raise ConnectionError("generate-token")

    keeper = TokenKeeper(Store(), failing)

    for _ in range(2):
        with pytest.raises(ConnectionError):
            tried(keeper, set())


def test_environments_renew_at_different_moments() -> None:
    def renewing(seconds_left: float, environments: int = 1000) -> int:
        store = Store(valid("shared", seconds_left))
        return sum(
            tried(TokenKeeper(Store(store.shared), Mint()), {"shared", "new 1"}) == ["new 1"]
            for _ in range(environments)
        )

    assert renewing(60) == 0
    assert 0 < renewing(MARGIN_SECONDS + 3) < renewing(MARGIN_SECONDS + 1) < renewing(MARGIN_SECONDS + 0.2) < 1000


def test_a_token_is_never_printed() -> None:
    assert "eyJ" not in f"{valid('eyJ')} {valid('eyJ')!r}"
