"""harness.py - what every end-to-end test stands on: places, ports, waiting, processes.

Owns     the paths of the programs under test, the choice of free ports, the one way to wait, the look into
         /proc.
Used by  every other file of this directory.

A test waits for a condition with a deadline, never for a time: `until` is the only place that sleeps.
Deadlines are generous (a loaded machine is no failure) and grow under sanitizers; how long things took is
printed, never asserted.
"""

import fcntl
import os
import random
import re
import socket
import tempfile
import time
from pathlib import Path

SOURCE = Path(os.environ.get("RM_SOURCE") or Path(__file__).resolve().parents[2])
BUILD = Path(os.environ.get("RM_BUILD") or SOURCE / "build" / "release")
PROGRAM = BUILD / "bin" / "ringmaster"
BACKEND = BUILD / "bin" / "backend"
PLUGINS = BUILD / "plugins"


def _sanitizer():
    if "RM_SANITIZE" in os.environ:
        return os.environ["RM_SANITIZE"]
    cache = BUILD / "CMakeCache.txt"
    found = re.search(r"^RM_SANITIZE:\w+=(\w*)$", cache.read_text(), re.M) if cache.exists() else None
    return found.group(1) if found else ""


SANITIZER = _sanitizer()  # "", "address" or "thread"
SLOW = {"": 1, "address": 4, "thread": 8}[SANITIZER]


def until(condition, within=10.0, what="the condition"):
    """Calls condition() until it returns something true, and returns that. An exception counts as "not
    yet"."""
    deadline = time.monotonic() + within * SLOW
    pause = 0.002
    while True:
        last = None
        try:
            last = condition()
            if last:
                return last
        except (OSError, ValueError, KeyError, IndexError, TypeError, AssertionError) as problem:
            last = repr(problem)
        if time.monotonic() > deadline:
            raise AssertionError(
                f"{what} did not come true within {within * SLOW:.0f} s; last seen: {last!r}"
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


# ---- ports -------------------------------------------------------------------------------------------------
# Below the kernel's ephemeral range, so that no outgoing connection of the test itself takes one in between.

PORT_FIRST, PORT_LAST, REGION = 21000, 23999, 500


def _lock_region():
    """The first port of a region that is ours as long as this process lives: tests that run at the same
    time must not find each other's replicas. With all regions taken, any will do."""
    regions = list(range(PORT_FIRST, PORT_LAST, REGION))
    random.shuffle(regions)
    for first in regions:
        lock = open(Path(tempfile.gettempdir()) / f"ringmaster-ports-{first}.lock", "a", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        return first, lock
    return regions[0], None


_region, _region_lock = _lock_region()
_next_port = _region


def _bindable(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def free_ports(count=1):
    """The first of count consecutive ports that nobody listens on. They go round: a port comes again when
    the region is used up, if it is free then."""
    global _next_port
    for _ in range(2 * REGION):
        if _next_port + count > _region + REGION:
            _next_port = _region
        first = _next_port
        taken = next((p for p in range(first, first + count) if not _bindable(p)), None)
        if taken is None:
            _next_port = first + count
            return first
        _next_port = taken + 1
    raise AssertionError(f"no {count} free ports in a row from {_region} on")


# ---- processes ---------------------------------------------------------------------------------------------


def process_alive(pid):
    """True while pid runs; a zombie is not alive."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def processes_with(mark):
    """Pids of the living processes whose environment contains mark (bytes), whatever group or parent they
    have."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            environment = Path(f"/proc/{entry}/environ").read_bytes()
        except OSError:
            continue
        if mark in environment.split(b"\0") and process_alive(entry):
            found.append(int(entry))
    return sorted(found)


def memory_kib(pid, field):
    """A field of /proc/PID/status in KiB: VmRSS, VmHWM (the peak)."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB$", text, re.M).group(1))


def mapping_count(pid):
    return len(Path(f"/proc/{pid}/maps").read_text().splitlines())


def descriptors(pid):
    """What the descriptors of pid are: ["socket:[123]", "anon_inode:[eventpoll]", "/memfd:… (deleted)",
    …]."""
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
        except OSError:
            pass  # closed in between
    return found
