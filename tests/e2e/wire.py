"""wire.py - HTTP/1.1 by hand: a client that sends exactly the bytes it is told and reads strictly.

Owns     Wire (one client connection), Reply (what came back), ask (one request on a connection of its own).
Used by  every test that looks at an answer.

Strict on purpose: a reply that is framed ambiguously or ends early raises BadReply, because a forgiving
client would hide what the balancer did to it.
"""

import json
import socket

from harness import SLOW


class BadReply(AssertionError):
    """The reply breaks HTTP/1.1, or the connection ended inside it."""


class Closed(BadReply):
    """The connection ended before the first byte of a reply."""


class Reply:
    def __init__(self, status, reason, version, headers, raw_head):
        self.status, self.reason, self.version = status, reason, version
        self.headers = headers  # [(name, value), …] as received
        self.raw_head = raw_head
        self.body = b""
        self.framing = "none"
        self.interim = []  # 1xx replies that came before

    def all(self, name):
        return [value for n, value in self.headers if n.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        return values[0] if values else default

    def json(self):
        return json.loads(self.body)

    @property
    def served_by(self):
        return self.get("X-Served-By")

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


def parse_head(raw):
    """A reply's head (with its empty line) -> Reply."""
    lines = raw[:-4].decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    if len(parts) < 2 or not parts[0].startswith("HTTP/") or not parts[1].isdigit():
        raise BadReply(f"not a status line: {lines[0]!r}")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip() or not name:
            raise BadReply(f"not a header field: {line!r}")
        headers.append((name, value.strip()))
    return Reply(int(parts[1]), parts[2] if len(parts) > 2 else "", parts[0], headers, raw)


class Wire:
    """One client connection. Reads wait at most `patience` seconds."""

    def __init__(self, port, host="127.0.0.1", patience=10.0, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(patience * SLOW)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def end_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    # ---- reading

    def _more(self):
        data = self.socket.recv(262144)
        self.pending += data
        return bool(data)

    def read_until(self, end):
        while end not in self.pending:
            if not self._more():
                raise BadReply(f"the connection ended; had {self.pending[:300]!r}")
        at = self.pending.index(end) + len(end)
        data, self.pending = self.pending[:at], self.pending[at:]
        return data

    def read_exactly(self, count):
        parts, have = [self.pending], len(self.pending)
        while have < count:
            data = self.socket.recv(min(count - have, 1 << 20))
            if not data:
                self.pending = b"".join(parts)
                raise BadReply(f"the connection ended after {have} of {count} bytes of the body")
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self.pending = whole[count:]
        return whole[:count]

    def read_rest(self):
        while self._more():
            pass
        data, self.pending = self.pending, b""
        return data

    def _read_chunked(self):
        body = []
        while True:
            line = self.read_until(b"\r\n")[:-2].split(b";")[0]
            try:
                size = int(line, 16)
            except ValueError:
                raise BadReply(f"not a chunk size: {line!r}") from None
            if size == 0:
                while self.read_until(b"\r\n") != b"\r\n":
                    pass
                return b"".join(body)
            body.append(self.read_exactly(size))
            if self.read_exactly(2) != b"\r\n":
                raise BadReply("a chunk does not end with CRLF")

    def read_head(self):
        """The next head, an interim one (1xx) too."""
        if not self.pending and not self._more():
            raise Closed("the connection ended before a reply")
        return parse_head(self.read_until(b"\r\n\r\n"))

    def read_reply(self, method="GET"):
        """The next final reply with its body; interim ones are in .interim."""
        interim = []
        reply = self.read_head()
        while 100 <= reply.status < 200:
            interim.append(reply)
            reply = self.read_head()
        reply.interim = interim
        lengths, codings = reply.all("Content-Length"), reply.all("Transfer-Encoding")
        if len(lengths) > 1 or (lengths and codings):
            raise BadReply(f"ambiguous framing: {reply.headers}")
        if method == "HEAD" or reply.status in (204, 304):
            return reply
        if codings:
            if [c.lower() for c in codings] != ["chunked"]:
                raise BadReply(f"transfer coding {codings}")
            reply.framing, reply.body = "chunked", self._read_chunked()
        elif lengths:
            reply.framing, reply.body = "length", self.read_exactly(int(lengths[0]))
        else:
            reply.framing, reply.body = "close", self.read_rest()
        return reply

    def ask(self, method="GET", target="/home", headers=(), body=None):
        """Sends one well-formed request and reads its reply; the connection stays open."""
        self.send(request_bytes(method, target, headers, body))
        return self.read_reply(method)

    def is_closed(self, within=5.0):
        """True when the other side ends the connection within that time, having sent nothing more."""
        self.socket.settimeout(within * SLOW)
        try:
            data = self.socket.recv(65536)
        except socket.timeout:
            return False
        except ConnectionError:
            return True
        finally:
            self.socket.settimeout(10 * SLOW)
        self.pending += data
        return data == b"" and self.pending == b""

    def is_quiet(self, seconds):
        """True when nothing at all (not even an end) comes for that long."""
        self.socket.settimeout(seconds)
        try:
            self.pending += self.socket.recv(65536)
            return False
        except socket.timeout:
            return True
        finally:
            self.socket.settimeout(10 * SLOW)


def request_bytes(method="GET", target="/home", headers=(), body=None, host="ringmaster.test"):
    headers = list(headers.items()) if isinstance(headers, dict) else list(headers)
    if isinstance(body, str):
        body = body.encode()
    lines = [f"{method} {target} HTTP/1.1"]
    if not any(name.lower() == "host" for name, _ in headers):
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None and not any(n.lower() in ("content-length", "transfer-encoding") for n, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def ask(port, method="GET", target="/home", headers=(), body=None, patience=10.0):
    """One request on a connection of its own."""
    with Wire(port, patience=patience) as wire:
        return wire.ask(method, target, headers, body)
