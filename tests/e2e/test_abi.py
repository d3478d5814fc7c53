"""Plugins built with the header of an earlier version keep loading and serving.

tests/abi/lb_plugin_M_m.h is the header as it was given out with each version.
"""

import re
import shutil

import pytest

from harness import BUILD, SOURCE
from installed import run

HEADERS = sorted((SOURCE / "tests" / "abi").glob("lb_plugin_*.h"))
RINGCTL = BUILD / "bin" / "ringctl"
KINDS = ("hash", "probe", "scheduler")


def current_major():
    text = (SOURCE / "include" / "lb_plugin.h").read_text()
    return int(re.search(r"^#define LB_ABI_MAJOR (\d+)u", text, re.MULTILINE).group(1))


@pytest.fixture(params=HEADERS, ids=lambda path: path.stem)
def built(request, tmp_path):
    """A plugin of each kind, written for the first version of that major and built with that header; and its version."""
    major, minor = map(int, re.findall(r"\d+", request.param.stem))
    (tmp_path / "include").mkdir()
    shutil.copy(request.param, tmp_path / "include" / "lb_plugin.h")
    paths = {}
    for kind in KINDS:
        paths[kind] = tmp_path / f"{kind}_old.so"
        run(
            [
                "cc",
                "-O2",
                "-fPIC",
                "-shared",
                f"-I{tmp_path / 'include'}",
                "-o",
                paths[kind],
                SOURCE / "tests" / "abi" / f"{kind}_{major}_0.c",
            ]
        )
    return paths, (major, minor)


def test_there_is_a_header_to_build_with():
    assert HEADERS


def test_an_old_plugin_passes(built):
    paths, (major, minor) = built
    for path in paths.values():
        check = run([RINGCTL, "plugin", "check", path], code=None, within=120)
        if major == current_major():
            assert check.returncode == 0, check.stderr
            assert f"(plugin ABI {major}.{minor})" in check.stdout
        else:
            assert f"speaks plugin ABI {major}.{minor}" in check.stderr


def test_an_old_strategy_serves(built, balancer):
    paths, (major, _) = built
    if major != current_major():
        pytest.skip("another major: refused, as the test above shows")
    running = balancer()
    reload = running.reload(
        {"strategy": {**{kind: str(path) for kind, path in paths.items()}, "scheduler_options": None}}
    )
    assert reload.status == 200, reload.body
    assert {running.served_by(key) for key in range(50)} == set(running.rep())
