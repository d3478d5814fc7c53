"""docs/lab-guide.md, typed in as it stands: an empty folder, an installed Ringmaster, one shell; and its exact figures,
counted again.

Only A-4 sends fewer requests here, for time; under a sanitizer all four do.
"""

import csv
import json
import re
import subprocess
import uuid

import pytest

from harness import SANITIZER, SLOW, SOURCE, processes_with, until
from installed import Installed

GUIDE = SOURCE / "docs" / "lab-guide.md"
EVERY_ID = ("--keys", "sequential:100000", "--count", "900k", "--arrivals", "0")


def blocks():
    """The commands of the page, block by block."""
    return re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def figures(name):
    """The rows of the table that follows <!-- figures: NAME -->: [[strategy, cell, …], …], numbers without their unit."""
    table = re.search(rf"<!-- figures: {name} -->\n(?:\|.*\n){{2}}((?:\|.*\n)+)", GUIDE.read_text()).group(1)
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()]
    return [[row[0], *(float(cell.removesuffix(" %")) for cell in row[1:])] for row in rows]


def shortened(script):
    if SANITIZER:
        return script.replace(" --spawn", " --spawn --requests 1000 --seconds 6")
    return script.replace("ringlab a4 --spawn", "ringlab a4 --spawn --requests 1000")


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """The page's folder after everything was run, what each block printed, and the installed program's environment."""
    installed = Installed(tmp_path_factory.mktemp("prefix"))
    folder = tmp_path_factory.mktemp("clean")
    mark = uuid.uuid4().hex
    environment = installed.environment(RM_TEST_MARK=mark)
    script = "set -eu\n" + "".join(f"echo '@@block'\n{block}" for block in blocks())
    done = subprocess.run(
        ["bash", "-c", shortened(script)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=500 * SLOW,
    )
    said = f"the page stops with exit {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    assert done.returncode == 0, said
    until(lambda: not processes_with(f"RM_TEST_MARK={mark}".encode()), 10, "no process left")
    return folder, done.stdout.split("@@block\n")[1:], environment


@pytest.fixture(scope="module")
def simulate(typed, tmp_path_factory):
    folder, _, environment = typed
    answer = tmp_path_factory.mktemp("figures") / "answer.json"

    def run(*arguments):
        command = ["ringlab", "simulate", *arguments, *EVERY_ID, "--json", answer]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, env=environment, timeout=120 * SLOW
        )
        assert done.returncode == 0, done
        return {(row["strategy"], row["replicas"]): row for row in json.loads(answer.read_text())["results"]}

    return run


def test_every_block_is_run(typed):
    _, outputs, _ = typed
    assert len(outputs) == len(blocks()) >= 12
    fences = re.findall(r"^```", GUIDE.read_text(), re.MULTILINE)
    assert len(fences) == 2 * len(blocks()), "a fenced block that nobody runs"


def test_the_experiments_left_their_files(typed):
    folder, outputs, _ = typed
    for name in ("a1", "a2", "a3", "a4"):
        assert (folder / "lab" / "out" / name / "result.json").exists(), name
    assert (folder / "lab" / "out" / "report.html").exists()
    assert any("\npassed\n" in output for output in outputs), "the check of hash_mine"
    assert "Best balance with equal keys together" in outputs[-1]


def test_the_shares_are_exact(typed):
    folder, _, environment = typed
    strategies = [row[0] for row in figures("shares")]
    command = ["ringlab", "simulate", *strategies, *EVERY_ID, "--moves", "0", "--replicas", "3"]
    subprocess.run(
        [*command, "--assignments", "all.csv"], cwd=folder, env=environment, check=True, capture_output=True
    )
    counts = {name: {} for name in strategies}
    with (folder / "all.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            for name in strategies:
                counts[name][row[name]] = counts[name].get(row[name], 0) + 1
    for name, *cells in figures("shares"):
        shares = [counts[name][f"Server {i}"] / 900_000 for i in (1, 2, 3)]
        assert [round(100 * share, 2) for share in shares] + [round(3 * max(shares), 4)] == cells, name


def test_the_sizes_are_exact(simulate):
    rows = simulate("lb", "--replicas", "2,3,4,5,6")
    for n, *cells in figures("sizes"):
        row = rows["lb", int(n)]
        seen = [round(row["max_over_mean"], 4), round(100 * row["add_moved"], 2), round(100 * row["add_excess"], 2)]
        assert seen == cells, n


def test_the_strategies_are_exact(simulate):
    table = figures("strategies")
    rows = simulate(*(row[0] for row in table), "--replicas", "3,6")
    for name, *cells in table:
        three, six = rows[name, 3], rows[name, 6]
        moved = [three["add_moved"], three["add_excess"], three["remove_moved"], three["remove_excess"]]
        balance = [round(three["max_over_mean"], 4), round(six["max_over_mean"], 4)]
        assert balance + [round(100 * share, 2) for share in moved] == cells, name
        assert three["die_excess"] == six["die_excess"] == 0


def test_the_contest_is_exact(simulate):
    table = figures("contest")
    sizes = (3, 6, 10, 100)
    rows = simulate(*(row[0] for row in table), "--moves", "0", "--replicas", ",".join(map(str, sizes)))
    for name, *cells in table:
        assert [round(rows[name, n]["max_over_mean"], 4) for n in sizes] == cells, name
