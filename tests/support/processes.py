"""The machine's processes, to check that none is left over."""

import subprocess


def running() -> dict[int, int]:
    """Return each process and its parent, without zombies."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in listing.splitlines())
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def family(pid: int) -> set[int]:
    """Return the process and its descendants."""
    parents, members = running(), {pid}
    while new := {child for child, parent in parents.items() if parent in members} - members:
        members |= new
    return members
