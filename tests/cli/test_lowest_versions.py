"""The command line with the lowest versions of its dependencies, installed by `make lowest`."""

import os
import subprocess
from pathlib import Path

import pytest

from sandbox.cloud import Sandbox
from tests.support import ROOT
from tests.support.deployed import ANNA, picture

LOWEST = ROOT / ".tools" / "lowest" / "bin" / "facepair"
WITHOUT_EXTRAS = ROOT / ".tools" / "core" / "bin" / "facepair"


def run(*arguments: str, sandbox: Sandbox, facepair: Path = LOWEST) -> subprocess.CompletedProcess[str]:
    environment = os.environ | sandbox.variables
    return subprocess.run(
        [str(facepair), *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
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


@pytest.mark.parametrize("arguments", [["list"], ["status", "--json"]], ids=" ".join)
def test_without_extras_the_other_commands_work(sandbox: Sandbox, arguments: list[str]) -> None:
    shown = run(*arguments, sandbox=sandbox, facepair=WITHOUT_EXTRAS)

    assert (shown.returncode, "not installed" in shown.stderr) in ((0, False), (1, False)), shown.stderr
    assert shown.stdout


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("submit", ["submit", ".", "--dry-run"]),
        ("submit", ["doctor", "--pair", "LICENSE", "LICENSE"]),
        ("report", ["report", "--month", "2026-01", "--output", "/dev/null"]),
        ("report", ["whatif", "--pass-above", "80", "--reject-below", "60"]),
        ("review", ["review"]),
    ],
    ids=["submit", "doctor --pair", "report", "whatif", "review"],
)
def test_without_its_extra_a_command_says_what_to_install(sandbox: Sandbox, extra: str, arguments: list[str]) -> None:
    refused = run(*arguments, sandbox=sandbox, facepair=WITHOUT_EXTRAS)

    assert refused.returncode == 1, refused.stdout
    assert "is not installed. Install facepair with its extra" in refused.stderr, refused.stderr
    assert f"'.[{extra}]'" in refused.stderr
    assert "Traceback" not in refused.stderr
