"""Replicas as processes: their output, their port, their rights, and process 1 of a container."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from harness import BACKEND, PROGRAM, SLOW, process_alive, until
from ringmaster import run_program

TAKER = """
import os, socket, sys, time
sys.stdout.flush()
port = int(os.environ["PORT"])
gate = sys.argv[1]
if os.path.exists(gate):
    os.rename(gate, gate + ".used")
    pid = os.fork()  # a daemon that takes the port, and outlives the replica's interest in it
    if pid == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        s = socket.create_server(("127.0.0.1", port))
        open(gate + ".taken", "w").write(str(os.getpid()))
        while True:
            c, _ = s.accept()
            c.recv(4096)
            c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 8\\r\\n\\r\\nimpostor")
            c.close()
    os.waitpid(pid, 0)
    time.sleep(1000)
os.execv(sys.argv[2], [sys.argv[2], "--quiet"])
"""


def test_output_stands_in_the_log_with_its_name(balancer):
    mine = balancer({"replicas": {"count": 2, "process": {"command": ["backend"]}}})
    for key in range(40):
        assert mine.ask("GET", f"/home?request_id={key}").status == 200
    until(
        lambda: re.search(r'replica "Server [12]" says: .*GET /home\?request_id=\d+ 200', mine.log()),
        what="a replica's line in the log",
    )
    assert sum(row["output_lines"] for row in mine.replicas().values()) > 0


def test_a_chatty_replica_neither_stalls_nor_floods(balancer, tmp_path):
    script = tmp_path / "chatty"
    script.write_text(f"#!/bin/sh\nyes 'I have a lot to say' &\nexec '{BACKEND}' --quiet\n")
    script.chmod(0o755)
    mine = balancer(
        {"replicas": {"count": 1, "process": {"command": [str(script)], "output_lines": 20}}}
    )
    until(lambda: mine.replicas()["Server 1"]["output_dropped"] > 200000, 20, "many lines left out")
    assert mine.ask().status == 200
    assert mine.rep() == ["Server 1"], "its heartbeats go on"
    until(lambda: "says too much" in mine.log(), what="that it is said")
    assert mine.log().count("I have a lot to say") < 2000


def test_another_program_on_the_port_is_not_taken_for_the_replica(balancer, tmp_path):
    script, gate = tmp_path / "taker.py", tmp_path / "gate"
    script.write_text(TAKER)
    gate.touch()
    mine = balancer(
        {"replicas": {"count": 1, "process": {
            "command": [sys.executable, str(script), str(gate), str(BACKEND)]}}},
        start=False,
    )
    mine.start(ready=False)
    until(lambda: os.path.exists(f"{gate}.taken"), 20, "the port taken")
    stranger = int((tmp_path / "gate.taken").read_text() or 0)
    try:
        mine.wait_ready(1, within=30)
        assert mine.replicas()["Server 1"]["address"] != f"127.0.0.1:{mine.base_port}"
        for _ in range(20):
            assert mine.ask().body != b"impostor"
        assert f"another program has taken its port {mine.base_port}" in mine.log()
    finally:
        stranger = stranger or int((tmp_path / "gate.taken").read_text())
        os.kill(stranger, signal.SIGKILL)


def test_environment_directory_and_limits_reach_the_replica(balancer, tmp_path):
    script = tmp_path / "look"
    script.write_text(
        f"#!/bin/sh\n(pwd; echo $COLOUR; ulimit -n) > {tmp_path}/seen.$SERVER_ID\nexec '{BACKEND}' --quiet\n"
    )
    script.chmod(0o755)
    mine = balancer({"replicas": {"count": 1, "process": {
        "command": [str(script)], "environment": ["COLOUR=blue"], "directory": "/usr", "open_files": 99}}})
    assert (tmp_path / "seen.1").read_text() == "/usr\nblue\n99\n"
    # Later starts follow the new configuration; what runs is left alone.
    pid = mine.pid_of("Server 1")
    assert mine.reload({"replicas": {"process": {"environment": ["COLOUR=red"]}}}).status == 200
    assert mine.pid_of("Server 1") == pid
    assert mine.add({"hostnames": ["late"]}).status == 200
    assert (tmp_path / "seen.late").read_text() == "/usr\nred\n99\n"


@pytest.mark.parametrize(
    "option, value, sentence",
    [
        ("user", "nobody-here", "is no user of this machine"),
        ("group", "nogroup-here", "is no group of this machine"),
        ("environment", ["COLOUR"], "is no setting of the form NAME=value"),
        ("output", "loud", "output"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(balancer, option, value, sentence):
    mine = balancer({"replicas": {"process": {option: value}}}, start=False)
    result = run_program("-t", "-c", mine.config)
    assert result.returncode == 1
    assert sentence in result.stderr
    assert re.search(r"lb\.conf:\d+:\d+: error", result.stderr)


# ---- process 1 of a container ------------------------------------------------------------------------------

UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def can_unshare():
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0


ORPHANS = """#!/bin/sh
# Leaves an orphan each time: its parent ends at once.
while true; do sh -c 'sleep 0.01 &'; sleep 0.05; done &
exec '{backend}' --quiet
"""


@pytest.mark.skipif(not can_unshare(), reason="no right to make a process namespace")
def test_as_process_1_it_reaps_orphans_and_passes_signals_on(balancer, tmp_path):
    script = tmp_path / "orphans"
    script.write_text(ORPHANS.format(backend=BACKEND))
    script.chmod(0o755)
    mine = balancer({"replicas": {"count": 2, "process": {"command": [str(script)]}}}, start=False)
    log = mine.log_path.open("ab")
    outer = subprocess.Popen(
        [*UNSHARE, PROGRAM, "-c", mine.config],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=mine.environment(), start_new_session=True,
    )
    log.close()
    try:
        until(lambda: outer.poll() is None and answers(mine), 20, "it serves")
        first = int(open(f"/proc/{outer.pid}/task/{outer.pid}/children").read().split()[0])
        time.sleep(1.5)  # not a wait for something: orphans are made meanwhile
        states = [state_of(pid) for pid in descendants(first)]
        assert len(states) >= 3, "the balancer and its replicas"
        assert states.count("Z") <= 2, f"zombies gather: {states}"
        assert "Ctrl" not in mine.log()
        os.kill(first, signal.SIGHUP)
        until(lambda: "SIGHUP" in mine.log(), what="that HUP has arrived")
        os.kill(first, signal.SIGTERM)
        assert outer.wait(20 * SLOW) == 0
        assert "SIGTERM: leaving" in mine.log()
        assert "SIGTERM again" not in mine.log(), "once is once"
    finally:
        if outer.poll() is None:
            outer.kill()
            outer.wait()
    until(lambda: not process_alive(first), what="its end")


def answers(mine):
    try:
        return len(mine.rep()) == 2
    except (OSError, AssertionError, ValueError):
        return False


def descendants(pid):
    try:
        children = [int(word) for word in open(f"/proc/{pid}/task/{pid}/children").read().split()]
    except OSError:
        return []
    return children + [below for child in children for below in descendants(child)]


def state_of(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "-"
