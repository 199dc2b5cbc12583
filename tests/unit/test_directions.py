"""Which way imports point: outer parts know inner ones, never the other way. Every module of the project is walked."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "facepair" / "facepair"
FUNCTIONS = sorted(path for path in (ROOT / "functions").iterdir() if path.is_dir())

AWS = {"boto3", "botocore", "aws_lambda_powertools", "mypy_boto3_dynamodb", "mypy_boto3_s3", "mypy_boto3_sqs"}
HTTP = {"urllib3", "requests", "http.client", "urllib.request", "socket"}
OUTSIDE = {"functions", "sandbox", "tests", "benchmarks", "console"}

# Part of the package -> (parts of the package that it may import, packages that it must not import).
DIRECTIONS: dict[str, tuple[set[str], set[str]]] = {
    "domain": ({"domain"}, AWS | HTTP),
    "stories": ({"domain", "stories"}, AWS | HTTP),
    "threads": (set(), AWS | HTTP),
    "http": (set(), AWS),
    "advance": ({"domain", "advance", "http"}, AWS),
    "webhook": ({"domain", "webhook", "http"}, AWS),
    "aws": ({"domain", "advance", "webhook", "aws"}, HTTP),
    "settings": ({"domain"}, AWS | HTTP),
}
LONGEST_FILE = 350


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def part(module: Path) -> str:
    """The first name below the package: `domain`, `aws`, `http` …"""
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> Iterator[str]:
    """Absolute names of what a file imports, wherever in it, for type checks too: `a.b` for `from a import b`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def begins_with(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_inwards(module: Path) -> None:
    inner, forbidden = DIRECTIONS[part(module)]

    for name in imports(module):
        if begins_with(name, {"facepair"}):
            assert name.split(".")[1] in inner, f"{part(module)} must not know {name}"
        assert not begins_with(name, forbidden | OUTSIDE), f"{part(module)} must not know {name}"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda path: path.name)
def test_a_function_is_one_file_that_imports_nothing_of_another(function: Path) -> None:
    assert [path.name for path in function.rglob("*.py")] == ["app.py"]

    assert not [name for name in imports(function / "app.py") if begins_with(name, OUTSIDE | {"app"})]


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_of_the_package_is_longer_than_a_reader_s_patience(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("module", sorted((PACKAGE / "stories").glob("*.py")), ids=lambda path: path.name)
def test_what_the_exploration_orders_starts_no_thread(module: Path) -> None:
    if module.name == "status.py":  # reads only, for the command line
        return

    assert not [name for name in imports(module) if begins_with(name, {"threading", "concurrent", "asyncio"})]


def test_every_part_of_the_package_has_its_direction() -> None:
    assert {part(module) for module in modules()} == set(DIRECTIONS)


def imported_by(module: str) -> set[str]:
    """Every name that a module imports, and that modules of ours import which it imports."""
    seen: set[str] = set()
    left = {module}
    while left:
        name = left.pop()
        seen.add(name)
        if file := source(name):
            left |= {each for found in imports(file) for each in (found, found.rpartition(".")[0]) if each} - seen
    return seen


def source(module: str) -> Path | None:
    """The file of one of our modules."""
    folders = [root.joinpath(*module.split(".")) for root in (ROOT, PACKAGE.parent)]
    files = (file for folder in folders for file in (folder.with_suffix(".py"), folder / "__init__.py"))
    return next((file for file in files if file.exists()), None)


def test_the_command_line_needs_no_other_packages_than_are_installed_with_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[<>=\[]", requirement)[0] for requirement in project["dependencies"]]
    installed = {{"pillow": "PIL"}.get(name, name.replace("-", "_")) for name in names}
    installed.add("botocore")  # boto3 brings it along

    needed = {name.partition(".")[0] for name in imported_by("console.cli")}

    assert needed >= {"facepair", "click"}
    for_types_alone = {name for name in needed if name.startswith("mypy_boto3")}
    assert needed - for_types_alone - sys.stdlib_module_names - {"console", "facepair"} <= installed
