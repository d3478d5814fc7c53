"""A replica that closes idle connections is asked at once: one that died is out, one that lives stays in."""

import os
import signal
import socket
import subprocess

import pytest

from harness import BACKEND, free_ports, until
from test_passive_health import kinds
from test_proxy_basics import static
from wire import ask

# Nobody is asked by the clock while a test runs.
SELDOM = {"interval_ms": 3600000, "timeout_ms": 20000}


class Place:
    """What static() wants to know of a replica."""

    def __init__(self, port):
        self.port, self.place = port, f"127.0.0.1:{port}"
        self.process = subprocess.Popen([BACKEND, "--quiet", "--listen", "127.0.0.1", "--port", str(port)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: ask(port, "GET", "/heartbeat").status == 200, what="the backend")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def places():
    made = [Place(free_ports()) for _ in range(2)]
    yield made
    for place in made:
        place.end()


def asked(mine, name):
    """Requests that were sent, or that somebody tried to send, to that replica."""
    row = mine.replicas()[name]
    return row["picked"], row["failed"]


def test_a_fixed_replica_that_dies_is_out_without_a_request_or_a_heartbeat(balancer, places):
    mine = balancer(static(*places, health=SELDOM))
    assert {mine.ask().served_by for _ in range(4)} == {"Server 1", "Server 2"}, "each has an idle connection now"
    before = asked(mine, "Server 1")
    os.kill(places[0].process.pid, signal.SIGKILL)
    until(lambda: mine.replicas()["Server 1"]["state"] == "SUSPECT", what="the dead one out of rotation")
    assert mine.replicas()["Server 1"]["ready"] is False
    assert asked(mine, "Server 1") == before
    events = mine.admin("GET", "/_lb/events?kind=suspect").json()["events"]
    assert [(event["replica"], event["why"]) for event in events] == [("Server 1", "heartbeat refused")]
    assert {mine.ask().served_by for _ in range(4)} == {"Server 2"}
    assert asked(mine, "Server 1") == before


def close_idle(made):
    """The replica ends the connections of requests; what heartbeats use stays."""
    with made.lock:
        carrying = list(made.carrying)
    assert carrying
    for connection in carrying:
        connection.shutdown(socket.SHUT_RDWR)


def test_one_that_closes_idle_connections_and_lives_stays(balancer, origin):
    first, other = origin(), origin()
    mine = balancer(static(first, other, health=SELDOM))
    for turn in range(1, 4):
        assert {mine.ask().served_by for _ in range(4)} == {"Server 1", "Server 2"}
        heartbeats = first.heartbeats
        close_idle(first)
        until(lambda heartbeats=heartbeats: first.heartbeats > heartbeats, what=f"that it is asked, {turn}")
    assert other.heartbeats == 1, "nobody else is asked"
    assert {mine.ask().served_by for _ in range(4)} == {"Server 1", "Server 2"}
    for name in ("Server 1", "Server 2"):
        row = mine.replicas()[name]
        assert (row["state"], row["misses"], row["failed"]) == ("READY", 0, 0)
        assert kinds(mine, name) == ["starting", "ready"]
    assert mine.state()["totals"]["retries"] == 0


def test_one_that_closes_after_every_reply_stays(balancer, origin):
    """Whether the connection idles by then or not: no request fails, and it is not suspected."""
    closing = origin(lambda received, exchange: exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
    mine = balancer(static(closing, origin(), health={"interval_ms": 50, "timeout_ms": 20000}))
    assert {mine.ask().status for _ in range(400)} == {200}
    assert mine.replicas()["Server 1"]["state"] == "READY"
    assert kinds(mine, "Server 1") == ["starting", "ready"]
