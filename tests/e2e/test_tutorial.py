"""docs/plugin-tutorial.md, typed in as it stands: an empty folder, an installed Ringmaster, one shell.

Only the port numbers are others, for several balancers may run on one machine.
"""

import json
import re
import subprocess
import uuid

import pytest

from harness import SLOW, SOURCE, free_ports, processes_with, until
from installed import Installed, run, undefined_symbols

TUTORIAL = SOURCE / "docs" / "plugin-tutorial.md"

# Ends what the page leaves running when one of its commands fails.
PROLOGUE = """set -eu
trap 'for job in $(jobs -p); do kill "$job" 2>/dev/null || :; done' EXIT
"""


def blocks():
    """The commands of the page, block by block."""
    return re.findall(r"^```sh\n(.*?)^```", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)


def with_ports(script):
    base = free_ports(40)
    for written, free in (("5000", free_ports()), ("9901", free_ports()), ("5001", base)):
        script = re.sub(rf"\b{written}\b", str(free), script)
    return script


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """The page's folder after everything was run, and what each block printed."""
    installed = Installed(tmp_path_factory.mktemp("prefix"))
    folder = tmp_path_factory.mktemp("clean")
    mark = f"{uuid.uuid4().hex}"
    script = PROLOGUE + "".join(f"echo '@@block'\n{block}" for block in blocks())
    done = subprocess.run(
        ["bash", "-c", with_ports(script)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=installed.environment(RM_TEST_MARK=mark),
        stdin=subprocess.DEVNULL,
        timeout=240 * SLOW,
    )
    log = folder / "ringmaster.log"
    assert done.returncode == 0, (
        f"the page stops with exit {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}\n"
        f"{log.read_text()[-2000:] if log.exists() else ''}"
    )
    until(lambda: not processes_with(f"RM_TEST_MARK={mark}".encode()), 10, "no process left")
    return installed, folder, done.stdout.split("@@block\n")[1:]


def test_every_block_is_run(typed):
    assert len(typed[2]) == len(blocks()) >= 7
    text = TUTORIAL.read_text()
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(
        blocks()
    ), "a fenced block that nobody runs"


def test_a_replica_answers_at_the_beginning(typed):
    assert "Hello from Server" in typed[2][0]


def test_check_tells_a_bad_hash_from_a_good_one(typed):
    shares = [
        float(re.search(r"4294967296 slots.*?share N=6 +max/mean ([0-9.]+)", block, re.DOTALL).group(1))
        for block in typed[2][1:4]
    ]
    assert shares[0] < 1.2 and shares[2] < 1.2, shares
    assert shares[1] > 2, shares
    assert "reach 64 of 512 slots" in typed[2][2]
    assert "\n2\t16\t0x0000000000000010\n" in typed[2][2]


def test_it_serves(typed):
    block = typed[2][4]
    reload = json.loads(block.splitlines()[0].partition("HTTP/1.1")[0])
    assert reload["message"]["changed"] == ["strategy.hash"]
    assert reload["message"]["strategy"]["hash"] == "hash_mine"
    served = re.search(r"^X-Served-By: (.*?)\r?$", block, re.MULTILINE | re.IGNORECASE).group(1)
    explained = re.search(r"^attempt 0 +(.*?), \d+ in flight", block, re.MULTILINE).group(1)
    assert served == explained


def test_new_code_under_the_old_name(typed):
    reload = json.loads(typed[2][5].splitlines()[-1])
    assert reload["message"]["changed"] == ["strategy.hash"]
    assert reload["message"]["generation"] == 3
    assert 0.5 < reload["message"]["moved_keys"] < 0.8


def test_the_plugin_knows_the_header_and_nothing_else(typed):
    installed, folder, _ = typed
    plugin = folder / "hash_mine" / "hash_mine.so"
    assert undefined_symbols(plugin) == []
    needed = re.findall(r"NEEDED.*\[(.*)\]", run(["readelf", "-d", plugin]).stdout)
    assert [name for name in needed if not name.startswith("libc.so")] == []
    exported = [line.split()[-1] for line in run(["nm", "-D", "--defined-only", plugin]).stdout.splitlines()]
    assert "lb_plugin_entry" in exported
    cflags = run(["pkg-config", "--cflags", "ringmaster-plugin"], env=installed.environment()).stdout.split()
    headers = run(["cc", "-M", *cflags, folder / "hash_mine" / "hash_mine.c"]).stdout
    ours = [word for word in headers.split() if str(SOURCE) in word or str(installed.prefix) in word]
    assert {str(installed.header)} == {re.sub(r"/lib/pkgconfig/\.\./\.\.", "", word) for word in ours}
