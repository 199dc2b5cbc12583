"""A proxy between the functions and AWS that fails as networks and AWS do, for the requests that a test names."""

import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Literal, Self
from urllib.parse import unquote

import urllib3

from sandbox.lambda_host.server import Handler, Server

type Kind = Literal["throttle", "refuse", "drop", "lose_response", "delay"]

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER switched on with zero seconds
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "server", "date"}


@dataclass
class Fault:
    """What happens to requests of an AWS operation that have all of `containing` in their URL or body.

    `operation` is the API's name of it (PutItem, GetParameter), for S3 the HTTP method. `met` counts what it befell.
    """

    operation: str
    kind: Kind
    containing: tuple[str, ...]
    times: int | None  # None: until cleared
    delay: float  # seconds before it
    met: int = field(default=0, init=False)

    def befalls(self, operation: str, request: str) -> bool:
        if self.times is not None and self.met >= self.times:
            return False
        return operation == self.operation and all(part in request for part in self.containing)


class FaultyAws:
    """A context manager: listens at `url` and passes everything on to `upstream`, but for the faults in force."""

    upstream: str

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._http = urllib3.PoolManager(maxsize=64)
        self._server = Server(self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def fault(self, operation: str, kind: Kind, *containing: str, times: int | None = 1, delay: float = 0) -> Fault:
        """Let the next `times` requests of that kind fail.

        `throttle` answers AWS's error for too many requests, which botocore repeats; `refuse` one for missing
        permissions, which it does not. `drop` ends the connection before AWS sees the request, `lose_response` after
        AWS has carried it out; `delay` does nothing else.
        """
        fault = Fault(operation, kind, containing, times, delay)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, operation: str, request: str) -> Fault | None:
        with self._lock:
            fault = next((fault for fault in self._faults if fault.befalls(operation, request)), None)
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
        aws = self

        class Connection(_Connection):
            def take(self, request: str) -> Fault | None:
                return aws.take(self.operation, request)

            def forward(self, body: bytes) -> urllib3.BaseHTTPResponse:
                return aws.forward(self.command, self.path, dict(self.headers), body)

        return Connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._http.clear()


class _Connection(Handler):
    def take(self, request: str) -> Fault | None:
        raise NotImplementedError

    def forward(self, body: bytes) -> urllib3.BaseHTTPResponse:
        raise NotImplementedError

    @property
    def operation(self) -> str:
        return self.headers.get("X-Amz-Target", self.command).rpartition(".")[2]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.take(unquote(self.path) + body.decode(errors="replace"))
        if fault:
            time.sleep(fault.delay)
        match fault.kind if fault else "delay":
            case "throttle" | "refuse" as kind:
                self._fail(kind)
            case "drop":
                self._hang_up()
            case "lose_response":
                self.forward(body)
                self._hang_up()
            case "delay":
                self._pass_on(self.forward(body))

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST

    def _pass_on(self, response: urllib3.BaseHTTPResponse) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", response.headers.get("Content-Length", str(len(response.data))))
        self.end_headers()
        self.wfile.write(response.data)

    def _fail(self, kind: Literal["throttle", "refuse"]) -> None:
        target = self.headers.get("X-Amz-Target")
        if target is None:
            status, code = (503, "SlowDown") if kind == "throttle" else (403, "AccessDenied")
            body = f"<Error><Code>{code}</Code><Message>by the test</Message></Error>".encode()
        else:
            throttled = "ProvisionedThroughputExceededException" if "DynamoDB" in target else "ThrottlingException"
            status, code = 400, throttled if kind == "throttle" else "AccessDeniedException"
            body = json.dumps({"__type": code, "message": "by the test"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0" if target else "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.connection.close()
