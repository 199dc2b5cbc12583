"""A pytest plugin, `-p tests.support.seconds`: prints the wall-clock and CPU time of each folder.

CPU time includes a test process's descendants (Linux only: it reads /proc). It is read when a process moves to another
folder, so a lingering sandbox counts for the folder that started it until then.
"""

import os
import time
from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

type Seconds = dict[str, list[float]]
"""Folder -> number of tests, wall-clock seconds, CPU seconds."""

TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """Sums of one test process."""

    def __init__(self) -> None:
        self.seconds: Seconds = defaultdict(lambda: [0, 0.0, 0.0])
        self._folder = "starting"
        self._cpu = 0.0
        self.read()

    def read(self, folder: str = "") -> None:
        """Assign the time used since the last reading to the folder."""
        used = cpu_seconds(os.getpid())
        self.seconds[self._folder][2] += used - self._cpu
        self._folder, self._cpu = folder or self._folder, used

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        folder, began = item.path.parent.name, time.monotonic()
        if folder != self._folder:
            self.read(folder)
        result = yield
        self.seconds[folder][0] += 1
        self.seconds[folder][1] += time.monotonic() - began
        return result


class Table:
    """Adds up the test processes' measurements and prints them."""

    def __init__(self, config: pytest.Config) -> None:
        self._own = None if config.getoption("numprocesses", None) else Meter()
        self._seconds: Seconds = defaultdict(lambda: [0, 0.0, 0.0])
        if self._own:
            config.pluginmanager.register(self._own)

    def pytest_testnodedown(self, node: Any) -> None:
        self._add(getattr(node, "workeroutput", {}).get("seconds", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._own:
            self._own.read()
            self._add(self._own.seconds)
        terminalreporter.section("seconds by folder")
        terminalreporter.write_line(f"{'folder':<12}{'tests':>7}{'wall':>9}{'CPU':>9}")
        for folder, (tests, wall, cpu) in sorted(self._seconds.items(), key=lambda each: -each[1][2]):
            terminalreporter.write_line(f"{folder:<12}{tests:7.0f}{wall:9.1f}{cpu:9.1f}")
        total = [sum(each) for each in zip(*self._seconds.values(), strict=True)]
        terminalreporter.write_line(f"{'':<12}{total[0]:7.0f}{total[1]:9.1f}{total[2]:9.1f}")

    def _add(self, seconds: Seconds) -> None:
        for folder, values in seconds.items():
            self._seconds[folder] = [mine + more for mine, more in zip(self._seconds[folder], values, strict=True)]


class InWorker:
    """Passes a test process's sums to the one that prints."""

    def __init__(self, config: pytest.Config) -> None:
        self._meter = Meter()
        config.pluginmanager.register(self._meter)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._meter.read()
        session.config.workeroutput["seconds"] = dict(self._meter.seconds)  # type: ignore[attr-defined]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(InWorker(config) if hasattr(config, "workerinput") else Table(config))


def cpu_seconds(root: int) -> float:
    """Return the user and system time of a process and its descendants, including those that have ended."""
    used: dict[int, float] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue  # it has ended
        pid = int(stat.parent.name)
        children[int(fields[1])].append(pid)
        used[pid] = sum(map(int, fields[11:15])) / TICKS
    total, family = 0.0, [root]
    while family:
        member = family.pop()
        total += used.get(member, 0.0)
        family += children[member]
    return total
