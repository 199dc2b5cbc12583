"""The bash blocks of README and the guide: each is run by a test, or says why not.

tests/e2e/test_guide.py runs them, except those with a comment before them: `<!-- run by: tests/… -->`, or
`<!-- not run: needs an AWS account -->`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- (?P<elsewhere>(?:not run|run by): [^>]+) -->\n)?^```bash\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A bash block: the line of its page on which it starts, its text, and what its comment says ("" without one)."""

    page: str
    line: int
    text: str
    elsewhere: str


def blocks(page: Path) -> Iterator[Block]:
    """Yield a page's bash blocks in their order."""
    written = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(written):
        line = written.count("\n", 0, found.start("text"))
        yield Block(str(page.relative_to(ROOT)), line, found["text"], (found["elsewhere"] or "").strip())
