"""Same path, new code: the file that serves is overwritten, in place and by another one taking its name. What runs is
untouched; a reload brings the new code and nothing of the old; a thousand times, while requests run."""

import os
import time
from pathlib import Path

import pytest

from harness import BUILD, PLUGINS, SANITIZER, descriptors, mapping_count, memory_kib, until
from load import KeepAlive, Wrk

TEST_PLUGINS = Path(os.environ.get("RM_TEST_PLUGIN_DIR") or BUILD / "test-plugins")
SWAPS = {"": 1000, "address": 30, "thread": 30}[SANITIZER]
EARLY = SWAPS // 10  # memory is compared from here on: caches and arenas have grown by then

# What is written in turn: the file, and the name and version that its code says it has.
SOURCES = [
    (TEST_PLUGINS / "hash_version_a.so", "hash_version", "1.0a"),
    (TEST_PLUGINS / "hash_version_b.so", "hash_version", "1.0b"),
    (PLUGINS / "hash_murmur.so", "hash_murmur", "1.0"),
]


def content(turn):
    """The bytes of a turn: never the same twice, so that no swap finds its code mapped. A tail changes no ELF file."""
    return SOURCES[turn % len(SOURCES)][0].read_bytes() + turn.to_bytes(8, "little")


def by_cp(path, data):
    """As cp does: the same inode, emptied and filled."""
    with path.open("wb") as file:
        file.write(data)


def by_mv(path, data):
    fresh = path.with_suffix(".new")
    fresh.write_bytes(data)
    os.replace(fresh, path)


def start(balancer, tmp_path, replace, settings=None):
    path = tmp_path / "hash_live.so"
    replace(path, content(0))
    mine = balancer({"strategy": {"hash": str(path)}, **(settings or {})})
    return mine, path


def in_force(mine):
    strategy = mine.state()["strategy"]
    return strategy["hash"], strategy["versions"]["hash"]


def expected(turn):
    return SOURCES[turn % len(SOURCES)][1:]


def placed(mine, keys=range(6)):
    return [mine.served_by(key) for key in keys]


@pytest.mark.parametrize("replace", [by_cp, by_mv])
def test_nothing_changes_before_the_reload(balancer, tmp_path, replace):
    mine, path = start(balancer, tmp_path, replace)
    before, generation = placed(mine, range(40)), mine.state()["generation"]
    replace(path, content(2))
    assert in_force(mine) == expected(0) and placed(mine, range(40)) == before
    replace(path, b"")  # in place this would be SIGBUS, were the file itself mapped
    assert placed(mine, range(40)) == before
    refused = mine.reload()
    assert refused.status == 422 and "is empty" in refused.json()["errors"][0]["message"]
    path.unlink()
    assert mine.reload().status == 422
    assert in_force(mine) == expected(0) and mine.state()["generation"] == generation
    replace(path, content(2))
    message = mine.reload().json()["message"]
    assert message["changed"] == ["strategy.hash"] and message["generation"] == generation + 1
    assert message["moved_keys"] > 0.3 and message["vet_ms"] > 0
    assert in_force(mine) == expected(2) and placed(mine, range(40)) != before


def measure(mine):
    files = [what for what in descriptors(mine.pid) if not what.startswith("socket:")]
    return {"rss": memory_kib(mine.pid, "VmRSS"), "maps": mapping_count(mine.pid), "files": len(files)}


def swap_many(mine, path, measured):
    """Each way in turn. After each reload: the new code, and placed as that code places."""
    places, took = {}, []
    for turn in range(1, SWAPS + 1):
        (by_cp if turn % 2 else by_mv)(path, content(turn))
        begun = time.monotonic()
        reply = mine.reload()
        took.append(time.monotonic() - begun)
        assert reply.status == 200, reply
        assert reply.json()["message"]["changed"] == ["strategy.hash"], f"swap {turn}"
        assert in_force(mine) == expected(turn), f"swap {turn} shows the code of another one"
        name = expected(turn)[0]
        assert placed(mine) == places.setdefault(name, placed(mine)), f"swap {turn} places as another one"
        if turn in (EARLY, SWAPS):
            until(lambda: mine.state()["live_views"] == 1, 5, "one live view")
            measured[turn] = measure(mine)
    assert len({tuple(there) for there in places.values()}) == 2, "the two hashes place differently"
    took.sort()
    print(f"{SWAPS} swaps, each vetted: median {took[len(took) // 2] * 1000:.1f} ms, worst {took[-1] * 1000:.1f} ms")


def test_a_thousand_times_under_load(balancer, tmp_path):
    mine, path = start(balancer, tmp_path, by_cp)
    generation, measured = mine.state()["generation"], {}
    with Wrk(mine.port, connections=16) as load, KeepAlive(mine.port, clients=4, think=0.002) as clients:
        until(lambda: clients.replies > 50, what="traffic")
        swap_many(mine, path, measured)
    load.check(at_least=SWAPS)
    clients.check(at_least=SWAPS // 2)
    state = mine.state()
    print(f"{load.requests} requests; {measured}")
    assert state["generation"] == generation + SWAPS
    assert state["strategy"]["plugins"] == {"loaded": 3, "stuck": 0}
    if not SANITIZER:  # those keep freed memory and unloaded code, on purpose
        early, late = measured[EARLY], measured[SWAPS]
        assert late["rss"] - early["rss"] <= max(2048, early["rss"] // 10), measured
        assert late["maps"] - early["maps"] <= 8, measured
        assert late["files"] - early["files"] <= 2, measured
