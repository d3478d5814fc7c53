"""The harness itself: a test that cannot fail says nothing, so here each of its parts is made to fail
once."""

import os
import subprocess
import sys
import uuid

import pytest

from harness import BACKEND, free_ports, process_alive, processes_with, until
from load import KeepAlive, Wrk
from origin import CLOSE, reply, scripted
from ringmaster import SANITIZER_REPORTS, Ringmaster
from settings import lb_conf, merged
from wire import BadReply, Closed, Wire, ask


@pytest.fixture
def backend():
    """A lone backend on a free port, with the switches a test wants."""
    started = []

    def start(*switches):
        port = free_ports()
        started.append(
            subprocess.Popen([BACKEND, "--quiet", "--port", str(port), *switches], stderr=subprocess.DEVNULL)
        )
        until(lambda: Wire(port).close() is None, what="the backend to listen")
        return port, started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_waiting_ends():
    assert until(lambda: 7) == 7
    with pytest.raises(AssertionError, match="did not come true"):
        until(lambda: False, 0.05, "a lie")
    with pytest.raises(AssertionError, match="never"):
        until(lambda: int("never"), 0.05)


def test_ports_are_free_and_differ():
    first, second = free_ports(5), free_ports()
    assert not first <= second < first + 5


def test_settings_are_libconfig():
    text = lb_conf(
        merged(
            {"a": {"b": 1, "c": "x"}, "g": 1}, {"a": {"c": 'q"\\', "d": 4294967296}, "g": None, "e": [1, 2]}
        )
    )
    assert text == 'a = {\n    b = 1;\n    c = "q\\"\\\\";\n    d = 4294967296L;\n};\ne = [ 1, 2 ];\n'
    assert lb_conf({"m": [{"a": 1.5, "b": True}]}) == "m = ( {\n    a = 1.5;\n    b = true;\n} );\n"


BROKEN = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "ended after 5 of 10"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "ended"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "CRLF"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", "ambiguous"),
    (b"nonsense\r\n\r\n", "status line"),
    (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header field"),
]


@pytest.mark.parametrize("raw, complaint", BROKEN)
def test_the_client_is_strict(origin, raw, complaint):
    def broken(received, exchange):
        exchange.send(raw)
        return CLOSE

    with pytest.raises(BadReply, match=complaint):
        ask(origin(broken).port)


def test_the_client_tells_a_silent_end(origin):
    with pytest.raises(Closed):
        ask(origin(lambda received, exchange: CLOSE).port)


def test_the_origin_keeps_what_it_got(origin):
    made = origin(scripted(reply(body=b"one"), reply(body=b"two")))
    with Wire(made.port) as wire:
        assert wire.ask("POST", "/a", [("X-Y", "z")], b"body").body == b"one"
        wire.send(
            "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n"
        )
        assert wire.read_reply().body == b"two"
    first, second = made.received
    assert (first.body(), first.get("x-y"), second.body()) == (b"body", "z", b"abc")
    assert second.raw_body == b"3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n"
    assert made.connections == 1
    made.refuse()
    with pytest.raises(ConnectionRefusedError):
        Wire(made.port)


def test_wrk_counts_failures(backend):
    port, process = backend("--fail-rate", "0.5")
    with Wrk(port, connections=4) as load:
        assert {ask(port).status for _ in range(100)} == {200, 500}
    assert load.requests > 0 and load.failed > 0
    with pytest.raises(AssertionError):
        load.check()
    port, process = backend()
    with Wrk(port, connections=4) as load:
        assert ask(port).status == 200
        process.kill()
        process.wait()
    assert any(load.socket_errors.values())


def test_keep_alive_clients_count_failures_and_closed_connections(backend, origin):
    port, process = backend("--fail-rate", "0.5")
    with KeepAlive(port, clients=2) as clients:
        until(lambda: clients.bad > 0, what="a bad reply")
        process.kill()
        until(lambda: clients.closed > 0, what="a closed connection")
    with pytest.raises(AssertionError):
        clients.check()
    made = origin(scripted(reply(body=b"x", headers=[("X-Served-By", "me")])))
    with KeepAlive(made.port, clients=2) as clients:
        until(lambda: clients.replies > 20, what="replies")
    clients.check(at_least=20)
    assert clients.served["me"] == clients.replies


def test_a_process_that_stays_is_seen(tmp_path):
    """Also one that left the process group and forgot its parent."""
    mark = f"RM_TEST_MARK={uuid.uuid4().hex}"
    name, value = mark.split("=")
    code = (
        "import os, time; os.fork() and os._exit(0); os.setsid();"
        "print(os.getpid(), flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ, name: value}
    )
    pid = int(parent.stdout.readline())
    parent.wait()
    assert processes_with(mark.encode()) == [pid]
    made = Ringmaster(tmp_path / "none")
    made.mark = mark.encode()
    assert made.survivors() == [pid]
    with pytest.raises(AssertionError, match="no process"):
        made.check_nothing_left(0.1)
    made.clean_up()
    until(lambda: not process_alive(pid), what="its end")
    assert made.survivors() == []


@pytest.mark.parametrize("report", SANITIZER_REPORTS)
def test_a_sanitizers_report_fails_the_test(tmp_path, report):
    made = Ringmaster(tmp_path / "none")
    made.process = subprocess.Popen([sys.executable, "-c", "pass"])
    made.process.wait()
    made.check_end()
    made.log_path.write_text(f"==1=={report}: something")
    with pytest.raises(AssertionError, match="sanitizer"):
        made.check_end()


def test_an_exit_code_fails_the_test(tmp_path):
    made = Ringmaster(tmp_path / "none")
    made.process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(66)"])
    made.process.wait()
    with pytest.raises(AssertionError, match="exit code 66"):
        made.check_end()
