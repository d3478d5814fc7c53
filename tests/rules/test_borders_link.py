"""Each room links alone, whole, with those it may use and nothing else.

A static library takes whatever the program brings along, so a call across a border goes unnoticed in the normal build.
Here each one is linked as a shared object that must have every symbol.
"""

import os
import pathlib
import subprocess
import tempfile

from borders import EXTERNAL, MAY_USE
from tree import report

build = pathlib.Path(os.environ["RM_BUILD"])
compiler = os.environ.get("CC", "cc")
link_flags = os.environ.get("RM_LINK_FLAGS", "").split()


def archive(room):
    return str(build / "core" / f"liblb_{room}.a")


def externals(room):
    names = {name for used in (room, *MAY_USE[room]) for name in EXTERNAL[used]}
    flags = subprocess.run(["pkg-config", "--libs", *sorted(names)], check=True, capture_output=True, text=True)
    return flags.stdout.split()


def complaints():
    for room, used in MAY_USE.items():
        with tempfile.TemporaryDirectory() as folder:
            command = [compiler, *link_flags, "-fno-lto", "-shared", "-o", f"{folder}/room.so", "-Wl,-z,defs",
                       "-Wl,--whole-archive", archive(room), "-Wl,--no-whole-archive",
                       "-Wl,--start-group", *map(archive, used), "-Wl,--end-group",
                       *externals(room), "-pthread", "-ldl"]
            link = subprocess.run(command, capture_output=True, text=True)
        if link.returncode:
            friends = " and ".join(used) or "nothing"
            yield f"core/{room} does not link with {friends} alone:\n{link.stderr.rstrip()}"


report(complaints(), checked=len(MAY_USE))
