"""Tunnels: what comes after a 101. WebSockets spoken by a real client and a real server (aiohttp), and raw bytes
where the edges are."""

import asyncio
import fcntl
import hashlib
import random
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

import aiohttp
import pytest

from harness import SANITIZER, SLOW, free_ports, memory_kib, until
from origin import CLOSE, reply, scripted
from test_proxy_basics import CALM, HELLO, static
from wire import Wire

ASK = b"GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

WEBSOCKET_SERVER = """
import sys
from aiohttp import web

async def chat(request):
    ws = web.WebSocketResponse(max_msg_size=1 << 26)
    await ws.prepare(request)
    async for message in ws:
        if message.type == 1:
            await ws.send_str(message.data)
        elif message.type == 2:
            await ws.send_bytes(message.data)
    return ws

async def well(request):
    return web.Response()

app = web.Application()
app.add_routes([web.get("/chat", chat), web.get("/heartbeat", well), web.get("/home", well)])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, handle_signals=False)
"""


class Server:
    """The WebSocket server, in a process of its own: it can be killed."""

    def __init__(self):
        self.port = free_ports()
        self.process = subprocess.Popen([sys.executable, "-c", WEBSOCKET_SERVER, str(self.port)])
        until(lambda: socket.create_connection(("127.0.0.1", self.port)).close() is None, what="the server")

    @property
    def place(self):
        return f"127.0.0.1:{self.port}"

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.kill()


def tunnels(mine):
    return mine.state()["tunnels"]


def in_flight(mine):
    return sum(row["in_flight"] for row in mine.state()["replicas"])


def no_tunnel_left(mine):
    until(lambda: tunnels(mine) == 0 and in_flight(mine) == 0, what="the end of all tunnels")


@pytest.fixture(scope="module")
def one(shared_balancer, shared_origin):
    made = shared_origin()
    mine = shared_balancer(static(made, health=CALM))
    yield mine, made
    no_tunnel_left(mine)


def switched(wire, head=ASK):
    wire.send(head)
    answer = wire.read_head()
    assert (answer.status, answer.all("Connection"), answer.all("Upgrade")) == (101, ["Upgrade"], ["echo"])
    assert answer.served_by
    return answer


def echo(received, exchange):
    """Switches, then gives back all it gets, and its end with it."""
    exchange.send(SWITCHED + exchange.pending)
    while data := exchange.socket.recv(1 << 16):
        exchange.send(data)
    return CLOSE


def recv_all(sock):
    parts = []
    while data := sock.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


# ---- WebSocket ---------------------------------------------------------------------------------------------


def url(mine):
    return f"http://127.0.0.1:{mine.port}/chat"


async def say(ws, data):
    await (ws.send_str(data) if isinstance(data, str) else ws.send_bytes(data))
    message = await ws.receive(timeout=30 * SLOW)
    assert message.data == data, (message.type, len(data))


def test_a_websocket_echoes_messages_of_all_sizes(balancer, server):
    mine = balancer(static(server))
    draw = random.Random(4)

    async def talk():
        async with aiohttp.ClientSession() as session, session.ws_connect(url(mine), max_msg_size=1 << 26) as ws:
            for _ in range(300):
                size = int(2 ** draw.uniform(0, 18))
                await say(ws, draw.randbytes(size) if size % 2 else "x" * size)
            await say(ws, draw.randbytes(20 << 20))
            assert tunnels(mine) == 1 and in_flight(mine) == 1
        assert ws.close_code == 1000

    asyncio.run(talk())
    no_tunnel_left(mine)
    totals = mine.state()["totals"]
    assert (totals["tunnels"], totals["tunnels_closed"]) == (1, 1)
    (row,) = mine.state()["replicas"]
    assert row["status_1xx"] == 1 and row["bytes_up"] > 20 << 20 and row["bytes_down"] > 20 << 20


def test_many_websockets_at_once(balancer, server):
    mine = balancer(static(server, workers=2))

    async def talk(session, number):
        draw = random.Random(number)
        async with session.ws_connect(url(mine)) as ws:
            for _ in range(40):
                await say(ws, draw.randbytes(draw.randrange(1, 30000)))

    async def crowd():
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(talk(session, number) for number in range(100)))

    asyncio.run(crowd())
    no_tunnel_left(mine)
    assert mine.state()["totals"]["tunnels"] == 100


def test_a_websocket_survives_reloads_and_pins_no_view(balancer, server):
    """The strategy under which it began is unloaded while it goes on."""
    mine = balancer(static(server, workers=2))
    kinds = ("scheduler_ring", "scheduler_maglev", "scheduler_p2c", "scheduler_random", "scheduler_rendezvous")

    async def talk():
        async with aiohttp.ClientSession() as session, session.ws_connect(url(mine)) as ws:
            await say(ws, "before")
            for turn in range(50):
                changes = {"strategy": {"scheduler": kinds[turn % len(kinds)]}}
                answer = await asyncio.to_thread(mine.reload, changes)
                assert answer.status == 200, answer
                await say(ws, f"after reload {turn}")
            until(lambda: mine.state()["live_views"] == 1, what="the old views' release")
            state = mine.state()
            assert state["generation"] >= 50 and state["tunnels"] == 1
            assert state["strategy"]["plugins"]["loaded"] <= 4, "the others' plugins are gone"
            await say(ws, "and at last")

    asyncio.run(talk())
    no_tunnel_left(mine)


def test_a_killed_replica_closes_it(balancer, server):
    mine = balancer(static(server))

    async def talk():
        async with aiohttp.ClientSession() as session, session.ws_connect(url(mine)) as ws:
            await say(ws, "hello")
            server.kill()
            message = await ws.receive(timeout=10 * SLOW)
            assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.ERROR)

    asyncio.run(talk())
    no_tunnel_left(mine)


# ---- the upgrade -------------------------------------------------------------------------------------------


def test_what_follows_at_once_on_either_side_is_not_lost(one):
    """The client does not wait for the 101, and the replica's first bytes come in one piece with it."""
    mine, made = one

    def handler(received, exchange):
        exchange.send(SWITCHED + b"at once")
        assert exchange.read_exactly(5) == b"early"
        exchange.send(b" got")
        return CLOSE

    made.handler = handler
    with Wire(mine.port) as wire:
        switched(wire, ASK + b"early")
        assert wire.read_rest() == b"at once got"


def test_what_the_client_sends_before_the_101_is_held_however_it_comes(one):
    mine, made = one
    may_answer = threading.Event()

    def handler(received, exchange):
        may_answer.wait(10 * SLOW)
        return echo(received, exchange)

    made.handler = handler
    data = random.Random(9).randbytes(60000)  # more than the first buffer holds: the rest waits in the kernel
    with Wire(mine.port) as wire:
        wire.send(ASK)
        for at in range(0, len(data), 5000):
            wire.send(data[at : at + 5000])
        may_answer.set()
        assert wire.read_head().status == 101
        wire.end_sending()
        assert wire.read_rest() == data


def test_another_answer_is_an_answer(one):
    """Not a 101: the request is like any other, and what the client sent early is its next request."""
    mine, made = one
    made.handler = scripted(reply(426, b"no", [("Connection", "Upgrade"), ("Upgrade", "x")]), HELLO)
    with Wire(mine.port) as wire:
        wire.send(ASK + b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n")
        first = wire.read_reply()
        assert (first.status, first.body, first.get("Upgrade")) == (426, b"no", None)
        assert wire.read_reply().body == b"hello"
        assert wire.ask().body == b"hello"


def test_interim_replies_may_come_before_it(one):
    mine, made = one

    def handler(received, exchange):
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        return echo(received, exchange)

    made.handler = handler
    with Wire(mine.port) as wire:
        wire.send(ASK + b"hello")
        assert [wire.read_head().status, wire.read_head().status] == [103, 101]
        assert wire.read_exactly(5) == b"hello"


def test_the_option_names_what_may_be_switched_to(balancer, origin):
    """Not named, not offered; and a reload does not touch the tunnels there are."""
    made = origin(echo)
    mine = balancer(static(made, health=CALM))
    with Wire(mine.port) as old:
        switched(old)
        assert mine.reload({"upgrade": ["websocket"]}).status == 200
        made.handler = scripted(HELLO)
        with Wire(mine.port) as wire:
            wire.send(ASK)
            assert wire.read_reply().body == b"hello"
        assert made.last().all("Upgrade") == [] and made.last().all("Connection") == []
        old.send(b"still there")
        assert old.read_exactly(11) == b"still there"
        assert mine.reload({"upgrade": ["WebSocket", "h2c"]}).status == 200
        with Wire(mine.port) as wire:
            wire.send(ASK.replace(b"echo", b"echo, websocket/13, h2c, HTTP/2.0"))
            assert wire.read_reply().body == b"hello"
        assert made.last().all("Upgrade") == ["websocket/13, h2c"]
        assert made.last().all("Connection") == ["Upgrade"]
    no_tunnel_left(mine)


def test_its_socket_is_nobody_elses(one):
    mine, made = one
    made.handler = scripted(echo, HELLO)
    with Wire(mine.port) as wire:
        switched(wire)
        wire.send(b"x")
        assert wire.read_exactly(1) == b"x"
    connection = made.last().connection
    no_tunnel_left(mine)
    assert mine.ask().body == b"hello"
    assert made.last().connection != connection


# ---- ends --------------------------------------------------------------------------------------------------


def test_the_clients_end_is_passed_on_and_the_rest_still_comes(one):
    mine, made = one
    late = random.Random(1).randbytes(500000)

    def handler(received, exchange):
        exchange.send(SWITCHED)
        got = exchange.pending + recv_all(exchange.socket)
        exchange.send(hashlib.sha1(got).digest() + late)
        return CLOSE

    made.handler = handler
    data = random.Random(2).randbytes(700000)
    with Wire(mine.port) as wire:
        switched(wire)
        wire.send(data)
        wire.end_sending()
        assert wire.read_rest() == hashlib.sha1(data).digest() + late
    no_tunnel_left(mine)


def test_the_replicas_end_is_passed_on_and_it_still_hears(one):
    mine, made = one
    heard = []

    def handler(received, exchange):
        exchange.send(SWITCHED + b"bye")
        exchange.socket.shutdown(socket.SHUT_WR)
        heard.append(exchange.pending + recv_all(exchange.socket))
        return CLOSE

    made.handler = handler
    data = random.Random(3).randbytes(300000)
    with Wire(mine.port) as wire:
        switched(wire)
        assert wire.read_rest() == b"bye"
        wire.send(data)
    until(lambda: heard == [data], what="all of it at the replica")
    no_tunnel_left(mine)


def fill(sock, data):
    """Sends what can be sent while nobody reads. How much of it is beyond what a reset would still lose (SIOCOUTQ)."""
    sock.setblocking(False)
    sent, still, last = 0, 0, None
    while still < 20:
        try:
            sent += sock.send(data[sent : sent + 65536])
        except BlockingIOError:
            pass
        there = sent - struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
        still, last = (still + 1 if there == last else 0), there
        time.sleep(0.005)
    return last


def test_a_replica_that_closes_is_read_to_its_end(one):
    """It ends with a reset, for the client's words lie unread there, and takes no more; what it said before is not
    lost, though the client reads late and speaks on."""
    mine, made = one
    data, there = random.Random(5).randbytes(16 << 20), []

    def handler(received, exchange):
        exchange.send(SWITCHED)
        exchange.read_exactly(1)
        there.append(fill(exchange.socket, data))
        return CLOSE

    made.handler = handler
    with Wire(mine.port, receive_buffer=4096) as wire:
        switched(wire)
        wire.send(b"x" + b"y" * 50000)
        until(lambda: there and not made.carrying, what="the replica's end")
        for _ in range(20):
            wire.send(b"z" * 1000)
            time.sleep(0.005)  # in pieces that come one by one: some write of the balancer fails
        got = wire.read_exactly(there[0])
        got += wire.read_rest()
        print(f"{there[0]} bytes were there, {len(got)} came")
        assert got == data[: len(got)]
    no_tunnel_left(mine)


@pytest.mark.parametrize("who", ["client", "replica"])
def test_a_reset_ends_both_sides(one, who):
    mine, made = one
    ended = threading.Event()

    def handler(received, exchange):
        exchange.send(SWITCHED)
        if who == "replica":
            exchange.read_exactly(1)
            exchange.reset()
            return CLOSE
        try:
            while exchange.socket.recv(1000):
                pass
        except ConnectionError:
            pass
        ended.set()
        return CLOSE

    made.handler = handler
    with Wire(mine.port) as wire:
        switched(wire)
        if who == "replica":
            wire.send(b"x")
            assert wire.is_closed()
        else:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            wire.close()
            assert ended.wait(10 * SLOW)
    no_tunnel_left(mine)


def test_silence_ends_it_and_a_word_in_one_direction_is_none(balancer, origin):
    made = origin(echo)
    mine = balancer(static(made, health=CALM, timeouts={"tunnel": 700 * SLOW}))
    with Wire(mine.port) as silent, Wire(mine.port) as busy:
        switched(silent)
        switched(busy)
        start, ended = time.monotonic(), None
        while ended is None:
            busy.send(b"x")
            assert busy.read_exactly(1) == b"x", "this one is not silent"
            if not silent.is_quiet(0.05):
                ended = time.monotonic() - start
        print(f"silent for {ended:.2f} s")
        assert ended >= 0.6 * SLOW, "not sooner"
        assert silent.is_closed()
        busy.send(b"y")
        assert busy.read_exactly(1) == b"y"
    no_tunnel_left(mine)
    assert mine.state()["totals"]["timeouts"] == 1


def test_after_one_side_has_ended_the_other_has_the_time_of_a_body(balancer, origin):
    def handler(received, exchange):
        exchange.send(SWITCHED)
        recv_all(exchange.socket)
        over.wait(30 * SLOW)  # and says nothing any more
        return CLOSE

    over = threading.Event()
    made = origin(handler)
    mine = balancer(static(made, health=CALM, timeouts={"relay": 500 * SLOW}))
    with Wire(mine.port) as wire:
        switched(wire)
        wire.end_sending()
        assert wire.is_closed(within=15)
    over.set()
    no_tunnel_left(mine)


def test_leaving_ends_it_at_the_drain_deadline(balancer, origin):
    made = origin(echo)
    mine = balancer(static(made, health=CALM, timeouts={"drain": 700}))
    with Wire(mine.port) as wire:
        switched(wire)
        mine.send_signal(signal.SIGTERM)
        for _ in range(5):  # it goes on meanwhile
            wire.send(b"x")
            assert wire.read_exactly(1) == b"x"
        assert wire.is_closed(within=15)
        assert mine.wait_exit() == 0


def test_removing_its_replica_ends_it_at_the_drain_deadline(balancer, origin):
    """Nobody stops a static replica, so the workers are told to let go of it."""
    made, other = origin(echo), origin()
    mine = balancer(static(made, other, health=CALM, replicas={
        "driver": "static", "count": None, "drain_timeout_ms": 700 * SLOW,
        "static": {"addresses": [made.place, other.place]}}))  # fmt: skip
    with Wire(mine.port) as wire, Wire(mine.port) as second:
        other.handler = echo
        first = switched(wire)
        switched(second)
        name = next(n for n, row in mine.replicas().items() if row["address"] == made.place)
        assert (len(made.received), len(other.received)) == (1, 1), "one on each"
        gone, stays = (wire, second) if first.served_by == name else (second, wire)
        assert mine.rm({"hostnames": [name]}).status == 200
        gone.send(b"x")
        assert gone.read_exactly(1) == b"x", "it may go on for a while"
        assert gone.is_closed(within=15)
        stays.send(b"y")
        assert stays.read_exactly(1) == b"y"
    no_tunnel_left(mine)


# ---- back-pressure -----------------------------------------------------------------------------------------

BULK = 64 << 20  # the kernel's own buffers take up to 12 MiB of it
PEAK_KIB = 48 * 1024


@pytest.mark.parametrize("splice_min", [0, 65536])
@pytest.mark.parametrize("direction", ["down", "up"])
def test_a_slow_reader_slows_the_other_side(balancer, origin, direction, splice_min):
    """64 MiB through a reader that stops now and then: all of it arrives, and the balancer holds none of it."""
    block = random.Random(6).randbytes(1 << 20)
    want = hashlib.sha1(block * (BULK >> 20)).hexdigest()
    result, sent = [], [0]

    def write_all(sock):
        for _ in range(BULK >> 20):
            sock.sendall(block)
            sent[0] += len(block)
        sock.shutdown(socket.SHUT_WR)

    def read_slowly(sock, first):
        digest, got, pause = hashlib.sha1(first), len(first), BULK >> 20
        while data := sock.recv(1 << 16):
            digest.update(data)
            got += len(data)
            if got > pause << 20 and pause < BULK >> 20:
                pause += BULK >> 22
                time.sleep(0.05)
        result.append(digest.hexdigest())

    def handler(received, exchange):
        exchange.send(SWITCHED)
        if direction == "down":
            write_all(exchange.socket)
            recv_all(exchange.socket)
        else:
            exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            may_read.wait(20 * SLOW)
            read_slowly(exchange.socket, exchange.pending)
        return CLOSE

    may_read = threading.Event()
    made = origin(handler)
    mine = balancer(static(made, health=CALM, limits={"splice_min": splice_min}))
    with Wire(mine.port, patience=60, receive_buffer=65536) as wire:
        switched(wire)
        if direction == "up":
            writer = threading.Thread(target=write_all, args=(wire.socket,))
            writer.start()
            stuck(sent)
            may_read.set()
            writer.join()
            wire.read_rest()
        else:
            stuck(sent)
            read_slowly(wire.socket, wire.pending)
    until(lambda: result, what="the end")
    assert result == [want]
    peak = memory_kib(mine.pid, "VmHWM")
    print(f"peak of the balancer: {peak / 1024:.1f} MiB")
    assert SANITIZER or peak < PEAK_KIB
    no_tunnel_left(mine)


def stuck(sent):
    """The writer cannot go on: nobody reads, and nobody in between takes more than a little."""
    last = [-1, 0]

    def still():
        same = sent[0] == last[0]
        last[:] = [sent[0], last[1] + 1 if same else 0]
        return last[1] > 10

    until(still, within=30, what="the writer to wait")
    assert sent[0] < BULK // 2, f"{sent[0]} bytes are held somewhere"


def test_a_silent_tunnel_holds_no_buffer(balancer, origin):
    """A thousand tunnels that wait cost what their structs cost."""
    made = origin(echo)
    mine = balancer(static(made, health=CALM))
    count = 1000 if not SANITIZER else 100
    wires = [Wire(mine.port) for _ in range(50)]
    for wire in wires:
        switched(wire)
    before = memory_kib(mine.pid, "VmRSS")
    wires += [Wire(mine.port) for _ in range(count)]
    for wire in wires[50:]:
        switched(wire)
        wire.send(b"x" * 100)
        wire.read_exactly(100)
    grown = memory_kib(mine.pid, "VmRSS") - before
    print(f"{grown / count:.2f} KiB for each silent tunnel")
    assert SANITIZER or grown / count < 8
    for wire in wires:
        wire.close()
    no_tunnel_left(mine)
