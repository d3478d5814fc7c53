"""A balancer on this machine with the real engine: the same with any build, so that the sanitizers see what a fake engine
cannot show. RM_BUILD says which one; each test ends with a normal stop, which fails on a sanitizer's report."""

import os
import signal

import pytest

from harness import until
from host import Engine, OnHost
from load import KeepAlive


@pytest.fixture(scope="module")
def engine():
    made = Engine(os.environ["RM_DOCKER_DIR"])
    made.script("restart")  # with live-restore, whatever the one before had
    made.make_network()
    yield made
    made.docker("network", "rm", "rmhost")


@pytest.fixture
def mine(engine, tmp_path):
    made = OnHost(engine, tmp_path)
    yield made
    made.clean_up()
    for container in engine.containers().values():
        engine.docker("rm", "-f", container)


def stop(mine):
    mine.stop(within=60)
    assert mine.engine.containers() == {}, mine.log()[-3000:]


def restarts(mine):
    return {name: row["restarts"] for name, row in mine.replicas().items()}


def test_starts_adds_and_removes(mine):
    mine.start()
    assert mine.settled() == ["Server 1", "Server 2", "Server 3"]
    reply = mine.add({"n": 3, "hostnames": ["S5"], "weights": [4]})
    assert reply.status == 200, reply
    names = mine.settled(6)
    assert mine.replicas()["S5"]["weight"] == 4
    assert mine.rm({"n": 3, "hostnames": names[3:]}).status == 200
    mine.settled(3)
    stop(mine)


def test_kills_at_full_load(mine):
    mine.start()
    with KeepAlive(mine.port) as clients:
        for number in range(4):
            names = mine.settled()
            os.kill(mine.pid_of(names[number % 3]), signal.SIGKILL)
            until(lambda victim=names[number % 3]: victim not in mine.rep(), within=30, what="it out of rotation")
        mine.settled()
    clients.check(at_least=100)
    stop(mine)


def test_adopts(mine):
    """After an end that leaves them running, and after no end at all."""
    mine.write({"replicas": {"docker": {"on_exit": "leave"}}})
    mine.start()
    names, before = mine.settled(), mine.engine.containers()
    mine.stop(within=60)
    assert mine.engine.containers() == before
    mine.start()
    assert mine.settled() == names
    mine.process.kill()
    mine.process.wait()
    mine.write({"replicas": {"docker": {"on_exit": "stop"}}})
    mine.start()
    assert mine.settled() == names
    assert mine.engine.containers() == before
    assert restarts(mine) == dict.fromkeys(names, 0)
    stop(mine)


@pytest.mark.parametrize("state_file", ["", "members"])
def test_a_spare_takes_over_and_is_adopted(mine, state_file):
    """Without a state file nothing but the containers themselves tells the next balancer who was a spare."""
    mine.write({"replicas": {"spares": 1, "state_file": state_file}})
    mine.start()
    mine.settled()
    before = mine.engine.containers()
    [spare] = [row["name"] for row in mine.state()["spares"]]
    with KeepAlive(mine.port) as clients:
        os.kill(mine.pid_of("Server 2"), signal.SIGKILL)
        until(lambda: mine.rep() == ["Server 1", spare, "Server 3"], within=30, what="the spare in its place")
    clients.check()
    mine.settled()
    row = mine.replicas()[spare]
    assert (row["ring_name"], row["ordinal"], row["restarts"]) == ("Server 2", 2, 1)

    after = mine.engine.containers()
    assert after[spare] == before[spare] and len(after) == 4
    mine.process.kill()
    mine.process.wait()
    mine.start()
    mine.settled()
    assert mine.engine.containers() == after
    rows = mine.replicas()
    assert sorted(row["ring_name"] for row in rows.values()) == ["Server 1", "Server 2", "Server 3"]
    if state_file:
        assert rows[spare]["ring_name"] == "Server 2"
        assert mine.rep() == ["Server 1", spare, "Server 3"]
    stop(mine)


def test_an_engine_that_comes_back(mine):
    """Killed, with a replica dying meanwhile, then restarted as by an update."""
    engine = mine.engine
    mine.start()
    names, before = mine.settled(), engine.containers()
    victim = mine.pid_of(names[1])
    engine.script("kill")
    with KeepAlive(mine.port) as clients:
        until(lambda: mine.state()["trouble"], within=30, what="the trouble being told")
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(mine.rep()) == 2, within=30, what="the dead one out of rotation")
        engine.script("start")
        after = dict(zip(mine.settled(), [None] * 3))
        engine.script("restart")
        until(lambda: mine.state()["trouble"] is None, within=60, what="the engine being found again")
    clients.check(at_least=100)
    assert list(after) == mine.settled() and after.keys() & before.keys() == {names[0], names[2]}
    assert {name: engine.containers()[name] for name in (names[0], names[2])} == {
        name: before[name] for name in (names[0], names[2])}
    stop(mine)


def test_leaves_without_the_engine(mine):
    mine.start()
    mine.settled()
    mine.engine.script("kill")
    until(lambda: mine.state()["trouble"], within=30, what="the trouble being told")
    try:
        mine.stop(within=60)
    finally:
        mine.engine.script("start")
    assert "may be left behind" in mine.log()


def test_a_command_that_ends_at_once(mine):
    """Back-off, and a stop in the middle of it."""
    mine.write({"replicas": {"docker": {"command": ["sh", "-c", "exit 3"]}, "add_timeout_ms": 1500}})
    mine.start(ready=False)
    until(lambda: all(row["restarts"] >= 3 for row in mine.state()["replicas"]), within=60, what="three failed starts each")
    until(lambda: any(row["state"] == "BACKOFF" for row in mine.state()["replicas"]), within=60, what="a pause")
    stop(mine)
