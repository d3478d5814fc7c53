#!/usr/bin/python3
"""What a request costs: Ringmaster beside nginx, HAProxy and a relay that parses nothing.

  script/bench [--rounds N] [--seconds N] [--only ROW,…] [--out FILE]

Each figure is CPU time of the proxy's process (user and system) for each request or GiB: absolute rates depend on what else the
machine does, this does not. The peers are measured in turn, A B C D A B C D; each round gives a ratio, and the median of the rounds counts.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import peers

ROWS = ["small", "log", "close", "bodies", "uploads", "unsent", "connections", "replicas", "workers", "idle", "latency", "reload"]


def run_wrk(port, seconds, connections, *extra):
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}", *extra,
               f"http://127.0.0.1:{port}/home"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    errors = re.search(r"(Socket errors.*|Non-2xx.*)", out)
    if errors:
        print(f"    note: port {port}: {errors.group(1)}", file=sys.stderr)
    return out, command


def wrk(port, seconds, connections, *extra):
    out, command = run_wrk(port, seconds, connections, *extra)
    return int(re.search(r"(\d+) requests in", out).group(1)), command


def cost(peer, seconds, connections, *extra):
    """Microseconds of CPU a request."""
    before = peer.cpu()
    requests, _ = wrk(peer.port, seconds, connections, *extra)
    return (peer.cpu() - before) / requests * 1e6


def download_cost(peer, seconds, connections):
    """CPU seconds a GiB; what was on its way when the time was up counts, too."""
    before = peer.cpu()
    out, _ = run_wrk(peer.port, seconds, connections)
    cpu = peer.cpu() - before
    read = re.search(r"([\d.]+)([KMGT]?)B read", out)
    return cpu / (float(read.group(1)) * 1024.0 ** (" KMGT".index(read.group(2) or " ") - 3))


def load(folder, peer, seconds, connections, how, n, meanwhile=None):
    """bench/proxy/load: how is "rate" (requests a second) or "flight" (unanswered at a time). Its figures, and under "us" the CPU a
    request while all connections were open. meanwhile() runs once they are."""
    command = ["taskset", "-c", "1", str(peers.built(folder, "load")), str(peer.port), str(connections), str(seconds), how, str(int(n))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        cpu = peer.cpu()
        if meanwhile:
            meanwhile()
        out = json.loads(process.stdout.readline())
        out["us"] = (peer.cpu() - cpu) / max(out["requests"], 1) * 1e6
    return out


class Table:
    """Collects rows and prints them as Markdown, and at the end each figure beside its goal."""

    def __init__(self):
        self.lines, self.goals = [], []

    def goal(self, what, figure, reach, at_most=True):
        """figure and reach are numbers; the verdict is printed at the end."""
        met = figure <= reach if at_most else figure >= reach
        self.goals.append(f"| {what} | {figure:.2f} | {'≤' if at_most else '≥'} {reach:.2f} | {'met' if met else 'missed'} |")

    def verdict(self):
        self.say("\n## Goals\n\n| figure | measured | goal | |\n|---|---|---|---|")
        for line in self.goals:
            self.say(line)

    def say(self, line=""):
        self.lines.append(line)
        print(line, flush=True)

    def compare(self, title, unit, costs, command):
        """costs: name -> figures of each round. The ratio is the peer's figure over ours, round by round; all are returned."""
        ratios = {}
        self.say(f"\n### {title}\n\n| | {unit}, median (min-max) | × ringmaster |\n|---|---|---|")
        ours = costs["ringmaster"]
        for name, figures in costs.items():
            ratio = ratios[name] = statistics.median(f / o for f, o in zip(figures, ours))
            self.say(f"| {name} | {statistics.median(figures):.2f} ({min(figures):.2f}-{max(figures):.2f}) | {ratio:.2f} |")
        self.say(f"\n`{command}`")
        return ratios


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
    return table.compare(title, "µs CPU a request", costs, command)


def better_peer(ratios):
    """The smallest ratio of a real peer over ours: 1 or more means that we are at least as good as the best of them."""
    return min((r for name, r in ratios.items() if name in ("nginx", "haproxy")), default=float("nan"))


def row_small(args, folder, table):
    ratios = side_by_side(args, folder, table, "Small GET, keep-alive, 64 connections", 64)
    table.goal("small GET: ours / bare relay", 1 / ratios["relay"], 1.10)
    for name, reach in (("nginx", 1.20), ("haproxy", 1.35)):
        if name in ratios:
            table.goal(f"small GET: {name} / ours", ratios[name], reach, at_most=False)


def row_log(args, folder, table):
    made = [peers.ringmaster(folder, access=folder / "ringmaster.access"), peers.nginx(folder, access=folder / "nginx.access"),
            peers.haproxy(folder, access=True)]
    made = [p for p in made if p]
    try:
        costs = rounds(args, made, lambda p: cost(p, args.seconds, 64))
    finally:
        for peer in made:
            peer.stop()
    ratios = table.compare("Small GET with the access log on, 64 connections", "µs CPU a request", costs,
                           f"wrk -t1 -c64 -d{args.seconds}")
    if "nginx" in ratios:
        table.goal("access log on: nginx / ours", ratios["nginx"], 1.15, at_most=False)


def row_close(args, folder, table):
    ratios = side_by_side(args, folder, table, "A new connection for each request", 64, "-H", "Connection: close", with_relay=False)
    table.goal("a connection for each request: better peer / ours", better_peer(ratios), 1.0, at_most=False)


def row_bodies(args, folder, table):
    for size, text in ((1 << 20, "1 MiB"), (64 << 20, "64 MiB")):
        made = []
        origin = peers.replica("--body-bytes", size)
        try:
            made = [p for p in (peers.ringmaster(folder), peers.nginx(folder), peers.haproxy(folder)) if p]
            costs = rounds(args, made, lambda p: download_cost(p, args.seconds, 8))
            ratios = table.compare(f"Download, {text} bodies", "CPU s a GiB", costs, f"wrk -t1 -c8 -d{args.seconds}")
            table.goal(f"download, {text}: better peer / ours", better_peer(ratios), 1.0, at_most=False)
        finally:
            for peer in [*made, origin]:
                peer.stop()


LUA = """wrk.method = "POST"
wrk.body = string.rep("x", {size})
"""


def uploaded():
    """Bytes of all bodies that have come to the sink so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{peers.REPLICA}/", timeout=10) as answer:
        return int(answer.read())


def upload_cost(peer, seconds, script):
    """CPU seconds a GiB; what was on its way when the time was up counts, too."""
    cpu, came = peer.cpu(), uploaded()
    wrk(peer.port, seconds, 8, "-s", script)
    came = uploaded() - came
    return (peer.cpu() - cpu) / (came / 2**30) if came else float("inf")  # all of it may wait in files


def row_uploads(args, folder, table):
    for size, text in ((1 << 20, "1 MiB"), (64 << 20, "64 MiB")):
        script = folder / f"upload-{size}.lua"
        script.write_text(LUA.format(size=size))
        made = []
        origin = peers.sink(folder)
        try:
            made = [p for p in (peers.ringmaster(folder), peers.nginx(folder), peers.haproxy(folder),
                                peers.nginx(folder, port=24006, buffering="on")) if p]
            if len(made) == 4:
                made[-1].name = "nginx, buffering as by default"
            costs = rounds(args, made, lambda p, s=script: upload_cost(p, args.seconds, s))
            ratios = table.compare(f"Upload, {text} bodies", "CPU s a GiB", costs,
                                   f"wrk -t1 -c8 -d{args.seconds} -s POST-{text.replace(' ', '-')}.lua")
            table.goal(f"upload, {text}: better peer / ours", better_peer(ratios), 1.0, at_most=False)
        finally:
            for peer in [*made, origin]:
                peer.stop()


def row_unsent(args, folder, table):
    """What limits.unsent costs those who read: the default beside none."""
    origin = peers.replica("--body-bytes", 64 << 20)
    made = []
    try:
        made = [peers.ringmaster(folder), peers.ringmaster(folder, port=24005, limits="unsent = 0;")]
        made[1].name = "limits.unsent = 0"
        for connections in (1, 8):
            costs = rounds(args, made, lambda p, n=connections: download_cost(p, args.seconds, n))
            table.compare(f"Download, 64 MiB bodies, {connections} connection{'s' * (connections > 1)}: limits.unsent", "CPU s a GiB", costs,
                          f"wrk -t1 -c{connections} -d{args.seconds}")
    finally:
        for peer in [*made, origin]:
            peer.stop()


MANY = 9000  # the relay has a socket to a replica for each client, and there are 20,000 descriptors


def row_connections(args, folder, table):
    table.say("\n### From 10 to 10,000 connections\n\nLeft: always 10 requests unanswered, and the connections take turns. Right: "
              f"a request under way on every one of them, which takes two descriptors each; so where 20,000 are all there are, the last row "
              f"is {MANY}.\n\n| connections | µs CPU a request, 10 under way | × first | all under way | × first |\n|---|---|---|---|---|")
    ours = peers.ringmaster(folder)
    first = None
    try:
        for connections in (10, 100, 1000, 10000):
            some = statistics.median(load(folder, ours, args.seconds, connections, "flight", 10)["us"] for _ in range(args.rounds))
            most = min(connections, MANY)
            load(folder, ours, args.seconds + 1, most, "flight", most)  # opens what it needs towards the replica
            every = statistics.median(load(folder, ours, args.seconds, most, "flight", most)["us"] for _ in range(args.rounds))
            first = first or (some, every)
            table.say(f"| {connections} | {some:.2f} | {some / first[0]:.2f} | {every:.2f} | {every / first[1]:.2f} |")
    finally:
        ours.stop()
    table.say(f"\n`load PORT N {args.seconds} flight 10`; `load PORT N {args.seconds} flight N`")
    table.goal("10 to 10,000 connections, 10 requests under way", some / first[0], 1.3)
    table.goal("10 to 9,000 connections, a request under way on each", every / first[1], 1.3)
    grow_beside(args, folder, table)


def grow_beside(args, folder, table):
    """How much of it is the kernel's: the relay keeps next to nothing for a connection."""
    table.say(f"\nThe others, 10 requests under way:\n\n| | 10 connections | {MANY} | × |\n|---|---|---|---|")
    for make in (peers.relay, peers.ringmaster, peers.nginx, peers.haproxy):
        peer = make(folder)
        if not peer:
            continue
        try:
            few, many = [], []
            for _ in range(args.rounds):
                few.append(load(folder, peer, args.seconds, 10, "flight", 10)["us"])
                many.append(load(folder, peer, args.seconds, MANY, "flight", 10)["us"])
        finally:
            peer.stop()
        ratio = statistics.median(m / f for m, f in zip(many, few))
        table.say(f"| {peer.name} | {statistics.median(few):.2f} | {statistics.median(many):.2f} | {ratio:.2f} |")


def row_replicas(args, folder, table):
    table.say("\n### Ringmaster from 3 to 1,000 replicas\n\nAll are one program on 127.0.x.y. The worker's thread alone; heartbeats are "
              "the control thread's.\n\n| replicas | µs CPU a request | × first | control thread |\n|---|---|---|---|")
    first = None
    for n in (3, 100, 1000):
        addresses = [f"127.0.{i // 250}.{i % 250 + 1}:{peers.REPLICA + 10}" for i in range(n)]
        origin = peers.Process("replica", [peers.BUILD / "bin/backend", "--port", peers.REPLICA + 10, "--quiet"], 1,
                               peers.REPLICA + 10)
        ours = peers.ringmaster(folder, addresses)
        try:
            wrk(ours.port, 2, 64)  # every replica has its connections
            figures, rest, wall = [], ours.cpu() - ours.worker_cpu(), time.monotonic()
            for _ in range(args.rounds):
                before = ours.worker_cpu()
                requests, _ = wrk(ours.port, args.seconds, 64)
                figures.append((ours.worker_cpu() - before) / requests * 1e6)
            rest = (ours.cpu() - ours.worker_cpu() - rest) / (time.monotonic() - wall) * 100
            us = statistics.median(figures)
            first = first or us
            table.say(f"| {n} | {us:.2f} | {us / first:.2f} | {rest:.1f} % of a core |")
        finally:
            ours.stop()
            origin.stop()
    table.goal("3 to 1,000 replicas", us / first, 1.3)


def row_workers(args, folder, table):
    one = peers.ringmaster(folder, core="0,1")
    two = peers.ringmaster(folder, workers=2, port=24005, core="0,1")
    two.name = "two workers"
    try:
        costs = rounds(args, [one, two], lambda p: cost(p, args.seconds, 64))
    finally:
        one.stop()
        two.stop()
    ratios = table.compare("Two workers beside one, both on both cores", "µs CPU a request", costs,
                           f"wrk -t1 -c64 -d{args.seconds}")
    table.goal("two workers / one", ratios["two workers"], 1.1)


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
        each = (peer.pss_kib() - before) / 4000
        table.say(f"| {peer.name} | {each:.3f} |")
        if peer.name == "ringmaster":
            table.goal("KiB of an idle connection", each, 0.36)
        for s in warm + held:
            s.close()
        peer.stop()


WINDOWS = 5  # runs of a second, in each round


def row_latency(args, folder, table):
    """The same rate for all: half of what the slowest of them can do with a core. Clients and replica are one thread (bench/proxy/load.c says why)."""
    both = peers.Both(folder)
    made = [p for p in (peers.ringmaster(folder), peers.nginx(folder), peers.haproxy(folder)) if p]
    try:
        most = {p.name: 1e6 / statistics.median(cost(p, args.seconds, 64) for _ in range(3)) for p in made}
        rate = int(min(most.values()) / 2)
        figures = {p.name: [] for p in made}
        for _ in range(WINDOWS * args.rounds):
            for p in made:
                figures[p.name].append(both.measure(p.port, 64, 1, rate))
    finally:
        for p in [*made, both]:
            p.stop()
    table.say(f"\n### Latency at half of saturation\n\nSaturation (a second over the CPU of a request, wrk, 64 connections): "
              f"{', '.join(f'{n} {int(r)}/s' for n, r in most.items())}. All get {rate} requests a second, at their intended times; latency "
              f"counts from then. Clients and replica are one thread, so that no scheduler decides between them. {WINDOWS * args.rounds} runs of a "
              "second each, in turn: a machine that stands still for milliseconds spoils few of them.\n\n"
              "| | answered | p50 µs | p99 µs, median (quartiles) | p99.9 µs | p99, ours / this |\n|---|---|---|---|---|---|")
    middle = {name: statistics.median(r["p99"] for r in runs) for name, runs in figures.items()}
    for name, runs in figures.items():
        p50, p99, p999 = ([r[q] for r in runs] for q in ("p50", "p99", "p999"))
        low, _, high = statistics.quantiles(p99, n=4)
        answered = sum(r["requests"] for r in runs) / (rate * len(runs))
        table.say(f"| {name} | {answered:.1%} | {statistics.median(p50):.0f} | {middle[name]:.0f} ({low:.0f}-{high:.0f}) | "
                  f"{statistics.median(p999):.0f} | {middle['ringmaster'] / middle[name]:.2f} |")
    table.say(f"\n`load serve {peers.REPLICA}`, told `PORT 64 1 rate {rate}`")
    others = [m for name, m in middle.items() if name != "ringmaster"]
    if others:
        table.goal("p99 at half of saturation: ours / better peer", middle["ringmaster"] / min(others), 1.0)


RELOADS = 3  # in each run, a second apart


def reload_ringmaster(peer):
    request = urllib.request.Request(f"http://127.0.0.1:{peer.port}/reload", method="POST")
    start = time.monotonic()
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()  # every worker serves by the new configuration
    return time.monotonic() - start


def is_there(pid):
    try:
        return " Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def old_gone(old, start):
    """Seconds until the process is gone: the last old answer is given by then."""
    while is_there(old):
        if time.monotonic() - start > 5:
            break
        time.sleep(0.001)
    return time.monotonic() - start


def children_of(pid):
    return [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def reload_master(peer, how):
    """nginx on SIGHUP, HAProxy on SIGUSR2: a new worker is started, the old one leaves."""
    old, start = peer.pid, time.monotonic()
    os.kill(peer.process.pid, how)
    took = old_gone(old, start)
    new = [c for c in children_of(peer.process.pid) if c != old]
    peer.pid = new[-1] if new else old
    return took


def row_reload(args, folder, table):
    made = [(peers.ringmaster(folder), reload_ringmaster)]
    nginx, haproxy = peers.nginx(folder), peers.haproxy(folder, switches=("-W",))
    if nginx:
        made.append((nginx, lambda p: reload_master(p, signal.SIGHUP)))
    if haproxy:
        haproxy.pid = children_of(haproxy.process.pid)[0]
        made.append((haproxy, lambda p: reload_master(p, signal.SIGUSR2)))
    table.say(f"\n### A reload at full load\n\n64 connections, each with a request under way; {RELOADS} reloads in {RELOADS + 1} s. The old "
              "configuration's end: Ringmaster's answer to POST /reload (vetting included), the old process's exit of the others, at most 5 s."
              "\n\n| | p99 µs without | with | ratio | old gone after ms | connections closed | requests lost |\n|---|---|---|---|---|---|---|")
    try:
        for peer, reload in made:
            ratios, without, during, took, closed, lost = [], [], [], [], 0, 0

            def reloads(p=peer, r=reload, t=took):
                for _ in range(RELOADS):
                    t.append(r(p) * 1000)
                    time.sleep(max(0, 1 - t[-1] / 1000))

            for _ in range(args.rounds):
                without.append(load(folder, peer, RELOADS + 1, 64, "flight", 64)["p99"])
                got = load(folder, peer, RELOADS + 1, 64, "flight", 64, reloads)
                during.append(got["p99"])
                ratios.append(during[-1] / without[-1])
                closed, lost = closed + got["closed"], lost + got["errors"] + got["bad"]
            table.say(f"| {peer.name} | {statistics.median(without):.0f} | {statistics.median(during):.0f} | {statistics.median(ratios):.2f} | "
                      f"{statistics.median(took):.0f} | {closed} | {lost} |")
            if peer.name == "ringmaster":
                table.goal("p99 with reloads / without", statistics.median(ratios), 1.1)
                table.goal("requests lost by reloads", lost, 0)
    finally:
        for peer, _ in made:
            peer.stop()
    table.say(f"\n`load PORT 64 {RELOADS + 1} flight 64`; `POST /reload`, `kill -HUP`, `kill -USR2`")


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
            if row not in ("latency", "bodies", "uploads", "unsent", "replicas"):
                peers.replica()
            try:
                globals()[f"row_{row}"](args, folder, table)
            finally:
                peers.stop_all()
    table.verdict()
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text("\n".join(table.lines) + "\n")


if __name__ == "__main__":
    main()
