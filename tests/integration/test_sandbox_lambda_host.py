"""The Lambda host: real processes under awslambdaric."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from sandbox.lambda_host import InvocationResult
from sandbox.lambda_host.event_source import failed_ids
from sandbox.lambda_host.fleet import Fleet
from sandbox.lambda_host.forked import PROGRAM, ForkServerProcess
from tests.support import LAMBDA_PYTHON, ROOT
from tests.support.waiting import eventually
from tests.support.workshop import Workshop

ECHO = """
import os
def handler(event, context):
    return {
        "event": event,
        "pid": os.getpid(),
        "environment": dict(os.environ),
        "arn": context.invoked_function_arn,
        "milliseconds_left": context.get_remaining_time_in_millis(),
    }
"""
CRASH = "import os\ndef handler(event, context): os._exit(7)"
NOTE = """
import os
def note(text):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(text + "\\n")
"""
# Notes its message at the start and again at the end, with a sleep in between.
WORKER = f"""{NOTE}
import time
def handler(event, context):
    [record] = event["Records"]
    message = record["body"] + " " + record["attributes"]["ApproximateReceiveCount"]
    note(message + " started")
    time.sleep(float(os.environ.get("SLEEP", 0)))
    note(message + " ended " + str(os.getpid()))
"""


def body(answer: InvocationResult) -> dict[str, object]:
    content: dict[str, object] = json.loads(answer.payload)
    return content


ENDS_AT_ONCE = """
import socket, sys
orders = socket.socket(fileno=int(sys.argv[1]))
_, files, _, _ = socket.recv_fds(orders, 65536, 4)
socket.socket(fileno=files[-1]).sendall(b"7\\n2\\n")
orders.recv(1)
"""
"""A fork server whose process has ended by the time its id is read."""
FORKS_WHAT_ENDS_AT_ONCE = f"""
import os, socket, sys
sys.path.insert(0, {str(PROGRAM.parent)!r})
from fork_server import ForkServer
ForkServer(socket.socket(fileno=int(sys.argv[1])), lambda order, files: os._exit(3)).serve()
"""
ENDS = """
import socket, sys
socket.recv_fds(socket.socket(fileno=int(sys.argv[1])), 65536, 4)
"""
"""A fork server that ends as soon as it gets an order."""


def alive(pid: int) -> bool:
    """Return False for a zombie, too."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the latter if it ends while being read
        return False
    return state != "Z"


# --- invocations ------------------------------------------------------------------------------------------------------


def test_a_function_gets_its_event_and_context_and_its_answer_comes_back(workshop: Workshop) -> None:
    host = workshop.host(ECHO, timeout=9)

    answer = body(host.invoke("work", b'{"question": "\\u00fc"}'))

    assert answer["event"] == {"question": "ü"}
    assert answer["arn"] == "arn:aws:lambda:us-east-1:123456789012:function:work-1"
    assert 0 < answer["milliseconds_left"] <= 9000  # type: ignore[operator]


def test_one_environment_serves_one_invocation_after_the_other(workshop: Workshop) -> None:
    host = workshop.host(ECHO)

    pids = {body(host.invoke("work", b"{}"))["pid"] for _ in range(5)}

    assert pids == {environment.pid for environment in host.environments()}
    assert len(pids) == 1


def test_a_function_sees_its_own_variables_and_lambdas_but_nothing_of_the_callers(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of a real account")
    monkeypatch.setenv("PYTHONPATH", "/callers/modules")
    host = workshop.host(ECHO, variables={"COLOUR": "green"})

    seen = body(host.invoke("work", b"{}"))["environment"]

    assert isinstance(seen, dict)
    assert seen["COLOUR"] == "green"
    assert seen["AWS_ENDPOINT_URL"] == workshop.aws.url
    assert seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "128"
    assert seen["LAMBDA_TASK_ROOT"] == str(workshop.folder / "code")
    assert "AWS_PROFILE" not in seen
    assert "AWS_SESSION_TOKEN" not in seen
    assert "/callers/modules" not in seen["PYTHONPATH"]


def test_a_layers_modules_can_be_imported(workshop: Workshop) -> None:
    layer = workshop.folder / "layer"
    layer.mkdir()
    (layer / "shared_between_functions.py").write_text("ANSWER = 42")
    source = "from shared_between_functions import ANSWER\ndef handler(event, context): return {'answer': ANSWER}"
    host = workshop.host(source, layers=(layer,))

    assert body(host.invoke("work", b"{}")) == {"answer": 42}


def test_an_exception_is_a_failed_answer_and_the_environment_lives_on(workshop: Workshop) -> None:
    host = workshop.host("def handler(event, context): raise ValueError('no such pair')")

    answers = [host.invoke("work", b"{}") for _ in range(2)]

    assert all(answer.failed for answer in answers)
    assert (body(answers[0])["errorType"], body(answers[0])["errorMessage"]) == ("ValueError", "no such pair")
    assert len(host.environments()) == 1


def test_a_crash_is_a_failed_answer_and_the_next_invocation_gets_a_new_environment(workshop: Workshop) -> None:
    host = workshop.host(
        "import os\ndef handler(event, context):\n    if event: os._exit(7)\n    return {'pid': os.getpid()}"
    )
    first = body(host.invoke("work", b"{}"))

    crashed = host.invoke("work", b'{"now": true}')

    assert crashed.failed
    assert body(crashed)["errorType"] == "Runtime.ExitError"
    assert body(host.invoke("work", b"{}")) != first
    assert host.lost() == 1


def test_at_its_timeout_a_function_is_killed_with_everything_it_started(workshop: Workshop) -> None:
    source = f"""{NOTE}
import subprocess, time
def handler(event, context):
    child = subprocess.Popen(["sleep", "60"])
    note(str(os.getpid()))
    note(str(child.pid))
    time.sleep(60)
"""
    host = workshop.host(source, timeout=1)

    answer = host.invoke("work", b"{}")

    assert answer.failed
    assert "Task timed out after 1.00 seconds" in str(body(answer)["errorMessage"])
    pids = [int(pid) for pid in workshop.noted()]
    assert len(pids) == 2
    eventually(lambda: not any(alive(pid) for pid in pids), within=5)
    assert host.environments() == []
    assert host.lost() == 1


def test_functions_end_with_the_process_that_runs_them_even_when_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("""
import os, subprocess, time
child = subprocess.Popen(["sleep", "60"])
print(os.getpid(), child.pid, flush=True)
time.sleep(60)
""")
    runs_it = f"""
import time
from pathlib import Path
from sandbox.lambda_host.forked import PROGRAM, fork_server
folder, variables = Path({str(tmp_path)!r}), {{"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"}}
server = fork_server(Path({str(LAMBDA_PYTHON)!r}), PROGRAM)
order = {{"handler": "app.handler", "folder": str(folder), "variables": variables}}
log = (folder / "log").open("wb")
server.start(order, [log.fileno()])
time.sleep(60)
"""
    log = tmp_path / "log"
    with subprocess.Popen([sys.executable, "-c", runs_it], cwd=ROOT) as host:
        eventually(lambda: log.exists() and log.read_text().endswith("\n"))
        pids = [int(pid) for pid in log.read_text().split()]

        host.kill()

    assert len(pids) == 2
    eventually(lambda: not any(alive(pid) for pid in pids))


def test_a_function_that_cannot_be_imported_says_so_in_every_answer(workshop: Workshop) -> None:
    host = workshop.host("import no_such_module")

    answers = [host.invoke("work", b"{}") for _ in range(2)]

    assert [body(answer)["errorType"] for answer in answers] == ["Runtime.ImportModuleError"] * 2
    with pytest.raises(RuntimeError, match="no_such_module"):
        workshop.host("import no_such_module", queue=workshop.queue()).warm(1)


def test_simultaneous_invocations_run_in_several_environments_one_at_a_time_in_each(workshop: Workshop) -> None:
    source = """
import os, time
def handler(event, context):
    began = time.monotonic()
    time.sleep(0.3)
    return {"pid": os.getpid(), "began": began, "ended": time.monotonic()}
"""
    host = workshop.host(source)

    with ThreadPoolExecutor(6) as pool:
        runs = [body(answer) for answer in pool.map(lambda _: host.invoke("work", b"{}"), range(12))]

    by_pid: dict[object, list[tuple[float, float]]] = {}
    for run in runs:
        by_pid.setdefault(run["pid"], []).append((run["began"], run["ended"]))  # type: ignore[arg-type]
    assert len(by_pid) > 1
    for spans in by_pid.values():
        spans.sort()
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))


def test_what_a_function_prints_is_in_its_log(workshop: Workshop) -> None:
    host = workshop.host("def handler(event, context): print('compared', event['pair'])")

    host.invoke("work", b'{"pair": "a/b"}')

    assert "compared a/b" in workshop.log()


def test_no_line_of_an_environment_runs_into_another_s(workshop: Workshop) -> None:
    lines, writers = 2000, 3
    source = f"""{NOTE}
import time
def handler(event, context):
    note("here")
    while len(open(os.environ["NOTES"]).readlines()) < {writers}:
        time.sleep(0.01)
    for _ in range({lines}):
        print("a line")
"""
    host = workshop.host(source)

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(lambda _: host.invoke("work", b"{}"), range(writers)))

    assert workshop.log().count("a line") == lines * writers


# --- queue messages ---------------------------------------------------------------------------------------------------


def test_a_message_that_succeeds_is_deleted(workshop: Workshop) -> None:
    queue = workshop.queue()
    workshop.host(WORKER, queue=queue)

    queue.send("one", "two")

    eventually(lambda: queue.count() == 0)
    assert sorted(note.split(" ended")[0] for note in workshop.noted() if "ended" in note) == ["one 1", "two 1"]


def test_of_a_batch_only_the_reported_failures_come_back(workshop: Workshop) -> None:
    source = f"""{NOTE}
def handler(event, context):
    failures = []
    for record in event["Records"]:
        message = record["body"] + " " + record["attributes"]["ApproximateReceiveCount"]
        note(message)
        if message == "bad 1":
            failures.append(dict(itemIdentifier=record["messageId"]))
    return dict(batchItemFailures=failures)
"""
    queue = workshop.queue(visibility_timeout=1)
    queue.send("good", "bad", "fine")
    workshop.host(source, queue=queue, batch_size=10)

    eventually(lambda: queue.count() == 0)

    assert sorted(workshop.noted()) == ["bad 1", "bad 2", "fine 1", "good 1"]


@pytest.mark.parametrize(
    ("report", "failed"),
    [
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": None}, set()),
        ({}, set()),
        (None, set()),
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, {"b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": "of another batch"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"identifier": "a"}]}, {"a", "b"}),
    ],
)
def test_a_report_is_read_as_lambda_documents(report: object, failed: set[str]) -> None:
    assert failed_ids(InvocationResult(json.dumps(report).encode()), ["a", "b"], reports=True) == failed


def test_after_a_crash_the_message_comes_back_and_ends_in_the_dead_letter_queue(workshop: Workshop) -> None:
    queue = workshop.queue(visibility_timeout=1, max_receives=2)
    assert queue.dead_letters is not None
    host = workshop.host(CRASH, queue=queue)

    queue.send("poison")

    assert eventually(queue.dead_letters.receive) == ["poison"]
    assert queue.count() == 0
    assert host.environments() == []


def test_the_message_of_a_killed_environment_comes_back_after_its_visibility_timeout(workshop: Workshop) -> None:
    queue = workshop.queue(visibility_timeout=2)
    host = workshop.host(WORKER, queue=queue, variables={"SLEEP": "1"})
    queue.send("pair")
    [environment] = eventually(lambda: [one for one in host.environments() if one.message_ids])
    eventually(workshop.noted)

    os.kill(environment.pid, signal.SIGKILL)

    eventually(lambda: queue.count() == 0)
    notes = workshop.noted()
    assert notes[:2] == ["pair 1 started", "pair 2 started"]
    assert notes[2].startswith("pair 2 ended")
    assert not notes[2].endswith(f" {environment.pid}")


def test_an_environment_that_dies_idle_costs_no_receive(workshop: Workshop) -> None:
    queue = workshop.queue(visibility_timeout=60)
    host = workshop.host(WORKER, queue=queue)
    host.warm(1)
    [environment] = host.environments()

    os.kill(environment.pid, signal.SIGKILL)
    eventually(lambda: not alive(environment.pid))
    queue.send("pair")

    eventually(lambda: queue.count() == 0)
    assert workshop.noted()[0] == "pair 1 started"
    assert host.lost() == 1


def test_no_more_messages_are_in_flight_than_the_maximum_concurrency(workshop: Workshop) -> None:
    queue = workshop.queue()
    queue.send(*(f"m{number}" for number in range(8)))
    host = workshop.host(WORKER, queue=queue, maximum_concurrency=2, variables={"SLEEP": "0.2"})

    eventually(lambda: queue.count() == 0)

    under_way, most = 0, 0
    for note in workshop.noted():
        under_way += 1 if note.endswith("started") else -1
        most = max(most, under_way)
    assert most == 2
    assert len(host.environments()) == 2


def test_while_paused_no_message_is_taken(workshop: Workshop) -> None:
    queue = workshop.queue()
    host = workshop.host(WORKER, queue=queue)
    host.pause()

    queue.send("pair")
    assert queue.receive() == ["pair"]
    assert workshop.noted() == []
    host.resume()

    eventually(lambda: queue.count() == 0)
    assert workshop.noted()[0] == "pair 2 started"


# --- schedules --------------------------------------------------------------------------------------------------------


def test_a_scheduled_function_is_invoked_again_and_again(workshop: Workshop) -> None:
    source = f"""{NOTE}
def handler(event, context):
    note(event["source"])
"""
    workshop.host(source, every=timedelta(seconds=0.2))

    notes = eventually(lambda: workshop.noted()[1:])

    assert notes[0] == "aws.events"


def test_a_forked_process_that_ends_at_once_has_an_id_and_a_status(tmp_path: Path) -> None:
    program = tmp_path / "ends_at_once.py"
    program.write_text(ENDS_AT_ONCE)
    with closing(ForkServerProcess(Path(sys.executable), program)) as server:
        process = server.start({}, [])

        assert (process.pid, process.ended.result(10)) == (7, 2)


def test_a_forked_process_can_be_killed_while_it_ends(tmp_path: Path) -> None:
    program = tmp_path / "forks.py"
    program.write_text(FORKS_WHAT_ENDS_AT_ONCE)

    def start_and_kill(_: int) -> int:
        process = server.start({}, [])
        process.kill()
        return process.ended.result(10)

    with closing(ForkServerProcess(Path(sys.executable), program)) as server, ThreadPoolExecutor(4) as threads:
        statuses = set(threads.map(start_and_kill, range(400)))

    assert statuses <= {3, -signal.SIGKILL}


def test_when_no_process_can_be_forked_an_invocation_says_so(tmp_path: Path) -> None:
    program = tmp_path / "ends.py"
    program.write_text(ENDS)
    with closing(ForkServerProcess(Path(sys.executable), program)) as server:
        fleet = Fleet(lambda: server.start({}, []))  # type: ignore[arg-type, return-value]  # never gets an environment
        deadline = threading.Timer(10, fleet.close)  # ends an invocation that would wait forever
        deadline.start()

        with pytest.raises(RuntimeError, match="no environment can be started") as raised:
            fleet.invoke(b"{}")

        deadline.cancel()
    assert "has ended" in str(raised.value.__cause__)
