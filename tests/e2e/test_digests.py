"""The same members and options make the same table everywhere: in a balancer, in another one that saw other events, in
ringctl and in the benchmark. The digest says so, for every scheduler that is shipped."""

import json

import pytest

from harness import BUILD, PLUGINS
from installed import run

SCHEDULERS = sorted(path.stem for path in PLUGINS.glob("scheduler_*.so"))
HASH = "hash_xxh3"

# A table that knows the order of events: another instance agrees only when it saw them too.
KNOWS_THE_ORDER = {"scheduler_anchor"}


def strategy(scheduler):
    return {"strategy": {"scheduler": scheduler, "scheduler_options": None, "hash": HASH}}


def of_balancer(mine):
    return mine.state()["strategy"]["table"]["digest"]


def of_ringctl(scheduler, members):
    said = run([BUILD / "bin" / "ringctl", "plugin", "bench", scheduler, "--hash", HASH, "--members", str(members), "--json",
                "--timeout", "120"], within=150).stdout
    found = json.loads(said)
    assert found["name"] == scheduler and found["kind"] == "scheduler"
    [table] = found["tables"]
    assert table["members"] == members and table["bytes"] > 0
    return table["digest"]


@pytest.fixture(scope="module")
def expected():
    """Of "Server 1" to "Server 3"."""
    return {scheduler: of_ringctl(scheduler, 3) for scheduler in SCHEDULERS}


def test_two_balancers_and_ringctl_agree(balancer, expected):
    mine, other = balancer(), balancer()
    assert other.add({"hostnames": ["Server 4", "Server 5"]}).status == 200
    for scheduler in SCHEDULERS:
        for each in (mine, other):
            assert each.reload(strategy(scheduler)).status == 200
        assert of_balancer(mine) == expected[scheduler], scheduler
        assert of_balancer(other) != expected[scheduler], f"{scheduler}: five members are not three"
    assert other.rm({"hostnames": ["Server 4", "Server 5"]}).status == 200
    for scheduler in SCHEDULERS:
        assert other.reload(strategy(scheduler)).status == 200
        assert of_balancer(other) == expected[scheduler], scheduler


@pytest.mark.parametrize("scheduler", [name for name in SCHEDULERS if name not in KNOWS_THE_ORDER])
def test_who_came_and_went_leaves_no_trace(balancer, expected, scheduler):
    mine = balancer(strategy(scheduler))
    assert of_balancer(mine) == expected[scheduler]
    assert mine.rm({"hostnames": ["Server 2"]}).status == 200
    assert mine.add({"hostnames": ["Server 7", "Server 2"]}).status == 200
    assert of_balancer(mine) != expected[scheduler]
    assert mine.rm({"hostnames": ["Server 7"]}).status == 200
    assert of_balancer(mine) == expected[scheduler]


@pytest.mark.parametrize("label, scheduler", [("maglev, 65,537", "scheduler_maglev"), ("jump", "scheduler_jump"),
                                              ("p2c", "scheduler_p2c")])
def test_the_benchmark_measures_the_same_tables(label, scheduler):
    said = run([BUILD / "bench" / "bench_strategies", "--quick", "--only", label], within=250).stdout
    [found] = json.loads(said)["strategies"]
    row = found["rows"][0]
    assert row["members"] == 10 and row["digest"] == of_ringctl(scheduler, 10)
    for name in ("pick_ns", "live_ns", "full_ns", "whole_ns", "build_ms"):
        assert row[name]["median"] >= row[name]["least"] > 0, name
