"""Every command explains itself, and the guide names the policy it needs."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from facepair_cli.cli import POLICIES, main

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "permissions.md"


def commands(group: click.Group, path: str = "facepair") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_an_example_of_itself(name: str) -> None:
    help = COMMANDS[name].help or ""

    assert "Example" in help
    assert f"  {name}" in help or f": {name}" in help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_for(name: str) -> None:
    options = [option for option in COMMANDS[name].params if isinstance(option, click.Option)]

    assert [option.name for option in options if not option.help] == []


def test_a_denied_command_names_the_policy_that_the_guide_names() -> None:
    table = re.findall(r"^\| `(\w+Policy)` \| (.+) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    allowed = {policy: set(re.findall(r"`(\w+)`", commands)) for policy, commands in table}

    for command in main.commands:
        if policy := POLICIES.get(command, "ReaderPolicy"):
            assert command in allowed[policy]
