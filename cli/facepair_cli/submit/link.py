"""`facepair link`: presigned forms to upload a pair without AWS credentials."""

from datetime import timedelta
from typing import Any

import click

from facepair.aws.clients import LINKING
from facepair.domain import clock
from facepair.domain.pair import MEGABYTE, ROLES
from facepair_cli.output import print_json
from facepair_cli.pair_ids import LONGEST_KEY, PAIR
from facepair_cli.stack import Stack, stack_option

EXTENSION = ".jpg"
"""One extension serves all formats: content decides what a picture is."""
LONGEST_MINUTES = 7 * 24 * 60
"""The longest validity of a SigV4 signature: seven days."""
REPLACED_BY_S3 = "${filename}"
"""S3 replaces it anywhere in a form's key by the file's name."""


@click.command()
@click.argument("pair_id", metavar="PAIR", type=PAIR)
@click.option(
    "--minutes", type=click.IntRange(1, LONGEST_MINUTES), default=60, show_default=True,
    help="How long the links are valid; less if the credentials that sign them expire before.",
)  # fmt: skip
@click.option("--json", is_flag=True, expose_value=False, help="Has no effect: the answer is always JSON.")
@stack_option
def link(pair_id: str, minutes: int, stack: Stack) -> None:
    """Print two presigned POST forms with which a pair is uploaded.

    Anyone with a form can upload that picture without AWS credentials until the form expires. Each has `url`, the
    form's `fields`, and `largest_bytes` of a file. For pages in a browser the stack needs the parameter UploadOrigins.

    \b
    Examples:
      facepair link customers/4711
      facepair link customers/4711 --minutes 10 | jq .first
    """
    keys = {role: f"{pair_id}/{getattr(stack.names, role)}{EXTENSION}" for role in ROLES}
    if REPLACED_BY_S3 in pair_id:
        raise click.UsageError(f"A form cannot name the pair {pair_id}: S3 replaces {REPLACED_BY_S3} in it.")
    if (longest := max(len(key.encode()) for key in keys.values())) > LONGEST_KEY:
        raise click.UsageError(f"The pictures' key would have {longest} bytes, {LONGEST_KEY} are the limit.")
    largest = int(stack.parameters["MaxUploadMegabytes"]) * MEGABYTE
    valid = timedelta(minutes=minutes)
    expires_at = clock.now() + valid
    forms: dict[str, Any] = {role: _form(stack, key, largest, valid) for role, key in keys.items()}
    print_json({"pair_id": pair_id, "expires_at": clock.iso(expires_at)} | forms)


def _form(stack: Stack, key: str, largest: int, valid: timedelta) -> dict[str, Any]:
    signed = stack.client("s3", LINKING).generate_presigned_post(
        stack.outputs["ImagesBucket"],
        key,
        Conditions=[["content-length-range", 1, largest]],
        ExpiresIn=int(valid.total_seconds()),
    )
    return dict(signed) | {"largest_bytes": largest}
