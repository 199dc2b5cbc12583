"""Rows as a table for terminals of 80 columns or more, and for logs.

Rows are rendered one by one below a common heading, so they can be streamed: `Group(heading(), *map(entry, rows))`.
"""

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from facepair.domain.pair import ROLES
from facepair.domain.stored_row import StoredRow
from facepair.domain.verdict import Verdict
from facepair_cli.escaping import escaped

STYLES = {
    Verdict.PASS: "green",
    Verdict.MANUAL_CHECK: "yellow",
    Verdict.REJECT: "red",
    Verdict.RETAKE: "magenta",
    Verdict.WAITING: "default",
    Verdict.PENDING: "cyan",
    Verdict.UNDETERMINED: "bold yellow",
}
WIDEST = 100
"""Columns used at most; longer lines are hard to read."""
VERDICT_WIDTH = max(map(len, Verdict))
GAP = 2


def heading() -> RenderableType:
    """Return the column names over a rule."""
    names = _line(*(Text(name, style="bold") for name in ("Verdict", "Pair", "Similarity", "Seconds")))
    return Constrain(Group(names, Rule(style="default")), WIDEST)


def entry(row: StoredRow, *, note: str = "", seconds: float | None = None) -> RenderableType:
    """Return a row as verdict, pair and similarity on one line, with the details below.

    `note` is an extra remark; `seconds` is how long the verdict took. Long words are folded, so nothing of a key or
    message is lost.
    """
    line = _line(
        Text(escaped(str(row["verdict"])), style=STYLES.get(row["verdict"], "default")),
        Text(escaped(row["pair_id"])),
        Text(escaped(str(row.get("similarity", "")))),
        Text("" if seconds is None else f"{seconds:.1f}"),
    )
    remarks = [Text(escaped(note), style="dim")] if note else []
    reasons = (Text(escaped(reason)) for reason in _reasons(row))
    below = (Padding(text, (0, 0, 0, VERDICT_WIDTH + GAP)) for text in (*remarks, *reasons))
    return Constrain(Group(line, *below), WIDEST)


def _line(verdict: Text, pair: Text, similarity: Text, seconds: Text) -> Table:
    line = Table.grid(padding=(0, GAP, 0, 0), expand=True)
    line.add_column(width=VERDICT_WIDTH)
    line.add_column(ratio=1, overflow="fold")
    line.add_column(width=len("Similarity"), justify="right")
    line.add_column(width=len("Seconds"), justify="right")
    line.add_row(verdict, pair, similarity, seconds)
    return line


def _reasons(image: StoredRow) -> list[str]:
    """Return why the row has this verdict, what it waits for and how the pictures were changed."""
    reasons = [] if image.get("code") in (None, "SUCCESS") else [f"{image['code']}: {image.get('message')}"]
    if "retry_at" in image:
        reasons.append(f"next try at {image['retry_at']}")
    if "waiting_for" in image:
        reasons.append(f"waiting for {image['waiting_for']}")
    if review := image.get("review"):
        reasons.append(decision(review))
    adjusted = ((role, image.get(role, {}).get("adjusted")) for role in ROLES)
    return reasons + [f"{role}: {', '.join(changes)}" for role, changes in adjusted if changes]


def decision(review: StoredRow) -> str:
    """Return who decided a row and why, whether they saw the similarity, and the other reviewers' opinions."""
    said = f"decided by {review.get('by')} at {review.get('at')}, it was {review.get('from')}"
    if review.get("reason"):
        said += f": {review['reason']}"
    if review.get("saw_similarity"):
        said += "; the similarity was seen"
    others = [f"{each['by']} {each['verdict']} ({each['reason']})" for each in review.get("opinions", ())]
    return f"{said}; before: {', '.join(others)}" if others else said
