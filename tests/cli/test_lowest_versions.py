"""The command line with the lowest versions of its dependencies, installed by `make lowest` as users install it."""

import os
import subprocess
from pathlib import Path

from sandbox.cloud import Sandbox
from tests.support import ROOT
from tests.support.deployed import ANNA, picture

LOWEST = ROOT / ".tools" / "lowest" / "bin" / "facepair"


def run(*arguments: str, sandbox: Sandbox) -> subprocess.CompletedProcess[str]:
    environment = os.environ | sandbox.variables
    return subprocess.run(
        [str(LOWEST), *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_lowest_versions_show_the_help(sandbox: Sandbox) -> None:
    shown = run("--help", sandbox=sandbox)

    assert shown.returncode == 0, shown.stderr
    assert "submit" in shown.stdout


def test_the_lowest_versions_check_pictures_without_sending_them(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    for role in ("first", "second"):
        (tmp_path / "anna" / f"{role}.jpg").write_bytes(picture(ANNA, f"lowest versions, {role}"))

    planned = run("submit", str(tmp_path), "--dry-run", sandbox=sandbox)

    assert planned.returncode == 0, planned.stderr
    assert "1 pair" in planned.stdout, planned.stdout
