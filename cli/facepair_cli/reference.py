"""docs/commands.md: every command's own help, as the code has it: `make reference`."""

from collections.abc import Iterator

import click

from facepair_cli.cli import main

WIDTH = 100
INTRODUCTION = """\
# The commands of `facepair`

What `facepair COMMAND --help` says, of all commands. This page is made from the code, by `make reference`.
"""


def reference() -> str:
    """The whole page, in Markdown."""
    return "\n".join(
        [INTRODUCTION, *_sections(main, click.Context(main, info_name="facepair", **main.context_settings))]
    )


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """A command's help, and those of its commands, by their names."""
    context.terminal_width = context.max_content_width = WIDTH
    yield f"## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _sections(below, click.Context(below, parent=context, info_name=name))


if __name__ == "__main__":
    print(reference(), end="")
