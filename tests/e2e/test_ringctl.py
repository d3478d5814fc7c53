"""ringctl: the author's kit, and explain against a running balancer.

What hash plugins compute is held against implementations that others wrote: libmurmurhash, xxhsum, python3-mmh3.
"""

import ctypes
import json
import os
import random
import re
import shutil
import signal
import string

import pytest

from harness import BUILD, PLUGINS, SANITIZER, SOURCE, free_ports, until
from installed import Installed, run
from wire import Wire

RINGCTL = BUILD / "bin" / "ringctl"
TEST_PLUGINS = BUILD / "test-plugins"

PLUGIN = """#include "lb_plugin.h"
#include <stdlib.h>
%(before)s
static uint64_t key(const void *self, const struct lb_key *k) { (void)self; (void)k; %(key)s }
static uint64_t place(const void *self, const struct lb_member *m, uint32_t j) { (void)self; return lb_mix64(m->id * 99991 + j); }
static const struct lb_hash_ops ops = { .struct_size = sizeof ops, .key = key, .place = place };
static const struct lb_plugin me = LB_PLUGIN(LB_HASH, "hash_odd", "1", "odd", 0, 0, &ops);
LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi) { (void)host_abi; return &me; }
"""

SCHEDULER = """#include "lb_plugin.h"
static int table;
static int build(const struct lb_build *in, void **t, struct lb_error *why) { (void)why; *t = &table; table = (int)in->n_members; return 0; }
static uint32_t pick(const void *t, const struct lb_pick *p, void *s) { (void)t; (void)s; (void)p; %(pick)s }
static int inspect(const void *t, struct lb_inspect *out) { (void)t; %(inspect)s return 0; }
static void destroy_table(void *t) { (void)t; }
static const struct lb_scheduler_ops ops = { .struct_size = sizeof ops, .build = build, .pick = pick, .inspect = inspect,
    .destroy_table = destroy_table };
static const struct lb_plugin me = LB_PLUGIN(LB_SCHEDULER, "scheduler_odd", "1", "odd", 0, 0, &ops);
LB_EXPORT const struct lb_plugin *lb_plugin_entry(uint32_t host_abi) { (void)host_abi; return &me; }
"""


def ringctl(*words, code=0, **keywords):
    return run([RINGCTL, *words], code=code, **keywords)


def compiled(folder, name, text):
    (folder / f"{name}.c").write_text(text)
    run(
        [
            "cc",
            "-O1",
            "-fPIC",
            "-shared",
            f"-I{SOURCE / 'include'}",
            "-o",
            folder / f"{name}.so",
            folder / f"{name}.c",
        ]
    )
    return folder / f"{name}.so"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("prefix"))


# ---- the program


def test_help_and_version():
    for word in ("--help", "-h", "help"):
        assert "plugin check X.so" in ringctl(word).stdout
    assert re.search(r"^ringctl \d+\.\d+.*\nplugin ABI \d+\.\d+$", ringctl("--version").stdout, re.MULTILINE)
    assert "plugin bench X.so" in ringctl("plugin", "bench", "--help").stdout


@pytest.mark.parametrize(
    "words, complaint",
    [
        ([], "Usage"),
        (["frobnicate"], 'no command "frobnicate"'),
        (["plugin"], 'no command "plugin"'),
        (["plugin", "frobnicate"], 'no command "plugin frobnicate"'),
        (["plugin", "new"], "something is missing"),
        (["plugin", "hash", "hash_murmur"], "something is missing"),
        (["plugin", "check", "a", "b"], "too many"),
        (["plugin", "check", "hash_murmur", "--members", "3"], "no --members"),
        (["plugin", "check", "hash_murmur", "--option", "seed"], "NAME=VALUE"),
        (["plugin", "check", "hash_murmur", "--timeout", "0"], "from 1 to"),
        (["plugin", "bench", "scheduler_ring", "--members", "3x"], "from 1 to"),
        (["plugin", "list", "--nonsense"], "nonsense"),
        (["explain"], "something is missing"),
        (["explain", ""], "at least one byte"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage(words, complaint):
    done = ringctl(*words, code=2)
    assert complaint in done.stderr
    assert done.stdout == ""


# ---- plugin new


def test_new_folders_build_with_cc_and_with_cmake_and_pass(installed, tmp_path):
    for name in ("hash_mine", "my_probe", "scheduler_mine"):
        said = run(
            [installed.ringctl, "plugin", "new", name], cwd=tmp_path, env=installed.environment()
        ).stdout
        line = next(line.strip() for line in said.splitlines() if line.strip().startswith("cc "))
        run(["bash", "-ec", f"cd {name} && {line}"], cwd=tmp_path, env=installed.environment())
        check = run([installed.ringctl, "plugin", "check", f"./{name}.so"], cwd=tmp_path / name, within=120)
        assert check.stdout.splitlines()[-1] == "passed", check.stdout
        assert f" {name} 1.0, " in check.stdout.splitlines()[0]
        run(["cmake", "-S", ".", "-B", "build"], cwd=tmp_path / name, env=installed.environment())
        run(["cmake", "--build", "build"], cwd=tmp_path / name, env=installed.environment())
        assert (
            "template"
            not in (tmp_path / name / f"{name}.c").read_text()
            + (tmp_path / name / "CMakeLists.txt").read_text()
        )
        run([installed.ringctl, "plugin", "check", f"{name}/build/{name}.so"], cwd=tmp_path, within=120)


def test_the_template_folder_compiles_as_it_is(installed, tmp_path):
    shutil.copytree(SOURCE / "plugins" / "template", tmp_path / "template")
    run(
        ["cmake", "-S", ".", "-B", "build", "-DCMAKE_C_FLAGS=-Werror"],
        cwd=tmp_path / "template",
        env=installed.environment(),
    )
    run(["cmake", "--build", "build"], cwd=tmp_path / "template", env=installed.environment())
    assert len(list((tmp_path / "template" / "build").glob("*.so"))) == 3


def test_new_takes_the_kind_from_an_option(tmp_path):
    ringctl("plugin", "new", "mine", "--kind", "probe", "--into", tmp_path)
    assert "LB_PROBE" in (tmp_path / "mine" / "mine.c").read_text()


def test_new_overwrites_nothing(tmp_path):
    ringctl("plugin", "new", "hash_mine", "--into", tmp_path)
    (tmp_path / "hash_mine" / "hash_mine.c").write_text("mine")
    assert "hash_mine" in ringctl("plugin", "new", "hash_mine", "--into", tmp_path, code=1).stderr
    assert (tmp_path / "hash_mine" / "hash_mine.c").read_text() == "mine"


@pytest.mark.parametrize(
    "words",
    [
        ["mine"],
        ["hash"],
        ["hash_Mine"],
        ["../hash_mine"],
        ["1_hash"],
        ["hash_" + 60 * "x"],
        ["hash_mine", "--kind", "nine"],
    ],
)
def test_new_refuses(words, tmp_path):
    assert ringctl("plugin", "new", *words, code=2, cwd=tmp_path).stderr.startswith("ringctl: ")
    assert list(tmp_path.iterdir()) == []


# ---- plugin list


def test_list_shows_every_plugin_with_its_options():
    said = ringctl("plugin", "list").stdout
    for path in PLUGINS.glob("*.so"):
        assert re.search(rf"^(hash|probe|scheduler) +{path.stem} ", said, re.MULTILINE), path.stem
    assert re.search(
        r"^ +slots = 4294967296 +whole number 2 \.\. 4294967296; size of the ring", said, re.MULTILINE
    )


def test_list_of_an_installation(installed):
    assert f"plugins in {installed.prefix.resolve()}" in run([installed.ringctl, "plugin", "list"]).stdout


def test_a_broken_plugin_spoils_its_own_line_only(tmp_path):
    shutil.copy(PLUGINS / "hash_murmur.so", tmp_path)
    compiled(
        tmp_path,
        "hash_crash",
        PLUGIN
        % {"before": "__attribute__((constructor)) static void now(void) { abort(); }", "key": "return 0;"},
    )
    (tmp_path / "hash_text.so").write_text("no plugin")
    listed = ringctl("plugin", "list", "--dir", tmp_path, code=1)
    assert "hash_murmur" in listed.stdout
    assert "hash_crash.so: crashed (SIGABRT" in listed.stderr
    assert "hash_text.so" in listed.stderr


def test_list_without_a_folder(tmp_path):
    assert "cannot be read" in ringctl("plugin", "list", "--dir", tmp_path / "none", code=1).stderr


# ---- plugin check


def test_check_shows_how_the_assignment_spreads():
    said = ringctl("plugin", "check", "hash_quadratic.so", within=120).stdout
    assert "reach 87 of 512 slots" in said
    share = float(
        re.search(r"of 512 slots with 9 .*?share N=3 +max/mean ([0-9.]+) of", said, re.DOTALL).group(1)
    )
    assert 2.45 < share < 2.6  # 84.4 % of the keys
    assert said.splitlines()[-1] == "passed"


def test_check_measures_what_is_known_of_a_good_one():
    said = ringctl("plugin", "check", "scheduler_ring", within=120).stdout
    exact = float(re.search(r"share N=3.* ([0-9.]+) of the slots", said).group(1))
    assert 1 <= exact <= 1.05
    moved, excess = map(float, re.search(r"moved keys +([0-9.]+) %.*; ([0-9.]+) %", said).groups())
    assert 16.5 < moved < 16.9 and excess == 0


@pytest.mark.parametrize(
    "key, complaint",
    [
        ("abort();", "in key"),
        ("for (volatile int i = 0;; i++) { }", "in key"),
        ("static uint64_t n; return n++;", "must be pure"),
    ],
    ids=["crash", "loop", "impure"],
)
def test_check_says_of_a_hash_what_a_reload_would(tmp_path, key, complaint):
    plugin = compiled(tmp_path, "hash_odd", PLUGIN % {"before": "", "key": key})
    check = ringctl("plugin", "check", plugin, code=1)
    assert str(plugin) in check.stderr and complaint in check.stderr
    assert check.stdout.splitlines()[-1] == "FAILED"


@pytest.mark.parametrize(
    "pick, complaint",
    [
        ("return p->n_members ? 0 : LB_NONE;", "tried"),
        ("return LB_NONE;", "LB_NONE"),
        (
            "for (uint32_t m = 0; m < p->n_members; m++) if (!lb_is_tried(p, m)) return m + 1; return LB_NONE;",
            "member 3",
        ),
    ],
    ids=["tried", "nobody", "range"],
)
def test_check_says_of_a_scheduler_what_a_reload_would(tmp_path, pick, complaint):
    plugin = compiled(tmp_path, "scheduler_odd", SCHEDULER % {"pick": pick, "inspect": "(void)out;"})
    check = ringctl("plugin", "check", plugin, code=1)
    assert str(plugin) in check.stderr and complaint in check.stderr


def test_check_finds_a_probe_that_leaves_the_ring():
    assert "of a ring" in ringctl("plugin", "check", TEST_PLUGINS / "probe_outside.so", code=1).stderr


@pytest.mark.skipif(SANITIZER != "", reason="a sanitizer names crashes its own way")
@pytest.mark.parametrize(
    "key, complaint",
    [
        ("abort();", r"crashed \(SIGABRT: Aborted\), calling key"),
        ("return *(volatile int *)8;", r"crashed \(SIGSEGV: .*\), calling key"),
        ("for (volatile int i = 0;; i++) { }", r"had not ended after 1 s, calling key"),
    ],
    ids=["abort", "crash", "loop"],
)
def test_no_plugin_takes_ringctl_along(tmp_path, key, complaint):
    plugin = compiled(tmp_path, "hash_odd", PLUGIN % {"before": "", "key": key})
    assert re.search(complaint, ringctl("plugin", "hash", plugin, "1", "--timeout", "1", code=1).stderr)


def test_options_are_checked_as_in_lb_conf():
    def refused(*options):
        words = [word for option in options for word in ("--option", option)]
        return ringctl("plugin", "hash", "hash_murmur", "1", *words, code=1).stderr

    assert 'did you mean "seed"' in refused("sed=1")
    assert "it is a whole number" in refused("seed=abc")
    assert "it is a whole number" in refused("seed=1.5")
    assert "it is a whole number (0 .. 4294967295)" in refused("seed=-1")
    assert "neither 32 nor 128" in refused("bits=64")
    assert "no option" in refused("a=1", "seed=x") and "whole number" in refused("a=1", "seed=x")


def test_a_plugin_that_is_not_there():
    assert "hash_nowhere.so" in ringctl("plugin", "hash", "hash_nowhere", "1", code=1).stderr


# ---- plugin hash


def hashes(plugin, keys, *options):
    """H of each key, by ringctl, which reads them from its standard input."""
    words = [word for option in options for word in ("--option", option)]
    said = ringctl("plugin", "hash", plugin, "-", *words, input="".join(f"{key}\n" for key in keys)).stdout
    rows = [line.split("\t") for line in said.splitlines()]
    assert [row[0] for row in rows] == keys
    assert all(int(row[1]) == int(row[2], 16) for row in rows)
    return [int(row[1]) for row in rows]


def random_keys(count=300):
    rng = random.Random(8)
    letters = string.ascii_letters + string.digits + "/-_.=&%é€"
    keys = [str(rng.randrange(10 ** rng.randrange(1, 19))) for _ in range(count // 2)]
    return keys + ["".join(rng.choices(letters, k=rng.randrange(1, 400))) for _ in range(count // 2)]


def test_hash_prints_what_the_assignment_says():
    said = ringctl("plugin", "hash", "hash_quadratic.so", "132574", "3").stdout
    assert (
        said
        == f"132574\t{132574**2 + 2 * 132574 + 17}\t0x{132574**2 + 2 * 132574 + 17:016x}\n3\t32\t0x{32:016x}\n"
    )


def test_hash_is_for_hashes():
    assert "only a hash has values" in ringctl("plugin", "hash", "probe_linear", "1", code=1).stderr


@pytest.fixture(scope="module")
def libmurmurhash():
    try:
        return ctypes.CDLL("libmurmurhash.so.2")
    except OSError:
        pytest.skip("libmurmurhash2 is not installed; script/bootstrap test installs it")


@pytest.mark.parametrize("seed", [0, 1, 4294967295])
def test_murmur_agrees_with_libmurmurhash(libmurmurhash, seed):
    keys = random_keys()
    got = {bits: hashes("hash_murmur.so", keys, f"bits={bits}", f"seed={seed}") for bits in (32, 128)}
    for i, key in enumerate(keys):
        data, small, large = key.encode(), ctypes.c_uint32(), (ctypes.c_uint64 * 2)()
        libmurmurhash.lmmh_x86_32(data, len(data), ctypes.c_uint32(seed), ctypes.byref(small))
        libmurmurhash.lmmh_x64_128(data, len(data), ctypes.c_uint32(seed), large)
        assert got[32][i] == small.value << 32 | small.value, key
        assert got[128][i] == large[0], key


def test_murmur_agrees_with_python_mmh3():
    mmh3 = pytest.importorskip(
        "mmh3", reason="no python3-mmh3 here (Debian 12 has none); libmurmurhash stands in for it"
    )
    keys = random_keys()
    for key, got in zip(keys, hashes("hash_murmur.so", keys)):
        assert got == mmh3.hash64(key.encode(), signed=False)[0]


@pytest.mark.skipif(not (PLUGINS / "hash_xxh3.so").exists(), reason="hash_xxh3 is not built")
def test_xxh3_agrees_with_xxhsum(tmp_path):
    if not shutil.which("xxhsum"):
        pytest.skip("xxhsum is not installed; script/bootstrap test installs it (xxhash)")
    keys = random_keys()
    for i, key in enumerate(keys):
        (tmp_path / str(i)).write_bytes(key.encode())
    said = run(["xxhsum", "-H3", *[tmp_path / str(i) for i in range(len(keys))]]).stdout
    theirs = [int(re.search(r"\b([0-9a-f]{16})\b", line).group(1), 16) for line in said.splitlines()]
    assert hashes("hash_xxh3.so", keys) == theirs


# ---- plugin bench


@pytest.mark.parametrize(
    "words, rows",
    [
        (["hash_murmur"], [r"key of +6 bytes +[0-9.]+ ns", r"place +[0-9.]+ ns"]),
        (["probe_quadratic"], [r"at, +512 slots +[0-9.]+ ns"]),
        (
            ["scheduler_ring", "--members", "10", "--hash", "hash_quadratic", "--probe", "probe_quadratic"],
            [r"with hash_quadratic and probe_quadratic", r"^ +10 +[0-9.]+ +\d+ +[0-9.]+ +[0-9.]+$"],
        ),
    ],
)
def test_bench_prints_its_figures(words, rows):
    said = ringctl("plugin", "bench", *words, "--timeout", "120", within=150).stdout
    for row in rows:
        assert re.search(row, said, re.MULTILINE), said


# ---- explain


def explain(running, key, *words, code=0):
    return ringctl("explain", str(key), "--admin", f"127.0.0.1:{running.admin_port}", *words, code=code)


ASSIGNMENT = {
    "strategy": {
        "hash": "hash_quadratic",
        "probe": "probe_quadratic",
        "scheduler_options": {"slots": 512, "virtual_nodes": 9},
    }
}


@pytest.fixture(scope="module")
def assignment(shared_balancer):
    return shared_balancer(ASSIGNMENT)


# CONTRACT of the assignment: key -> slot and server.
GOLDEN = [
    (132574, 81, "Server 3"),
    (237891, 32, "Server 2"),
    (982345, 372, "Server 1"),
    (674512, 177, "Server 1"),
    (876234, 265, "Server 1"),
    (543289, 308, "Server 1"),
]


@pytest.mark.parametrize("key, slot, server", GOLDEN)
def test_explain_tells_slot_and_member(assignment, key, slot, server):
    story = json.loads(explain(assignment, key, "--json").stdout)["message"]
    attempt = story["attempts"][0]
    facts = {fact["name"]: fact for fact in attempt["facts"]}
    assert int(story["hash"], 16) == key * key + 2 * key + 17
    assert story["key"] == {"text": str(key), "bytes": len(str(key)), "id": key, "integer": True}
    assert facts["slot"]["number"] == slot and facts["slots"]["number"] == 512
    assert attempt["member"]["name"] == server == assignment.served_by(key)
    said = explain(assignment, key).stdout
    assert re.search(rf"^ +slot +{slot}$", said, re.MULTILINE) and re.search(
        rf"^attempt 0 +{server},", said, re.MULTILINE
    )


def test_explain_names_the_virtual_node(assignment):
    story = json.loads(explain(assignment, 132574, "--json").stdout)["message"]
    facts = {fact["name"]: fact for fact in story["attempts"][0]["facts"]}
    i, j = 3, facts["virtual node"]["number"]
    assert (
        facts["home slot"]["number"]
        == (i * i + j * j + 2 * j + 25) % 512
        == facts["node slot"]["number"]
        == 82
    )
    assert facts["probes"]["number"] == 0 and facts["nodes passed"]["number"] == 0
    assert facts["node of"]["member"] == "Server 3"


def test_explain_goes_through_all_members_and_ends(assignment):
    story = json.loads(explain(assignment, 132574, "--json").stdout)["message"]
    named = [attempt["member"] and attempt["member"]["name"] for attempt in story["attempts"]]
    assert sorted(named[:3]) == ["Server 1", "Server 2", "Server 3"] and named[3] is None
    assert [attempt["attempt"] for attempt in story["attempts"]] == [0, 1, 2, 3]


def test_explain_agrees_with_the_traffic(shared_balancer):
    running = shared_balancer({"replicas": {"count": 5}})
    for key in [str(n) for n in range(100, 130)] + ["not-a-number", "x" * 300]:
        story = json.loads(explain(running, key, "--json").stdout)["message"]
        assert story["attempts"][0]["member"]["name"] == running.served_by(key), key
        assert len({attempt["member"]["name"] for attempt in story["attempts"]}) == 4
    raw = json.loads(explain(running, "a b&c=d%e", "--json").stdout)["message"]
    assert raw["key"]["text"] == "a b&c=d%e" and raw["key"]["integer"] is False


def test_explain_counts_the_probes(balancer):
    running = balancer({"strategy": {"scheduler_options": {"slots": 16, "virtual_nodes": 5}}})
    probes = set()
    for key in range(200):
        facts = {
            fact["name"]: fact
            for fact in json.loads(explain(running, key, "--json").stdout)["message"]["attempts"][0]["facts"]
        }
        distance = (facts["node slot"]["number"] - facts["home slot"]["number"]) % 16
        assert facts["probes"]["number"] == distance  # probe_linear steps by one
        probes.add(distance)
    assert len(probes) > 1


def test_explain_without_any_replica(balancer):
    port = free_ports()
    running = balancer(
        {"replicas": {"driver": "static", "static": {"addresses": [f"127.0.0.1:{port}"]}}}, start=False
    )
    running.start(ready=False)
    story = json.loads(until(lambda: explain(running, 5, "--json", code=None).stdout, 15, "an answer"))[
        "message"
    ]
    assert len(story["attempts"]) == 1 and story["attempts"][0]["member"] is None
    assert "nobody is left" in explain(running, 5).stdout


def test_explain_skips_the_unready(balancer):
    running = balancer({"health": {"dead_after": 100000}})
    before = json.loads(explain(running, 7, "--json").stdout)["message"]["attempts"]
    first, second = before[0]["member"]["name"], before[1]["member"]["name"]
    pid = running.pid_of(first)
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: not running.replicas()[first]["ready"], 15, "the stopped replica is unready")
        attempt = json.loads(explain(running, 7, "--json").stdout)["message"]["attempts"][0]
        assert attempt["member"]["name"] == second
        assert [(passed["name"], passed["why"]) for passed in attempt["skipped"]] == [(first, "unready")]
        assert re.search(rf"skipped, unready +{first}$", explain(running, 7).stdout, re.MULTILINE)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_explain_skips_the_full(balancer):
    running = balancer(
        {
            "strategy": {"bounded_load": 1.0},
            "replicas": {"count": 2, "process": {"command": ["backend", "--quiet", "--delay-ms", "600000"]}},
            "timeouts": {"reply": 600000, "drain": 100},
        }
    )
    first, second = (
        attempt["member"]["name"]
        for attempt in json.loads(explain(running, 7, "--json").stdout)["message"]["attempts"][:2]
    )
    with Wire(running.port) as client:
        client.send("GET /home?request_id=7 HTTP/1.1\r\nHost: a\r\n\r\n")
        until(lambda: running.replicas()[first]["in_flight"] == 1, 10, "a request in flight")
        attempt = json.loads(explain(running, 7, "--json").stdout)["message"]["attempts"][0]
        assert [
            (passed["name"], passed["why"], passed["in_flight"], passed["bound"])
            for passed in attempt["skipped"]
        ] == [
            (first, "full", 1, 1)
        ]  # ceil(1.0 * 2 requests / 2 replicas)
        assert attempt["member"]["name"] == second and attempt["member"]["bound"] == 1
        assert f"skipped, full        {first}" in explain(running, 7).stdout


def test_explain_of_a_scheduler_without_keys(balancer):
    running = balancer({"strategy": {"scheduler": "scheduler_round_robin", "scheduler_options": None}})
    story = json.loads(explain(running, 1, "--json").stdout)["message"]
    assert story["hash"] is None and story["keyed"] is False
    assert {fact["name"] for fact in story["attempts"][0]["facts"]} >= {
        "turns in a cycle",
        "turn",
        "candidate",
    }
    assert "the key does not choose the member" in explain(running, 1).stdout


def test_explain_of_a_scheduler_that_does_not(balancer, tmp_path):
    plugin = compiled(
        tmp_path,
        "scheduler_mute",
        SCHEDULER
        % {
            "pick": "for (uint32_t m = 0; m < p->n_members; m++) if (!lb_is_tried(p, m)) return m; return LB_NONE;",
            "inspect": "(void)out;",
        },
    )
    running = balancer({"strategy": {"scheduler": str(plugin), "scheduler_options": None}})
    story = json.loads(explain(running, 1, "--json").stdout)["message"]
    assert story["explains"] is False and story["attempts"][0]["facts"] == []
    assert [attempt["member"] and attempt["member"]["name"] for attempt in story["attempts"]] == [
        "Server 1",
        "Server 2",
        "Server 3",
        None,
    ]
    assert "does not explain itself" in explain(running, 1).stdout


def test_explain_over_http(assignment):
    assert assignment.admin(target="/_lb/explain").status == 400
    assert assignment.admin(target="/_lb/explain?key=").status == 400
    assert assignment.admin(target="/_lb/explain?other=1&key=%31%32").json()["message"]["key"]["text"] == "12"
    assert assignment.admin("POST", "/_lb/explain?key=1").status == 405
    assert "endpoint does not exist" in assignment.ask(target="/explain?key=1").body.decode()


def test_explain_without_a_balancer():
    refused = ringctl("explain", "1", "--admin", f"127.0.0.1:{free_ports()}", code=1)
    assert "no answer from the admin port" in refused.stderr


def test_output_that_cannot_be_written():
    assert "cannot write" in run(["sh", "-c", f"{RINGCTL} --version >/dev/full"], code=1).stderr
