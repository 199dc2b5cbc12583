"""Get new tokens from generate-token, with the account's credentials."""

from dataclasses import dataclass
from typing import Protocol

from facepair.advance.client import Advance, Credentials
from facepair.advance.codes import CREDENTIALS_CODES, TOKEN_CODES, Meaning
from facepair.advance.errors import CredentialsInvalid, TokenRefused
from facepair.advance.token import Token
from facepair.domain.retry import Blocked, Later
from facepair.domain.verdict import BAD_ANSWER, CREDENTIALS_INVALID, NETWORK_ERROR
from facepair.http import NoAnswer, Unreached


class CredentialsStore(Protocol):
    def load(self) -> Credentials:
        """Return the credentials. Raises CredentialsInvalid (needs an operator) or Later (store unavailable)."""


@dataclass(frozen=True, kw_only=True)
class TokenIssuer:
    """Issues tokens, valid for `validity` seconds."""

    advance: Advance
    credentials: CredentialsStore
    validity: int

    def issue(self) -> Token:
        """Get a new token. Free. Raises Blocked (needs an operator) or Later (passes)."""
        try:
            return self.advance.mint(self.credentials.load(), self.validity)
        except CredentialsInvalid as error:
            raise Blocked(CREDENTIALS_INVALID, str(error)) from error
        except Unreached as error:
            raise Later(f"{error.message}; is AdvanceBaseUrl right?", code=NETWORK_ERROR) from error
        except NoAnswer as error:
            message = f"No token: {error.message}; is AdvanceBaseUrl right?"
            raise Later(message, code=NETWORK_ERROR if error.http_status is None else BAD_ANSWER) from error
        except TokenRefused as refusal:
            code = CREDENTIALS_INVALID if refusal.code in CREDENTIALS_CODES else refusal.code
            message = f"generate-token answered {refusal.code}: {refusal.message}"
            if TOKEN_CODES.get(refusal.code) is Meaning.BLOCKED:
                raise Blocked(code, message) from refusal
            raise Later(message, code=code, retry_after=refusal.retry_after) from refusal

    def check(self) -> dict[str, object]:
        """Return whether a token can be obtained, as JSON: `obtained`, and if not, `code` and `message`.

        Never returns the token. Free.
        """
        try:
            self.issue()
        except (Blocked, Later) as error:
            return {"obtained": False, "code": error.code, "message": error.message}
        return {"obtained": True}
