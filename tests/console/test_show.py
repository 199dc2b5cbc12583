"""`facepair show`."""

from tests.console.conftest import CommandLine


def test_a_pair_that_nobody_uploaded_is_told_with_what_to_do(facepair: CommandLine) -> None:
    shown = facepair("show", "nobody/there")

    assert shown.returncode == 1
    assert shown.stderr == "Error: There is no row of nobody/there; `facepair list` has those that exist.\n"


def test_a_stack_that_does_not_exist_is_told_with_what_to_do(facepair: CommandLine) -> None:
    shown = facepair("--stack", "elsewhere", "show", "a/b")

    assert shown.returncode == 1
    assert "There is no stack elsewhere in this account and region; name another with --stack" in shown.stderr
