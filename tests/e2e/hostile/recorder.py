"""recorder.py - the replica that keeps every byte it gets.

Owns     Recorder: a listening socket, its connections, and the messages it made of what they carried.
Used by  observe.py, report.py, ../test_hostile.py.

One thread, one loop. It reads as strictly as a replica can: what is not canonical is noted in the message's
faults, never repaired. Whatever it takes for a request it answers with "METHOD TARGET" as the body, so a
client can tell whose answer it got. Two targets are its own: /heartbeat, and /fence, which it answers only
when nothing is left to read on any other connection: then what a test has caused is all there.
"""

import re
import selectors
import socket
import struct
import threading

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
LINE = re.compile(rb"(" + TOKEN + rb") ([!-~]+) HTTP/1\.1\Z")
FIELD = re.compile(rb"(" + TOKEN + rb"): ((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)\Z")
SIZE = re.compile(rb"[0-9a-f]{1,16}\Z")
HOP_BY_HOP = {
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"http2-settings",
}


class Message:
    """One request as it came."""

    def __init__(self, connection, head):
        self.connection = connection
        self.head = head  # with its empty line
        self.body = b""  # decoded
        self.complete = False
        self.faults = []
        self.fields = []
        self.length, self.chunked = 0, False
        lines = head[:-4].split(b"\r\n")
        found = LINE.match(lines[0])
        if found is None:
            self.faults.append(f"request line {lines[0][:80]!r}")
        words = lines[0].split(b" ")
        self.method, self.target = words[0], words[1] if len(words) > 1 else b""
        for line in lines[1:]:
            self._field(line)
        self._upgrade()
        self._framing()

    def _field(self, line):
        found = FIELD.match(line)
        if found is None:
            self.faults.append(f"field {line[:80]!r}")
            name, _, value = line.partition(b":")
            self.fields.append((name.strip().lower(), value.strip()))
            return
        self.fields.append((found[1].lower(), found[2]))
        if found[1].lower() in HOP_BY_HOP:
            self.faults.append(f"hop-by-hop {line[:80]!r}")

    def all(self, name):
        return [v for n, v in self.fields if n == name]

    def _upgrade(self):
        """An offer is the one thing that may be said of this hop: both fields, and nothing else in them."""
        connections, upgrades = self.all(b"connection"), self.all(b"upgrade")
        if (connections or upgrades) and (connections != [b"Upgrade"] or len(upgrades) != 1):
            self.faults.append(f"hop-by-hop {connections} {upgrades}")

    def _framing(self):
        lengths, codings = self.all(b"content-length"), self.all(b"transfer-encoding")
        if len(lengths) + len(codings) > 1:
            self.faults.append(f"framing {lengths + codings}")
        if len(self.all(b"host")) != 1:
            self.faults.append(f"host {self.all(b'host')}")
        if codings:
            self.chunked = True
            if codings != [b"chunked"]:
                self.faults.append(f"coding {codings}")
        elif lengths:
            if re.fullmatch(rb"[0-9]{1,18}", lengths[0]) is None:
                self.faults.append(f"length {lengths}")
            else:
                self.length = int(lengths[0])

    def take(self, pending):
        """Takes of pending what belongs to the body; returns the rest. complete says whether that was all."""
        if not self.chunked:
            left = self.length - len(self.body)
            self.body += pending[:left]
            self.complete = len(self.body) == self.length
            return pending[left:]
        while not self.complete:
            line, end, rest = pending.partition(b"\r\n")
            if not end:
                break
            if SIZE.match(line) is None:
                self.faults.append(f"chunk size {line[:80]!r}")
            size = _size(line)
            if len(rest) < size + 2:
                break
            if rest[size : size + 2] != b"\r\n":
                self.faults.append(f"end of chunk {rest[size : size + 2]!r}")
            self.body += rest[:size]
            pending = rest[size + 2 :]
            self.complete = size == 0
        return pending


def _size(line):
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        return 0


class _Connection:
    def __init__(self, sock, number):
        self.socket = sock
        self.number = number
        self.pending = b""
        self.message = None
        self.unsent = b""
        self.ends = False  # when all is sent
        self.carried = False  # a request of a test


def echo(message):
    """The usual answer."""
    body = message.method + b" " + message.target
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head if message.method == b"HEAD" else head + body


class Recorder:
    def __init__(self, port, address="127.0.0.1"):
        self.place = f"{address}:{port}"
        self.listener = socket.create_server((address, port), backlog=256)
        self.listener.setblocking(False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.lock = threading.Lock()
        self.connections = {}
        self.accepted = 0
        self.messages = []  # of tests, the fence's not among them
        self.strays = []  # bytes that never became a request, of connections that have ended
        self.script = {}  # target -> (bytes, "keep" | "close" | "reset")
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.listener.close()
        for connection in list(self.connections.values()):
            connection.socket.close()

    def take(self):
        """All messages since the last call, and bytes that were the beginning of one."""
        with self.lock:
            messages, self.messages = self.messages, []
            strays, self.strays = self.strays, []
            strays += [c.pending for c in self.connections.values() if c.pending and c.message is None]
        return messages, strays

    def is_open(self, number):
        with self.lock:
            return any(c.number == number for c in self.connections.values())

    def say(self, number, data):
        """Sends data on an open connection, asked or unasked."""
        with self.lock:
            (connection,) = [c for c in self.connections.values() if c.number == number]
            connection.socket.send(data)

    # ---- the loop

    def _run(self):
        while not self.stopping:
            self._turn(0.05)

    def _turn(self, wait):
        events = self.selector.select(wait)
        with self.lock:
            for key, _ in events:
                if key.fileobj is self.listener:
                    self._accept()
                elif key.fileobj in self.connections:
                    self._serve(self.connections[key.fileobj])

    def _accept(self):
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted += 1
        self.connections[sock] = _Connection(sock, self.accepted)
        self.selector.register(sock, selectors.EVENT_READ)

    def _close(self, connection):
        if connection.pending and connection.message is None:
            self.strays.append(connection.pending)
        self.selector.unregister(connection.socket)
        del self.connections[connection.socket]
        connection.socket.close()

    def _read(self, connection):
        """False when it has ended."""
        try:
            data = connection.socket.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            return False
        connection.pending += data
        return bool(data)

    def _serve(self, connection):
        alive = self._read(connection)
        while self._next(connection):
            pass
        self._flush(connection)
        if connection.socket in self.connections and (not alive or (connection.ends and not connection.unsent)):
            self._close(connection)

    def _next(self, connection):
        """Goes on with the message under way; True when it was whole and there may be another."""
        if connection.message is None:
            head, end, rest = connection.pending.partition(b"\r\n\r\n")
            if not end:
                return False
            connection.pending = rest
            connection.message = message = Message(connection.number, head + end)
            if message.target.split(b"?")[0] not in (b"/heartbeat", b"/fence"):
                self.messages.append(message)
                connection.carried = True
        message = connection.message
        connection.pending = message.take(connection.pending)
        if not message.complete:
            return False
        connection.message = None
        self._answer(connection, message)
        return bool(connection.pending)

    def _answer(self, connection, message):
        if message.target == b"/fence":
            self._drain(connection)
        send, then = self.script.get(message.target, (None, "keep"))
        connection.unsent += echo(message) if send is None else send
        if then == "reset":
            self._flush(connection)
            linger = struct.pack("ii", 1, 0)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.ends = (
            connection.ends or then != "keep" or b"close" in b",".join(message.all(b"connection")).lower()
        )

    def _drain(self, but):
        """Reads whatever has arrived on the other connections."""
        while True:
            ready = [k.fileobj for k, _ in self.selector.select(0)]
            others = [s for s in ready if s in self.connections and s is not but.socket]
            if self.listener in ready:
                self._accept()
            elif not others:
                return
            for sock in others:
                if sock in self.connections:
                    self._serve(self.connections[sock])

    def _flush(self, connection):
        while connection.unsent:
            try:
                sent = connection.socket.send(connection.unsent)
            except BlockingIOError:
                self.selector.modify(connection.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
                return
            except OSError:
                connection.unsent = b""
                connection.ends = True
                return
            connection.unsent = connection.unsent[sent:]
        if connection.socket in self.connections:
            self.selector.modify(connection.socket, selectors.EVENT_READ)
