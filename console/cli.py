"""`facepair`: the operator's command line. Each command is a module of console/commands/.

Exit status: 0 done, 1 not (or not as asked), 2 wrong use.
"""

import click
from botocore.exceptions import BotoCoreError, ClientError

from console.commands.erase import erase
from console.commands.list import list_rows
from console.commands.reconcile import reconcile
from console.commands.redrive import redrive
from console.commands.report import report
from console.commands.resend import resend
from console.commands.retry import retry
from console.commands.review import review
from console.commands.show import show
from console.commands.status import status
from console.commands.submit import submit
from console.commands.whatif import whatif
from console.stack import DEFAULT_NAME
from facepair.domain.retry import Unavailable


class Facepair(click.Group):
    """A group whose errors of AWS are one sentence each."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except (Unavailable, BotoCoreError, ClientError) as error:
            raise click.ClickException(f"AWS did not do it: {error}") from error


@click.group(cls=Facepair, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--stack", metavar="NAME", default=DEFAULT_NAME, show_default=True, help="The stack's name.")
@click.pass_context
def main(context: click.Context, stack: str) -> None:
    """Works with a stack of facepair, found by its name.

    AWS credentials, region and AWS_ENDPOINT_URL are those of the shell.
    """
    context.obj = stack


for command in (submit, show, list_rows, status, whatif, report, reconcile, review, retry, resend, redrive, erase):
    main.add_command(command)
