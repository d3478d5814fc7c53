"""conftest.py - the fixtures: balancers and origins that are started for a test and checked after it.

Owns     the life of everything a test starts; the logs that are shown when a test fails.
Used by  pytest.
"""

import itertools
import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import PROGRAM  # noqa: E402
from origin import Origin  # noqa: E402
from ringmaster import Ringmaster  # noqa: E402

ACCESS = re.compile(
    r"Z [A-Z]+ \S+ \d{3} \d+ \d+us$"
)  # a replica's line for a request: there are too many of them
_numbers = itertools.count(1)


def pytest_sessionstart(session):
    if not PROGRAM.exists():
        pytest.exit(f"{PROGRAM} does not exist: build first, or set RM_BUILD to the build directory", 3)


class _Balancers:
    def __init__(self, directory):
        self.directory = directory
        self.made = []

    def __call__(self, settings=None, start=True, **keywords):
        made = Ringmaster(self.directory / f"balancer{next(_numbers)}", settings, **keywords)
        self.made.append(made)
        return made.start() if start else made

    def stop(self):
        problems = []
        for made in self.made:
            try:
                made.stop()
            except (AssertionError, OSError) as problem:
                problems.append(str(problem))
            made.clean_up()
        assert not problems, "\n".join(problems)


@pytest.fixture
def balancer(tmp_path):
    """balancer(settings) starts one and waits until it serves; it is stopped and checked after the test."""
    made = _Balancers(tmp_path)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shared_balancer(tmp_path_factory):
    """The same for tests that only look: one balancer for the whole file."""
    made = _Balancers(tmp_path_factory.mktemp("shared"))
    yield made
    made.stop()


class _Origins:
    def __init__(self):
        self.made = []

    def __call__(self, *arguments, **keywords):
        self.made.append(Origin(*arguments, **keywords))
        return self.made[-1]

    def stop(self):
        for made in self.made:
            made.stop()


@pytest.fixture
def origin():
    """origin(handler) starts a scripted replica on a free port."""
    made = _Origins()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shared_origin():
    made = _Origins()
    yield made
    made.stop()


@pytest.fixture(autouse=True, scope="session")
def tools_are_there():
    missing = [tool for tool in ("wrk",) if shutil.which(tool) is None]
    assert not missing, f"not installed: {missing}; script/bootstrap test installs what the tests need"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the log of every running balancer under a failed test."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for running in Ringmaster.running:
            lines = [line for line in running.log().splitlines() if not ACCESS.search(line)]
            report.sections.append((f"log of {running.directory}", "\n".join(lines[-120:])))
            report.sections.append((f"{running.config}", running.config.read_text()[:4000]))
