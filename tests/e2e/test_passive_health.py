"""Passive health, slow start, weights and draining, as a client and an operator see them."""

from harness import until
from origin import CLOSE, KEEP
from wire import Wire


class Moody:
    """A scripted replica that answers well, with 500, or not at all, as it is told."""

    def __init__(self):
        self.mood = "well"
        self.seen = 0

    def __call__(self, received, exchange):
        received.body()
        self.seen += 1
        if self.mood == "silent":
            return CLOSE
        status = "500 Oh" if self.mood == "error" else "200 OK"
        exchange.send(f"HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nhi".encode())
        return KEEP


def moody_pool(balancer, origin, n, outlier, more=None):
    moods = [Moody() for _ in range(n)]
    addresses = [origin(mood).place for mood in moods]
    settings = {
        "strategy": {"scheduler": "scheduler_round_robin", "hash": "", "probe": "", "scheduler_options": None},
        "replicas": {"driver": "static", "static": {"addresses": addresses}, **(more or {})},
        "outlier": outlier,
        "workers": 1,
    }
    return balancer(settings), moods


def ask_many(mine, n):
    return [mine.ask().status for _ in range(n)]


def state_of(mine, name):
    return mine.replicas()[name]["state"]


def kinds(mine, name):
    return [e["kind"] for e in mine.admin("GET", f"/_lb/events?replica={name.replace(' ', '%20')}").json()["events"]]


def test_one_that_closes_without_a_word_is_ejected_tried_and_trusted_again(balancer, origin):
    mine, moods = moody_pool(balancer, origin, 3, {"failures": 3, "eject_ms": 300, "trials": 2})
    assert set(ask_many(mine, 9)) == {200}
    moods[1].mood = "silent"
    assert set(ask_many(mine, 30)) == {200}, "each is asked again elsewhere"
    until(lambda: state_of(mine, "Server 2") == "EJECTED" or "ejected" in kinds(mine, "Server 2"), what="it to be ejected")
    assert mine.rep() == ["Server 1", "Server 3"]
    until(lambda: "trial" in kinds(mine, "Server 2"), what="its trial")

    def ejected_again():
        ask_many(mine, 20)
        return kinds(mine, "Server 2").count("ejected") >= 2

    until(ejected_again, 20, "the trial to fail at the first request")
    moods[1].mood = "well"

    def trusted():
        assert set(ask_many(mine, 20)) == {200}
        return state_of(mine, "Server 2") == "READY"

    until(trusted, 30, "that it is trusted again")
    seen = moods[1].seen
    ask_many(mine, 30)
    assert moods[1].seen - seen == 10, "and has its whole share"


def test_errors_in_a_row_count_when_they_are_to(balancer, origin):
    mine, moods = moody_pool(balancer, origin, 3, {"errors": 4, "eject_ms": 60000})
    moods[0].mood = "error"
    statuses = ask_many(mine, 60)
    until(lambda: state_of(mine, "Server 1") == "EJECTED", what="it to be ejected")
    assert 4 <= statuses.count(500) <= 8
    why = [e["why"] for e in mine.admin("GET", "/_lb/events?kind=ejected").json()["events"]]
    assert why == ["4 replies 5xx in a row"]


def test_errors_say_nothing_by_default(balancer, origin):
    mine, moods = moody_pool(balancer, origin, 2, {})
    moods[0].mood = "error"
    assert ask_many(mine, 100).count(500) == 50
    assert mine.rep() == ["Server 1", "Server 2"]


def test_when_all_fail_alike_half_of_them_stay(balancer, origin):
    mine, moods = moody_pool(balancer, origin, 4, {"errors": 2, "eject_ms": 60000})
    for mood in moods:
        mood.mood = "error"
    assert set(ask_many(mine, 80)) == {500}
    assert len(mine.rep()) == 2
    assert "it stays, because too many would be out" in mine.log()


def test_a_new_replica_starts_slowly(balancer):
    mine = balancer({
        "strategy": {"scheduler": "scheduler_round_robin", "hash": "", "probe": "", "scheduler_options": None},
        "replicas": {"count": 2, "slow_start_ms": 600000}})
    assert set(ask_many(mine, 40)) == {200}
    rows = mine.replicas()
    both = [rows[name]["answered"] for name in ("Server 1", "Server 2")]
    assert min(both) >= 3, "those that started together share"
    assert mine.reload({"replicas": {"slow_start_ms": 0}}).status == 200
    assert mine.add({"hostnames": ["at once"]}).status == 200
    assert mine.reload({"replicas": {"slow_start_ms": 600000}}).status == 200
    assert mine.add({"hostnames": ["slow"]}).status == 200
    assert mine.replicas()["slow"]["warmth"] < 0.1
    assert mine.replicas()["at once"]["warmth"] == 1
    ask_many(mine, 400)
    rows = mine.replicas()
    assert rows["slow"]["answered"] < 20 < rows["at once"]["answered"]


def test_weights_in_add_and_in_the_configuration(balancer):
    mine = balancer({
        "strategy": {"scheduler": "scheduler_round_robin", "hash": "", "probe": "", "scheduler_options": None},
        "replicas": {"count": 2, "weights": [3]}, "workers": 1})
    assert {name: row["weight"] for name, row in mine.replicas().items()} == {"Server 1": 3, "Server 2": 1}
    reply = mine.add({"n": 2, "hostnames": ["big", "small"], "weights": [4]})
    assert reply.status == 200
    before = {name: row["answered"] for name, row in mine.replicas().items()}
    ask_many(mine, 90)
    after = {name: row["answered"] - before[name] for name, row in mine.replicas().items()}
    assert after == {"Server 1": 30, "Server 2": 10, "big": 40, "small": 10}
    assert mine.reload({"replicas": {"weights": [1, 5]}}).status == 200
    until(lambda: {n: r["weight"] for n, r in mine.replicas().items()}
          == {"Server 1": 1, "Server 2": 5, "big": 4, "small": 1}, what="the new weights")
    assert mine.add({"hostnames": ["x"], "weights": [0]}).status == 400
    assert mine.add({"hostnames": ["x"], "weights": [1, 1]}).status == 400
    assert mine.rm({"hostnames": ["big"], "weights": [1]}).status == 400
    assert mine.rep() == ["Server 1", "Server 2", "big", "small"]


def test_a_removal_says_how_many_requests_it_cut(balancer):
    mine = balancer({"replicas": {"count": 2, "drain_timeout_ms": 400, "stop_timeout_ms": 300,
                                  "process": {"command": ["backend", "--quiet", "--delay-ms", "600000"]}},
                     "timeouts": {"drain": 500}})
    wires = [Wire(mine.port) for _ in range(6)]
    for key, wire in enumerate(wires):
        wire.send(f"GET /home?request_id={key * 7} HTTP/1.1\r\nHost: a\r\n\r\n")
    until(lambda: sum(r["in_flight"] for r in mine.replicas().values()) == 6, what="six requests in flight")
    held = mine.replicas()["Server 1"]["in_flight"]
    assert mine.rm({"hostnames": ["Server 1"]}).status == 200
    until(lambda: "gone" in kinds(mine, "Server 1"), 20, "its end")
    events = mine.admin("GET", "/_lb/events?replica=Server%201").json()["events"]
    told = [e for e in events if e["kind"] in ("cut", "drained")]
    assert len(told) == 1
    assert told[0]["kind"] == ("cut" if held else "drained")
    assert told[0]["why"].endswith(f"{held} requests are cut off")
    assert f'replica "Server 1": {told[0]["why"]}' in mine.log()


def test_a_removal_of_an_idle_one_cuts_none(balancer):
    mine = balancer()
    assert mine.rm({"hostnames": ["Server 2"]}).status == 200
    until(lambda: "drained" in kinds(mine, "Server 2"), 20, "that it is said")
    event = mine.admin("GET", "/_lb/events?replica=Server%202&kind=drained").json()["events"][0]
    assert event["why"].endswith("0 requests are cut off")
