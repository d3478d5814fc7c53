"""observe.py - one case through one proxy: what the client saw and what the replica saw.

Owns     Seen and the two ways to make one: request(), reply().
Used by  report.py, ../test_hostile.py.

Nothing here knows what is expected: the same eyes look at every proxy. No time is waited for where the proxy
behaves: after the answers that came, a probe is sent on the same connection, and either it is answered, then
the connection was kept and is in step, or the connection ends. Only a proxy that waits for more bytes costs
the patience.
"""

import socket
from dataclasses import dataclass, field

from wire import BadReply, Closed, Wire, ask

PROBE = b"GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"


@dataclass
class Seen:
    replies: list = field(default_factory=list)  # that came whole, the probe's not among them
    broken: str = ""  # how the last one broke off; "" when none did
    raw: bytes = b""  # what had come of it
    kept: bool = False  # the probe was answered, by its own answer
    waits: bool = False  # the proxy neither answered nor closed
    messages: list = field(default_factory=list)  # that the replica got, the probe's not among them
    strays: list = field(default_factory=list)

    @property
    def complete(self):
        return [m for m in self.messages if m.complete]


def _send(wire, data, piece):
    try:
        for at in range(0, len(data), piece):
            wire.send(data[at : at + piece])
    except OSError:
        pass  # refused before it was all sent: the answer says why


def _read(wire, seen, method):
    """One more reply into seen; False when there is none."""
    try:
        reply = wire.read_reply(method)
    except Closed:
        return False
    except socket.timeout:
        seen.waits, seen.raw = True, wire.pending
        return False
    except BadReply as problem:
        seen.broken, seen.raw = str(problem), wire.pending
        return False
    except ConnectionResetError as problem:
        # Between two replies it is an end: the probe went to a proxy that had said goodbye and gone.
        seen.raw = wire.pending
        seen.broken = repr(problem) if seen.raw or not seen.replies else ""
        return False
    seen.replies.append(reply)
    return True


def _is_probes(reply):
    return reply.status == 200 and reply.body == b"GET /probe"


def _probe(wire, seen, methods):
    """What else comes, up to the probe's answer or the end."""
    _send(wire, PROBE, len(PROBE))
    while _read(wire, seen, methods.pop(0) if methods else "GET"):
        if _is_probes(seen.replies[-1]):
            seen.replies.pop()
            seen.kept = True
            return


def request(port, recorder, case, piece=1 << 20, patience=5.0):
    """Sends a RequestCase, `piece` bytes at a time."""
    seen = Seen()
    methods = list(case.methods)
    recorder.take()
    with Wire(port, patience=patience) as wire:
        _send(wire, case.send, piece)
        if case.ends:
            wire.end_sending()
        if _read(wire, seen, methods.pop(0) if methods else "GET") and not case.ends:
            _probe(wire, seen, methods)
        elif case.ends and seen.replies:
            while _read(wire, seen, methods.pop(0) if methods else "GET"):
                pass
    _look(port, recorder, seen)
    return seen


def reply(port, recorder, case, target=b"/case", patience=5.0):
    """Asks for a ReplyCase's bytes."""
    seen = Seen()
    recorder.take()
    with recorder.lock:
        recorder.script = {target: (case.send, case.then)}
    with Wire(port, patience=patience) as wire:
        wire.send(case.method + b" " + target + b" HTTP/" + case.version + b"\r\nHost: h\r\n" + case.fields + b"\r\n")
        if _read(wire, seen, case.method.decode()):
            _probe(wire, seen, [])
    _look(port, recorder, seen)
    with recorder.lock:
        recorder.script = {}
    return seen


def _look(port, recorder, seen):
    """What the replica got: all of it, once the fence has been answered."""
    fence = ask(port, "GET", "/fence")
    assert fence.status == 200, fence
    messages, seen.strays = recorder.take()
    seen.messages = [m for m in messages if m.target != b"/probe"]
