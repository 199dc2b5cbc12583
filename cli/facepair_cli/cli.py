"""`facepair`: the operator's command line. Each command is a module of cli/facepair_cli/."""

import click

from facepair import __version__
from facepair_cli.doctor.command import doctor
from facepair_cli.erase.command import erase
from facepair_cli.errors import one_sentence
from facepair_cli.figures.report import report
from facepair_cli.figures.whatif import whatif
from facepair_cli.operate.redrive import redrive
from facepair_cli.operate.resend import resend
from facepair_cli.operate.retry import retry
from facepair_cli.reading.list import list_rows
from facepair_cli.reading.show import show
from facepair_cli.reading.status import status
from facepair_cli.reconcile.command import reconcile
from facepair_cli.review.command import review
from facepair_cli.stack import DEFAULT_NAME, Account
from facepair_cli.submit.command import submit
from facepair_cli.submit.link import link

POLICIES: dict[str, str | None] = {
    "submit": "SubmitterPolicy",
    "link": "SubmitterPolicy",
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
@click.version_option(__version__, prog_name="facepair", message="%(prog)s %(version)s")
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
    link,
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
