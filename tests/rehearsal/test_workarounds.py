"""A workaround that is no longer needed is noticed: ministack refuses to start."""

import subprocess

from tests.rehearsal.second_aws import EMULATOR, PYTHON

UNNOTICED = """
import workarounds

for workaround in workarounds.WORKAROUNDS:
    workaround()
    try:
        workaround()
    except workarounds.FixedUpstream:
        continue
    print(workaround.__name__)
"""


def test_every_workaround_refuses_to_patch_code_that_is_right() -> None:
    done = subprocess.run(
        [PYTHON, "-c", UNNOTICED],
        cwd=EMULATOR,
        env={"GATEWAY_PORT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
