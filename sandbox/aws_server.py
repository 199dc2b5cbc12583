"""moto's server as AWS, made to behave where it does not: `python -m sandbox.aws_server --lambda-url URL`.

Prints its own URL, alone on one line, once it listens.

- moto has no locks: of two conditional writes at the same moment both can win. Here one request runs at a time.
- A long poll would hold that lock, so it waits outside, and moto gets a short poll when the queue has a message, or at
  the end. Every other request wakes the polls that have one; a poll wakes itself when a delay may have passed. A stream
  is read by a long poll too if the request has the header X-Sandbox-Wait-Seconds. A request with the header
  X-Sandbox-End-Polls ends all long polls.
- A transaction copies whole tables, and a canceled one loses their streams' readers: see sandbox/transactions.py.
- Lambda's Invoke goes to the Lambda host; moto would only echo. So do functions' URLs, which moto does not serve, and
  the list of event source mappings: moto, which knew of one, would poll the queue itself.
- moto takes every upload by a form, and lets pages of every origin read every answer: see sandbox/upload_forms.py. The
  origins are those of the bucket's CORS rules if moto is started with MOTO_DISABLE_GLOBAL_CORS.
"""

import argparse
import json
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any

import urllib3
from moto.dynamodbstreams.models import dynamodbstreams_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sqs import models as moto_sqs
from werkzeug.exceptions import InternalServerError
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_input_stream

from sandbox import moto_speed, transactions
from sandbox.aws import REGION
from sandbox.function_urls import FunctionUrls, secret_of
from sandbox.upload_forms import UploadForms

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

INVOKE_PATH = re.compile(r"/2015-03-31/functions/[^/]+/invocations")
MAPPINGS_PATH = re.compile(r"/2015-03-31/event-source-mappings/?")
RECEIVE_MESSAGE = "AmazonSQS.ReceiveMessage"
GET_RECORDS = "DynamoDBStreams_20120810.GetRecords"
# Delays and visibility timeouts end without a request that could wake a long poll.
LONGEST_SLEEP_SECONDS = 0.2


class OneAtATime:
    """WSGI middleware that lets one request at a time through to moto."""

    def __init__(self, moto: "WSGIApplication") -> None:
        self._moto = moto
        self._turn = threading.Lock()
        self._asleep: dict[threading.Condition, Callable[[], bool]] = {}
        self._ended_polls = 0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body = _read_body(environ)
        operation, wait_seconds = environ.get("HTTP_X_AMZ_TARGET"), environ.get("HTTP_X_SANDBOX_WAIT_SECONDS")
        if operation == RECEIVE_MESSAGE:
            answer = self._receive(environ, json.loads(body))
        elif "HTTP_X_SANDBOX_END_POLLS" in environ:
            answer = self._end_polls()
        elif operation == GET_RECORDS and wait_seconds:
            iterator = json.loads(body)["ShardIterator"]
            answer = self._poll(environ, body, "Records", float(wait_seconds), lambda: _has_record(iterator))
        else:
            with self._turn:
                answer = self._ask_moto(environ, body)
                self._wake()
        return answer(environ, start_response)

    def _receive(self, environ: "WSGIEnvironment", request: dict[str, Any]) -> "ReadyAnswer":
        short_poll = json.dumps(request | {"WaitTimeSeconds": 0}).encode()
        seconds = request.get("WaitTimeSeconds", 0)
        return self._poll(environ, short_poll, "Messages", seconds, lambda: _has_message(request["QueueUrl"]))

    def _poll(
        self, environ: "WSGIEnvironment", body: bytes, wanted: str, seconds: float, there: Callable[[], bool]
    ) -> "ReadyAnswer":
        """Ask moto whenever something is `there`, until the answer has `wanted` or time is up."""
        deadline = time.monotonic() + seconds
        with self._turn:
            ended_polls = self._ended_polls
            while True:
                while not there() and self._ended_polls == ended_polls and (left := deadline - time.monotonic()) > 0:
                    self._sleep(there, min(left, LONGEST_SLEEP_SECONDS))
                answer = self._ask_moto(environ, body)
                if not answer.status.startswith("200 ") or json.loads(answer.body).get(wanted):
                    return answer
                if self._ended_polls != ended_polls or time.monotonic() >= deadline:
                    return answer

    def _sleep(self, there: Callable[[], bool], seconds: float) -> None:
        """Let other requests have their turn until one of them sees that something is `there`."""
        woken = threading.Condition(self._turn)
        self._asleep[woken] = there
        woken.wait(seconds)
        del self._asleep[woken]

    def _wake(self) -> None:
        """Wake only the polls that will find something: waking all of them costs as much as a request."""
        for asleep, there in self._asleep.items():
            if there():
                asleep.notify()

    def _end_polls(self) -> "ReadyAnswer":
        with self._turn:
            self._ended_polls += 1
            for asleep in self._asleep:
                asleep.notify()
        return ReadyAnswer()

    def _ask_moto(self, environ: "WSGIEnvironment", body: bytes) -> "ReadyAnswer":
        request = environ | {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return ReadyAnswer(*run_wsgi_app(self._moto, request, buffered=True))


class ReadyAnswer:
    """A WSGI application that gives one answer as it is; werkzeug's Response would look through its headers again."""

    def __init__(self, chunks: Iterable[bytes] = (), status: str = "200 OK", headers: Iterable[Any] = ()) -> None:
        self.body = b"".join(chunks)
        self.status = status
        self._headers = headers

    def __call__(self, _: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response(self.status, [*self._headers])
        return [self.body]


class LambdaInvokes:
    """WSGI middleware that forwards Invoke and the list of event source mappings to the Lambda host."""

    def __init__(self, application: "WSGIApplication", lambda_url: str) -> None:
        self._application = application
        self._lambda_url = lambda_url
        self._http = urllib3.PoolManager(retries=False, timeout=None, maxsize=32)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if MAPPINGS_PATH.fullmatch(environ["PATH_INFO"]) and environ["REQUEST_METHOD"] == "GET":
            query = environ.get("QUERY_STRING", "")
            answer = self._http.request("GET", f"{self._lambda_url}{environ['PATH_INFO']}?{query}")
            return Response(answer.data, answer.status, dict(answer.headers))(environ, start_response)
        if not INVOKE_PATH.fullmatch(environ["PATH_INFO"]):
            return self._application(environ, start_response)
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE", "RequestResponse")
        answer = self._post(environ["PATH_INFO"], _read_body(environ), kind)
        return Response(answer.data, answer.status, dict(answer.headers))(environ, start_response)

    def invoke(self, function: str, payload: bytes) -> bytes | None:
        """Return a function's answer; None if it failed or does not exist."""
        answer = self._post(f"/2015-03-31/functions/{function}/invocations", payload, "RequestResponse")
        failed = answer.status != HTTPStatus.OK or "X-Amz-Function-Error" in answer.headers
        return None if failed else answer.data

    def _post(self, path: str, payload: bytes, kind: str) -> urllib3.BaseHTTPResponse:
        headers = {"X-Amz-Invocation-Type": kind}
        return self._http.request("POST", self._lambda_url + path, body=payload, headers=headers)


class QuietHandler(MotoRequestHandler):
    """Keeps connections open: werkzeug closes each after one request, and a new one is a third of a request's cost."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write for headers and body
    disable_nagle_algorithm = True  # a second write would wait 40 ms

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()  # the client sends the body only then
        return True

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        body = _read_body(environ)  # what is left of it would be read as the next request
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        try:
            chunks, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        except Exception:
            self.server.log("error", traceback.format_exc())
            chunks, status, headers = run_wsgi_app(InternalServerError(), environ, buffered=True)
        code, _, reason = status.partition(" ")
        answer = b"".join(chunks)
        if self.command != "HEAD":
            headers["Content-Length"] = str(len(answer))
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer if self.command != "HEAD" else b"")

    def date_time_string(self, timestamp: float | None = None) -> str:
        return _date(int(time.time() if timestamp is None else timestamp))

    def log(self, type: str, message: str, *args: Any) -> None:
        if type == "error":
            super().log(type, message, *args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@lru_cache(maxsize=1)
def _date(timestamp: int) -> str:
    """Format a time for HTTP once a second, not once a request."""
    return formatdate(timestamp, usegmt=True)


def _has_message(queue_url: str) -> bool:
    """Return whether a message can be received. Looking into moto costs a hundredth of a request."""
    account, name = queue_url.rsplit("/", 2)[1:]
    queue = next((each.queues[name] for each in moto_sqs.sqs_backends[account].values() if name in each.queues), None)
    return queue is None or any(queue.messages)  # moto answers itself that there is no such queue


def _has_record(iterator: str) -> bool:
    """Return whether the shard has a record after the iterator, by looking into moto."""
    iterators = (dict(backend[REGION].shard_iterators) for backend in dynamodbstreams_backends.values())
    found = next((each[iterator] for each in iterators if iterator in each), None)
    if found is None:
        return True  # let moto answer
    shard = found.stream_shard
    return bool(found.sequence_number - shard.starting_sequence_number < len(shard.items))


def _read_body(environ: "WSGIEnvironment") -> bytes:
    """Read the whole body before the request's turn, so that a slow upload does not block others."""
    return get_input_stream(environ).read()


def _create_app(service: Any) -> Any:
    """Return moto's application for a service, without Flask's debug mode, which makes a class for each request."""
    application = create_backend_app(service)
    application.debug = False
    return application


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lambda-url", required=True, help="where Lambda's Invoke is answered")
    arguments = parser.parse_args()

    moto_speed.speed_up()
    transactions.install()
    moto = OneAtATime(UploadForms(DomainDispatcherApplication(_create_app), secret_of))
    invokes = LambdaInvokes(moto, arguments.lambda_url)
    application = FunctionUrls(invokes, invokes.invoke)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=QuietHandler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
