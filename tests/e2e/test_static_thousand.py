"""A thousand static replicas: start, serve, reload."""

import subprocess
import time

import pytest

from harness import BACKEND, free_ports, until
from wire import ask

COUNT = 1000


@pytest.fixture
def everywhere():
    """One backend that listens on all of 127.0.0.0/8: a thousand addresses with one process behind them."""
    port = free_ports()
    process = subprocess.Popen([BACKEND, "--quiet", "--port", str(port)], stderr=subprocess.DEVNULL)
    until(lambda: ask(port, "GET", "/heartbeat").status == 200, what="the backend")
    yield port
    process.terminate()
    assert process.wait(20) == 0


def address(i, port):
    return f"127.0.{1 + i // 250}.{1 + i % 250}:{port}"


def test_a_thousand_static_replicas(balancer, everywhere):
    settings = {
        "replicas": {
            "driver": "static",
            "count": None,
            "static": {"addresses": [address(i, everywhere) for i in range(COUNT)]},
        },
        "health": {"interval_ms": 5000, "timeout_ms": 4000},
    }
    mine = balancer(settings, start=False)
    start = time.monotonic()
    mine.start(ready=False)
    until(lambda: mine.ask().status == 200, 60, "the first answer")
    print(f"first answer after {time.monotonic() - start:.3f} s")
    until(lambda: len(mine.rep()) == COUNT, 60, f"/rep with N = {COUNT}")
    print(f"{COUNT} in rotation after {time.monotonic() - start:.3f} s")
    assert mine.rep() == [f"Server {i + 1}" for i in range(COUNT)]
    served = {mine.ask().served_by for _ in range(300)}
    assert len(served) > 100

    for name in ("hash_quadratic", "hash_murmur"):
        start = time.monotonic()
        answer = mine.reload({"strategy": {"hash": name}})
        took = time.monotonic() - start
        message = answer.json()["message"]
        assert answer.status == 200 and message["changed"] == ["strategy.hash"]
        print(f"reload to {name}: {took:.3f} s, of them {message['took_ms']} ms to build and switch")
        assert len(mine.rep()) == COUNT

    fewer = [address(i, everywhere) for i in range(COUNT // 2)]
    assert mine.reload({"replicas": {"static": {"addresses": fewer}}}).status == 200
    until(lambda: len(mine.rep()) == COUNT // 2, 30, "half of them")
    assert mine.ask().status == 200


def test_weighted_members(balancer, everywhere):
    """The list of groups: address, weight, name."""
    members = [
        {"address": address(0, everywhere), "weight": 3, "name": "heavy"},
        {"address": address(1, everywhere), "weight": 1, "name": "light"},
    ]
    mine = balancer(
        {
            "workers": 1,
            "strategy": {"scheduler": "scheduler_round_robin", "scheduler_options": None},
            "replicas": {"driver": "static", "count": None, "static": {"members": members}},
        }
    )
    assert mine.rep() == ["heavy", "light"]
    served = [mine.ask().served_by for _ in range(80)]
    assert abs(served.count("heavy") - 60) <= 2, "smooth weighted: three to one"
