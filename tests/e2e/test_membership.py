"""Membership that lasts: a balancer that was killed comes back with what /add, /rm and deaths had made."""

import json
import os
import random
import re
import signal

import pytest

from harness import until
from ringmaster import Ringmaster


def kill(mine):
    """kill -9, and the end of what it left."""
    mine.process.kill()
    mine.process.wait()
    mine.check_nothing_left()
    Ringmaster.running.remove(mine)


def again(mine, n):
    mine.start(ready=False)
    mine.wait_ready(n)


def lasting(balancer, tmp_path, more=None, **keywords):
    replicas = {"state_file": str(tmp_path / "state.json"), **(more or {})}
    return balancer({"replicas": replicas}, **keywords)


def stored(tmp_path):
    return json.loads((tmp_path / "state.json").read_text())


def shape(mine):
    """Name, ring name, ordinal and weight of each place, in the order of /rep."""
    return [(r["name"], r["ring_name"], r["ordinal"], r["weight"]) for r in mine.state()["replicas"]]


def test_kill_9_forgets_nothing(balancer, tmp_path):
    mine = lasting(balancer, tmp_path)
    assert mine.add({"hostnames": ["S5", "77"]}).status == 200
    assert mine.rm({"hostnames": ["Server 1"]}).status == 200
    os.kill(mine.pid_of("Server 3"), signal.SIGKILL)
    until(lambda: "Server 3" not in mine.replicas() and len(mine.rep()) == 4, what="a stand-in")
    stand_in = next(name for name in mine.rep() if name.startswith("emergency_"))
    until(lambda: stand_in in [r["name"] for r in stored(tmp_path)["replicas"]], what="that it is written down")
    before, names = shape(mine), mine.rep()
    keys = {key: mine.served_by(key) for key in range(300)}

    kill(mine)
    again(mine, 4)
    assert mine.rep() == names
    assert shape(mine) == before
    assert {key: mine.served_by(key) for key in keys} == keys, "no key has moved"
    assert mine.rm({"hostnames": ["3"]}).json()["message"]["removed"] == [stand_in], "it has its ordinal"

    mine.stop()
    again(mine, 3)
    assert mine.rep() == [name for name in names if name != stand_in]


def test_what_was_answered_is_on_the_disk(balancer, tmp_path):
    """/add and /rm are answered when the file has them: a kill right after the answer loses nothing."""
    mine = lasting(balancer, tmp_path)
    choose = random.Random(3)
    for turn in range(12):
        if choose.random() < 0.5 and len(mine.rep()) > 1:
            assert mine.rm("").status == 200
        else:
            assert mine.add({"hostnames": [f"T{turn}"]}).status == 200
        names = mine.rep()
        assert [r["name"] for r in stored(tmp_path)["replicas"]] == names
        if turn % 4 == 3:
            kill(mine)
            again(mine, len(names))
            assert mine.rep() == names


def test_a_changed_count_counts(balancer, tmp_path):
    mine = lasting(balancer, tmp_path, {"count": 2})
    assert mine.add({"hostnames": ["A", "B"]}).status == 200
    kill(mine)
    again(mine, 4)
    assert mine.rep() == ["Server 1", "Server 2", "A", "B"]
    kill(mine)
    mine.write({"replicas": {"count": 3}})
    again(mine, 3)
    assert mine.rep() == ["Server 1", "Server 2", "A"]
    kill(mine)
    again(mine, 3)
    mine.stop()
    mine.write({"replicas": {"count": 5}})
    again(mine, 5)
    # A reload that changes it is written down too.
    assert mine.reload({"replicas": {"count": 4}}).status == 200
    until(lambda: stored(tmp_path)["count"] == 4 and len(mine.rep()) == 4, what="four")
    names = mine.rep()
    kill(mine)
    again(mine, 4)
    assert mine.rep() == names


def test_zero_replicas_last_too(balancer, tmp_path):
    mine = lasting(balancer, tmp_path, {"count": 2})
    assert mine.rm({"n": 2}).status == 200
    kill(mine)
    mine.start(ready=False)
    until(lambda: mine.ask().status == 503, what="nobody")
    assert mine.state()["wanted"] == 0


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "damaged or cut off"),
        ('{"format": "ringmaster memb', "damaged or cut off"),
        ("\x00\x01\x02 garbage", "damaged or cut off"),
        ('{"hello": "world"}', "no state file of ringmaster"),
        ('{"format": "ringmaster membership", "version": 99}', "its version is 99"),
    ],
)
def test_a_file_that_cannot_be_used_is_kept_aside(balancer, tmp_path, text, sentence):
    path = tmp_path / "state.json"
    path.write_text(text)
    mine = lasting(balancer, tmp_path)
    assert mine.rep() == ["Server 1", "Server 2", "Server 3"]
    assert sentence in mine.log()
    assert (tmp_path / "state.json.refused").read_text() == text
    until(lambda: path.exists() and len(stored(tmp_path)["replicas"]) == 3, what="a new file")


def test_of_another_driver_it_is_not_used(balancer, tmp_path, origin):
    mine = lasting(balancer, tmp_path, {"count": 1})
    mine.stop()
    address = origin().place
    mine.write({"replicas": {"driver": "static", "static": {"addresses": [address]}}})
    mine.start(ready=False)
    until(lambda: 'written with the driver "process"' in mine.log(), what="that it is said")
    mine.wait_ready(1)


def test_a_folder_that_is_not_there_holds_nobody_up(balancer, tmp_path):
    folder = tmp_path / "later"
    mine = balancer({"replicas": {"state_file": str(folder / "state.json")}})
    assert mine.add({"hostnames": ["S5"]}).status == 200
    until(lambda: re.search(r"error state file: cannot create .*No such file", mine.log()), what="the reason")
    assert "No such file" in mine.state()["state_file"]["trouble"]
    folder.mkdir()
    until(lambda: (folder / "state.json").exists(), 20, "the file, as soon as it can be written")
    assert [r["name"] for r in json.loads((folder / "state.json").read_text())["replicas"]][-1] == "S5"
    until(lambda: mine.state()["state_file"]["trouble"] is None, what="no trouble any more")


def test_static_ones_that_were_taken_out_stay_out(balancer, tmp_path, origin):
    one = origin()
    address, other = one.place, f"127.0.0.2:{one.port}"
    mine = lasting(balancer, tmp_path,
                   {"driver": "static", "static": {"addresses": [address, other]}}, start=False)
    mine.start(ready=False)
    until(lambda: "Server 1" in mine.rep(), what="the one that listens")
    assert mine.rm({"hostnames": ["Server 2"]}).status == 200
    kill(mine)
    mine.start(ready=False)
    until(lambda: mine.rep() == ["Server 1"], what="the first one")
    assert list(mine.replicas()) == ["Server 1"]
    # When its line has gone and comes back, so does it.
    assert mine.reload({"replicas": {"static": {"addresses": [address]}}}).status == 200
    assert mine.reload({"replicas": {"static": {"addresses": [address, other]}}}).status == 200
    until(lambda: len(mine.replicas()) == 2, what="both again")


def test_events_tell_what_happened(balancer):
    mine = balancer()
    os.kill(mine.pid_of("Server 2"), signal.SIGKILL)
    until(lambda: len(mine.rep()) == 3 and "Server 2" not in mine.rep(), what="a stand-in")
    reply = mine.admin("GET", "/_lb/events").json()
    numbers = [event["number"] for event in reply["events"]]
    assert numbers == list(range(1, reply["last"] + 1))
    assert reply["dropped"] == 0
    death = [e for e in reply["events"] if e["kind"] == "backoff" and e["replica"] == "Server 2"]
    assert len(death) == 1
    assert death[0]["why"] == "killed by SIGKILL"
    after = mine.admin("GET", f"/_lb/events?after={death[0]['number']}").json()
    assert [e["number"] for e in after["events"]] == list(range(death[0]["number"] + 1, reply["last"] + 1))
    one = mine.admin("GET", "/_lb/events?limit=1&kind=ready&replica=Server%201").json()
    assert [(e["kind"], e["replica"]) for e in one["events"]] == [("ready", "Server 1")]
    assert mine.admin("GET", "/_lb/events?after=x").status == 400
    assert mine.admin("GET", "/_lb/events?since=1").status == 400
    assert mine.ask("GET", "/_lb/events").status != 200, "not on the traffic port"
