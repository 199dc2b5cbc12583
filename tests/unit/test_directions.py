"""Import directions: outer parts import inner ones, never the reverse."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from facepair_cli.cli import COMMANDS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "facepair" / "facepair"
COMMAND_LINE = ROOT / "cli" / "facepair_cli"
FUNCTIONS = sorted({path.parent for path in (ROOT / "functions").glob("*/*.py")})
ROOTS = (ROOT, ROOT / "layers" / "facepair", ROOT / "cli")
"""The folders from which our own modules are imported."""

AWS = {"boto3", "botocore", "aws_lambda_powertools", "mypy_boto3_dynamodb", "mypy_boto3_s3", "mypy_boto3_sqs"}
HTTP = {"urllib3", "requests", "http.client", "urllib.request", "socket"}
OUTSIDE = {"functions", "sandbox", "tests", "benchmarks", "deploy", "facepair_cli"}

# Part of the package -> (parts of the package that it may import, packages that it must not import).
DIRECTIONS: dict[str, tuple[set[str], set[str]]] = {
    "domain": ({"domain", "advance.codes", "advance.limits"}, AWS | HTTP),
    "use_cases": ({"domain", "use_cases", "advance.codes"}, AWS | HTTP),
    "threads": (set(), AWS | HTTP),
    "http": ({"__version__"}, AWS),
    "advance": ({"domain", "advance", "http"}, AWS),
    "webhook": ({"domain", "webhook", "http"}, AWS),
    "aws": ({"__version__", "domain", "advance", "webhook", "aws"}, HTTP),
    "settings": ({"domain"}, AWS | HTTP),
}
LONGEST_FILE = 350
OWN_CODE = ("functions", "layers/facepair", "cli", "deploy", "sandbox", "benchmarks")


def modules(package: Path = PACKAGE) -> list[Path]:
    return sorted(path for path in package.rglob("*.py") if path != package / "__init__.py")


def part(module: Path) -> str:
    """Return the first name below the package: `domain`, `aws`, `http` …"""
    return module.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def imports(path: Path) -> list[str]:
    """Return the absolute names of all that a file imports, also for type checks: `a.b` for `from a import b`."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def begins_with(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_inner_parts_do_not_import_outer_ones(module: Path) -> None:
    inner, forbidden = DIRECTIONS[part(module)]

    for name in imports(module):
        if begins_with(name, {"facepair"}):
            assert begins_with(name, {f"facepair.{each}" for each in inner}), f"{part(module)} must not import {name}"
        assert not begins_with(name, forbidden | OUTSIDE), f"{part(module)} must not import {name}"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda path: path.name)
def test_a_function_is_one_file_that_imports_no_other_function(function: Path) -> None:
    assert [path.name for path in function.rglob("*.py")] == ["app.py"]

    assert not [name for name in imports(function / "app.py") if begins_with(name, OUTSIDE | {"app"})]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda path: path.name)
def test_a_function_gets_logs_metrics_and_clients_from_the_runtime(function: Path) -> None:
    own = {"boto3", "aws_lambda_powertools.Logger", "aws_lambda_powertools.Metrics", "aws_lambda_powertools.logging"}

    assert not [name for name in imports(function / "app.py") if begins_with(name, own)]


def test_the_layer_contains_only_what_functions_import() -> None:
    imported = {name for function in FUNCTIONS for name in imported_by(f"functions.{function.name}.app")}
    in_the_layer = {dotted(path) for path in modules() if path.name != "__init__.py"}

    assert in_the_layer <= imported


@pytest.mark.parametrize("module", modules(COMMAND_LINE), ids=lambda path: str(path.relative_to(COMMAND_LINE)))
def test_the_command_line_never_calls_the_comparison_api(module: Path) -> None:
    for name in imports(module):
        assert not begins_with(name, {"facepair.advance", "facepair.http"} | OUTSIDE - {"facepair_cli"}), name


def test_no_file_of_our_own_code_is_longer_than_the_limit() -> None:
    files = (path for folder in OWN_CODE for path in (ROOT / folder).rglob("*.py"))
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}

    assert lengths
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


@pytest.mark.parametrize("module", sorted((PACKAGE / "use_cases").glob("*.py")), ids=lambda path: path.name)
def test_use_cases_start_no_threads_so_the_exploration_can_order_them(module: Path) -> None:
    assert not [name for name in imports(module) if begins_with(name, {"threading", "concurrent", "asyncio"})]


def test_every_part_of_the_package_has_an_import_rule() -> None:
    assert {part(module) for module in modules()} == set(DIRECTIONS)


def imported_by(module: str) -> set[str]:
    """Return every name that a module imports, directly or through other modules of ours."""
    seen: set[str] = set()
    left = {module}
    while left:
        name = left.pop()
        seen.add(name)
        if file := source(name):
            left |= {each for found in imports(file) for each in (found, found.rpartition(".")[0]) if each} - seen
    return seen


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def source(module: str) -> Path | None:
    """Return the file of one of our modules."""
    folders = [root.joinpath(*module.split(".")) for root in ROOTS]
    files = (file for folder in folders for file in (folder.with_suffix(".py"), folder / "__init__.py"))
    return next((file for file in files if file.exists()), None)


def installed_by(*lists: list[str]) -> set[str]:
    """Return the modules that requirements install."""
    names = {re.split(r"[<>=\[]", requirement)[0] for requirements in lists for requirement in requirements}
    return {{"pillow": "PIL"}.get(name, name.replace("-", "_")) for name in names} | {"botocore"}  # comes with boto3


def test_the_command_line_needs_no_other_packages_than_are_installed_with_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = installed_by(project["dependencies"], *project["optional-dependencies"].values())

    modules = {"facepair_cli.cli", *(listed.where.partition(":")[0] for listed in COMMANDS.values())}
    needed = {name.partition(".")[0] for module in modules for name in imported_by(module)}

    assert needed >= {"facepair", "click"}
    for_types_alone = {name for name in needed if name.startswith("mypy_boto3")}
    assert needed - for_types_alone - sys.stdlib_module_names - {"facepair", "facepair_cli"} <= installed


def test_the_command_line_starts_without_the_packages_of_extras() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    packages = installed_by(*extras.values()) - {"facepair", "botocore"}
    script = f"import sys, facepair_cli.cli; print(sorted({packages!r} & sys.modules.keys()))"

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert packages >= {"PIL", "matplotlib", "starlette"}
    assert shown.stdout == "[]\n"


# Each of these takes a noticeable part of the time in which the program starts.
@pytest.mark.parametrize(
    ("started", "unused"),
    [
        ("facepair_cli.cli", {"boto3", "pydantic", "rich"}),
        ("facepair_cli.reading.show", {"pydantic", "PIL"}),
        ("functions.compare_pair.app", {"PIL", "numpy", "facepair.domain.change", "facepair.domain.review_request"}),
        ("functions.erase_pair.app", {"PIL", "asyncio"}),
        ("functions.find_missed.app", {"PIL", "asyncio"}),
        ("functions.operate.app", {"PIL", "asyncio"}),
        ("functions.review_pairs.app", {"PIL", "asyncio"}),
    ],
)
def test_a_program_starts_without_heavy_modules_it_may_not_need(started: str, unused: set[str]) -> None:
    assert loaded_by(started) & unused == set()


# Powertools' batch loads its own models if pydantic was imported before: a tenth of a function's start.
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda path: path.name)
def test_a_function_starts_without_the_models_of_powertools(function: Path) -> None:
    assert "aws_lambda_powertools.utilities.parser" not in loaded_by(f"functions.{function.name}.app")


@cache
def loaded_by(started: str) -> set[str]:
    """Return every module that a process has loaded after importing one."""
    script = f"import sys, {started}; print(*sys.modules)"

    shown = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    return set(shown.stdout.split())
