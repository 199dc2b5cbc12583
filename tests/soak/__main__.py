"""Soak the stack: `make soak PAIRS=200 SEED=1`. Ends with status 0 only if the books balance."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.soak.storm import soak
from tests.support.faulty_cloud import faulty_cloud


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Pairs through a storm of faults.")
    parser.add_argument("--pairs", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="default: a new one")
    options = parser.parse_args()
    policy = random.Random(options.seed).choice(("hold", "retry"))
    print(f"{options.pairs} pairs, seed {options.seed}, OnUnknownOutcome {policy}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    with faulty_cloud(folder, OnUnknownOutcome=policy) as cloud:
        books = soak(cloud, options.pairs, options.seed)
    for problem in books.problems:
        print(problem)
    print(books)
    if books.problems:
        sys.exit(f"Logs: {folder / 'logs'}")


if __name__ == "__main__":
    main()
