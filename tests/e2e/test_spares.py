"""Spares: replicas in no rotation, of which one takes over the place of one that dies or hangs."""

import os
import signal

from harness import process_alive, until
from load import KeepAlive

QUICK = {"health": {"interval_ms": 50, "timeout_ms": 2000, "unready_after": 2, "dead_after": 4}}


def spares(mine, n):
    """Waits until so many are ready; returns their names."""
    def look():
        rows = mine.state()["spares"]
        return [row["name"] for row in rows] if [row["state"] for row in rows] == ["SPARE"] * n else None
    return until(look, what=f"{n} spares")


def test_it_takes_over_at_a_death(balancer):
    mine = balancer({"replicas": {"spares": 1}})
    keys = {key: mine.served_by(key) for key in range(60)}
    with KeepAlive(mine.port, clients=4, think=0.002) as clients:
        for victim, place in (("Server 2", 1), ("Server 3", 2)):
            [spare] = spares(mine, 1)
            assert spare not in mine.rep()
            pid = next(row["pid"] for row in mine.state()["spares"])
            mine.note_pids()
            os.kill(mine.pid_of(victim), signal.SIGKILL)
            until(lambda place=place, spare=spare: mine.rep()[place:place + 1] == [spare], what="the spare in its place")
            assert mine.pid_of(spare) == pid
            for key, served_by in keys.items():
                assert mine.served_by(key) == (spare if served_by == victim else served_by)
            keys = {key: spare if served_by == victim else served_by for key, served_by in keys.items()}
        [spare] = spares(mine, 1)
    clients.check()
    assert spare not in mine.rep()


def test_it_does_not_wait_for_one_that_hangs(balancer):
    """The hung one does not even obey, and its time to do so is long."""
    process = {"command": ["backend", "--ignore-term", "--quiet"]}
    mine = balancer({"replicas": {"spares": 1, "stop_timeout_ms": 60000, "process": process}, **QUICK})
    [spare] = spares(mine, 1)
    pid = mine.pid_of("Server 1")
    mine.note_pids()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: mine.rep() == [spare, "Server 2", "Server 3"], what="the spare in its place")
    assert process_alive(pid)
    assert mine.state()["spares"][0]["state"] == "STOPPING"
    os.kill(pid, signal.SIGKILL)
    [other] = spares(mine, 1)
    assert other not in mine.rep()
    assert mine.reload({"replicas": {"stop_timeout_ms": 100}}).status == 200  # for the test's own end


def test_their_number_follows_a_reload(balancer):
    mine = balancer({"replicas": {"count": 2}})
    assert mine.state()["spares"] == []
    assert mine.reload({"replicas": {"spares": 2}}).status == 200
    names = spares(mine, 2)
    assert mine.rep() == ["Server 1", "Server 2"]
    assert mine.rm({"n": 1, "hostnames": [names[0]]}).status == 400
    pids = [row["pid"] for row in mine.state()["spares"]]
    assert mine.reload({"replicas": {"spares": 0}}).status == 200
    until(lambda: mine.state()["spares"] == [], what="no spares")
    until(lambda: not any(process_alive(pid) for pid in pids), what="their ends")
    assert mine.rep() == ["Server 1", "Server 2"]
