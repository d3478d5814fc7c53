"""lab/examples: each runs as its page says, against a balancer, and says what it found. A tool that is not installed is left out."""

import os
import re
import shutil

import pytest

from harness import SLOW, SOURCE
from installed import run

EXAMPLES = SOURCE / "lab" / "examples"
NAMES = {"Server 1", "Server 2", "Server 3"}


@pytest.fixture
def lb(balancer):
    return balancer()


def example(lb, *words, needs, **more):
    if shutil.which(needs) is None:
        pytest.skip(f"{needs} is not installed")
    url = f"http://127.0.0.1:{lb.port}"
    words = [word.replace("URL", url) for word in words]
    return run([EXAMPLES / words[0], *words[1:]], within=60 * SLOW, **more)


def counts(text):
    """Lines of a name and a number, whichever comes first."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s*(?:(\d+) (Server \d)|(Server \d)\s+(\d+)\b)", line)
        if match:
            found[match[2] or match[3]] = int(match[1] or match[4])
    return found


def test_curl(lb):
    done = example(lb, "curl.sh", "URL", needs="curl")
    calls, thousand = done.stdout.split("1,000 requests:")
    assert re.findall(r"-> (\d+) in", calls) == ["200"] * 7 + ["405"]
    left = {name: int(count) for count, name in re.findall(r"^ *(\d+) (.+)$", thousand, re.M)}
    assert sum(left.values()) == 1000
    assert set(left) == set(lb.rep()) and len(left) == 3, "of six S5, S6 and one by chance went"


def test_wrk(lb):
    done = example(lb, "wrk.sh", "URL", "1", needs="wrk")
    served = counts(done.stdout)
    assert set(served) == NAMES
    assert sum(served.values()) == int(re.search(r"(\d+) requests in", done.stdout)[1])
    assert "Non-2xx" not in done.stdout and "Socket errors" not in done.stdout


def test_h2load(lb):
    done = example(lb, "h2load.sh", "URL", needs="h2load")
    assert "10000 total, 10000 started, 10000 done, 10000 succeeded, 0 failed" in done.stdout
    assert sum(row["answered"] for row in lb.replicas().values()) == 10000


def test_the_asynchronous_client(lb):
    pytest.importorskip("aiohttp")
    done = example(lb, "client.py", "URL", "2000", needs="python3")
    served = counts(done.stdout)
    assert set(served) == NAMES and sum(served.values()) == 2000
    assert "failed {}" in done.stdout


def test_locust(lb, tmp_path):
    if shutil.which("locust") is None:
        pytest.skip("locust is not installed")
    command = re.search(r"^locust (.*)$", (EXAMPLES / "locustfile.py").read_text(), re.M)[1]
    command = command.replace("lab/examples", str(EXAMPLES)).replace("http://127.0.0.1:5000", f"http://127.0.0.1:{lb.port}")
    command = command.replace("-t 10s", "-t 6s")
    done = run(["locust", *command.split()], within=60 * SLOW, cwd=tmp_path)
    table = done.stdout + done.stderr
    assert re.search(r"GET\s+/home\s+\d+\s+0\(0\.00%\)", table), table[-2000:]
    assert re.search(r"GET\s+/request\?request_id=\.\.\.\s+\d+\s+0\(0\.00%\)", table)


def test_the_page_names_every_file():
    page = (EXAMPLES / "README.md").read_text()
    for file in EXAMPLES.iterdir():
        if file.name not in ("README.md", "__pycache__"):
            assert f"]({file.name})" in page, file.name
            if file.suffix != ".lua" and file.name != "locustfile.py":
                assert os.access(file, os.X_OK), f"{file.name} cannot be run"
