#!/usr/bin/python3
"""What a normal client notices of 2,000 slow ones: its latency without them and while they are there.

  bench/slowloris/run.py [--build DIR] [--connections N] [--seconds N]

A third of them sends a head that never ends, a third a body byte by byte, a third does not read (tests/e2e/slowloris.py);
those that are ended come again at once. The normal client has one kept connection, asks every 5 ms, and asks for what
another replica has than the one that sends to slow readers: what is measured is the balancer. The figure to reach: its
p99 stays under 50 ms.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]


def other_target(mine):
    """A target that goes to another replica than /big."""
    busy = mine.ask("HEAD", "/big").served_by
    return next(t for t in (f"/normal{n}" for n in range(1000)) if mine.ask("HEAD", t).served_by != busy)


def normal_client(port, target, seconds):
    """Milliseconds of each request."""
    from wire import Wire

    took, end = [], time.monotonic() + seconds
    with Wire(port) as wire:
        while time.monotonic() < end:
            before = time.monotonic()
            answer = wire.ask("GET", target)
            assert answer.status == 200, answer
            took.append((time.monotonic() - before) * 1000)
            time.sleep(0.005)
    return sorted(took)


GOAL_MS = 50


def at(took, q):
    return took[min(len(took) - 1, int(q * len(took)))]


def row(name, took):
    return (
        f"| {name} | {len(took)} | {statistics.median(took):.2f} | {at(took, 0.99):.2f} | {at(took, 0.999):.2f} | {took[-1]:.2f} |"
    )


def memory_kib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=str(SOURCE / "build" / "release"))
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=30)
    arguments = parser.parse_args()
    os.environ["RM_BUILD"] = arguments.build
    sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
    from harness import free_ports, until  # they look for the program in RM_BUILD
    from ringmaster import Ringmaster
    from slowloris import BigOrigin, Slowloris

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with BigOrigin(free_ports()) as one, BigOrigin(free_ports()) as two, tempfile.TemporaryDirectory() as directory:
        mine = Ringmaster(
            Path(directory) / "balancer",
            {
                "strategy": {"key": ["path"]},
                "replicas": {"driver": "static", "count": None, "static": {"addresses": [one.place, two.place]}},
                "health": {"interval_ms": 60000, "unready_after": 100, "dead_after": 1000},
                "timeouts": {"connect": 30000},
                "limits": {"min_rate_ms": 10000},
            },
        )
        mine.start()
        try:
            target = other_target(mine)
            calm = normal_client(mine.port, target, arguments.seconds)
            before = memory_kib(mine.pid)
            with Slowloris(mine.port, arguments.connections) as attack:
                until(lambda: mine.state()["totals"]["accepted"] >= arguments.connections, 60)
                held = normal_client(mine.port, target, arguments.seconds)
                grown = memory_kib(mine.pid) - before
                told = attack.finish(within=180)
            totals = mine.state()["totals"]
        finally:
            mine.stop()
    print("| slow clients | requests | median ms | p99 | p99.9 | worst |\n|---|---|---|---|---|---|")
    print(row("none", calm))
    print(row(arguments.connections, held))
    p99 = at(held, 0.99)
    print(f"\np99 beside {arguments.connections} slow clients: {p99:.2f} ms, goal under {GOAL_MS}: {'met' if p99 < GOAL_MS else 'missed'}.")
    print(f"Slow clients, by kind and what ended them: {told['ended']}; {totals['too_slow']} below limits.min_rate.")
    print(f"The balancer's memory grew by {grown} KiB.")


if __name__ == "__main__":
    main()
