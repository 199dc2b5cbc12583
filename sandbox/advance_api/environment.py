"""The environment for recognising faces, .tools/faces, installed on first use."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".tools" / "faces"
TARGET = ".tools/faces/installed"  # in the Makefile


class NotInstalled(Exception):
    """The environment could not be installed. The message includes the remedy; make's output is on stderr."""


def install() -> None:
    """Install or update the packages for recognising faces. Raises NotInstalled."""
    HOME.parent.mkdir(exist_ok=True)
    with HOME.with_name("faces.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two emulators may start at once
        if not (ROOT / TARGET).exists():
            print("Installing what recognises faces, once: 130 MB to load …", file=sys.stderr, flush=True)
        try:
            subprocess.run(["make", "--silent", "-C", ROOT, TARGET], stdout=sys.stderr, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotInstalled(
                f"cannot recognise faces: `make {TARGET}` in {ROOT} failed ({error}). It needs a network at the first "
                "use, and a platform for which PyPI has a wheel of dlib-bin. Without --faces, nothing of it is needed."
            ) from error


def enter(module: str, arguments: list[str]) -> None:
    """Continue as `python -m module` in the environment, unless already there. Raises NotInstalled."""
    if Path(sys.prefix).resolve() != HOME.resolve():
        install()
        _become(HOME / "bin" / "python", module, arguments)


def _become(python: Path, module: str, arguments: list[str]) -> NoReturn:
    os.execv(python, [str(python), "-m", module, *arguments])
