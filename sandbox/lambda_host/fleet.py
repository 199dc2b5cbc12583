"""The environments of one function."""

import threading
from collections.abc import Callable

from sandbox.lambda_host.environment import Environment
from sandbox.lambda_host.runtime_api import InvocationResult


class HostClosed(Exception):
    """The sandbox is ending; the invocation did not happen or was cut off."""


class Fleet:
    """Passes each invocation to an idle environment; without one, starts another and takes the first that is free.

    Environments start one at a time: many at once would starve running ones on a small machine. Idle ones are kept.
    """

    def __init__(self, start: Callable[[], Environment]) -> None:
        self._start = start
        self._environments: list[Environment] = []
        self._idle: list[Environment] = []
        self._changed = threading.Condition()
        self._starting = False
        self._failure: Exception | None = None
        self._closed = False
        self.lost = 0  # environments that crashed, were killed or timed out

    def environments(self) -> list[Environment]:
        with self._changed:
            return list(self._environments)

    def warm(self, count: int) -> None:
        """Start environments until `count` are ready. Raises RuntimeError with the function's error if one fails."""
        environments = [self._add() for _ in range(count - len(self.environments()))]
        for environment in environments:
            failed_start = environment.wait_until_started()
            self._put_back(environment)
            if failed_start:
                name = environment.function.name
                raise RuntimeError(f"{name} does not start: {failed_start.payload.decode(errors='replace')}")

    def invoke(self, payload: bytes, message_ids: tuple[str, ...] = ()) -> InvocationResult:
        environment = self._take()
        try:
            return environment.invoke(payload, message_ids)
        finally:
            self._put_back(environment)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for environment in self.environments():
            environment.close()

    def _take(self) -> Environment:
        with self._changed:
            while True:
                if self._closed:
                    raise HostClosed
                if self._failure:
                    raise RuntimeError("no environment can be started") from self._failure
                self._drop_dead()
                if self._idle:
                    return self._idle.pop()
                if not self._starting:
                    self._starting = True
                    threading.Thread(target=self._start_another, daemon=True).start()
                self._changed.wait()

    def _start_another(self) -> None:
        try:
            environment = self._add()
            environment.wait_until_started()
        except Exception as failure:
            with self._changed:
                self._failure = failure
                self._changed.notify_all()
            return
        with self._changed:
            self._starting = False
            self._idle.append(environment)
            self._changed.notify_all()

    def _drop_dead(self) -> None:
        """Drop environments that died while idle.

        One that failed to start stays, to report that to its first invocation.
        """
        for environment in [one for one in self._idle if one.died_idle]:
            self._idle.remove(environment)
            self._environments.remove(environment)
            self.lost += 1
            environment.close()

    def _add(self) -> Environment:
        environment = self._start()
        with self._changed:
            self._environments.append(environment)
            closed = self._closed
        if closed:
            environment.close()
        return environment

    def _put_back(self, environment: Environment) -> None:
        with self._changed:
            usable = environment.usable
            if usable:
                self._idle.append(environment)
            else:
                self._environments.remove(environment)
                self.lost += 1
            self._changed.notify_all()
        if not usable:
            environment.close()
