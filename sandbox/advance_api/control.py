"""A client of the emulator's control endpoint."""

from typing import Any
from urllib.parse import urlencode

import urllib3
from pydantic import TypeAdapter

from sandbox.advance_api.models import ApiRequest, Endpoint, Step

_CALLS = TypeAdapter(list[ApiRequest])


class ControlError(Exception):
    """The control endpoint refused a request; the message says why."""


class Control:
    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url.rstrip('/')}/control"
        self._http = urllib3.PoolManager(retries=False)

    def script(self, **step: Any) -> None:
        """Queue a step with the fields of `models.Step`. Raises pydantic.ValidationError."""
        self._post("/script", Step(**step).model_dump_json(exclude_unset=True))

    def limit_rate(self, per_second: int, *, endpoint: Endpoint = "check", retry_after: str = "1s") -> None:
        """Answer SERVICE_BUSY above this rate, until cleared."""
        self.script(
            endpoint=endpoint, times=None, above_per_second=per_second, code="SERVICE_BUSY", retry_after=retry_after
        )

    def clear(self) -> None:
        """Drop the waiting steps."""
        self._post("/clear")

    def revoke_tokens(self) -> None:
        self._post("/revoke-tokens")

    def reset(self) -> None:
        """Drop steps and calls; tokens stay valid, as on the real account."""
        self._post("/reset")

    def calls(self, endpoint: str | None = None, *, first_sha256: str | None = None) -> list[ApiRequest]:
        """Return all requests in order, or those to one endpoint or with one first picture."""
        wanted = {"endpoint": endpoint, "first_sha256": first_sha256}
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        return _CALLS.validate_json(self._request("GET", f"/calls?{query}"))

    def charges(self) -> list[str]:
        """Return the transaction ids of charged comparisons."""
        return [call.transaction_id for call in self.calls() if call.charged]

    def close(self) -> None:
        self._http.clear()

    def _post(self, path: str, body: str = "") -> None:
        self._request("POST", path, body)

    def _request(self, method: str, path: str, body: str | None = None) -> bytes:
        response = self._http.request(method, self._url + path, body=body)
        if response.status >= 400:
            raise ControlError(f"{method} {self._url}{path}: {response.data.decode()}")
        return response.data
