"""containers.py - the rows of replicas in containers, with an Engine of the measurement's own.

Owns     the engine, the image, a network; the balancer runs on this machine (tests/docker/host.py).
Used by  run.py.

A bare start is what one would type: `docker run -d`, then asking until it answers. It and the balancer's replacement take turns,
so that both see the same machine. The same by the API, without the client's program, is printed beside it.
"""

import http.client
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from load import Wrk
from harness import process_alive, until
from watch import LIMIT_S, ROOT, Watch, kinds, say_more, strike

sys.path.insert(0, str(ROOT / "tests" / "docker"))
from host import IMAGE, NETWORK, Engine, OnHost  # noqa: E402

ROWS = ["ckill", "cspare", "cload", "ccycles", "cadopt"]


class OwnEngine(Engine):
    """Why it cannot be had: .missing. One that was up already is left up."""

    def __init__(self):
        super().__init__(os.environ.get("RM_DOCKER_DIR") or ROOT / "build" / "docker")
        pid = self.directory / "pid"
        self.was_up = pid.exists() and process_alive(int(pid.read_text()))
        up = subprocess.run([ROOT / "tests" / "docker" / "engine.sh", "up", self.directory], capture_output=True, text=True, check=False)
        self.missing = up.stderr.strip() if up.returncode else None

    def build(self, target, image):
        self.docker("build", "-q", "--target", target, "-t", image, str(ROOT))

    def clear(self):
        """What a failed row left."""
        for container in self.containers().values():
            self.docker("rm", "-f", container)

    def down(self):
        if not self.was_up:
            self.script("down")


# ---- a bare start

def answers(address, port=5000):
    connection = http.client.HTTPConnection(address, port, timeout=1)
    try:
        connection.request("GET", "/heartbeat")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def time_until_answer(engine, container, start):
    address = engine.inspect(container)["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]
    while not answers(address):
        time.sleep(0.0005)
    return (time.monotonic() - start) * 1000


def bare_run(engine):
    start = time.monotonic()
    container = engine.docker("run", "-d", "--network", NETWORK, "-e", "SERVER_ID=bare", IMAGE)
    took = time_until_answer(engine, container, start)
    engine.docker("rm", "-f", container)
    return took


def bare_run_beside_a_death(engine):
    """What the engine itself needs while it clears away a container that was just killed: no balancer can be faster."""
    victim = engine.docker("run", "-d", "--network", NETWORK, "-e", "SERVER_ID=victim", IMAGE)
    time_until_answer(engine, victim, time.monotonic())
    os.kill(engine.inspect(victim)["State"]["Pid"], signal.SIGKILL)
    took = bare_run(engine)
    engine.docker("rm", "-f", victim)
    return took


def bare_calls(engine):
    body = {"Image": IMAGE, "Env": ["SERVER_ID=bare"], "HostConfig": {"NetworkMode": NETWORK}}
    start = time.monotonic()
    container = engine.ask("POST", "/containers/create", body)["Id"]
    engine.ask("POST", f"/containers/{container}/start")
    took = time_until_answer(engine, container, start)
    engine.docker("rm", "-f", container)
    return took


# ---- the rows

def ckill(report, mine, arguments):
    watch = Watch(mine)
    outs, backs, bare, beside, calls = [], [], [], [], []
    for number in range(arguments.runs):
        mine.settled()
        out, back = strike(mine, watch, number)
        mine.settled()
        outs.append(out)
        backs.append(back)
        bare.append(bare_run(mine.engine))
        mine.settled()
        beside.append(bare_run_beside_a_death(mine.engine))
        mine.settled()
        calls.append(bare_calls(mine.engine))
    report.row("container killed (-9) → out of rotation", "≤ 50 ms", outs)
    report.row("container killed (-9) → replacement answering", "≤ 1.2 × bare", backs)
    report.row("a bare `docker run -d` → first answer", "-", bare)
    report.row("a bare `docker run -d`, another container killed as it begins → first answer", "-", beside)
    report.row("a bare start by the engine's API → first answer", "-", calls)
    ratio = statistics.median(backs) / statistics.median(bare)
    worst = max(back / one for back, one in zip(backs, bare))
    beside_ratio = statistics.median(backs) / statistics.median(beside)
    report.say(f"| replacement answering / bare `docker run` beside a death | - | {beside_ratio:.2f} | - | {len(bare)} |")
    report.say(f"| replacement answering / bare `docker run` | ≤ 1.2 | {ratio:.2f} | {worst:.2f} | {len(bare)} |")


def cspare(report, mine, arguments):
    """The same with one spare: what it takes then is no start."""
    assert mine.reload({"replicas": {"spares": 1}}).status == 200
    watch = Watch(mine)
    outs, backs, bare = [], [], []
    for number in range(arguments.runs):
        mine.settled()
        out, back = strike(mine, watch, number)
        outs.append(out)
        backs.append(back)
        mine.settled()
        bare.append(bare_run(mine.engine))
    report.row("container killed (-9), `spares = 1` → out of rotation", "≤ 50 ms", outs)
    report.row("container killed (-9), `spares = 1` → replacement answering", "≤ 1.2 × bare", backs)
    report.row("a bare `docker run -d` → first answer", "-", bare)
    worst = max(back / one for back, one in zip(backs, bare))
    report.say(f"| replacement answering with `spares = 1` / bare `docker run` | ≤ 1.2 | "
               f"{statistics.median(backs) / statistics.median(bare):.2f} | {worst:.2f} | {len(bare)} |")


def cload(report, mine, arguments):
    """Kills at full load, each as soon as N is whole."""
    watch = Watch(mine)
    started = time.monotonic()
    with Wrk(mine.port, connections=64) as clients:
        for number in range(arguments.kills):
            victim = watch.names()[number % 3]
            os.kill(mine.pid_of(victim), signal.SIGKILL)
            until(lambda victim=victim: victim not in watch.names() and len(watch.names()) == 3, LIMIT_S, "N")
        took = time.monotonic() - started
    errors = sum(clients.socket_errors.values())
    report.say(f"| failed GETs at full load, {arguments.kills} containers killed in {took:.1f} s | 0 | "
               f"{clients.failed + errors} | of {clients.requests} requests | 1 |")


def ccycles(report, mine, arguments):
    """/add and /rm ten at a time.

    The balancer's sockets to its engine are counted apart: of idle ones it keeps up to 16 (CONNECTIONS_KEPT in engine.c), and how many
    it has depends on how many calls were under way at once. Four more unix sockets are libcurl's, which wakes itself up."""
    once, engine = 10, mine.engine
    assert mine.reload({"replicas": {"add_timeout_ms": 60000}}).status == 200  # ten at once take their time

    def turn():
        reply = mine.ask("POST", "/add", body=json.dumps({"n": once}), patience=70)
        assert reply.status == 200, reply
        names = reply.json()["message"]["added"]
        assert mine.rm({"n": once, "hostnames": names}).status == 200
        until(lambda: len(mine.state()["replicas"]) == 3, LIMIT_S, "those that were removed to be gone")
        mine.settled()

    def count():
        of_all = kinds(mine.pid)
        connections = of_all["unix socket"]
        return of_all, [of_all.total() - connections, connections, len(mine.survivors()), engine.count(), engine.shims(),
                        len(os.listdir(f"/proc/{engine.pid()}/fd"))]

    turn()
    kinds_before, before = count()
    for _ in range(arguments.cycles // once):
        turn()
    until(lambda: engine.shims() <= before[4], LIMIT_S, "shims to be gone")
    kinds_after, after = count()
    say_more(kinds_before, kinds_after)
    for what, reach, old, new in zip(
            ["descriptors", "idle sockets to the engine", "processes", "containers", "shims", "descriptors of the engine"],
            ["0", "≤ 20 in all", "0", "0", "0", "-"], before, after):
        report.say(f"| {what} left after {arguments.cycles} starts and stops of containers | {reach} | {new - old} | "
                   f"{old} → {new} | 1 |")


def cadopt(report, mine, arguments):
    """kill -9 of the balancer; the next one finds them."""
    restarted, times = 0, []
    for _ in range(arguments.runs):
        before = set(mine.engine.containers().values())
        mine.process.kill()
        mine.process.wait()
        start = time.monotonic()
        mine.start()
        times.append((time.monotonic() - start) * 1000)
        restarted += len(set(mine.engine.containers().values()) ^ before) + sum(row["restarts"] for row in mine.state()["replicas"])
    report.row("balancer killed (-9), started again → all three in rotation", "-", times)
    report.say(f"| replicas restarted meanwhile | 0 | {restarted} | of {3 * arguments.runs} | {arguments.runs} |")


def measure_containers(report, rows, arguments):
    engine = OwnEngine()
    if engine.missing:
        report.say(f"\nContainers are left out: {engine.missing}")
        return
    try:
        engine.build("backend", IMAGE)
        engine.make_network()
        for row in rows:
            with tempfile.TemporaryDirectory(prefix="recovery-") as directory:
                mine = OnHost(engine, pathlib.Path(directory))
                mine.signal = signal.SIGKILL
                try:
                    mine.start()
                    globals()[row](report, mine, arguments)
                    mine.stop(within=60)
                    assert engine.count() == 0, "containers are left"
                finally:
                    mine.clean_up()
                    engine.clear()
    finally:
        engine.docker("network", "rm", NETWORK, check=False)
        engine.down()
