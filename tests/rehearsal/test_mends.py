"""A mend that isn't needed any more is noticed: where ministack does it right, it does not start."""

import subprocess

from tests.rehearsal.second_aws import EMULATOR, PYTHON

UNNOTICED = """
import mends

for mend in mends.MENDS:
    mend()
    try:
        mend()
    except mends.MendedUpstream:
        continue
    print(mend.__name__)
"""


def test_every_mend_refuses_to_mend_what_is_right() -> None:
    done = subprocess.run(
        [PYTHON, "-c", UNNOTICED],
        cwd=EMULATOR,
        env={"GATEWAY_PORT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
