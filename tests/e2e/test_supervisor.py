"""Replicas that die or hang, and the balancer's own end: who answers meanwhile, and what is left behind."""

import os
import random
import re
import signal
import threading
import time

import pytest

from harness import BACKEND, SANITIZER, SLOW, process_alive, processes_with, until
from load import KeepAlive, Wrk
from origin import KEEP, reply
from test_proxy_basics import static
from wire import Wire, request_bytes

STAND_IN = re.compile(r"emergency_\d{2,}")


def key_of(mine, name, start=0):
    """A request id that belongs to that replica."""
    return next(key for key in range(start, start + 5000) if mine.served_by(key) == name)


def places(mine, keys):
    """For each key the position in /rep of the replica that answers it."""
    names = mine.rep()
    return {key: names.index(mine.served_by(key)) for key in keys}


def only_stand_ins(names, count):
    return len(names) == count and all(STAND_IN.fullmatch(name) for name in names)


# ---- death -------------------------------------------------------------------------------------------------


def test_a_replica_killed_20_times_under_load_loses_no_request(balancer):
    """The next kill comes when N is whole again, and the stand-in is seen answering."""
    kills = 20 if not SANITIZER else 6
    mine = balancer()
    choose = random.Random(2)
    times = []
    with Wrk(mine.port, connections=64) as load, KeepAlive(mine.port, clients=4, think=0.002) as clients:
        until(lambda: clients.replies > 50, what="traffic")
        for kill in range(kills):
            names = mine.rep()
            victim = choose.choice(names)
            key = key_of(mine, victim)
            pid = mine.pid_of(victim)
            mine.note_pids()
            start = time.monotonic()
            os.kill(pid, signal.SIGKILL)

            def replaced(victim=victim, names=names, key=key):
                now = mine.rep()
                if len(now) != 3 or victim in now:
                    return None
                new = [name for name in now if name not in names]
                return new[0] if new and mine.served_by(key) == new[0] else None

            stand_in = until(replaced, 10, f"kill {kill}: a stand-in for {victim} answering")
            times.append(time.monotonic() - start)
            assert STAND_IN.fullmatch(stand_in)
    times.sort()
    print(
        f"{kills} kills, {load.requests} requests: answering after "
        f"{times[len(times) // 2]:.3f} s (median), {times[-1]:.3f} s (worst)"
    )
    load.check(at_least=kills)
    clients.check(at_least=kills)


def test_a_stand_in_inherits_the_ring_place(balancer):
    mine = balancer()
    keys = range(200)
    before = {key: mine.served_by(key) for key in keys}
    positions = places(mine, keys)
    row = mine.replicas()["Server 2"]
    os.kill(row["pid"], signal.SIGKILL)
    until(lambda: "Server 2" not in mine.replicas() and len(mine.rep()) == 3, what="the stand-in")
    stand_in = mine.rep()[1]
    assert STAND_IN.fullmatch(stand_in), "it takes the dead one's position"
    after = {key: mine.served_by(key) for key in keys}
    assert after == {key: stand_in if name == "Server 2" else name for key, name in before.items()}
    assert places(mine, keys) == positions
    # Its own name is its id; the number finds it, the dead one's name does not.
    reply = mine.ask("GET", f"/home?request_id={key_of(mine, stand_in)}")
    assert reply.json()["message"] == f"Hello from Server: {stand_in}"
    assert mine.ask("GET", "/requests/Server%202").status == 404
    assert mine.rm({"hostnames": ["Server 2"]}).status == 400
    assert mine.rm({"hostnames": ["2"]}).json()["message"]["removed"] == [stand_in]


def test_a_stand_in_of_a_stand_in_keeps_the_place(balancer):
    mine = balancer()
    keys = range(60)
    positions = places(mine, keys)
    for _ in range(3):
        name = mine.rep()[1]
        os.kill(mine.pid_of(name), signal.SIGKILL)
        until(lambda: name not in mine.replicas() and len(mine.rep()) == 3, what="the stand-in")
        mine.note_pids()
    assert places(mine, keys) == positions


def test_while_one_is_dead_the_keys_of_the_others_stay(balancer, tmp_path):
    """Liveness never rebuilds the ring. A start takes as long as the file is there."""
    gate = tmp_path / "gate"
    script = tmp_path / "slow-to-return"
    script.write_text(f"#!/bin/sh\nwhile test -e '{gate}'; do sleep 0.05; done\nexec '{BACKEND}' --quiet\n")
    script.chmod(0o755)
    mine = balancer({"replicas": {"process": {"command": [str(script)]}}})
    keys = range(100)
    before = {key: mine.served_by(key) for key in keys}
    gate.touch()
    os.kill(mine.pid_of("Server 3"), signal.SIGKILL)
    until(lambda: mine.rep() == ["Server 1", "Server 2"], what="Server 3 out of rotation")
    during = {key: mine.served_by(key) for key in keys}
    assert {k: n for k, n in during.items() if before[k] != "Server 3"} == {
        k: n for k, n in before.items() if n != "Server 3"
    }
    gate.unlink()
    mine.wait_ready(3)
    stand_in = mine.rep()[2]
    assert {key: mine.served_by(key) for key in keys} == {
        key: stand_in if name == "Server 3" else name for key, name in before.items()
    }


def test_with_replacement_same_the_name_stays(balancer):
    mine = balancer({"replicas": {"replacement": "same"}})
    pid = mine.pid_of("Server 1")
    os.kill(pid, signal.SIGKILL)
    until(lambda: mine.pid_of("Server 1") not in (pid, None), what="another process")
    until(lambda: mine.rep() == ["Server 1", "Server 2", "Server 3"], what="Server 1 again")
    assert not any(STAND_IN.fullmatch(name) for name in mine.replicas())


def test_all_killed_at_once_come_back(balancer):
    mine = balancer()
    for row in mine.replicas().values():
        os.kill(row["pid"], signal.SIGKILL)
    until(lambda: only_stand_ins(mine.rep(), 3), what="three stand-ins")
    assert mine.ask().status == 200


def test_a_command_that_cannot_start_is_said_and_tried_again(balancer, tmp_path):
    command = tmp_path / "late"
    command.write_text("#!/no/such/interpreter\n")
    command.chmod(0o755)
    mine = balancer({"replicas": {"count": 1, "process": {"command": [str(command)]}}}, start=False)
    mine.start(ready=False)
    until(lambda: mine.ask().status == 503, what="503 while there is none")
    until(lambda: re.search(r"late.*No such file", mine.log()), what="the reason in the log")
    command.write_text(f"#!/bin/sh\nexec '{BACKEND}' --quiet\n")
    mine.wait_ready(1, within=30)


def test_a_crash_loop_backs_off(balancer):
    """A command that exits at once is not started hundreds of times."""
    mine = balancer({"replicas": {"count": 1, "process": {"command": ["/bin/false"]}}}, start=False)
    mine.start(ready=False)

    def restarts():
        return max((row["restarts"] for row in mine.state()["replicas"]), default=0)

    until(lambda: restarts() >= 3, 20, "three tries")
    seen = restarts()
    time.sleep(1.0)  # not a wait for something: the length of the window that is counted over
    assert restarts() - seen < 20


# ---- hanging -----------------------------------------------------------------------------------------------

HANGING = {
    "health": {
        "interval_ms": 100,
        "timeout_ms": 100 if not SANITIZER else 800,
        "unready_after": 2,
        "dead_after": 6,
    },
    "replicas": {"stop_timeout_ms": 500},
    "timeouts": {"reply": 2000},
}


def test_a_stopped_replica_leaves_rotation_and_is_replaced(balancer):
    """Each GET that met it is asked again elsewhere: none fails."""
    mine = balancer(HANGING)
    pid = mine.pid_of("Server 2")
    with KeepAlive(mine.port, clients=6, think=0.005) as clients:
        until(lambda: clients.replies > 30, what="traffic")
        start = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        until(lambda: "Server 2" not in mine.rep(), 10, "Server 2 out of rotation")
        print(f"out of rotation after {time.monotonic() - start:.3f} s")
        until(lambda: len(mine.rep()) == 3 and STAND_IN.fullmatch(mine.rep()[1]), 20, "its stand-in")
        print(f"replaced after {time.monotonic() - start:.3f} s")
    clients.check(at_least=30)
    until(lambda: not process_alive(pid), what="the stopped process to be killed")


def test_a_busy_replica_is_not_a_dead_one(balancer):
    """It leaves rotation after a few misses and returns under its name: the second budget is not spent."""
    mine = balancer(
        {
            "health": {
                "interval_ms": 100,
                "timeout_ms": 100 if not SANITIZER else 800,
                "unready_after": 2,
                "dead_after": 1000,
            }
        }
    )
    pid = mine.pid_of("Server 2")
    os.kill(pid, signal.SIGSTOP)
    until(lambda: mine.rep() == ["Server 1", "Server 3"], what="Server 2 out of rotation")
    assert mine.replicas()["Server 2"]["state"] == "SUSPECT"
    os.kill(pid, signal.SIGCONT)
    until(lambda: mine.rep() == ["Server 1", "Server 2", "Server 3"], what="Server 2 back")
    assert mine.pid_of("Server 2") == pid


# ---- requests that wait for a replica that answers no heartbeats


def holding(made, hold):
    """An origin that answers when told to."""

    def handler(received, exchange):
        received.body()
        hold.wait(60)
        exchange.send(reply(body=b"late"))
        return KEEP

    made.handler = handler
    return made


def hears_little(*origins, **health):
    quick = {"interval_ms": 50, "timeout_ms": 100 * SLOW, "unready_after": 2, "dead_after": 1000}
    return static(*origins, health={**quick, **health}, timeouts={"reply": 600000})


def held_at(mine, one, *others, method="GET"):
    """A connection whose request waits there, and its target."""
    for number in range(100):
        target = f"/{method}{number}"
        wire = Wire(mine.port)
        wire.send(request_bytes(method, target))
        until(lambda: any(target in o.targets() for o in (one, *others)), what="the request somewhere")
        if target in one.targets():
            return wire, target
        wire.close()
    raise AssertionError("nothing comes there")


@pytest.mark.parametrize("when", ["dead", "unready"])
def test_a_request_leaves_a_replica_that_hangs(balancer, origin, when):
    """What may be repeated is answered by another; a POST waits, and is never sent twice."""
    hold = threading.Event()
    one, other = holding(origin(), hold), origin()
    mine = balancer({**hears_little(one, other, dead_after=3 if when == "dead" else 1000), "retry": {"move": when}})
    (post, posted), (get, asked) = held_at(mine, one, other, method="POST"), held_at(mine, one, other)
    one.is_deaf = True
    answer = get.read_reply()
    assert (answer.status, answer.body, answer.served_by) == (200, b"hello", "Server 2")
    assert mine.state()["totals"]["retries"] == 1
    assert asked in other.targets()
    hold.set()
    assert post.read_reply("POST").body == b"late"
    assert one.targets().count(posted) == 1 and posted not in other.targets()
    post.close()
    get.close()


def test_unready_alone_moves_nothing_unless_that_is_wanted(balancer, origin):
    hold = threading.Event()
    one, other = holding(origin(), hold), origin()
    mine = balancer(hears_little(one, other))
    get, _ = held_at(mine, one, other)
    one.is_deaf = True
    until(lambda: mine.replicas()["Server 1"]["state"] == "SUSPECT", what="a suspect")
    assert mine.ask().served_by == "Server 2"
    hold.set()
    assert get.read_reply().body == b"late", "a busy replica is not a dead one"
    get.close()


def test_where_nobody_else_is_a_request_stays(balancer, origin):
    hold = threading.Event()
    one = holding(origin(), hold)
    mine = balancer({**hears_little(one, dead_after=4), "retry": {"move": "unready"}})
    get, _ = held_at(mine, one)
    one.is_deaf = True
    until(lambda: mine.replicas()["Server 1"]["misses"] > 6, what="a dead one")
    hold.set()
    assert get.read_reply().body == b"late"
    get.close()


def test_replicas_that_hang_from_some_moment_on_are_replaced(balancer):
    settings = {
        **HANGING,
        "replicas": {
            "count": 2,
            "stop_timeout_ms": 500,
            "process": {"command": ["backend", "--quiet", "--hang-after-ms", "1500"]},
        },
    }
    mine = balancer(settings)
    until(lambda: only_stand_ins(mine.rep(), 2), 30, "two stand-ins")


def test_one_that_ignores_sigterm_is_killed(balancer):
    mine = balancer(
        {
            "replicas": {
                "stop_timeout_ms": 500,
                "process": {"command": ["backend", "--ignore-term", "--quiet"]},
            }
        }
    )
    pid = mine.pid_of("Server 1")
    assert mine.rm({"hostnames": ["Server 1"]}).status == 200
    until(lambda: not process_alive(pid), 20, "its end")
    mine.stop(within=30)


# ---- the balancer's own end --------------------------------------------------------------------------------


def test_the_look_for_leftovers_sees_the_replicas(balancer):
    """Otherwise every "nothing is left" below would say nothing."""
    mine = balancer()
    pids = {row["pid"] for row in mine.replicas().values()}
    found = set(processes_with(mine.mark))
    assert pids <= set(mine.survivors())
    assert mine.pid in found
    print(f"by the mark in their environment: {sorted(found)}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_process(balancer, number):
    mine = balancer()
    mine.note_pids()
    if number == signal.SIGINT:
        mine.interrupt()  # Ctrl-C goes to the group
    else:
        mine.send_signal(number)
    mine.wait_exit()
    mine.check_end()


def test_ctrl_c_before_anything_is_ready(balancer):
    mine = balancer({"replicas": {"process": {"command": ["backend", "--hang", "--quiet"]}}}, start=False)
    mine.start(ready=False)
    until(lambda: len(processes_with(mine.mark)) == 4, what="the balancer and three replicas")
    mine.note_pids()
    mine.interrupt()
    mine.wait_exit()
    mine.check_end()


def test_sigterm_lets_running_requests_end(balancer):
    mine = balancer({"replicas": {"process": {"command": ["backend", "--quiet", "--delay-ms", "800"]}}})
    wires = [Wire(mine.port) for _ in range(8)]
    idle = Wire(mine.port)
    assert idle.ask("GET", "/rep").status == 200
    for wire in wires:
        wire.send("GET /home HTTP/1.1\r\nHost: a\r\n\r\n")
    until(lambda: sum(r["in_flight"] for r in mine.replicas().values()) == 8, what="eight requests in flight")
    mine.note_pids()
    mine.send_signal(signal.SIGTERM)
    assert idle.is_closed(), "an idle connection has nothing to wait for"
    for wire in wires:
        reply = wire.read_reply()
        assert reply.status == 200, reply
        assert wire.is_closed()
    mine.wait_exit()
    mine.check_end()


def test_a_second_signal_ends_at_once(balancer):
    mine = balancer({"replicas": {"process": {"command": ["backend", "--quiet", "--delay-ms", "600000"]}}})
    wire = Wire(mine.port)
    wire.send("GET /home HTTP/1.1\r\nHost: a\r\n\r\n")
    until(lambda: sum(r["in_flight"] for r in mine.replicas().values()) == 1, what="a request in flight")
    mine.note_pids()
    mine.send_signal(signal.SIGTERM)
    until(lambda: _refused(mine.port), what="the listener to close")
    assert mine.process.poll() is None, "it waits for the request"
    mine.send_signal(signal.SIGTERM)
    mine.wait_exit(10)
    mine.check_nothing_left()


def _refused(port):
    try:
        Wire(port).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_killed_balancer_leaves_no_replica(balancer):
    mine = balancer()
    mine.note_pids()
    pids = [row["pid"] for row in mine.replicas().values()]
    mine.process.kill()
    mine.process.wait()
    until(lambda: not any(process_alive(pid) for pid in pids), 10, "the replicas' end")
    mine.check_nothing_left()
    mine.process = None  # its end was not a normal one: nothing to check


def test_a_removed_replica_leaves_no_process(balancer):
    mine = balancer()
    pid = mine.pid_of("Server 2")
    assert mine.rm({"hostnames": ["Server 2"]}).status == 200
    until(lambda: not process_alive(pid), what="its end")
