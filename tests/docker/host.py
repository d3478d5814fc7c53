"""host.py - a balancer on this machine, outside of containers, whose replicas are containers; and the engine's own view of them.

Owns     the network rmhost and everything with the label ringmaster.instance=rmhost.
Used by  test_host.py, bench/recovery.

Beside house.py this is the way for builds that no image has: with sanitizers, or just compiled.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
from harness import until  # noqa: E402
from ringmaster import Ringmaster  # noqa: E402

SUBNET = "10.247.44.0/24"
NETWORK, IMAGE, INSTANCE = "rmhost", "ringmaster-backend", "rmhost"
DOCKER = "/usr/bin/docker"  # the distribution's, which belongs to its engine


class _Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Engine:
    """The one that tests/docker/engine.sh has started in directory."""

    def __init__(self, directory):
        self.directory = Path(directory).resolve()
        self.socket = str(self.directory / "run" / "docker.sock")
        self.address = f"unix://{self.socket}"

    def script(self, command, **environment):
        subprocess.run([SOURCE / "tests" / "docker" / "engine.sh", command, self.directory], check=True,
                       env={**os.environ, **environment}, stdout=subprocess.DEVNULL, timeout=180)

    def docker(self, *words, check=True):
        done = subprocess.run([DOCKER, "-H", self.address, *words], capture_output=True, text=True, timeout=600, check=False)
        if check and done.returncode:
            raise AssertionError(f"docker {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def make_network(self):
        self.docker("network", "rm", NETWORK, check=False)
        self.docker("network", "create", "--subnet", SUBNET, NETWORK)

    def ask(self, method, path, body=None):
        """By its API, without the client's program."""
        connection = _Unix(self.socket)
        try:
            connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= 300:
                raise AssertionError(f"{method} {path}: {answer.status} {text.decode()}")
            return json.loads(text) if text else None
        finally:
            connection.close()

    def inspect(self, container):
        return self.ask("GET", f"/containers/{container}/json")

    def containers(self):
        """{replica: container id} of those with our label, dead or alive."""
        found = self.ask("GET", "/containers/json?all=1")
        return {c["Labels"]["ringmaster.name"]: c["Id"] for c in found if c["Labels"].get("ringmaster.instance") == INSTANCE}

    def count(self):
        """All containers, whosever they are."""
        return len(self.ask("GET", "/containers/json?all=1"))

    def shims(self):
        """Processes that watch over one container each."""
        mark, found = f"{self.directory}/run/".encode(), 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            found += b"containerd-shim" in words and mark in words
        return found

    def pid(self):
        return int((self.directory / "pid").read_text())


class OnHost(Ringmaster):
    """A balancer whose replicas are containers of that engine."""

    def __init__(self, engine, directory, settings=None):
        self.engine = engine
        docker = {"engine": engine.address, "instance": INSTANCE, "image": IMAGE, "network": NETWORK}
        super().__init__(directory, {"replicas": {"driver": "docker", "docker": docker}})
        if settings:
            self.write(settings)

    def pid_of(self, name):
        return self.engine.inspect(self.replicas()[name]["container"])["State"]["Pid"]

    def settled(self, n=3, within=60):
        """Waits until n serve, all spares are ready and nothing of the dead is left; returns the names of those n."""
        def look():
            names, spares = self.rep(), self.state()["spares"]
            is_whole = len(names) == n and all(spare["state"] == "SPARE" for spare in spares)
            known = names + [spare["name"] for spare in spares]
            return names if is_whole and sorted(self.engine.containers()) == sorted(known) else None
        return until(look, within, f"{n} replicas and no other containers")
