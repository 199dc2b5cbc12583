"""What the sandbox leaves out of the template."""

from collections.abc import Iterator

from sandbox.stack import SandboxStack


def left_out(stack: SandboxStack, *, verbose: bool) -> Iterator[str]:
    """Yield lines for the terminal: each item with its reason if `verbose`, otherwise their number."""
    if not verbose:
        yield f"{len(stack.left_out)} things need AWS and are left out: VERBOSE=1 lists them."
        return
    yield "Left out, or without effect:"
    yield from (f"  {thing}: {reason}" for thing, reason in stack.left_out.items())
