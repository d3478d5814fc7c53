"""installed.py - Ringmaster as an author of plugins finds it: installed under a prefix, and nothing else.

Owns     the installation in a temporary folder, and the environment that leads to it.
Used by  test_tutorial.py, test_ringctl.py, test_abi.py.
"""

import os
import subprocess

from harness import BUILD, SLOW


class Installed:
    def __init__(self, prefix):
        self.prefix = prefix
        run(["cmake", "--install", BUILD, "--prefix", prefix])
        self.bin = prefix / "bin"
        self.ringctl = self.bin / "ringctl"
        self.header = prefix / "include" / "lb_plugin.h"
        self.pkgconfig = next(prefix.rglob("ringmaster-plugin.pc")).parent

    def environment(self, **more):
        """Nothing of the tests' own environment that could lead to the source or to the build."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RM_", "PYTEST"))}
        return {
            **kept,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "PKG_CONFIG_PATH": str(self.pkgconfig),
            "PREFIX": str(self.prefix),
            **more,
        }

    def variable(self, name):
        return run(
            ["pkg-config", f"--variable={name}", "ringmaster-plugin"], env=self.environment()
        ).stdout.strip()

    def compile(self, source, out, *flags):
        """The one line of the tutorial."""
        cflags = run(["pkg-config", "--cflags", "ringmaster-plugin"], env=self.environment()).stdout.split()
        run(["cc", "-O2", "-fPIC", "-shared", *cflags, *flags, "-o", out, source])
        return out


def run(command, code=0, within=60.0, **keywords):
    """Runs a command to its end, and fails with its output when the exit code is another."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL if "input" not in keywords else None,
        timeout=within * SLOW,
        check=False,
        **keywords,
    )
    assert (
        code is None or done.returncode == code
    ), f"{' '.join(map(str, command))}: exit {done.returncode}, not {code}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done


def undefined_symbols(plugin):
    """What a plugin wants from others, without the C library's own and what may be missing."""
    lines = run(["nm", "-D", "--undefined-only", plugin]).stdout.splitlines()
    return [line.split()[-1] for line in lines if line.split()[-2] == "U" and "@GLIBC" not in line]
