"""ReviewFunction and S3 over the fakes, as a local server that fails on demand."""

import json
import threading
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import quote

from facepair.domain.opinions import SecondReview
from facepair.domain.review_request import asked
from facepair.domain.row import PictureRow
from sandbox.lambda_host.server import Handler, Server
from tests.fakes import picture
from tests.world import World

REVIEWERS = "arn:aws:iam::123456789012:user/"
REVIEWER = f"{REVIEWERS}rita"
SIGNATURE = "X-Amz-Signature=SECRET"

type Mode = Literal["answers", "hangs", "drops", "refuses", "proxy", "proxy in JSON"]

ANSWERS: dict[str, tuple[int, str]] = {
    "refuses": (403, json.dumps({"message": "The security token included in the request is expired"})),
    "proxy": (200, "<html>Sign in to the proxy</html>"),
    "proxy in JSON": (200, json.dumps({"error": "sign in to the proxy"})),
}


@dataclass(frozen=True)
class Links:
    """Presigned URLs that lead to `base`."""

    base: str

    def link(self, picture: PictureRow) -> str:
        return f"{self.base}{quote(picture.key)}?versionId={picture.version_id}&{SIGNATURE}"


@dataclass
class ReviewFunction:
    """The function behind `url`. `mode` sets how it answers; `links` where its links lead."""

    world: World
    mode: Mode = "answers"
    links: str = ""
    second_review: SecondReview = SecondReview.NONE
    actions: list[str] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    """Set once a request hangs."""

    def __post_init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._released = threading.Event()
        function = self

        class Answers(Handler):
            def do_POST(self) -> None:
                content = self.body()
                if function.mode == "hangs":
                    function.hanging.set()
                    function.wait()
                if function.mode in ("hangs", "drops"):
                    self.close_connection = True
                    return
                status, answer = ANSWERS.get(function.mode) or function.answered(self.path, content)
                self.answer(HTTPStatus(status), answer.encode())

            def do_GET(self) -> None:
                self.answer(HTTPStatus.OK, picture(), {"Last-Modified": "Sat, 31 Jan 2026 12:00:00 GMT"})

        self._server = Server(Answers)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self.links = self.links or f"{self.url}s3/"

    def url_of(self, name: str) -> str:
        """Return the URL for another caller."""
        return f"{self.url}{name}"

    def answer(self, request: dict[str, Any], reviewer: str = REVIEWER) -> dict[str, Any]:
        """Return the use case's answer."""
        with self._one_at_a_time:
            understood = asked(request)
            self.actions.append(understood.action)
            reviewing = replace(self.world.reviewing(self.second_review), links=Links(self.links))
            return reviewing.answer(reviewer, understood)

    def answered(self, path: str, content: bytes) -> tuple[int, str]:
        caller = f"{REVIEWERS}{path.strip('/')}" if path != "/" else REVIEWER
        return 200, json.dumps(self.answer(json.loads(content), caller))

    def wait(self) -> None:
        self._released.wait()

    def release(self) -> None:
        """Let hanging requests end."""
        self._released.set()

    def close(self) -> None:
        self._released.set()
        self._server.close()

    def verdict(self, pair_id: str) -> str:
        return str(self.world.verdicts.items[pair_id]["verdict"])
