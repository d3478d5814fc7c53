"""Bodies that no memory should hold: a gibibyte in each direction, and readers that are slow."""

import threading
import time
import zlib

import pytest

from harness import SANITIZER, memory_kib, until
from origin import KEEP, reply
from wire import Wire, request_bytes

SIZE = (1 << 30) if not SANITIZER else (128 << 20)
CHUNKED_SIZE = SIZE // 4
PEAK_KIB = 64 * 1024
PERIOD = 65521
BLOCK = bytes(33 + k * k % PERIOD % 94 for k in range(PERIOD))  # what backend/answer.h calls the pattern


def pattern_crc(size):
    crc, whole = 0, BLOCK * 16
    for _ in range(size // len(whole)):
        crc = zlib.crc32(whole, crc)
    return zlib.crc32((whole)[: size % len(whole)], crc)


def check_peak(mine):
    peak = memory_kib(mine.pid, "VmHWM")
    print(f"peak of the balancer: {peak / 1024:.1f} MiB")
    if not SANITIZER:  # sanitizers keep memory of their own
        assert peak < PEAK_KIB


def one_backend(*switches):
    return {"replicas": {"count": 1, "process": {"command": ["backend", "--quiet", *switches]}}}


def one_origin(made):
    return {"replicas": {"driver": "static", "count": None, "static": {"addresses": [made.place]}}}


def read_body(wire, size):
    """Reads size bytes, keeps none, returns their CRC-32."""
    crc, left = zlib.crc32(wire.pending[:size]), size - min(size, len(wire.pending))
    wire.pending = wire.pending[size:]
    room = memoryview(bytearray(1 << 20))
    while left > 0:
        n = wire.socket.recv_into(room, min(left, len(room)))
        assert n > 0, f"the connection ended {left} bytes too early"
        crc = zlib.crc32(room[:n], crc)
        left -= n
    return crc


def test_a_large_download(balancer):
    mine = balancer(one_backend("--body-bytes", str(SIZE)))
    with Wire(mine.port, patience=60) as wire:
        for _ in range(2):  # the second one over the same connections
            start = time.monotonic()
            wire.send(request_bytes())
            head = wire.read_head()
            assert (head.status, head.get("Content-Length")) == (200, str(SIZE))
            assert read_body(wire, SIZE) == pattern_crc(SIZE)
            print(f"{SIZE >> 20} MiB in {time.monotonic() - start:.2f} s")
        assert wire.ask("HEAD", "/home").status == 200
    check_peak(mine)


def test_a_large_chunked_download(balancer):
    mine = balancer(one_backend("--body-bytes", str(CHUNKED_SIZE), "--chunked"))
    with Wire(mine.port, patience=60) as wire:
        wire.send(request_bytes())
        head = wire.read_head()
        assert (head.status, head.get("Transfer-Encoding")) == (200, "chunked")
        crc = got = 0
        while True:
            size = int(wire.read_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            data = wire.read_exactly(size)
            crc, got = zlib.crc32(data, crc), got + size
            assert wire.read_exactly(2) == b"\r\n"
        assert wire.read_until(b"\r\n") == b"\r\n"
        assert got == CHUNKED_SIZE and crc == pattern_crc(CHUNKED_SIZE)
        assert wire.ask("HEAD", "/home").status == 200
    check_peak(mine)


class Sink:
    """A replica that reads an upload without keeping it, and answers its size and CRC-32."""

    def __init__(self):
        self.paused = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, received, exchange):
        if received.target == "/slow":
            self.paused.set()
            self.go_on.wait(60)
        size = crc = 0
        if received.get("Content-Length"):
            size = int(received.get("Content-Length"))
            crc = exchange.sink(size)
        else:
            while True:
                chunk = int(exchange.read_until(b"\r\n").split(b";")[0], 16)
                if chunk == 0:
                    exchange.read_until(b"\r\n")
                    break
                data = exchange.read_exactly(chunk)
                size, crc = size + chunk, zlib.crc32(data, crc)
                exchange.read_exactly(2)
        exchange.send(reply(body=f"{size} {crc}".encode()))
        return KEEP


def send_pattern(wire, size):
    """Sends the pattern; wire.socket waits when the other side does not read."""
    whole = memoryview(BLOCK * 16)
    left = size
    while left > 0:
        part = whole[: min(left, len(whole))]
        wire.socket.sendall(part)
        left -= len(part)


def test_a_large_upload(balancer, origin):
    mine = balancer(one_origin(origin(Sink())))
    with Wire(mine.port, patience=60) as wire:
        start = time.monotonic()
        wire.send(request_bytes("POST", "/up", [("Content-Length", str(SIZE))]))
        send_pattern(wire, SIZE)
        answer = wire.read_reply()
        print(f"{SIZE >> 20} MiB in {time.monotonic() - start:.2f} s")
        assert answer.body == f"{SIZE} {pattern_crc(SIZE)}".encode()
        assert wire.ask("POST", "/up", body=b"after").status == 200
    check_peak(mine)


def test_a_large_chunked_upload(balancer, origin):
    mine = balancer(one_origin(origin(Sink())))
    count = CHUNKED_SIZE // PERIOD
    chunk = b"%x\r\n" % PERIOD + BLOCK + b"\r\n"
    with Wire(mine.port, patience=60) as wire:
        wire.send(request_bytes("POST", "/up", [("Transfer-Encoding", "chunked")]))
        for _ in range(count):
            wire.send(chunk)
        wire.send(b"0\r\n\r\n")
        assert wire.read_reply().body == f"{count * PERIOD} {pattern_crc(count * PERIOD)}".encode()
    check_peak(mine)


def test_a_client_that_does_not_read_is_not_read_ahead_for(balancer):
    mine = balancer(one_backend("--body-bytes", str(SIZE)))
    wires = [Wire(mine.port, receive_buffer=65536) for _ in range(20)]
    for wire in wires:
        wire.send(request_bytes())
        wire.read_until(b"\r\n\r\n")
    settled = {"kib": -1}

    def still():
        now = memory_kib(mine.pid, "VmRSS")
        before, settled["kib"] = settled["kib"], now
        return before == now

    until(still, 20, "the memory to settle")
    check_peak(mine)
    assert mine.ask("GET", "/other").status == 400, "others are served meanwhile"
    for wire in wires:
        wire.close()


def test_a_replica_that_does_not_read_stops_the_client(balancer, origin):
    sink = Sink()
    sink.go_on.clear()
    mine = balancer(one_origin(origin(sink)))
    size = SIZE // 4
    with Wire(mine.port, patience=60) as wire:
        wire.send(request_bytes("POST", "/slow", [("Content-Length", str(size))]))
        sender = threading.Thread(target=send_pattern, args=(wire, size))
        sender.start()
        assert sink.paused.wait(30)
        sender.join(1.0)
        assert sender.is_alive(), "the sockets' buffers hold less than that: it must be waiting"
        check_peak(mine)
        sink.go_on.set()
        assert wire.read_reply().body == f"{size} {pattern_crc(size)}".encode()
        sender.join()


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1])
def test_sizes_around_the_buffers(balancer, size):
    mine = balancer(one_backend("--test-routes"))
    with Wire(mine.port) as wire:
        for target in (f"/bytes?n={size}", f"/bytes?n={size}&chunked=1", f"/bytes?n={size}&close=1"):
            answer = wire.ask("GET", target)
            assert answer.status == 200
            assert answer.body == (BLOCK * (size // PERIOD + 1))[:size]
        body = (BLOCK * (size // PERIOD + 1))[:size]
        for headers, sent in (((), body), ([("Transfer-Encoding", "chunked")], _chunked(body))):
            wire.send(
                request_bytes(
                    "POST", "/echo", [*headers, *([] if headers else [("Content-Length", str(size))])]
                )
            )
            wire.send(sent)
            echoed = wire.read_reply().json()
            assert (echoed["body_length"], echoed["body_adler32"]) == (size, zlib.adler32(body))


def _chunked(body):
    parts = [body[i : i + 5000] for i in range(0, len(body), 5000)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
