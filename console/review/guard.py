"""Who may ask the page's server for anything: the browser that opened it, under its own name, from its own page."""

import hmac
import secrets
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_BODY = 10_000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Keys:
    """What opens the page: `once`, a token that is good for one use; then the session's, in a cookie that no script can
    read, and the page's own, which a request must bring besides. Cookies know no ports, so its name has it."""

    def __init__(self, port: int) -> None:
        self.once, self.session, self.page = (secrets.token_urlsafe(32) for _ in range(3))
        self.cookie = f"facepair-review-{port}"
        self._used = False

    def use(self, token: str) -> bool:
        """Whether this is the first use of the one-time token."""
        if self._used or not _same(token, self.once):
            return False
        self._used = True
        return True

    def is_session(self, cookies: Mapping[str, str]) -> bool:
        return _same(cookies.get(self.cookie, ""), self.session)

    def is_page(self, token: str) -> bool:
        return _same(token, self.page)


class Guard:
    """ASGI middleware. A name that only resolves to this machine, another origin, a request without the session or
    without the page's token: each is refused before anything is done."""

    def __init__(self, app: ASGIApp, *, keys: Keys, host: str) -> None:
        self._app = app
        self._keys = keys
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = self._app
        if refusal := self._refusal(scope, Headers(scope=scope)):
            app = JSONResponse({"error": refusal}, status_code=403)
        await app(scope, receive, send_closed)

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        """Why a request is refused, if it is."""
        if headers.getlist("host") != [self._host]:
            return f"This page is http://{self._host} and nothing else."
        if scope["path"] == "/" and scope["method"] in ("GET", "HEAD"):
            return None  # the page itself looks at the token
        if not self._keys.is_session(cookie_parser(headers.get("cookie", ""))):
            return "Open the page by the address that facepair review has printed."
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return "Another page asks for this."
        if scope["method"] not in ("GET", "HEAD"):
            if headers.get("origin") != f"http://{self._host}":
                return "Another page asks for this."
            if not self._keys.is_page(headers.get("x-page-token", "")):
                return "A page that is none of ours asks for this."
            if int(headers.get("content-length", "0")) > LONGEST_BODY or "transfer-encoding" in headers:
                return "No page of ours asks for so much."
        return None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
