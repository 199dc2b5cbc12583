"""The reference of the commands says what the commands say of themselves."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from facepair_cli.cli import POLICIES, main
from facepair_cli.reference import reference

ROOT = Path(__file__).parents[2]


def commands(group: click.Group, path: str = "facepair") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


COMMANDS = dict(commands(main))


def test_the_reference_is_what_the_commands_say() -> None:
    written = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")

    assert written == reference(), "docs/commands.md is old: make reference"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_an_example_of_itself(name: str) -> None:
    help = COMMANDS[name].help or ""

    assert "Example" in help
    assert f"  {name}" in help or f": {name}" in help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_for(name: str) -> None:
    options = [option for option in COMMANDS[name].params if isinstance(option, click.Option)]

    assert [option.name for option in options if not option.help] == []


def test_a_denied_command_names_the_policy_that_readme_says_it_needs() -> None:
    table = re.findall(r"^\| `(\w+Policy)` \| (.+) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    allowed = {policy: set(re.findall(r"`(\w+)`", commands)) for policy, commands in table}

    for command in main.commands:
        if policy := POLICIES.get(command, "ReaderPolicy"):
            assert command in allowed[policy]
