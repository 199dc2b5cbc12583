"""Time from upload to row and from row to webhook, with stated latencies: `python -m benchmarks.latency [--pairs 20]`.

The functions reach AWS through a proxy that delays each request to S3 by 20 ms and to DynamoDB by 5 ms; the API answers
after 800 ms. All other services, the queue's and the stream's polling included, take what the sandbox takes, which runs
on the same processors. So the figures are the sandbox's: compare them with those without latencies, and with
themselves. The second picture is uploaded once the first has its row; *row* is the row's `updated_at`.
"""

import argparse
import re
import socket
import socketserver
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any, Self
from urllib.parse import urlsplit

from facepair.domain import clock
from sandbox.cloud import Sandbox
from sandbox.portraits import jpeg, portrait

ROOT = Path(__file__).parents[1]
LATENCIES = {"S3": 0.020, "DynamoDB": 0.005}
"""Seconds by service."""
API_SECONDS = 0.8
PATIENCE_SECONDS = 120
SERVICE = re.compile(rb"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/aws4_request")
"""AWS's signature names the service."""
CHUNK = 1 << 16


class SlowAws(socketserver.ThreadingTCPServer):
    """A proxy to `upstream` that delays each request by the latency of its service; a context manager."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, latencies: Mapping[str, float]) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.latencies = {service.lower(): seconds for service, seconds in latencies.items()}
        self.upstream = ""
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Connection(socketserver.BaseRequestHandler):
    """One connection, which clients reuse for requests to one service, one after the other."""

    server: SlowAws

    def handle(self) -> None:
        upstream = urlsplit(self.server.upstream)
        with socket.create_connection((str(upstream.hostname), int(upstream.port or 80))) as aws:
            aws.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = threading.Thread(target=self._pass_answers_on, args=(aws,), daemon=True)
            answers.start()
            latency = 0.0
            while chunk := _received(self.request):
                if service := SERVICE.search(chunk):  # a request begins
                    latency = self.server.latencies.get(service[1].decode(), 0.0)
                    time.sleep(latency)
                aws.sendall(chunk)

    def _pass_answers_on(self, aws: socket.socket) -> None:
        while chunk := _received(aws):
            try:
                self.request.sendall(chunk)
            except OSError:  # the client has gone
                return


def _received(connection: socket.socket) -> bytes:
    """Return what arrives next; empty at the end."""
    try:
        return connection.recv(CHUNK)
    except OSError:
        return b""


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds from upload to row, and from row to webhook.")
    parser.add_argument("--pairs", type=int, default=20)
    pairs = parser.parse_args().pairs
    stated = ", ".join(f"{name} {seconds * 1000:g} ms" for name, seconds in LATENCIES.items())
    _measure(f"{stated}, API {API_SECONDS * 1000:g} ms", LATENCIES, API_SECONDS, pairs)
    _measure("no latencies", {}, 0, pairs)


def _measure(name: str, latencies: Mapping[str, float], api_seconds: float, pairs: int) -> None:
    with SlowAws(latencies) as aws, Sandbox(ROOT, environment={"AWS_ENDPOINT_URL": aws.url}) as sandbox:
        aws.upstream = sandbox.variables["AWS_ENDPOINT_URL"]
        sandbox.advance.control.script(times=None, delay=api_seconds)
        content = jpeg(portrait(1))
        _seconds(sandbox, "the first one starts what is not started yet", content)
        measured = [_seconds(sandbox, f"pair {number}", content) for number in range(pairs)]
    to_row, to_webhook = (median(each) for each in zip(*measured, strict=True))
    print(f"{name}: upload to row {to_row:.2f} s, row to webhook {to_webhook:.2f} s (medians of {pairs} pairs)")


def _seconds(sandbox: Sandbox, pair_id: str, content: bytes) -> tuple[float, float]:
    """Upload a pair. Return the seconds from the second upload to the row, and from there to the webhook."""
    bucket, table = sandbox.outputs["ImagesBucket"], sandbox.outputs["VerdictsTable"]
    sandbox.aws("s3").put_object(Bucket=bucket, Key=f"{pair_id}/first.jpg", Body=content)
    wait_for(lambda: sandbox.aws("dynamodb").get_item(TableName=table, Key={"pair_id": {"S": pair_id}}).get("Item"))
    uploaded = time.time()
    sandbox.aws("s3").put_object(Bucket=bucket, Key=f"{pair_id}/second.jpg", Body=content)

    def delivery() -> Any:
        taken = sandbox.receiver.taken.values()
        return next((each for each in taken if each.message["data"]["pair_id"] == pair_id), None)

    delivered = wait_for(delivery)
    written = clock.parse(delivered.message["data"]["updated_at"]).timestamp()
    return written - uploaded, delivered.at - written


def wait_for(found: Any) -> Any:
    """Return what is found within PATIENCE_SECONDS."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        if value := found():
            return value
        time.sleep(0.02)
    raise SystemExit(f"nothing came within {PATIENCE_SECONDS} s: see the logs in .sandbox")


if __name__ == "__main__":
    main()
