"""`facepair`: the operator's command line. Each command is a module of console/commands/."""

import click

from console.commands.doctor import doctor
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
from console.errors import one_sentence
from console.stack import DEFAULT_NAME, Account

POLICIES: dict[str, str | None] = {
    "submit": "SubmitterPolicy",
    "report": "AuditorPolicy",
    "reconcile": "AuditorPolicy",
    "retry": "OperatorPolicy",
    "resend": "OperatorPolicy",
    "redrive": "OperatorPolicy",
    "erase": "EraserPolicy",
    "review": "ReviewerPolicy",
    "doctor": None,  # for those who deploy
}
"""The stack's managed policy that allows a command; ReaderPolicy allows the others."""


class Facepair(click.Group):
    """A group whose commands end with one sentence, whatever goes wrong."""

    def invoke(self, context: click.Context) -> object:
        with one_sentence(lambda: POLICIES.get(context.invoked_subcommand or "", "ReaderPolicy")):
            return super().invoke(context)


@click.group(cls=Facepair, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--stack", metavar="NAME", envvar="FACEPAIR_STACK", show_envvar=True, default=DEFAULT_NAME, show_default=True,
    help="The stack's name.",
)  # fmt: skip
@click.option("--region", metavar="NAME", help="The AWS region; without it, that of the shell or profile.")
@click.option("--profile", metavar="NAME", help="The AWS profile; without it, that of the shell.")
@click.version_option(package_name="facepair", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context, stack: str, region: str | None, profile: str | None) -> None:
    """Work with a stack of facepair, found by its name.

    Credentials are those of the shell, and AWS_ENDPOINT_URL is honoured.

    \b
    Exit status: 0 done, 1 not done or not as requested, 2 usage error, 130 interrupted.

    \b
    Examples:
      facepair status
      facepair --stack facepair-staging --region eu-central-1 show customers/4711
    """
    context.obj = Account(stack, region, profile)


for command in (
    submit,
    show,
    list_rows,
    status,
    whatif,
    report,
    reconcile,
    review,
    retry,
    resend,
    redrive,
    erase,
    doctor,
):
    main.add_command(command)
