"""The machine's processes, to see that none is left over."""

import subprocess


def running() -> dict[int, int]:
    """Every process, without zombies, and its parent."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in listing.splitlines())
    return {int(pid): int(parent) for pid, parent, state in rows if not state.startswith("Z")}


def family(pid: int) -> set[int]:
    """The process and all that descend from it."""
    parents, members = running(), {pid}
    while new := {child for child, parent in parents.items() if parent in members} - members:
        members |= new
    return members
