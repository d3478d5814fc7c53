"""The programs that are compared: each started alone on one core, in front of the same three replicas (one program that listens on
three addresses), which each of them chooses from by a consistent hash of an identifier it makes for the request.

Owns the processes and their configuration files, in a temporary folder. Ports are fixed: the bench wants a quiet machine,
and says so when one is taken.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("RM_BUILD", SOURCE / "build/release"))
REPLICA = 24000
REPLICAS = [f"127.0.0.{i}:{REPLICA}" for i in (1, 2, 3)]
TICKS = os.sysconf("SC_CLK_TCK")

RINGMASTER = """
listen = [ "127.0.0.1:{port}" ];
admin = "";
workers = {workers};
log = {{ access = {{ path = "{access}"; format = "combined"; }}; }};
limits = {{ connections = 100000; {limits} }};
replicas = {{ driver = "static"; static = {{ addresses = [ {addresses} ]; }}; }};
"""

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx-{port}.pid; error_log {folder}/nginx-{port}.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
    access_log {access}; keepalive_requests 100000000; sendfile on; client_max_body_size 0; proxy_request_buffering {buffering};
    client_body_temp_path {folder}/body-{port};
    upstream u {{ hash $request_id consistent; {servers} keepalive 128; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://u; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Request-Id $request_id; add_header X-Served-By $upstream_addr;
        }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
    {access_global}
    maxconn 9500
    maxpipes 200
defaults
    mode http
    {access}
    timeout connect 1s
    timeout client 75s
    timeout server 60s
    option forwardfor
    option splice-auto
    http-reuse always
    retries 3
    option redispatch 1
    retry-on conn-failure empty-response response-timeout
frontend f
    bind 127.0.0.1:{port}
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    unique-id-format %[uuid()]
    unique-id-header X-Request-Id
    http-response set-header X-Served-By %s
    default_backend b
backend b
    balance hdr(X-Request-Id)
    hash-type consistent
    option httpchk GET /heartbeat
    default-server inter 1s
{servers}
"""


STARTED = []


def stop_all():
    """Whatever a row left behind when it failed."""
    for process in list(STARTED):
        process.stop()


class Process:
    """A started program; cpu() is user and system time so far, in seconds, of the process that does the work."""

    def __init__(self, name, command, core, port=None):
        self.name, self.port = name, port
        self.command = ["taskset", "-c", str(core), *map(str, command)]
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid
        STARTED.append(self)
        if port:
            self._wait()

    def _wait(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/home", timeout=1):
                    return
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"bench: {self.name} does not answer on port {self.port}: {' '.join(self.command)}")

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def worker_cpu(self):
        """Of the threads that carry traffic alone: heartbeats are the control thread's."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            name, fields = re.match(r"\d+ \((.*)\) (.*)", (task / "stat").read_text()).groups()
            if name.startswith("worker"):
                fields = fields.split()
                total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def pss_kib(self):
        for line in pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
        return 0

    def stop(self):
        if self in STARTED:
            STARTED.remove(self)
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Nginx(Process):
    """The worker does the work, not the master."""

    def __init__(self, *args):
        super().__init__(*args)
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        self.pid = int(children[0])


def replica(*switches):
    return Process("replica", [BUILD / "bin/backend", "--listen", "0.0.0.0", "--port", REPLICA, "--quiet", *switches],
                   1, REPLICA)


def built(folder, name):
    """A program of this folder, compiled on first use."""
    program = folder / name
    if not program.exists():
        source = pathlib.Path(__file__).with_name(name + ".c")
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", program, source], check=True)
    return program


def sink(folder):
    return Process("sink", [built(folder, "sink"), REPLICA], 1, REPLICA)


class Both(Process):
    """Replica and clients in one thread: bench/proxy/load.c, "serve"."""

    def __init__(self, folder):
        self.name, self.port = "replica", REPLICA
        self.command = ["taskset", "-c", "1", str(built(folder, "load")), "serve", str(REPLICA)]
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        STARTED.append(self)
        self._wait()

    def measure(self, port, connections, seconds, rate):
        self.process.stdin.write(f"{port} {connections} {seconds} rate {rate}\n")
        self.process.stdin.flush()
        self.process.stdout.readline()
        return json.loads(self.process.stdout.readline())


def relay(folder):
    return Process("relay", [built(folder, "relay"), 24004, REPLICA], 0, 24004)


def ringmaster(folder, addresses=None, workers=1, port=24001, program=None, core="0", access="", limits=""):
    conf = folder / f"ringmaster-{port}.conf"
    listed = addresses or REPLICAS
    conf.write_text(RINGMASTER.format(port=port, workers=workers, addresses=", ".join(f'"{a}"' for a in listed), access=access,
                                      limits=limits))
    return Process("ringmaster", [program or BUILD / "bin/ringmaster", "-c", conf], core, port)


def nginx(folder, access=None, port=24002, buffering="off"):
    """With its buffered log: the unbuffered one costs a system call a line. buffering of requests is on by default, and writes long ones
    to a file before the replica sees them."""
    if not shutil.which("nginx"):
        return None
    conf = folder / f"nginx-{port}.conf"
    log = f"{access} combined buffer=64k flush=1s" if access else "off"
    conf.write_text(NGINX.format(folder=folder, port=port, access=log, buffering=buffering,
                                 servers=" ".join(f"server {a};" for a in REPLICAS)))
    return Nginx("nginx", ["nginx", "-c", conf], 0, port)


def haproxy(folder, access=None, port=24003, switches=("-db",)):
    """It writes no log files; to its standard output, which is /dev/null here, is the cheapest it can."""
    if not shutil.which("haproxy"):
        return None
    conf = folder / f"haproxy-{port}.cfg"
    conf.write_text(HAPROXY.format(port=port, servers="\n".join(f"    server {n} {a} check" for n, a in zip("abc", REPLICAS)), access="log global\n    option httplog" if access else "",
                                   access_global="log stdout format raw local0" if access else ""))
    return Process("haproxy", ["haproxy", *switches, "-f", conf], 0, port)
