"""What can go wrong with a call, by what it means for the caller."""


class AdvanceError(Exception):
    """Root of the client's errors. `message` is for people; `http_status` is None where there was no answer."""

    def __init__(self, message: str, *, http_status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = http_status


class Unreached(AdvanceError):
    """The request was never sent (DNS, connect, TLS): surely not charged, try again."""


class NoAnswer(AdvanceError):
    """The request may have been read and charged, and no answer of the API came back: never repeat it blindly."""


class TokenRefused(AdvanceError):
    """generate-token answered something else than a token. Free; `code` says whether to try again or to stop.

    `retry_after` in seconds, where the API asked for it.
    """

    def __init__(self, code: str, message: str, *, http_status: int, retry_after: float | None = None) -> None:
        super().__init__(message, http_status=http_status)
        self.code = code
        self.retry_after = retry_after
