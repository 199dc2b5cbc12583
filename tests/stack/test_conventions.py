"""Repository conventions: hooks run what `make lint` runs, workflows are valid, and actions are pinned by commit."""

import re
import subprocess
import sys
from pathlib import Path

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]


def test_the_hooks_run_what_make_lint_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [targets] = re.findall("^lint: (.*) ##", makefile, re.MULTILINE)
    recipes = [re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE) for target in targets.split()]
    linted = {
        line.strip().replace("$(SAM)", "sam").replace("$(PYTHON)", ".venv/bin/python")
        for recipe in recipes
        if recipe
        for line in recipe[1].splitlines()
    }
    configured = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))

    hooks = {hook["entry"].split("SAM_CLI_TELEMETRY=0 ")[-1] for repo in configured["repos"] for hook in repo["hooks"]}

    assert hooks == linted


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_workflows_follow_the_schema_of_github() -> None:
    command: list[str | Path] = [
        Path(sys.executable).with_name("check-jsonschema"),
        "--builtin-schema",
        "vendor.github-workflows",
        *WORKFLOWS,
    ]

    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


def test_actions_are_pinned_by_commit() -> None:
    used = [line for each in WORKFLOWS for line in each.read_text(encoding="utf-8").splitlines() if "uses:" in line]

    assert used
    assert [line for line in used if not re.search(r"@[0-9a-f]{40} # v\d", line)] == []
