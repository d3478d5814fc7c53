"""docker-compose up, and everything that can happen to containers. One balancer for the whole file, so the order
counts: up is first, and each test leaves three replicas behind until down; an
engine that goes away comes last."""

import json
import os
import signal
import subprocess
import time

import pytest

from house import ADMIN, PROJECT, SECOND, House, Load, ask, docker, engine, until


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = House(tmp_path_factory.mktemp("house"))
    docker("run", "-d", "--name", "foreigner", "debian:bookworm-slim", "sleep", "100000")
    made.compose("up", "-d")
    until(lambda: len(made.rep()) == 3, within=60, what="three replicas after up")
    yield made
    docker("rm", "-f", "foreigner", check=False)
    subprocess.run(["/usr/bin/docker-compose", "-p", PROJECT, "down"], check=False, timeout=180)


@pytest.fixture(autouse=True)
def show_log(request, house):
    yield
    report = getattr(request.node, "rep_call", None)
    if report is not None and report.failed:
        print(house.log()[-6000:])


def spent(what, since):
    print(f"    {what}: {time.monotonic() - since:.2f} s")


def test_up(house):
    names = house.whole()
    assert names == ["Server 1", "Server 2", "Server 3"]
    assert house.rep(port=SECOND) == names
    ids = {json.loads(ask("GET", "/home")[1])["message"] for _ in range(60)}
    assert ids == {f"Hello from Server: {n}" for n in (1, 2, 3)}
    labels = json.loads(docker("inspect", "-f", "{{json .Config.Labels}}", f"{PROJECT}-Server-2"))
    wanted = {"instance": PROJECT, "pool": "default", "ordinal": "2", "name": "Server 2"}
    assert {key: labels[f"ringmaster.{key}"] for key in wanted} == wanted
    assert docker("exec", f"{PROJECT}_ringmaster_1", "sh", "-c", "grep ^Uid /proc/1/status").split()[1] != "0"
    until(lambda: docker("inspect", "-f", "{{.State.Health.Status}}", f"{PROJECT}_ringmaster_1") == "healthy",
          within=60, what="a good health check")


def test_add_and_rm(house):
    status, text = ask("POST", "/add", '{"n": 2, "hostnames": ["S5"]}')
    message = json.loads(text)["message"]
    assert status == 200 and message["N"] == 5 and message["added"][0] == "S5", text
    house.whole(5)
    for name in message["added"]:
        status, text = ask("DELETE", "/rm", json.dumps({"n": 1, "hostnames": [name]}))
        assert status == 200, text
    house.whole(3)


@pytest.mark.parametrize("how", [["kill"], ["rm", "-f"]])
def test_a_death_is_not_noticed_by_clients(house, how):
    victim = house.whole()[1]
    ring_name = house.rows()[victim]["ring_name"]
    began = time.monotonic()
    with Load() as load:
        docker(*how, house.rows()[victim]["container"])
        names = house.replaced(victim, " ".join(how))
    spent(f"{' '.join(how)} to three replicas again, {load.count} GETs meanwhile", began)
    assert not load.failed, load.failed[:3]
    assert load.count > 10
    assert house.rows()[names[1]]["ring_name"] == ring_name


@pytest.mark.parametrize("how", [["kill", "-s", "STOP"], ["pause"]])
def test_one_that_hangs_is_replaced(house, how):
    victim = house.whole()[0]
    began = time.monotonic()
    docker(*how, house.rows()[victim]["container"])
    house.replaced(victim, " ".join(how))
    spent(f"{' '.join(how)} to three replicas again", began)


def test_one_that_cannot_be_reached_is_replaced(house):
    victim = house.whole()[2]
    docker("network", "disconnect", "ringmaster", house.rows()[victim]["container"])
    house.replaced(victim, "network disconnect")


def test_reload_follows_the_mounted_file(house):
    house.whole()
    back = house.set("count = 3;", "count = 4;")
    house.reload()
    house.whole(4)
    house.set(*back)
    house.reload()
    house.whole(3)


def add_fails(house, name="S77"):
    """The reason that /add gives."""
    status, text = ask("POST", "/add", json.dumps({"n": 1, "hostnames": [name]}))
    assert status == 504, text
    assert name not in house.rep()
    return json.loads(text)["message"]["error"]


@pytest.mark.parametrize("old, new, reason", [
    ('image = "ringmaster-backend"', 'image = "no/such:image"', "No such image"),
    ('network = "ringmaster"', 'network = "nosuchnetwork"', "nosuchnetwork not found"),
])
def test_what_is_missing_is_said(house, old, new, reason):
    house.whole()
    back = house.set(old, new)
    house.reload()
    try:
        assert reason in add_fails(house)
        assert reason in house.log()
    finally:
        house.set(*back)
        house.reload()
    house.whole(3)


def test_a_name_that_somebody_else_has_is_said_and_left_alone(house):
    docker("run", "-d", "--name", f"{PROJECT}-S78", "debian:bookworm-slim", "sleep", "100000")
    try:
        assert "is already in use" in add_fails(house, "S78")
        assert docker("inspect", "-f", "{{.State.Running}}", f"{PROJECT}-S78") == "true"
    finally:
        docker("rm", "-f", f"{PROJECT}-S78")
    house.whole(3)


def test_a_published_port_that_is_taken_is_skipped(house):
    back = house.set("publish_base_port = 0;", "publish_base_port = 5001;")
    docker("run", "-d", "--name", "squatter", "-p", "5001:80", "debian:bookworm-slim", "sleep", "100000")
    try:
        house.reload()
        status, text = ask("POST", "/add", '{"n": 1, "hostnames": ["S79"]}')
        assert status == 200, text
        assert "port 5001 of the engine's machine is taken" in house.log()
        assert json.loads(ask("GET", "/home", port=5002)[1])["message"] == "Hello from Server: S79"
        assert ask("DELETE", "/rm", '{"n": 1, "hostnames": ["S79"]}')[0] == 200
    finally:
        docker("rm", "-f", "squatter")
        house.set(*back)
        house.reload()
    house.whole(3)


def test_a_crash_loop_is_damped_and_mended(house):
    """The image's program ends at once: its place waits longer and longer, the engine is asked for little, the others
    serve, and when the image is good again the place is filled without anybody's help."""
    victim = house.whole()[1]
    ring_name = house.rows()[victim]["ring_name"]
    back = house.set('image = "ringmaster-backend";',
                     'image = "ringmaster-backend"; command = [ "sh", "-c", "echo I am broken; exit 3" ];')
    house.reload()
    since = docker("info", "-f", "{{.SystemTime}}")

    def row():
        return next(r for r in house.state()["replicas"] if r["ring_name"] == ring_name)

    def created():
        out = docker("events", "--since", since, "--until", docker("info", "-f", "{{.SystemTime}}"), "--filter",
                     "event=create", "--filter", f"label=ringmaster.instance={PROJECT}", "--format", "{{.ID}}")
        return len(out.split())
    before = row()["restarts"]
    with Load() as load:
        docker("kill", house.rows()[victim]["container"])
        until(lambda: row()["restarts"] >= before + 5, within=60, what="five failed starts")
        until(lambda: row()["state"] == "BACKOFF" and row()["state_s"] > 0.5, within=60, what="a pause of half a second")
        restarts, calls = row()["restarts"] - before, created()
    assert not load.failed, load.failed[:3]
    assert len(house.rep()) == 2
    assert restarts <= 9, "the sixth pause is longer than a second"
    assert calls in (restarts, restarts + 1), "one container a start"
    log = house.log()
    assert "exited with status 3" in log and "last printed: I am broken" in log
    told = [e for e in json.loads(ask("GET", "/_lb/events", port=ADMIN)[1])["events"] if "exited with status 3" in e["why"]]
    assert len(told) >= 5
    house.set(*back)
    house.reload()
    house.whole(3)
    print(f"    {restarts} failed starts until then, {calls} containers created")


def test_a_killed_balancer_adopts(house):
    """kill -9: the engine starts the balancer again, and it finds its replicas as they were."""
    assert ask("POST", "/add", '{"n": 1, "hostnames": ["S80"]}')[0] == 200
    names, before = house.whole(4), house.containers()
    rings = {name: row["ring_name"] for name, row in house.rows().items()}
    pid = int(docker("inspect", "-f", "{{.State.Pid}}", f"{PROJECT}_ringmaster_1"))
    os.kill(pid, signal.SIGKILL)

    def back():
        now = int(docker("inspect", "-f", "{{.State.Pid}}", f"{PROJECT}_ringmaster_1"))
        return now not in (0, pid) and len(house.rep()) == 4
    until(back, within=60, what="the balancer with its four replicas")
    assert house.rep() == names
    assert house.containers() == before
    rows = house.rows()
    assert {name: row["ring_name"] for name, row in rows.items()} == rings
    assert sum(row["restarts"] for row in rows.values()) == 0
    assert ask("DELETE", "/rm", '{"n": 1, "hostnames": ["S80"]}')[0] == 200
    house.whole(3)


def label(container, name):
    return docker("inspect", "-f", f'{{{{index .Config.Labels "ringmaster.{name}"}}}}', container)


def test_labels_alone_bring_replicas_back_with_their_weights(house):
    """Without the state file. One that was made by hand, with our labels, becomes a replica like the others."""
    house.whole()
    status, text = ask("POST", "/add", '{"n": 1, "hostnames": ["S82"], "weights": [3]}')
    assert status == 200, text
    assert house.rows()["S82"]["weight"] == 3
    assert label(f"{PROJECT}-S82", "weight") == "3"
    names, before = house.whole(4), house.containers()
    balancer = f"{PROJECT}_ringmaster_1"
    docker("exec", balancer, "rm", "/var/lib/ringmaster/members")
    docker("update", "--restart=no", balancer)
    docker("kill", balancer)
    mine = {"instance": PROJECT, "name": "Server 9", "ring_name": "Server 9", "weight": 5, "position": 1000}
    labels = [word for key, value in mine.items() for word in ("--label", f"ringmaster.{key}={value}")]
    docker("run", "-d", "--name", "by-hand", "--network", "ringmaster", "-e", "SERVER_ID=hand", *labels, "ringmaster-backend")
    docker("start", balancer)
    docker("update", "--restart=always", balancer)
    assert house.whole(5) == [*names, "Server 9"]
    after, rows = house.containers(), house.rows()
    assert {name: after[name] for name in names} == before
    assert {name: rows[name]["weight"] for name in rows} == {**dict.fromkeys(names, 1), "S82": 3, "Server 9": 5}
    assert rows["Server 9"]["ordinal"] == 9, "no label says so, but its name does"
    assert sum(row["restarts"] for row in rows.values()) == 0
    served = [json.loads(ask("GET", f"/home?request_id={key}")[1])["message"] for key in range(300)]
    assert served.count("Hello from Server: hand") > 300 / 11, "five of eleven parts are its share"
    assert ask("DELETE", "/rm", '{"n": 2, "hostnames": ["S82", "Server 9"]}')[0] == 200
    house.whole(3)


def test_down_leaves_none_behind(house):
    house.whole()
    house.compose("down")
    assert house.containers() == {}
    assert docker("inspect", "-f", "{{.State.Status}}", "foreigner") in ("running", "exited")
    assert "ringmaster" not in docker("network", "ls", "--format", "{{.Name}}").split()


def up_again(house):
    """The engine was away: the balancer has found it, and the supervisor works as before."""
    until(lambda: house.state()["trouble"] is None, within=60, what="the engine being found again")
    return house.whole()


def test_an_engine_that_is_killed_and_comes_back(house):
    """With live-restore containers outlive the engine. Trouble is told, the replicas serve; the engine's new socket is
    found, and nobody was started twice. One that died meanwhile is replaced then."""
    house.compose("up", "-d")
    until(lambda: len(house.rep()) == 3, within=60, what="three replicas after up")
    names, before, host = house.whole(), house.containers(), house.address()
    victim = house.rows()[names[1]]
    pid = int(docker("inspect", "-f", "{{.State.Pid}}", victim["container"]))
    engine("kill")
    with Load(host) as load:
        until(lambda: "engine at unix" in (house.state(host)["trouble"] or ""), within=30,
              what="the trouble being told")
        os.kill(pid, signal.SIGKILL)
        until(lambda: json.loads(ask("GET", "/rep", host=host)[1])["message"]["N"] == 2, within=30,
              what="the dead one out of rotation")
        until(lambda: load.count > 50, within=30, what="fifty GETs without an engine")
        engine("start")
        up_again(house)
    assert not load.failed, load.failed[:3]
    after, rows = house.containers(), house.rows()
    assert {name: after[name] for name in (names[0], names[2])} == {name: before[name] for name in (names[0], names[2])}
    assert names[1] not in after and len(after) == 3
    assert sum(row["restarts"] for row in rows.values()) == 1
    docker("kill", rows[names[0]]["container"])
    house.replaced(names[0], "kill, with the new engine")


def test_an_engine_that_is_restarted(house):
    """As an update does it, with live-restore: nobody notices."""
    house.whole()
    before, host = house.containers(), house.address()
    with Load(host) as load:
        engine("restart")
        up_again(house)
    assert not load.failed, load.failed[:3]
    assert house.containers() == before


@pytest.mark.parametrize("how", [["restart"], ["kill", "start"]], ids=["restarted", "killed"])
def test_without_live_restore_all_die_and_come_back(house, how):
    """The engine ends its containers, when it is asked to end or, after it was killed, when it starts: the balancer as
    well. It is started again by the engine, finds its dead and starts each of them anew, also those that /add made."""
    engine("restart", ENGINE_OPTIONS="")  # what live-restore has kept ends here
    up_again(house)
    assert ask("POST", "/add", '{"n": 1, "hostnames": ["S81"]}')[0] == 200
    names, before = house.whole(4), house.containers()
    for word in how:
        engine(word, ENGINE_OPTIONS="")

    def back():
        return len(house.rep()) == 4 and not set(house.containers().values()) & set(before.values())
    until(back, within=60, what="four other containers")
    assert house.whole(4) == names
    assert ask("DELETE", "/rm", '{"n": 1, "hostnames": ["S81"]}')[0] == 200
    house.whole(3)
