"""The driver dns: members from A and AAAA records, and what happens when DNS does not answer."""

import pytest

from harness import free_ports, until
from nameserver import AAAA, A, Nameserver

NAME = "backend.service.test"


@pytest.fixture
def dns(balancer, origin):
    """dns(server, n) starts a balancer over a name, with origins at 127.0.0.1 … 127.0.0.n and, with six, at ::1."""
    servers = []

    class Made:
        def __init__(self):
            self.server = Nameserver(NAME)
            self.port = free_ports()
            servers.append(self.server)

        def origins(self, n, six=False):
            for i in range(n):
                origin(address=f"127.0.0.{i + 1}", port=self.port)
            if six:
                origin(address="::1", port=self.port)

        def start(self, n=None, state_file="", **more):
            self.mine = balancer(
                {
                    "replicas": {
                        "driver": "dns",
                        "state_file": state_file,
                        "dns": {"name": NAME, "port": self.port, "server": self.server.place, "min_ttl_ms": 50,
                                "max_ttl_ms": 60000, "timeout_ms": 300, **more},
                    }
                },
                start=False,
            )
            self.mine.start(ready=False)
            self.mine.wait_ready(n)
            return self.mine

        def are(self, *addresses):
            until(lambda: self.mine.rep() == list(addresses), 20, f"the replicas {addresses}")

    yield Made
    for server in servers:
        server.close()


def events(mine):
    return mine.admin("GET", "/_lb/events").json()["events"]


def kinds(mine):
    return [e["kind"] for e in events(mine) if e["kind"].startswith("dns_")]


def four(last):
    return [f"127.0.0.{i}" for i in range(1, last + 1)]


def test_members_come_and_go_with_their_records(dns):
    it = dns()
    it.origins(3, six=True)
    it.server.records = {A: ["127.0.0.2", "127.0.0.1"]}
    mine = it.start(2)
    it.are("127.0.0.1", "127.0.0.2")
    rows = mine.replicas()
    assert rows["127.0.0.1"]["ring_name"] == "127.0.0.1"
    assert rows["127.0.0.1"]["address"] == f"127.0.0.1:{it.port}"
    assert {mine.ask(target=f"/home?request_id={i}").status for i in range(20)} == {200}
    it.server.records = {A: ["127.0.0.1", "127.0.0.3"], AAAA: ["::1"]}
    it.are("127.0.0.1", "127.0.0.3", "::1")
    assert mine.replicas()["::1"]["address"] == f"[::1]:{it.port}"
    until(lambda: "127.0.0.2" not in mine.replicas(), what="the one that left to be drained")
    assert "drained" in [e["kind"] for e in events(mine) if e["replica"] == "127.0.0.2"]
    assert mine.state()["driver"] == "dns"
    assert mine.state()["trouble"] is None
    assert kinds(mine) == []


def test_keys_go_by_the_address(dns):
    it = dns()
    it.origins(3)
    it.server.records = {A: four(3)}
    mine = it.start(3)
    before = [mine.served_by(i) for i in range(30)]
    it.server.records = {A: four(2)}
    it.are(*four(2))
    assert [mine.served_by(i) for i in range(30) if before[i] != "127.0.0.3"] == \
        [name for name in before if name != "127.0.0.3"]
    it.server.records = {A: four(3)}
    it.are(*four(3))
    assert [mine.served_by(i) for i in range(30)] == before


@pytest.mark.parametrize("mood", ["nxdomain", "servfail", "silent", "empty"])
def test_the_last_good_answer_stays(dns, mood):
    it = dns()
    it.origins(3)
    it.server.records = {A: four(2)}
    mine = it.start(2, max_ttl_ms=200)
    if mood == "empty":
        it.server.records = {}
    else:
        it.server.mood = mood
    until(lambda: mine.state()["trouble"], 20, "that it says so")
    asked = sum(it.server.asked.values())
    until(lambda: sum(it.server.asked.values()) > asked + 4, 20, "more questions")
    assert mine.rep() == four(2)
    assert mine.ask().status == 200
    assert kinds(mine) == ["dns_failed"], "once, not with each attempt"
    why = events(mine)[-1]["why"]
    assert NAME in why and "the last good answer stays" in why
    assert why in mine.log()
    it.server.mood, it.server.records = None, {A: four(3)}
    it.are(*four(3))
    assert kinds(mine) == ["dns_failed", "dns_recovered"]
    assert mine.state()["trouble"] is None


def test_half_an_answer_is_none(dns):
    it = dns()
    it.origins(2, six=True)
    it.server.records = {A: four(1), AAAA: ["::1"]}
    mine = it.start(2)
    it.server.moods = {AAAA: "servfail"}
    until(lambda: mine.state()["trouble"], 20, "that it says so")
    it.server.records[A] = four(2)
    asked = it.server.asked["udp", A]
    until(lambda: it.server.asked["udp", A] > asked + 2, 20, "more questions")
    assert mine.rep() == ["127.0.0.1", "::1"]
    it.server.moods = {}
    it.are("127.0.0.1", "::1", "127.0.0.2")


def test_a_cut_off_answer_is_asked_for_again_over_tcp(dns):
    it = dns()
    it.origins(2)
    it.server.truncate = True
    it.server.records = {A: four(2) + [f"127.1.{i // 200}.{i % 200 + 1}" for i in range(300)]}
    mine = it.start(2)
    assert it.server.asked["tcp", A] >= 1
    assert len(mine.replicas()) == 302
    it.server.records = {A: four(1)}
    until(lambda: len(mine.replicas()) == 1, 30, "the short answer")


def test_the_ttl_says_when_to_ask_again(dns):
    it = dns()
    it.origins(2)
    it.server.alias, it.server.alias_ttl, it.server.ttl = "other.test", 3000, 4000
    it.server.records = {A: four(1)}
    mine = it.start(1)
    assert {mine.ask().status for _ in range(500)} == {200}  # longer than some times min_ttl_ms
    assert it.server.asked["udp", A] == 1
    it.server.records = {A: four(2)}
    it.server.alias_ttl = 0  # of the alias, if of nothing else
    assert mine.reload({"replicas": {"dns": {"name": NAME.upper()}}}).status == 200
    it.are(*four(2))
    asked = it.server.asked["udp", A]
    until(lambda: it.server.asked["udp", A] > asked + 5, 20, "more questions")


def test_add_is_refused_and_rm_takes_out_until_the_record_has_gone(dns):
    it = dns()
    it.origins(2, six=True)
    it.server.records = {A: four(2), AAAA: ["::1"]}
    mine = it.start(3)
    answer = mine.add({"n": 1})
    assert answer.status == 400
    assert b"driver dns starts no replicas: give the new one a record in DNS" in answer.body
    assert mine.rm({"hostnames": ["127.0.0.1", "::1"]}).status == 200
    assert mine.rep() == ["127.0.0.2"]
    asked = it.server.asked["udp", A]
    until(lambda: it.server.asked["udp", A] > asked + 3, 20, "more questions")
    assert mine.rep() == ["127.0.0.2"]
    it.server.records = {A: ["127.0.0.2"], AAAA: ["::1"]}
    asked = it.server.asked["udp", A]
    until(lambda: it.server.asked["udp", A] > asked + 3, 20, "more questions")
    it.server.records = {A: four(2), AAAA: ["::1"]}
    it.are("127.0.0.2", "127.0.0.1")


def test_a_name_that_comes_later(dns):
    it = dns()
    it.origins(1)
    it.server.mood = "nxdomain"
    mine = it.start(0)
    until(lambda: kinds(mine) == ["dns_failed"], 20, "that it says so")
    assert mine.ask().status == 503
    it.server.mood, it.server.records = None, {A: four(1)}
    it.are(*four(1))
    assert mine.ask().status == 200


def test_what_rm_took_out_stays_out_over_a_restart(dns):
    it = dns()
    it.origins(3)
    it.server.records = {A: four(3)}
    mine = it.start(3, state_file="state.json")
    assert mine.rm({"hostnames": ["127.0.0.2"]}).status == 200
    mine.stop()
    mine.start(ready=False)
    it.are("127.0.0.1", "127.0.0.3")


def test_a_reload_changes_the_port_and_the_name(dns):
    it = dns()
    it.origins(2)
    it.server.records = {A: four(2)}
    mine = it.start(2)
    other = dns()
    other.origins(2)
    assert mine.reload({"replicas": {"dns": {"port": other.port}}}).status == 200
    places = [f"{name}:{other.port}" for name in four(2)]
    until(lambda: sorted(r["address"] or "" for r in mine.replicas().values()) == places, 20, "the other port")
    until(lambda: sorted(mine.rep()) == four(2), 20, "them to serve there")
    assert mine.reload({"replicas": {"dns": {"name": "nobody.test"}}}).status == 200
    until(lambda: "nobody.test" in (mine.state()["trouble"] or ""), 20, "that it says so")
    assert sorted(mine.rep()) == four(2)
