"""A proxy to AWS that fails like networks and AWS do, for chosen requests, and counts requests."""

import json
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

import urllib3

from sandbox.lambda_host.server import Handler, Server

type Kind = Literal["throttle", "deny", "drop", "lose_response", "delay"]

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with zero seconds
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "server", "date"}
# S3 requests do not name their operation: method, subject and a required query parameter identify it, the most specific
# first.
S3_OPERATIONS = (
    ("GET", "bucket", "list-type", "ListObjectsV2"),
    ("GET", "bucket", "versions", "ListObjectVersions"),
    ("POST", "bucket", "delete", "DeleteObjects"),
    ("GET", "object", None, "GetObject"),
    ("HEAD", "object", None, "HeadObject"),
    ("PUT", "object", None, "PutObject"),
    ("DELETE", "object", None, "DeleteObject"),
)
OBJECT_PATH = re.compile("/[^/]+/.+")


@dataclass(frozen=True)
class Request:
    """A request of an AWS operation; `text` is its URL and body."""

    operation: str
    text: str

    def has(self, operation: str, containing: tuple[str, ...]) -> bool:
        return self.operation == operation and all(part in self.text for part in containing)


@dataclass
class Fault:
    """Affects requests of an AWS operation with all of `containing` in URL or body.

    `met` counts the affected requests. Setting `over` ends the fault, and its delays.
    """

    operation: str
    kind: Kind
    containing: tuple[str, ...]
    times: int | None  # None: until cleared
    delay: float  # seconds before it
    met: int = field(default=0, init=False)
    over: threading.Event = field(default_factory=threading.Event, init=False)

    def befalls(self, request: Request) -> bool:
        used_up = self.times is not None and self.met >= self.times
        return not used_up and not self.over.is_set() and request.has(self.operation, self.containing)


class FaultyAws:
    """Listens at `url` and forwards everything to `upstream`, except for active faults; a context manager.

    Operations have the names of AWS's API: PutItem, GetParameter, ListObjectsV2. `containing` narrows them down, say to
    a table.
    """

    def __init__(self, upstream: str = "") -> None:
        self.upstream = upstream
        self._faults: list[Fault] = []
        self._requests: list[Request] = []
        self._lock = threading.Lock()
        self._http = urllib3.PoolManager(maxsize=64)
        self._server = Server(self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def fault(self, operation: str, kind: Kind, *containing: str, times: int | None = 1, delay: float = 0) -> Fault:
        """Make the next `times` requests of an operation fail; of several faults, the first match applies.

        `throttle` returns AWS's throttling error, which botocore retries; `deny` that for missing permissions, which it
        does not. `drop` ends the connection before AWS sees the request, `lose_response` after AWS has handled it;
        `delay` only delays.
        """
        fault = Fault(operation, kind, containing, times, delay)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def requests(self, operation: str, *containing: str) -> int:
        """Count the requests of an operation so far, including failed ones."""
        with self._lock:
            return sum(request.has(operation, containing) for request in self._requests)

    def take(self, request: Request) -> Fault | None:
        """Record a request and return its fault, if any."""
        with self._lock:
            self._requests.append(request)
            fault = next((fault for fault in self._faults if fault.befalls(request)), None)
            if fault:
                fault.met += 1
            return fault

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> urllib3.BaseHTTPResponse:
        return self._http.request(
            method,
            self.upstream + path,
            headers=headers,
            body=body,
            retries=False,
            redirect=False,
            decode_content=False,
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        class Connection(_Connection):
            aws = self

        return Connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._http.clear()


def operation_of(method: str, url: str, target: str | None) -> str:
    """Return the operation of a request from its header X-Amz-Target, or else as S3's."""
    if target:
        return target.rpartition(".")[2]
    path, query = urlsplit(url).path, parse_qs(urlsplit(url).query, keep_blank_values=True)
    about = "object" if OBJECT_PATH.fullmatch(path) else "bucket"
    for its_method, its_subject, parameter, operation in S3_OPERATIONS:
        if (method, about) == (its_method, its_subject) and (parameter is None or parameter in query):
            return operation
    return method


class _Connection(Handler):
    aws: FaultyAws

    def do_POST(self) -> None:
        body = self.body()
        operation = operation_of(self.command, self.path, self.headers.get("X-Amz-Target"))
        fault = self.aws.take(Request(operation, unquote(self.path) + body.decode(errors="replace")))
        if fault:
            fault.over.wait(fault.delay)
        match fault.kind if fault else "delay":
            case "throttle" | "deny" as kind:
                self._fail(kind)
            case "drop":
                self._hang_up()
            case "lose_response":
                self._forward(body)
                self._hang_up()
            case "delay":
                self._pass_on(self._forward(body))

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST

    def _forward(self, body: bytes) -> urllib3.BaseHTTPResponse:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        return self.aws.forward(self.command, self.path, headers, body)

    def _pass_on(self, response: urllib3.BaseHTTPResponse) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", response.headers.get("Content-Length", str(len(response.data))))
        self.end_headers()
        self.wfile.write(response.data)

    def _fail(self, kind: Literal["throttle", "deny"]) -> None:
        if target := self.headers.get("X-Amz-Target"):
            status, code = 400, "ThrottlingException" if kind == "throttle" else "AccessDeniedException"
            body = json.dumps({"__type": code, "message": "by the test"}).encode()
        else:
            status, code = (503, "SlowDown") if kind == "throttle" else (403, "AccessDenied")
            body = f"<Error><Code>{code}</Code><Message>by the test</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0" if target else "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.connection.close()
