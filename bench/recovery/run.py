#!/usr/bin/python3
"""How soon it recovers: replicas killed, hung, replaced; requests lost meanwhile; what a thousand starts leave behind.

  script/bench recovery [--runs N] [--kills N] [--cycles N] [--only ROW,ROW…] [--out FILE]

  rows: kill hang load cycles             replicas that are processes
        ckill cspare cload ccycles cadopt … containers, with an engine of their own
        snode2 snode3 sleader sload       … tasks of a swarm, with machines of their own: only when they are asked for, 20 minutes each

The balancer runs with the values it is shipped with. Engines want root and what `script/bootstrap docker` installs; where they
cannot be had their rows are left out. One keep-alive connection asks, for 20 ms as fast as it can and
then every 2 ms: what it sees is what a client sees. (Asking on without a pause it would take from the engine the processors that a start needs,
and nobody asks during the bare starts beside it.) The median of the runs binds, the worst is printed.
"""

import argparse
import datetime
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import containers  # noqa: E402
import machines  # noqa: E402
from harness import until  # noqa: E402
from load import Wrk  # noqa: E402
from ringmaster import Ringmaster  # noqa: E402
from watch import LIMIT_S, Report, Watch, kinds, say_more, strike  # noqa: E402

ROWS = ["kill", "hang", "load", "cycles"]


def measure(report, mine, runs, signal_number, reaches):
    mine.signal = signal_number
    watch = Watch(mine)
    pairs = [strike(mine, watch, number) for number in range(runs)]
    report.row(reaches[0][0], reaches[0][1], [out for out, _ in pairs])
    report.row(reaches[1][0], reaches[1][1], [back for _, back in pairs])


def kill(report, mine, arguments):
    measure(report, mine, arguments.runs, signal.SIGKILL,
            [("killed (-9) → out of rotation", "≤ 5 ms"), ("killed (-9) → replacement answering", "≤ 50 ms")])


def hang(report, mine, arguments):
    health = "20 misses, one each 250 ms: about 5 s"
    measure(report, mine, arguments.runs, signal.SIGSTOP,
            [("hung (SIGSTOP) → out of rotation", "≤ 1 s"), ("hung (SIGSTOP) → replacement answering", f"dead_after: {health}")])


def load(report, mine, arguments):
    """Kills at full load, each as soon as N is whole."""
    watch = Watch(mine)
    n = len(watch.names())
    started = time.monotonic()
    with Wrk(mine.port, connections=64) as clients:
        for number in range(arguments.kills):
            names = watch.names()
            victim = names[number % n]
            pid = mine.pid_of(victim)
            mine.note_pids()
            os.kill(pid, signal.SIGKILL)
            until(lambda victim=victim: victim not in watch.names() and len(watch.names()) == n, LIMIT_S, "N")
        took = time.monotonic() - started
    errors = sum(clients.socket_errors.values())
    report.say(f"| failed GETs at full load, {arguments.kills} kills in {took:.1f} s | 0 | {clients.failed + errors} "
               f"| of {clients.requests} requests | 1 |")


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def cycles(report, mine, arguments):
    """/add and /rm ten at a time."""
    once = 10

    def turn():
        reply = mine.add({"n": once})
        assert reply.status == 200, reply
        mine.note_pids()
        names = reply.json()["message"]["added"]
        assert mine.rm({"n": once, "hostnames": names}).status == 200
        until(lambda: len(mine.state()["replicas"]) == 3, LIMIT_S, "those that were removed to be gone")

    for _ in range(3):
        turn()
    before = kinds(mine.pid), len(mine.survivors()), resident_kib(mine.pid)
    for _ in range(arguments.cycles // once):
        turn()
    after = kinds(mine.pid), len(mine.survivors()), resident_kib(mine.pid)
    say_more(before[0], after[0])
    old, new = before[0].total(), after[0].total()
    report.say(f"| descriptors left after {arguments.cycles} starts and stops | 0 | {new - old} | {old} → {new} | 1 |")
    report.say(f"| processes left after {arguments.cycles} starts and stops | 0 | {after[1] - before[1]} | "
               f"{before[1]} → {after[1]} | 1 |")
    report.say(f"| memory after {arguments.cycles} starts and stops | - | {after[2] - before[2]:+d} KiB | "
               f"{before[2]} → {after[2]} KiB | 1 |")


def head(report, arguments):
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "?")
    version = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    report.say("# How soon it recovers\n")
    report.say(f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}, {version.stdout.strip()}, {cpu}, "
               f"{os.cpu_count()} cores, Linux {platform.release()}, load {os.getloadavg()[0]:.1f} at the start  ")
    report.say(f"`script/bench recovery --runs {arguments.runs} --kills {arguments.kills} --cycles {arguments.cycles} --only {arguments.only}`\n")
    report.say("Three replicas as processes, or as containers, or as tasks of a swarm where it says so, the shipped values (heartbeats each "
               "250 ms). Times as one client sees them.\n")
    report.say("| figure | reach | median | worst | runs |\n|---|---|---:|---:|---:|")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--only", default=",".join(ROWS + containers.ROWS))
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    unknown = set(wanted) - set(ROWS + containers.ROWS + machines.ROWS)
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    report = Report()
    head(report, arguments)
    for row in (row for row in wanted if row in ROWS):
        with tempfile.TemporaryDirectory(prefix="recovery-") as directory:
            mine = Ringmaster(pathlib.Path(directory))
            try:
                mine.start()
                globals()[row](report, mine, arguments)
                mine.stop(within=60)
            finally:
                mine.clean_up()
    if any(row in containers.ROWS for row in wanted):
        containers.measure_containers(report, [row for row in containers.ROWS if row in wanted], arguments)
    if any(row in machines.ROWS for row in wanted):
        machines.measure_machines(report, [row for row in machines.ROWS if row in wanted], arguments)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text("\n".join(report.lines) + "\n")


if __name__ == "__main__":
    main()
