"""strategy.bounded_load: with two workers and forty clients that all want the same replica, no replica ever holds more
than its bound; the replicas count for themselves."""

import math
import threading
import time

import pytest

from harness import until
from load import KeepAlive
from origin import KEEP, reply
from ringmaster import shipped

CLIENTS, REPLICAS = 40, 4
KEY = "/work?request_id=132574"


class Counting:
    """A handler that works a little, and knows how many requests it holds at once."""

    def __init__(self, work=0.004):
        self.work = work  # what a request takes, in seconds
        self.lock = threading.Lock()
        self.now = self.most = self.served = 0
        self.origin = None

    def __call__(self, received, exchange):
        received.body()
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.work)
        with self.lock:  # before the balancer can know: never more than it counts itself
            self.now -= 1
            self.served += 1
        exchange.send(reply(body=b"done"))
        return KEEP

    def forget(self):
        with self.lock:
            self.most, self.served = self.now, 0


def bound(c, ready=REPLICAS, clients=CLIENTS):
    return math.ceil(c * clients / ready)


@pytest.fixture
def crowd(balancer, origin):
    """crowd(c) gives a balancer with this bound over four counting replicas."""

    def make(c, weights=None):
        counts = [Counting() for _ in range(REPLICAS)]
        for count in counts:
            count.origin = origin(count)
        members = [
            {"address": count.origin.place, "weight": weight}
            for count, weight in zip(counts, weights or [1] * REPLICAS)
        ]
        mine = balancer(
            {
                "workers": 2,
                "strategy": {"bounded_load": c},
                "replicas": {"driver": "static", "static": {"members": members}},
            }
        )
        return mine, counts

    return make


def in_flight(mine):
    """What the balancer counts: a request that is on its way the replica does not yet."""
    return [row["in_flight"] for row in mine.replicas().values()]


def served(clients, n):
    until(lambda: clients.replies >= n, 60, f"{n} replies")


def test_without_a_bound_one_replica_has_them_all(crowd):
    mine, counts = crowd(0)
    with KeepAlive(mine.port, CLIENTS, KEY) as clients:
        served(clients, 600)
    clients.check()
    assert len(clients.served) == 1
    assert max(count.most for count in counts) > bound(1.25), "the tests below would notice"


@pytest.mark.parametrize("c", [1.0, 1.25, 2.0])
def test_no_replica_exceeds_it(crowd, c):
    mine, counts = crowd(c)
    with KeepAlive(mine.port, CLIENTS, KEY) as clients:
        served(clients, 3000)
    clients.check()
    most = [count.most for count in counts]
    print(f"bounded_load {c}: at most {bound(c)}, the replicas saw {most}")
    assert max(most) <= bound(c)
    rows = mine.replicas().values()
    assert sum(row["full"] for row in rows) > 0, "some were passed over"
    until(lambda: not any(in_flight(mine)), 60, "nothing to be in flight any more")
    assert len(clients.served) >= 2
    assert sum(count.served for count in counts) == clients.replies


def test_by_weight(crowd):
    mine, counts = crowd(1.0, weights=[1, 2, 3, 4])
    with KeepAlive(mine.port, CLIENTS, KEY) as clients:
        served(clients, 2000)
    clients.check()
    for weight, count in zip([1, 2, 3, 4], counts):
        assert count.most <= math.ceil(CLIENTS * weight / 10)


def test_switched_on_and_off_under_load(crowd):
    mine, counts = crowd(0)
    with KeepAlive(mine.port, CLIENTS, KEY) as clients:
        served(clients, 300)
        message = mine.reload({"strategy": {"bounded_load": 1.25}}).json()["message"]
        assert message["changed"] == ["strategy.bounded_load"] and message["moved_keys"] == 0.0
        until(lambda: max(in_flight(mine)) <= bound(1.25), what="the crowd to thin out")
        for count in counts:
            count.forget()
        served(clients, clients.replies + 2000)
        most = [count.most for count in counts]
        assert max(most) <= bound(1.25), most
        mine.reload({"strategy": {"bounded_load": 0}})
        until(lambda: max(count.now for count in counts) > bound(1.25), what="one to have them all again")
    clients.check()


def test_a_replica_that_dies_does_not_leave_the_others_full(crowd):
    mine, counts = crowd(1.0)
    with KeepAlive(mine.port, CLIENTS, KEY) as clients:
        served(clients, 500)
        home = max(range(REPLICAS), key=lambda i: counts[i].served)
        counts[home].origin.refuse()
        for i, count in enumerate(counts):
            if i != home:
                count.forget()
        served(clients, clients.replies + 2000)
    clients.check()
    assert max(count.most for i, count in enumerate(counts) if i != home) <= bound(1.0, ready=REPLICAS - 1)


def test_the_preset(balancer):
    mine = balancer(text=shipped("conf/presets/bounded.conf"))
    with KeepAlive(mine.port, 8, "/home") as clients:
        served(clients, 500)
    clients.check()
    assert len(clients.served) >= 2, "the path is the key, and one replica cannot hold all of it"
