"""house.py - the balancer of docker-compose.yml on an engine of the tests' own, and what one can do to it.

Owns     the compose project rmtest and a copy of conf/.
Used by  test_docker.py.

The engine is brought up by tests/docker/run, which says where it is. Waiting is `until` of tests/e2e/harness.py.
"""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "e2e"))
from harness import until  # noqa: E402

PROJECT = "rmtest"
TRAFFIC, SECOND, ADMIN = 5000, 7432, 9901


def docker(*words, check=True):
    done = subprocess.run(["/usr/bin/docker", *words], capture_output=True, text=True, timeout=120)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def engine(command, **environment):
    subprocess.run([SOURCE / "tests" / "docker" / "engine.sh", command, os.environ["RM_DOCKER_DIR"]], check=True,
                   env={**os.environ, **environment}, stdout=subprocess.DEVNULL, timeout=180)


def ask(method, path, body=None, port=TRAFFIC, timeout=30, host="127.0.0.1"):
    """(status, text) of one request."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class House:
    def __init__(self, directory):
        self.conf = directory / "conf"
        shutil.copytree(SOURCE / "conf", self.conf)
        self.set("replicas = {", "health = { dead_after = 6; };\nreplicas = {\n    add_timeout_ms = 4000;")
        self.override = directory / "override.yml"
        self.override.write_text(
            f"services: {{ ringmaster: {{ volumes: [ '{self.conf}:/etc/ringmaster:ro' ] }} }}\n")

    def compose(self, *words):
        files = ["-f", str(SOURCE / "docker-compose.yml"), "-f", str(self.override)]
        subprocess.run(["/usr/bin/docker-compose", "-p", PROJECT, *files, *words], check=True, timeout=180,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    # ---- configuration

    def set(self, old, new):
        """Changes conf/docker.conf; returns how to change it back."""
        path = self.conf / "docker.conf"
        text = path.read_text()
        assert old in text, old
        path.write_text(text.replace(old, new, 1))
        return new, old

    def reload(self):
        status, text = ask("POST", "/reload", "")
        assert status == 200, text

    # ---- looking

    def rep(self, port=TRAFFIC):
        status, text = ask("GET", "/rep", port=port)
        assert status == 200, text
        return json.loads(text)["message"]["replicas"]

    def state(self, host="127.0.0.1"):
        return json.loads(ask("GET", "/_lb/state", port=ADMIN, host=host)[1])

    def address(self):
        """Where the balancer is reached when nobody publishes its ports: that is done by the engine."""
        return docker("inspect", "-f", "{{.NetworkSettings.Networks.ringmaster.IPAddress}}", f"{PROJECT}_ringmaster_1")

    def rows(self):
        return {row["name"]: row for row in self.state()["replicas"]}

    def containers(self):
        """{replica: container id} of all that have our label, dead or alive."""
        out = docker("ps", "-a", "--no-trunc", "--filter", f"label=ringmaster.instance={PROJECT}", "--format",
                     '{{.Label "ringmaster.name"}}={{.ID}}')
        return dict(line.split("=") for line in out.splitlines())

    def whole(self, n=3):
        """Waits until n replicas are in rotation and each has one container; returns their names."""
        def look():
            names = self.rep()
            return names if len(names) == n and sorted(self.containers()) == sorted(names) else None
        return until(look, within=60, what=f"{n} replicas and their containers")

    def log(self):
        return docker("logs", f"{PROJECT}_ringmaster_1", check=False) + subprocess.run(
            ["/usr/bin/docker", "logs", f"{PROJECT}_ringmaster_1"], capture_output=True, text=True).stderr

    def replaced(self, name, what):
        """After something was done to a replica: another one in its place, and the same number as before."""
        def look():
            names = self.rep()
            return names if name not in names and len(names) == 3 else None
        names = until(look, within=60, what=f"a stand-in after {what}")
        assert any(re.fullmatch(r"emergency_\d+", n) for n in names), names
        return self.whole()


class Load:
    """GETs from one thread until it is left; each one that is not answered 200 is kept."""

    def __init__(self, host="127.0.0.1", timeout=30):
        self.host, self.timeout = host, timeout

    def __enter__(self):
        self.failed, self.count, self._end = [], 0, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def _run(self):
        while not self._end.wait(0.002):
            self.count += 1
            try:
                status, text = ask("GET", f"/home?request_id={self.count}", host=self.host, timeout=self.timeout)
                if status != 200:
                    self.failed.append(f"{status} {text[:80]}")
            except OSError as problem:
                self.failed.append(repr(problem))

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
