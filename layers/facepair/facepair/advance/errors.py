"""What stands between us and a token. What can go wrong with a POST itself is in facepair/http.py."""


class TokenRefused(Exception):
    """generate-token answered something else than a token. Free; `code` says whether to try again or to stop.

    `message` is for people; `retry_after` in seconds, where the API asked for it.
    """

    def __init__(self, code: str, message: str, *, http_status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status
        self.retry_after = retry_after


class CredentialsInvalid(Exception):
    """There are no usable credentials; the message says what to put where."""
