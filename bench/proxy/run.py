#!/usr/bin/python3
"""What a request costs: Ringmaster beside nginx, HAProxy and a relay that parses nothing.

  script/bench [--rounds N] [--seconds N] [--only ROW,…] [--out FILE]

Each figure is CPU time of the proxy's process (user and system) for each request or GiB: absolute rates depend on what else the
machine does, this does not. The peers are measured in turn, A B C D A B C D; each round gives a ratio, and the median of the rounds counts.
"""

import argparse
import datetime
import os
import pathlib
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import peers

ROWS = ["small", "close", "bodies", "connections", "replicas", "workers", "idle"]


def wrk(port, seconds, connections, *extra):
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}", *extra,
               f"http://127.0.0.1:{port}/home"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    errors = re.search(r"(Socket errors.*|Non-2xx.*)", out)
    if errors:
        print(f"    note: port {port}: {errors.group(1)}", file=sys.stderr)
    return int(re.search(r"(\d+) requests in", out).group(1)), command


def cost(peer, seconds, connections, *extra):
    """Microseconds of CPU a request."""
    before = peer.cpu()
    requests, _ = wrk(peer.port, seconds, connections, *extra)
    return (peer.cpu() - before) / requests * 1e6


class Table:
    """Collects rows and prints them as Markdown."""

    def __init__(self):
        self.lines = []

    def say(self, line=""):
        self.lines.append(line)
        print(line, flush=True)

    def compare(self, title, unit, costs, command):
        """costs: name -> figures of each round. The ratio is the peer's figure over ours, round by round."""
        self.say(f"\n### {title}\n\n| | {unit}, median (min-max) | × ringmaster |\n|---|---|---|")
        ours = costs["ringmaster"]
        for name, figures in costs.items():
            ratio = statistics.median(f / o for f, o in zip(figures, ours))
            self.say(f"| {name} | {statistics.median(figures):.2f} ({min(figures):.2f}-{max(figures):.2f}) | {ratio:.2f} |")
        self.say(f"\n`{command}`")


def rounds(args, made, measure):
    costs = {peer.name: [] for peer in made}
    for _ in range(args.rounds):
        for peer in made:
            costs[peer.name].append(measure(peer))
    return costs


def side_by_side(args, folder, table, title, connections, *extra, with_relay=True):
    made = [p for p in (peers.ringmaster(folder), peers.nginx(folder), peers.haproxy(folder)) if p]
    if with_relay:
        made.append(peers.relay(folder))
    try:
        costs = rounds(args, made, lambda p: cost(p, args.seconds, connections, *extra))
    finally:
        for peer in made:
            peer.stop()
    command = " ".join(["wrk -t1", f"-c{connections}", f"-d{args.seconds}", *extra])
    table.compare(title, "µs CPU a request", costs, command)


def row_small(args, folder, table):
    side_by_side(args, folder, table, "Small GET, keep-alive, 64 connections", 64)


def row_close(args, folder, table):
    side_by_side(args, folder, table, "A new connection for each request", 64, "-H", "Connection: close", with_relay=False)


def row_bodies(args, folder, table):
    for size, text in ((1 << 20, "1 MiB"), (64 << 20, "64 MiB")):
        made = []
        origin = peers.replica("--body-bytes", size)
        try:
            made = [p for p in (peers.ringmaster(folder), peers.nginx(folder), peers.haproxy(folder)) if p]
            costs = rounds(args, made, lambda p, s=size: cost(p, args.seconds, 8) / 1e6 / (s / 2**30))
            table.compare(f"Download, {text} bodies", "CPU s a GiB", costs, f"wrk -t1 -c8 -d{args.seconds}")
        finally:
            for peer in [*made, origin]:
                peer.stop()


def row_connections(args, folder, table):
    table.say("\n### Ringmaster from 10 to 10,000 connections\n\n| connections | µs CPU a request | × first |\n|---|---|---|")
    ours = peers.ringmaster(folder)
    try:
        first = None
        for connections in (10, 100, 1000, 10000):
            us = statistics.median(cost(ours, args.seconds, connections) for _ in range(3))
            first = first or us
            table.say(f"| {connections} | {us:.2f} | {us / first:.2f} |")
    finally:
        ours.stop()


def row_replicas(args, folder, table):
    table.say("\n### Ringmaster from 3 to 1,000 replicas\n\nAll are one program on 127.0.x.y; heartbeats, on the control thread, are "
              "subtracted.\n\n| replicas | µs CPU a request | × first |\n|---|---|---|")
    first = None
    for n in (3, 100, 1000):
        addresses = [f"127.0.{i // 250}.{i % 250 + 1}:{peers.REPLICA + 10}" for i in range(n)]
        origin = peers.Process("replica", [peers.BUILD / "bin/backend", "--port", peers.REPLICA + 10, "--quiet"], 1,
                               peers.REPLICA + 10)
        ours = peers.ringmaster(folder, addresses)
        try:
            time.sleep(1)
            idle = ours.cpu()
            time.sleep(args.seconds)
            idle = ours.cpu() - idle
            figures = []
            for _ in range(3):
                before = ours.cpu()
                requests, _ = wrk(ours.port, args.seconds, 64)
                figures.append((ours.cpu() - before - idle) / requests * 1e6)
            us = statistics.median(figures)
            first = first or us
            table.say(f"| {n} | {us:.2f} (heartbeats {idle / args.seconds * 100:.1f} % of a core) | {us / first:.2f} |")
        finally:
            ours.stop()
            origin.stop()


def row_workers(args, folder, table):
    one = peers.ringmaster(folder, core="0,1")
    two = peers.ringmaster(folder, workers=2, port=24005, core="0,1")
    two.name = "two workers"
    try:
        costs = rounds(args, [one, two], lambda p: cost(p, args.seconds, 64))
    finally:
        one.stop()
        two.stop()
    table.compare("Two workers beside one, both on both cores", "µs CPU a request", costs, f"wrk -t1 -c64 -d{args.seconds}")


def open_clients(port, n):
    held = []
    for _ in range(n):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(b"GET /home HTTP/1.1\r\nHost: bench\r\n\r\n")
        s.recv(4096)
        held.append(s)
    return held


def row_idle(args, folder, table):
    table.say("\n### Memory of an idle keep-alive connection\n\n| | KiB each (PSS growth over 4,000) |\n|---|---|")
    for make in (peers.ringmaster, peers.nginx, peers.haproxy):
        peer = make(folder)
        if not peer:
            continue
        warm = open_clients(peer.port, 50)
        before = peer.pss_kib()
        held = open_clients(peer.port, 4000)
        table.say(f"| {peer.name} | {(peer.pss_kib() - before) / 4000:.3f} |")
        for s in warm + held:
            s.close()
        peer.stop()


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{model.group(1) if model else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"


def versions():
    found = []
    for command in (["nginx", "-v"], ["haproxy", "-v"], ["wrk", "-v"]):
        try:
            out = subprocess.run(command, capture_output=True, text=True, check=False)
            found.append((out.stdout + out.stderr).splitlines()[0].strip())
        except OSError:
            found.append(f"no {command[0]}")
    return "; ".join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", default=",".join(ROWS), help="of " + ",".join(ROWS))
    parser.add_argument("--out", type=pathlib.Path, help="also write the table there")
    args = parser.parse_args()
    table = Table()
    table.say(f"# What a request costs, {datetime.date.today().isoformat()}\n\n{machine()}. {versions()}.\n"
              f"The proxy alone on core 0, replica and wrk on core 1; median of {args.rounds} rounds in turn.\n"
              f"`script/bench --rounds {args.rounds} --seconds {args.seconds}`")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.chmod(folder, 0o755)
        for row in args.only.split(","):
            if row not in ("bodies", "replicas"):
                peers.replica()
            try:
                globals()[f"row_{row}"](args, folder, table)
            finally:
                peers.stop_all()
    if args.out:
        args.out.write_text("\n".join(table.lines) + "\n")


if __name__ == "__main__":
    main()
