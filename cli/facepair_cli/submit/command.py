"""`facepair submit`: check and upload local pairs."""

from pathlib import Path

import click
from rich.console import Console

from facepair.aws.clients import SLOW_UPLINK
from facepair.aws.uploads import ImagesBucket
from facepair_cli.confirmation import confirm, yes_option
from facepair_cli.errors import extra
from facepair_cli.output import counted, note, say
from facepair_cli.output_file import OutputFile, OutputPath
from facepair_cli.stack import Stack, stack_option


@click.command()
@click.argument("source", metavar="FOLDER|PAIRS.csv", type=click.Path(exists=True, path_type=Path))
@click.option("--wait", is_flag=True, help="Show verdicts as they arrive, until every pair has one.")
@click.option(
    "--output", metavar="FILE.csv", type=OutputPath(), help="Wait, and write the verdicts in the order of the input."
)
@click.option("--dry-run", is_flag=True, help="Check and count, but upload nothing.")
@yes_option
@stack_option
def submit(source: Path, wait: bool, output: OutputFile | None, dry_run: bool, yes: bool, stack: Stack) -> None:
    """Check pairs of pictures and upload them.

    FOLDER has <pair id>/first.* and <pair id>/second.*; PAIRS.csv has the columns pair_id, first and second, separated
    by commas, semicolons or tabs.

    The pictures are first checked on this machine, by the code that runs in Lambda: how many cannot be used, and how
    many calls the others need. Unusable pictures are uploaded too: their row says RETAKE, and no call is made. After an
    interruption, the next run resumes; what the bucket has already is not uploaded again. A pair that fails is named,
    and the others continue.

    \b
    Example: facepair submit photos/ --dry-run
             facepair submit pairs.csv --yes --output verdicts.csv
    """
    with extra("submit"):
        from facepair_cli.submit import pairs, plan_text, submitting
        from facepair_cli.submit.pictures import LocalPictures

    if dry_run and (wait or output):
        raise click.UsageError("--dry-run uploads nothing, so --wait and --output have nothing to wait for.")
    found = pairs.read(source, stack.names)
    if output and any(map(output.is_same, [source, *found.files])):
        raise click.UsageError(f"--output: {output.name} is a file to submit; name another.")
    to_stderr = output is not None and output.is_stdout
    show = note if to_stderr else say
    console, progress = Console(stderr=to_stderr), Console(stderr=True)
    drop = ImagesBucket(stack.client("s3", SLOW_UPLINK), stack.outputs["ImagesBucket"], stack.names)
    with LocalPictures(int(stack.parameters["MaxUploadMegabytes"])) as pictures:
        plan = submitting.consider(found, drop, pictures, progress)
        for line in plan_text.lines(found, plan):
            show(line)
        if dry_run:
            show("Nothing was sent.")
        else:
            if plan.new and not yes:
                confirm(f"Upload {counted(len(plan.new), 'pair')}?", otherwise="Nothing was sent.")
            in_bucket = submitting.send(plan, drop, pictures, progress)
            if plan.new:
                show(f"{counted(len(in_bucket) - len(plan.there), 'pair')} sent")
            if wait or output:
                followed = submitting.follow(stack.verdicts, in_bucket.values(), console)
                if output:
                    submitting.write(output, found, plan, followed)
    if plan.left_out:
        raise click.ClickException(plan_text.left_out(plan))
