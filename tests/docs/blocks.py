"""The bash blocks of README and the guide: each is run by a test, or says why not.

A block that is not run has the reason before it, in a comment: `<!-- not run: needs an AWS account -->`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?^```bash\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A bash block: the line of its page on which it starts, its text, and why it is not run ("" if it is)."""

    page: str
    line: int
    text: str
    reason: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield a page's bash blocks in their order."""
    written = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(written):
        line = written.count("\n", 0, found.start("text"))
        yield Block(str(page.relative_to(ROOT)), line, found["text"], (found["reason"] or "").strip())
