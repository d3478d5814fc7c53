"""How evenly the shipped strategy spreads requests, and where the assignment's ring puts its golden keys."""

import asyncio
import math
import random
from collections import Counter

import aiohttp
import pytest

from harness import SANITIZER
from ringmaster import shipped

REQUESTS = 10_000
AT_ONCE = 100
GOLDEN = {
    132574: 3,
    237891: 2,
    982345: 1,
    674512: 1,
    876234: 1,
    543289: 1,
}  # key -> the number of its replica


async def ask_all(port, targets):
    """All targets, AT_ONCE at a time; returns statuses and X-Served-By, both counted."""
    statuses, served = Counter(), Counter()
    left = iter(targets)

    async def client(session):
        for target in left:
            try:
                async with session.get(f"http://127.0.0.1:{port}{target}") as reply:
                    await reply.read()
                    statuses[reply.status] += 1
                    served[reply.headers.get("X-Served-By")] += 1
            except aiohttp.ClientError as problem:
                statuses[repr(problem)] += 1

    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(client(session) for _ in range(AT_ONCE)))
    return statuses, served


def outside(served, shares, deviations=3.0):
    """The replicas whose count is further from its exact share than so many standard deviations, with the
    distance."""
    total = sum(served.values())
    found = {}
    for name, share in shares.items():
        deviation = math.sqrt(total * share * (1 - share))
        distance = abs(served[name] - total * share) / deviation
        if distance > deviations:
            found[name] = round(distance, 2)
    return found


def shares_of(mine):
    shares = {name: row["share"] for name, row in mine.replicas().items()}
    assert abs(sum(shares.values()) - 1.0) < 1e-6
    return shares


@pytest.mark.parametrize("n, bound", [(3, 1.05), (6, 1.08)])
def test_the_shipped_strategy_is_even(balancer, n, bound):
    mine = balancer(text=shipped("conf/lb.conf"))
    if n > 3:
        assert mine.add({"hostnames": [f"Server {i}" for i in range(4, n + 1)]}).status == 200
    shares = shares_of(mine)
    assert len(shares) == n
    largest = max(shares.values()) * n
    print(f"N = {n}: largest share / fair share = {largest:.4f}")
    assert largest <= bound

    # The same keys in every run: what is compared with the exact shares is the balancer, not luck.
    keys = random.Random(1)
    count = REQUESTS if not SANITIZER else REQUESTS // 4
    targets = [f"/home?request_id={keys.randrange(100000, 1000000)}" for _ in range(count)]
    statuses, served = asyncio.run(ask_all(mine.port, targets))
    assert statuses == {200: count}
    assert not outside(served, shares), (served, shares)


def test_without_a_key_it_is_even_too(balancer):
    """The default key is drawn at random, so one run in a few dozen lies outside by luck: the second must
    not."""
    mine = balancer(text=shipped("conf/lb.conf"))
    shares = shares_of(mine)
    for attempt in (1, 2):
        statuses, served = asyncio.run(ask_all(mine.port, ["/home"] * REQUESTS))
        assert statuses == {200: REQUESTS}
        far = outside(served, shares)
        print(f"attempt {attempt}: {dict(served)}, outside three standard deviations: {far}")
        if not far:
            return
    raise AssertionError((far, served, shares))


def test_the_golden_keys_of_the_assignment(balancer):
    mine = balancer(text=shipped("conf/presets/assignment.conf"))
    assert mine.rep() == ["Server 1", "Server 2", "Server 3"]
    placed = {key: mine.ask("GET", f"/home?request_id={key}").served_by for key in GOLDEN}
    assert placed == {key: f"Server {number}" for key, number in GOLDEN.items()}
    placed = {key: mine.ask("GET", "/home", [("X-Request-Id", str(key))]).served_by for key in GOLDEN}
    assert placed == {
        key: f"Server {number}" for key, number in GOLDEN.items()
    }, "the header is the second source"


def test_the_assignments_ring_is_as_uneven_as_the_contract_says(balancer):
    """Of all keys mod 512, 432, 24 and 56 belong to the three replicas."""
    mine = balancer(text=shipped("conf/presets/assignment.conf"))
    shares = {"Server 1": 432 / 512, "Server 2": 24 / 512, "Server 3": 56 / 512}
    statuses, served = asyncio.run(
        ask_all(mine.port, [f"/home?request_id={100000 + key}" for key in range(2048)])
    )
    assert statuses == {200: 2048}
    assert served == {name: round(2048 * share) for name, share in shares.items()}


def test_all_workers_and_a_second_balancer_agree(balancer):
    """Tables are deterministic: the same configuration gives the same place, in any process."""
    first = balancer({"workers": 1})
    second = balancer({"workers": 4})
    keys = [str(k) for k in range(1000, 1060)] + ["abc", "x" * 100, "ü", "-5"]
    assert [first.served_by(k) for k in keys] == [second.served_by(k) for k in keys]
