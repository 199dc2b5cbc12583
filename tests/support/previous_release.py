"""The package of the previous release beside this one: while a stack is updated, both share tables and queues."""

import importlib
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from deploy.previous_release import unpack

PACKAGE = "facepair"
STATEFUL = {
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::IAM::ManagedPolicy",  # people have attached it
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
}


def previous(module: str) -> Any:
    """Return a module of the previous release, named as it was there; what it imports is of that release too."""
    return _modules()[f"{PACKAGE}.{module}"]


@cache
def _modules() -> dict[str, ModuleType]:
    """Import everything under the usual names, then give these back to the present package."""
    present = _take()
    with TemporaryDirectory() as folder:
        layer = unpack(Path(folder)) / "layers" / "facepair"
        sys.path.insert(0, str(layer))
        importlib.invalidate_caches()
        try:
            for path in (layer / PACKAGE).rglob("*.py"):
                importlib.import_module(".".join(path.relative_to(layer).with_suffix("").parts))
        finally:
            sys.path.remove(str(layer))
            imported = _take()
            sys.modules |= present
    return imported


def _take() -> dict[str, ModuleType]:
    """Remove the package's modules from `sys.modules` and return them."""
    names = [name for name in sys.modules if name == PACKAGE or name.startswith(f"{PACKAGE}.")]
    return {name: sys.modules.pop(name) for name in names}
