"""Entry point of `facepair` and `python -m facepair_cli`."""

import signal
import sys


def run() -> None:
    """Run the command line. Ctrl-C during imports exits with status 130."""
    try:
        from facepair_cli.cli import main

        main(prog_name="facepair")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    run()
