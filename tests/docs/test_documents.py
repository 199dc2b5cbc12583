"""Documents and code agree: nothing is missing from a document, and nothing in it is left over."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from docs.generate import pages
from facepair.advance.codes import CREDENTIALS_CODES, TOKEN_CODES, Meaning
from facepair.aws.erasable import ErasableCalls
from facepair.aws.ledger import CallsTable
from facepair.domain import verdict
from facepair.domain.erasure import Charged
from facepair.domain.ledger import State
from facepair.domain.metric import Metric
from facepair.domain.outcome import Outcome
from facepair.domain.row import Row
from facepair.domain.verdict import Verdict
from sandbox.template import read_template
from tests.docs.markdown import Document, backticked

ROOT = Path(__file__).parents[2]
NAMES = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DOCUMENTS = {name: Document(ROOT, name) for name in (*NAMES, "tests/README.md")}
RUNBOOK, ATTRIBUTES = DOCUMENTS["docs/runbook.md"], DOCUMENTS["docs/reference/attributes.md"]
TEMPLATE = read_template(ROOT / "template.yaml")
ALARMS = {name for name, resource in TEMPLATE["Resources"].items() if resource["Type"] == "AWS::CloudWatch::Alarm"}

OWN_CODES = {name for name, value in vars(verdict).items() if name == value}
MEANINGS = [
    *((code, row.meaning) for code, row in verdict.CODES.items()),
    *((code, meaning) for code, meaning in TOKEN_CODES.items() if code not in CREDENTIALS_CODES),
]
CODES = OWN_CODES | {code for code, _ in MEANINGS}


def assert_same(where: str, listed: Iterable[str], source: str, real: Iterable[str]) -> None:
    """Fail with one line for each name that is listed but not real, real but not listed, or listed twice."""
    times, real = Counter(listed), set(real)
    assert_none(
        [
            *(f"{where}: {name} is missing, which is in {source}" for name in sorted(real - times.keys())),
            *(f"{where}: {name} is not in {source}" for name in sorted(times.keys() - real)),
            *(f"{where}: {name} is there {count} times" for name, count in times.items() if count > 1),
        ]
    )


def assert_known(where: str, named: Iterable[str], source: str, real: Iterable[str]) -> None:
    """Fail with one line for each name that is not real."""
    assert_none([f"{where}: {name} is not in {source}" for name in sorted(set(named) - set(real))])


def assert_none(problems: list[str]) -> None:
    assert not problems, "\n".join(problems)


# --- Tables -----------------------------------------------------------------------------------------------------------


def test_generated_parts_are_current() -> None:
    old = [path.name for path, text in pages().items() if path.read_text(encoding="utf-8") != text]

    assert old == [], "`make reference` renews them"


def test_row_attributes_are_those_of_the_code() -> None:
    table = ATTRIBUTES.table("attribute", below="VerdictsTable")

    assert_same(table.where, table.names, "Row (domain/row.py)", Row.model_fields)


def test_row_attributes_name_their_parts() -> None:
    table = ATTRIBUTES.table("attribute", below="VerdictsTable")

    assert_none(
        [
            f"{table.where}: the meaning of {name} lacks {part}, which is in domain/row.py"
            for name, parts in parts_of(Row).items()
            for part in parts
            if part not in backticked(table.row_of(name)[1])
        ]
    )


def parts_of(model: type[BaseModel]) -> dict[str, list[str]]:
    """Return, for each field that is a model or may be one, its fields and those of models in it."""
    parts = {}
    for name, field in model.model_fields.items():
        for kind in get_args(field.annotation) or (field.annotation,):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                inner = parts_of(kind)
                parts[name] = [*names_in(kind), *(part for each in inner.values() for part in each)]
    return parts


def names_in(model: type[BaseModel]) -> list[str]:
    """Return the names under which a model's fields are stored."""
    return [field.serialization_alias or name for name, field in model.model_fields.items()]


def test_ledger_attributes_are_those_of_the_code() -> None:
    table = ATTRIBUTES.table("attribute", below="CallsTable")

    assert_same(table.where, table.names, "the rows that aws/ledger.py writes", attributes_of_a_call())


class WrittenTable:
    """A table that records which attributes were written to it."""

    def __init__(self) -> None:
        self.attributes: set[str] = set()

    name = "CallsTable"

    def put_item(self, *, Item: dict[str, Any], **conditions: Any) -> None:
        self.attributes |= Item.keys()

    def update_item(self, *, ExpressionAttributeNames: dict[str, str], **expressions: Any) -> None:
        self.attributes |= set(ExpressionAttributeNames.values())


def attributes_of_a_call() -> set[str]:
    """Return the ledger attributes of a call that got every part of an answer, an approval and an erasure."""
    table: Any = WrittenTable()
    ledger = CallsTable(table)
    answer = Outcome(
        code="SUCCESS", message="OK", similarity=Decimal(80), transaction_id="196eb0c777789e58", pricing_strategy="PAY"
    )
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    call = ledger.open("anna", "f" * 64, 1, noon, noon)
    ledger.approve(call, "arn:aws:iam::1:user/ann")
    ledger.complete(call, State.ANSWERED, answer, latency_ms=700)
    charged = Charged(
        pair_id=call.pair_id,
        call=call.call,
        state=State.ANSWERED,
        alive_until=noon,
        fingerprint=call.fingerprint,
        transaction_id=answer.transaction_id,
        earliest_upload=noon,
        erased_at=None,
        describes_faces=True,
    )
    erasable = ErasableCalls(table)
    erasable.strip(charged, noon)
    erasable.mark("anna", [charged], noon, "arn:aws:iam::1:user/eva")
    return set(table.attributes)


def test_states_of_a_call_are_those_of_the_code() -> None:
    table = ATTRIBUTES.table("attribute", below="CallsTable")

    listed = backticked(table.row_of("state")[1])
    assert_same(f"{table.where}: the meaning of state", listed, "State (domain/ledger.py)", State)


def test_verdicts_are_those_of_the_code() -> None:
    table = DOCUMENTS["docs/guide/reading.md"].table("verdict")

    assert_same(table.where, table.names, "Verdict (domain/verdict.py)", Verdict)


def test_our_own_codes_are_those_of_the_code() -> None:
    table = DOCUMENTS["docs/reference/codes.md"].table("our own code")

    assert_same(table.where, table.names, "domain/verdict.py", OWN_CODES)


def test_policies_are_those_of_the_template() -> None:
    table = DOCUMENTS["docs/guide/permissions.md"].table("policy")

    policies = {name for name, one in TEMPLATE["Resources"].items() if one["Type"] == "AWS::IAM::ManagedPolicy"}
    assert_same(table.where, table.names, "template.yaml", policies)


# --- The runbook ------------------------------------------------------------------------------------------------------


def test_each_alarm_has_a_heading_in_the_runbook() -> None:
    headings = [heading for heading in RUNBOOK.headings if heading.endswith("Alarm")]

    assert_same("docs/runbook.md's headings", headings, "template.yaml", ALARMS)


@pytest.mark.parametrize("alarm", sorted(ALARMS))
def test_an_alarm_says_what_happened_what_to_run_and_where_to_read_on(alarm: str) -> None:
    """The runbook's section begins with the same words, and goes on from there."""
    described = TEMPLATE["Resources"][alarm]["Properties"]["AlarmDescription"]

    meaning, first, *_ = RUNBOOK.section(alarm).split("\n\n")
    command = re.fullmatch(r"First: `(.+)`\n*", first)

    assert command, f"docs/runbook.md, {alarm}: the second paragraph is not First: `command`"
    assert described == f"{' '.join(meaning.split())} First: {command[1]} (docs/runbook.md, {alarm})"


@pytest.mark.parametrize(
    ("alarm", "meanings"),
    [("BlockedAlarm", (Meaning.BLOCKED, Meaning.RENEW_TOKEN)), ("UndeterminedAlarm", (Meaning.HOLD,))],
)
def test_codes_that_need_an_operator_are_listed_under_their_alarm(alarm: str, meanings: tuple[Meaning, ...]) -> None:
    table = RUNBOOK.table("code", below=alarm)

    source = f"domain/verdict.py as {' or '.join(meaning.name for meaning in meanings)}"
    assert_same(table.where, table.names, source, {code for code, meaning in MEANINGS if meaning in meanings})


def test_codes_verdicts_and_states_in_the_runbook_exist() -> None:
    capitals = [name for name in RUNBOOK.backticked if re.fullmatch("[A-Z]+(_[A-Z]+)*", name)]

    assert capitals
    assert_known("docs/runbook.md", capitals, "codes, verdicts or states", [*CODES, *Verdict, *State])


def test_log_messages_in_queries_are_logged() -> None:
    """A message is constant, or begins with a constant."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "layers").rglob("*.py"))

    looked_for = re.findall(r'(?<!@)message (?:= "|like /\^?)([^"/]+)["/]', RUNBOOK.text)

    assert looked_for
    assert_known("docs/runbook.md", looked_for, "the layer", [message for message in looked_for if message in code])


def test_metrics_are_those_of_the_code() -> None:
    table = DOCUMENTS["docs/reference/alarms-and-metrics.md"].table("metric")

    assert_same(table.where, table.names, "Metric (domain/metric.py)", Metric)


def test_alarms_use_metrics_that_exist() -> None:
    own = {
        metric["MetricName"]
        for alarm in ALARMS
        for metric in metrics_in(TEMPLATE["Resources"][alarm]["Properties"])
        if metric["Namespace"] == "facepair"
    }

    assert own
    assert_known("template.yaml's alarms", own, "Metric (domain/metric.py)", Metric)


def metrics_in(value: Any) -> list[dict[str, Any]]:
    """Return every metric named in an alarm's properties, at any depth."""
    if isinstance(value, list):
        return [metric for each in value for metric in metrics_in(each)]
    if isinstance(value, dict):
        return [value] * ("MetricName" in value) + metrics_in(list(value.values()))
    return []


def test_readme_is_a_front_page_that_leads_to_every_page() -> None:
    readme = DOCUMENTS["README.md"]
    pages = {name for name in DOCUMENTS if name.startswith(("docs/guide/", "docs/reference/")) or name.count("/") == 1}

    assert len(readme.text.splitlines()) <= 150
    assert_known("README.md", pages, "its links", {*readme.links, "docs/rehearsal.md"})


# --- Names in every document ------------------------------------------------------------------------------------------

documents = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)

PATH = re.compile(r"[\w.<>-]+(/[\w.<>-]+)*(/|\.(py|md|toml|yaml))|[\w.-]+(/[\w.-]+)+\.(txt|csv|json)")
"""A path of the repository: it ends with a slash, or with a source file's ending. `<…>` stands for any name."""
FOLDERS = (
    ROOT,
    ROOT / "layers" / "facepair",
    ROOT / "layers" / "facepair" / "facepair",
    ROOT / "cli" / "facepair_cli",
    *(folder for folder in (ROOT / "tests").iterdir() if folder.is_dir()),
)
"""Folders to which a path may be relative."""


@documents
def test_links_have_a_target(document: Document) -> None:
    for link in document.links:
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = document.folder / path if path else ROOT / document.name
        assert target.exists(), f"{document.name}: the link to {link} leads nowhere"
        if anchor:
            anchors = Document(ROOT, str(target.resolve().relative_to(ROOT))).anchors
            assert anchor in anchors, f"{document.name}: the link to {link} leads to no heading"


@documents
def test_paths_in_documents_exist(document: Document) -> None:
    assert_exist(document.name, document.backticked, document.folder)


def test_paths_in_the_template_exist() -> None:
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")

    words = [word.strip("(),.;:") for word in text.split()]
    assert any(PATH.fullmatch(word) for word in words)
    assert_exist("template.yaml", words)


RELEASED = {"dist/", "dist/packaged.yaml", "packaged.yaml", "NOTES.md"}
"""What `make release` writes."""


def assert_exist(where: str, names: Iterable[str], *folders: Path) -> None:
    paths = {name for name in names if PATH.fullmatch(name)} - RELEASED
    roots = (*folders, *FOLDERS)
    found = {path for path in paths if any(any(root.glob(re.sub("<[^>]+>", "*", path))) for root in roots)}
    assert_known(where, paths, "the repository", found)


@documents
def test_outputs_in_commands_exist(document: Document) -> None:
    read = re.findall(r"\$\(output (\w+)\)", document.text)

    assert_known(f"{document.name}: output", read, "template.yaml's Outputs", TEMPLATE["Outputs"])


def test_test_folders_are_those_of_the_tests_readme() -> None:
    table = DOCUMENTS["tests/README.md"].table("folder")

    folders = {f"{path.parent.name}/" for path in (ROOT / "tests").glob("*/*.py")}
    assert_same(table.where, table.names, "tests/", folders)


# --- Commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def commands() -> list[str]:
    """Return what `make help` lists."""
    # Without the directory lines that a nested make prints.
    command = ["make", "--no-print-directory", "help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [line.split()[1] for line in shown.splitlines()]


def commands_in(document: Document) -> set[str]:
    return set(re.findall(r"(?:^|`)make ([a-z]+)", document.text, re.MULTILINE))


@documents
def test_make_targets_in_documents_exist(document: Document, commands: list[str]) -> None:
    assert_known(f"{document.name}: make", commands_in(document), "the Makefile", commands)


def test_every_make_target_is_documented(commands: list[str]) -> None:
    named = {command for document in DOCUMENTS.values() for command in commands_in(document)}

    assert_known("make", commands, "the documents", named)


def test_make_help_lists_every_target(commands: list[str]) -> None:
    [phony] = re.findall(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert_same("make help", commands, "the Makefile's .PHONY", phony.split())
