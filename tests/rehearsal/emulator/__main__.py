"""ministack for the rehearsal: slips worked around, decisions recorded, functions in a Python that has nothing of ours.

Run by ministack's own Python, with what ministack reads from the environment:
`python tests/rehearsal/emulator --decisions FILE --python PYTHON`.
"""

import argparse
import sys
import tempfile
import types
from pathlib import Path

import decisions
import unpacking
from ministack.core import lambda_runtime

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--decisions", type=Path, required=True, help="file for the IAM decisions, one JSON a line")
parser.add_argument("--python", required=True, help="the Python in which functions run")
arguments = parser.parse_args()

decisions.record(arguments.decisions)  # before other imports take names from the evaluator
lambda_runtime._detect_runtime_binary = lambda runtime: (arguments.python, lambda_runtime._PYTHON_WORKER_SCRIPT)
lambda_runtime.zipfile = types.SimpleNamespace(
    **vars(lambda_runtime.zipfile) | {"ZipFile": unpacking.shared(Path(tempfile.mkdtemp()))}
)
sys.argv[1:] = []  # ministack reads it as well

import workarounds  # noqa: E402
from ministack import app  # noqa: E402

workarounds.apply_all()
app._port_is_bindable = lambda host, port: False  # no second listener on port 443
app.main()
