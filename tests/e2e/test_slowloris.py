"""2,000 clients that hold heads, bodies and readers for 30 seconds: each of them is ended by a rule, and nobody else notices.
bench/slowloris measures what a normal client's p99 is meanwhile."""

import resource
import time

import pytest

from harness import SANITIZER, SLOW, free_ports, until
from load import KeepAlive
from slowloris import BigOrigin, Slowloris

CONNECTIONS = 300 if SANITIZER else 2000
SECONDS = 30


def test_2000_slow_clients_are_ended_and_nobody_else_notices(balancer):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 3 * CONNECTIONS:
        pytest.skip(f"needs {3 * CONNECTIONS} descriptors")
    with BigOrigin(free_ports()) as origin:
        mine = balancer(
            {
                "workers": 2,
                "strategy": {"scheduler": "scheduler_round_robin", "scheduler_options": None},
                "replicas": {"driver": "static", "count": None, "static": {"addresses": [origin.place]}},
                "health": {"interval_ms": 60000, "unready_after": 100, "dead_after": 1000},
                "timeouts": {"head": 5000 * SLOW, "connect": 30000},
                "limits": {"unsent": 65536, "min_rate": 100, "min_rate_ms": 5000 * SLOW},
            }
        )
        with Slowloris(mine.port, CONNECTIONS) as attack, KeepAlive(mine.port, clients=4, think=0.005) as normal:
            until(lambda: mine.state()["totals"]["accepted"] >= CONNECTIONS, 30, "the attack to begin")
            time.sleep(SECONDS)  # how long it lasts: what is tested
            told = attack.finish(within=90 * SLOW)
        normal.check(at_least=100)
        print(f"{normal.replies} normal requests; slow clients: {told}")
        ended = told["ended"]
        assert set(ended["head"]) == {"408"}, ended
        assert set(ended["body"]) == {"408"}, ended
        assert set(ended["read"]) == {"closed"}, ended
        assert all(told["opened"][kind] == sum(ended[kind].values()) >= CONNECTIONS // 3 for kind in ended), told
        totals = mine.state()["totals"]
        assert totals["too_slow"] == ended["body"]["408"] + ended["read"]["closed"]
        assert totals["refused_full"] == totals["refused_memory"] == 0
        until(lambda: mine.replicas()["Server 1"]["in_flight"] == 0, what="nothing is held any more")
