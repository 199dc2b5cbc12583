"""Every bash block of README and the guide, pasted page by page into a shell with the sandbox."""

import csv
import os
import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import PAGES, ROOT, Block, blocks
from tests.support import commands
from tests.support.deployed import ANNA, BEN, Deployed, picture

BIN = ROOT / ".venv" / "bin"
CONFIRMED = '"submit "*|"retry "*|"redrive "*|"resend "*|"erase "*|"doctor "*'
DEPLOYING = ROOT / "docs" / "guide" / "deploying.md"


def run_by_test(page: Path) -> list[Block]:
    return [block for block in blocks(page) if not block.elsewhere]


def prelude(aws: str, facepair: str) -> str:
    """Return what a reader's shell has: both commands as given, with answers to questions, and the guide's `output`.

    Version 1 of `aws` ignores AWS_ENDPOINT_URL for `aws sqs`, as README says.
    """
    [output] = [block.text for block in blocks(DEPLOYING) if block.text.startswith("output()")]
    return "\n".join(
        [
            "set -euo pipefail",
            f'aws() {{ {aws} --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }}',
            "facepair() {",
            '  case "$1 $*" in',
            f'    *--dry-run*) {facepair} "$@" ;;',
            f'    "status "*) {facepair} "$@" || [ $? = 1 ] ;; # other tests leave pairs that need an action',
            f'    {CONFIRMED}) {facepair} "$@" --yes ;;',
            f'    *) {facepair} "$@" ;;',
            "  esac",
            "}",
            output,
        ]
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The reader's pictures: `first.jpg` and `second.jpg`, a folder of pairs, and a CSV that names them."""
    pairs = {"guide/1": (ANNA, ANNA), "guide/2": (ANNA, BEN)}
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["pair_id", "first", "second"])
        for pair_id, people in pairs.items():
            names = [f"photos/{pair_id}/{role}.jpg" for role in ("first", "second")]
            for name, person in zip(names, people, strict=True):
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_bytes(picture(person, name))
            rows.writerow([pair_id, *names])
    for role in ("first", "second"):
        (tmp_path / f"{role}.jpg").write_bytes(picture(ANNA, f"guide, {role}"))
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if run_by_test(page)], ids=lambda page: page.name)
def test_the_commands_of_a_page_can_be_pasted(page: Path, folder: Path, deployed: Deployed) -> None:
    if "customers/4711" in page.read_text(encoding="utf-8"):
        deployed.upload_pair("customers/4711", ANNA, BEN)
        deployed.settled("customers/4711")
    text = "\n".join(f"echo '--- {block.page}:{block.line}' >&2\n{block.text}" for block in run_by_test(page))
    (aws, files), (facepair, more) = commands.in_a_shell(commands.AWS), commands.in_a_shell(commands.FACEPAIR)

    ran = subprocess.run(
        ["bash", "-c", f"{prelude(aws, facepair)}\n{text}"],
        cwd=folder,
        pass_fds=[*files, *more],
        env=os.environ | deployed.sandbox.variables | {"PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
