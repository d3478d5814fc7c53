"""watch.py - what the rows share: how a client sees a death, and lines of the report."""

import os
import re
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import descriptors, until  # noqa: E402
from wire import Wire  # noqa: E402

LIMIT_S = 60
EAGER_S, PAUSE_S = 0.02, 0.002


class Watch:
    """One connection that asks again and again."""

    def __init__(self, mine):
        self.wire = Wire(mine.port)

    def names(self):
        return self.wire.ask("GET", "/rep").json()["message"]["replicas"]

    def served_by(self, key):
        return self.wire.ask("GET", f"/home?request_id={key}").served_by

    def time_until(self, condition, start):
        """Milliseconds from start until it holds."""
        while not condition():
            if time.monotonic() - start > EAGER_S:
                time.sleep(PAUSE_S)
            if time.monotonic() - start > LIMIT_S:
                raise SystemExit(f"not within {LIMIT_S} s")
        return (time.monotonic() - start) * 1000


def strike(mine, watch, number):
    """One replica gets the signal. Milliseconds until it is out of rotation, and until another answers in its place."""
    names = watch.names()
    victim = names[number % len(names)]
    key = next(k for k in range(10000) if watch.served_by(k) == victim)
    pid = mine.pid_of(victim)
    mine.note_pids()
    start = time.monotonic()
    os.kill(pid, mine.signal)
    out = watch.time_until(lambda: victim not in watch.names(), start)
    back = watch.time_until(lambda: watch.served_by(key) not in names, start)
    until(lambda: len(watch.names()) == len(names), LIMIT_S, "N")
    return out, back


def sockets(pid):
    """{"socket:[INODE]": what it is} of those that pid's network has."""
    found = {}
    for family, inode in (("unix", 6), ("tcp", 9), ("tcp6", 9), ("udp", 9), ("netlink", 9)):
        for line in Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:]:
            words = line.split()
            port = f" to port {int(words[2].rsplit(':')[-1], 16)}" if family.startswith("tcp") else ""
            found[f"socket:[{words[inode]}]"] = f"{family} socket{port}"
    return found


def kinds(pid):
    """How many descriptors of each kind it has: a socket's is its family, a file's its path without the numbers."""
    named = sockets(pid)
    return Counter(named.get(target) or re.sub(r"\d+", "…", target) for target in descriptors(pid))


def say_more(before, after):
    """Prints which kinds there are more of, when there are more in all."""
    for kind, count in (after - before).items() if after.total() > before.total() else ():
        print(f"    more descriptors: {count} of {kind}", flush=True)


class Report:
    def __init__(self):
        self.lines = []

    def say(self, line=""):
        self.lines.append(line)
        print(line, flush=True)

    def row(self, figure, reach, values, unit="ms", digits=1):
        median, worst = statistics.median(values), max(values)
        self.say(f"| {figure} | {reach} | {median:.{digits}f} {unit} | {worst:.{digits}f} {unit} | {len(values)} |")
