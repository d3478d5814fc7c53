#!/usr/bin/python3
"""What candidates and bounds cost a request: CPU time of the balancer for each, with strategy.shadow and
strategy.bounded_load off and on.

  bench/shadow/run.py [--build DIR] [--rounds N] [--seconds N]

One balancer is switched by /reload between the cases, which take turns (A B C A B C); each round gives a ratio to the
first case, and the median of the rounds counts. A median within the spread of the first case's own rounds is noise.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
CANDIDATES = [
    {"name": "other hash", "hash": "hash_quadratic"},
    {"name": "fewer nodes", "scheduler_options": {"slots": 4294967296, "virtual_nodes": 100}},
    {"name": "in turn", "scheduler": "scheduler_round_robin"},
]
CASES = {
    "off": {"shadow": [], "shadow_sample": 16, "bounded_load": 0},
    "three candidates, 1 in 16": {"shadow": CANDIDATES, "shadow_sample": 16, "bounded_load": 0},
    "three candidates, every request": {"shadow": CANDIDATES, "shadow_sample": 1, "bounded_load": 0},
    "bounded_load 1.25": {"shadow": [], "shadow_sample": 16, "bounded_load": 1.25},
}


def cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(mine, case, seconds):
    """Microseconds of CPU a request."""
    reply = mine.reload({"strategy": CASES[case]})
    assert reply.status == 200, reply
    before = cpu(mine.pid)
    out = subprocess.run(
        ["wrk", "-t1", "-c32", f"-d{seconds}", f"http://127.0.0.1:{mine.port}/home"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return (cpu(mine.pid) - before) / int(re.search(r"(\d+) requests in", out).group(1)) * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(SOURCE / "build" / "release"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    arguments = parser.parse_args()
    os.environ["RM_BUILD"] = arguments.build
    sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
    from ringmaster import Ringmaster  # it looks for the program in RM_BUILD

    with tempfile.TemporaryDirectory() as directory:
        mine = Ringmaster(Path(directory) / "balancer", {"workers": 1})
        mine.start()
        try:
            figures = {case: [] for case in CASES}
            for _ in range(arguments.rounds):
                for case in CASES:
                    figures[case].append(measure(mine, case, arguments.seconds))
        finally:
            mine.stop()
    print("| case | µs of CPU a request, median (min-max) | × off |\n|---|---|---|")
    for case, values in figures.items():
        ratio = statistics.median(v / off for v, off in zip(values, figures["off"]))
        print(f"| {case} | {statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f}) | {ratio:.3f} |")


if __name__ == "__main__":
    main()
