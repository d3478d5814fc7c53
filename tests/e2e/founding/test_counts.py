"""Where the founding rings put requests: the counts that are known exactly, through the whole balancer."""

import subprocess
from pathlib import Path

import pytest

from founder import ask_all, count_served, preset, two_ports
from harness import SANITIZER, SLOW

KEYS = (132574, 237891, 982345, 674512, 876234, 543289)
GOLDEN = {
    "assignment": ("Server 3", "Server 2", "Server 1", "Server 1", "Server 1", "Server 1"),
    "printed-variant": ("Server 1",) * 6,
}
# Of the 512 slots that a request can be hashed to (each equally likely), how many lead to each replica.
OF_512 = {
    "assignment": (432, 24, 56),
    "printed-variant": (494, 9, 9),
    "flat-variant": (494, 9, 9),
}
MD5 = {
    2: (5412, 4588),
    3: (3650, 3412, 2938),
    4: (2605, 2588, 2171, 2636),
    5: (2148, 2104, 1773, 1976, 1999),
    6: (1616, 1793, 1538, 1627, 1760, 1666),
}


def named(counts):
    return {f"Server {number}": count for number, count in enumerate(counts, start=1)}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_six_golden_keys(balancer, name):
    mine = balancer(text=preset(name))
    assert tuple(mine.served_by(key) for key in KEYS) == GOLDEN[name]


@pytest.mark.parametrize("name", OF_512)
def test_the_shares_of_512_neighbouring_ids(balancer, name):
    """A polynomial modulo 512 repeats after 512 ids: so many in a row give the exact shares."""
    mine = balancer(text=preset(name))
    assert count_served(mine.port, range(100000, 100512)) == named(OF_512[name])


def test_the_md5_ring_from_two_replicas_to_six(balancer):
    """N = 2 by /rm, then one more each time by /add; the ids 1 to 10,000 each time."""
    mine = balancer(text=preset("md5-1024"))
    assert mine.rm("server_id=3").status == 200
    sizes = MD5 if not SANITIZER else {n: MD5[n] for n in (2, 3)}
    for n, counts in sizes.items():
        if n > 2:
            assert mine.add(f'{{"n": 1, "hostnames": ["Server {n}"]}}').status == 200
        assert count_served(mine.port, range(1, 10001)) == named(counts), f"N = {n}"


def test_the_small_md5_ring_has_the_shares_its_table_has(balancer):
    mine = balancer(text=preset("md5-512"))
    shares = {name: row["share"] for name, row in mine.replicas().items()}
    assert [round(shares[f"Server {i}"] * 512) for i in (1, 2, 3)] == [106, 142, 264]
    served = count_served(mine.port, range(1, 5121))
    for name, share in shares.items():
        assert abs(served[name] / 5120 - share) < 3 * (share * (1 - share) / 5120) ** 0.5


# ---- the batch file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ("md5-1024", "md5-512", "flat-variant"))
def test_the_batch_file(balancer, name):
    """Remove 1, add 4, 1,000 requests, counts: by curl on the second port, as the batch file does it."""
    mine, second = two_ports(balancer, name)
    run = subprocess.run(
        [Path(__file__).with_name("batch.sh"), f"http://127.0.0.1:{second}"],
        capture_output=True,
        text=True,
        timeout=120 * SLOW,
        check=False,
    )
    assert run.returncode == 0, run
    counted = {line.split()[0]: int(line.split()[1]) for line in run.stdout.splitlines()}
    assert mine.rep() == ["Server 2", "Server 3", "4"]
    assert sum(counted.values()) == 1000

    # The same requests again: who answers them now answered them then.
    replies = ask_all(mine.port, (f"/request?request_id={i}" for i in range(1, 1001)))
    served = [reply.served_by.removeprefix("Server ") for reply in replies]
    assert counted == {number: served.count(number) for number in ("2", "3", "4")}
    assert mine.ask("GET", "/performance_graph").status == 200
