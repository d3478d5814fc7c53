"""Replicas that misbehave in more than 30 ways, and clients that check every byte of every answer.

Every request carries a tag of its own. The tag says what the replica does with it, and what its body would
be, so a client knows its own answer before it has asked. What it may get is that answer, whole; an error of
the balancer's own, whole; or, where the replica broke off, a beginning of that answer and then the end of the
connection. Anything else, above all another tag's bytes, is what must never happen.

Bounded by count: a fixed number of requests of each kind, in an order drawn from a fixed seed.
"""

import collections
import json
import random
import re
import socket
import threading

import pytest

from origin import CLOSE, KEEP
from test_proxy_basics import static
from wire import BadReply, Closed, Wire, request_bytes

CALM = {"interval_ms": 60000, "unready_after": 1000, "dead_after": 1000}
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Tag: evil\r\n\r\nevil"
TAG = re.compile(r"/t/([a-z0-9-]+)\.(\d+)\.(\d+)\Z")


def body_of(tag):
    """The body that belongs to a tag: as long as its number says, and every line of it names it."""
    size = int(tag.split(".")[2])
    line = f"<{tag}>\n".encode()
    return (line * (size // len(line) + 1))[:size]


def head_of(tag, framing, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nX-Tag: {tag}\r\n{framing}\r\n".encode()


def length(tag):
    return f"Content-Length: {len(body_of(tag))}\r\n"


CHUNKED = "Transfer-Encoding: chunked\r\n"


def chunks(body, each=1000):
    parts = [body[at : at + each] for at in range(0, len(body), each)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


# ---- what a replica may do ---------------------------------------------------------------------------------
# What a client may get: its answer, an error of ours with that status, or a cut.

ANSWER, CUT = "answer", "cut"
WAYS = {}


def way(*outcomes, read=True, then=CLOSE):
    """Registers a way to misbehave: a function from a tag to the bytes that are sent."""

    def register(function):
        def play(exchange, tag):
            for piece in _pieces(function(tag)):
                exchange.send(piece)
            return then

        WAYS[function.__name__.replace("_", "-")] = (play, set(outcomes), read)
        return function

    return register


def special(*outcomes, read=True):
    """The same for what is more than sending bytes: a function of the exchange and the tag."""

    def register(function):
        WAYS[function.__name__.replace("_", "-")] = (function, set(outcomes), read)
        return function

    return register


def _pieces(sent):
    return [sent] if isinstance(sent, bytes) else sent


# -- well enough behaved, so that sockets are used again and there is somebody to corrupt


@way(ANSWER, then=KEEP)
def good_length(tag):
    return head_of(tag, length(tag)) + body_of(tag)


@way(ANSWER, then=KEEP)
def good_chunked(tag):
    return head_of(tag, CHUNKED) + chunks(body_of(tag)) + b"0\r\n\r\n"


@way(ANSWER, then=KEEP)
def good_in_pieces(tag):
    whole = head_of(tag, length(tag)) + body_of(tag)
    return [whole[at : at + 997] for at in range(0, len(whole), 997)]


@way(ANSWER)
def good_until_close(tag):
    return head_of(tag, "") + body_of(tag)


@way(ANSWER, then=KEEP)
def good_after_interim(tag):
    return b"HTTP/1.1 103 Early Hints\r\nX-Tag: evil\r\n\r\n" * 3 + good_length(tag)


# -- more than was promised


@way(ANSWER, then=KEEP)
def says_more(tag):
    return good_length(tag) + b"evil"


@way(ANSWER, then=KEEP)
def says_another_reply(tag):
    return good_length(tag) + EVIL


@way(ANSWER, then=KEEP)
def says_another_reply_after_chunks(tag):
    return good_chunked(tag) + EVIL


@way(ANSWER, then=KEEP)
def says_interim_after(tag):
    return good_length(tag) + b"HTTP/1.1 100 Continue\r\nX-Tag: evil\r\n\r\n"


@way(ANSWER)
def says_more_and_closes(tag):
    return good_length(tag) + EVIL


@way(ANSWER, then=KEEP)
def one_byte_more(tag):
    return good_length(tag) + b"\n"


# -- less than was promised


@way(502)
def closes_at_once(_):
    return b""


@special(502)
def resets_at_once(exchange, _):
    exchange.reset()
    return CLOSE


@way(502, read=False)
def closes_before_reading(_):
    return b""


@special(502, read=False)
def resets_before_reading(exchange, _):
    exchange.reset()
    return CLOSE


@way(502)
def closes_in_the_status_line(_):
    return b"HTTP/1.1 20"


@way(502)
def closes_in_the_fields(tag):
    return head_of(tag, length(tag))[:-10]


@way(502, CUT)
def closes_before_the_body(tag):
    return head_of(tag, length(tag))


@way(502, CUT)
def closes_in_the_body(tag):
    return good_length(tag)[:-7]


@special(502, CUT)
def resets_in_the_body(exchange, tag):
    exchange.send(good_length(tag)[:-7])
    exchange.reset()
    return CLOSE


@way(502, CUT)
def closes_in_a_chunk(tag):
    return (head_of(tag, CHUNKED) + chunks(body_of(tag)))[:-9]


@way(502, CUT)
def closes_before_the_last_chunk(tag):
    return head_of(tag, CHUNKED) + chunks(body_of(tag))


@special(502, 504, CUT)
def stops_in_the_body(exchange, tag):
    """Until the balancer has enough of it."""
    exchange.send(good_length(tag)[:-7])
    _wait_for_end(exchange)
    return CLOSE


@special(504)
def never_answers(exchange, _):
    _wait_for_end(exchange)
    return CLOSE


@special(502, 504)
def stops_in_the_head(exchange, _):
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Tag: ")
    _wait_for_end(exchange)
    return CLOSE


def _wait_for_end(exchange):
    try:
        exchange.read_exactly(1)
    except (EOFError, OSError):
        pass


# -- nothing that could be trusted


@way(502)
def garbage(_):
    return b"\x16\x03\x01\x02\x00 evil \r\n\r\n"


@way(502)
def old_style(_):
    return b"<html>evil</html>\r\n\r\n"


@way(502, then=KEEP)
def bad_version(_):
    return EVIL.replace(b"HTTP/1.1", b"HTTP/2.0")


@way(502, then=KEEP)
def bad_status(_):
    return EVIL.replace(b"200", b"0200")


@way(502, then=KEEP)
def bad_field(_):
    return EVIL.replace(b"X-Tag:", b"X-Tag :")


@way(502, then=KEEP)
def bare_line_feed(_):
    return EVIL.replace(b"\r\n", b"\n")


@way(502, then=KEEP)
def huge_head(_):
    return EVIL.replace(b"evil\r\n", b"evil" * 10000 + b"\r\n")


@way(502, then=KEEP)
def two_lengths(_):
    return EVIL.replace(b"Content-Length: 4\r\n", b"Content-Length: 4\r\nContent-Length: 2\r\n")


@way(502, then=KEEP)
def length_and_chunked(_):
    return EVIL.replace(b"X-Tag", b"Transfer-Encoding: chunked\r\nX-Tag")


@way(502, then=KEEP)
def unknown_coding(_):
    return EVIL.replace(b"Content-Length: 4", b"Transfer-Encoding: br")


@way(502, then=KEEP)
def flood_of_interim(_):
    return b"HTTP/1.1 100 Continue\r\nX-Tag: evil\r\n\r\n" * 200


@way(502, then=KEEP)
def switches_protocols(_):
    return b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: upgrade\r\n\r\nevil"


@way(502, CUT, then=KEEP)
def bad_first_chunk(tag):
    return head_of(tag, CHUNKED) + b"+4\r\nevil\r\n0\r\n\r\n"


@way(502, CUT, then=KEEP)
def bad_later_chunk(tag):
    return head_of(tag, CHUNKED) + chunks(body_of(tag)) + b"0x4\r\nevil\r\n0\r\n\r\n"


@way(502, CUT, then=KEEP)
def chunk_longer_than_its_size(tag):
    return head_of(tag, CHUNKED) + chunks(body_of(tag))[:-2] + b"evil\r\n0\r\n\r\n"


# -- bodies where none belongs


@way(ANSWER, then=KEEP)
def body_after_204(tag):
    return head_of(tag, "", "204 No Content") + EVIL


@way(ANSWER, then=KEEP)
def body_after_304(tag):
    return head_of(tag, f"Content-Length: {len(EVIL)}\r\n", "304 Not Modified") + EVIL


NO_BODY = {"body-after-204": 204, "body-after-304": 304}

# -- answers that do not wait for the question's end


@way(ANSWER, read=False)
def answers_before_reading(tag):
    return head_of(tag, length(tag) + "Connection: close\r\n") + body_of(tag)


SLOW = {"never-answers", "stops-in-the-head", "stops-in-the-body"}  # each costs a time-out: fewer of them


def misbehave(received, exchange):
    """The handler of a bad origin."""
    kind, _, _ = TAG.match(received.target).groups()
    play, _, read = WAYS[kind]
    if read:
        received.body()
    return play(exchange, received.target.removeprefix("/t/"))


# ---- the client that checks --------------------------------------------------------------------------------


class Checker:
    """One client: one connection after the other, several requests on each."""

    def __init__(self, port, requests, idempotent):
        self.port = port
        self.requests = requests
        self.idempotent = idempotent
        self.wrong = []
        self.outcomes = collections.Counter()  # (kind, outcome)
        self.wire = None

    def run(self):
        for method, tag in self.requests:
            try:
                self.one(method, tag)
            except Exception as problem:
                self.wrong.append(f"{method} {tag}: {problem!r}")
                self.drop()
        self.drop()

    def drop(self):
        if self.wire is not None:
            self.wire.close()
        self.wire = None

    def one(self, method, tag):
        kind = tag.split(".")[0]
        outcome = self.ask(method, tag)
        self.outcomes[kind, outcome] += 1
        allowed = WAYS[kind][1]
        assert outcome in allowed, f"got {outcome}, allowed are {sorted(map(str, allowed))}"

    def ask(self, method, tag):
        if self.wire is None:
            self.wire = Wire(self.port, patience=20)
        body = None if method in ("GET", "HEAD") else b"question " + tag.encode()
        self.wire.send(request_bytes(method, "/t/" + tag, body=body))
        try:
            reply = self.wire.read_reply(method)
        except (Closed, BadReply, ConnectionError, socket.timeout) as problem:
            return self.cut(tag, problem)
        outcome = self.whole(tag, reply, method)
        if (reply.get("Connection") or "").lower() == "close":
            self.drop()
        return outcome

    def whole(self, tag, reply, method):
        if reply.status >= 400:
            assert not reply.all("X-Tag"), "an error of ours has nothing of the replica's"
            said = json.loads(reply.body) if method != "HEAD" else {"status": "failure"}
            assert said["status"] == "failure", reply
            return reply.status
        kind = tag.split(".")[0]
        assert reply.all("X-Tag") == [tag], f"tagged {reply.all('X-Tag')}"
        assert reply.status == NO_BODY.get(kind, 200)
        expected = b"" if kind in NO_BODY or method == "HEAD" else body_of(tag)
        assert reply.body == expected, f"another body: {reply.body[:100]!r}"
        return ANSWER

    def cut(self, tag, problem):
        """What had come must be the beginning of its own answer."""
        if isinstance(problem, socket.timeout):
            raise problem
        raw, self.wire.pending = self.wire.pending, b""
        self.drop()
        assert b"evil" not in raw, raw[:200]
        lines = re.findall(rb"<([^>\n]*)>", raw)
        assert all(line == tag.encode() for line in lines), f"bytes of {set(lines)}"
        return CUT


def draw(methods, rounds, rounds_of_slow, seed, kinds=None):
    """The requests: each kind so many times, in an order that a seed says."""
    chance = random.Random(seed)
    made = []
    for kind in kinds or WAYS:
        for _ in range(rounds_of_slow if kind in SLOW else rounds):
            size = chance.choice([40, 100, 900, 5000, 20000])
            made.append((chance.choice(methods), kind, size))
    chance.shuffle(made)
    return [(method, f"{kind}.{seed * 100000 + number}.{size}") for number, (method, kind, size) in enumerate(made)]


def run_checkers(port, lists, idempotent=True):
    checkers = [Checker(port, requests, idempotent) for requests in lists]
    threads = [threading.Thread(target=checker.run) for checker in checkers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wrong = [line for checker in checkers for line in checker.wrong]
    assert not wrong, f"{len(wrong)} wrong, the first of them:\n" + "\n".join(wrong[:20])
    total = sum((checker.outcomes for checker in checkers), collections.Counter())
    return total


QUICK = {"timeouts": {"reply": 400, "relay": 400}}


def settings(*origins, **more):
    """Replicas that fail on purpose stay in rotation: nobody is ejected, so that there is always another one to try."""
    return static(*origins, health=CALM, outlier={"failures": 0}, retry={"attempts": 2}, **QUICK, **more)


def test_there_are_thirty_ways():
    assert len([kind for kind in WAYS if not kind.startswith("good-")]) >= 30


def seen_tags(*origins):
    return collections.Counter(target.removeprefix("/t/") for made in origins for target in made.targets())


@pytest.mark.parametrize("workers", [1, 2])
def test_nobody_gets_anybody_elses_answer(balancer, origin, workers):
    first, second = origin(misbehave), origin(misbehave)
    mine = balancer(settings(first, second, workers=workers))
    lists = [draw(["GET", "GET", "PUT", "POST"], 5, 1, seed) for seed in range(1, 9)]
    total = run_checkers(mine.port, lists)
    assert first.problems + second.problems == []
    for kind in WAYS:
        assert sum(count for (k, _), count in total.items() if k == kind) >= 8, f"{kind} was tried too seldom"
    assert total["says-another-reply", ANSWER] == 8 * 5, "what is whole arrives, whatever follows it"
    tags = seen_tags(first, second)
    posts = [tag for requests in lists for method, tag in requests if method == "POST"]
    assert all(tags[tag] <= 1 for tag in posts), "a POST is never sent twice"


def test_a_request_that_is_not_idempotent_is_sent_once(balancer, origin):
    """Every way to fail, two replicas to fail on, kept sockets in between: POST, PATCH and an unknown method
    reach a replica at most once; a GET that was closed upon is asked again, so the retries are there."""
    first, second = origin(misbehave), origin(misbehave)
    # Both fail on purpose: nobody is to be ejected for it.
    mine = balancer(settings(first, second))
    lists = [draw(["POST", "PATCH", "FROB"], 4, 1, seed) for seed in range(11, 15)]
    run_checkers(mine.port, lists, idempotent=False)
    tags = seen_tags(first, second)
    asked = [tag for requests in lists for _, tag in requests]
    assert set(tags) <= set(asked)
    assert all(count == 1 for count in tags.values()), [tag for tag, n in tags.items() if n > 1]
    assert set(asked) == set(tags), "and each of them was sent"
    again = draw(["GET"], 3, 1, 15, kinds=["closes-at-once", "resets-at-once", "good-length"])
    run_checkers(mine.port, [again])
    tags = seen_tags(first, second)
    assert all(tags[tag] >= 2 for _, tag in again if not tag.startswith("good")), "a GET is tried elsewhere"


def test_a_kept_socket_that_dies_under_a_post_does_not_repeat_it(balancer, origin):
    """The replica answers, keeps its connection, and closes it when the next request has arrived: nobody can
    know what it did with it."""

    def dies_at_the_second(received, exchange):
        received.body()
        if getattr(exchange, "served", False):
            return CLOSE
        exchange.served = True
        exchange.send(good_length(received.target.removeprefix("/t/")))
        return KEEP

    first, second = origin(dies_at_the_second), origin(dies_at_the_second)
    mine = balancer(settings(first, second, upstream={"safe_idle_ms": 60000}))
    with Wire(mine.port) as wire:
        statuses = [wire.ask("POST", f"/t/good-length.{i}.100", body=b"x").status for i in range(12)]
    assert set(statuses) == {200, 502}, statuses
    tags = seen_tags(first, second)
    assert sorted(tags.values()) == [1] * 12, tags


def test_head_answers_with_bodies_harm_nobody(balancer, origin):
    """The replica sends a body after its answer to HEAD; it would be the next one's reply."""

    def answers_head_with_a_body(received, exchange):
        received.body()
        tag = received.target.removeprefix("/t/")
        exchange.send(good_length(tag) if received.method == "GET" else head_of(tag, length(tag)) + EVIL)
        return KEEP

    made = origin(answers_head_with_a_body)
    mine = balancer(settings(made))
    requests = [("HEAD" if i % 2 else "GET", f"good-length.{i}.100") for i in range(400)]
    run_checkers(mine.port, [requests[i::4] for i in range(4)])


def test_pipelined_clients_get_their_answers_in_order(balancer, origin):
    """Good ways and bad ones that leave the client's connection open, eight requests in one write."""
    first, second = origin(misbehave), origin(misbehave)
    mine = balancer(settings(first, second))
    kinds = [k for k, (_, allowed, read) in WAYS.items() if CUT not in allowed and k not in SLOW and read]
    requests = draw(["GET"], 16, 0, 21, kinds=kinds)
    for at in range(0, len(requests), 8):
        tags = [tag for _, tag in requests[at : at + 8]]
        checker = Checker(mine.port, [], True)
        with Wire(mine.port) as wire:
            wire.send(b"".join(request_bytes("GET", "/t/" + tag) for tag in tags))
            for tag in tags:
                outcome = checker.whole(tag, wire.read_reply(), "GET")
                assert outcome in WAYS[tag.split(".")[0]][1], (tag, outcome)
