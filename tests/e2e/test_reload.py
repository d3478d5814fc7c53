"""POST /reload and SIGHUP: what is answered, what survives, and 200 swaps under load."""

import re
import signal
import time

import pytest

from harness import SANITIZER, SOURCE, descriptors, mapping_count, memory_kib, until
from load import KeepAlive, Wrk
from ringmaster import run_program, shipped
from wire import Wire

HASHES = ("hash_quadratic", "hash_murmur")


def with_hash(name):
    return {"strategy": {"hash": name}}


def message_of(reply):
    assert reply.status == 200, reply
    answer = reply.json()
    assert answer["status"] == "successful"
    return answer["message"]


# ---- the answer --------------------------------------------------------------------------------------------


def test_a_changed_hash_is_told_as_the_contract_says(balancer):
    mine = balancer()
    before = mine.state()["generation"]
    message = message_of(mine.reload(with_hash("hash_quadratic")))
    assert message["generation"] == before + 1 == mine.state()["generation"]
    assert message["changed"] == ["strategy.hash"]
    assert message["strategy"]["hash"] == "hash_quadratic"
    assert message["previous"]["hash"] == "hash_murmur"
    assert message["strategy"]["scheduler"] == message["previous"]["scheduler"] == "scheduler_ring"
    assert 0.3 < message["moved_keys"] <= 1.0, "about two thirds of the keys have another replica of three"
    assert message["took_ms"] >= 0
    names = [
        name
        for name in message
        if name in ("generation", "changed", "strategy", "previous", "moved_keys", "took_ms")
    ]
    assert names == ["generation", "changed", "strategy", "previous", "moved_keys", "took_ms"]


def test_the_next_request_uses_it(balancer):
    """The answer is sent after every worker runs the new generation."""
    mine = balancer({"workers": 3})
    keys = range(500, 560)
    murmur = [mine.served_by(key) for key in keys]
    for turn in range(4):
        message_of(mine.reload(with_hash(HASHES[turn % 2])))
        placed = [mine.served_by(key) for key in keys]
        assert (placed == murmur) == (turn % 2 == 1), f"turn {turn}"


def test_nothing_changed_is_told_too(balancer):
    mine = balancer()
    before = mine.state()["generation"]
    message = message_of(mine.reload())
    assert message["changed"] == [] and message["generation"] == before
    mine.config.write_text("// only a comment is new\n" + mine.config.read_text())
    message = message_of(mine.reload())
    assert message["changed"] == [] and message["generation"] == before
    assert mine.state()["generation"] == before


def test_options_of_a_plugin_and_several_changes_at_once(balancer):
    mine = balancer()
    message = message_of(
        mine.reload(
            {
                "strategy": {"scheduler_options": {"virtual_nodes": 500}},
                "health": {"interval_ms": 500},
            }
        )
    )
    changed = set(message["changed"])
    assert "health.interval_ms" in changed and len(changed) == 2
    assert any(name.startswith("strategy.scheduler_options") for name in changed)
    assert 0.0 < message["moved_keys"] < 1.0


def test_a_strategy_without_keys_has_no_moved_keys(balancer):
    mine = balancer()
    change = {"strategy": {"scheduler": "scheduler_round_robin", "scheduler_options": None}}
    message = message_of(mine.reload(change))
    assert "strategy.scheduler" in message["changed"]
    assert message["moved_keys"] is None
    served = [mine.ask().served_by for _ in range(60)]
    assert {served.count(name) for name in set(served)} <= set(range(15, 26)), "round robin spreads evenly"


def test_what_needs_a_restart_is_told_and_the_rest_applied(balancer):
    mine = balancer()
    workers = mine.settings["workers"]
    message = message_of(mine.reload({"workers": workers + 1, **with_hash("hash_quadratic")}))
    assert message["restart_required"] == ["workers"]
    assert message["strategy"]["hash"] == "hash_quadratic"
    assert mine.state()["generation"] == message["generation"]


def test_a_higher_count_starts_replicas(balancer):
    mine = balancer()
    message_of(mine.reload({"replicas": {"count": 5}}))
    mine.wait_ready(5)
    message_of(mine.reload({"replicas": {"count": 2}}))
    until(lambda: len(mine.rep()) == 2, what="two replicas")


# ---- mistakes ----------------------------------------------------------------------------------------------

BROKEN = """\
listen = [ "127.0.0.1:{port}" ];
admin = "127.0.0.1:{admin}";
strategy = {
  scheduler = "scheduler_rign";
  hash = "hash_murmur";
  probe = "probe_linear";
};
replicas = {
  count = 3;
  process = { command = [ "backend", "--quiet" ]; base_port = {base_port}; };
};
health = {
  intervall_ms = 250;
    timeout_ms = -5;
};
"""

MISTAKES = [  # line, text on it that the column points to, in the message, in the hint
    (4, ('"scheduler_rign"', "scheduler_rign", "scheduler ="), "scheduler_rign", "scheduler_ring"),
    (13, ("intervall_ms",), "intervall_ms", "interval_ms"),
    (14, ("timeout_ms", "-5"), "timeout_ms", None),
]


def check_place(lines, line, column, candidates):
    columns = {lines[line - 1].index(text) + 1 for text in candidates}
    assert column in columns, f"line {line}: column {column}, not one of {sorted(columns)}"


def test_three_mistakes_are_told_at_once_and_the_old_configuration_serves(balancer):
    mine = balancer()
    before = mine.state()["generation"]
    placed = [mine.served_by(key) for key in range(40)]
    text = mine.fill(BROKEN)
    mine.config.write_text(text)
    with KeepAlive(mine.port, clients=2) as clients:
        reply = mine.reload()
        until(lambda: clients.replies > 20, what="traffic")
    clients.check()
    assert reply.status == 422, reply
    answer = reply.json()
    assert answer["status"] == "failure"
    errors = answer.get("errors") or answer["message"]["errors"]
    errors.sort(key=lambda error: error["line"])
    assert [error["line"] for error in errors] == [line for line, *_ in MISTAKES], errors
    for error, (line, candidates, named, hint) in zip(errors, MISTAKES):
        assert error["file"].endswith("lb.conf")
        assert set(error) >= {"file", "line", "column", "message", "hint"}
        check_place(text.splitlines(), line, error["column"], candidates)
        assert named in error["message"]
        if hint:
            assert hint in error["hint"]
    assert mine.state()["generation"] == before
    assert [mine.served_by(key) for key in range(40)] == placed
    mine.write()
    assert message_of(mine.reload(with_hash("hash_quadratic")))["generation"] == before + 1


def test_the_check_tells_the_same_three(balancer):
    mine = balancer(start=False)
    text = mine.fill(BROKEN)
    mine.config.write_text(text)
    check = run_program("-t", "-c", mine.config)
    assert check.returncode == 1, check
    output = check.stderr + check.stdout
    found = re.findall(r"^(\S*lb\.conf):(\d+):(\d+): error: (.*)$", output, re.M)
    found.sort(key=lambda error: int(error[1]))
    assert [int(line) for _, line, _, _ in found] == [line for line, *_ in MISTAKES], output
    for (_, line, column, message), (_, candidates, named, hint) in zip(found, MISTAKES):
        check_place(text.splitlines(), int(line), int(column), candidates)
        assert named in message
        assert text.splitlines()[int(line) - 1].strip() in output, "the source line is shown"
        if hint:
            assert re.search(rf"hint: .*{hint}", output)
    assert output.count("^") >= 3, "a caret under each"


def test_a_syntax_error_stands_alone(balancer):
    mine = balancer()
    before = mine.state()["generation"]
    mine.config.write_text(mine.config.read_text() + "\nhealth = { interval_ms = = 3; };\n")
    reply = mine.reload()
    assert reply.status == 422
    answer = reply.json()
    errors = answer.get("errors") or answer["message"]["errors"]
    assert len(errors) == 1 and errors[0]["line"] == len(mine.config.read_text().splitlines())
    assert mine.state()["generation"] == before


@pytest.mark.parametrize("content", [None, b"", b"\0\xff\xfe garbage"])
def test_a_file_that_is_gone_or_garbage_is_refused(balancer, content):
    mine = balancer()
    before = mine.state()["generation"]
    if content is None:
        mine.config.unlink()
    else:
        mine.config.write_bytes(content)
    reply = mine.reload()
    if content == b"":  # every option has a default: that is a valid file, with other ports
        assert reply.status in (200, 422)
        return
    assert reply.status == 422
    assert mine.state()["generation"] == before
    assert mine.ask().status == 200


def test_a_plugin_that_is_no_plugin_is_refused(balancer, tmp_path):
    mine = balancer()
    before = mine.state()["generation"]
    (tmp_path / "hash_text.so").write_text("this is not a shared object\n" * 100)
    reply = mine.reload(with_hash(str(tmp_path / "hash_text.so")))
    assert reply.status == 422, reply
    assert mine.state()["generation"] == before
    assert mine.ask().status == 200


# ---- what survives -----------------------------------------------------------------------------------------


def test_sighup_reloads(balancer):
    mine = balancer()
    before = mine.state()["generation"]
    mine.write(with_hash("hash_quadratic"))
    mine.send_signal(signal.SIGHUP)
    until(lambda: mine.state()["generation"] == before + 1, what="the new generation")
    mine.config.write_text("nonsense = 1;\n")
    mine.send_signal(signal.SIGHUP)
    until(lambda: "nonsense" in mine.log(), what="the mistake in the log")
    assert mine.state()["generation"] == before + 1
    assert mine.ask().status == 200


def test_counters_and_an_idle_connection_survive(balancer):
    mine = balancer()
    with Wire(mine.port) as wire:
        for _ in range(30):
            assert wire.ask().status == 200
        before = {name: row["requests"] for name, row in mine.replicas().items()}
        assert sum(before.values()) == 30
        message_of(mine.reload(with_hash("hash_quadratic")))
        after = {name: row["requests"] for name, row in mine.replicas().items()}
        assert after == before
        assert wire.ask().status == 200  # the same connection
    assert sum(row["requests"] for row in mine.replicas().values()) == 31
    pids = {row["pid"] for row in mine.replicas().values()}
    message_of(mine.reload(with_hash("hash_murmur")))
    assert {row["pid"] for row in mine.replicas().values()} == pids


def test_a_request_that_runs_at_the_swap_is_finished(balancer):
    mine = balancer({"replicas": {"process": {"command": ["backend", "--quiet", "--delay-ms", "700"]}}})
    with Wire(mine.port) as wire:
        wire.send("GET /home HTTP/1.1\r\nHost: a\r\n\r\n")
        until(
            lambda: sum(r["in_flight"] for r in mine.replicas().values()) == 1, what="the request in flight"
        )
        message_of(
            mine.reload(with_hash("hash_quadratic"))
        )  # answered at "switched", not when that one is done
        assert sum(r["in_flight"] for r in mine.replicas().values()) == 1
        assert wire.read_reply().status == 200


# ---- under load --------------------------------------------------------------------------------------------


def swap_many(mine, swaps, measure_at, measure):
    measured = {}
    times = []
    for swap in range(1, swaps + 1):
        start = time.monotonic()
        message = message_of(mine.reload(with_hash(HASHES[(swap - 1) % 2])))
        times.append(message["took_ms"])
        assert message["changed"] == ["strategy.hash"], f"swap {swap}, after {time.monotonic() - start:.3f} s"
        if swap in measure_at:
            measured[swap] = measure()
    times.sort()
    print(f"{swaps} swaps: median {times[len(times) // 2]} ms, worst {times[-1]} ms")
    return measured


def test_200_swaps_under_load_lose_nothing(balancer):
    """Memory is measured in builds without a sanitizer only: those keep freed memory on purpose."""
    swaps = 200 if not SANITIZER else 40
    mine = balancer(text=shipped("conf/lb.conf"))
    text = mine.config.read_text()
    assert '"hash_murmur"' in text

    def write(changes):
        name = changes["strategy"]["hash"]
        mine.config.write_text(text.replace('"hash_murmur"', f'"{name}"'))

    mine.write = write
    before = mine.state()["generation"]

    def measure():  # how many sockets there are is the traffic's doing
        files = [what for what in descriptors(mine.pid) if not what.startswith("socket:")]
        return {"rss": memory_kib(mine.pid, "VmRSS"), "maps": mapping_count(mine.pid), "files": len(files)}

    with Wrk(mine.port, connections=64) as load, KeepAlive(mine.port, clients=8, think=0.001) as clients:
        until(lambda: clients.replies > 100, what="traffic")
        measured = swap_many(mine, swaps, (20, swaps), measure)
    load.check(at_least=swaps)
    clients.check(at_least=swaps)
    assert mine.state()["generation"] == before + swaps
    print(f"{load.requests} requests; {measured}")
    if not SANITIZER:
        early, late = measured[20], measured[swaps]
        assert late["rss"] - early["rss"] <= max(2048, early["rss"] // 10), measured
        assert late["maps"] - early["maps"] <= 8, measured
        assert late["files"] - early["files"] <= 2, measured
    until(lambda: mine.state()["live_views"] == 1, 5, "one live view")


def test_reloads_at_once_are_all_answered(balancer):
    """Equal reloads coalesce; each is answered, and the generation rises once."""
    mine = balancer()
    before = mine.state()["generation"]
    mine.write(with_hash("hash_quadratic"))
    wires = [Wire(mine.port) for _ in range(20)]
    for wire in wires:
        wire.send("POST /reload HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    generations = {message_of(wire.read_reply())["generation"] for wire in wires}
    for wire in wires:
        wire.close()
    assert generations == {before + 1}
    assert mine.state()["generation"] == before + 1


def test_the_shipped_configuration_is_what_the_documents_say():
    text = (SOURCE / "conf" / "lb.conf").read_text()
    for name in ("scheduler_ring", "hash_murmur", "probe_linear", "4294967296L"):
        assert name in text
