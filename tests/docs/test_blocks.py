"""Commands in README and the guide can be pasted: tests/e2e/test_guide.py runs them."""

import re

import pytest

from tests.docs.blocks import PAGES, ROOT, Block, blocks

BLOCKS = [block for page in PAGES for block in blocks(page)]
FENCES = re.compile(r"^```(\w+)", re.MULTILINE)
LANGUAGES = {"hcl", "javascript", "toml", "bash", "html", "json", "python"}
"""`bash` is run by tests/e2e/test_guide.py, `python` by tests/integration/test_pastes_about_events.py."""


def name(block: Block) -> str:
    return f"{block.page}:{block.line}"


def test_every_block_has_a_known_language() -> None:
    for page in PAGES:
        written = page.read_text(encoding="utf-8")
        assert set(FENCES.findall(written)) <= LANGUAGES, page.name
        assert FENCES.findall(written).count("bash") == len([*blocks(page)]), page.name


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.elsewhere], ids=name)
def test_a_test_that_runs_a_block_exists(block: Block) -> None:
    for path in re.findall(r"tests/[\w/.]+", block.elsewhere):
        assert (ROOT / path).exists(), f"{name(block)}: {path}"
