"""HTTP/1.1 through the balancer, byte by byte: the test plays the client and the replica."""

import re
import threading
import time

import pytest

from harness import free_ports, until
from origin import CLOSE, KEEP, reply, scripted
from wire import BadReply, Closed, Wire, request_bytes

HELLO = reply(body=b"hello")


def static(*origins, **changes):
    """Settings with these origins as static replicas, asked in turn, and no heartbeat in between."""
    return {
        "workers": 1,
        "strategy": {"scheduler": "scheduler_round_robin", "scheduler_options": None},
        "replicas": {"driver": "static", "count": None, "static": {"addresses": [o.place for o in origins]}},
        **changes,
    }


CALM = {"interval_ms": 60000, "unready_after": 100, "dead_after": 1000}  # ready once, then left alone


@pytest.fixture(scope="module")
def one(shared_balancer, shared_origin):
    """One balancer with one origin whose handler a test may set."""
    made = shared_origin()
    return shared_balancer(static(made, health=CALM)), made


@pytest.fixture(autouse=True)
def no_handler_failed(request):
    yield
    if "one" in request.fixturenames:
        made = request.getfixturevalue("one")[1]
        problems, made.problems = made.problems, []
        assert not problems, problems


# ---- connections -------------------------------------------------------------------------------------------


def test_keep_alive_on_both_sides(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    before = origin.connections
    with Wire(mine.port) as wire:
        for number in range(20):
            answer = wire.ask("GET", f"/{number}")
            assert (answer.status, answer.body, answer.version) == (200, b"hello", "HTTP/1.1")
    assert origin.connections - before <= 1, "the socket to the replica is used again"


def test_ten_pipelined_requests_are_answered_in_order(one):
    mine, origin = one

    def slow_first(received, exchange):
        received.body()
        if received.target == "/p0":
            time.sleep(0.2)  # the others must not overtake it
        exchange.send(reply(body=received.target.encode()))
        return KEEP

    origin.handler = slow_first
    with Wire(mine.port) as wire:
        wire.send(b"".join(request_bytes("GET", f"/p{i}") for i in range(10)))
        assert [wire.read_reply().body for _ in range(10)] == [b"/p%d" % i for i in range(10)]
        assert wire.ask("GET", "/p10").body == b"/p10"


def test_pipelined_requests_with_bodies(one):
    mine, origin = one

    def echo(received, exchange):
        exchange.send(reply(body=received.body()))
        return KEEP

    origin.handler = echo
    bodies = [b"", b"a", b"b" * 70000, b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", b"c"]
    before = len(origin.received)
    with Wire(mine.port) as wire:
        threading.Thread(
            target=lambda: wire.send(b"".join(request_bytes("POST", "/e", body=b) for b in bodies))
        ).start()
        assert [wire.read_reply().body for _ in bodies] == bodies
    assert origin.targets()[before:] == ["/e"] * len(bodies)


def test_a_head_that_comes_byte_by_byte(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    with Wire(mine.port) as wire:
        for byte in request_bytes("GET", "/slow", [("X-A", "1")]):
            wire.send(bytes([byte]))
        assert wire.read_reply().status == 200


def test_an_empty_line_before_a_request_is_passed_over(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    with Wire(mine.port) as wire:
        wire.send(b"\r\n" + request_bytes())
        assert wire.read_reply().status == 200


def test_connection_close_is_obeyed_and_said(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    with Wire(mine.port) as wire:
        answer = wire.ask(headers=[("Connection", "close")])
        assert answer.status == 200 and answer.get("Connection", "").lower() == "close"
        assert wire.is_closed()


def test_a_replica_that_closes_after_each_reply_costs_the_client_nothing(one):
    mine, origin = one

    def once(received, exchange):
        received.body()
        exchange.send(reply(body=b"hello", headers=[("Connection", "close")]))
        return CLOSE

    origin.handler = once
    with Wire(mine.port) as wire:
        for _ in range(10):
            answer = wire.ask()
            assert answer.status == 200 and answer.body == b"hello"
            assert answer.get("Connection", "").lower() != "close"


def test_a_client_that_speaks_1_0(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    with Wire(mine.port) as wire:
        wire.send("GET /old HTTP/1.0\r\n\r\n")
        answer = wire.read_reply()
        assert answer.status == 200 and answer.body == b"hello"
        assert wire.is_closed()
    assert origin.last().version == "HTTP/1.1"


def test_a_client_that_speaks_1_0_and_keeps_alive(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    with Wire(mine.port) as wire:
        for _ in range(3):
            wire.send("GET /old HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            answer = wire.read_reply()
            assert answer.status == 200 and answer.body == b"hello"
            assert answer.get("Connection", "").lower() == "keep-alive"


def test_a_chunked_reply_to_a_1_0_client_loses_its_coding(one):
    mine, origin = one
    origin.handler = scripted(
        reply(headers=[("Transfer-Encoding", "chunked")], length=False) + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    with Wire(mine.port) as wire:
        wire.send("GET /old HTTP/1.0\r\n\r\n")
        answer = wire.read_reply()
        assert answer.body == b"abcde" and not answer.all("Transfer-Encoding")


def test_a_client_that_half_closes_still_gets_its_answer(one):
    mine, origin = one

    def late(received, exchange):
        time.sleep(0.1)
        exchange.send(HELLO)
        return KEEP

    origin.handler = late
    with Wire(mine.port) as wire:
        wire.send(request_bytes(headers=[("Connection", "close")]))
        wire.end_sending()
        assert wire.read_reply().body == b"hello"


# ---- replies without a body --------------------------------------------------------------------------------


def test_head_has_the_length_and_no_body(one):
    mine, origin = one
    origin.handler = scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")
    with Wire(mine.port) as wire:
        for _ in range(3):
            answer = wire.ask("HEAD", "/h")
            assert answer.status == 200 and answer.get("Content-Length") == "12345"
            assert wire.is_quiet(0.05)
    assert origin.last().method == "HEAD"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_replies_that_have_no_body(one, raw):
    mine, origin = one
    origin.handler = scripted(raw)
    with Wire(mine.port) as wire:
        for _ in range(3):
            answer = wire.ask("GET", "/n")
            assert answer.status == int(raw.split()[1]) and answer.body == b""
            assert wire.is_quiet(0.05)


def test_interim_replies(one):
    mine, origin = one
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    origin.handler = scripted(hints + HELLO)
    with Wire(mine.port) as wire:
        answer = wire.ask()
        assert answer.status == 200 and answer.body == b"hello"
        assert [i.status for i in answer.interim] == [103]
        assert answer.interim[0].get("Link") == "</a.css>; rel=preload"
        wire.send("GET /old HTTP/1.0\r\n\r\n")
        answer = wire.read_reply()
        assert answer.status == 200 and not answer.interim, "a 1.0 client knows no interim replies"


# ---- bodies ------------------------------------------------------------------------------------------------


def chunked(*parts, trailer=b""):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n" + trailer + b"\r\n"


def test_a_chunked_request_arrives_whole(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    parts = [b"a" * 10, b"b" * 5000, b"c" * 100000, b"d"]
    with Wire(mine.port) as wire:
        wire.send(request_bytes("POST", "/c", [("Transfer-Encoding", "chunked")]))
        for part in parts:
            wire.send(chunked(part)[:-5])
        wire.send(b"0\r\n\r\n")
        assert wire.read_reply().status == 200
        received = origin.last()
        assert received.body() == b"".join(parts)
        assert len(received.all("Content-Length")) + len(received.all("Transfer-Encoding")) == 1
        assert wire.ask("GET", "/after").status == 200


def test_chunk_extensions_and_trailers_do_no_harm(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    with Wire(mine.port) as wire:
        wire.send(request_bytes("POST", "/t", [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")]))
        wire.send(b"5;name=value\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
        assert wire.read_reply().status == 200
        assert origin.last().body() == b"hello"
        assert wire.ask("GET", "/after").status == 200
        assert origin.last().target == "/after"


def test_a_chunked_reply_arrives_whole(one):
    mine, origin = one
    parts = [b"x" * 1, b"y" * 70000, b"z" * 300]
    origin.handler = scripted(
        reply(headers=[("Transfer-Encoding", "chunked")], length=False) + chunked(*parts)
    )
    with Wire(mine.port) as wire:
        for _ in range(3):
            answer = wire.ask()
            assert answer.framing == "chunked" and answer.body == b"".join(parts)


def test_a_chunk_is_passed_on_when_it_comes(one):
    """No waiting for the whole: a stream of events would stand still."""
    mine, origin = one
    go_on = threading.Event()

    def stream(received, exchange):
        exchange.send(reply(headers=[("Transfer-Encoding", "chunked")], length=False) + b"6\r\nfirst\n\r\n")
        go_on.wait(30)
        exchange.send(b"7\r\nsecond\n\r\n0\r\n\r\n")
        return KEEP

    origin.handler = stream
    with Wire(mine.port) as wire:
        wire.send(request_bytes())
        wire.read_until(b"first\n")
        go_on.set()
        wire.read_until(b"second\n")


def test_a_reply_read_until_close(one):
    mine, origin = one

    def until_close(received, exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"w" * 100000)
        return CLOSE

    origin.handler = until_close
    with Wire(mine.port) as wire:
        answer = wire.ask()
        assert answer.body == b"w" * 100000 and answer.framing in ("chunked", "close")
        if answer.framing == "close":
            assert wire.is_closed()


def test_a_request_body_of_known_length_arrives_whole(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    body = bytes(range(256)) * 4000
    with Wire(mine.port) as wire:
        for method in ("POST", "PUT", "PATCH", "DELETE", "GET"):
            assert wire.ask(method, "/b", body=body).status == 200
            received = origin.last()
            assert (received.method, received.body()) == (method, body)


def test_an_early_answer_to_a_long_upload(one):
    """The replica answers and closes before it read all: the client gets the answer, not a reset."""
    mine, origin = one

    def impatient(received, exchange):
        exchange.read_exactly(1000)
        exchange.send(
            reply(status=413, reason="Content Too Large", headers=[("Connection", "close")], body=b"no")
        )
        time.sleep(0.2)
        return CLOSE

    origin.handler = impatient
    with Wire(mine.port) as wire:

        def upload():
            try:
                wire.send(
                    request_bytes("POST", "/early", [("Content-Length", "50000000")]) + b"u" * 2_000_000
                )
            except OSError:
                pass  # that end may come while we send

        threading.Thread(target=upload).start()
        answer = wire.read_reply()
        assert (answer.status, answer.body) == (413, b"no") and answer.served_by


def test_expect_100_continue(one):
    mine, origin = one

    def careful(received, exchange):
        if "100-continue" in received.get("Expect", ""):
            exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        received.body()
        exchange.send(HELLO)
        return KEEP

    origin.handler = careful
    with Wire(mine.port) as wire:
        for _ in range(2):
            wire.send(request_bytes("POST", "/x", [("Expect", "100-continue"), ("Content-Length", "5")]))
            assert wire.read_head().status == 100
            wire.send("hello")
            answer = wire.read_reply()
            assert answer.status == 200 and not answer.interim, "one 100, not two"
            assert origin.last().body() == b"hello"


def test_expect_and_a_replica_that_refuses(one):
    mine, origin = one

    def refusing(received, exchange):
        if received.target != "/x":
            received.body()
            exchange.send(HELLO)
            return KEEP
        exchange.send(reply(status=403, reason="Forbidden", headers=[("Connection", "close")], body=b"no"))
        return CLOSE

    origin.handler = refusing
    with Wire(mine.port) as wire:
        wire.send(request_bytes("POST", "/x", [("Expect", "100-continue"), ("Content-Length", "5")]))
        answer = wire.read_reply()
        assert answer.status == 403 and answer.body == b"no"
        assert {i.status for i in answer.interim} <= {100}
    assert mine.ask("GET", "/after").status == 200


# ---- header fields -----------------------------------------------------------------------------------------


def test_hop_by_hop_fields_stop_here_towards_the_replica(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    with Wire(mine.port) as wire:
        wire.ask(
            "GET",
            "/h",
            [
                ("Connection", "keep-alive, X-Private"),
                ("X-Private", "1"),
                ("Keep-Alive", "timeout=5"),
                ("Proxy-Connection", "keep-alive"),
                ("TE", "trailers"),
                ("Proxy-Authorization", "Basic eDp5"),
                ("X-Public", "yes"),
                ("Accept", "a"),
                ("Accept", "b"),
                ("Cookie", "c=1; d=2"),
            ],
        )
    received = origin.last()
    for name in ("X-Private", "Keep-Alive", "Proxy-Connection", "TE"):
        assert not received.all(name), name
    assert "X-Private" not in received.get("Connection", "")
    assert received.get("X-Public") == "yes"
    assert received.all("Accept") == ["a", "b"]
    assert received.get("Cookie") == "c=1; d=2"
    assert received.get("Host") == "ringmaster.test"


def test_hop_by_hop_fields_stop_here_towards_the_client(one):
    mine, origin = one
    origin.handler = scripted(
        reply(
            body=b"hello",
            headers=[
                ("Connection", "X-Secret"),
                ("X-Secret", "1"),
                ("Keep-Alive", "timeout=5"),
                ("X-Open", "yes"),
                ("Set-Cookie", "a=1"),
                ("Set-Cookie", "b=2"),
                ("X-Served-By", "a liar"),
            ],
        )
    )
    with Wire(mine.port) as wire:
        answer = wire.ask()
    assert not answer.all("X-Secret") and not answer.all("Keep-Alive")
    assert "X-Secret" not in answer.get("Connection", "")
    assert answer.get("X-Open") == "yes" and answer.all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.all("X-Served-By") == ["Server 1"], "only the balancer says who served"


def test_the_fields_that_are_added(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    mine.ask("GET", "/f", [("Host", "shop.example:8080")])
    received = origin.last()
    assert received.all("X-Forwarded-For") == ["127.0.0.1"]
    assert received.all("X-Forwarded-Proto") == ["http"]
    assert received.all("X-Forwarded-Host") == ["shop.example:8080"]
    assert len(received.all("X-Request-Id")) == 1 and received.get("X-Request-Id")
    made = {received.get("X-Request-Id")}
    for _ in range(5):
        mine.ask("GET", "/f")
        made.add(origin.last().get("X-Request-Id"))
    assert len(made) == 6, "a new one for each request"
    mine.ask("GET", "/f", [("X-Request-Id", "mine-7"), ("X-Forwarded-For", "203.0.113.9")])
    assert origin.last().all("X-Request-Id") == ["mine-7"]
    assert ", ".join(origin.last().all("X-Forwarded-For")) == "203.0.113.9, 127.0.0.1"


def test_an_absolute_target_becomes_a_path_and_its_authority_the_host(one):
    mine, origin = one
    origin.handler = scripted(HELLO)
    assert mine.ask("GET", "http://other.example:81/a?b=c", [("Host", "ignored.example")]).status == 200
    assert origin.last().target == "/a?b=c"
    assert origin.last().all("Host") == ["other.example:81"]


def test_the_target_and_the_reason_pass_unchanged(one):
    mine, origin = one
    origin.handler = scripted(reply(status=299, reason="Rather Fine", body=b"x"))
    answer = mine.ask("GET", "/a%2Fb/../c;d?e=f&g=%20&h=/?")
    assert origin.last().target == "/a%2Fb/../c;d?e=f&g=%20&h=/?"
    assert (answer.status, answer.reason) == (299, "Rather Fine")


@pytest.mark.parametrize("status", [200, 201, 301, 400, 401, 404, 418, 500, 503])
def test_any_status_of_a_replica_passes(one, status):
    mine, origin = one
    origin.handler = scripted(reply(status=status, reason="Whatever", body=b"its own words"))
    answer = mine.ask("GET", "/s")
    assert (answer.status, answer.body) == (status, b"its own words")
    assert answer.served_by == "Server 1"


# ---- refused at the door -----------------------------------------------------------------------------------


def own_error(answer, status):
    assert answer.status == status, answer
    message = answer.json()
    assert message["status"] == "failure" and message["message"].startswith("<Error> ")
    assert answer.served_by is None


HOST = b"Host: a\r\n"
MALFORMED = {
    "no version": b"GET /\r\n" + HOST,
    "two spaces": b"GET  / HTTP/1.1\r\n" + HOST,
    "no target": b"GET HTTP/1.1\r\n" + HOST,
    "a tab": b"GET\t/\tHTTP/1.1\r\n" + HOST,
    "text": b"hello there\r\n",
    "bad version": b"GET / HTTP/x.y\r\n" + HOST,
    "relative target": b"GET home HTTP/1.1\r\n" + HOST,
    "bad method": b"G@T / HTTP/1.1\r\n" + HOST,
    "no host": b"GET / HTTP/1.1\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
    "bad host": b"GET / HTTP/1.1\r\nHost: a b\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n",
    "empty name": b"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n",
    "folded": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n",
    "nul": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\x002\r\n",
    "bare cr": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n",
    "control in target": b"GET /\x01 HTTP/1.1\r\n" + HOST,
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
    "length and coding": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    "signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n",
    "negative length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n",
    "hex length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n",
    "empty length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n",
    "huge length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n",
    "coding in 1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n",
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_is_400_and_the_connection_ends(one, what):
    mine, origin = one
    origin.handler = scripted(HELLO)
    before = len(origin.received)
    with Wire(mine.port) as wire:
        wire.send(MALFORMED[what] + b"\r\n")
        own_error(wire.read_reply(), 400)
        assert wire.is_closed()
    assert len(origin.received) == before, "nothing of it reaches a replica"


BAD_CHUNKS = {
    "no size": b"\r\nabc",
    "not hex": b"zz\r\nabc\r\n0\r\n\r\n",
    "signed": b"+3\r\nabc\r\n0\r\n\r\n",
    "too long": b"2\r\nabc\r\n0\r\n\r\n",
    "huge": b"fffffffffffffffff\r\nabc",
    "bare lf": b"3\nabc\n0\n\n",
}


@pytest.mark.parametrize("what", BAD_CHUNKS)
def test_a_malformed_chunk_ends_the_request(one, what):
    mine, origin = one
    origin.handler = scripted(HELLO)
    with Wire(mine.port) as wire:
        wire.send(request_bytes("POST", "/bad", [("Transfer-Encoding", "chunked")]) + BAD_CHUNKS[what])
        try:
            assert wire.read_reply().status in (400, 502)
        except BadReply:
            pass  # the head had gone to the replica: closing is all that is left
        assert wire.is_closed()
    assert mine.ask("GET", "/after").body == b"hello"


def test_an_unknown_transfer_coding_is_501(one):
    mine, _ = one
    with Wire(mine.port) as wire:
        wire.send(request_bytes("POST", "/", [("Transfer-Encoding", "gzip, chunked")]))
        own_error(wire.read_reply(), 501)
        assert wire.is_closed()


@pytest.mark.parametrize("version", ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0"])
def test_another_version_is_505(one, version):
    mine, _ = one
    with Wire(mine.port) as wire:
        wire.send(f"GET / {version}\r\nHost: a\r\n\r\n")
        own_error(wire.read_reply(), 505)
        assert wire.is_closed()


def test_connect_is_405(one):
    mine, origin = one
    before = len(origin.received)
    with Wire(mine.port) as wire:
        wire.send("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n")
        answer = wire.read_reply()
        own_error(answer, 405)
        assert answer.get("Allow") is not None
    assert len(origin.received) == before


LIMITS = {"limits": {"target": 1000, "head": 8192, "body": 10000}}


@pytest.fixture(scope="module")
def limited(shared_balancer, shared_origin):
    made = shared_origin(scripted(HELLO))
    return shared_balancer(static(made, health=CALM, **LIMITS)), made


def test_a_long_target_is_414(limited):
    mine, _ = limited
    assert mine.ask("GET", "/" + "x" * 999).status == 200
    with Wire(mine.port) as wire:
        wire.send(request_bytes("GET", "/" + "x" * 1000))
        own_error(wire.read_reply(), 414)
        assert wire.is_closed()


def test_a_large_head_is_431(limited):
    mine, _ = limited
    assert mine.ask("GET", "/", [("X-Large", "x" * 7000)]).status == 200
    for headers in (
        [("X-Large", "x" * 9000)],
        [(f"X-{i}", "x" * 20) for i in range(2000)],
        [("X" * 9000, "1")],
    ):
        with Wire(mine.port) as wire:
            wire.send(request_bytes("GET", "/", headers))
            own_error(wire.read_reply(), 431)
            assert wire.is_closed()


def test_many_fields_are_431(limited):
    mine, _ = limited
    with Wire(mine.port) as wire:
        wire.send(request_bytes("GET", "/", [("X", "1")] * 1500))
        own_error(wire.read_reply(), 431)


def test_a_large_body_is_413(limited):
    mine, origin = limited
    assert mine.ask("POST", "/", body=b"x" * 10000).status == 200
    before = len(origin.received)
    with Wire(mine.port) as wire:
        wire.send(request_bytes("POST", "/", [("Content-Length", "10001")]) + b"x" * 100)
        own_error(wire.read_reply(), 413)
        assert wire.is_closed()
    assert len(origin.received) == before
    with Wire(
        mine.port
    ) as wire:  # its length is known only when it is too late for another replica to be asked
        wire.send(request_bytes("POST", "/", [("Transfer-Encoding", "chunked")]))
        wire.send(chunked(b"x" * 9000, b"x" * 2000))
        own_error(wire.read_reply(), 413)
        assert wire.is_closed()


def test_a_slow_head_is_408(balancer, origin):
    mine = balancer(static(origin(), health=CALM, timeouts={"head": 400}))
    with Wire(mine.port) as wire:
        wire.send("GET / HTTP/1.1\r\nHost:")
        own_error(wire.read_reply(), 408)
        assert wire.is_closed()
    with Wire(mine.port) as wire:  # a byte now and then does not help
        stop = threading.Event()

        def drip():
            try:
                wire.send("GET / HTTP/1.1\r\nX: ")
                while not stop.wait(0.05):
                    wire.send("x")
            except OSError:
                pass

        threading.Thread(target=drip, daemon=True).start()
        try:
            own_error(wire.read_reply(), 408)
        finally:
            stop.set()


def test_a_slow_body_is_408(balancer, origin):
    mine = balancer(static(origin(), health=CALM, timeouts={"body": 400}))
    with Wire(mine.port) as wire:
        wire.send(request_bytes("POST", "/", [("Content-Length", "100")]) + b"only this")
        own_error(wire.read_reply(), 408)
        assert wire.is_closed()


def test_an_idle_connection_ends_in_silence(balancer, origin):
    mine = balancer(static(origin(), health=CALM, timeouts={"idle": 400}))
    with Wire(mine.port) as wire:
        assert wire.ask().status == 200
        assert wire.is_closed()


# ---- replicas that fail ------------------------------------------------------------------------------------


def close_at_once(received, exchange):
    received.body()
    return CLOSE


def test_a_replica_that_refuses_is_passed_over(balancer, origin):
    first, second = origin(), origin()
    mine = balancer(static(first, second, health=CALM))
    first.refuse()
    served = [mine.ask("GET", f"/{i}") for i in range(12)]
    assert {answer.status for answer in served} == {200}
    assert {answer.served_by for answer in served} == {"Server 2"}
    first.listen()
    second.refuse()


def test_a_refused_post_is_safe_to_send_again(balancer, origin):
    """Nothing of it went out."""
    first, second = origin(), origin()
    mine = balancer(static(first, second, health=CALM))
    first.refuse()
    for i in range(6):
        assert mine.ask("POST", f"/{i}", body=b"once").status == 200
    assert sorted(second.targets()) == [f"/{i}" for i in range(6)]


def test_a_get_whose_replica_closes_is_asked_again_elsewhere(balancer, origin):
    first, second = origin(close_at_once), origin()
    mine = balancer(static(first, second, health=CALM))
    for i in range(10):
        answer = mine.ask("GET", f"/{i}")
        assert (answer.status, answer.served_by) == (200, "Server 2")
    assert first.received, "it was asked"
    assert sorted(second.targets()) == sorted(f"/{i}" for i in range(10)), "each arrived there once"


def test_a_put_is_asked_again_with_its_body(balancer, origin):
    first, second = origin(close_at_once), origin()
    mine = balancer(static(first, second, health=CALM))
    for i in range(6):
        assert mine.ask("PUT", f"/{i}", body=f"body {i}").status == 200
    assert {r.target: r.body() for r in second.received} == {f"/{i}": f"body {i}".encode() for i in range(6)}


def test_a_post_is_never_sent_twice(balancer, origin):
    first, second = origin(close_at_once), origin(close_at_once)
    mine = balancer(static(first, second, health=CALM))
    for i in range(6):
        own_error(mine.ask("POST", f"/{i}", body=b"x"), 502)
    assert sorted(first.targets() + second.targets()) == [f"/{i}" for i in range(6)]


def test_an_idle_socket_that_the_replica_closed_costs_nothing(balancer, origin):
    """Keep-alive ends on the replica's side between two requests. A GET is safe even when it meets the end
    halfway; a POST must not be sent into it once the end can be seen."""

    def once_then_gone(received, exchange):
        received.body()
        exchange.send(HELLO)  # no word of closing
        return CLOSE

    made = origin(once_then_gone)
    mine = balancer(static(made, health=CALM))
    with Wire(mine.port) as wire:
        for i in range(20):
            assert wire.ask("GET", f"/{i}").status == 200
        for i in range(20):
            until(lambda: not made.carrying, what="the replica's end of the connection to be closed")
            assert wire.ask("POST", f"/{i}", body=b"x").status == 200


def test_all_replicas_close_502(balancer, origin):
    mine = balancer(static(origin(close_at_once), origin(close_at_once), health=CALM))
    with Wire(mine.port) as wire:
        own_error(wire.ask(), 502)
        own_error(wire.ask(), 502)  # the client's connection goes on


BAD_REPLIES = {
    "garbage": b"this is not HTTP\r\n\r\n",
    "bad version": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "bad status": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "bad field": b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and coding": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
    "huge head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100000 + b"\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("what", BAD_REPLIES)
def test_a_bad_reply_is_502(balancer, origin, what):
    def bad(received, exchange):
        received.body()
        exchange.send(BAD_REPLIES[what])
        return CLOSE

    mine = balancer(static(origin(bad), health=CALM))
    own_error(mine.ask("POST", "/", body=b""), 502)
    own_error(mine.ask("GET", "/"), 502)


def test_nobody_ready_is_503_with_retry_after(balancer):
    port = free_ports()
    dead = {"driver": "static", "count": None, "static": {"addresses": [f"127.0.0.1:{port}"]}}
    mine = balancer({"replicas": dead}, start=False)
    mine.start(ready=False)
    until(lambda: mine.ask().status == 503, what="503")
    answer = mine.ask()
    own_error(answer, 503)
    assert int(answer.get("Retry-After")) >= 1
    assert mine.rep() == []


def hang(received, exchange):
    received.body()
    try:
        exchange.read_exactly(1)  # until the balancer gives up
    except (EOFError, OSError):
        pass
    return CLOSE


def test_a_replica_that_does_not_answer_is_504(balancer, origin):
    made = origin(hang)
    mine = balancer(static(made, health=CALM, timeouts={"reply": 500}, retry={"attempts": 1}))
    own_error(mine.ask("GET", "/"), 504)
    own_error(mine.ask("POST", "/", body=b"x"), 504)
    assert len(made.received) == 2


def test_a_get_that_waits_too_long_is_asked_elsewhere_and_a_post_is_not(balancer, origin):
    first, second = origin(hang), origin()
    mine = balancer(static(first, second, health=CALM, timeouts={"reply": 500}, retry={"attempts": 2}))
    for i in range(4):
        assert mine.ask("GET", f"/{i}").status == 200
    statuses = [mine.ask("POST", f"/{i}", body=b"x").status for i in range(4)]
    assert set(statuses) == {200, 504}
    posts = [r.target for o in (first, second) for r in o.received if r.method == "POST"]
    assert sorted(posts) == [f"/{i}" for i in range(4)]


# ---- replies that end too early ----------------------------------------------------------------------------

TRUNCATED = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 100,
    "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + b"x" * 50,
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
}


@pytest.mark.parametrize("what", TRUNCATED)
@pytest.mark.parametrize("reset", [False, True])
def test_a_truncated_body_closes_the_clients_connection(balancer, origin, what, reset):
    """The client must be able to tell that it is not the whole."""

    def truncating(received, exchange):
        received.body()
        exchange.send(TRUNCATED[what])
        if reset:
            time.sleep(0.1)  # what was sent shall arrive before the reset overtakes it
            exchange.reset()
        return CLOSE

    made = origin(truncating)
    mine = balancer(static(made, health=CALM))
    with Wire(mine.port) as wire:
        wire.send(request_bytes())
        try:
            answer = wire.read_reply()
        except Closed:
            raise AssertionError("closed without a word: neither what had come nor a 502") from None
        except (BadReply, ConnectionError):
            pass
        else:
            own_error(answer, 502)  # it was seen before the first byte was passed on
    assert len(made.received) == 1, "never asked again after the first byte"


def test_a_longer_reply_than_said_does_not_reach_the_next_client(balancer, origin):
    """The bytes too many are not the head of the next reply: the socket is not used again."""

    def chatty(received, exchange):
        received.body()
        exchange.send(reply(body=b"hello") + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        return KEEP

    made = origin(chatty)
    mine = balancer(static(made, health=CALM))
    for _ in range(10):
        assert mine.ask().body == b"hello"
    with Wire(mine.port) as wire:
        for _ in range(10):
            assert wire.ask().body == b"hello"
    assert made.connections == 20, "a socket that said too much is not used again"


def test_a_client_that_leaves_does_not_spoil_the_socket_for_others(balancer, origin):
    gate = threading.Event()

    def numbered(received, exchange):
        received.body()
        if received.target.startswith("/wait"):
            gate.wait(20)
        exchange.send(reply(body=received.target.encode()))
        return KEEP

    made = origin(numbered)
    mine = balancer(static(made, health=CALM))
    for i in range(5):
        wire = Wire(mine.port)
        wire.send(request_bytes("GET", f"/wait{i}"))
        until(lambda: f"/wait{i}" in made.targets(), what="the request there")
        wire.close()
    gate.set()
    for i in range(50):
        assert mine.ask("GET", f"/next{i}").body == b"/next%d" % i
    assert re.search(r"emergency", " ".join(mine.rep())) is None
