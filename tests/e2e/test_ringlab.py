"""ringlab: the load generator against scripted peers, the experiments against a balancer, and what is kept when they are cut
short.
"""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import uuid

import pytest

from harness import BUILD, SANITIZER, SLOW, SOURCE, free_ports, processes_with, until
from installed import run
from origin import CLOSE, KEEP, scripted

RINGLAB = BUILD / "bin" / "ringlab"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Served-By: one\r\n\r\nok"


def ringlab(*words, code=0, **keywords):
    keywords.setdefault("within", 120)
    return run([RINGLAB, *words], code=code, **keywords)


def load(url, *words, code=0):
    done = ringlab("load", url, "--json", "--quiet", *words, code=code)
    return json.loads(done.stdout), done.stderr


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def result(folder):
    return json.loads((folder / "result.json").read_text())


def attach(b, out):
    return ["--url", f"http://127.0.0.1:{b.port}", "--admin", f"http://127.0.0.1:{b.admin_port}", "--quiet", "--out", out]


# ---- the generator


def test_every_request_is_counted_once(balancer):
    b = balancer()
    got, _ = load(f"127.0.0.1:{b.port}", "--requests", "3000")
    assert got["requests"] == got["good"] == got["statuses"]["200"] == sum(got["replicas"].values()) == 3000
    assert got["failed"] == 0 and got["errors"] == {} and got["ended_early"] is None
    assert got["latency_ms"]["count"] == 3000
    assert got["latency_ms"]["p50"] <= got["latency_ms"]["p99"] <= got["latency_ms"]["max"]
    answered = {name: row["answered"] for name, row in b.replicas().items()}
    assert got["replicas"] == answered, "the balancer counts otherwise"
    ids = []
    for name in answered:
        ids += b.ask("GET", f"/requests/{name.replace(' ', '%20')}").json()["requests"]
    assert len(set(ids)) == len(ids) == 3000, "ids repeat"


def test_connections_are_kept_or_closed_as_asked(origin):
    o = origin(scripted(OK))
    load(f"127.0.0.1:{o.port}", "--requests", "200", "--concurrency", "4")
    assert o.connections == 4
    o = origin(scripted(OK.replace(b"\r\n\r\nok", b"\r\nConnection: close\r\n\r\nok")))
    got, _ = load(f"127.0.0.1:{o.port}", "--requests", "50", "--concurrency", "4", "--close")
    assert o.connections == 50 and got["failed"] == 0


def test_the_open_loop_counts_from_the_intended_time(origin):
    """The target stands still for a second: a closed loop waits with it, an open one goes on asking, and every request
    that was due meanwhile is late."""
    rate, stall, lock, seen = 200, 1.0, threading.Lock(), []

    def stalls_once(received, exchange):
        with lock:
            seen.append(received.target)
            if len(seen) == rate // 2:
                time.sleep(stall)  # the stall itself: nothing waits for it
        exchange.send(OK)
        return KEEP

    o = origin(stalls_once)
    got, _ = load(f"127.0.0.1:{o.port}", "--seconds", "2.5", "--rate", str(rate))
    assert got["requests"] == len(seen) == pytest.approx(2.5 * rate, abs=2)
    assert got["failed"] == 0
    # 200 of 500 were due while it stood still, spread evenly over that second: 30 % of all are later than 0.25 s.
    assert got["latency_ms"]["p75"] >= 200, got["latency_ms"]
    assert got["latency_ms"]["max"] >= 990
    assert got["generator"]["loop"] == "open"


def test_the_intended_rate_is_kept_when_connections_run_out(origin):
    """Two connections and answers that take 0.1 s carry 20 requests a second; 100 a second are due. What waits for a
    connection waits in the latency, not outside of it."""

    def takes_its_time(received, exchange):
        time.sleep(0.1)
        exchange.send(OK)
        return KEEP

    o = origin(takes_its_time)
    got, _ = load(f"127.0.0.1:{o.port}", "--requests", "40", "--rate", "100", "--concurrency", "2")
    assert o.connections == 2
    assert got["latency_ms"]["max"] >= 1500, "the last was due after 0.4 s and sent after 1.9 s"


ODD = {
    "not an HTTP reply": b"SSH-2.0-OpenSSH_9.2\r\n",
    "closed before the reply": b"",
    "reply cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour",
}


@pytest.mark.parametrize("kind", ODD)
def test_failures_are_told_apart(origin, kind):
    def odd(received, exchange):
        exchange.send(ODD[kind])
        return CLOSE

    o = origin(scripted(*[OK] * 3, odd, OK))
    got, _ = load(f"127.0.0.1:{o.port}", "--requests", "10", "--concurrency", "1")
    assert got["errors"] == {kind: 1}
    assert got["good"] == 9 and got["failed"] == 1


def test_a_bad_status_is_a_failure_and_silence_times_out(origin):
    silent = threading.Event()

    def says_nothing(received, exchange):
        silent.wait(30 * SLOW)
        return CLOSE

    busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    o = origin(scripted(OK, busy, busy, says_nothing, OK))
    got, _ = load(f"127.0.0.1:{o.port}", "--requests", "8", "--concurrency", "1", "--timeout-ms", str(1000 * SLOW))
    silent.set()
    assert got["statuses"] == {"200": 5, "503": 2}
    assert got["errors"] == {"timed out": 1}
    assert got["failed"] == 3 and got["nobody"] == 2


def test_replies_in_chunks_and_up_to_the_end_are_read(origin):
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    def until_the_end(received, exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")
        return CLOSE

    o = origin(scripted(chunks, chunks, until_the_end, chunks))
    got, _ = load(f"127.0.0.1:{o.port}", "--requests", "6", "--concurrency", "1")
    assert got["good"] == 6 and o.connections == 2


def test_progress_is_a_line_every_tenth(balancer):
    b = balancer()
    done = ringlab("load", f"127.0.0.1:{b.port}", "--seconds", "2", "--concurrency", "2")
    tenths = [int(n) for n in re.findall(r": (\d+) %, \d+ requests", done.stderr)]
    assert tenths == sorted(set(tenths)) and tenths[-1] == 100, done.stderr
    assert all(n % 10 == 0 for n in tenths)


# ---- the experiments


def test_a1_counts_what_the_balancer_counts(balancer, tmp_path):
    b = balancer()
    out = tmp_path / "out"
    ringlab("a1", *attach(b, out), "--requests", "2000")
    counts = {row["replica"]: int(row["requests"]) for row in rows(out / "a1" / "counts.csv")}
    assert counts == {name: row["answered"] for name, row in b.replicas().items()}
    raw = rows(out / "a1" / "requests.csv")
    assert len(raw) == 2000 and {row["status"] for row in raw} == {"200"}
    for name in counts:
        assert sum(row["replica"] == name for row in raw) == counts[name]
    got = result(out / "a1")
    assert got["spread"]["max_over_mean"] == pytest.approx(3 * max(counts.values()) / 2000)
    assert 1 < got["floor"]["mean"] < got["floor"]["p95"] < 1.2
    assert all(part["rss_kib"] > 0 and part["cpu_ms"] >= 0 for part in got["replicas"])
    setup = json.loads((out / "setup.json").read_text())
    assert setup["strategy"]["scheduler"] == "scheduler_ring" and setup["machine"]["cores"] > 0


def test_a2_moves_only_what_must_move_and_leaves_the_replicas_as_they_were(balancer, tmp_path):
    b = balancer()
    before = b.rep()
    out = tmp_path / "out"
    ringlab("a2", *attach(b, out), "--requests", "2000")
    assert b.rep() == before
    steps = rows(out / "a2" / "steps.csv")
    assert [(row["n"], row["by"]) for row in steps] == [(str(n), "add") for n in range(2, 7)] + [("5", "rm")]
    for row in steps:
        assert int(row["requests"]) == 2000 and int(row["failed"]) == 0
        assert float(row["mean"]) == pytest.approx(2000 / int(row["n"]), abs=0.001)
    for row in steps[1:]:
        assert float(row["moved_in_vain"]) == 0, "a ring moves no key between old replicas"
        assert 0 < float(row["moved"]) < 2 * float(row["moved_minimum"])
    five, again = (steps[3], steps[5])
    assert five["max"] == again["max"] and five["stddev"] == again["stddev"], "after /rm the keys are where they were"


@pytest.mark.skipif(SANITIZER != "", reason="its incidents go by the balancer's own times, which a sanitizer stretches")
def test_a3_finds_no_failure_and_leaves_the_replicas_as_they_were(balancer, tmp_path):
    b = balancer()
    before = sorted(b.rep())
    out = tmp_path / "out"
    ringlab("a3", *attach(b, out), "--seconds", "9", "--rate", "100")
    got = result(out / "a3")
    assert got["calls_as_expected"] and all(call["as_expected"] for call in got["calls"])
    assert [row["incident"] for row in got["incidents"]] == ["kill", "pause", "hang"]
    for row in got["incidents"]:
        assert row["failed"] == 0, row
        assert 0 <= row["out_of_rotation_ms"] <= row["n_again_ms"]
    kill, pause, hang = got["incidents"]
    assert kill["stand_in"].startswith("emergency_") and hang["stand_in"].startswith("emergency_")
    assert pause["stand_in"] == "", "a pause is no death"
    timeline = rows(out / "a3" / "kill.csv")
    assert sum(int(row["due"]) for row in timeline) == pytest.approx(450, abs=25)
    assert sorted(b.rep()) == before


def test_a4_edits_a_running_balancers_file_and_puts_it_back(balancer, tmp_path):
    b = balancer()
    before, out = b.config.read_text(), tmp_path / "out"
    ringlab(
        "a4", *attach(b, out), "--conf", b.config, "--requests", "1000", "--strategies", "maglev,assignment,round-robin"
    )
    assert b.config.read_text() == before
    assert b.state()["strategy"]["scheduler"] == "scheduler_ring" and b.state()["strategy"]["hash"] == "hash_murmur"
    table = {row["name"]: row for row in rows(out / "a4" / "strategies.csv")}
    assert list(table) == ["maglev", "assignment", "round-robin"]
    assert float(table["round-robin"]["max_over_mean_3"]) == pytest.approx(1.002)
    assert table["round-robin"]["moved"] == "" and float(table["maglev"]["moved"]) > 0.1
    # 84.4 % of the keys for one of three; of six-digit ids a little less than a slot's worth off
    assert float(table["assignment"]["expected_3"]) == pytest.approx(3 * 0.844, abs=0.01)
    assert float(table["assignment"]["max_over_mean_3"]) == pytest.approx(3 * 0.844, abs=0.15)
    ring = result(out / "a4")["strategies"][1]["ring"]
    assert (ring["slots"], ring["reached"]) == (512, 87)
    assert ring["fullest_slot"] == pytest.approx(0.0625, abs=0.001)


def test_spawn_leaves_nothing_and_the_report_is_whole(tmp_path):
    mark = f"RM_TEST_MARK={uuid.uuid4().hex}"
    name, value = mark.split("=")
    out = tmp_path / "out"
    environment = {**os.environ, name: value}
    words = ["--out", out, "--quiet", "--requests", "1000"]
    ringlab("a1", "--spawn", *words, env=environment)
    ringlab("a2", "--spawn", *words, env=environment)
    ringlab("a4", "--spawn", *words, "--strategies", "lb.conf,assignment", env=environment, within=240)
    assert processes_with(mark.encode()) == []
    drawn = shutil.which("gnuplot") is not None
    done = ringlab("report", "--out", out, code=0 if drawn else 1)
    html, markdown = (out / "report.html").read_text(), (out / "report.md").read_text()
    for text in (html, markdown):
        assert "87 of the 512 slots" in text
        assert "chance alone" in text
    costs = markdown.split("What a replica used")[1].split("## A-")[0]
    assert len(re.findall(r"^\| \d \| (?:start|add|rm) \| \d+ to \d+ \| [\d.]+ to [\d.]+ \| \d+ to \d+ \| \d+ \| \d+ \|$", costs, re.M)) == 6
    assert re.search(r"<script|(?:src|href)=\"(?!data:)", html) is None, "the page needs another file"
    if drawn:
        assert "gnuplot" not in done.stderr
        for plot in ("a1", "a2", "a2_moved", "a4", "rings"):
            assert (out / "plots" / f"{plot}.png").read_bytes().startswith(b"\x89PNG")
            assert (out / "plots" / f"{plot}.svg").stat().st_size > 2000
            assert (out / "plots" / f"{plot}.gp").exists()
        assert html.count("data:image/svg+xml;base64,") >= 8


# ---- when it goes wrong


def test_without_gnuplot_the_report_says_so_and_the_rest_is_there(balancer, tmp_path):
    b = balancer()
    out = tmp_path / "out"
    ringlab("a1", *attach(b, out), "--requests", "500")
    empty = tmp_path / "empty"
    empty.mkdir()
    done = ringlab("report", "--out", out, code=1, env={**os.environ, "PATH": str(empty)})
    assert "gnuplot is not installed" in done.stderr and "gnuplot-nox" in done.stderr
    assert "max/mean" in (out / "report.md").read_text() or "fair share" in (out / "report.md").read_text()
    assert "</html>" in (out / "report.html").read_text()
    assert (out / "plots" / "a1.gp").exists()


def test_nobody_at_the_url(tmp_path):
    port = free_ports()
    for words in (["load", f"127.0.0.1:{port}"], ["a1", "--url", f"http://127.0.0.1:{port}", "--out", tmp_path / "o"]):
        done = ringlab(*words, code=1)
        assert f"127.0.0.1:{port}" in done.stderr
        assert re.search("refused|connect", done.stderr, re.I), done.stderr


def test_the_url_of_something_else(origin, tmp_path):
    o = origin(scripted(OK))
    done = ringlab("a1", "--url", f"http://127.0.0.1:{o.port}", "--out", tmp_path / "o", code=1)
    assert "not what a balancer" in done.stderr


def test_the_balancer_is_killed_in_mid_run(balancer, tmp_path):
    b = balancer()
    out = tmp_path / "out"
    lab = subprocess.Popen(
        [str(w) for w in (RINGLAB, "a1", *attach(b, out), "--requests", "900000")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: b.state()["totals"]["requests"] > 500, what="a run under way")
    b.process.kill()
    try:
        said, complained = lab.communicate(timeout=60 * SLOW)
    finally:
        lab.kill()
    b.process.wait()
    b.process = None  # its end was no normal one
    assert lab.returncode == 1
    assert "the target has gone" in complained
    got = result(out / "a1")
    assert got["load"]["ended_early"].startswith("the target has gone")
    assert got["load"]["good"] > 500
    assert sum(int(row["requests"]) for row in rows(out / "a1" / "counts.csv")) >= got["load"]["good"]
    assert "Server 1" in said


def test_a_full_disk_is_said_and_the_rest_is_kept(balancer, tmp_path):
    b = balancer()
    out = tmp_path / "out"
    (out / "a1").mkdir(parents=True)
    (out / "a1" / "requests.csv").symlink_to("/dev/full")
    done = ringlab("a1", *attach(b, out), "--requests", "500", code=1)
    assert "requests.csv" in done.stderr and "No space left on device" in done.stderr and "kept" in done.stderr
    assert sum(int(row["requests"]) for row in rows(out / "a1" / "counts.csv")) == 500
    assert result(out / "a1")["load"]["good"] == 500


def test_a_full_disk_leaves_the_result_before_as_it_was(balancer, tmp_path):
    """And each file that could not be written is named."""
    b = balancer()
    out = tmp_path / "out"
    ringlab("a1", *attach(b, out), "--requests", "400")
    before = result(out / "a1")
    for name in ("requests.csv", "result.json.new"):
        (out / "a1" / name).unlink(missing_ok=True)
        (out / "a1" / name).symlink_to("/dev/full")
    done = ringlab("a1", *attach(b, out), "--requests", "500", code=1)
    for name in ("requests.csv", "result.json"):
        assert re.search(f"cannot write .*{name}.*No space left on device", done.stderr), done.stderr
    assert done.stderr.count("cannot write") == 2
    assert result(out / "a1") == before
    assert not (out / "a1" / "result.json.new").is_symlink(), "nothing half is left"


def test_the_balancer_is_killed_within_a2(balancer, tmp_path):
    """What was counted before stays, and a report can be made of it."""
    b = balancer()
    out = tmp_path / "out"
    lab = subprocess.Popen(
        [str(w) for w in (RINGLAB, "a2", *attach(b, out), "--requests", "20000")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: len(rows(out / "a2" / "steps.csv")) >= 1, 60, what="the first step's row")
    b.process.kill()
    try:
        said, complained = lab.communicate(timeout=60 * SLOW)
    finally:
        lab.kill()
    b.process.wait()
    b.process = None  # its end was no normal one
    assert lab.returncode == 1
    assert re.search("the target has gone|no balancer at|cannot", complained), complained
    assert "What there is lies in" in said
    steps = rows(out / "a2" / "steps.csv")
    assert int(steps[0]["n"]) == 2 and float(steps[0]["mean"]) == 10000
    assert result(out / "a2")["steps"][0]["n"] == 2
    ringlab("report", "--out", out, code=0 if shutil.which("gnuplot") else 1)
    assert "A-2" in (out / "report.md").read_text()


def test_an_out_that_is_a_file(balancer, tmp_path):
    b = balancer()
    out = tmp_path / "out"
    out.write_text("")
    done = ringlab("a1", *attach(b, out), code=1)
    assert "cannot make the folder" in done.stderr


def test_ctrl_c_keeps_what_there_is_and_ends_what_was_started(tmp_path):
    mark = f"RM_TEST_MARK={uuid.uuid4().hex}"
    name, value = mark.split("=")
    out = tmp_path / "out"
    lab = subprocess.Popen(
        [str(w) for w in (RINGLAB, "all", "--spawn", "--out", out, "--requests", "2000", "--strategies", "maglev")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, name: value},
    )
    until(lambda: (out / "a2" / "steps.csv").exists() and len(rows(out / "a2" / "steps.csv")) >= 1, 60, "A-2 under way")
    lab.send_signal(signal.SIGINT)
    try:
        said, complained = lab.communicate(timeout=60 * SLOW)
    finally:
        lab.kill()
    assert lab.returncode == 1, complained
    assert "interrupted" in complained or "What there is" in said
    assert result(out / "a1")["load"]["good"] == 2000
    until(lambda: processes_with(mark.encode()) == [], what="no process left")


def test_a_wrong_word_is_a_usage_error():
    assert "no command" in ringlab("a5", code=2).stderr
    assert "--requests" in ringlab("load", "--requests", "many", code=2).stderr
    assert "unrecognized" in ringlab("a1", "--nonsense", code=2).stderr
    helped = ringlab("a2", "--help").stdout
    for option in ("--url", "--spawn", "--out", "--requests"):
        assert option in helped


def test_no_results_no_report(tmp_path):
    assert "there are no results" in ringlab("report", "--out", tmp_path, code=1).stderr


def test_a_strategy_that_is_not_there(tmp_path):
    done = ringlab("a4", "--spawn", "--quiet", "--out", tmp_path / "o", "--strategies", "nonesuch", code=1)
    assert 'no strategy "nonesuch"' in done.stderr


def test_the_plots_are_those_of_the_tree():
    """Each script names its data by a path that the experiments write, and is taken in by plots.c."""
    taken = (SOURCE / "lab" / "plots.c").read_text()
    for script in (SOURCE / "lab" / "plots").glob("*.gp"):
        assert f'"{script.name}"' in taken, script
