"""strategy.shadow: candidates are asked about some of the requests and obeyed by none; GET /_lb/shadow compares."""

import math
import os
import signal

import pytest

from harness import SANITIZER, mapping_count, until
from load import KeepAlive
from ringmaster import run_program

RING = {"slots": 4294967296, "virtual_nodes": 1000}
OTHER_HASH = {"name": "other hash", "hash": "hash_quadratic"}
FEWER = {"name": "fewer nodes", "scheduler_options": {"slots": 4294967296, "virtual_nodes": 10}}
IN_TURN = {"name": "in turn", "scheduler": "scheduler_round_robin"}
AS_IT_IS = {"name": "as it is"}
TIGHT = {"name": "tight", "scheduler_options": {"slots": 3, "virtual_nodes": 1}}


def shadow_of(mine):
    reply = mine.admin("GET", "/_lb/shadow")
    assert reply.status == 200, reply
    answer = reply.json()
    answer["by_name"] = {candidate["name"]: candidate for candidate in answer["candidates"]}
    return answer


def asked(mine, n):
    """Waits until n candidates are built and asked."""

    def all_asked():
        answer = shadow_of(mine)
        return answer if sum(c["state"] == "asked" for c in answer["candidates"]) == n else None

    return until(all_asked, what=f"{n} candidates to be asked")


def spread(mine, n, first=100000):
    for key in range(first, first + n):
        assert mine.ask("GET", f"/home?request_id={key}").status == 200


def settings(*candidates, **strategy):
    return {"strategy": {"shadow": list(candidates), **strategy}}


def near(observed, expected, n):
    """Within four standard deviations of a share over n requests."""
    return abs(observed - expected) <= 4 * math.sqrt(max(expected * (1 - expected), 1e-4) / n) + 1 / n


# ---- what is shown -----------------------------------------------------------------------------------------


def test_without_candidates_there_is_only_the_one_in_force(balancer):
    mine = balancer()
    answer = shadow_of(mine)
    assert answer["candidates"] == [] and answer["sample"] == 16 and answer["sample_keys"] == 10000
    force = answer["in_force"]
    assert (force["scheduler"], force["hash"], force["probe"]) == ("scheduler_ring", "hash_murmur", "probe_linear")
    assert force["sampled"] == 0 and force["observed_max_over_mean"] is None and force["moved_keys"] == 0
    assert sum(row["share"] for row in force["replicas"]) == pytest.approx(1, abs=1e-5)
    assert force["max_over_mean"] == pytest.approx(3 * max(r["share"] for r in force["replicas"]), abs=1e-4)


def test_every_figure_exact_and_observed(balancer):
    mine = balancer(settings(OTHER_HASH, FEWER, IN_TURN, AS_IT_IS, shadow_sample=1))
    asked(mine, 4)
    spread(mine, 1200)
    answer = shadow_of(mine)
    assert [c["name"] for c in answer["candidates"]] == ["other hash", "fewer nodes", "in turn", "as it is"]
    for shown in [answer["in_force"], *answer["candidates"]]:
        assert shown["sampled"] == 1200 and shown["nobody"] == 0
        assert sum(row["picked"] for row in shown["replicas"]) == 1200
        assert shown["bytes"] > 0 and shown["build_ms"] >= 0 and len(shown["digest"]) == 16
        assert shown["since_s"] > 0
        assert [row["name"] for row in shown["replicas"]] == ["Server 1", "Server 2", "Server 3"]
        assert sum(row["observed_share"] for row in shown["replicas"]) == pytest.approx(1, abs=1e-5)
        largest = max(row["observed_share"] for row in shown["replicas"]) * 3
        assert shown["observed_max_over_mean"] == pytest.approx(largest, abs=1e-4)
        if shown["hash"] == "hash_murmur" and shown["keyed"]:  # a share of slots is one of keys for a mixed hash
            for row in shown["replicas"]:
                assert near(row["observed_share"], row["share"], 1200), shown
    names = answer["by_name"]
    for name in ("other hash", "fewer nodes"):
        assert 0.2 < names[name]["moved_keys"] < 0.9
        assert names[name]["compared"] == 1200
        assert near(names[name]["observed_moved_keys"], names[name]["moved_keys"], 1200)
    assert names["in turn"]["moved_keys"] is None and not names["in turn"]["keyed"]
    assert [row["picked"] for row in names["in turn"]["replicas"]] == pytest.approx([400] * 3, abs=2)
    same = names["as it is"]
    assert same["moved_keys"] == 0 and same["observed_moved_keys"] == 0
    assert same["replicas"] == answer["in_force"]["replicas"]
    picked = {name: row["picked"] for name, row in mine.replicas().items()}
    assert {row["name"]: row["picked"] for row in answer["in_force"]["replicas"]} == picked


def test_candidates_are_never_obeyed(balancer):
    mine = balancer()
    placed = [mine.served_by(key) for key in range(300, 400)]
    mine.reload(settings(OTHER_HASH, IN_TURN, shadow_sample=1))
    assert [mine.served_by(key) for key in range(300, 400)] == placed
    assert shadow_of(mine)["by_name"]["other hash"]["sampled"] == 100


def test_one_in_sixteen_is_sampled(balancer):
    mine = balancer(settings(FEWER))
    asked(mine, 1)
    spread(mine, 1600)
    sampled = shadow_of(mine)["by_name"]["fewer nodes"]["sampled"]
    assert 60 <= sampled <= 140, "about 100"


def test_off_leaves_the_exact_figures(balancer):
    mine = balancer(settings(FEWER, shadow_sample=0))
    asked(mine, 1)
    spread(mine, 100)
    fewer = shadow_of(mine)["by_name"]["fewer nodes"]
    assert fewer["sampled"] == 0 and fewer["observed_max_over_mean"] is None
    assert fewer["max_over_mean"] > 1 and fewer["moved_keys"] > 0.2


def test_only_the_admin_port_tells(balancer):
    mine = balancer()
    assert mine.ask("GET", "/_lb/shadow").status == 400, "a replica's answer: it is no route of the traffic port"
    assert mine.admin("POST", "/_lb/shadow").status == 405


# ---- reload ------------------------------------------------------------------------------------------------


def test_a_reload_brings_them_and_keeps_what_they_counted(balancer):
    mine = balancer()
    message = mine.reload(settings(FEWER, shadow_sample=1)).json()["message"]
    assert message["changed"] == ["strategy.shadow", "strategy.shadow_sample"] and message["moved_keys"] == 0
    assert shadow_of(mine)["by_name"]["fewer nodes"]["state"] == "asked", "at once, not a moment later"
    spread(mine, 50)
    message = mine.reload({**settings(OTHER_HASH, FEWER), "health": {"interval_ms": 300}}).json()["message"]
    assert set(message["changed"]) == {"strategy.shadow", "health.interval_ms"}
    spread(mine, 50)
    names = shadow_of(mine)["by_name"]
    assert names["fewer nodes"]["sampled"] == names["fewer nodes"]["compared"] == 100
    assert names["other hash"]["sampled"] == 50
    mine.reload({"strategy": {"hash": "hash_quadratic"}})  # fewer nodes has the hash in force: another strategy now
    names = shadow_of(mine)["by_name"]
    assert names["fewer nodes"]["sampled"] == 0
    assert names["other hash"]["sampled"] == 50 and names["other hash"]["compared"] == 0
    assert names["other hash"]["moved_keys"] == 0, "it is what is in force now"
    message = mine.reload(settings()).json()["message"]
    assert message["changed"] == ["strategy.shadow"]
    assert shadow_of(mine)["candidates"] == []


def test_mistakes_are_told_all_at_once_with_their_places(balancer):
    mine = balancer(settings(FEWER))
    before = mine.state()["generation"]
    candidates = [
        {"name": "a", "hash": "hash_nowhere"},
        {"name": "b", "scheduler_options": {"slotz": 3}},
        {"name": "c"},
    ]
    mine.write({"strategy": {"shadow": candidates, "probe": "probe_nowhere"}})
    text = mine.config.read_text().splitlines()
    reply = mine.reload()
    assert reply.status == 422, reply
    errors = reply.json()["errors"]
    assert len(errors) == 3, "the probe's once, though all candidates have it from there"
    for error, word in zip(errors, ('"probe_nowhere"', '"hash_nowhere"', "3;")):
        assert text[error["line"] - 1][error["column"] - 1 :].startswith(word), error
    assert mine.state()["generation"] == before
    assert shadow_of(mine)["by_name"].keys() == {"fewer nodes"}
    check = run_program("-t", "-c", mine.config)
    assert check.returncode == 1 and check.stderr.count(": error: ") == 3


# ---- membership --------------------------------------------------------------------------------------------


def test_one_that_refuses_the_members_stands_aside_until_they_change(balancer):
    mine = balancer(settings(TIGHT, FEWER, shadow_sample=1))
    asked(mine, 2)
    assert mine.add('{"hostnames": ["S4"]}').status == 200
    answer = asked(mine, 1)
    tight = answer["by_name"]["tight"]
    assert tight["state"] == "refused" and "slots" in tight["refusal"] and tight["replicas"] == []
    spread(mine, 40)
    answer = shadow_of(mine)
    assert answer["by_name"]["tight"]["sampled"] == 0
    assert answer["by_name"]["fewer nodes"]["sampled"] == 40
    assert len(mine.rep()) == 4
    assert mine.rm('{"hostnames": ["S4"]}').status == 200
    answer = asked(mine, 2)
    assert answer["by_name"]["tight"]["refusal"] is None


def test_a_stand_in_keeps_the_counters(balancer):
    mine = balancer(settings(FEWER, shadow_sample=1))
    asked(mine, 1)
    spread(mine, 60)
    os.kill(mine.pid_of("Server 2"), signal.SIGKILL)
    until(lambda: any(name.startswith("emergency_") for name in mine.rep()), what="the stand-in")
    fewer = shadow_of(mine)["by_name"]["fewer nodes"]
    assert fewer["sampled"] == 60
    assert any(row["name"].startswith("emergency_") and row["picked"] > 0 for row in fewer["replicas"]), fewer


# ---- under load --------------------------------------------------------------------------------------------


def test_candidates_come_and_go_under_load(balancer):
    mine = balancer(settings())
    choices = [[OTHER_HASH, IN_TURN], [FEWER], [], [TIGHT, FEWER, OTHER_HASH], [AS_IT_IS]]
    with KeepAlive(mine.port, 16) as clients:
        mappings = 0
        for turn in range(60):
            reply = mine.reload(settings(*choices[turn % 5], shadow_sample=1 + turn % 3))
            assert reply.status == 200, reply
            if turn == 19:
                mappings = mapping_count(mine.pid)
            if turn % 20 == 10:
                assert mine.add('{"hostnames": ["S4"]}').status == 200
            if turn % 20 == 15:
                assert mine.rm('{"hostnames": ["S4"]}').status == 200
        if not SANITIZER:  # they map memory of their own
            assert mapping_count(mine.pid) <= mappings + 20
    clients.check(100)
    until(lambda: mine.state()["live_views"] == 1, what="one live view")
    mine.reload(settings())
    if SANITIZER != "address":  # it keeps what was loaded, to name it in a report
        unloaded = lambda: mine.state()["strategy"]["plugins"]["loaded"] == 3  # noqa: E731
        until(unloaded, what="the candidates' plugins to be unloaded")
