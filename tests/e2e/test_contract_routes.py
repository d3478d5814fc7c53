"""What the traffic port answers: the control routes' shapes to the byte, and everything else passed to a
replica."""

import re

import pytest

from harness import until
from wire import Wire

HISTORY = 32


@pytest.fixture(scope="module")
def three(shared_balancer):
    """Three replicas that nobody adds to or takes from."""
    return shared_balancer({"limits": {"history": HISTORY}})


def names_are(reply, expected):
    assert reply.json()["message"]["replicas"] == expected, reply


# ---- /rep --------------------------------------------------------------------------------------------------


def test_rep_is_this_to_the_byte(three):
    reply = three.ask("GET", "/rep")
    assert reply.status == 200
    expected = b'{"message":{"N":3,"replicas":["Server 1","Server 2","Server 3"]},"status":"successful"}'
    assert reply.body.rstrip(b"\n") == expected
    assert reply.get("Content-Type").startswith("application/json")


def test_head_of_rep_has_the_head_and_no_body(three):
    with Wire(three.port) as wire:
        wire.send("HEAD /rep HTTP/1.1\r\nHost: a\r\n\r\n")
        reply = wire.read_reply("HEAD")
        assert reply.status == 200
        assert reply.get("Content-Length") == str(len(three.ask("GET", "/rep").body))
        assert wire.ask("GET", "/rep").status == 200  # the connection goes on: no body was sent


def test_rep_matches_the_decoded_exact_path(three):
    assert three.ask("GET", "/%72ep").json()["message"]["N"] == 3
    assert three.ask("GET", "/rep?x=1").json()["message"]["N"] == 3
    assert three.ask("GET", "/rep/").status == 400  # a replica's answer: it does not know that endpoint
    assert three.ask("GET", "/repp").status == 400


def test_the_order_is_oldest_first_then_as_added(balancer):
    mine = balancer()
    assert mine.add({"n": 2, "hostnames": ["zeta", "alpha"]}).status == 200
    assert mine.rep() == ["Server 1", "Server 2", "Server 3", "zeta", "alpha"]
    assert mine.rm({"n": 1, "hostnames": ["Server 2"]}).status == 200
    assert mine.rep() == ["Server 1", "Server 3", "zeta", "alpha"]


# ---- methods -----------------------------------------------------------------------------------------------

WRONG_METHODS = [
    ("POST", "/rep", {"GET"}),
    ("DELETE", "/rep", {"GET"}),
    ("PUT", "/rep", {"GET"}),
    ("GET", "/add", {"POST"}),
    ("DELETE", "/add", {"POST"}),
    ("GET", "/rm", {"DELETE", "POST"}),
    ("PUT", "/rm", {"DELETE", "POST"}),
    ("GET", "/reload", {"POST"}),
    ("POST", "/requests/Server%201", {"GET"}),
    ("POST", "/performancegraph", {"GET"}),
    ("DELETE", "/performance_graph", {"GET"}),
]


@pytest.mark.parametrize("method, target, allowed", WRONG_METHODS)
def test_a_known_route_with_another_method_is_405_with_allow(three, method, target, allowed):
    before = three.rep()
    reply = three.ask(method, target, body="" if method in ("POST", "PUT") else None)
    assert reply.status == 405, reply
    listed = {name.strip() for name in reply.get("Allow").split(",")}
    assert allowed <= listed <= allowed | {"HEAD"}
    answer = reply.json()
    assert answer["status"] == "failure" and answer["message"].startswith("<Error> ")
    assert three.rep() == before


# ---- /requests ---------------------------------------------------------------------------------------------


def numbers_of(reply):
    """The ids in a /requests answer, after checking that they stand one a line and are its only digits."""
    ids = []
    for line in reply.body.decode().splitlines():
        found = re.findall(r"\d+", line)
        assert len(found) <= 1, f"two numbers in a line: {line!r}"
        ids += [int(number) for number in found]
    assert reply.json() == {"requests": ids, "status": "successful"}
    return ids


def test_requests_lists_the_ids_of_each_replica_one_a_line(balancer):
    mine = balancer()
    sent = {name: [] for name in mine.rep()}
    with Wire(mine.port) as wire:
        for number in range(100000, 100060):
            reply = wire.ask("GET", f"/home?request_id={number}")
            assert reply.status == 200
            sent[reply.served_by].append(number)
    for name, expected in sent.items():
        reply = mine.ask("GET", f"/requests/{name.replace(' ', '%20')}")
        assert reply.status == 200
        assert numbers_of(reply) == expected


def test_requests_finds_a_replica_by_its_number(three):
    assert three.served_by(4711)
    exact = numbers_of(three.ask("GET", "/requests/Server%202"))
    assert numbers_of(three.ask("GET", "/requests/2")) == exact


def test_requests_holds_only_integers(balancer):
    mine = balancer({"replicas": {"count": 1}})
    for value in ("7", "abc", "7.5", "8", "0x9", "9"):
        mine.ask("GET", f"/home?request_id={value}")
    assert numbers_of(mine.ask("GET", "/requests/Server%201")) == [7, 8, 9]


def test_requests_keeps_the_last_ones(balancer):
    mine = balancer({"limits": {"history": HISTORY}, "replicas": {"count": 1}, "workers": 1})
    with Wire(mine.port) as wire:
        for number in range(1, 3 * HISTORY):
            assert wire.ask("GET", f"/home?request_id={number}").status == 200
    assert numbers_of(mine.ask("GET", "/requests/Server%201")) == list(range(2 * HISTORY, 3 * HISTORY))


def test_requests_of_nobody_is_404(three):
    reply = three.ask("GET", "/requests/nobody")
    assert reply.status == 404
    assert reply.body.rstrip(b"\n") == b'{"message":"Server ID not found","status":"failure"}'
    assert three.ask("GET", "/requests/Server%204").status == 404
    assert three.ask("GET", "/requests/").status == 404


# ---- everything else goes to a replica ---------------------------------------------------------------------


def test_home_comes_from_a_replica_and_says_which(three):
    reply = three.ask("GET", "/home")
    assert reply.status == 200
    number = re.fullmatch(r"Server ([123])", reply.served_by).group(1)
    assert reply.body == b'{"message":"Hello from Server: %s","status":"successful"}' % number.encode()
    assert len(reply.all("X-Served-By")) == 1


def test_request_comes_from_a_replica(three):
    reply = three.ask("GET", "/request?request_id=132574")
    number = reply.served_by.split()[1]
    assert reply.status == 200
    assert reply.json() == {
        "response": {"message": f"Hello from Server: {number}", "status": "Successful"},
        "server_id": number,
    }


def test_an_unknown_endpoint_is_the_replicas_400(three):
    reply = three.ask("GET", "/other")
    assert reply.status == 400
    expected = (
        b'{"message":"<Error> \'/other\' endpoint does not exist in server replicas","status":"failure"}'
    )
    assert reply.body == expected
    assert reply.served_by


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_any_method_goes_to_a_replica(three, method):
    reply = three.ask(method, "/home", body="" if method in ("POST", "PUT", "PATCH") else None)
    assert reply.status == 200 and reply.served_by, reply


@pytest.mark.parametrize("target", ["/_lb/state", "/_lb/rep", "/_lb/"])
def test_the_admin_routes_are_not_on_the_traffic_port(three, target):
    reply = three.ask("GET", target)
    assert reply.status == 400 and reply.served_by, "it must come from a replica, which does not know it"


def test_the_same_key_stays_with_the_same_replica(three):
    for key in (132574, 237891, 982345, 674512):
        assert len({three.served_by(key) for _ in range(5)}) == 1


def test_without_a_key_requests_are_spread(three):
    """The default key is random, so a run of GET /home does not go to one replica."""
    served = {three.ask("GET", "/home").served_by for _ in range(60)}
    assert served == {"Server 1", "Server 2", "Server 3"}


# ---- who may -----------------------------------------------------------------------------------------------


def test_only_peers_in_control_from_may_change_something(balancer):
    mine = balancer({"control_from": ["10.0.0.0/8"]})
    for method, target in (("POST", "/add"), ("DELETE", "/rm"), ("POST", "/rm"), ("POST", "/reload")):
        reply = mine.ask(method, target, body="")
        assert reply.status == 403, reply
        assert reply.json()["status"] == "failure"
    assert mine.rep() == ["Server 1", "Server 2", "Server 3"]
    assert mine.ask("GET", "/requests/Server%201").status == 200


def test_with_a_token_they_need_it_too(balancer):
    mine = balancer({"control_token": "sesame"})
    wrong = (
        (),
        [("Authorization", "Bearer wrong")],
        [("Authorization", "Bearer sesame2")],
        [("Authorization", "sesame")],
    )
    for headers in wrong:
        reply = mine.add(headers=headers)
        assert reply.status in (401, 403), reply
    assert mine.rep() == ["Server 1", "Server 2", "Server 3"]
    assert mine.add(headers=[("Authorization", "Bearer sesame")]).status == 200
    assert len(mine.rep()) == 4


# ---- own errors, and the admin port ------------------------------------------------------------------------


def test_own_errors_are_json(balancer):
    mine = balancer({"replicas": {"count": 1}})
    assert mine.rm({"n": 1}).status == 200
    until(lambda: not mine.rep(), what="an empty rotation")
    reply = mine.ask("GET", "/home")
    assert reply.status == 503
    assert reply.get("Content-Type").startswith("application/json")
    assert int(reply.get("Retry-After")) >= 1
    answer = reply.json()
    assert answer["status"] == "failure" and answer["message"].startswith("<Error> ")
    assert reply.served_by is None


def test_the_admin_port_has_the_state_and_the_control_routes(three):
    state = three.state()
    assert [row["name"] for row in state["replicas"]] == ["Server 1", "Server 2", "Server 3"]
    assert {row["state"] for row in state["replicas"]} == {"READY"}
    assert all(row["pid"] > 1 for row in state["replicas"])
    assert abs(sum(row["share"] for row in state["replicas"]) - 1.0) < 1e-6
    names_are(three.admin("GET", "/_lb/rep"), ["Server 1", "Server 2", "Server 3"])
    assert three.admin("GET", "/_lb/add").status == 405
    assert three.admin("GET", "/nowhere").status == 404
    assert three.admin("POST", "/_lb/add", body='{"n":0}').status == 400
