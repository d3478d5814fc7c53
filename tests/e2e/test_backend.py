"""The demo replica alone: the answers of its contract, its switches, its end."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import zlib

import pytest

from harness import BACKEND, SLOW, descriptors, free_ports, memory_kib, until
from wire import Wire, ask, request_bytes

PERIOD = 65521
BLOCK = bytes(33 + k * k % PERIOD % 94 for k in range(PERIOD))


class Backend:
    def __init__(self, *switches, **environment):
        self.process = subprocess.Popen(
            [BACKEND, "--listen", "127.0.0.1", "--port", "0", *switches],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **environment},
        )
        self.first_line = self.process.stderr.readline()
        self.port = int(self.first_line.rsplit(":", 1)[1])

    def ask(self, method="GET", target="/home", headers=(), body=None):
        return ask(self.port, method, target, headers, body)

    def stop(self, number=signal.SIGTERM):
        """Ends it and returns what it printed."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20 * SLOW)
        assert self.process.returncode == 0, (self.process.returncode, err)
        assert err == "", err
        return out


@pytest.fixture
def backend():
    made = []

    def start(*switches, **environment):
        made.append(Backend(*switches, **environment))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def run(*arguments, **environment):
    environment = {**os.environ, **environment}
    return subprocess.run(
        [BACKEND, *arguments], capture_output=True, text=True, timeout=20 * SLOW, env=environment, check=False
    )


# ---- what it answers ---------------------------------------------------------------------------------------


def test_the_answers_of_the_contract(backend):
    one = backend("--id", "4")
    answer = one.ask()
    assert answer.status == 200 and answer.get("Content-Type") == "application/json"
    assert answer.body == b'{"message":"Hello from Server: 4","status":"successful"}'
    answer = one.ask("GET", "/heartbeat")
    assert (answer.status, answer.body) == (200, b"")
    answer = one.ask("GET", "/request?request_id=17")
    assert answer.status == 200
    expected = b'{"response":{"message":"Hello from Server: 4","status":"Successful"},"server_id":"4"}'
    assert answer.body == expected
    answer = one.ask("GET", "/other")
    assert answer.status == 400
    expected = (
        b'{"message":"<Error> \'/other\' endpoint does not exist in server replicas","status":"failure"}'
    )
    assert answer.body == expected
    one.stop()


@pytest.mark.parametrize("query", ["request_id=0", "request_id=-5", "a=b&request_id=123", "request_id=%31"])
def test_an_integer_is_an_id(backend, query):
    assert backend().ask("GET", f"/request?{query}").status == 200


@pytest.mark.parametrize(
    "query", ["", "?", "?request_id=", "?request_id=x", "?request_id=1.5", "?request_ids=1"]
)
def test_anything_else_is_none(backend, query):
    answer = backend().ask("GET", f"/request{query}")
    assert answer.status == 400 and answer.json()["status"] == "failure"


@pytest.mark.parametrize("name", ["1", "emergency_52", 'a"b\\c', "naïve", "tab\there", "a b_c-d.e@f"])
def test_its_name_is_escaped(backend, name):
    one = backend(SERVER_ID=name)
    assert one.ask().json()["message"] == f"Hello from Server: {name}"
    assert one.ask("GET", "/request?request_id=1").json()["server_id"] == name


def test_a_name_that_is_no_text_is_still_json(backend):
    one = backend("--id", b"bad\xff\xc0\xaf")
    assert one.ask().json()["message"] == "Hello from Server: bad\ufffd\ufffd\ufffd"
    with Wire(one.port) as wire:
        wire.send(b'GET /\xff"\x01 HTTP/1.1\r\nHost: a\r\n\r\n')
        answer = wire.read_reply()
    assert answer.status == 400 and json.loads(answer.body)
    one.stop()


def test_the_switch_wins_over_the_environment(backend):
    assert backend("--id", "7", SERVER_ID="8").ask().json()["message"].endswith(": 7")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_any_method_is_answered_like_get(backend, method):
    one = backend()
    with Wire(one.port) as wire:
        for _ in range(3):
            body = b"x" * 100000 if method in ("POST", "PUT", "PATCH") else None
            assert wire.ask(method, "/home", body=body).json()["status"] == "successful"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_body_where_none_is_read_is_never_taken_for_a_request(backend, method):
    """evhttp reads none with these methods: the connection ends after the answer."""
    one = backend("--log-heartbeats")
    with Wire(one.port) as wire:
        wire.send(request_bytes(method, "/home", body=b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"))
        answer = wire.read_reply()
        assert answer.status == 200 and answer.get("Connection") == "close"
        assert wire.is_closed()
    assert "smuggled" not in one.stop()


def test_head_has_no_body(backend):
    one = backend("--body-bytes", "1000")
    with Wire(one.port) as wire:
        for target in ("/home", "/heartbeat", "/other"):
            assert wire.ask("HEAD", target).body == b""
            assert wire.is_quiet(0.05)
        assert wire.ask("HEAD", "/home").get("Content-Length") == "1000"


# ---- what it can be told -----------------------------------------------------------------------------------


def test_bodies(backend):
    size = 3_000_000
    for switches, framing in (
        (("--body-bytes", str(size)), "length"),
        (("--body-bytes", str(size), "--chunked"), "chunked"),
    ):
        answer = backend(*switches).ask()
        assert answer.framing == framing
        assert answer.body == (BLOCK * (size // PERIOD + 1))[:size]


def test_a_large_body_needs_little_memory(backend):
    one = backend("--body-bytes", "300000000")
    assert len(one.ask().body) == 300000000
    if SLOW == 1:
        assert memory_kib(one.process.pid, "VmHWM") < 16 * 1024
    one.stop()


def test_a_client_that_leaves_costs_nothing(backend):
    one = backend("--body-bytes", "5000000000")
    for i in range(10):
        wire = Wire(one.port)
        wire.send(request_bytes())
        wire.read_exactly(1000)
        if i % 2:
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()
    until(lambda: len(descriptors(one.process.pid)) < 12, what="its descriptors to be closed")
    assert one.stop().count("GET /home 200") == 10


def test_fail_rate(backend):
    one = backend("--fail-rate", "0.5")
    with Wire(one.port) as wire:
        statuses = [wire.ask().status for _ in range(200)]
        assert set(statuses) == {200, 500} and 50 < statuses.count(500) < 150
        assert {wire.ask("GET", "/heartbeat").status for _ in range(50)} == {200}


def test_hang(backend):
    one = backend("--hang")
    wires = [Wire(one.port) for _ in range(5)]
    for wire in wires:
        wire.send(request_bytes("GET", "/heartbeat"))
    assert all(wire.is_quiet(0.05) for wire in wires)
    for wire in wires:
        wire.close()
    until(lambda: len(descriptors(one.process.pid)) < 12, what="its descriptors to be closed")
    one.stop()


def test_hang_after(backend):
    one = backend("--hang-after-ms", "300")
    assert one.ask().status == 200

    def hangs():
        with Wire(one.port) as wire:
            wire.send(request_bytes("GET", "/heartbeat"))
            return wire.is_quiet(0.3)

    until(hangs, what="the moment from which it hangs")
    one.stop()


def test_exit_after(backend):
    one = backend("--exit-after", "3")
    for _ in range(3):
        assert one.ask("GET", "/heartbeat").status == 200
        assert one.ask().status == 200
    assert one.process.wait(20 * SLOW) == 0
    assert one.stop().count("GET /home 200 56") == 3


def test_routes_for_tests_exist_only_when_asked_for(backend):
    plain = backend()
    assert {plain.ask("GET", t).status for t in ("/echo", "/bytes?n=1", "/sink")} == {400}
    one = backend("--test-routes")
    echoed = one.ask("POST", "/echo?a=b", [("X-Y", 'q"')], b"body").json()
    assert (echoed["method"], echoed["target"], echoed["version"]) == ("POST", "/echo?a=b", "1.1")
    assert ["X-Y", 'q"'] in echoed["headers"]
    assert (echoed["body_length"], echoed["body_adler32"]) == (4, zlib.adler32(b"body"))
    assert one.ask("GET", "/bytes?n=100").body == BLOCK[:100]
    assert one.ask("GET", "/bytes?n=100&chunked=1").framing == "chunked"
    assert one.ask("POST", "/sink", body=b"x" * 1234567).json()["received"] == 1234567


def test_a_body_above_the_limit_is_refused(backend):
    one = backend("--max-body", "1000", "--test-routes")
    assert one.ask("POST", "/sink", body=b"x" * 1000).status == 200
    assert one.ask("POST", "/sink", body=b"x" * 1001).status == 413


def test_one_line_a_request(backend):
    one = backend()
    one.ask("GET", "/home?x=%20")
    one.ask("GET", "/heartbeat")
    with Wire(one.port) as wire:
        wire.send(b"GET /a\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n")
        wire.read_reply()
    lines = one.stop().splitlines()
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(stamp + r" GET /home\?x=%20 200 56 \d+us", lines[0])
    assert re.fullmatch(stamp + r" GET /a%1B\[31m 400 \d+ \d+us", lines[1])
    assert len(lines) == 2, "heartbeats are not shown"
    one = backend("--log-heartbeats")
    one.ask("GET", "/heartbeat")
    assert "GET /heartbeat 200 0 " in one.stop()


def test_a_reader_that_does_not_read_the_lines_stops_nothing(backend):
    one = backend()
    with Wire(one.port) as wire:
        for number in range(0, 12000, 100):
            wire.send(
                b"".join(request_bytes("GET", f"/home?request_id={i}") for i in range(number, number + 100))
            )
            for _ in range(100):
                assert wire.read_reply().status == 200
    assert one.stop().count("GET /home") > 500


# ---- how it ends -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_end(backend, number):
    one = backend("--delay-ms", "400")
    wires = [Wire(one.port) for _ in range(3)]
    for wire in wires:
        wire.send(request_bytes())
    with pytest.raises(socket.timeout):
        wires[0].socket.settimeout(0.1)
        wires[0].read_head()
    wires[0].socket.settimeout(10 * SLOW)
    one.process.send_signal(number)
    for wire in wires:
        assert wire.read_reply().get("Connection") == "close"
        assert wire.is_closed()
    one.process.wait(20 * SLOW)
    assert one.stop().count("GET /home 200") == 3


def test_a_second_signal_ends_it_at_once(backend):
    one = backend("--delay-ms", "600000")
    with Wire(one.port) as wire:
        wire.send(request_bytes())
        assert wire.is_quiet(0.1)
        one.process.terminate()
        until(lambda: refused(one.port), what="the listener to close")
        assert one.process.poll() is None
        one.stop()


def refused(port):
    try:
        Wire(port).close()
    except ConnectionRefusedError:
        return True
    return False


def test_no_drain(backend):
    one = backend("--delay-ms", "600000", "--no-drain")
    with Wire(one.port) as wire:
        wire.send(request_bytes())
        assert wire.is_quiet(0.1)
        one.stop()
        assert wire.is_closed()


def test_ignore_term(backend):
    one = backend("--ignore-term")
    one.process.terminate()
    assert one.ask().status == 200
    assert one.process.poll() is None


BAD = [
    ["--port", "x"],
    ["--port", "65536"],
    ["--delay-ms", "-1"],
    ["--delay-ms"],
    ["--fail-rate", "1.1"],
    ["--fail-rate", "nan"],
    ["--body-bytes", "1k"],
    ["--exit-after", ""],
    ["--nonsense"],
    ["word"],
]


@pytest.mark.parametrize("arguments", BAD, ids=" ".join)
def test_bad_switches_are_2(arguments):
    refusal = run(*arguments)
    assert refusal.returncode == 2 and refusal.stderr and not refusal.stdout
    assert arguments[0].lstrip("-") in refusal.stderr


def test_a_bad_port_in_the_environment_is_2():
    refusal = run(PORT="5o00")
    assert refusal.returncode == 2 and "PORT" in refusal.stderr


def test_a_taken_port_is_3():
    port = free_ports()
    with socket.create_server(("127.0.0.1", port)):
        refusal = run("--listen", "127.0.0.1", "--port", str(port))
    assert refusal.returncode == 3
    assert f"cannot listen on 127.0.0.1:{port}" in refusal.stderr


def test_help_and_version():
    shown = run("--help")
    assert shown.returncode == 0 and "--body-bytes" in shown.stdout
    assert run("--version").stdout.startswith("backend ")
