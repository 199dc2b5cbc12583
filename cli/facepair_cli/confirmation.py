"""Confirm before a command spends money, deletes or resends."""

import os
import select
import signal
import sys
from collections.abc import Callable
from typing import Any

import click

from facepair_cli.errors import Interrupted, NotConfirmed
from facepair_cli.escaping import escaped

yes_option: Callable[..., Any] = click.option("--yes", is_flag=True, help="Skip the confirmation.")


def confirm(question: str, *, otherwise: str) -> None:
    """Ask at the terminal and return if the answer is yes.

    Raises NotConfirmed without a terminal, Interrupted on Ctrl-C and ClickException for any other answer. `otherwise`
    says what was not done.
    """
    if answer(f"{question} [y/N]: ", otherwise=otherwise).casefold() not in ("y", "yes"):
        raise click.ClickException(otherwise)


def require_terminal(*, otherwise: str) -> None:
    """Raise NotConfirmed if there is no terminal."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise NotConfirmed(f"{otherwise} There is no terminal to confirm at: pass --yes.")


def answer(question: str, *, otherwise: str) -> str:
    """Return the line typed at the terminal, empty at end of input. Raises like `confirm`."""
    require_terminal(otherwise=otherwise)
    try:
        click.echo(escaped(question), nl=False, err=True)
        _wait_for_a_line()
        typed = sys.stdin.readline()
    except KeyboardInterrupt:
        raise Interrupted(otherwise) from None
    if not typed.endswith("\n"):
        click.echo(err=True)
    return typed.strip()


def _wait_for_a_line() -> None:
    """Wait until a line can be read. A blocking read would miss a Ctrl-C that came just before it."""
    if sys.platform == "win32":  # select accepts only sockets there
        return
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    before = signal.set_wakeup_fd(waker)
    try:
        select.select([sys.stdin, woken], [], [])
    finally:
        signal.set_wakeup_fd(before)
        os.close(woken)
        os.close(waker)
