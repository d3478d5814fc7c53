"""The driver swarm against a manager's API with replicas that answer: what balancers learn, ask for and survive."""

import time

import pytest

from harness import SANITIZER, until
from keys import placed
from ringmaster import run_program
from swarm import NETWORK, Swarm

KEYS = 10_000 if not SANITIZER else 1_000


@pytest.fixture
def swarm():
    made = Swarm()
    yield made
    made.close()


def settings(swarm, **more):
    return {"replicas": {"driver": "swarm", "count": 3, "add_timeout_ms": 8000, **more.pop("replicas", {}), "swarm": {
        "engine": swarm.address, "service": "web", "network": NETWORK, "port": swarm.replica_port, **more}}}


def names(*slots):
    return [f"web.{slot}" for slot in slots]


def digest(balancer):
    return balancer.state()["strategy"]["table"]["digest"]


def test_two_balancers_agree(swarm, balancer):
    mine = balancer(settings(swarm))
    other = balancer(settings(swarm))
    assert swarm.requests.count("POST /services/create") == 1
    assert mine.rep() == other.rep() == names(1, 2, 3)
    assert mine.add({"n": 2}).json()["message"]["added"] == names(4, 5)
    until(lambda: other.rep() == names(1, 2, 3, 4, 5), what="the other one has learnt it")
    assert digest(mine) == digest(other)
    seen = placed(mine.port, KEYS)
    assert seen == placed(other.port, KEYS)
    assert set(seen) == set(names(1, 2, 3, 4, 5))
    # One that dies and is started elsewhere keeps its place, and so do all keys.
    swarm.kill(2)
    began = time.monotonic()
    for each in (mine, other):
        until(lambda: each.replicas()["web.2"]["restarts"] == 1 and each.rep() == names(1, 2, 3, 4, 5),  # noqa: B023
              what="web.2 is there again")
    print(f"    from a death to its successor in both: {time.monotonic() - began:.2f} s")
    assert digest(mine) == digest(other)
    assert placed(mine.port, 500) == placed(other.port, 500) == seen[:500]


def test_add_and_rm_take_numbers(swarm, balancer):
    mine = balancer(settings(swarm))
    reply = mine.add({"n": 2, "hostnames": ["S5"]})
    assert reply.status == 400 and "named by Swarm" in reply.json()["message"], reply
    reply = mine.rm({"hostnames": ["web.1"]})
    assert reply.status == 400 and "Swarm chooses who leaves" in reply.json()["message"], reply
    assert mine.add({"n": 1, "weights": [2]}).status == 400
    swarm.conflicts = 2  # somebody else changes the service meanwhile
    reply = mine.add({"n": 2})
    assert reply.status == 200 and reply.json()["message"]["added"] == names(4, 5), reply
    reply = mine.rm({"n": 3})
    assert reply.status == 200 and sorted(reply.json()["message"]["removed"]) == names(3, 4, 5), reply
    assert mine.rep() == names(1, 2)
    assert mine.rm({"n": 3}).status == 400
    assert mine.reload({"replicas": {"count": 4}}).status == 200
    until(lambda: mine.rep() == names(1, 2, 3, 4), what="as many as lb.conf says")


def test_an_add_without_room_is_taken_back(swarm, balancer):
    swarm.nodes = 4
    mine = balancer(settings(swarm, replicas={"add_timeout_ms": 3000}))
    reply = mine.add({"n": 2})
    assert reply.status == 504 and reply.json()["message"]["added"] == names(4), reply
    until(lambda: swarm.spec["Mode"]["Replicated"]["Replicas"] == 4, what="the other one is taken back")
    until(lambda: sorted(mine.replicas()) == names(1, 2, 3, 4), what="four slots")
    assert "no suitable node" in mine.log()


def test_others_scale_and_remove_it(swarm, balancer):
    mine = balancer(settings(swarm))
    began = time.monotonic()
    swarm.scale(6)
    until(lambda: mine.rep() == names(1, 2, 3, 4, 5, 6), what="six")
    print(f"    from docker service scale to six in rotation: {time.monotonic() - began:.2f} s")
    swarm.scale(1)
    until(lambda: mine.rep() == names(1), what="one")
    swarm.remove()
    until(lambda: mine.rep() == [] and mine.state()["trouble"], what="none")
    assert mine.ask("GET", "/home").status == 503
    assert mine.add({"n": 1}).status == 503
    assert swarm.requests.count("POST /services/create") == 1  # whoever removed it meant it


@pytest.mark.parametrize("how", ["gone", "no manager"])
def test_without_the_engine_replicas_serve(swarm, balancer, how):
    mine = balancer(settings(swarm))
    seen = placed(mine.port, 200)
    if how == "gone":
        swarm.away()
    else:
        swarm.manager = False
    until(lambda: mine.state()["trouble"], what="the trouble is said")
    assert placed(mine.port, 200) == seen
    assert mine.add({"n": 1}).status == 503
    assert mine.rep() == names(1, 2, 3)
    if how == "gone":
        swarm.back()
    swarm.manager = True
    swarm.scale(4)
    until(lambda: mine.rep() == names(1, 2, 3, 4), what="it follows again")
    assert not mine.state()["trouble"]


def test_it_is_adopted_and_left_behind(swarm, balancer):
    first = balancer(settings(swarm))
    first.add({"n": 1})
    tasks = [t.id for t in swarm.tasks]
    first.stop()
    second = balancer(settings(swarm, image=""), start=False)  # count is for a service that is made
    second.start(ready=False)
    second.wait_ready(4)
    assert [t.id for t in swarm.tasks] == tasks
    second.stop()
    third = balancer(settings(swarm, on_exit="stop"), start=False)
    third.start(ready=False)
    third.wait_ready(4)
    third.stop()
    assert swarm.spec is None


def test_what_cannot_start(swarm, balancer):
    mine = balancer(settings(swarm, image=""), start=False)
    done = run_program("-c", mine.config)
    assert done.returncode == 4 and "names no image" in done.stderr + done.stdout, done
    swarm.manager = False
    done = run_program("-c", mine.config)
    assert done.returncode == 4 and "not a swarm manager" in done.stderr + done.stdout, done
