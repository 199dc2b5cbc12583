"""What tests of several kinds need: a deployed stack, faults, waiting."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
LAMBDA_PYTHON = ROOT / ".lambda" / "bin" / "python"
