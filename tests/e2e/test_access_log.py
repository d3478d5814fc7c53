"""The access log: a line for every request, right to the byte, through rotations and reloads; and a disk that is full,
limited or slow costs lines, never requests."""

import json
import os
import re
import resource
import signal
import socket
import struct
import threading
from contextlib import contextmanager

import pytest

from harness import SLOW, until
from load import Wrk
from origin import CLOSE, KEEP, reply
from ringmaster import run_program
from wire import Wire, request_bytes

COMBINED = re.compile(
    r'(\S+) - - \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "((?:[^"\\]|\\x..)*)" (\d{3}) (\d+) '
    r'"((?:[^"\\]|\\x..)*)" "((?:[^"\\]|\\x..)*)"'
)
NAMES = (
    "time client method target version status end bytes_out bytes_in duration_us upstream_us first_byte_us attempts "
    "generation replica request_id key user_agent referer"
).split()


def settings(path, *origins, **access):
    """A balancer that logs there at once; with these origins as replicas, or three of its own."""
    wanted = {"workers": 2, "log": {"access": {"path": str(path), "flush_ms": 10, **access}}}
    if origins:
        wanted["strategy"] = {"scheduler": "scheduler_round_robin", "scheduler_options": None}
        wanted["replicas"] = {
            "driver": "static",
            "count": None,
            "static": {"addresses": [o.place for o in origins]},
        }
        wanted["health"] = {"interval_ms": 60000, "unready_after": 100, "dead_after": 1000}
    return wanted


def lines_of(path):
    """Every line as an object; what is no whole line or no JSON fails."""
    text = path.read_bytes() if path.exists() else b""
    assert text == b"" or text.endswith(b"\n"), text[-200:]
    return [json.loads(line.decode("utf-8")) for line in text.split(b"\n")[:-1]]


def wait_for(path, target, count=1):
    """The lines of that target, once there are so many."""

    def found():
        lines = [line for line in lines_of(path) if line["target"] == target]
        return lines if len(lines) >= count else None

    return until(found, what=f"{count} lines of {target}")


def counted(mine):
    """Requests that have a line coming: /_lb/state counts them when their head is read."""
    return mine.state()["totals"]["requests"]


def connections(mine):
    """Of clients, that are open."""
    totals = mine.state()["totals"]
    return totals["accepted"] - totals["closed"]


@contextmanager
def loaded(mine):
    """Under load: all of its connections have been accepted when it goes on, and when it is over none has a request left
    that was sent and is not counted yet."""
    with Wrk(mine.port, connections=16) as load:
        until(lambda: connections(mine) >= 16, what="all connections of the load")
        yield load
    until(lambda: connections(mine) == 0, what="the end of the load's connections")


# ---- what a line says --------------------------------------------------------------------------------------


def test_it_is_off_by_default(balancer):
    mine = balancer({})
    mine.ask()
    log = mine.state()["access_log"]
    assert log == {"path": None, "format": "json", "written": 0, "lost_refused": 0, "lost_slow": 0}


def test_every_field_of_a_line_is_right(balancer, origin, tmp_path):
    body = b"x" * 1000
    mine = balancer(settings(tmp_path / "access.log", origin(lambda r, e: e.send(reply(body=body)) or KEEP)))
    request = request_bytes(
        "POST", "/thing?request_id=77", {"X-Request-Id": "abc", "User-Agent": "me/1", "Referer": "http://a/"}, b"12345"
    )
    with Wire(mine.port) as wire:
        wire.send(request)
        answer = wire.read_reply("POST")
    line = wait_for(tmp_path / "access.log", "/thing?request_id=77")[0]
    assert list(line) == NAMES
    assert (line["client"], line["method"], line["version"]) == ("127.0.0.1", "POST", "HTTP/1.1")
    assert (line["status"], line["end"], line["attempts"]) == (200, "done", 1)
    assert line["bytes_out"] == len(answer.raw_head) + len(body)
    assert line["bytes_in"] == len(request)
    assert (line["replica"], line["request_id"], line["key"]) == (answer.served_by, "abc", "77")
    assert (line["user_agent"], line["referer"], line["generation"]) == ("me/1", "http://a/", 1)
    assert 0 <= line["first_byte_us"] <= line["upstream_us"] <= line["duration_us"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])


def test_combined_lines_are_what_everybody_reads(balancer, origin, tmp_path):
    path = tmp_path / "access.log"
    mine = balancer(settings(path, origin(lambda r, e: e.send(reply(body=b"hello")) or KEEP), format="combined"))
    with Wire(mine.port) as wire:
        wire.ask("GET", "/plain")
        wire.ask("GET", "/named", {"User-Agent": 'a "quoted" \\ agent\xe9', "Referer": "http://a/?b=c"})
    until(lambda: b"/named" in path.read_bytes(), what="both lines")
    plain, named = [COMBINED.fullmatch(line) for line in path.read_text("ascii").splitlines() if "/rep" not in line]
    assert plain.group(3, 4, 5, 6, 7) == ("GET /plain HTTP/1.1", "200", "5", "-", "-")
    agent = r"a \x22quoted\x22 \x5c agent\xe9"
    assert named.group(3, 4, 5, 6, 7) == ("GET /named HTTP/1.1", "200", "5", "http://a/?b=c", agent)


@pytest.mark.parametrize("how", ["json", "combined"])
def test_hostile_bytes_stay_in_their_field(balancer, origin, tmp_path, how):
    path = tmp_path / "access.log"
    mine = balancer(settings(path, origin(), format=how))
    agents = [bytes([byte]) * count for byte in (0x09, 0x22, 0x5C, *range(0x80, 0x100)) for count in (1, 9)]
    with Wire(mine.port) as wire:
        for number, agent in enumerate(agents):
            head = f"GET /hostile{number} HTTP/1.1\r\nHost: a\r\nReferer: \"}},\r\nUser-Agent: x".encode()
            wire.send(head + agent + b"x\r\n\r\n")
            assert wire.read_reply().status == 200
    until(lambda: f"/hostile{len(agents) - 1} ".encode() in path.read_bytes().replace(b'"', b" "))
    if how == "json":
        lines = [line for line in lines_of(path) if line["target"].startswith("/hostile")]
        assert [line["user_agent"] for line in lines] == [f"x{agent.decode('latin-1')}x" for agent in agents]
        assert {line["referer"] for line in lines} == {'"},'}
    else:
        lines = [line for line in path.read_text("ascii").splitlines() if "/hostile" in line]
        assert len(lines) == len(agents)
        assert all(COMBINED.fullmatch(line) for line in lines)


def test_own_answers_have_lines(balancer, tmp_path):
    path = tmp_path / "access.log"
    mine = balancer(settings(path))
    assert mine.ask("GET", "/requests/nobody").status == 404
    with Wire(mine.port) as wire:
        wire.send("GET /bad HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
        assert wire.read_reply().status == 400
    with Wire(mine.port) as wire:
        wire.send("nonsense\r\n\r\n")
        assert wire.read_reply().status == 400
    called = wait_for(path, "/requests/nobody")[0]
    assert (called["status"], called["attempts"], called["replica"], called["upstream_us"]) == (404, 0, None, None)
    assert wait_for(path, "/bad")[0]["status"] == 400
    lost = wait_for(path, None)[0]
    assert (lost["status"], lost["method"], lost["version"], lost["client"]) == (400, None, None, "127.0.0.1")


def test_how_it_ended_is_told(balancer, origin, tmp_path):
    path = tmp_path / "access.log"
    hold = threading.Event()

    def handler(received, exchange):
        if received.target == "/cut":
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            return CLOSE
        if received.target == "/slow":
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        hold.wait(60)
        return CLOSE

    mine = balancer({**settings(path, origin(handler)), "timeouts": {"relay": 200 * SLOW, "reply": 60000}})
    with Wire(mine.port) as wire:
        wire.send(request_bytes("GET", "/cut"))
        wire.read_rest()
    with Wire(mine.port) as wire:
        wire.send(request_bytes("GET", "/slow"))
        wire.read_rest()
    with Wire(mine.port) as wire:
        wire.send(request_bytes("GET", "/gone"))
        until(lambda: mine.replicas()["Server 1"]["in_flight"] == 1)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ends = {target: wait_for(path, target)[0] for target in ("/cut", "/slow", "/gone")}
    hold.set()
    assert {t: (line["status"], line["end"]) for t, line in ends.items()} == {
        "/cut": (200, "cut"),
        "/slow": (200, "timeout"),
        "/gone": (499, "client_gone"),
    }
    assert all(line["replica"] == "Server 1" for line in ends.values())


def test_each_attempt_counts(balancer, origin, tmp_path):
    path = tmp_path / "access.log"

    def closes(_, exchange):
        return CLOSE

    mine = balancer(settings(path, origin(closes), origin(closes)))
    assert mine.ask("GET", "/twice").status == 502
    line = wait_for(path, "/twice")[0]
    assert (line["status"], line["attempts"], line["end"]) == (502, 2, "done")


def test_pipelined_and_long_ones_have_a_line_each(balancer, origin, tmp_path):
    path = tmp_path / "access.log"
    mine = balancer(settings(path, origin()))
    with Wire(mine.port) as wire:
        body = b"z" * 300000
        wire.send(request_bytes("POST", "/long", body=body) + b"".join(request_bytes("GET", f"/{n}") for n in range(50)))
        for _ in range(51):
            assert wire.read_reply().status == 200
    assert wait_for(path, "/long")[0]["bytes_in"] == len(request_bytes("POST", "/long", body=body))
    wait_for(path, "/49")
    targets = [line["target"] for line in lines_of(path)]
    assert [target for target in targets if target != "/rep"] == ["/long", *(f"/{n}" for n in range(50))]


# ---- files -------------------------------------------------------------------------------------------------


def test_rotation_under_load_loses_and_tears_no_line(balancer, tmp_path):
    path = tmp_path / "access.log"
    mine = balancer(settings(path, buffer_kib=32))
    rotated = []
    with loaded(mine) as load:
        for number in range(10):
            until(lambda: path.exists() and path.stat().st_size > 0, what="lines in the file")
            rotated.append(tmp_path / f"access.log.{number}")
            path.rename(rotated[-1])
            mine.send_signal(signal.SIGUSR1)
    load.check(at_least=100)
    requests = counted(mine)
    mine.stop()
    lines = [line for name in [*rotated, path] for line in lines_of(name)]
    ids = [line["request_id"] for line in lines if line["request_id"]]
    assert len(lines) == requests
    assert len(set(ids)) == len(ids) >= load.requests


def test_a_reload_changes_path_and_format(balancer, tmp_path):
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    mine = balancer(settings(first))
    assert mine.ask("GET", "/before").served_by
    assert mine.reload({"log": {"access": {"path": str(second), "format": "combined", "flush_ms": 10}}}).status == 200
    assert mine.ask("GET", "/after").served_by
    until(lambda: b"GET /after HTTP/1.1" in second.read_bytes())
    assert "/before" in [line["target"] for line in lines_of(first)]
    assert b"/before" not in second.read_bytes()
    assert mine.reload({"log": {"access": {"path": ""}}}).status == 200
    assert mine.ask("GET", "/unseen").served_by
    assert mine.state()["access_log"]["path"] is None
    mine.stop()
    assert b"/unseen" not in first.read_bytes() + second.read_bytes()


def test_a_path_that_cannot_be_opened_is_told(balancer, tmp_path):
    mine = balancer(settings(tmp_path / "no" / "such.log"), start=False)
    ended = run_program("-c", mine.config)
    assert ended.returncode == 1
    assert "cannot open the access log" in ended.stderr


def test_the_last_lines_are_written_at_the_end(balancer, tmp_path):
    path = tmp_path / "access.log"
    mine = balancer(settings(path, flush_ms=60000))
    for number in range(5):
        mine.ask("GET", f"/{number}")
    requests = counted(mine)
    assert len(lines_of(path)) < requests  # a new view hands over what there is; nothing else does here
    mine.stop()
    assert len(lines_of(path)) == requests


# ---- disks that take no more -------------------------------------------------------------------------------


def lost(mine):
    log = mine.state()["access_log"]
    return log["lost_refused"] + log["lost_slow"]


def test_a_full_disk_loses_lines_and_no_request(balancer, tmp_path):
    mine = balancer(settings("/dev/full"))
    with loaded(mine) as load:
        until(lambda: lost(mine) > 1000 // SLOW, what="lost lines")
    load.check()
    until(lambda: lost(mine) == counted(mine), what="a lost line for each request")
    assert mine.state()["access_log"]["written"] == 0
    assert mine.log().count("No space left on device") == 1, "it is told once"
    path = tmp_path / "access.log"
    assert mine.reload({"log": {"access": {"path": str(path)}}}).status == 200
    mine.ask("GET", "/again")
    wait_for(path, "/again")


def test_a_file_at_its_limit_loses_whole_lines(balancer, tmp_path):
    path = tmp_path / "access.log"
    mine = balancer(settings(path, buffer_kib=32))
    resource.prlimit(mine.pid, resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    with loaded(mine) as load:
        until(lambda: lost(mine) > 1000 // SLOW, what="lost lines")
    load.check()
    log = until(lambda: (s := mine.state()["access_log"])["written"] + s["lost_refused"] == counted(mine) and s)
    lines = lines_of(path)
    assert len(lines) == log["written"]
    assert os.path.getsize(path) <= 100_000
    resource.prlimit(mine.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    mine.ask("GET", "/again")
    assert len(lines_of(path)) >= len(lines)
    wait_for(path, "/again")


def test_a_reader_that_sleeps_holds_no_request_up(balancer, tmp_path):
    """A pipe that nobody empties is the slowest disk there is."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    mine = balancer(settings(pipe, buffer_kib=32, queue_kib=64))
    with loaded(mine) as load:
        until(lambda: mine.state()["access_log"]["lost_slow"] > 0, what="lost lines")
    load.check()
    os.set_blocking(reader, False)
    got = b""
    try:
        while data := os.read(reader, 1 << 16):
            got += data
    except BlockingIOError:
        pass
    assert got.count(b"\n") > 0
    mine.stop()
    os.close(reader)


# ---- tunnels, and who is named as the client ---------------------------------------------------------------


def echo(received, exchange):
    exchange.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
    while data := exchange.socket.recv(1 << 16):
        exchange.send(data)
    return CLOSE


def test_a_tunnel_is_one_line_at_its_end(balancer, origin, tmp_path):
    """What the request was is still known, though its buffer has long been given away."""
    path = tmp_path / "access.log"
    mine = balancer(settings(path, origin(echo)))
    with Wire(mine.port) as wire:
        wire.send(
            b"GET /chat?request_id=77 HTTP/1.1\r\nHost: h\r\nUser-Agent: me\r\nX-Request-Id: it\r\n"
            b"Connection: Upgrade\r\nUpgrade: echo\r\n\r\n"
        )
        head = wire.read_head()
        for _ in range(10):
            wire.send(b"x" * 30000)
            assert wire.read_exactly(30000) == b"x" * 30000
        assert all(line["target"] == "/rep" for line in lines_of(path)), "none for what goes on"
        assert mine.reload({"strategy": {"scheduler": "scheduler_random"}}).status == 200
        wire.end_sending()
        assert wire.read_rest() == b""
    (line,) = wait_for(path, "/chat?request_id=77")
    assert (line["status"], line["end"], line["user_agent"], line["request_id"]) == (101, "done", "me", "it")
    assert (line["key"], line["replica"], line["attempts"]) == ("77", head.served_by, 1)
    assert line["bytes_out"] == 300000 + len(head.raw_head)
    assert line["bytes_in"] > 300000


def test_a_tunnel_older_than_the_log_has_a_whole_line(balancer, origin, tmp_path):
    """Nothing was logged when it began; at its end something is."""
    path = tmp_path / "access.log"
    on = settings(path, origin(echo))
    mine = balancer({**on, "log": None})
    with Wire(mine.port) as wire:
        wire.send(b"GET /chat?request_id=78 HTTP/1.1\r\nHost: h\r\nReferer: there\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        assert wire.read_head().status == 101
        assert mine.reload({"log": on["log"]}).status == 200
        wire.send(b"hello")
        assert wire.read_exactly(5) == b"hello"
        wire.end_sending()
        assert wire.read_rest() == b""
    (line,) = wait_for(path, "/chat?request_id=78")
    assert (line["method"], line["status"], line["end"], line["referer"]) == ("GET", 101, "done", "there")
    assert line["key"] == "78"


def test_the_client_is_whom_a_trusted_proxy_names(balancer, origin, tmp_path):
    path = tmp_path / "access.log"
    mine = balancer({**settings(path, origin()), "trust_forwarded": ["127.0.0.1"]})
    for target, field, client in (
        ("/a", "6.6.6.6, 192.0.2.7", "192.0.2.7"),
        ("/b", "2001:db8::1", "2001:db8::1"),
        ("/c", "nobody", "127.0.0.1"),
        ("/rep?from", "192.0.2.8", "192.0.2.8"),
    ):
        assert mine.ask("GET", target, {"X-Forwarded-For": field}).status == 200
        assert [line["client"] for line in wait_for(path, target)][-1] == client
    assert mine.reload({"trust_forwarded": []}).status == 200
    assert mine.ask("GET", "/d", {"X-Forwarded-For": "192.0.2.9"}).status == 200
    assert wait_for(path, "/d")[0]["client"] == "127.0.0.1"
