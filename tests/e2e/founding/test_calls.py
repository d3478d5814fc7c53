"""The calls that the founding documents describe, under each founding preset: shapes to the byte, three kinds of
payload, both ports, replicas where they are said to be."""

import os
import re
import signal

import pytest

from founder import PRESETS, count_served, preset, two_ports
from harness import until
from wire import ask

FAILURE_ADD = b'{"message":"<Error> Length of hostname list is more than newly added instances","status":"failure"}'
FAILURE_RM = b'{"message":"<Error> Length of hostname list is more than removable instances","status":"failure"}'


@pytest.mark.parametrize("name", PRESETS)
def test_the_life_of_a_cluster(balancer, name):
    """/rep, /home, /add with names and without, /rm with names and without, /other: in one go, as a reader would."""
    mine = balancer(text=preset(name))
    expected = b'{"message":{"N":3,"replicas":["Server 1","Server 2","Server 3"]},"status":"successful"}'
    assert mine.ask("GET", "/rep").body.rstrip(b"\n") == expected

    home = mine.ask("GET", "/home")
    number = re.fullmatch(r"Server ([123])", home.served_by).group(1).encode()
    assert home.status == 200
    assert home.body == b'{"message":"Hello from Server: %s","status":"successful"}' % number  # compact

    added = mine.add({"n": 4, "hostnames": ["S5", "S4", "S10", "S11"]})
    assert added.status == 200, added
    assert added.json()["message"]["N"] == 7
    assert mine.rep() == ["Server 1", "Server 2", "Server 3", "S5", "S4", "S10", "S11"]

    assert mine.add({"n": 1, "hostnames": ["A", "B"]}).body.rstrip(b"\n") == FAILURE_ADD
    assert mine.rm({"n": 1, "hostnames": ["S5", "S4"]}).body.rstrip(b"\n") == FAILURE_RM
    assert len(mine.rep()) == 7

    removed = mine.rm({"n": 3, "hostnames": ["S5", "S4"]})  # and one more, by chance
    assert removed.status == 200
    message = removed.json()["message"]
    assert message["N"] == 4 and len(message["removed"]) == 3
    assert {"S5", "S4"} <= set(message["removed"])
    assert mine.rep() == message["replicas"]

    other = mine.ask("GET", "/other")
    assert other.status == 400
    assert other.json()["message"] == "<Error> '/other' endpoint does not exist in server replicas"


@pytest.mark.parametrize("name", PRESETS)
def test_replicas_are_on_the_base_port_and_after(balancer, name):
    mine = balancer(text=preset(name))
    for number in (1, 2, 3):
        port = mine.base_port + number - 1
        assert ask(port, "GET", "/heartbeat").body == b""
        home = ask(port, "GET", "/home")
        assert home.body == b'{"message":"Hello from Server: %d","status":"successful"}' % number


@pytest.mark.parametrize("name", PRESETS)
def test_a_dead_replica_is_replaced_by_an_emergency(balancer, name):
    mine = balancer(text=preset(name))
    before = [mine.served_by(key) for key in range(1, 101)]
    os.kill(mine.pid_of("Server 2"), signal.SIGKILL)
    found = until(
        lambda: next(iter(re.findall(r"\bemergency_\d\d\b", " ".join(mine.rep()))), None), what="the stand-in"
    )
    assert mine.rep() == ["Server 1", found, "Server 3"]
    after = [mine.served_by(key) for key in range(1, 101)]
    assert after == [found if one == "Server 2" else one for one in before]


# ---- payloads ----------------------------------------------------------------------------------------------

ADDS = [
    ("json", '{"n": 1, "hostnames": ["S4"]}', ["S4"]),
    ("json with another name for names", '{"n": 1, "replicas": ["S4"]}', ["S4"]),
    ("form", "server_id=S4", ["S4"]),
    ("form with a host name", "hostname=S4&n=1", ["S4"]),
    ("form with two", "server_id=S4&server_id=S5", ["S4", "S5"]),
    ("nothing", "", None),  # one, named by the balancer
]
TYPES = [(), [("Content-Type", "application/json")], [("Content-Type", "application/x-www-form-urlencoded")]]


@pytest.mark.parametrize("headers", TYPES, ids=["untyped", "as json", "as a form"])
@pytest.mark.parametrize("what, body, names", ADDS, ids=[a[0] for a in ADDS])
def test_add_and_rm_read_what_is_sent_whatever_it_is_called(shared, what, body, names, headers):
    assert len(shared.rep()) == 3
    reply = shared.add(body, headers=headers)
    assert reply.status == 200, reply
    added = reply.json()["message"]["added"]
    assert names is None or added == names
    assert len(shared.rep()) == 3 + len(added)
    back = shared.rm(body if names else {"n": 1, "hostnames": added}, headers=headers)
    assert back.status == 200, back
    assert back.json()["message"]["removed"] == added
    if len(added) == 1:
        assert back.json()["message"]["removed_server"] == added[0]


@pytest.fixture(scope="module")
def shared(shared_balancer):
    return shared_balancer(text=preset("assignment"))


def test_rm_without_a_payload_takes_one_away(balancer):
    mine = balancer(text=preset("flat-variant"))
    reply = mine.rm("", method="POST")
    assert reply.status == 200
    assert len(mine.rep()) == 2 and reply.json()["message"]["removed_server"] not in mine.rep()


def test_the_calls_that_scripts_make_with_get_are_405_at_once(shared):
    for path, allowed in (("/add", "POST"), ("/rm", "DELETE")):
        reply = shared.ask("GET", path)
        assert reply.status == 405 and allowed in reply.get("Allow")
    assert len(shared.rep()) == 3


# ---- two ports ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ("md5-1024", "flat-variant"))
def test_both_ports_are_the_same_balancer(balancer, name):
    mine, second = two_ports(balancer, name)
    assert ask(second, "GET", "/rep").body == mine.ask("GET", "/rep").body
    assert ask(second, "POST", "/add", body="server_id=S4").status == 200
    assert mine.rep()[-1] == "S4"
    ids = range(1, 301)
    assert count_served(mine.port, ids) == count_served(second, ids, "/request")
    graph = ask(second, "GET", "/performancegraph")
    assert graph.status == 200 and graph.get("Content-Type") == "image/svg+xml"
    assert all(f"<title>{replica}</title>".encode() in graph.body for replica in mine.rep())


def test_a_request_names_its_server(balancer):
    mine, second = two_ports(balancer, "md5-1024")
    reply = ask(second, "GET", "/request?request_id=4711")
    number = reply.served_by.split()[1]
    expected = {"response": {"message": f"Hello from Server: {number}", "status": "Successful"}, "server_id": number}
    assert reply.json() == expected
    listed = ask(second, "GET", f"/requests/{number}")
    assert [line.strip(" ,") for line in listed.body.decode().splitlines() if re.search(r"\d", line)] == ["4711"]
    assert mine.ask("GET", "/requests/nobody").json() == {"message": "Server ID not found", "status": "failure"}
