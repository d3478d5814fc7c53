"""stack.py - deploy/stack.yml on the machines of nodes.py: what its balancers say, and what becomes of a machine that is lost.

Owns     the swarm of these machines and the stack ringmaster on it.
Used by  test_swarm.py, bench/recovery.

A balancer is asked at its machine's address; what changes something comes from the machine itself, as control_from
of conf/swarm.conf wants it.
"""

import contextlib
import datetime
import json
import os
import re
import subprocess
import time
from collections import Counter
from dataclasses import dataclass

from house import SOURCE, TRAFFIC, Load, ask, until
from keys import answers, placed
from nodes import DOCKER, FAST, Nodes

IMAGES = {"RINGMASTER_IMAGE": "ringmaster", "BACKEND_IMAGE": "ringmaster-backend",
          "SOCKET_PROXY_IMAGE": "ringmaster-socket-proxy"}
SERVICE = "ringmaster_replicas"
LABEL = "label=com.docker.swarm.service.name="


def slots(*numbers):
    return [f"{SERVICE}.{number}" for number in numbers]


WHOLE = slots(1, 2, 3)


def moment(text):
    """Seconds since the epoch of what an engine prints, which has as many digits as it needs."""
    found = re.fullmatch(r"([^.Z]+)(\.\d+)?Z", text)
    whole = datetime.datetime.fromisoformat(found[1] + "+00:00").timestamp()
    return whole + float(found[2] or 0)


class Stack:
    def __init__(self, nodes):
        self.nodes = nodes
        self.manager = nodes[0]
        self.alive = []  # nodes of the swarm that are there

    def deploy(self):
        environment = {**os.environ, **{name: FAST + image for name, image in IMAGES.items()}}
        environment["DOCKER_HOST"] = f"unix://{self.manager.socket}"
        subprocess.run([DOCKER, "stack", "deploy", "--resolve-image", "never", "-c", "deploy/stack.yml", "ringmaster"],
                       cwd=SOURCE, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=60)

    # ---- looking

    @staticmethod
    def rep(node):
        status, text = ask("GET", "/rep", host=node.address, timeout=5)
        assert status == 200, text
        return json.loads(text)["message"]["replicas"]

    @staticmethod
    def placed(node, keys):
        return placed(TRAFFIC, keys, node.address)

    @staticmethod
    def balancer(node):
        """The container's id."""
        return node.docker("ps", "-q", "--no-trunc", "--filter", f"{LABEL}ringmaster_balancer")

    def state(self, node):
        return json.loads(node.docker("exec", self.balancer(node), "curl", "-sS", "127.0.0.1:9901/_lb/state"))

    def digests(self):
        return {self.state(node)["strategy"]["table"]["digest"] for node in self.alive}

    def containers(self):
        """{replica: (node, container id)} of those that run."""
        out = {}
        for node in self.alive:
            lines = node.docker("ps", "--no-trunc", "--filter", f"{LABEL}{SERVICE}", "--format", "{{.Names}} {{.ID}}").splitlines()
            out.update({line.split()[0].rsplit(".", 1)[0]: (node, line.split()[1]) for line in lines})
        return out

    def tasks(self):
        """{replica: (state, since when)} of the tasks that shall run, as the manager knows them."""
        ids = self.manager.docker("service", "ps", "-q", "--no-trunc", "--filter", "desired-state=running", SERVICE).split()
        found = json.loads(self.manager.docker("inspect", "--type", "task", *ids))
        return {slots(task["Slot"])[0]: (task["Status"]["State"], moment(task["Status"]["Timestamp"])) for task in found}

    def leader(self):
        """The node that leads."""
        lines = self.manager.docker("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}").splitlines()
        return next(node for node in self.nodes if f"{node.hostname} Leader" in lines)

    def whole(self, *numbers, within=60):
        """Waits until every balancer has exactly these slots in rotation."""
        wanted = slots(*numbers or (1, 2, 3))
        for node in self.alive:
            until(lambda: self.rep(node) == wanted, within=within, what=f"{wanted} at {node.address}")  # noqa: B023
        until(lambda: sorted(self.containers()) == sorted(wanted), within=within, what="a container each")

    # ---- doing

    @staticmethod
    def change(node, method, path, body):
        return json.loads(node.inside("curl", "-sS", "-X", method, "-d", body, f"127.0.0.1:{TRAFFIC}{path}"))

    def ready(self):
        """Waits until the manager knows all machines that are there, and no other one, as well, and hears of all managers: one that
        it does not hear of yet is no help when the next one is lost."""
        def look():
            lines = self.manager.docker("node", "ls", "--format", "{{.Status}} {{.ManagerStatus}}").splitlines()
            return len(lines) == len(self.alive) and all(re.fullmatch("Ready( Leader| Reachable|)", line.rstrip()) for line in lines)
        until(look, within=60, what=f"{len(self.alive)} nodes")

    def spread(self):
        """Swarm moves nobody to a machine that is new or back. So each such one is, for a moment, the only one that is given
        anything, while a replica of where most are ends as if by itself."""
        for node in self.alive:
            there = self.containers()
            count = Counter(at for at, _ in there.values())
            if count[node]:
                continue
            others = [other for other in self.alive if other is not node]
            name = next(name for name in sorted(there) if there[name][0] is max(others, key=lambda other: count[other]))
            self._available("pause", others)
            there[name][0].docker("stop", there[name][1])
            until(lambda: self.containers()[name][0] is node, within=60, what="its successor")  # noqa: B023
            self._available("active", others)
            self.whole()

    def _available(self, how, nodes):
        for node in nodes:
            self.manager.docker("node", "update", "--availability", how, node.hostname)

    def log(self):
        for node in self.alive:
            print(f"---- {node.name}")
            print(node.docker("node", "ls", check=False))
            print(node.docker("service", "ps", SERVICE, check=False))
            done = subprocess.run([DOCKER, "-H", f"unix://{node.socket}", "logs", "--tail", "60", self.balancer(node)],
                                  capture_output=True, text=True, check=False)
            print(done.stdout + done.stderr)
            print((node.directory / "dockerd.log").read_text(errors="replace")[-4000:])


@contextlib.contextmanager
def stack_on(docker, directory, machines, roles):
    """So many engines with the images of the one that docker() speaks to; of them the first, and as many others as there are
    roles for, are a swarm with the stack on it."""
    archive = directory / "images.tar"
    directory.mkdir(parents=True, exist_ok=True)
    for image in IMAGES.values():
        docker("tag", image, FAST + image)
    docker("save", "-o", str(archive), *(FAST + image for image in IMAGES.values()))
    nodes = Nodes(directory, machines)
    try:
        nodes.load(archive)
        archive.unlink()
        nodes.begin_swarm()
        made = Stack(nodes)
        for node, role in zip(nodes.list[1:], roles):
            nodes.join(node, role)
        made.alive = nodes.list[:1 + len(roles)]
        made.deploy()
        yield made
    finally:
        nodes.close()


# ---- a machine is lost

@dataclass
class Loss:
    """What the balancers of the other machines did, in seconds since the cable was out."""

    gone: list  # replicas that ran there
    out: float = 0.0  # none of them is in rotation anywhere
    started: float = 0.0  # the engine has started the last successor
    back: float = 0.0  # N in rotation everywhere
    moved: int = 0  # keys of the other replicas that another one answered while some were gone
    asked: int = 0  # GETs begun after it was noticed
    failed: list = None  # those of them that failed
    early_asked: int = 0
    early_failed: int = 0


def lose(stack, victim, keys):
    """The machine loses its power. Everybody else is asked without a pause until N is back."""
    there = stack.containers()
    loss = Loss([name for name, (node, _) in there.items() if node is victim])
    assert loss.gone, "nothing ran on it"
    stack.alive.remove(victim)
    before = stack.placed(stack.alive[0], keys)
    with contextlib.ExitStack() as loads:
        early = [loads.enter_context(Load(node.address, 5)) for node in stack.alive]
        began, clock = time.monotonic(), time.time()
        victim.power_off()
        for node in stack.alive:
            until(lambda: not set(loss.gone) & set(stack.rep(node)), within=60, what="out of rotation")  # noqa: B023
        loss.out = time.monotonic() - began
        late = [loads.enter_context(Load(node.address, 5)) for node in stack.alive]
        seen = sum((answers(TRAFFIC, keys, node.address) for node in stack.alive), [])
        for node in stack.alive:
            until(lambda: stack.rep(node) == WHOLE, within=120, what="N again")  # noqa: B023
        loss.back = time.monotonic() - began
    there = stack.containers()
    starts = [there[name][0].docker("inspect", "--format={{.State.StartedAt}}", there[name][1]) for name in loss.gone]
    loss.started = max(map(moment, starts)) - clock
    # Keys of the others stay where they are; those of the lost ones are answered by somebody.
    loss.moved = sum(old not in loss.gone and old != new for old, (_, new) in zip(before * len(stack.alive), seen))
    loss.failed = sum((load.failed for load in late), []) + [str(status) for status, _ in seen if status != 200]
    loss.asked = sum(load.count for load in late) + len(seen)
    loss.early_asked, loss.early_failed = sum(load.count for load in early), sum(len(load.failed) for load in early)
    for node in stack.alive:
        assert stack.placed(node, min(keys, 1000)) == before[:1000], "keys are not where they were"
    assert len(stack.digests()) == 1
    return loss
