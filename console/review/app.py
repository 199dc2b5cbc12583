"""What the browser is served: the page to whoever opens it by the one-time address, and its desk to that page alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from console.review.desk import Decided, Desk
from console.review.guard import Guard, Keys
from console.review.pictures import Unseen

STATIC = Path(__file__).parent / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
GRACE_SECONDS = 5.0
"""How long the page may be away: a reload takes less."""
USED = "This address opens the page once, and was used. End facepair review with Ctrl-C, and start it again."


class Presence:
    """Whether the page is open: it holds a connection as long as it is. Calls `over` when it is closed for good."""

    def __init__(self, over: Callable[[], None]) -> None:
        self._over = over
        self._open = 0
        self.ending = False

    def come(self) -> None:
        self._open += 1

    def go(self) -> None:
        self._open -= 1
        if not self._open:
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._ends)

    def _ends(self) -> None:
        if not self._open:
            self._over()


def make(desk: Desk, keys: Keys, host: str, presence: Presence, closed: Callable[[], None]) -> Starlette:
    """The application, for one desk under one host with its port. `closed` is called when it shuts down."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(closed)

    async def page(request: Request) -> Response:
        token = request.query_params.get("token")
        if not (keys.is_session(request.cookies) if token is None else keys.use(token)):
            return HTMLResponse(f"<!doctype html><title>facepair review</title><p>{USED}</p>", status_code=403)
        html = (STATIC / "index.html").read_text(encoding="utf-8").replace("{{page-token}}", keys.page)
        response = HTMLResponse(html)
        response.set_cookie(keys.cookie, keys.session, httponly=True, samesite="strict", path="/")
        return response

    async def static(request: Request) -> Response:
        file = STATIC / request.path_params["name"]
        if file.parent != STATIC or file.suffix not in TYPES or not file.is_file():
            return JSONResponse({"error": "There is no such file."}, status_code=404)
        return Response(file.read_bytes(), media_type=TYPES[file.suffix])

    def picture(request: Request) -> Response:
        try:
            shown = desk.picture(request.path_params["handle"], request.path_params["role"])
        except Unseen as unseen:
            return JSONResponse({"error": str(unseen)}, status_code=503 if unseen.again else 404)
        size = "{}x{}".format(*shown.shown_size)
        return Response(shown.content, media_type=shown.content_type, headers={"X-Upload-Size": size})

    async def alive(request: Request) -> Response:
        async def still() -> AsyncIterator[str]:
            presence.come()
            try:
                yield ": here\n\n"
                while not presence.ending and not await request.is_disconnected():
                    await asyncio.sleep(0.1)
                yield "event: ended\ndata:\n\n"
            finally:
                presence.go()

        return StreamingResponse(still(), media_type="text/event-stream")

    def action(does: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            try:
                body = json.loads(await request.body() or b"{}")
                return JSONResponse(await run_in_threadpool(does, body))
            except (ValueError, TypeError, KeyError) as error:
                return JSONResponse({"error": f"The page asks for what nobody knows: {error!r}"}, status_code=400)

        return answer

    posts: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "/pairs": lambda _: desk.pairs(),
        "/again": lambda _: desk.again(),
        "/decide": lambda body: desk.decide(Decided(**body)),
        "/undo": lambda _: desk.take_back(),
        "/skip": lambda body: desk.skip(body["pair_id"]),
        "/close": lambda _: desk.send(),
    }
    return Starlette(
        routes=[
            Route("/", page),
            Route("/static/{name}", static),
            Route("/pictures/{handle}/{role}", picture),
            Route("/alive", alive),
            *(Route(path, action(does), methods=["POST"]) for path, does in posts.items()),
        ],
        middleware=[Middleware(Guard, keys=keys, host=host)],
        lifespan=lifespan,
    )
