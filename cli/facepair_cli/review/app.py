"""The web application: serves the page for the one-time token, and the desk to that page only."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from facepair_cli.review.decisions import Decided
from facepair_cli.review.desk import Desk
from facepair_cli.review.guard import Guard, Keys
from facepair_cli.review.pictures import Unseen
from facepair_cli.review.ports import Ending, ReviewBackend

STATIC = Path(__file__).parent / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
GRACE_SECONDS = 5.0
"""How long the page may lose its connection before it counts as closed."""
NOT_OPENED = (
    "This page opens with the address that facepair review printed, once. It cannot open again in a second window or "
    "after a reload: start facepair review again."
)
USED = (
    "This address was already used: it opens the page once. If you did not open it, another program did: end facepair "
    "review with Ctrl-C, then start it again."
)


class Presence:
    """Tracks whether the page is open (it keeps a connection), and calls `over` when it has closed."""

    def __init__(self, over: Callable[[], None]) -> None:
        self.over = over
        self._open = 0

    def come(self) -> None:
        self._open += 1

    def go(self) -> None:
        self._open -= 1
        if not self._open:
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._ends)

    def _ends(self) -> None:
        if not self._open:
            self.over()


def make(desk: Desk, stack: ReviewBackend, keys: Keys, host: str, presence: Presence) -> Starlette:
    """Return the application that serves one desk at one host and port."""

    async def page(request: Request) -> Response:
        sent = request.url.query if request.method == "GET" else (await request.body()).decode(errors="replace")
        [token, *_] = parse_qs(sent).get("token", [""])
        if keys.is_used or not keys.is_once(token):
            return _refused(USED if keys.is_once(token) else NOT_OPENED)
        keys.is_used = True
        html = (STATIC / "index.html").read_text(encoding="utf-8")
        return HTMLResponse(html.replace("{{page-token}}", keys.page).replace("{{server-token}}", keys.server))

    async def static(request: Request) -> Response:
        file = STATIC / request.path_params["name"]
        if file.parent != STATIC or file.suffix not in TYPES or not file.is_file():
            return JSONResponse({"error": "There is no such file."}, status_code=404)
        return Response(file.read_bytes(), media_type=TYPES[file.suffix])

    def picture(request: Request) -> Response:
        try:
            shown = desk.picture(request.path_params["handle"], request.path_params["role"], stack.fetch)
        except Unseen as unseen:
            return JSONResponse({"error": str(unseen)}, status_code=503 if unseen.again else 404)
        headers = {"X-Upload-Size": "{}x{}".format(*shown.fitted.shown_size)}
        if shown.uploaded_at:
            headers["X-Uploaded-At"] = shown.uploaded_at
        return Response(shown.fitted.content, media_type=shown.fitted.content_type, headers=headers)

    async def states(_: Request) -> Response:
        """Stream the desk's state: a line of JSON per change, while the page is open."""

        async def lines() -> AsyncIterator[str]:
            presence.come()
            try:
                seen = None
                while not (seen == desk.version and desk.ended):
                    if seen != desk.version:
                        state = desk.state()
                        seen = state["version"]
                        yield json.dumps(state) + "\n"
                    await asyncio.sleep(0.05)
            finally:
                presence.go()

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    def retry() -> dict[str, Any]:
        stack.renew()
        return desk.retry()

    def close(decisions: list[dict[str, Any]]) -> dict[str, Any]:
        """The page is closing; take the decisions that it has not sent yet."""
        try:
            for each in decisions:
                desk.decide(Decided(**each))
        finally:
            presence.over()
        return desk.state()

    posts: dict[str, Callable[..., dict[str, Any]]] = {
        "/pairs": desk.look,
        "/again": retry,
        "/decide": lambda **decision: desk.decide(Decided(**decision)),
        "/undo": desk.undo,
        "/skip": desk.skip,
        "/reveal": desk.reveal,
        "/close": close,
    }
    return Starlette(
        routes=[
            Route("/", page, methods=["GET", "POST"]),
            Route("/static/{name}", static),
            Route("/pictures/{handle}/{role}", picture),
            Route("/states", states),
            *(Route(path, _action(does), methods=["POST"]) for path, does in posts.items()),
        ],
        middleware=[Middleware(Guard, keys=keys, host=host)],
    )


def _action(does: Callable[..., dict[str, Any]]) -> Callable[[Request], Any]:
    """Return an endpoint that calls `does` with the request's JSON fields as arguments."""

    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(does(**json.loads(await request.body() or b"{}")))
        except Ending as ending:
            return JSONResponse({"error": str(ending)}, status_code=409)
        except (ValueError, TypeError, KeyError) as error:
            return JSONResponse({"error": f"The request is malformed: {error!r}"}, status_code=400)

    return answer


def _refused(sentence: str) -> Response:
    return HTMLResponse(f"<!doctype html><title>facepair review</title><p>{sentence}</p>", status_code=403)
