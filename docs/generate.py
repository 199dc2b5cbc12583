"""Write what pages take from the code: `make reference`.

A page says where: what stands between `<!-- generated: NAME -->` and `<!-- end -->` is replaced. A test fails if a page
is not current.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from docs import cost
from facepair.advance.codes import COMPARISON_CODES, Meaning
from facepair.domain import change
from facepair_cli.cli import main as facepair
from sandbox.template import read_template

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)
HELP_WIDTH = 100
MEANINGS = {
    Meaning.JUDGE: "the similarity decides",
    Meaning.RETAKE: "RETAKE",
    Meaning.RETRY: "PENDING: retried",
    Meaning.BLOCKED: "PENDING: the gate is blocked",
    Meaning.RENEW_TOKEN: "a new token is minted; if that is refused too, the gate is blocked",
    Meaning.HOLD: "UNDETERMINED",
}


def pages() -> dict[Path, str]:
    """Return every page that has generated parts, and the events' schema, as they should be."""
    written = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*/*.md"))}
    current = {
        path: PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]().strip()}\n\n", text)
        for path, text in written.items()
        if PART.search(text)
    }
    return current | {REFERENCE / "events.schema.json": json.dumps(change.schema(), indent=2) + "\n"}


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    lines = [[*header], *([_cell(cell) for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("<", "&lt;")


def _template() -> Mapping[str, Any]:
    return read_template(ROOT / "template.yaml")


def _parameters() -> str:
    template = _template()
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    return "\n\n".join(
        f"## {group['Label']['default']}\n\n"
        + table(
            ("parameter", "default", "values", "meaning"),
            (_parameter(name, template["Parameters"][name]) for name in group["Parameters"]),
        )
        for group in groups
    )


def _parameter(name: str, parameter: Mapping[str, Any]) -> tuple[str, ...]:
    default = str(parameter["Default"])
    return f"`{name}`", f"`{default}`" if default else "none", _values(parameter), parameter["Description"]


def _values(parameter: Mapping[str, Any]) -> str:
    if allowed := parameter.get("AllowedValues"):
        return ", ".join(f"`{value}`" for value in allowed)
    least, most = parameter.get("MinValue"), parameter.get("MaxValue")
    if least is not None:
        return f"{least} to {most}" if most is not None else f"at least {least}"
    return ""


def _outputs() -> str:
    template = _template()
    return table(
        ("output", "value"),
        (
            (f"`{name}`", output["Description"] + _condition(template, output.get("Condition")))
            for name, output in template["Outputs"].items()
        ),
    )


def _condition(template: Mapping[str, Any], name: str | None) -> str:
    """Say which parameter an output depends on."""
    if not name:
        return ""
    [parameter] = re.findall(r'"Ref": "(\w+)"', json.dumps(template["Conditions"][name]))
    return f" (with `{parameter}`)"


def _alarms() -> str:
    alarms = {
        name: resource["Properties"]["AlarmDescription"]
        for name, resource in _template()["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    return table(
        ("alarm", "raised when"),
        (
            (f"[`{name}`](../runbook.md#{name.lower()})", description.partition(". ")[0] + ".")
            for name, description in alarms.items()
        ),
    )


def _codes() -> str:
    return table(
        ("code", "documented charge", "verdict"),
        ((f"`{name}`", code.pricing, MEANINGS[code.meaning]) for name, code in COMPARISON_CODES.items()),
    )


def _events() -> str:
    schema = change.schema()["$defs"]
    return "\n\n".join(
        f"## {heading}\n\n" + table(("field", "type", "meaning"), _fields(schema[name]))
        for heading, name in (("Verdict changed", "VerdictChanged"), ("Pair erased", "PairErased"))
    )


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, field in schema["properties"].items():
        optional = "" if name in schema["required"] else "optional "
        kind = field.get("format") or field.get("type") or field.get("$ref", "").rpartition("/")[2]
        yield f"`{name}`", optional + kind, field.get("description", "")


def _commands() -> str:
    return "\n".join(_help(facepair, click.Context(facepair, info_name="facepair", **facepair.context_settings)))


def _help(command: click.Command, context: click.Context) -> Iterator[str]:
    context.terminal_width = context.max_content_width = HELP_WIDTH
    yield f"## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _help(below, click.Context(below, parent=context, info_name=name))


def _cost() -> str:
    lines = cost.lines(_template())
    together = "**together**", "", f"**{sum(line.dollars for line in lines):.2f}**"
    return table(("", "arithmetic", "US$"), [*((*line[:2], f"{line.dollars:.3f}") for line in lines), together])


PARTS: Mapping[str, Callable[[], str]] = {
    "parameters": _parameters,
    "outputs": _outputs,
    "alarms": _alarms,
    "codes": _codes,
    "events": _events,
    "commands": _commands,
    "cost": _cost,
}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
