"""/add and /rm: every form of body, good and bad, as tables; and a removal under load."""

import re

import pytest

from harness import BACKEND, until
from load import KeepAlive, Wrk
from wire import Wire

START = ["Server 1", "Server 2", "Server 3"]
TOO_MANY_ADDED = "<Error> Length of hostname list is more than newly added instances"
TOO_MANY_REMOVED = "<Error> Length of hostname list is more than removable instances"
RANDOM_NAME = re.compile(r"S\d{4}")
LONGEST = "x" * 63
ANY = object()  # in an expectation: a name that was drawn


def same_names(names, expected):
    """Names equal the expected ones; ANY stands for a drawn one."""
    assert len(names) == len(expected), (names, expected)
    for name, wanted in zip(names, expected):
        if wanted is ANY:
            assert RANDOM_NAME.fullmatch(name), names
        else:
            assert name == wanted, (names, expected)


# ---- /add, taken -------------------------------------------------------------------------------------------

ADDED = [
    # body, names added, names skipped
    ("", [ANY], []),
    ("{}", [ANY], []),
    ('{"n":1}', [ANY], []),
    ('{"n":2}', [ANY, ANY], []),
    ('{"N":2}', [ANY, ANY], []),
    ('{"n":2,"N":2}', [ANY, ANY], []),
    ('  {"n": 1}\n', [ANY], []),
    ('{"n":1,"hostnames":["S5"]}', ["S5"], []),
    ('{"n":1,"replicas":["S5"]}', ["S5"], []),
    ('{"hostnames":["S5","S6"]}', ["S5", "S6"], []),
    ('{"replicas":["zeta","alpha"]}', ["zeta", "alpha"], []),
    ('{"n":3,"hostnames":["S5"]}', ["S5", ANY, ANY], []),
    ('{"n":1,"hostnames":[]}', [ANY], []),
    ('{"n":2,"hostnames":["Server 1","S9"]}', ["S9"], ["Server 1"]),
    ('{"hostnames":["Server 4"]}', ["Server 4"], []),
    ('{"hostnames":["a b_c-d.e@f"]}', ["a b_c-d.e@f"], []),
    (f'{{"hostnames":["{LONGEST}"]}}', [LONGEST], []),
    ('{"hostnames":["7"]}', ["7"], []),
    ("n=2", [ANY, ANY], []),
    ("server_id=S5", ["S5"], []),
    ("hostname=S5", ["S5"], []),
    ("server_id=S5&server_id=S6", ["S5", "S6"], []),
    ("hostname=S5&server_id=S6", ["S5", "S6"], []),
    ("n=2&hostname=S5", ["S5", ANY], []),
    ("hostname=S5&n=1", ["S5"], []),
    ("server_id=Server%209", ["Server 9"], []),
    ("server_id=Server+9", ["Server 9"], []),
    ("hostname=a%40b", ["a@b"], []),
]


@pytest.mark.parametrize("body, added, skipped", ADDED)
def test_add_takes(balancer, body, added, skipped):
    mine = balancer()
    reply = mine.add(body)
    assert reply.status == 200, reply
    answer = reply.json()
    message = answer["message"]
    assert answer["status"] == "successful"
    same_names(message["added"], added)
    assert message.get("skipped", []) == skipped
    assert message["replicas"] == START + message["added"]
    assert message["N"] == len(message["replicas"])
    assert list(message)[:3] == ["N", "replicas", "added"]
    assert mine.rep() == message["replicas"]
    # It answers when they are in rotation: each of them is asked at once.
    waiting = set(message["added"])
    until(
        lambda: waiting.discard(mine.ask("GET", "/home").served_by) or not waiting,
        what=f"answers of {waiting}",
    )


def test_the_new_ones_say_their_id(balancer):
    """The id of "Server 4" is 4; of one added as "S5" it is S5."""
    mine = balancer({"replicas": {"count": 1}})
    assert mine.add({"hostnames": ["Server 4", "S5", 'a"']}).status == 400  # one bad name: none is added
    assert mine.add({"hostnames": ["Server 4", "S5"]}).status == 200
    ids = {}

    def all_seen():
        reply = mine.ask("GET", "/home")
        ids[reply.served_by] = reply.json()["message"]
        return len(ids) == 3

    until(all_seen, what="an answer of each")
    assert ids == {
        name: f"Hello from Server: {number}"
        for name, number in (("Server 1", "1"), ("Server 4", "4"), ("S5", "S5"))
    }


# ---- /rm, taken --------------------------------------------------------------------------------------------

REMOVED = [
    # method, body, names removed (ANY: a victim that was drawn)
    ("DELETE", "", [ANY]),
    ("POST", "", [ANY]),
    ("DELETE", "{}", [ANY]),
    ("DELETE", '{"n":1}', [ANY]),
    ("DELETE", '{"N":2}', [ANY, ANY]),
    ("DELETE", '{"n":1,"hostnames":["Server 2"]}', ["Server 2"]),
    ("POST", '{"n":1,"hostnames":["Server 2"]}', ["Server 2"]),
    ("DELETE", '{"n":1,"replicas":["Server 2"]}', ["Server 2"]),
    ("DELETE", '{"hostnames":["Server 3","Server 1"]}', ["Server 3", "Server 1"]),
    ("DELETE", '{"n":2,"hostnames":["Server 2"]}', ["Server 2", ANY]),
    ("DELETE", '{"hostnames":["2"]}', ["Server 2"]),
    ("DELETE", "server_id=2", ["Server 2"]),
    ("DELETE", "server_id=Server%202", ["Server 2"]),
    ("POST", "hostname=Server+2", ["Server 2"]),
    ("DELETE", "server_id=1&server_id=3", ["Server 1", "Server 3"]),
    ("DELETE", "n=2&server_id=3", ["Server 3", ANY]),
    ("DELETE", "n=2", [ANY, ANY]),
    ("DELETE", '{"n":3}', [ANY, ANY, ANY]),
]


@pytest.mark.parametrize("method, body, removed", REMOVED)
def test_rm_takes(balancer, method, body, removed):
    mine = balancer()
    reply = mine.rm(body, method)
    assert reply.status == 200, reply
    message = reply.json()["message"]
    gone = message["removed"]
    assert len(gone) == len(set(gone)) == len(removed)
    for name, wanted in zip(gone, removed):
        assert name in START if wanted is ANY else name == wanted, (gone, removed)
    assert message["replicas"] == [name for name in START if name not in gone]
    assert message["N"] == len(message["replicas"])
    if len(gone) == 1:
        assert message["removed_server"] == gone[0]
    else:
        assert "removed_server" not in message
    assert mine.rep() == message["replicas"]
    until(
        lambda: sorted(mine.replicas()) == sorted(message["replicas"]),
        15,
        "the processes of the removed ones to end",
    )


def test_a_bare_number_finds_the_ordinal(balancer):
    """It stands for "Server 2" as long as nobody has that very name."""
    mine = balancer()
    assert mine.add({"hostnames": ["2"]}).status == 400, "it exists: Server 2"
    assert mine.add({"hostnames": ["2", "S9"]}).json()["message"]["skipped"] == ["2"]
    assert mine.rm({"hostnames": ["2"]}).json()["message"]["removed"] == ["Server 2"]
    assert mine.rm({"hostnames": ["2"]}).status == 400
    assert mine.add({"hostnames": ["2"]}).json()["message"]["added"] == ["2"]
    assert mine.rm({"hostnames": ["2"]}).json()["message"]["removed"] == ["2"]


def test_rm_of_all_then_503_until_add(balancer):
    mine = balancer()
    assert mine.rm({"n": 3}).json()["message"] == {"N": 0, "replicas": [], "removed": ANY_ORDER(START)}
    assert mine.ask("GET", "/rep").body.rstrip() == b'{"message":{"N":0,"replicas":[]},"status":"successful"}'
    reply = mine.ask("GET", "/home")
    assert reply.status == 503 and int(reply.get("Retry-After")) >= 1
    assert mine.rm({"n": 1}).status == 400
    assert mine.add({"hostnames": ["S5"]}).json()["message"]["replicas"] == ["S5"]
    reply = mine.ask("GET", "/home")
    assert reply.status == 200 and reply.served_by == "S5"


class ANY_ORDER(list):
    def __eq__(self, other):
        return sorted(self) == sorted(other)


# ---- refused: nothing changes ------------------------------------------------------------------------------

SENTENCE = object()  # any message, as long as it is one

BAD_EITHER = [
    '{"n":0}',
    '{"n":-1}',
    '{"n":1.5}',
    '{"n":"2"}',
    '{"n":true}',
    '{"n":null}',
    '{"n":[1]}',
    '{"n":100000}',
    '{"n":99999999999999999999999}',
    '{"n":1e3}',
    '{"N":0}',
    '{"n":1,"N":2}',
    '{"n":1',
    '{"n":1} x',
    '{"n":1,}',
    '{"n":1,"n":2}',
    "{n:1}",
    '{"hostnames":"Server 2"}',
    '{"hostnames":{"a":1}}',
    '{"hostnames":[1]}',
    '{"hostnames":[null]}',
    '{"hostnames":[["Server 2"]]}',
    '{"hostnames":[""]}',
    '{"hostnames":["a/b"]}',
    '{"hostnames":["a\\nb"]}',
    '{"hostnames":["a\\u0000b"]}',
    '{"hostnames":["\\u00e9"]}',
    f'{{"hostnames":["{LONGEST}x"]}}',
    "n=0",
    "n=-1",
    "n=1.5",
    "n=two",
    "n=",
    "n=100000",
    "n=99999999999999999999999",
    "n=1&N=2",
    "server_id=",
    "hostname=",
    "server_id=a%2Fb",
    "server_id=a%00b",
    "server_id=%zz",
    "count=1",
    "server_id=Server+1&colour=red",
    '["Server 2"]',
    "null",
]

BAD_ADD = [(body, SENTENCE) for body in BAD_EITHER] + [
    ('{"n":1,"hostnames":["S5","S6"]}', TOO_MANY_ADDED),
    ('{"n":1,"replicas":["S5","S6"]}', TOO_MANY_ADDED),
    ("n=1&server_id=S5&server_id=S6", TOO_MANY_ADDED),
    ('{"n":1,"hostnames":["Server 1"]}', SENTENCE),
    ('{"hostnames":["Server 1","Server 3"]}', SENTENCE),
    ('{"hostnames":["S5","a/b"]}', SENTENCE),
    ('{"n":4094}', SENTENCE),  # 3 and 4094 are more than replicas.max
]

BAD_RM = [(body, SENTENCE) for body in BAD_EITHER] + [
    ('{"n":1,"hostnames":["Server 1","Server 2"]}', TOO_MANY_REMOVED),
    ("n=1&server_id=1&server_id=2", TOO_MANY_REMOVED),
    ('{"hostnames":["nobody"]}', SENTENCE),
    ('{"hostnames":["Server 1","nobody"]}', SENTENCE),
    ('{"n":2,"hostnames":["nobody"]}', SENTENCE),
    ('{"hostnames":["9"]}', SENTENCE),
    ("server_id=9", SENTENCE),
    ('{"n":4}', SENTENCE),
    ("n=4", SENTENCE),
]


@pytest.fixture(scope="module")
def unmoved(shared_balancer):
    return shared_balancer({"replicas": {"max": 4096}})


def check_refused(mine, reply, expected):
    assert reply.status == 400, reply
    answer = reply.json()
    assert answer["status"] == "failure"
    if expected is SENTENCE:
        assert re.match(r"<Error> \S", answer["message"]), answer
    else:
        assert answer["message"] == expected
    assert mine.rep() == START
    assert sorted(mine.replicas()) == START, "nothing may be half done"


@pytest.mark.parametrize("body, expected", BAD_ADD)
def test_add_refuses(unmoved, body, expected):
    check_refused(unmoved, unmoved.add(body), expected)


@pytest.mark.parametrize("body, expected", BAD_RM)
def test_rm_refuses(unmoved, body, expected):
    check_refused(unmoved, unmoved.rm(body), expected)


def test_the_refusals_are_these_to_the_byte(unmoved):
    expected = b'{"message":"' + TOO_MANY_ADDED.encode() + b'","status":"failure"}'
    assert unmoved.add('{"n":1,"hostnames":["S5","S6"]}').body.rstrip(b"\n") == expected
    expected = b'{"message":"' + TOO_MANY_REMOVED.encode() + b'","status":"failure"}'
    assert unmoved.rm('{"n":1,"hostnames":["Server 1","Server 2"]}').body.rstrip(b"\n") == expected


def test_the_content_type_does_not_matter(balancer):
    """Read by content: plain curl -d sends JSON with a form's type."""
    mine = balancer()
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    assert mine.add('{"hostnames":["S5"]}', headers=form).json()["message"]["added"] == ["S5"]
    json_type = [("Content-Type", "application/json")]
    assert mine.rm("server_id=S5", headers=json_type).json()["message"]["removed"] == ["S5"]


def test_a_body_too_large_for_a_control_route_is_413(balancer):
    mine = balancer({"limits": {"control_body": 4096}})
    assert mine.add('{"hostnames":["' + "x" * 5000 + '"]}').status == 413
    assert mine.rep() == START


def test_add_that_times_out_is_504_and_keeps_those_that_came_up(balancer, tmp_path):
    """The command is one that never serves under a name that begins with bad."""
    script = tmp_path / "picky"
    script.write_text(
        f"#!/bin/sh\ncase $SERVER_ID in bad*) exec sleep 600 ;; esac\nexec '{BACKEND}' --quiet\n"
    )
    script.chmod(0o755)
    mine = balancer({"replicas": {"process": {"command": [str(script)]}, "add_timeout_ms": 3000}})
    reply = mine.add({"hostnames": ["good", "bad1", "bad2"]})
    assert reply.status == 504, reply
    assert reply.json()["status"] == "failure"
    assert "good" in reply.body.decode()
    until(lambda: mine.rep() == START + ["good"], what="good in rotation")
    until(lambda: sorted(mine.replicas()) == sorted(START + ["good"]), 15, "the others to be cancelled")


def test_add_and_rm_on_static_replicas(balancer, origin):
    origins = [origin(), origin()]
    addresses = [o.place for o in origins]
    mine = balancer({"replicas": {"driver": "static", "count": None, "static": {"addresses": addresses}}})
    first, second = mine.rep()
    assert mine.add({"n": 1}).status == 400
    assert mine.rm({"hostnames": [first]}).status == 200
    assert mine.rep() == [second]
    assert {mine.ask().served_by for _ in range(20)} == {second}


# ---- under load --------------------------------------------------------------------------------------------


def test_replicas_come_and_go_under_load_and_no_request_is_lost(balancer):
    """The replicas drop what they are at when they are told to stop: draining is the balancer's work."""
    mine = balancer(
        {"replicas": {"process": {"command": ["backend", "--quiet", "--no-drain", "--delay-ms", "2"]}}}
    )
    with Wrk(mine.port, connections=32) as load, KeepAlive(mine.port, clients=8) as clients:
        for turn in range(6):
            before = clients.replies
            added = mine.add({"n": 2}).json()["message"]["added"]
            until(lambda: clients.replies > before + 50, what="traffic")
            reply = mine.rm({"n": 2, "hostnames": added if turn % 2 else mine.rep()[:2]})
            assert reply.status == 200, reply
            for name in reply.json()["message"]["removed"]:
                until(lambda: name not in mine.replicas(), 20, f"the end of {name}")
        assert len(mine.rep()) == 3
    load.check(at_least=500)
    clients.check(at_least=300)


def test_a_request_that_runs_at_the_removal_is_finished(balancer):
    mine = balancer(
        {
            "replicas": {
                "count": 1,
                "process": {"command": ["backend", "--quiet", "--no-drain", "--delay-ms", "1000"]},
            }
        }
    )
    assert mine.add({"hostnames": ["other"]}).status == 200
    with Wire(mine.port) as wire:
        key = next(k for k in range(1000) if mine_serves(mine, k, "Server 1"))
        wire.send(f"GET /home?request_id={key} HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: mine.replicas()["Server 1"]["in_flight"] == 1, what="the request in flight")
        assert mine.rm({"hostnames": ["Server 1"]}).status == 200
        assert mine.rep() == ["other"]
        reply = wire.read_reply()
        assert reply.status == 200 and reply.served_by == "Server 1"
    until(lambda: "Server 1" not in mine.replicas(), 15, "its end")


def mine_serves(mine, key, name):
    """Whether this key belongs to that replica: asked with HEAD, which the backend answers as late as GET."""
    return mine.ask("HEAD", f"/home?request_id={key}").served_by == name
