"""slowloris.py - clients that hold what they can for as long as they can: slow heads, slow bodies, slow readers.

Owns     the attack and the origin behind it, each a process of its own so that neither slows the test down:
             slowloris.py attack PORT COUNT     a line on standard input: open no more; then waits until all were ended
             slowloris.py origin PORT           /big is large, everything else is "hello"
         and Slowloris and BigOrigin, which run them.
Used by  test_slowloris.py, bench/slowloris.

A third of the connections sends a head that never ends, a line a second; a third a body, a byte a second; a third asks
for something large and reads a byte a second. Each one that was ended is replaced at once.
"""

import asyncio
import json
import resource
import socket
import subprocess
import sys
from collections import Counter

PAUSE = 1.0
BIG = 8 << 20
KINDS = {
    "head": (b"GET /slow HTTP/1.1\r\nHost: slow.test\r\n", b"X-Slow: 1\r\n"),
    "body": (b"POST /slow HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    "read": (b"GET /big HTTP/1.1\r\nHost: slow.test\r\n\r\n", None),
}


# ---- the processes that run --------------------------------------------------------------------------------


class Attack:
    def __init__(self, port, count):
        self.port, self.count = port, count
        self.opened = Counter()
        self.ended = {kind: Counter() for kind in KINDS}  # by status, "closed" or "failed"
        self.open = 0
        self.stopping = False

    async def run(self):
        kinds = list(KINDS)
        slow = [asyncio.ensure_future(self.hold(kinds[n % 3])) for n in range(self.count)]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        self.stopping = True
        await asyncio.gather(*slow)
        print(json.dumps({"opened": self.opened, "ended": self.ended}))

    async def hold(self, kind):
        loop = asyncio.get_running_loop()
        while not self.stopping:
            with socket.socket() as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.setblocking(False)
                try:
                    await loop.sock_connect(one, ("127.0.0.1", self.port))
                    self.opened[kind] += 1
                    how = await (self.read(one) if kind == "read" else self.send(one, kind))
                except ConnectionError:
                    how = "closed"
                except OSError as problem:
                    how = f"failed: {problem}"
                self.ended[kind][how] += 1

    async def send(self, one, kind):
        """Until something comes: the status of the answer."""
        loop = asyncio.get_running_loop()
        first, piece = KINDS[kind]
        await loop.sock_sendall(one, first)
        answer = asyncio.ensure_future(loop.sock_recv(one, 4096))
        while not (await asyncio.wait([answer], timeout=PAUSE))[0]:
            try:
                one.send(piece)
            except BlockingIOError:
                pass
            except ConnectionError:
                break  # the answer has come, or never will
        text = await answer
        return text[9:12].decode("ascii") if text else "closed"

    async def read(self, one):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(one, KINDS["read"][0])
        status = (await loop.sock_recv(one, 12))[9:].decode("ascii")
        if status != "200":
            return status or "closed"
        while await loop.sock_recv(one, 1):
            await asyncio.sleep(PAUSE)
            # A reset is seen before all that had come was read, which at this pace takes an hour.
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                break
        return "closed"


async def serve(port):
    # HEAD is answered without a body: what a test asks to see who serves a target
    body = b"z" * (1 << 16)

    async def answer(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"POST"):
                    await reader.readexactly(1000000)
                if head.startswith(b"HEAD"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
                    continue
                if not head.startswith(b"GET /big"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
                    continue
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
                for _ in range(BIG // len(body)):
                    writer.write(body)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)  # a thousand large ones at a time
    server = await asyncio.start_server(answer, sock=listener, backlog=4096)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    what, *numbers = sys.argv[1:]
    if what == "attack":
        asyncio.run(Attack(*map(int, numbers)).run())
    else:
        asyncio.run(serve(*map(int, numbers)))


# ---- what runs them ----------------------------------------------------------------------------------------


class Slowloris:
    """with Slowloris(port, 2000) as attack: …; attack.finish() tells what became of every connection."""

    def __init__(self, port, count):
        self.process = subprocess.Popen(
            [sys.executable, __file__, "attack", str(port), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def finish(self, within):
        """{"opened": {kind: n}, "ended": {kind: {how: n}}}, once the other side has ended all of them."""
        text, _ = self.process.communicate("stop\n", timeout=within)
        return json.loads(text)


class BigOrigin:
    def __init__(self, port):
        self.place = f"127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, __file__, "origin", str(port)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


if __name__ == "__main__":
    main()
