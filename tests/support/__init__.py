"""Shared by several kinds of tests."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
LAMBDA_PYTHON = ROOT / ".lambda" / "bin" / "python"
