"""load.py - traffic that runs while something else happens, and counts what went wrong.

Owns     Wrk (the program wrk, for volume) and KeepAlive (asyncio clients that count each closed connection).
Used by  the tests of reload, removal and recovery.
"""

import asyncio
import os
import re
import subprocess
import threading
from collections import Counter

from harness import SLOW, until


class Wrk:
    """with Wrk(port) as load: …; after the block load.requests, load.failed, load.socket_errors are there."""

    def __init__(self, port, target="/home", connections=64, threads=1, host="127.0.0.1"):
        self.command = ["wrk", f"-t{threads}", f"-c{connections}", "-d600s", f"--timeout={10 * SLOW}s"]
        self.command.append(f"http://{host}:{port}{target}")
        self.connections = connections
        self.process = None
        self.text = ""
        self.requests = self.failed = 0
        self.socket_errors = {}

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        until(
            lambda: self._sockets() >= self.connections or self.process.poll() is not None,
            what="wrk to connect",
        )
        return self

    def _sockets(self):
        fds = f"/proc/{self.process.pid}/fd"
        return sum(os.readlink(f"{fds}/{fd}").startswith("socket:") for fd in os.listdir(fds))

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the run; wrk prints its counts on SIGINT."""
        if self.process is None:
            return
        self.process.send_signal(2)
        try:
            self.text, _ = self.process.communicate(timeout=30 * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.text, _ = self.process.communicate()
            raise
        finally:
            self.process = None
        found = re.search(r"(\d+) requests in", self.text)
        self.requests = int(found.group(1)) if found else 0
        found = re.search(r"Non-2xx or 3xx responses: (\d+)", self.text)
        self.failed = int(found.group(1)) if found else 0
        found = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", self.text)
        names = ("connect", "read", "write", "timeout")
        self.socket_errors = dict(zip(names, map(int, found.groups()))) if found else dict.fromkeys(names, 0)

    def check(self, at_least=1):
        """No failed request, no closed connection, no time-out."""
        assert self.requests >= at_least, self.text
        assert self.failed == 0, self.text
        assert not any(self.socket_errors.values()), self.text


class KeepAlive:
    """Clients that ask again and again on one connection each, in a thread of their own.

    .replies, .bad (a status that is not 200), .closed (connections the other side ended), .served (by
    X-Served-By)."""

    def __init__(self, port, clients=8, target="/home", think=0.0):
        self.port, self.clients, self.target, self.think = port, clients, target, think
        self.replies = self.bad = self.closed = 0
        self.served = Counter()
        self.problems = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping.set()
        self.thread.join(30 * SLOW)
        assert not self.thread.is_alive(), "a client hangs"

    def check(self, at_least=1):
        assert self.replies >= at_least, (self.replies, self.problems[:5])
        assert self.bad == 0, self.problems[:5]
        assert self.closed == 0, self.problems[:5]

    async def _run(self):
        await asyncio.gather(*(self._client(number) for number in range(self.clients)))

    async def _client(self, number):
        request = f"GET {self.target} HTTP/1.1\r\nHost: keep.test\r\n\r\n".encode()
        reader = writer = None
        while not self.stopping.is_set():
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(request)
                await asyncio.wait_for(self._reply(reader), 20 * SLOW)
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.TimeoutError) as problem:
                self.closed += 1
                self.problems.append(f"client {number}: {problem!r}")
                if writer is not None:
                    writer.close()
                writer = None
            await asyncio.sleep(self.think)
        if writer is not None:
            writer.close()

    async def _reply(self, reader):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"(?im)^content-length: *(\d+)\r$", head)
        await reader.readexactly(int(length.group(1)))
        self.replies += 1
        if not head.startswith("HTTP/1.1 200 "):
            self.bad += 1
            self.problems.append(head)
        served = re.search(r"(?im)^x-served-by: *(.*?)\r$", head)
        if served:
            self.served[served.group(1)] += 1
