"""origin.py - a scripted replica: answers exactly the bytes a test tells it to, and keeps exactly the bytes
it got.

Owns     Origin (a listening socket with a thread a connection) and Received (one request it got).
Used by  the tests that look at one side of the balancer while playing the other.

/heartbeat is answered by the origin itself, from a count of its own, so that a test's requests are all a
test sees. A handler gets (received, exchange); it reads the body when it likes (received.body()), sends
what it likes (exchange.send) and returns KEEP to go on with this connection or CLOSE to end it.
"""

import socket
import struct
import threading
import zlib

from harness import SLOW, free_ports

KEEP, CLOSE = "keep", "close"


class Received:
    """One request as it came over the wire."""

    def __init__(self, exchange, raw_head):
        self.exchange = exchange
        self.raw_head = raw_head
        lines = raw_head[:-4].decode("latin-1").split("\r\n")
        self.method, self.target, self.version = lines[0].split(" ")
        self.headers = [(n, v.strip()) for n, _, v in (line.partition(":") for line in lines[1:])]
        self.raw_body = b""  # as received, chunk lines and all
        self._body = None
        self.connection = exchange.number

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def body(self):
        """The body, read now if it was not yet, without its transfer coding."""
        if self._body is None:
            if self.get("Transfer-Encoding", "").lower() == "chunked":
                self._body = self._read_chunked()
            else:
                self._body = self.exchange.read_exactly(int(self.get("Content-Length", 0)))
                self.raw_body = self._body
        return self._body

    def _read_chunked(self):
        parts, raw = [], []
        while True:
            line = self.exchange.read_until(b"\r\n")
            raw.append(line)
            size = int(line.split(b";")[0].strip(), 16)
            if size == 0:
                break
            parts.append(self.exchange.read_exactly(size))
            raw += [parts[-1], self.exchange.read_exactly(2)]
        while raw[-1] != b"\r\n":
            raw.append(self.exchange.read_until(b"\r\n"))
        self.raw_body = b"".join(raw)
        return b"".join(parts)


class Exchange:
    """The origin's end of one connection."""

    def __init__(self, connection, number):
        self.socket = connection
        self.number = number
        self.pending = b""

    def send(self, data):
        self.socket.sendall(data)

    def read_until(self, end):
        while end not in self.pending:
            data = self.socket.recv(262144)
            if not data:
                raise EOFError(f"ended with {self.pending[:200]!r}")
            self.pending += data
        at = self.pending.index(end) + len(end)
        data, self.pending = self.pending[:at], self.pending[at:]
        return data

    def read_exactly(self, count):
        parts, have = [self.pending[:count]], min(count, len(self.pending))
        self.pending = self.pending[count:]
        while have < count:
            data = self.socket.recv(min(count - have, 1 << 20))
            if not data:
                raise EOFError(f"ended after {have} of {count} bytes")
            parts.append(data)
            have += len(data)
        return b"".join(parts)

    def sink(self, count):
        """Reads count bytes, keeps none of them, returns their CRC-32."""
        crc, left = zlib.crc32(self.pending[:count]), count - min(count, len(self.pending))
        self.pending = self.pending[count:]
        room = memoryview(bytearray(1 << 20))
        while left > 0:
            n = self.socket.recv_into(room, min(left, len(room)))
            if n == 0:
                raise EOFError(f"ended {left} bytes too early")
            crc = zlib.crc32(room[:n], crc)
            left -= n
        return crc

    def reset(self):
        """Ends the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def reply(status=200, body=b"", headers=(), reason="OK", length=True):
    """The bytes of a reply. headers as [(name, value)]; length: add Content-Length."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{n}: {v}" for n, v in headers)]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def answer_hello(received, exchange):
    received.body()
    exchange.send(reply(body=b"hello"))
    return KEEP


class Origin:
    def __init__(self, handler=answer_hello, address="127.0.0.1", port=None):
        self.handler = handler
        self.address = address
        self.port = port or free_ports()
        self.received = []  # requests of tests, in the order their heads were complete
        self.heartbeats = 0
        self.is_deaf = False  # to heartbeats
        self.connections = 0  # that carried a request of a test
        self.accepted = 0
        self.problems = []  # what a handler raised
        self.lock = threading.Lock()
        self.open = set()
        self.carrying = set()  # those of them that carried a request of a test
        self.listener = None
        self.listen()

    @property
    def place(self):
        return f"{self.address}:{self.port}"

    def listen(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self.listener = socket.create_server((self.address, self.port), family=family, backlog=512)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def refuse(self):
        """From now on connections to it are refused, and those that are open end."""
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self.lock:
            still_open = list(self.open)
        for connection in still_open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    stop = refuse

    def targets(self):
        with self.lock:
            return [r.target for r in self.received]

    def last(self):
        with self.lock:
            return self.received[-1]

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(120 * SLOW)
            with self.lock:
                self.accepted += 1
                self.open.add(connection)
                number = self.accepted
            threading.Thread(target=self._serve, args=(Exchange(connection, number),), daemon=True).start()

    def _serve(self, exchange):
        try:
            while True:
                head = exchange.read_until(b"\r\n\r\n")
                received = Received(exchange, head)
                if received.target.split("?")[0] == "/heartbeat":
                    self.heartbeats += 1
                    if not self.is_deaf:
                        exchange.send(reply())
                    continue
                with self.lock:
                    self.received.append(received)
                    self.connections += exchange.socket not in self.carrying
                    self.carrying.add(exchange.socket)
                if self.handler(received, exchange) != KEEP:
                    return
        except (EOFError, ConnectionError, OSError):
            pass  # the balancer ended it; what that means is for the test to say
        except Exception as problem:
            self.problems.append(repr(problem))
        finally:
            with self.lock:
                self.open.discard(exchange.socket)
            exchange.socket.close()
            with self.lock:
                self.carrying.discard(exchange.socket)


def scripted(*answers):
    """A handler that gives these answers one after the other, the last one for ever. An answer is bytes to
    send (the connection goes on), or a handler."""
    left = list(answers)
    lock = threading.Lock()

    def handler(received, exchange):
        with lock:
            answer = left.pop(0) if len(left) > 1 else left[0]
        if callable(answer):
            return answer(received, exchange)
        received.body()
        exchange.send(answer)
        return KEEP

    return handler
