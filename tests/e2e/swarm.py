"""swarm.py - a Docker Swarm manager's API, as far as a balancer asks for it, with tasks that really answer.

Owns     one service, its tasks (backend processes at loopback addresses of their own), the port of the API.
Used by  test_swarm.py.

Like Swarm it decides by itself: who is started in a slot, who leaves when the number falls (those that do not run, then
the highest slots), that a slot whose task died gets another one. As there, a task's death is told by nobody but the list.
"""

import json
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from harness import BACKEND, free_ports, process_alive

NETWORK = "house"


class Task:
    def __init__(self, number, slot, address, port, environment):
        self.id = f"task{number:021d}"
        self.slot, self.address, self.created = slot, address, f"2026-01-01T00:00:00.{number:09d}Z"
        self.wanted = "running"
        self.process = subprocess.Popen(
            [BACKEND, "--quiet"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, **environment, "ADDRESS": address, "PORT": str(port)}) if address else None

    def runs(self):
        return self.process is not None and process_alive(self.process.pid)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def render(self):
        state = "running" if self.runs() else "failed" if self.process else "pending"
        return {
            "ID": self.id, "Slot": self.slot, "DesiredState": self.wanted, "CreatedAt": self.created,
            "Status": {"State": state, "Err": "" if self.process else "no suitable node"},
            "NetworksAttachments": [
                {"Network": {"ID": "ingressid", "Spec": {"Name": "ingress"}}, "Addresses": ["10.255.0.9/16"]},
                {"Network": {"ID": "houseid", "Spec": {"Name": NETWORK}}, "Addresses": [f"{self.address}/24"]},
            ] if self.address else [],
        }


class Swarm:
    def __init__(self, nodes=64):
        self.lock = threading.RLock()
        self.port, self.replica_port = free_ports(), free_ports()
        self.nodes = nodes  # so many tasks have room
        self.spec, self.version, self.tasks = None, 10, []
        self.conflicts = 0  # so many updates are refused, as if somebody else had been quicker
        self.manager = True
        self.requests, self._count = [], 0
        self._server = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()
        self.back()

    # ---- what a test does

    @property
    def address(self):
        return f"tcp://127.0.0.1:{self.port}"

    def away(self):
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._server.connections):
            try:
                connection.shutdown(2)
            except OSError:
                pass
        self._server = None

    def back(self):
        swarm = self

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            connections = set()

        class Handler(_Handler):
            owner = swarm

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        if self._server:
            self.away()
        self._end.set()
        self._thread.join()
        for task in self.tasks:
            task.end()

    def task(self, slot):
        with self.lock:
            return next(t for t in self.tasks if t.slot == slot and t.wanted == "running")

    def kill(self, slot):
        self.task(slot).end()

    def scale(self, count):
        """docker service scale"""
        with self.lock:
            self.spec["Mode"]["Replicated"]["Replicas"] = count
            self.version += 1

    def remove(self):
        with self.lock:
            self.spec = None

    # ---- what Swarm does by itself

    def _keep(self):
        while not self._end.wait(0.02):
            with self.lock:
                self._reconcile()

    def _reconcile(self):
        wanted = self.spec["Mode"]["Replicated"]["Replicas"] if self.spec else 0
        for task in self.tasks:
            if task.wanted == "running" and task.process and not task.runs():
                task.wanted = "shutdown"
                self._start(task.slot)
        living = [t for t in self.tasks if t.wanted == "running"]
        living.sort(key=lambda t: (not t.runs(), t.slot))
        for task in living[wanted:]:
            task.wanted = "remove"
            if task.process and task.process.poll() is None:
                task.process.terminate()
        slots = {t.slot for t in living}
        for slot in range(1, 1 + wanted + len(slots)):
            if slot not in slots and len(slots) < wanted:
                slots.add(slot)
                self._start(slot)

    def _start(self, slot):
        self._count += 1
        environment = dict(e.split("=", 1) for e in self.spec["TaskTemplate"]["ContainerSpec"]["Env"])
        environment["SERVER_ID"] = environment["SERVER_ID"].replace("{{.Service.Name}}", self.spec["Name"]).replace(
            "{{.Task.Slot}}", str(slot))
        has_room = sum(t.wanted == "running" and t.process is not None for t in self.tasks) < self.nodes
        address = f"127.77.{self._count // 200}.{self._count % 200 + 1}" if has_room else ""
        self.tasks.append(Task(self._count, slot, address, self.replica_port, environment))

    # ---- the API

    def answer(self, method, path, query, body):
        with self.lock:
            self.requests.append(f"{method} {path}")
            if path == "/_ping":
                return 200, None
            if not self.manager:
                return 503, {"message": "This node is not a swarm manager."}
            if path == "/services/create":
                if self.spec:
                    return 409, {"message": "name conflicts with an existing object"}
                self.spec = body
                return 201, {"ID": "serviceid"}
            if path == "/tasks":
                return self._list(json.loads(query["filters"][0]))
            name, _, verb = path.removeprefix("/services/").partition("/")
            if not self.spec or name != self.spec["Name"]:
                return 404, {"message": f"service {name} not found"}
            if method == "DELETE":
                self.spec = None
                return 200, None
            if verb == "update":
                return self._update(int(query["version"][0]), body)
            return 200, {"ID": "serviceid", "Version": {"Index": self.version}, "Spec": self.spec}

    def _list(self, filters):
        if not self.spec or filters["service"] != [self.spec["Name"]]:
            return 404, {"message": f"service {filters['service'][0]} not found"}
        self._reconcile()
        return 200, [t.render() for t in self.tasks if t.wanted in filters["desired-state"]]

    def _update(self, version, body):
        if self.conflicts:
            self.conflicts -= 1
            self.version += 1
        if version != self.version:
            return 500, {"message": "rpc error: code = Unknown desc = update out of sequence"}
        self.spec, self.version = body, self.version + 1
        return 200, {"Warnings": None}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self):
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, *_):
        pass

    def _serve(self):
        url = urlparse(self.path)
        path = url.path.split("/", 2)
        path = "/" + path[2] if path[1].startswith("v1.") else url.path
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        if path == "/events":
            self._stream()
            return
        status, message = self.owner.answer(self.command, path, parse_qs(url.query), body)
        text = b"" if message is None else json.dumps(message).encode()
        self.send_response(status)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _stream(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        while self.owner._server is self.server:
            time.sleep(0.05)

    do_GET = do_POST = do_DELETE = _serve
