"""ringmaster.py - one running balancer: its configuration, its log, its end.

Owns     the Ringmaster class: writes lb.conf into the test's directory, starts the program, waits until it
         serves, stops it, and checks what it left behind.
Used by  the fixtures of conftest.py.

Every start carries a mark in its environment that its replicas inherit; when the balancer has gone, a
process that still carries the mark is a leak, whatever process group or parent it has.
"""

import json
import os
import re
import signal
import subprocess
import uuid
from urllib.parse import quote

from harness import (
    PROGRAM,
    SANITIZER,
    SLOW,
    SOURCE,
    free_ports,
    process_alive,
    processes_with,
    until,
)
from settings import lb_conf, merged
from wire import ask

SANITIZER_REPORTS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: ThreadSanitizer",
    "ThreadSanitizer:",
    "runtime error:",
)

# Quick enough for a test, slow enough for a sanitizer on a busy machine.
DEFAULTS = {
    "listen": None,
    "admin": None,
    "workers": 2,
    "strategy": {
        "scheduler": "scheduler_ring",
        "hash": "hash_murmur",
        "probe": "probe_linear",
        "scheduler_options": {"slots": 4294967296, "virtual_nodes": 1000},
    },
    "replicas": {"driver": "process", "count": 3, "process": {"command": ["backend", "--quiet"]}},
}


class Ringmaster:
    running = []  # every one that was started and not stopped, for the report of a failed test

    def __init__(self, directory, settings=None, text=None, sanitizer_slack=True):
        """settings are laid over DEFAULTS; text (with {listen}, {admin} and {base_port} filled in) replaces
        all of it."""
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config = directory / "lb.conf"
        self.log_path = directory / "ringmaster.log"
        self.port = free_ports()
        self.admin_port = free_ports()
        self.base_port = free_ports(24)
        self.process = None
        self.mark = f"RM_TEST_MARK={uuid.uuid4().hex}".encode()
        self.seen_pids = set()
        self.settings = None
        if text is not None:
            self.config.write_text(self.fill(text))
        else:
            self.settings = merged(DEFAULTS, self.places())
            if SANITIZER and sanitizer_slack:  # a heartbeat may take longer than 200 ms there
                self.settings = merged(
                    self.settings, {"health": {"timeout_ms": 200 * SLOW, "dead_after": 100}}
                )
            self.settings = merged(self.settings, settings or {})
            self.write()

    # ---- configuration

    def places(self):
        return {
            "listen": [f"127.0.0.1:{self.port}"],
            "admin": f"127.0.0.1:{self.admin_port}",
            "replicas": {"process": {"base_port": self.base_port}},
        }

    def fill(self, text):
        for name, value in (("port", self.port), ("admin", self.admin_port), ("base_port", self.base_port)):
            text = text.replace("{" + name + "}", str(value))
        return text

    def write(self, changes=None):
        """Lays changes over the settings and writes lb.conf; a running balancer sees them at the next
        reload."""
        if changes:
            self.settings = merged(self.settings, changes)
        settings = dict(self.settings)
        replicas = dict(settings.get("replicas", {}))
        if replicas.get("driver") in ("static", "dns", "docker"):
            replicas.pop("process", None)
            settings["replicas"] = replicas
        self.config.write_text(lb_conf(settings))

    # ---- life

    def environment(self):
        name, value = self.mark.decode().split("=")
        return {**os.environ, name: value}

    def start(self, ready=True, arguments=()):
        log = self.log_path.open("ab")
        self.process = subprocess.Popen(
            [PROGRAM, "-c", self.config, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=self.environment(),
            start_new_session=True,  # its own group: a test's Ctrl-C reaches it and its group only
        )
        log.close()
        Ringmaster.running.append(self)
        if ready:
            self.wait_ready()
        return self

    @property
    def pid(self):
        return self.process.pid

    def wait_ready(self, n=None, within=15.0):
        """Waits until /rep names n replicas (default: as many as are configured)."""
        if n is None:
            n = self.wanted()

        def whole():
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"the balancer exited with {self.process.returncode}:\n{self.log()[-4000:]}"
                )
            return len(self.rep()) == n

        until(whole, within, f"/rep with N = {n}")
        self.note_pids()

    def wanted(self):
        replicas = self.settings["replicas"] if self.settings else {}
        if replicas.get("driver") == "static":
            static = replicas.get("static", {})
            return len(static.get("addresses", [])) or len(static.get("members", []))
        return replicas.get("count", 3)

    def send_signal(self, number):
        self.process.send_signal(number)

    def interrupt(self):
        """Ctrl-C: the whole foreground group gets it."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait_exit(self, within=20.0):
        try:
            return self.process.wait(within * SLOW)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the balancer did not exit within {within * SLOW:.0f} s") from None

    def stop(self, number=signal.SIGTERM, within=20.0):
        """A normal stop: exit code 0, no sanitizer report, no process left."""
        if self.process is None:
            return
        try:
            if self.process.poll() is None:
                self.note_pids()
                self.send_signal(number)
                try:
                    self.wait_exit(within)
                except AssertionError:
                    self.process.kill()
                    self.process.wait()
                    raise
            self.check_end()
        finally:
            self.clean_up()

    def check_end(self, code=0):
        """After the exit: the code, the log, the processes."""
        text = self.log()
        found = [report for report in SANITIZER_REPORTS if report in text]
        assert not found, f"a sanitizer reports: {found}\n{text[-8000:]}"
        assert (
            self.process.returncode == code
        ), f"exit code {self.process.returncode}, not {code}\n{text[-4000:]}"
        self.check_nothing_left()

    def check_nothing_left(self, within=5.0):
        try:
            until(lambda: not self.survivors(), within, "no process of the balancer left")
        except AssertionError as problem:
            left = [_describe(pid) for pid in self.survivors()]
            raise AssertionError(f"{problem}; left are {left}\n{self.log()[-4000:]}") from None

    def survivors(self):
        ours = set(processes_with(self.mark)) | {pid for pid, born in self.seen_pids if _born(pid) == born}
        return sorted(ours - {self.process.pid if self.process and self.process.poll() is None else 0})

    def clean_up(self):
        """Ends what a failed check left, by pid."""
        if self in Ringmaster.running:
            Ringmaster.running.remove(self)
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.survivors():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    # ---- talking to it

    def ask(self, method="GET", target="/home", headers=(), body=None, patience=10.0):
        return ask(self.port, method, target, headers, body, patience)

    def admin(self, method="GET", target="/_lb/state", headers=(), body=None):
        return ask(self.admin_port, method, target, headers, body)

    def rep(self):
        """The names in rotation, as /rep lists them."""
        reply = self.ask("GET", "/rep")
        assert reply.status == 200, reply
        message = reply.json()["message"]
        assert message["N"] == len(message["replicas"]), reply
        return message["replicas"]

    def state(self):
        reply = self.admin()
        assert reply.status == 200, reply
        return reply.json()

    def replicas(self):
        """The rows of /_lb/state by name."""
        return {row["name"]: row for row in self.state()["replicas"]}

    def note_pids(self):
        """Remembers the replicas' pids, to look for them at the end."""
        try:
            rows = self.state()["replicas"]
        except (OSError, AssertionError, KeyError, ValueError):
            return
        for row in rows:
            born = _born(row["pid"]) if row.get("pid") else None
            if born is not None:
                self.seen_pids.add((row["pid"], born))

    def pid_of(self, name):
        return self.replicas()[name]["pid"]

    def add(self, body="", method="POST", headers=()):
        return self.ask(method, "/add", headers, _body(body), patience=30)

    def rm(self, body="", method="DELETE", headers=()):
        return self.ask(method, "/rm", headers, _body(body), patience=30)

    def reload(self, changes=None):
        if changes:
            self.write(changes)
        return self.ask("POST", "/reload", patience=30)

    def served_by(self, key, target="/home"):
        """The replica that answers this request id."""
        reply = self.ask("GET", f"{target}?request_id={quote(str(key))}")
        assert reply.status == 200, reply
        return reply.served_by


def _body(body):
    return json.dumps(body) if isinstance(body, (dict, list)) else body


def _born(pid):
    """When a process started, so that a reused pid is not taken for it. None when it is not alive."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return fields[19] if process_alive(pid) else None


def _describe(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="latin-1") as status:
            facts = re.findall(r"^(State|PPid|SigBlk|SigIgn|SigCgt):\s*(.*)$", status.read(), re.M)
        with open(f"/proc/{pid}/cmdline", encoding="latin-1") as line:
            return pid, line.read().replace("\0", " "), facts
    except OSError:
        return pid, "gone", []


def shipped(path):
    """The text of a configuration of the project with its ports left open, for Ringmaster(text=…)."""
    text = (SOURCE / path).read_text()
    for pattern, place in (
        (r"^(\s*listen\s*=\s*)\[[^]]*\]", r'\1[ "127.0.0.1:{port}" ]'),
        (r'^(\s*admin\s*=\s*)"[^"]*"', r'\1"127.0.0.1:{admin}"'),
        (r"^(\s*base_port\s*=\s*)\d+", r"\1{base_port}"),
    ):
        text, count = re.subn(pattern, place, text, flags=re.M)
        assert count <= 1, f"{path}: {pattern} matches {count} times"
    return text


def run_program(*arguments, environment=None, within=20.0):
    """Runs ringmaster to its end and returns it with its output as text."""
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within * SLOW,
        env=environment,
        check=False,
    )
