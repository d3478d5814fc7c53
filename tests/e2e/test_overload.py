"""Overload: every limit answers 503 with Retry-After (or 408), counts in /_lb/state, and lets everybody else go on."""

import os
import resource
import socket
import threading
import time

import pytest

from harness import SANITIZER, SLOW, until
from load import KeepAlive
from origin import CLOSE, KEEP, reply
from wire import Wire, request_bytes


def static(*origins, **changes):
    return {
        "workers": 1,
        "strategy": {"scheduler": "scheduler_round_robin", "scheduler_options": None},
        "replicas": {"driver": "static", "count": None, "static": {"addresses": [o.place for o in origins]}},
        "health": {"interval_ms": 60000, "unready_after": 100, "dead_after": 1000},
        **changes,
    }


def limits(**values):
    return {"limits": values}


def totals(mine):
    return mine.state()["totals"]


def is_refused(answer, sentence):
    assert (answer.status, answer.json()["status"]) == (503, "failure"), answer
    assert sentence in answer.json()["message"], answer
    assert int(answer.get("Retry-After")) >= 1, answer
    return True


class From(Wire):
    """A client with an address of its own."""

    def __init__(self, address, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10 * SLOW, source_address=(address, 0))
        self.pending = b""


def busy(mine, target="/hold"):
    """A connection with a request under way."""
    wire = Wire(mine.port)
    wire.send(request_bytes("GET", target))
    return wire


def holding():
    """A handler that holds /hold until told to go on."""
    go = threading.Event()

    def handler(received, exchange):
        received.body()
        if received.target == "/hold":
            go.wait(60 * SLOW)
        exchange.send(reply(body=b"hello"))
        return KEEP

    return handler, go


# ---- connections -------------------------------------------------------------------------------------------


def test_one_connection_too_many_is_answered_503(balancer, origin):
    handler, go = holding()
    mine = balancer(static(origin(handler), **limits(connections=4)))
    held = [busy(mine) for _ in range(4)]
    until(lambda: mine.replicas()["Server 1"]["in_flight"] == 4)
    for _ in range(3):
        with Wire(mine.port) as wire:
            assert is_refused(wire.ask(), "too many connections")
            assert wire.is_closed()
    assert totals(mine)["refused_full"] == 3
    go.set()
    assert [wire.read_reply().status for wire in held] == [200] * 4
    held.pop().close()
    assert until(lambda: mine.ask("GET", "/free").status == 200)
    for wire in held:
        wire.close()


def test_who_only_connects_is_not_spoken_to(balancer, origin):
    """An answer without a request would be taken for the answer to the next one."""
    handler, go = holding()
    mine = balancer(static(origin(handler), timeouts={"linger": 300 * SLOW}, **limits(connections=1)))
    with busy(mine), Wire(mine.port) as wire:
        until(lambda: totals(mine)["refused_full"] == 1)
        assert wire.is_closed(), "ended without a word"
    go.set()


def test_idle_connections_make_room(balancer, origin):
    mine = balancer(static(origin(), **limits(connections=4)))
    idle = [Wire(mine.port) for _ in range(4)]
    assert [wire.ask("GET", f"/{n}").status for n, wire in enumerate(idle)] == [200] * 4
    with Wire(mine.port) as fifth:
        assert fifth.ask("GET", "/fifth").status == 200
        assert idle[0].is_closed(), "the one that was idle for longest"
        assert [wire.ask().status for wire in idle[1:]] == [200] * 3
    for wire in idle:
        wire.close()
    assert totals(mine)["idle_dropped"] >= 1
    assert totals(mine)["refused_full"] == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_connections_of_one_address(balancer, origin, workers):
    mine = balancer(static(origin(), workers=workers, **limits(connections_per_client=3)))
    until(lambda: totals(mine)["accepted"] == totals(mine)["closed"], what="no connection of the start is left")
    held = [Wire(mine.port) for _ in range(3)]
    assert [wire.ask().status for wire in held] == [200] * 3
    for _ in range(5):
        with Wire(mine.port) as wire:
            assert is_refused(wire.ask(), "too many connections")
    with From("127.0.0.2", mine.port) as other:
        assert other.ask().status == 200
    held.pop().close()
    assert until(lambda: mine.ask().status == 200), "a place that was left is free"
    assert totals(mine)["refused_client"] >= 5
    for wire in held:
        wire.close()


# ---- rates -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_of_one_address(balancer, origin, workers):
    mine = balancer(static(origin(), workers=workers))
    assert mine.reload(limits(rate=1, burst=5)).status == 200
    with From("127.0.0.3", mine.port) as wire:
        answers = [wire.ask("GET", f"/{n}") for n in range(20)]
        assert [a.status for a in answers[:5]] == [200] * 5
        refused = [a for a in answers if a.status == 503]
        assert len(refused) >= 10 and all(is_refused(a, "too many requests") for a in refused)
        assert all(a.get("Connection") is None for a in refused), "the connection goes on"
    with From("127.0.0.4", mine.port) as wire:
        assert wire.ask().status == 200, "another address has a bucket of its own"
    assert totals(mine)["refused_rate"] == len(refused)

    def served():
        with From("127.0.0.3", mine.port) as again:
            return again.ask().status == 200

    assert until(served), "tokens come back"


def test_requests_of_all_together(balancer, origin):
    mine = balancer(static(origin()))
    assert mine.reload(limits(rate_total=1, burst_total=6)).status == 200
    statuses = []
    for number in range(20):
        with From(f"127.0.0.{10 + number}", mine.port) as wire:
            statuses.append(wire.ask().status)
    assert statuses[:6] == [200] * 6
    assert statuses.count(503) >= 10
    assert totals(mine)["refused_rate"] == statuses.count(503)


# ---- clients that are too slow -----------------------------------------------------------------------------

PACE = {"min_rate": 100, "min_rate_ms": 500 * SLOW}  # 50 bytes in half a second


def trickle(wire, piece=b"x", pause=0.05):
    """Sends on and on, a byte at a time, until the other side answers or ends."""
    wire.socket.settimeout(pause)
    deadline = time.monotonic() + 30 * SLOW
    while time.monotonic() < deadline:
        try:
            wire.send(piece)
            data = wire.socket.recv(65536)
            wire.pending += data
            break
        except socket.timeout:
            continue
        except ConnectionError:
            break
    else:
        raise AssertionError("it may trickle for ever")
    wire.socket.settimeout(10 * SLOW)


@pytest.mark.parametrize("target", ["/upload", "/add"])
def test_a_slow_body_is_408(balancer, origin, target):
    mine = balancer(static(origin(), **limits(**PACE)))
    with Wire(mine.port) as wire:
        wire.send(f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n")
        trickle(wire)
        assert wire.read_reply("POST").status == 408
    assert totals(mine)["too_slow"] == 1


def test_slow_chunks_are_408(balancer, origin):
    mine = balancer(static(origin(), **limits(**PACE)))
    with Wire(mine.port) as wire:
        wire.send("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        trickle(wire, b"1\r\nx\r\n", pause=0.1)
        assert wire.read_reply("POST").status == 408
    assert totals(mine)["too_slow"] == 1


def test_a_body_that_keeps_the_pace_may_take_long(balancer, origin):
    mine = balancer(static(origin(), **limits(**PACE)))
    pieces = 40 * SLOW  # two seconds: four windows
    with Wire(mine.port) as wire:
        wire.send(f"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {pieces * 5000}\r\n\r\n")
        for _ in range(pieces):
            wire.send(b"x" * 5000)
            time.sleep(0.05)  # a client's own pace: what is tested
        assert wire.read_reply("POST").status == 200
    assert totals(mine)["too_slow"] == 0


@pytest.mark.parametrize("splice", [0, 65536])
def test_a_reader_that_does_not_read_is_closed(balancer, origin, splice):
    size = 64 << 20
    made = origin(lambda r, e: e.send(reply(body=b"z" * size)) or KEEP)
    mine = balancer(static(made, **limits(splice_min=splice, **PACE)))
    with Wire(mine.port, receive_buffer=4096) as wire:
        wire.send(request_bytes("GET", "/big"))
        until(lambda: totals(mine)["too_slow"] == 1, 30)
        with pytest.raises((ConnectionError, AssertionError)):
            wire.read_reply()
    until(lambda: mine.replicas()["Server 1"]["in_flight"] == 0)
    assert mine.ask("GET", "/alive").status == 200


def test_a_reader_that_reads_a_little_keeps_the_pace(balancer, origin):
    size = 8 << 20
    made = origin(lambda r, e: e.send(reply(body=b"z" * size)) or KEEP)
    mine = balancer(static(made, **limits(**PACE)))
    with Wire(mine.port, receive_buffer=4096, patience=60) as wire:
        wire.send(request_bytes("GET", "/big"))
        got, pauses = b"", 0
        while pauses < 40 * SLOW:
            got += wire.socket.recv(4096)
            time.sleep(0.05)  # a client's own pace: what is tested
            pauses += 1
        wire.pending = got
        assert len(wire.read_reply().body) == size
    assert totals(mine)["too_slow"] == 0


def test_a_slow_replica_is_not_the_clients_fault(balancer, origin):
    def handler(received, exchange):
        received.body()
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        for _ in range(4):
            time.sleep(0.6 * SLOW)  # longer than a window: what is tested
            exchange.send(b"x")
        return KEEP

    mine = balancer(static(origin(handler), **limits(**PACE)))
    with Wire(mine.port, patience=60) as wire:
        assert wire.ask("POST", "/slow", body=b"12345").body == b"xxxx"
    assert totals(mine)["too_slow"] == 0


# ---- descriptors and memory --------------------------------------------------------------------------------


def test_without_descriptors_newcomers_wait(balancer, origin):
    """Accepting pauses, does not spin, and goes on when there is room; who is connected is served all the while."""
    mine = balancer(static(origin(), **limits(connections=1000)))
    with Wire(mine.port) as old:
        assert old.ask().status == 200
        old.send("GET /kept HTTP/1.1\r\n")  # busy: not one of the idle ones that make room
        used = max(map(int, os.listdir(f"/proc/{mine.pid}/fd")))
        admin = Wire(mine.admin_port)
        assert admin.ask("GET", "/_lb/state").status == 200
        resource.prlimit(mine.pid, resource.RLIMIT_NOFILE, (used + 6, used + 1000))
        waiting = [Wire(mine.port) for _ in range(40)]
        for wire in waiting:
            wire.send("GET /waited HTTP/1.1\r\n")

        def pauses():
            return admin.ask("GET", "/_lb/state").json()["totals"]["refused_clients"]

        before = until(pauses, what="a pause")
        time.sleep(1)  # what a loop that spins would use
        assert pauses() - before < 200, "it looks again at each tick, and no more often"
        old.send("Host: a\r\n\r\n")
        assert old.read_reply().status in (200, 503), "it is served, if a descriptor is left for its replica"
        resource.prlimit(mine.pid, resource.RLIMIT_NOFILE, (used + 1000, used + 1000))
        for wire in waiting:
            wire.send("Host: a\r\n\r\n")
        assert [wire.read_reply().status for wire in waiting] == [200] * 40
        for wire in waiting:
            wire.close()
        admin.close()
    assert mine.log().count("new clients wait") <= 3, "it is told, and not for each of them"


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_memory_has_a_ceiling_under_a_flood(balancer, origin, many_descriptors):
    """5,000 connections, each with a big head and half of a body."""
    connections, ceiling_mib = 5000, 24
    if many_descriptors < connections + 200:
        pytest.skip(f"needs {connections} descriptors")
    mine = balancer(static(origin(), workers=2, **limits(memory_mib=ceiling_mib, connections=20000)))
    before = rss_kib(mine.pid)
    head = "POST /flood HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nX-Big: " + "b" * 12000 + "\r\n\r\n"
    flood = []
    with KeepAlive(mine.port, clients=2) as patient:
        for _ in range(connections):
            one = socket.create_connection(("127.0.0.1", mine.port), 10 * SLOW)
            one.setblocking(False)
            try:
                one.send(head.encode() + b"h" * 50000)
            except BlockingIOError:
                pass
            flood.append(one)
        until(lambda: totals(mine)["refused_memory"] > 0, what="refusals")
        until(lambda: totals(mine)["accepted"] >= connections, 60, what="all are accepted")
        grown = rss_kib(mine.pid) - before
        print(f"RSS grew by {grown} KiB under {connections} connections; the ceiling is {ceiling_mib * 1024}")
    answers = [_first_bytes(one) for one in flood]
    assert {a[:12] for a in answers if a} <= {b"HTTP/1.1 503", b"HTTP/1.1 200"}, set(answers)
    assert sum(a.startswith(b"HTTP/1.1 503") for a in answers) > 0
    for one in flood:
        one.close()
    if not SANITIZER:
        assert grown < (ceiling_mib + 8) * 1024, "and what the library takes for each event"
    assert patient.bad == sum("503" in str(p) for p in patient.problems), patient.problems[:3]
    assert until(lambda: mine.ask().status == 200), "it goes on afterwards"


def _tunnels(mine, field):
    """How many begin before there is no room for one more."""
    head = b"GET /t HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX: " + field + b"\r\n\r\n"
    some = []
    try:
        while True:
            some.append(Wire(mine.port))
            some[-1].send(head)
            if some[-1].read_head().status != 101:
                return len(some) - 1
    finally:
        for wire in some:
            wire.close()


def test_the_head_that_a_tunnel_keeps_counts_as_memory(balancer, origin):
    """Its buffer has been given back; what the access log will say of it has not."""

    def switches(received, exchange):
        exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        exchange.socket.recv(1)
        return CLOSE

    mine = balancer(static(origin(switches), workers=1, **limits(memory_mib=16)))
    short = _tunnels(mine, b"x")
    until(lambda: mine.state()["totals"]["tunnels_closed"] == short, what="the end of the tunnels")
    long = _tunnels(mine, b"x" * 12000)
    print(f"{short} tunnels with short heads, {long} with long ones")
    each = (16 << 20) / short
    assert long < (16 << 20) / (each + 11000)


def _first_bytes(one):
    try:
        return one.recv(65536)
    except (BlockingIOError, ConnectionError):
        return b""
