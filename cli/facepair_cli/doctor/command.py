"""`facepair doctor`: check a deployment."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

from facepair_cli.confirmation import confirm, yes_option
from facepair_cli.doctor import checks
from facepair_cli.doctor.checks import Result
from facepair_cli.errors import extra
from facepair_cli.output import json_option, print_json, say
from facepair_cli.stack import Stack, stack_option

MARKS = {"ok": "ok     ", "failed": "FAILED ", "skipped": "skipped"}
PICTURE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--pair", metavar="FIRST SECOND", nargs=2, type=PICTURE, help="Compare these two pictures; ADVANCE charges for it."
)
@yes_option
@json_option
@stack_option
def doctor(pair: tuple[Path, Path] | None, yes: bool, as_json: bool, stack: Stack) -> None:
    """Check a deployment, one line per check.

    Run it after each deployment, and add what it prints to a bug report: it names no secret, address or person. It
    needs the rights of an administrator or of the role that deploys the stack. Nothing is changed: obtaining a token is
    free. Exit status 1 if a check fails.

    With --pair it also makes one real comparison from end to end, which ADVANCE charges for: it asks for confirmation
    first, and makes no call if another check fails. Pictures, row and ledger stay, under a pair id that begins with
    doctor/.

    \b
    Examples:
      facepair doctor
      facepair --stack facepair-staging doctor --pair first.jpg second.jpg
    """
    parameters = stack.parameters  # fail early if there is no such stack
    if pair:
        _agree_to(pair, int(parameters["MaxUploadMegabytes"]), yes)
    if not as_json:
        say(f"facepair {version('facepair')}, stack {stack.name}, region {stack.session.region_name}")
    found = []
    for result in _results(stack, pair):
        found.append(result)
        if not as_json:
            say(f"{MARKS[result.status]}  {result.check}: {result.detail}")
    if as_json:
        about = {"facepair": version("facepair"), "stack": stack.name, "region": stack.session.region_name}
        print_json(about | {"checks": [vars(each) for each in found]})
    if any(each.status == "failed" for each in found):
        raise SystemExit(1)


def _agree_to(pair: tuple[Path, Path], max_upload_megabytes: int, yes: bool) -> None:
    """Ask for confirmation once both pictures are known to be usable."""
    with extra("submit"):
        from facepair_cli.doctor.pair import check_pictures

    check_pictures(pair, max_upload_megabytes)
    if not yes:
        question = "Compare the two pictures if the checks pass? ADVANCE charges for the call."
        confirm(question, otherwise="Nothing was checked or compared.")


def _results(stack: Stack, pair: tuple[Path, Path] | None) -> Iterator[Result]:
    failed = False
    for result in checks.results(stack):
        failed = failed or result.status == "failed"
        yield result
    if not pair:
        return
    if failed:
        yield Result("comparison", "skipped", "a check failed, so no call was made")
        return
    from facepair_cli.doctor.pair import compare

    yield checks.run("comparison", lambda: compare(stack, pair))
