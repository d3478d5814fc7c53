"""At the descriptor limit an idle socket to a replica makes room: for one that is needed, and for a new client."""

import os
import resource
import socket

import pytest

from harness import until
from origin import KEEP, reply
from wire import Wire

CALM = {"interval_ms": 60000, "unready_after": 100, "dead_after": 1000}  # ready once, then left alone


def static(*origins):
    return {
        "workers": 1,
        "strategy": {"scheduler": "scheduler_round_robin", "scheduler_options": None},
        "replicas": {"driver": "static", "count": None, "static": {"addresses": [o.place for o in origins]}},
        "health": CALM,
    }


def no_more_descriptors(mine, fillers):
    """From here on every new descriptor is refused: each takes the lowest free number, and that one is above the limit.
    Silent clients fill the gaps that others left, so that all there are stay below it."""

    def taken():
        return {int(name) for name in os.listdir(f"/proc/{mine.pid}/fd")}

    while len(before := taken()) <= max(before):
        fillers.append(socket.create_connection(("127.0.0.1", mine.port)))
        until(lambda: len(taken()) > len(before), what="a gap to be filled")
    hard = resource.prlimit(mine.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(mine.pid, resource.RLIMIT_NOFILE, (len(before), hard))


@pytest.fixture
def fillers():
    some = []
    yield some
    for one in some:
        one.close()


def test_a_needed_socket_takes_the_place_of_an_idle_one(balancer, origin, fillers):
    one, other = origin(), origin()

    def once(received, exchange):
        exchange.send(reply(body=b"bye", headers=[("Connection", "close")]))
        return KEEP

    other.handler = once  # its sockets are never kept
    mine = balancer(static(one, other))
    with Wire(mine.port) as wire:
        bodies = {wire.ask("GET", "/home").body for _ in range(2)}
        assert bodies == {b"hello", b"bye"}
        until(lambda: not other.carrying, what="the end of the socket to the other origin")
        no_more_descriptors(mine, fillers)
        answers = [wire.ask("GET", "/home") for _ in range(4)]
        assert [a.status for a in answers] == [200] * 4, "never 503: the idle socket makes room"


def test_a_new_client_takes_the_place_of_an_idle_socket(balancer, origin, fillers):
    one, other = origin(), origin()
    mine = balancer(static(one, other))
    with Wire(mine.port) as wire:
        for _ in range(2):
            assert wire.ask("GET", "/home").status == 200
        no_more_descriptors(mine, fillers)
        with Wire(mine.port) as second:
            assert second.ask("GET", "/home").status == 200
            assert wire.ask("GET", "/home").status == 200, "the first client was not dropped for the second"
