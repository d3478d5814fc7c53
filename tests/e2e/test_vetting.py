"""Plugins made to be bad, named in lb.conf while requests run: each is refused with a sentence of its own, and nothing
else happens."""

import os
import re
import signal
import threading
from pathlib import Path

import pytest

from harness import BUILD, SANITIZER, process_alive, until
from load import KeepAlive
from ringmaster import run_program
from wire import Closed, ask

TEST_PLUGINS = Path(os.environ.get("RM_TEST_PLUGIN_DIR") or BUILD / "test-plugins")
STILL_RUNS = "; the strategy before still runs"

# A sanitizer may notice before the processor does, and ends it another way.
CRASHED = r"crashed \(SIG(SEGV|ABRT)\)" if SANITIZER else r"crashed \(SIGSEGV\)"

# name, what is said of it (after its path)
BAD = [
    ("hash_crash_in_entry", CRASHED + r" while it was loaded"),
    ("hash_not_pure", r"gives the key \"\d+\" another number when asked again; key must be pure"),
    ("hash_by_address", r"puts copy \d+ of member \".*\" somewhere else when asked again; place must be pure"),
    ("hash_reads_on", CRASHED + r" in key"),
    ("probe_outside", r"names slot 513 of a ring that has 512 .*; at must answer with 0 to slots - 1"),
    ("scheduler_crash_in_pick", CRASHED + r" in pick, with 3 members"),
    ("scheduler_loop_in_build", r"did not finish within .*: it was still in build, with 3 members; it loops, .*"),
    ("scheduler_loop_in_place", r"did not finish within .*: it was still in build, with 3 members; it loops, .*"),
    ("scheduler_loop_in_pick", r"did not finish within .*: it was still in pick, with 3 members; it loops, .*"),
    ("scheduler_sleeps", r"did not finish within .*: it was still in build, with 3 members; it loops, .*"),
    ("scheduler_allocation_bomb", r"took more than 128 MiB of memory in build.*"),
    ("scheduler_out_of_range", r"picks member 3, and there are 3 \(0 to 2, or LB_NONE\)"),
    ("scheduler_not_deterministic", r"picks member \d for the key \d+, and member \d from .*; with the same .* alike"),
    ("scheduler_digest_of_chance", r"builds another table over the same 3 members .*; build must be deterministic"),
    ("scheduler_returns_tried", r"picks member \d again, which is tried, while \d of 3 are not"),
    ("scheduler_gives_up", r"picks nobody \(LB_NONE\) while \d of 3 members are not tried"),
    ("scheduler_scratch_overrun", r"writes past its scratch, which is 24 bytes, in pick"),
    ("scheduler_wrong_bytes", r"inspect says its table is 16 bytes, and build took 100000"),
    ("scheduler_wrong_shares", r"inspect gives shares that add up to 1\.500000 over 3 members; .*"),
    ("scheduler_inspect_overrun", r"writes past struct lb_inspect in inspect, which is \d+ bytes"),
    ("scheduler_keeps_members", CRASHED + r" in pick, with 3 members"),
    ("scheduler_exits", r"ended the process with exit code 0 in pick, with 3 members; a plugin returns"),
    ("scheduler_refuses", r"refuses an empty membership, and that is how every balancer begins: .*"),
]

PATIENCE = 20000
LIMITS = {"strategy": {"vet_timeout_ms": PATIENCE, "vet_memory_mib": 128}}
LOOPS = [name for name, sentence in BAD if "it loops" in sentence]  # they are waited for, and briefly; nobody else is hurried


def naming(name):
    """The change that puts this test plugin in force."""
    kind = name.split("_")[0]
    change = {kind: str(TEST_PLUGINS / f"{name}.so")}
    if kind == "scheduler":
        change["scheduler_options"] = None
    return {"strategy": change}


def named_back(settings, kind):
    """The change that undoes it."""
    change = {kind: settings["strategy"][kind]}
    if kind == "scheduler":
        change["scheduler_options"] = settings["strategy"]["scheduler_options"]
    return {"strategy": change}


def vetting_children(pid):
    """Pids of the living vetting processes of a balancer."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            parent = int(Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1])
            command = Path(f"/proc/{entry}/cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"--vet" in command.split(b"\0") and process_alive(entry):
            found.append(int(entry))
    return found


def errors_of(reply):
    assert reply.status == 422, reply
    return reply.json()["errors"]


# ---- refused -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(shared_balancer):
    return shared_balancer(LIMITS)


@pytest.mark.parametrize("name,sentence", BAD, ids=[name for name, _ in BAD])
def test_a_bad_plugin_is_refused_and_nothing_else_happens(served, name, sentence):
    mine, good = served, served.settings
    before, pids = mine.state(), {row["name"]: row["pid"] for row in mine.state()["replicas"]}
    placed = [mine.served_by(key) for key in range(40)]
    kind = name.split("_")[0]
    with KeepAlive(mine.port, clients=4, think=0.002) as clients:
        until(lambda: clients.replies > 20, what="traffic")
        change = naming(name)
        change["strategy"]["vet_timeout_ms"] = 300 if name in LOOPS else PATIENCE
        errors = errors_of(mine.reload(change))
        replies = clients.replies
        until(lambda: clients.replies > replies + 20, what="traffic afterwards")
    clients.check()
    lines = mine.config.read_text().splitlines()
    mine.write(named_back(good, kind))

    assert len(errors) == 1, errors
    error = errors[0]
    assert lines[error["line"] - 1].strip().startswith(f"{kind} = "), error
    path = TEST_PLUGINS / f"{name}.so"
    assert re.fullmatch(re.escape(f"{path}: ") + sentence + re.escape(STILL_RUNS), error["message"]), error

    after = mine.state()
    assert mine.process.poll() is None and after["pid"] == before["pid"] == mine.pid
    assert after["generation"] == before["generation"] and after["view"] == before["view"]
    assert after["strategy"]["table"]["digest"] == before["strategy"]["table"]["digest"]
    assert after["strategy"]["plugins"] == before["strategy"]["plugins"]
    assert {row["name"]: row["pid"] for row in after["replicas"]} == pids
    assert [mine.served_by(key) for key in range(40)] == placed
    assert not vetting_children(mine.pid)
    assert f"{path}: " in mine.log(), "the log has the sentence, too"


def test_lies_about_sizes_are_refused(served):
    """Those that reading its own words shows: no trial is needed."""
    good = served.settings
    errors = errors_of(served.reload(naming("hash_long_ops")))
    served.write(named_back(good, "hash"))
    assert len(errors) == 1 and "its struct lb_hash_ops is 4096 bytes, and ABI 1.0 has only 48" in errors[0]["message"]


def test_talk_is_not_taken_for_a_verdict(served):
    good = served.settings
    reply = served.reload(naming("hash_talks"))
    assert reply.status == 200, reply
    assert reply.json()["message"]["vet_ms"] > 0
    assert served.reload(named_back(good, "hash")).status == 200


@pytest.mark.parametrize("name", ["scheduler_crash_in_pick", "hash_crash_in_entry", "scheduler_gives_up"])
def test_neither_the_check_nor_the_start_lets_it_in(balancer, name):
    mine = balancer(LIMITS, start=False)
    mine.write(naming(name))
    for arguments in (["-t", "-c", mine.config], ["-c", mine.config]):
        done = run_program(*arguments)
        assert done.returncode == 1, done
        assert f"{TEST_PLUGINS / name}.so: " in done.stderr and "1 error" in done.stderr, done.stderr
        assert STILL_RUNS not in done.stderr, "there is none before"


def test_a_bad_candidate_is_refused_like_the_one_in_force(balancer):
    """What is only asked beside it is mapped all the same."""
    mine = balancer(LIMITS)
    before = mine.state()["generation"]
    path = str(TEST_PLUGINS / "scheduler_crash_in_pick.so")
    errors = errors_of(mine.reload({"strategy": {"shadow": [{"name": "bad", "scheduler": path}]}}))
    assert len(errors) == 1 and f"{path}: crashed (SIG" in errors[0]["message"], errors
    assert mine.state()["generation"] == before


# ---- passed ------------------------------------------------------------------------------------------------


def test_vet_ms_is_told_when_something_was_vetted(balancer):
    mine = balancer()
    first = mine.reload({"strategy": {"hash": "hash_quadratic"}}).json()["message"]
    assert first["vet_ms"] > 0
    back = mine.reload({"strategy": {"hash": "hash_murmur"}}).json()["message"]
    assert back["changed"] == ["strategy.hash"] and "vet_ms" not in back, "it was vetted at the start"
    again = mine.reload({"strategy": {"hash": "hash_quadratic"}}).json()["message"]
    assert "vet_ms" not in again
    other = mine.reload({"strategy": {"scheduler_options": {"virtual_nodes": 999}}}).json()["message"]
    assert other["vet_ms"] > 0, "other options are another strategy"
    limits = mine.reload({"timeouts": {"idle": 12345}}).json()["message"]
    assert "vet_ms" not in limits
    print(f"a vetting takes {first['vet_ms']} ms and {other['vet_ms']} ms")


def test_the_report_is_shown(balancer):
    """The ring of the assignment: badly balanced, hardly reached, and let in."""
    ring = {
        "scheduler_options": {"slots": 512, "virtual_nodes": 9},
        "hash": "hash_quadratic",
    }
    mine = balancer({"strategy": ring})
    vet = mine.state()["strategy"]["vet"]
    assert vet["members"] == 3 and vet["exact"] is True
    assert (vet["slots"], vet["slots_reached"]) == (512, 87)
    assert vet["largest_share_over_fair"] > 1.5
    assert 0 < vet["moved_keys_needed"] <= vet["moved_keys"] <= 1
    assert vet["pick_ns"] > 0 and vet["key_ns"] > 0 and vet["build_ms"] >= 0 and vet["table_bytes"] > 0
    assert vet["leaked_bytes"] == 0 and vet["stuck"] == [] and vet["refused_members"] == 0
    if not SANITIZER:
        print({name: vet[name] for name in ("pick_ns", "key_ns", "build_ms", "cpu_ms")})


# ---- meanwhile ---------------------------------------------------------------------------------------------


def sockets_of(pid):
    """What a process has open, as links."""
    return [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]


class Reload:
    """A reload that is under way, in a thread of its own."""

    def __init__(self, mine):
        self.reply = self.problem = None
        self.thread = threading.Thread(target=self._run, args=(mine.port,), daemon=True)
        self.thread.start()

    def _run(self, port):
        try:
            self.reply = ask(port, "POST", "/reload", (), None, 120)
        except (OSError, Closed) as problem:
            self.problem = problem

    def end(self):
        self.thread.join(180)
        assert not self.thread.is_alive()
        return self.reply


def vetting_of(mine):
    return until(lambda: vetting_children(mine.pid), 10, "a vetting process")[0]


def test_control_answers_while_something_is_vetted(balancer):
    mine = balancer({"strategy": {"vet_timeout_ms": 400 if SANITIZER else 2000}})
    mine.write(naming("scheduler_sleeps"))
    running = Reload(mine)
    child = vetting_of(mine)
    assert mine.ask("POST", "/add", body='{"n": 1}', patience=30).status == 200, "and a table is not what it waits for"
    assert len(mine.rep()) == 4
    assert mine.state()["generation"] == 1
    links = until(lambda: sockets_of(child), 5, "its descriptors")
    assert not [link for link in links if link.startswith("socket:")], links
    assert running.reply is None, "the vetting still runs"
    assert running.end().status == 422
    assert not vetting_children(mine.pid)


def test_leaving_does_not_wait_for_a_vetting(balancer):
    mine = balancer({"strategy": {"vet_timeout_ms": 60000}, "timeouts": {"drain": 200}})
    mine.write(naming("scheduler_sleeps"))
    running = Reload(mine)
    vetting_of(mine)
    mine.send_signal(signal.SIGTERM)
    mine.wait_exit()
    mine.check_end()
    running.end()


def test_a_killed_balancer_leaves_no_vetting_behind(balancer):
    mine = balancer({"strategy": {"vet_timeout_ms": 60000}})
    mine.write(naming("scheduler_sleeps"))
    running = Reload(mine)
    child = vetting_of(mine)
    mine.note_pids()
    mine.send_signal(signal.SIGKILL)
    assert mine.wait_exit() == -signal.SIGKILL
    until(lambda: not process_alive(child), 10, "the vetting process to end")
    mine.check_nothing_left()
    running.end()
    mine.process = None
