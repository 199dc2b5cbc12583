"""CPU time of starting commands and CompareFunction, as ratios to what they start with.

`python -m benchmarks.starts`. The time is user and system time of whole processes, which a busy machine disturbs less
than wall-clock time. Bytecode is compiled before, as in a layer that has run.
"""

import compileall
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from facepair.settings import CompareSettings

ROOT = Path(__file__).parents[1]
LAYER, FUNCTION = ROOT / "layers" / "facepair", ROOT / "functions" / "compare_pair"
PROCESSES = 15
LEAVE = "import os; os._exit(0)"
"""Ends a process without tearing it down: an execution environment that starts is not torn down."""
LAMBDA = str(ROOT / ".lambda" / "bin" / "python")
COMMAND_LINE = str(Path(sys.executable).with_name("facepair"))
ACCOUNT = {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
# A value that every number and text of the settings accepts, except for these.
SETTINGS = {name.upper(): "60" for name in CompareSettings.model_fields} | {
    "ADVANCE_BASE_URL": "https://advance.invalid",
    "FIRST_NAME": "first",
    "SECOND_NAME": "second",
    "ON_UNKNOWN_OUTCOME": "hold",
    "PROXY_URL": "",
}


def main() -> None:
    for folder in (LAYER, FUNCTION, ROOT / "cli"):
        compileall.compile_dir(str(folder), quiet=1)

    _compare("facepair --help", [COMMAND_LINE, "--help"], "import click", [sys.executable, "-c", "import click"])
    _compare("facepair show", [COMMAND_LINE, "show", "--help"], "import boto3", [sys.executable, "-c", "import boto3"])
    _compare(
        "CompareFunction's start",
        [LAMBDA, "-c", f"import app; app._handler(); {LEAVE}"],
        'boto3.client("s3")',
        [LAMBDA, "-c", f"import boto3; boto3.client('s3'); {LEAVE}"],
    )


def _compare(name: str, command: list[str], other: str, other_command: list[str]) -> None:
    """Print the median CPU time of two commands, run in turn, and their ratio."""
    runs = [(_cpu_seconds(command), _cpu_seconds(other_command)) for _ in range(PROCESSES)]
    ours, theirs = (median(each) for each in zip(*runs, strict=True))
    print(f"{name}: {ours:.3f} s of CPU, {other}: {theirs:.3f} s, ratio {ours / theirs:.2f} (medians of {PROCESSES})")


def _cpu_seconds(command: list[str]) -> float:
    """Return the user and system time of a process. Raises SystemExit if it fails."""
    environment: Mapping[str, str] = {**SETTINGS, **ACCOUNT, "PYTHONPATH": f"{LAYER}:{FUNCTION}", "PATH": os.defpath}
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(command[0], command, environment, file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed: see above")
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
