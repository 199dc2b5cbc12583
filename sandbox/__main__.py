"""Run the sandbox until Ctrl-C: `python -m sandbox [--parameter Name=Value]... [--stack-name NAME]`."""

import argparse
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facepair_cli.account import DEFAULT_NAME
from sandbox.advance_api.environment import NotInstalled
from sandbox.cloud import BASE_URL, Sandbox
from sandbox.intrinsics import TemplateError
from sandbox.left_out import left_out
from sandbox.parameters import ParameterError

ROOT = Path(__file__).parents[1]
RECOGNISES_FACES = """\
  It recognises faces as a stand-in for development, not by ADVANCE's algorithm: never decide about people with it.
  docs/faces.md says how often it was right. Nothing leaves this machine, and no picture outlives the sandbox."""


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
    parser.add_argument("--faces", action="store_true", help="use an emulator of ADVANCE that recognises faces")
    parser.add_argument("--verbose", action="store_true", help="list what the sandbox leaves out of the template")
    arguments = parser.parse_args()
    parameters = dict(arguments.parameter)
    if arguments.faces and BASE_URL in parameters:
        parser.error(
            f"--faces needs the emulator, which {BASE_URL}={parameters[BASE_URL]} replaces: give only one of them"
        )
    for ending in (signal.SIGTERM, signal.SIGINT):  # SIGINT, too: shells ignore it for background jobs
        signal.signal(ending, signal.default_int_handler)
    try:
        with (
            Sandbox(
                ROOT, parameters, stack_name=arguments.stack_name, faces=arguments.faces, report=_to_stderr
            ) as sandbox,
            _env_file(sandbox) as env_file,
        ):
            print(_announcement(sandbox, env_file, faces=arguments.faces, verbose=arguments.verbose), flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    except (ParameterError, TemplateError) as error:
        sys.exit(f"template.yaml: {error}")
    except NotInstalled as error:
        sys.exit(str(error))


def _name_and_value(argument: str) -> tuple[str, str]:
    name, equals, value = argument.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{argument!r} is not Name=Value")
    return name, value


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def _env_file(sandbox: Sandbox) -> Iterator[Path]:
    """Write the sandbox's variables, including some not printed, to `.sandbox/env` while it runs."""
    variables = dict(sandbox.variables)
    variables |= {"FACEPAIR_STACK": sandbox.stack.name, "ADVANCE_URL": sandbox.stack.parameters[BASE_URL]}
    if secret := sandbox.outputs.get("WebhookSecret"):
        value = sandbox.aws("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
        variables["SECRET"] = f"whsec_{value}"
    path = ROOT / ".sandbox" / "env"
    lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    path.parent.mkdir(exist_ok=True)
    path.write_text(lines)
    try:
        yield path
    finally:
        if path.exists() and path.read_text() == lines:  # otherwise another sandbox wrote it
            path.unlink()


def _announcement(sandbox: Sandbox, env_file: Path, *, faces: bool, verbose: bool) -> str:
    outputs, parameters = sandbox.outputs, sandbox.stack.parameters
    bucket, first, second = outputs["ImagesBucket"], parameters["FirstName"], parameters["SecondName"]
    named = "" if sandbox.stack.name == DEFAULT_NAME else f" --stack {sandbox.stack.name}"
    return "\n".join(
        [
            *(f"export {name}={value}" for name, value in sandbox.variables.items()),
            "",
            f"Stack {sandbox.stack.name}:",
            *(f"  {name} = {value}" for name, value in outputs.items()),
            "",
            *left_out(sandbox.stack, verbose=verbose),
            "",
            f"ADVANCE: {parameters[BASE_URL]}",
            *([RECOGNISES_FACES] if faces else []),
            f"Webhooks: {parameters['WebhookUrl']}",
            f"Logs: {sandbox.logs} (webhooks.log: what the sandbox's receiver got)",
            "",
            f"In another terminal, after the export lines or `source {env_file}` (which has more):",
            f"  aws s3 cp first.jpg s3://{bucket}/my-pair/{first}.jpg",
            f"  aws s3 cp second.jpg s3://{bucket}/my-pair/{second}.jpg",
            f"  .venv/bin/facepair{named} show my-pair",
            "",
            "Upload a pair for manual review, and decide it:",
            f"  .venv/bin/python -m sandbox.look_alike{' --faces' if faces else ''}{named}",
            f"  .venv/bin/facepair{named} review",
            "",
            "Ctrl-C ends it.",
        ]
    )


if __name__ == "__main__":
    main()
