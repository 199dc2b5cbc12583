"""Soak the stack: `make soak PAIRS=200 BURST=1000 SEED=1`. Exit status 0 only if the books balance.

OnUnknownOutcome changes in the middle of the storm; the burst follows.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.soak.burst import Burst, burst
from tests.soak.storm import Books, soak
from tests.support.faulty_cloud import faulty_cloud

PATIENT = 600
"""Seconds; with the tests' short back-off, a thousand pairs would keep all workers busy asking for slots."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Pairs through a storm of faults.")
    parser.add_argument("--pairs", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--burst", type=int, default=1000, help="pairs at once, after the storm; default: %(default)s")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="default: a new one")
    options = parser.parse_args()
    policies = random.Random(options.seed).sample(("hold", "retry"), 2)
    print(f"{options.pairs} pairs, seed {options.seed}, OnUnknownOutcome {' then '.join(policies)}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    with faulty_cloud(folder, OnUnknownOutcome=policies[0]) as cloud:
        reports: list[Books | Burst] = [soak(cloud, options.pairs, options.seed, then=policies[1])]
    print(reports[0], flush=True)
    if options.burst:
        with faulty_cloud(folder / "burst", longest_backoff=PATIENT, MaxCallsPerSecond=0) as cloud:
            reports.append(burst(cloud, options.burst))
        print(reports[1])
    problems = [problem for report in reports for problem in report.problems]
    print(*problems, sep="\n")
    if problems:
        sys.exit(f"Logs: {folder / 'logs'}")


if __name__ == "__main__":
    main()
