"""Who the client is: PROXY headers from a load balancer before us and to replicas behind us, and X-Forwarded-*."""

import socket
import struct
import threading

import pytest

from harness import SLOW, free_ports, until
from origin import KEEP, Origin, reply
from test_proxy_basics import CALM, HELLO, static
from wire import Wire, request_bytes

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source="192.0.2.7", to="192.0.2.80", ports=(4711, 80)):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {to} {ports[0]} {ports[1]}\r\n".encode()


def v2(source="192.0.2.7", to="192.0.2.80", ports=(4711, 80), values=b"", command=1):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    block = socket.inet_pton(family, source) + socket.inet_pton(family, to) + struct.pack("!HH", *ports) + values
    kind = 0x21 if family == socket.AF_INET6 else 0x11
    return SIGNATURE + bytes([0x20 | command, kind]) + struct.pack("!H", len(block)) + block


LOCAL = SIGNATURE + b"\x20\0\0\0"
UNKNOWN = SIGNATURE + b"\x21\0\0\0"
TLS = b"\x20\0\5\1\0\0\0\0"


def keyed_by_client(*origins, **changes):
    return static(*origins, health=CALM, **{"strategy": {"key": ["client_ip"]}, **changes})


@pytest.fixture(scope="module")
def front(shared_balancer, shared_origin):
    """A balancer with a second listener that wants PROXY headers, and its origin."""
    made = shared_origin()
    port = free_ports()
    mine = shared_balancer(static(made, health=CALM), start=False)
    mine.write({"listen": [f"127.0.0.1:{mine.port}", f"127.0.0.1:{port} proxy"]})
    mine.start()
    return mine, port, made


def refused(mine):
    return mine.state()["totals"]["proxy_refused"]


GOOD = {
    "v1": (v1(), "192.0.2.7", "http"),
    "v1 TCP6": (v1("2001:db8::7", "::1"), "2001:db8::7", "http"),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", "127.0.0.1", "http"),
    "v1 UNKNOWN and more": (b"PROXY UNKNOWN ::1 ::1 1 2\r\n", "127.0.0.1", "http"),
    "v2": (v2(), "192.0.2.7", "http"),
    "v2 TCP6": (v2("2001:db8::7", "::1"), "2001:db8::7", "http"),
    "v2 mapped": (v2("::ffff:192.0.2.7", "::1"), "192.0.2.7", "http"),
    "v2 with values": (v2(values=b"\x02\0\4host" + TLS), "192.0.2.7", "https"),
    "v2 of 3 KiB": (v2(values=b"\x04" + struct.pack("!H", 3000) + bytes(3000)), "192.0.2.7", "http"),
    "v2 LOCAL": (LOCAL, "127.0.0.1", "http"),
    "v2 LOCAL that says something": (v2(command=0), "127.0.0.1", "http"),
    "v2 of nobody": (UNKNOWN, "127.0.0.1", "http"),
    "v2 of a socket": (SIGNATURE + b"\x21\x31\0\xd8" + bytes(216), "127.0.0.1", "http"),
}


@pytest.mark.parametrize("piece", [1 << 20, 1], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("name", GOOD)
def test_the_header_says_who_the_client_is(front, name, piece):
    """For all requests of the connection, and not a byte of it is taken for one."""
    mine, port, made = front
    header, client, proto = GOOD[name]
    data = header + request_bytes("GET", "/one") + request_bytes("GET", "/two")
    with Wire(port) as wire:
        for at in range(0, len(data), piece):
            wire.send(data[at : at + piece])
        assert [wire.read_reply().status, wire.read_reply().status] == [200, 200]
        assert wire.ask("GET", "/three").status == 200
    got = made.received[-3:]
    assert [r.target for r in got] == ["/one", "/two", "/three"]
    for received in got:
        assert received.all("X-Forwarded-For") == [client]
        assert received.all("X-Forwarded-Proto") == [proto]


BAD = {
    "none": request_bytes(),
    "a line of another protocol": b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n",
    "a line without CR": b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
    "a line too long": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    "a name for an address": b"PROXY TCP4 localhost 2.2.2.2 1 2\r\n",
    "a port too large": b"PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
    "version 3": SIGNATURE + b"\x31\x11\0\0",
    "command 2": SIGNATURE + b"\x22\x11\0\0",
    "a datagram": SIGNATURE + b"\x21\x12\0\x0c" + bytes(12),
    "a family of its own": SIGNATURE + b"\x21\x41\0\x0c" + bytes(12),
    "too short for its addresses": SIGNATURE + b"\x21\x11\0\x0b" + bytes(11),
    "values that overrun": v2(values=b"\x04\0\x09abc"),
    "a wrong checksum": v2(values=b"\x03\0\4\1\2\3\4"),
    "longer than a buffer": v2(values=b"\x04" + struct.pack("!H", 40000) + bytes(40000)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_header_ends_the_connection(front, name):
    """Without an answer: whoever speaks there does not speak HTTP yet. And nothing reaches a replica."""
    mine, port, made = front
    before, seen = refused(mine), len(made.received)
    with Wire(port) as wire:
        try:
            wire.send(BAD[name] + request_bytes("GET", "/stolen"))
        except ConnectionError:
            pass
        assert wire.is_closed()
    until(lambda: refused(mine) == before + 1, what="the count")
    assert len(made.received) == seen


def test_a_second_header_is_no_request(front):
    mine, port, made = front
    with Wire(port) as wire:
        wire.send(v1() + v1() + request_bytes("GET", "/stolen"))
        assert wire.read_reply().status == 400
        assert wire.is_closed()
    assert "/stolen" not in made.targets()


def test_without_the_word_a_header_is_no_request_either(front):
    mine, _, made = front
    with Wire(mine.port) as wire:
        wire.send(v1() + request_bytes("GET", "/stolen"))
        assert wire.read_reply().status == 400
    assert "/stolen" not in made.targets()


def test_a_header_that_does_not_come_has_the_time_of_a_head(balancer):
    made = Origin()
    mine = balancer(static(made, health=CALM, timeouts={"head": 500 * SLOW}), start=False)
    mine.write({"listen": [f"127.0.0.1:{mine.port}", f"127.0.0.1:{mine.base_port} proxy"]})
    mine.start()
    with Wire(mine.base_port) as silent, Wire(mine.base_port) as half:
        half.send(v2()[:20])
        assert silent.is_closed(within=15) and half.is_closed(within=15)
    made.stop()


def test_a_stranger_may_not_say_who_it_is(balancer, origin):
    """Only proxy_from may; and a reload changes who that is."""
    made = origin()
    mine = balancer(static(made, health=CALM, proxy_from=["192.0.2.0/24"]), start=False)
    mine.write({"listen": [f"127.0.0.1:{mine.port}", f"127.0.0.1:{mine.base_port} proxy"]})
    mine.start()
    for _ in range(3):
        with Wire(mine.base_port) as wire:
            assert wire.is_closed()
    until(lambda: refused(mine) == 3, what="the count")
    assert mine.log().count("proxy_from") == 1, "said once"
    assert mine.reload({"proxy_from": ["127.0.0.1"]}).status == 200
    with Wire(mine.base_port) as wire:
        wire.send(v1())
        assert wire.ask().status == 200


def test_control_looks_at_whom_the_header_names(front):
    """A client that the header does not name is nobody, though the proxy itself is in control_from."""
    mine, port, _ = front
    allowed = {"v1": v1("127.0.0.9"), "local": LOCAL}
    forbidden = {"v1": v1(), "v2": v2("2001:db8::1", "::1"), "unknown": UNKNOWN, "v1 unknown": b"PROXY UNKNOWN\r\n"}
    for headers, status in ((allowed, 200), (forbidden, 403)):
        for name, header in headers.items():
            with Wire(port) as wire:
                wire.send(header)
                assert wire.ask("POST", "/reload").status == status, name
                assert wire.ask("GET", "/rep").status == 200, "who only looks is anybody"


def test_the_key_client_ip_is_whom_the_header_names(balancer, origin):
    origins = [origin() for _ in range(4)]
    ring = {"scheduler": "scheduler_ring", "key": ["client_ip"]}
    mine = balancer({**keyed_by_client(*origins), "strategy": ring}, start=False)
    mine.write({"listen": [f"127.0.0.1:{mine.port}", f"127.0.0.1:{mine.base_port} proxy"]})
    mine.start()

    def served(header):
        with Wire(mine.base_port) as wire:
            wire.send(header)
            return wire.ask().served_by

    placed = {n: served(v1(f"192.0.2.{n}")) for n in range(1, 41)}
    assert len(set(placed.values())) == 4
    assert placed == {n: served(v2(f"192.0.2.{n}", ports=(n, 1))) for n in placed}


def test_limits_count_whom_the_header_names(balancer, origin):
    """Connections and requests for each address; who is not named is not counted as the proxy."""
    mine = balancer(static(origin(), health=CALM, limits={"connections_per_client": 2}), start=False)
    mine.write({"listen": [f"127.0.0.1:{mine.port}", f"127.0.0.1:{mine.base_port} proxy"]})
    mine.start()

    def status(wire, header, together):
        data = header + request_bytes()
        for part in (data,) if together else (data[:-10], data[-10:]):
            wire.send(part)
        return wire.read_reply().status

    wires = [Wire(mine.base_port) for _ in range(10)]
    mine_now = [status(wire, v1(), n % 2 == 0) for n, wire in enumerate(wires[:4])]
    assert mine_now == [200, 200, 503, 503]
    assert [status(wire, v2("192.0.2.8"), False) for wire in wires[4:6]] == [200, 200]
    assert [status(wire, header, True) for wire, header in zip(wires[6:], (UNKNOWN, LOCAL) * 2)] == [200] * 4
    wires[0].close()

    def is_let_in():
        with Wire(mine.base_port) as wire:
            return status(wire, v1(ports=(4712, 80)), True) == 200

    until(is_let_in, what="the place of the one that went")
    with Wire(mine.base_port) as wire:
        assert status(wire, v1("192.0.2.8"), True) == 503, "whoever goes makes room for himself alone"
    for wire in wires:
        wire.close()
    until(lambda: again(mine, v1()) == 200, what="room for it again")
    rate = {"limits": {"connections_per_client": 0, "rate": 1, "burst": 3}}
    assert mine.reload(rate).status == 200
    assert sorted(again(mine, v1("192.0.2.20")) for _ in range(6)).count(503) >= 2
    assert again(mine, v1("192.0.2.21")) == 200


def again(mine, header):
    with Wire(mine.base_port) as wire:
        wire.send(header)
        return wire.ask().status


# ---- X-Forwarded-* -----------------------------------------------------------------------------------------

TRUST = {"trust_forwarded": ["127.0.0.0/8", "10.0.0.0/8"]}
SAID = {"X-Forwarded-For": "6.6.6.6, 192.0.2.7, 10.0.0.3", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "outside"}


def said(received):
    return {name: received.get(name) for name in SAID}


def test_who_is_trusted_says_how_the_client_came(balancer, origin):
    made = origin()
    mine = balancer(static(made, health=CALM))
    for changes, proto, host in (({}, "http", "ringmaster.test"), (TRUST, "https", "outside")):
        assert mine.reload(changes).status == 200
        assert mine.ask("GET", "/home", SAID).status == 200
        assert said(made.last()) == {
            "X-Forwarded-For": SAID["X-Forwarded-For"] + ", 127.0.0.1",
            "X-Forwarded-Proto": proto,
            "X-Forwarded-Host": host,
        }
        assert mine.ask("GET", "/home").status == 200
        assert said(made.last()) == {
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Host": "ringmaster.test",
        }


def test_the_key_client_ip_is_the_last_who_is_not_trusted(balancer, origin):
    origins = [origin() for _ in range(4)]
    ring = {"scheduler": "scheduler_ring", "key": ["client_ip"]}
    mine = balancer({**static(*origins, health=CALM), "strategy": ring, **TRUST})

    def served(field):
        return mine.ask("GET", "/home", {"X-Forwarded-For": field}).served_by

    placed = {n: served(f"192.0.2.{n}") for n in range(1, 41)}
    assert len(set(placed.values())) == 4
    for n, name in placed.items():
        assert served(f"6.6.6.{n}, 192.0.2.{n}, 10.0.0.{n}") == name, "what the client wrote itself does not count"
    assert mine.reload({"trust_forwarded": []}).status == 200
    assert len({served(f"192.0.2.{n}") for n in range(1, 41)}) == 1, "nobody is believed: all come from one address"


def test_control_needs_both_the_proxy_and_the_client_it_names(balancer, origin):
    """A proxy on this machine does not make everybody an operator."""
    mine = balancer({**static(origin(), health=CALM), **TRUST})
    for field, status in (("192.0.2.7", 403), ("127.0.0.1, 192.0.2.7", 403), ("127.0.0.5", 200), ("unknown", 200)):
        assert mine.ask("POST", "/reload", {"X-Forwarded-For": field}).status == status, field
    assert mine.reload({"control_from": ["192.0.2.7"]}).status == 200
    assert mine.ask("POST", "/reload", {"X-Forwarded-For": "192.0.2.7"}).status == 403, "the proxy is not in it"


# ---- PROXY headers to replicas -----------------------------------------------------------------------------


class Behind(Origin):
    """A replica that wants a PROXY header on each connection, heartbeats too. Notes who each request is from."""

    def __init__(self):
        self.clients = {}  # number of the connection -> (command, from, to)
        super().__init__(self.answer)

    def _serve(self, exchange):
        try:
            fixed = exchange.read_exactly(16)
            if fixed[:12] != SIGNATURE:
                raise EOFError(f"no header: {fixed}")
            block = exchange.read_exactly(struct.unpack("!H", fixed[14:16])[0])
            size, family = {0x11: (4, socket.AF_INET), 0x21: (16, socket.AF_INET6)}.get(fixed[13], (0, None))
            source = to = None
            if family:
                ports = struct.unpack("!HH", block[2 * size : 2 * size + 4])
                source = (socket.inet_ntop(family, block[:size]), ports[0])
                to = (socket.inet_ntop(family, block[size : 2 * size]), ports[1])
            self.clients[exchange.number] = (fixed[12], source, to)
        except (EOFError, OSError):
            exchange.socket.close()
            return
        super()._serve(exchange)

    @staticmethod
    def answer(received, exchange):
        received.body()
        exchange.send(reply(body=b"hello"))
        return KEEP

    def client_of_last(self):
        return self.clients[self.last().connection]


@pytest.fixture
def behind():
    made = Behind()
    yield made
    made.stop()
    assert not made.problems


V2 = {"upstream": {"proxy_protocol": "v2"}}


def test_each_connection_names_its_client_and_serves_it_alone(balancer, behind):
    mine = balancer(static(behind, health=CALM, **V2))
    with Wire(mine.port) as one, Wire(mine.port) as two:
        for wire in (one, two, one, two, one):
            assert wire.ask().body == b"hello"
            assert behind.client_of_last() == (0x21, wire.socket.getsockname(), ("127.0.0.1", mine.port))
    connections = [r.connection for r in behind.received]
    assert connections[0] == connections[2] == connections[4] and connections[1] == connections[3]
    assert connections[0] != connections[1], "never shared"
    (row,) = mine.state()["replicas"]
    assert (row["connects"], row["reuses"]) == (2, 3)


def test_heartbeats_say_that_they_are_our_own(balancer, behind):
    """Or the replica would never be ready."""
    mine = balancer(static(behind, health={"interval_ms": 20}, **V2))
    until(lambda: behind.heartbeats > 5, what="heartbeats")
    assert {client[0] for client in behind.clients.values()} == {0x20}
    assert mine.ask().status == 200


def test_a_body_and_a_retry_keep_their_header(balancer, behind):
    """A kept connection closes under the second request: the fresh one begins with the header again."""
    mine = balancer(static(behind, health=CALM, **V2))
    drop = threading.Event()

    def handler(received, exchange):
        if drop.is_set():
            drop.clear()
            return "close"
        return Behind.answer(received, exchange)

    behind.handler = handler
    with Wire(mine.port) as wire:
        assert wire.ask("POST", "/home", body=b"x" * 100000).body == b"hello"
        assert behind.last().raw_body == b"x" * 100000
        drop.set()
        assert wire.ask().body == b"hello"
        assert behind.client_of_last()[1] == wire.socket.getsockname()


def test_whom_a_header_names_is_told_on(balancer, behind):
    mine = balancer(static(behind, health=CALM, **V2), start=False)
    mine.write({"listen": [f"127.0.0.1:{mine.port}", f"127.0.0.1:{mine.base_port} proxy"]})
    mine.start()
    for header, told in (
        (v1(), (0x21, ("192.0.2.7", 4711), ("192.0.2.80", 80))),
        (v2("2001:db8::7", "::1"), (0x21, ("2001:db8::7", 4711), ("::1", 80))),
        (UNKNOWN, (0x21, None, None)),
    ):
        with Wire(mine.base_port) as wire:
            wire.send(header)
            assert wire.ask().body == b"hello"
        assert behind.client_of_last() == told
    with Wire(mine.base_port) as wire:
        wire.send(LOCAL)
        assert wire.ask().body == b"hello"
        assert behind.client_of_last()[1] == wire.socket.getsockname()


def test_kept_connections_of_others_give_way(balancer, behind):
    """upstream.idle bounds them, and the oldest goes first: who comes again finds his own."""
    mine = balancer(static(behind, health=CALM, upstream={"proxy_protocol": "v2", "idle": 3}))
    wires = [Wire(mine.port) for _ in range(6)]
    for wire in wires:
        assert wire.ask().body == b"hello"
    for wire in wires[3:]:
        assert wire.ask().body == b"hello"
    (row,) = mine.state()["replicas"]
    assert (row["connects"], row["reuses"]) == (6, 3)
    for wire in wires:
        wire.close()


def test_a_reload_switches_it_and_no_connection_is_taken_for_the_other_kind(balancer, behind):
    mine = balancer(static(behind, health=CALM, **V2))
    with Wire(mine.port) as wire:
        assert wire.ask().body == b"hello"
        assert mine.reload({"upstream": {"proxy_protocol": "off"}}).status == 200
        assert wire.ask().status == 502, "this replica wants the header, and its kept connection is another client's"
        assert mine.reload({"upstream": {"proxy_protocol": "v2"}}).status == 200
        assert wire.ask().body == b"hello"


def test_a_tunnel_begins_with_it_too(balancer, behind):
    mine = balancer(static(behind, health=CALM, **V2))

    def handler(received, exchange):
        exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        exchange.send(exchange.read_exactly(5))
        return "close"

    behind.handler = handler
    with Wire(mine.port) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello")
        assert wire.read_head().status == 101
        assert wire.read_rest() == b"hello"
        assert behind.client_of_last()[1] == wire.socket.getsockname()


def test_off_is_off(balancer, origin):
    made = origin(lambda received, exchange: (exchange.send(HELLO), KEEP)[1])
    mine = balancer(static(made, health=CALM))
    assert mine.ask().body == b"hello"
    assert made.last().method == "GET"
