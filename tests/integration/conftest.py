"""The deployed template.yaml's resources, for tests of the classes that use them; and a way to them that has faults."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from uuid import uuid4

import pytest
import urllib3
from botocore.config import Config

from facepair.aws.clients import PATIENT
from sandbox.aws import LocalAws, offline_session
from sandbox.deploy import deploy
from tests.fixtures_sandbox import ROOT

SLOW_SECONDS = 1
HASTY = Config(retries={"total_max_attempts": 1})
"""Takes the first error for an answer."""


@dataclass(frozen=True)
class Deployed:
    """`outputs` of the stack, and clients of it through `url`, as patient as the functions' own.

    `dataclasses.replace` it for another way there.
    """

    url: str
    outputs: dict[str, str]
    config: Config = PATIENT

    def client(self, service: str) -> Any:
        return _session().client(service, endpoint_url=self.url, config=self.config)

    @cached_property
    def tables(self) -> Any:
        return _session().resource("dynamodb", endpoint_url=self.url, config=self.config)

    def table(self, output: str) -> Any:
        return self.tables.Table(self.outputs[output])


@cache
def _session() -> Any:
    return offline_session()


@pytest.fixture(scope="session")
def deployed(local_aws: LocalAws) -> Deployed:
    stack = deploy(local_aws, ROOT / "template.yaml", f"core-{uuid4().hex[:8]}", {})
    return Deployed(local_aws.url, dict(stack.outputs))


@pytest.fixture
def pair_id() -> str:
    """A pair of its own for every test: the tables are shared."""
    return f"pair-{uuid4().hex[:12]}/é +%"


class FaultyAws:
    """A proxy before AWS: says what becomes of the next requests of an operation, for example `PutItem`."""

    def __init__(self, url: str) -> None:
        self._faults: dict[str, list[str]] = {}
        faulty = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            upstream: ClassVar = urllib3.PoolManager(retries=False)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fault = faulty.take(self.headers.get("X-Amz-Target", "").rpartition(".")[2])
                if fault == "refuse":
                    self.answer(400, b'{"__type": "com.amazonaws#ThrottlingException", "message": "slow down"}')
                    return
                if fault == "slow":
                    time.sleep(SLOW_SECONDS)
                reply = self.upstream.request("POST", url + self.path, body=body, headers=dict(self.headers))
                if fault == "lose":
                    self.close_connection = True
                else:
                    self.answer(reply.status, reply.data)

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,)).start()

    def lose(self, operation: str, times: int = 1) -> None:
        """The request arrives; its response does not."""
        self._faults[operation] = ["lose"] * times

    def refuse(self, operation: str, times: int = 1000) -> None:
        """Throttled."""
        self._faults[operation] = ["refuse"] * times

    def slow(self, operation: str, times: int = 1) -> None:
        """SLOW_SECONDS late."""
        self._faults[operation] = ["slow"] * times

    def mend(self) -> None:
        self._faults.clear()

    def take(self, operation: str) -> str | None:
        faults = self._faults.get(operation)
        return faults.pop() if faults else None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def faults(deployed: Deployed) -> Iterator[FaultyAws]:
    faulty = FaultyAws(deployed.url)
    yield faulty
    faulty.close()
