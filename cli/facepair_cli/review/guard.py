"""Which requests the page's server answers: only those of the page that it opened.

There are no cookies, which reach every port of 127.0.0.1. The page keeps its token in memory and sends it in a header.
"""

import hmac
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_BODY = 64 * 1024
"""In bytes: the most that a browser sends while closing a page."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Keys:
    """The tokens.

    `once` opens the page, once. `page` comes with each request of the page. `server` comes with each response: once
    this server is gone, another program may listen on its port, and the page must not trust it.
    """

    def __init__(self) -> None:
        self.once, self.page, self.server = (secrets.token_urlsafe(32) for _ in range(3))
        self.is_used = False

    def is_once(self, token: str) -> bool:
        return _same(token, self.once)

    def is_page(self, token: str) -> bool:
        return _same(token, self.page)


class Guard:
    """ASGI middleware: rejects other host names (DNS rebinding), other pages and requests without the page's token."""

    def __init__(self, app: ASGIApp, *, keys: Keys, host: str) -> None:
        self._app = app
        self._keys = keys
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        added = dict(HEADERS)
        if self._is_page(headers):
            added["X-Server-Token"] = self._keys.server

        async def send_closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(added)
            await send(message)

        app = self._app
        if refusal := self._refusal(scope, headers):
            app = JSONResponse({"error": refusal}, status_code=403)
        await app(scope, receive, send_closed)

    def _is_page(self, headers: Headers) -> bool:
        return headers.getlist("host") == [self._host] and self._keys.is_page(headers.get("x-page-token", ""))

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        """Return why the request is rejected, or None."""
        if headers.getlist("host") != [self._host]:
            return f"This page is http://{self._host} and nothing else."
        if scope["method"] not in ("GET", "POST"):
            return "This server answers GET and POST."
        if int(headers.get("content-length", "0")) > LONGEST_BODY or "transfer-encoding" in headers:
            return f"A request has at most {LONGEST_BODY} bytes."
        if scope["path"] == "/":
            return None  # the page checks the one-time token
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return "Another page sent this request."
        if scope["path"].startswith("/static/"):
            return None  # public, the same for everyone
        if scope["method"] == "POST" and headers.get("origin") != f"http://{self._host}":
            return "Another page sent this request."
        if not self._keys.is_page(headers.get("x-page-token", "")):
            return "This request lacks the page's token. Open the page with the address that facepair review printed."
        return None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
