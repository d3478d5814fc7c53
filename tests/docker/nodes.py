"""nodes.py - the machines of a swarm, all on this one: an engine each, in namespaces of its own.

Owns     the bridge rmswarm, the namespaces and the engine of each node, everything below its directory.
Used by  stack.py.

A node has an address in 10.247.60.0/24, its own ports, iptables, mounts, name and /run, so that its engine's socket is
/var/run/docker.sock to itself, and nothing in common with the engine of the machine. Swarm refuses engines with live-restore. There is no IPVS in many kernels, so services want endpoint mode dnsrr
and ports in host mode. Images come from an archive; their names must not lead to a registry (see FAST).
"""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from harness import until

BRIDGE = "rmswarm"
SUBNET = "10.247.60"
DOCKER = "/usr/bin/docker"
# A manager looks the image's digest up before it makes a service, and an engine before it starts a task. Nobody listens
# at port 1 of the machine itself, so that fails at once, and the image that was loaded is used.
FAST = "127.0.0.1:1/"


def run(*words, check=True, timeout=120):
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def family(pattern):
    """Every process whose command line has the text, and all their descendants, parents first."""
    parents, chosen = {}, []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            if pattern in line and int(entry.name) != os.getpid():
                chosen.append(int(entry.name))
    for pid in chosen:
        chosen += [child for child, parent in parents.items() if parent == pid and child not in chosen]
    return chosen


class Node:
    def __init__(self, number, directory):
        self.number, self.name = number, f"rmswarm{number}"
        self.hostname = f"node{number}"
        self.address = f"{SUBNET}.{number}"
        self.directory = directory / f"node{number}"
        self.socket = self.directory / "run" / "docker.sock"
        self.dockerd = None

    def docker(self, *words, check=True, timeout=120):
        return run(DOCKER, "-H", f"unix://{self.socket}", *words, check=check, timeout=timeout)

    def inside(self, *words, check=True):
        """A program in the node's network. Not `ip netns exec`, which would mount another /sys, without cgroups."""
        return run("nsenter", f"--net=/run/netns/{self.name}", *words, check=check)

    def plug_in(self):
        inner, outer = f"{self.name}i", f"{self.name}o"
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
        run("ip", "link", "set", outer, "master", BRIDGE, "up")
        run("ip", "link", "set", inner, "netns", self.name)
        self.inside("ip", "link", "set", inner, "name", "eth0")
        self.inside("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "route", "add", "default", "via", f"{SUBNET}.254")

    def start(self):
        """Its mounts are gone with the last of its processes; its directory is in the command line of each engine's part."""
        script = 'mount --bind "$1/run" /run && hostname "$2" && exec dockerd --data-root "$1/data" --exec-root "$1/exec"'
        with open(self.directory / "dockerd.log", "ab") as log:
            self.dockerd = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.name}", "unshare", "--mount", "--uts",
                 "sh", "-c", script, "sh", str(self.directory), self.hostname],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def wait_up(self):
        try:
            until(lambda: subprocess.run([DOCKER, "-H", f"unix://{self.socket}", "version"], capture_output=True,
                                         check=False).returncode == 0, within=60, what="an engine")
        except AssertionError:
            print((self.directory / "dockerd.log").read_text()[-3000:])
            raise

    def power_off(self):
        """Nobody says good-bye: the cable is out before the engine, what serves it, and every container are killed."""
        run("ip", "link", "set", f"{self.name}o", "down", check=False)
        for _ in range(3):  # what was being started while the first ones were killed
            pids = family(f"{self.directory}/")
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not pids:
                break
        if self.dockerd:
            self.dockerd.wait()
            self.dockerd = None

    def pull_down(self):
        """What does not outlive a machine's power: its network and its /run."""
        run("ip", "link", "del", f"{self.name}o", check=False)
        run("ip", "netns", "del", self.name, check=False)
        shutil.rmtree(self.directory / "run", ignore_errors=True)
        shutil.rmtree(self.directory / "exec", ignore_errors=True)

    def power_on(self):
        self.pull_down()
        (self.directory / "run").mkdir(parents=True)
        self.plug_in()
        self.start()


class Nodes:
    """So many engines that know nothing of each other yet; nodes[0] is the first one."""

    def __init__(self, directory, n):
        self.directory = Path(directory)
        self.list = []
        run("ip", "link", "add", BRIDGE, "type", "bridge")  # somebody else's, if there is one: close() is not for that
        try:
            self._plug_in()
            for number in range(1, n + 1):
                self.list.append(Node(number, self.directory))
                self.list[-1].power_on()
            for node in self.list:
                node.wait_up()
        except BaseException:
            self.close()
            raise

    def __getitem__(self, index):
        return self.list[index]

    def __iter__(self):
        return iter(self.list)

    @staticmethod
    def _plug_in():
        run("ip", "address", "add", f"{SUBNET}.254/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        for way in ("-i", "-o"):  # an engine of the machine sets FORWARD to DROP
            run("iptables", "-I", "FORWARD", way, BRIDGE, "-j", "ACCEPT")

    def load(self, archive):
        """An archive of `docker save`, into all of them at once."""
        loads = [subprocess.Popen([DOCKER, "-H", f"unix://{node.socket}", "load", "-q", "-i", str(archive)],
                                  stdout=subprocess.DEVNULL) for node in self.list]
        assert [load.wait(120) for load in loads] == [0] * len(loads)

    def begin_swarm(self):
        """Of the first one."""
        self.list[0].docker("swarm", "init", "--advertise-addr", self.list[0].address)

    def join(self, node, role):
        first = self.list[0]
        token = first.docker("swarm", "join-token", "-q", role)
        node.docker("swarm", "join", "--advertise-addr", node.address, "--token", token, f"{first.address}:2377")
        until(lambda: first.docker("node", "inspect", "-f", "{{.Status.State}}", node.hostname) == "ready", within=30, what="ready")

    def close(self):
        for node in self.list:
            node.power_off()
            node.pull_down()
        run("rm", "-rf", *(str(node.directory) for node in self.list), check=False)
        for way in ("-i", "-o"):
            run("iptables", "-D", "FORWARD", way, BRIDGE, "-j", "ACCEPT", check=False)
        run("ip", "link", "del", BRIDGE, check=False)

