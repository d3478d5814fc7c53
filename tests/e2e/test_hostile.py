"""Bytes made to confuse an intermediary: the tables of hostile/, each case against the balancer and a replica
that keeps every byte.

A request that is refused leaves the replica untouched; one that is accepted arrives canonical; the replica
never sees a request that the client did not send. A reply that cannot be trusted is a 502, and none of its
bytes is ever anybody else's answer.
"""

import os
import re
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harness import free_ports, until
from hostile import observe, replies, requests_body, requests_fields, requests_line
from hostile.case import POST, Answer, BadGateway, Cut, Passed, Refused
from hostile.recorder import Recorder
from test_proxy_basics import CALM
from wire import Wire, request_bytes

REQUESTS = requests_line.CASES + requests_fields.CASES + requests_body.CASES
REPLIES = replies.CASES


@pytest.fixture(scope="module")
def pair(shared_balancer):
    """A balancer with one worker, and its only replica, the recorder."""
    recorder = Recorder(free_ports())
    mine = shared_balancer(
        {
            "workers": 1,
            "strategy": {"scheduler": "scheduler_round_robin", "scheduler_options": None},
            "replicas": {"driver": "static", "count": None, "static": {"addresses": [recorder.place]}},
            "health": CALM,
        }
    )
    yield mine, recorder
    recorder.stop()


def names(cases):
    return [case.name for case in cases]


def test_the_tables_are_as_long_as_they_should_be():
    assert len(REQUESTS) >= 150 and len(REPLIES) >= 30
    for cases in (REQUESTS, REPLIES):
        assert len(set(names(cases))) == len(cases), "each name once"
        assert all(re.fullmatch(r"\d{4} [A-Z0-9][0-9.]*", case.section) for case in cases)


# ---- requests ----------------------------------------------------------------------------------------------


def added_fields(expected):
    """What the balancer adds, as a pattern."""
    fields = [rb"X-Forwarded-For: " + re.escape(expected.came_for), rb"X-Forwarded-Proto: http"]
    if expected.host is not None:
        fields.append(rb"X-Forwarded-Host: " + re.escape(expected.host))
    if not expected.has_id:
        fields.append(rb"X-Request-Id: [0-9a-f]{32}")
    return b"".join(field + rb"\r\n" for field in fields) + rb"\r\n"


def check_passed(expected, reply, message, place):
    head = expected.head.replace(b"{origin}", place.encode())
    assert message.complete and not message.faults, (message.head, message.faults)
    assert message.head.startswith(head), message.head
    assert re.fullmatch(added_fields(expected), message.head[len(head) :]), message.head
    assert message.body == expected.body
    assert reply.status == 200 and reply.body in (b"", message.method + b" " + message.target), reply


def check_own(reply, status, method=b"GET"):
    assert reply.status == status, reply
    assert reply.get("Content-Type") == "application/json", reply
    if method == b"HEAD":
        assert reply.body == b""
        return
    assert reply.json()["status"] == "failure" and reply.json()["message"].startswith("<Error> ")


def check_request(case, seen, place):
    assert not seen.waits, "neither an answer nor an end"
    assert not seen.broken, seen.broken
    passed = [e for e in case.expect if isinstance(e, Passed)]
    begun = any(isinstance(e, Refused) and e.begun for e in case.expect) or case.ends
    if not begun:
        assert len(seen.messages) == len(seen.complete)
    assert [m.target for m in seen.complete] == [e.head.split()[1] for e in passed], "no more, no fewer"
    assert all(b"/stolen" not in m.target for m in seen.messages)
    assert seen.strays == []
    answered = [e for e in case.expect if isinstance(e, (Passed, Refused))]
    assert len(seen.replies) == len(answered), [r.status for r in seen.replies]
    messages = iter(seen.complete)
    for expected, reply in zip(answered, seen.replies):
        if isinstance(expected, Passed):
            check_passed(expected, reply, next(messages), place)
        else:
            check_own(reply, expected.status)
    assert seen.kept != case.closes, "the connection goes on" if case.closes else "the connection was closed"


@pytest.mark.parametrize("case", REQUESTS, ids=names(REQUESTS))
def test_request(pair, case):
    mine, recorder = pair
    check_request(case, observe.request(mine.port, recorder, case), recorder.place)


BYTE_BY_BYTE = [case for case in REQUESTS if len(case.send) < 1500]


@pytest.mark.parametrize("case", BYTE_BY_BYTE, ids=names(BYTE_BY_BYTE))
def test_request_byte_by_byte(pair, case):
    """What becomes of it does not depend on the pieces it comes in."""
    mine, recorder = pair
    check_request(case, observe.request(mine.port, recorder, case, piece=1), recorder.place)


def test_a_bad_chunk_that_comes_late_ends_the_request_at_the_replica(pair):
    """The beginning is on its way already: the replica must not take it for the whole."""
    mine, recorder = pair
    recorder.take()
    with Wire(mine.port) as wire:
        wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        until(lambda: recorder.messages and recorder.messages[-1].body == b"hello", what="the first chunk there")
        (message,) = recorder.messages
        wire.send(b"0x0\r\n\r\n")
        check_own(wire.read_reply(), 400)
        assert wire.is_closed()
    until(lambda: not recorder.is_open(message.connection), what="the end of the socket to the replica")
    assert not message.complete and not message.faults


# ---- replies -----------------------------------------------------------------------------------------------


def check_head(raw, expected):
    """The head up to what the balancer adds."""
    assert raw.startswith(expected), raw
    tail = rb"X-Served-By: [ -~]+\r\n(Connection: (close|keep-alive)\r\n)?\r\n"
    assert re.fullmatch(tail, raw[len(expected) :]), raw


THIS_HOP = {
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-hop",
    "x-served-by",
}


def check_answer(expected, seen):
    (reply,) = seen.replies
    check_head(reply.raw_head, expected.head)
    assert reply.body == expected.body
    assert tuple(i.status for i in reply.interim) == expected.interim
    for interim in reply.interim:
        assert not {name.lower() for name, _ in interim.headers} & THIS_HOP, interim
    assert seen.kept == expected.kept


def check_reply(case, seen):
    expected = case.expect
    assert not seen.waits, "neither an answer nor an end"
    assert b"evil" not in seen.raw + b"".join(r.raw_head + r.body for r in seen.replies)
    if isinstance(expected, Answer):
        assert not seen.broken, (seen.broken, seen.raw)
        check_answer(expected, seen)
    elif isinstance(expected, BadGateway) or seen.replies:
        assert isinstance(expected, BadGateway) or expected.may_be_502
        assert not seen.broken, (seen.broken, seen.raw)
        (reply,) = seen.replies
        check_own(reply, 502, case.method)
        assert seen.kept, "the client's connection goes on"
    else:
        assert isinstance(expected, Cut) and seen.broken and not seen.kept


def sockets_of(pair, case):
    """Runs the case; then another request. The numbers of the sockets that carried the two."""
    mine, recorder = pair
    seen = observe.reply(mine.port, recorder, case)
    first = {m.connection for m in seen.messages}
    recorder.take()
    tagged = f"/next?{case.name.encode().hex()}"
    after = mine.ask("GET", tagged)
    assert after.status == 200 and after.body == f"GET {tagged}".encode(), "the next client's answer is its own"
    messages, _ = recorder.take()
    return seen, first, {m.connection for m in messages}


@pytest.mark.parametrize("case", REPLIES, ids=names(REPLIES))
def test_reply(pair, case):
    mine, recorder = pair
    seen, first, after = sockets_of(pair, case)
    check_reply(case, seen)
    assert len(first) >= 1
    if isinstance(case.expect, Answer) and case.expect.reused:
        assert first == after, "a clean socket is used again"
    else:
        assert not first & after, "a socket that cannot be trusted is not"
        until(lambda: not any(recorder.is_open(number) for number in first), what="the end of that socket")


POSTS = [replace(case, method=b"POST") for case in REPLIES if case.method == b"GET"]


@pytest.mark.parametrize("case", POSTS, ids=names(POSTS))
def test_a_post_is_sent_once_whatever_becomes_of_it(pair, case):
    """RFC 9110, 9.2.2: what is not idempotent is never repeated by an intermediary."""
    seen, _, _ = sockets_of(pair, case)
    check_reply(case, seen)
    assert len(seen.messages) == 1


def test_what_a_replica_says_unasked_is_nobodys_answer(pair):
    """An idle socket speaks: it is closed before the next request."""
    mine, recorder = pair
    recorder.take()
    assert mine.ask("GET", "/one").body == b"GET /one"
    number = recorder.take()[0][0].connection
    recorder.say(number, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    until(lambda: not recorder.is_open(number), what="the end of the socket that spoke")
    assert mine.ask("GET", "/two").body == b"GET /two"


def test_what_came_before_a_request_is_not_its_answer(pair):
    """The hard one: the next request and the unasked reply wait side by side when the balancer looks up, the
    request first."""
    mine, recorder = pair
    for i in range(5):
        recorder.take()
        with Wire(mine.port) as wire:
            assert wire.ask("GET", "/one").body == b"GET /one"
            number = recorder.take()[0][-1].connection
            os.kill(mine.pid, signal.SIGSTOP)
            try:
                until(lambda: _state(mine.pid) == "T", what="the balancer to stand still")
                wire.send(request_bytes("GET", f"/two{i}"))
                recorder.say(number, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            finally:
                os.kill(mine.pid, signal.SIGCONT)
            assert wire.read_reply().body == b"GET /two%d" % i


def _state(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def test_many_at_once(pair):
    """All requests of the tables from many clients, while others ask for what is theirs: nobody gets anything
    else."""
    mine, _ = pair
    wrong = []

    def attack(cases):
        for case in cases:
            try:
                with Wire(mine.port) as wire:
                    wire.send(case.send)
            except OSError:
                pass

    def check(number):
        with Wire(mine.port) as wire:
            for i in range(200):
                got = wire.ask("GET", f"/mine/{number}/{i}").body
                if got != b"GET /mine/%d/%d" % (number, i):
                    wrong.append(got)

    threads = [threading.Thread(target=attack, args=(REQUESTS[i::4],)) for i in range(4)]
    threads += [threading.Thread(target=check, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
