"""What the sandbox leaves out of the template, in words."""

from collections.abc import Iterator

from sandbox.stack import SandboxStack


def left_out(stack: SandboxStack, *, verbose: bool) -> Iterator[str]:
    """Lines for the terminal: each item with its reason if `verbose`, else their number."""
    if not verbose:
        yield f"{len(stack.left_out)} things need a real AWS and are left out here: VERBOSE=1 lists them."
        return
    yield "Left out, or without effect here:"
    yield from (f"  {thing}: {reason}" for thing, reason in stack.left_out.items())
