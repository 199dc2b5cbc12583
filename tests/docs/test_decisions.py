"""The architecture decisions have the usual form and are all in their index."""

import re
from pathlib import Path

import pytest

from tests.docs.markdown import Document

ROOT = Path(__file__).parents[2]
DECISIONS = sorted(path.name for path in (ROOT / "docs" / "adr").glob("0*.md"))


def test_the_index_lists_every_decision_once() -> None:
    index = Document(ROOT, "docs/adr/README.md")

    assert sorted(link for link in index.links if link[:4].isdigit()) == DECISIONS


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(name[:4]) for name in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_has_date_context_decision_and_consequences(name: str) -> None:
    decision = Document(ROOT, f"docs/adr/{name}")

    assert decision.headings[1:] == ["Context", "Decision", "Consequences"]
    assert re.search(r"^Date: \d{4}-\d\d-\d\d(, changed .+)?$", decision.text, re.MULTILINE)
