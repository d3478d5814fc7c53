"""Autoscaling under real load: out, in, once each; beside /add, /rm, a reload and a restart."""

from harness import until
from load import KeepAlive

# Replies take 50 ms, so that clients without pause are in flight nearly all the time.
SCALING = {
    "strategy": {"scheduler": "scheduler_round_robin", "hash": "", "probe": "", "scheduler_options": None},
    "replicas": {
        "count": 2,
        "process": {"command": ["backend", "--quiet", "--delay-ms", "50"]},
        "scale": {"target_inflight": 3.0, "min": 1, "max": 6, "cooldown_ms": 1000},
    },
}


def decisions(mine):
    events = mine.admin("GET", "/_lb/events").json()["events"]
    return [e for e in events if e["kind"].startswith("scale_")]


def test_a_step_up_and_down(balancer):
    mine = balancer(SCALING)
    with KeepAlive(mine.port, clients=12) as load:
        until(lambda: len(mine.rep()) == 4, 30, "four replicas for twelve requests at a time")
        seen = len(decisions(mine))
        replies = load.replies
        until(lambda: load.replies > replies + 600, 60, "more of the same load")
        assert len(mine.rep()) == 4
        assert len(decisions(mine)) == seen, "the load is constant: nothing more to decide"
        assert seen <= 2
        assert 9 <= mine.state()["scale"]["in_flight"] <= 12.5
    assert load.bad == 0 and load.closed == 0
    until(lambda: len(mine.rep()) == 1, 60, "the minimum, when nothing comes any more")
    events = decisions(mine)
    assert [e["kind"] for e in events[seen:]] == ["scale_in"] * (len(events) - seen)
    assert len(events) - seen <= 2
    assert "replicas: 0.0 requests in flight, target 3.000 a replica, 1 to 6" in events[-1]["why"]
    assert f"autoscaling: {events[-1]['why']}" in mine.log()
    assert mine.rep() == ["Server 1"], "the newest leave"


def test_add_and_rm_are_where_the_next_decision_starts(balancer):
    mine = balancer({**SCALING, "replicas": {
        **SCALING["replicas"], "scale": {"target_inflight": 3.0, "min": 2, "max": 6, "cooldown_ms": 1000}}})
    assert mine.rm({"n": 1}).status == 200
    assert len(mine.rep()) == 1
    until(lambda: len(mine.rep()) == 2, 30, "the minimum to be filled up again")
    assert mine.add({"n": 5}).status == 200
    assert len(mine.rep()) == 7
    until(lambda: len(mine.rep()) == 2, 60, "those that nobody needs to leave")


def test_what_the_load_made_outlasts_a_restart(balancer, tmp_path):
    mine = balancer({**SCALING, "replicas": {
        **SCALING["replicas"], "state_file": "state.json",
        "scale": {"target_inflight": 3.0, "min": 1, "max": 6, "cooldown_ms": 3000}}})
    with KeepAlive(mine.port, clients=12):
        until(lambda: len(mine.rep()) == 4, 60, "four replicas")
    mine.stop()
    mine.start(ready=False)
    mine.wait_ready(4)
    until(lambda: len(mine.rep()) == 1, 60, "the minimum")


def test_a_reload_switches_it_on_and_off(balancer):
    mine = balancer({"replicas": {"count": 2}})
    assert mine.state()["scale"] is None
    assert mine.reload({"replicas": {"scale": {"target_inflight": 2.5, "min": 1, "max": 4, "cooldown_ms": 100}}}).status == 200
    assert mine.state()["scale"]["target_inflight"] == 2.5
    until(lambda: len(mine.rep()) == 1, 30, "it to scale in")
    assert mine.reload({"replicas": {"scale": {"target_inflight": 0.0}}}).status == 200
    assert mine.state()["scale"] is None


def test_a_driver_that_starts_nothing_cannot_scale(balancer):
    mine = balancer({"replicas": {"count": 2}})
    answer = mine.reload({"replicas": {"driver": "static", "static": {"addresses": ["127.0.0.1:9"]},
                                       "scale": {"target_inflight": 2.0}}})
    assert answer.status == 422
    assert "starts no replicas, so it cannot scale" in answer.body.decode()
