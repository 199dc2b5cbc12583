"""Every command explains itself, and the guide names the policy it needs."""

import inspect
import re
from pathlib import Path

import click
import pytest

from facepair_cli.cli import COMMANDS, main

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "permissions.md"


CONTEXT = click.Context(main, info_name="facepair")
NAMES = tuple(COMMANDS)


def command(name: str) -> click.Command:
    found = main.get_command(CONTEXT, name)
    assert found
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_list_of_commands_says_what_their_help_says(name: str) -> None:
    assert command(name).name == name
    assert command(name).get_short_help_str(200) == COMMANDS[name].summary


@pytest.mark.parametrize("name", NAMES)
def test_a_command_has_an_example(name: str) -> None:
    help = command(name).help or ""

    assert "Example" in help
    assert f"  facepair {name}" in help or f": facepair {name}" in help


@pytest.mark.parametrize("name", NAMES)
def test_examples_come_last(name: str) -> None:
    *_, last = inspect.cleandoc(command(name).help or "").split("\n\n")

    assert last.lstrip("\b\n").startswith("Example")


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_help_text(name: str) -> None:
    options = [option for option in command(name).params if isinstance(option, click.Option)]

    assert [option.name for option in options if not option.help] == []


def test_a_denied_command_names_the_policy_that_the_guide_names() -> None:
    table = re.findall(r"^\| `(\w+Policy)` \| (.+) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    allowed = {policy: set(re.findall(r"`(\w+)`", commands)) for policy, commands in table}

    for name, listed in COMMANDS.items():
        if listed.policy:
            assert name in allowed[listed.policy]
