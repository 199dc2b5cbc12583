"""Rules that every test follows."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
WORKAROUNDS = TESTS / "rehearsal" / "emulator"
"""Files that patch third-party code, which has no public hook; each checks that what it replaces still exists."""


def inner_parts(path: Path) -> Iterator[str]:
    """Return the private names that a file takes from other objects: `x._y`, `import _y`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name) if is_inner(name):
                yield f"line {node.lineno}: .{name}"
            case ast.ImportFrom(names=imported):
                yield from (f"line {node.lineno}: import {each.name}" for each in imported if is_inner(each.name))
            case ast.Call(func=ast.Attribute(attr="setattr") | ast.Name(id="getattr" | "setattr"), args=[_, name, *_]):
                if isinstance(name, ast.Constant) and isinstance(name.value, str) and is_inner(name.value):
                    yield f"line {node.lineno}: {name.value!r}"


def is_inner(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last.startswith("_") and not last.endswith("__")


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(TESTS.rglob("*.py")) if path.parent != WORKAROUNDS],
    ids=lambda path: str(path.relative_to(TESTS)),
)
def test_tests_use_no_private_names(path: Path) -> None:
    assert list(inner_parts(path)) == []
