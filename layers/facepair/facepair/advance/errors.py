"""Reasons for having no token. http.py has the errors of a POST."""


class TokenRefused(Exception):
    """generate-token returned no token. Free; `code` decides whether to retry or stop.

    `retry_after` is in seconds, if the API gave it.
    """

    def __init__(self, code: str, message: str, *, http_status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = http_status
        self.retry_after = retry_after


class CredentialsInvalid(Exception):
    """There are no usable credentials. The message says what to store where."""
