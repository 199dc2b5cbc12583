"""One name for one thing: no two classes of our own code share a name."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN_CODE = ("functions", "layers/facepair", "cli", "deploy", "sandbox")


def classes() -> Iterator[tuple[str, str]]:
    """Yield the name of each class and type alias, with its place."""
    for path in (path for folder in OWN_CODE for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.ClassDef(name=name) | ast.TypeAlias(name=ast.Name(id=name)):
                    yield name, f"{path.relative_to(ROOT)}:{node.lineno}"


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for name, place in classes():
        places.setdefault(name, []).append(place)

    assert places
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
