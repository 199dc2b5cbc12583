"""The architecture page names guards, items and modules that exist."""

import re
from pathlib import Path

from facepair.aws.gate import ITEM
from facepair.aws.record_id import PREFIX
from tests.docs.markdown import Document, backticked

ROOT = Path(__file__).parents[2]
PAGE = Document(ROOT, "docs/architecture.md")
LAYER = "\n".join(path.read_text() for path in (ROOT / "layers" / "facepair").rglob("*.py"))


def test_guards_name_code_that_exists() -> None:
    names = [name for row in PAGE.table("guard").rows for name in backticked(row[1]) if "/" not in name]

    missing = {
        part for name in names for part in name.split(".") if not re.search(rf"^ *(class|def) {part}\b", LAYER, re.M)
    }
    assert names
    assert missing == set()


def test_every_kind_of_item_in_the_idempotency_table_is_listed() -> None:
    adapters = "\n".join(path.read_text() for path in (ROOT / "layers" / "facepair" / "facepair" / "aws").glob("*.py"))
    prefixes = {ITEM, f"{PREFIX}#…", *(f"{prefix}#…" for prefix in re.findall(r'f"(\w+)#\{', adapters))}

    assert set(PAGE.table("id").names) == prefixes
