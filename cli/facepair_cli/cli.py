"""`facepair`: the operator's command line. A command's module is imported only when that command runs."""

from importlib import import_module
from typing import NamedTuple

import click

from facepair import __version__
from facepair_cli import interrupts
from facepair_cli.account import DEFAULT_NAME, Account


class Listed(NamedTuple):
    """A command as `facepair --help` lists it."""

    where: str  # module:function
    summary: str
    policy: str | None = "ReaderPolicy"  # the stack's managed policy that allows it; None: for those who deploy


COMMANDS = {
    "submit": Listed(
        "facepair_cli.submit.command:submit", "Check pairs of pictures and upload them.", "SubmitterPolicy"
    ),
    "link": Listed(
        "facepair_cli.submit.link:link",
        "Print two presigned POST forms with which a pair is uploaded.",
        "SubmitterPolicy",
    ),
    "show": Listed("facepair_cli.reading.show:show", "Show a pair's history: uploads, calls, verdict, next step."),
    "list": Listed("facepair_cli.reading.list:list_rows", "List rows, newest first, as a table, CSV or JSON."),
    "status": Listed(
        "facepair_cli.reading.status:status", "Show the state of the stack and whether it needs an action."
    ),
    "whatif": Listed("facepair_cli.figures.whatif:whatif", "Show which verdicts other thresholds would have given."),
    "report": Listed("facepair_cli.figures.report:report", "Write a page with plots about a month.", "AuditorPolicy"),
    "reconcile": Listed(
        "facepair_cli.reconcile.command:reconcile", "Compare the ledger with ADVANCE's invoice.", "AuditorPolicy"
    ),
    "review": Listed(
        "facepair_cli.review.command:review", "Open the page that decides MANUAL_CHECK pairs.", "ReviewerPolicy"
    ),
    "retry": Listed(
        "facepair_cli.operate.retry:retry", "Approve one more call for pairs with an unknown outcome.", "OperatorPolicy"
    ),
    "resend": Listed(
        "facepair_cli.operate.resend:resend", "Publish the change events of rows again.", "OperatorPolicy"
    ),
    "redrive": Listed(
        "facepair_cli.operate.redrive:redrive", "Move dead letters back to their queue.", "OperatorPolicy"
    ),
    "erase": Listed(
        "facepair_cli.erase.command:erase", "Delete a pair and everything stored about it.", "EraserPolicy"
    ),
    "doctor": Listed("facepair_cli.doctor.command:doctor", "Check a deployment, one line per check.", None),
}


class Facepair(click.Group):
    """A group that imports commands when they run and reports errors in one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, function = COMMANDS[cmd_name].where.partition(":")
        command: click.Command = getattr(import_module(module), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.summary) for name, listed in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            from facepair_cli.errors import one_sentence

            with one_sentence(lambda: COMMANDS[ctx.invoked_subcommand].policy if ctx.invoked_subcommand else None):
                return super().invoke(ctx)
        except KeyboardInterrupt:  # before or after the block, where click would exit with status 1
            raise click.exceptions.Exit(interrupts.STATUS) from None


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
