"""The sandbox, kept up until Ctrl-C: `python -m sandbox [--parameter Name=Value]... [--stack-name NAME]`."""

import argparse
import signal
import sys
from pathlib import Path

from sandbox.cloud import Sandbox
from sandbox.intrinsics import TemplateError
from sandbox.parameters import ParameterError

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Runs template.yaml on this machine.")
    parser.add_argument(
        "--parameter",
        metavar="Name=Value",
        action="append",
        default=[],
        type=_name_and_value,
        help="a parameter of template.yaml; may be given several times",
    )
    parser.add_argument("--stack-name", default="facepair")
    arguments = parser.parse_args()
    for ending in (signal.SIGTERM, signal.SIGINT):  # SIGINT too: a shell that starts us with `&` has it ignored
        signal.signal(ending, signal.default_int_handler)
    try:
        with Sandbox(ROOT, dict(arguments.parameter), stack_name=arguments.stack_name) as sandbox:
            print(_announcement(sandbox), flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    except (ParameterError, TemplateError) as error:
        sys.exit(f"template.yaml: {error}")


def _name_and_value(argument: str) -> tuple[str, str]:
    name, equals, value = argument.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{argument!r} is not Name=Value")
    return name, value


def _announcement(sandbox: Sandbox) -> str:
    outputs, parameters = sandbox.outputs, sandbox.stack.parameters
    bucket, table, first, second = (
        outputs["ImagesBucket"],
        outputs["VerdictsTable"],
        parameters["FirstName"],
        parameters["SecondName"],
    )
    return "\n".join(
        [
            *(f"export {name}={value}" for name, value in sandbox.variables.items()),
            "",
            f"Stack {sandbox.stack.name}:",
            *(f"  {name} = {value}" for name, value in outputs.items()),
            "",
            "Left out, or without effect here:",
            *(f"  {thing}: {reason}" for thing, reason in sandbox.stack.left_out.items()),
            "",
            f"ADVANCE: {parameters['AdvanceBaseUrl']}",
            f"Webhooks: {parameters['WebhookUrl']}",
            f"Logs: {sandbox.logs} (webhooks.log: what came to the sandbox's own receiver)",
            "",
            "In another terminal, after the export lines:",
            f"  aws s3 cp first.jpg s3://{bucket}/my-pair/{first}.jpg",
            f"  aws s3 cp second.jpg s3://{bucket}/my-pair/{second}.jpg",
            f'  aws dynamodb get-item --table-name {table} --key \'{{"pair_id": {{"S": "my-pair"}}}}\'',
            "",
            "Ctrl-C ends it.",
        ]
    )


if __name__ == "__main__":
    main()
