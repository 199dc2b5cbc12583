"""`facepair submit`: pairs of this machine go into the bucket."""

from pathlib import Path

import click
from rich.console import Console

from console.stack import Stack, stack_option


@click.command()
@click.argument("source", metavar="FOLDER|PAIRS.csv", type=click.Path(exists=True, path_type=Path))
@click.option("--wait", is_flag=True, help="Show the verdicts as they come, until every pair has one.")
@click.option(
    "--output",
    metavar="FILE.csv",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the verdicts into a file, in the order of the input; waits for them.",
)
@click.option("--dry-run", is_flag=True, help="Check and count, and send nothing.")
@click.option("--yes", is_flag=True, help="Send without a question.")
@stack_option
def submit(source: Path, wait: bool, output: Path | None, dry_run: bool, yes: bool, stack: Stack) -> None:
    """Upload pairs: FOLDER holds <pair id>/first.* and second.*, PAIRS.csv the columns pair_id, first, second.

    Pictures are checked on this machine first, by the code that runs in Lambda: how many cannot be used and why, how
    many calls the others make. Unfit pictures are uploaded too: the pair's row says RETAKE, and no call is made.
    Interrupted, it goes on where it was when it is run again; what the bucket has already is not sent twice.

    \b
    Example: facepair submit photos/ --dry-run
             facepair submit pairs.csv --yes --output verdicts.csv
    """
    # Pictures are decoded with what the other commands need not load.
    from console.submission import pairs, plan_text, submitting
    from console.submission.pictures import LocalPictures
    from facepair.aws.clients import THROUGH_A_THIN_LINE
    from facepair.aws.uploads import ImagesBucket

    if dry_run and (wait or output):
        raise click.UsageError("--dry-run sends nothing, so that there is nothing to wait for.")
    if output and not output.parent.is_dir():
        raise click.UsageError(f"There is no folder {output.parent} to write {output.name} into.")
    found = pairs.read(source, stack.names)
    console, progress = Console(), Console(stderr=True)
    drop = ImagesBucket(
        stack.session.client("s3", config=THROUGH_A_THIN_LINE), stack.outputs["ImagesBucket"], stack.names
    )
    with LocalPictures(int(stack.parameters["MaxUploadMegabytes"])) as pictures:
        plan = submitting.consider(found, drop, pictures, progress)
        for line in plan_text.lines(found, plan):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if dry_run:
            console.print("Nothing was sent.")
        else:
            if plan.new and not yes:
                _ask()
            standing = submitting.send(plan, drop, pictures, progress)
            if plan.new:
                console.print(f"{plan_text.pairs(len(standing) - len(plan.there))} sent", highlight=False)
            if wait or output:
                followed = submitting.follow(stack.verdicts, standing.values(), console)
                if output:
                    submitting.write(output, found, plan, followed)
    if plan.left_out:
        raise click.ClickException(plan_text.left_out(plan))


def _ask() -> None:
    """Raises click.ClickException unless somebody says yes."""
    try:
        yes = click.confirm("Send them?")
    except click.Abort:  # Ctrl-C, or nobody is there to answer
        yes = False
    if not yes:
        raise click.ClickException("Nothing was sent; --yes sends without a question.")
