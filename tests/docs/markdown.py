"""Read headings, tables, links and names in backticks from a Markdown file."""

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BACKTICKED = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Table:
    """Rows of cells, as text; `names` are the names in backticks in the rows' first cells."""

    where: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> list[str]:
        return [name for row in self.rows for name in backticked(row[0])]

    def row_of(self, name: str) -> tuple[str, ...]:
        return next(row for row in self.rows if name in backticked(row[0]))


class Document:
    """A Markdown file, `name` relative to the repository's root."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.folder = (root / name).parent
        self.text = (root / name).read_text(encoding="utf-8")
        self.prose = FENCE.sub("", self.text)
        """The text without code blocks."""

    @property
    def headings(self) -> list[str]:
        return HEADING.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """The headings' anchors, as GitHub makes them."""
        return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in self.headings}

    @property
    def links(self) -> list[str]:
        return LINK.findall(self.prose)

    @property
    def backticked(self) -> list[str]:
        return backticked(self.prose)

    def table(self, first_heading: str, *, below: str = "") -> Table:
        """Return the table whose first column has this heading, in the whole file or below a heading."""
        place = f'{self.name}, table "{first_heading}"' + (f' below "{below}"' if below else "")
        prose = self.section(below) if below else self.prose
        head = re.search(rf"^\| {re.escape(first_heading)} \|.*\n\|[-|: ]+\|\n((?:\|.*\n)*)", prose, re.MULTILINE)
        assert head, f"{place} is missing"
        rows = (line.strip().removeprefix("|").removesuffix("|") for line in head[1].splitlines())
        return Table(place, tuple(tuple(cell.strip() for cell in row.split("|")) for row in rows))

    def section(self, heading: str) -> str:
        """Return the text from a heading to the next one, without code blocks."""
        found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", self.prose, re.MULTILINE | re.DOTALL)
        assert found, f'{self.name} has no section "{heading}"'
        return found[1]


def backticked(text: str) -> list[str]:
    return BACKTICKED.findall(text)
