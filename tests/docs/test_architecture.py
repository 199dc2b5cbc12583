"""The architecture page names guards, items and modules that exist."""

import ast
import re
from pathlib import Path

from facepair.aws.gate import ITEM
from facepair.aws.record_id import PREFIX
from tests.docs.markdown import Document, backticked

ROOT = Path(__file__).parents[2]
PAGE = Document(ROOT, "docs/architecture.md")
PORTS = PAGE.table("port")
PACKAGE = ROOT / "layers" / "facepair" / "facepair"
LAYER = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))


def test_guards_name_code_that_exists() -> None:
    names = [name for row in PAGE.table("guard").rows for name in backticked(row[1]) if "/" not in name]

    missing = {
        part for name in names for part in name.split(".") if not re.search(rf"^ *(class|def) {part}\b", LAYER, re.M)
    }
    assert names
    assert missing == set()


def test_every_kind_of_item_in_the_idempotency_table_is_listed() -> None:
    adapters = "\n".join(path.read_text() for path in (PACKAGE / "aws").glob("*.py"))
    prefixes = {ITEM, f"{PREFIX}#…", *(f"{prefix}#…" for prefix in re.findall(r'f"(\w+)#\{', adapters))}

    assert set(PAGE.table("id").names) == prefixes


def test_the_table_of_ports_has_every_adapter_and_no_other() -> None:
    adapters = [
        (f"`{port}`", f"`{name}`", f"`{path.relative_to(PACKAGE)}`")
        for path in PACKAGE.rglob("*.py")
        for name, found in classes(path).items()
        for port in re.findall(r"^The `(\w+)` port", ast.get_docstring(found) or "")
    ]
    also = [("`Destination`", "`Queue`", "`aws/queue.py`")]  # in a second place of the adapter's docstring

    assert sorted(row[:3] for row in PORTS.rows) == sorted([*adapters, *also])


def test_the_table_of_ports_has_every_port_of_the_use_cases() -> None:
    ports = {
        name
        for path in (PACKAGE / "use_cases").glob("*.py")
        for name, found in classes(path).items()
        if "Protocol" in [ast.unparse(base) for base in found.bases]
    }
    between_use_cases, of_parallel = {"Asks", "Compares"}, {"Pool", "ThreadResult"}

    assert ports - between_use_cases - of_parallel <= set(PORTS.names)


def test_fakes_are_where_the_table_of_ports_says() -> None:
    for *_, fake in PORTS.rows:
        name, *file = backticked(fake)

        assert name in classes(ROOT / (file[0] if file else "tests/fakes.py")), fake


def classes(path: Path) -> dict[str, ast.ClassDef]:
    """Return a file's classes, by name."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}
